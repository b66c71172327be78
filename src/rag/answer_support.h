/* Which sentence of an answer stands on which part of the passages.
 *
 * Words are compared as search terms (answer_words.h), weighted by kind. A sentence's score is the
 * share of its words that a span has (one sentence of a passage, or two in a row), and of its pairs
 * of neighbouring words; all of its words in a row count fully. Up to PH_SUPPORT_SPANS spans
 * together may carry it. A short answer that is all there is ("in 1871") says little by itself, so
 * there the span also has to be about the question, and the answer of the kind that is asked for
 * (answer_kind.h). A number or a name that stands in no passage
 * and not in the question makes the score 0.
 *
 * What it does not do: it does not understand. Words in another relation ("A built B", "B built A")
 * look the same; docs/RAG.md tells how often that matters.
 */
#ifndef PH_RAG_ANSWER_SUPPORT_H
#define PH_RAG_ANSWER_SUPPORT_H

#include "base/str.h"

#define PH_SUPPORT_SPANS 3
/* Different words of a sentence that are looked at. */
#define PH_SUPPORT_WORDS 256
/* Bytes of a quote; longer spans are cut to where the words are. */
#define PH_QUOTE_BYTES   400

typedef struct ph_support ph_support;

phial_status ph_support_new(ph_support **out, phial_error *err);
void ph_support_free(ph_support *s);

/* Forgets question and passages. */
void ph_support_clear(ph_support *s);
phial_status ph_support_question(ph_support *s, ph_str question, phial_error *err);
/* The text is borrowed until ph_support_clear(). Passages are numbered from 0. */
phial_status ph_support_add(ph_support *s, ph_str passage, phial_error *err);

/* The largest share of the question's words that three sentences in a row have. 1 for a question
 * without words of its own. */
double ph_support_about(const ph_support *s);
/* Of passage i: its part of at most n_bytes, of whole sentences if they fit, that is most about the
 * question. */
ph_str ph_support_focus(const ph_support *s, size_t i, size_t n_bytes);

typedef struct ph_support_span {
    size_t passage, start, end; /* bytes in the passage's text */
} ph_support_span;

typedef struct ph_support_result {
    double score; /* 0 .. 1 */
    bool stray;   /* a number or a name that stands nowhere */
    size_t n;
    ph_support_span spans[PH_SUPPORT_SPANS]; /* the one that carries most first */
} ph_support_result;

/* alone: the sentence is the whole answer. */
phial_status ph_support_align(ph_support *s, ph_str sentence, bool alone, ph_support_result *out,
                              phial_error *err);

#endif
