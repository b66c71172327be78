/* From text to search terms. Documents and queries go the same way.
 *
 * Characters are folded (rag/lex_fold.h), words are runs of letters, digits and marks, stemmed if
 * they are of a..z. Digits joined by "." stay together (3.5), a comma between a digit and three
 * more is dropped (1,000 is 1000); a clitic behind an apostrophe (it's, don't, we've) is dropped.
 * Scripts that are written without spaces (Han, kana, Thai, ...) and Hangul give each character and
 * each pair of neighbours.
 *
 * The terms of a text are part of the format of the index: PH_LEX_VERSION counts them.
 * Threads: any; nothing is allocated.
 */
#ifndef PH_RAG_LEX_ANALYZE_H
#define PH_RAG_LEX_ANALYZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define PH_LEX_VERSION  1
/* Bytes of a term; longer words are cut, at a character. */
#define PH_LEX_TERM_MAX 64

typedef struct ph_lex_token {
    ph_str term;       /* borrowed for the call */
    size_t start, end; /* bytes of the text it stands for */
    bool stop;         /* a word that says nothing by itself (the, of), in English */
    bool pair;         /* two neighbours of a script without spaces */
} ph_lex_token;

/* Calls fn for each term, in order of their ends; false stops. Bytes that are no UTF-8 separate
 * words. */
void ph_lex_analyze(ph_str text, bool (*fn)(void *user, const ph_lex_token *token), void *user);

#endif
