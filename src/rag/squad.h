/* SQuAD v2: the file's paragraphs and questions, and the official way to compare answers.
 * Format and measures: Rajpurkar, Jia, Liang, "Know What You Don't Know" (2018), and the evaluation
 * script published with it: lower case, no ASCII punctuation, no articles, single blanks.
 */
#ifndef PH_RAG_SQUAD_H
#define PH_RAG_SQUAD_H

#include "base/json.h"
#include "base/mem.h"

#define PH_SQUAD_FILE_BYTES ((size_t)256 << 20)

typedef struct ph_squad_answer {
    ph_str text;
    size_t start; /* byte in the context */
} ph_squad_answer;

typedef struct ph_squad_item {
    size_t article, paragraph; /* paragraph: of the whole file */
    ph_str id, question;
    bool impossible;
    /* What people marked; for an impossible question what looks like an answer. */
    const ph_squad_answer *answers;
    size_t n_answers;
} ph_squad_item;

typedef struct ph_squad_paragraph {
    size_t article;
    ph_str context;
} ph_squad_paragraph;

typedef struct ph_squad {
    ph_json *root; /* owned: all texts */
    ph_arena arena;
    const ph_str *titles; /* [n_articles] */
    size_t n_articles;
    const ph_squad_paragraph *paragraphs; /* [n_paragraphs] */
    size_t n_paragraphs;
    const ph_squad_item *items; /* [n_items], by paragraphs */
    size_t n_items;
} ph_squad;

/* BAD_INPUT names what is missing and where. */
phial_status ph_squad_parse(ph_squad *out, const char *text, size_t n, phial_error *err);
void ph_squad_free(ph_squad *s);

/* Appends the text as the official script compares it. */
phial_status ph_squad_normalize(ph_buf *out, ph_str text, phial_error *err);

typedef struct ph_squad_score {
    double exact, f1;
} ph_squad_score;

/* The best over the item's answers; an empty prediction is right where it is impossible. */
phial_status ph_squad_compare(ph_squad_score *out, const ph_squad_item *item, ph_str prediction,
                              phial_error *err);

#endif
