/* Words of a text, as answers and passages are compared by them: the terms of search
 * (rag/lex_analyze.h) with what kind of word each is, because numbers and names in an answer have
 * to stand in a passage while "the" need not.
 */
#ifndef PH_RAG_ANSWER_WORDS_H
#define PH_RAG_ANSWER_WORDS_H

#include "base/str.h"

typedef enum ph_answer_word_kind {
    PH_ANSWER_WORD_STOP,    /* "the", "of": found everywhere */
    PH_ANSWER_WORD_CONTENT, /* also "not", which turns a sentence around */
    PH_ANSWER_WORD_NAME,    /* begins with a capital inside a sentence, or is all capitals */
    PH_ANSWER_WORD_NUMBER   /* digits, or a small number in words */
} ph_answer_word_kind;

typedef struct ph_answer_word {
    uint64_t key;      /* of the term; for comparing within one run, not for files */
    size_t start, end; /* bytes of the text */
    uint8_t kind;      /* ph_answer_word_kind */
} ph_answer_word;

typedef struct ph_answer_words {
    ph_answer_word *at; /* owned, [n] */
    size_t n, cap;
} ph_answer_words;

void ph_answer_words_free(ph_answer_words *words);

/* Replaces what words holds. Linear in the text. */
phial_status ph_answer_words_split(ph_answer_words *words, ph_str text, phial_error *err);

/* How much a word of this kind counts. */
double ph_answer_word_weight(uint8_t kind);

#endif
