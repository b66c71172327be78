/* Passages about drawn facts, and the questions they answer and do not. */
#ifndef PH_TRAIN_TEXTBOOK_PASSAGE_H
#define PH_TRAIN_TEXTBOOK_PASSAGE_H

#include "train/textbook_grammar.h"

typedef struct ph_tb_passage ph_tb_passage;

ph_tb_passage *ph_tb_passage_new(phial_error *err); /* owned; NULL: no memory */
void ph_tb_passage_free(ph_tb_passage *p);

/* Forgets everything. */
void ph_tb_passage_clear(ph_tb_passage *p);

/* Appends a new passage of about n_sentences to out and remembers what it tells; a later one can be
 * told apart from it. False: no room for more facts. */
bool ph_tb_passage_add(ph_tb *t, ph_buf *out, size_t n_sentences);

/* A question that exactly one sentence of all passages answers, with the answer as it stands there.
 * False: none was found; draw again. */
bool ph_tb_passage_ask(ph_tb *t, ph_buf *question, ph_buf *answer);

/* A question of the same look that nothing in the passages answers. */
bool ph_tb_passage_ask_absent(ph_tb *t, ph_buf *question);

/* What the passages tell, for tests. */
typedef struct ph_tb_told {
    const char *frame, *key, *sentences; /* of the row that tells it */
    size_t unit;                         /* the same for all that is told of one subject */
} ph_tb_told;
bool ph_tb_passage_told(const ph_tb_passage *p, size_t i, ph_tb_told *out); /* false: no more */

#endif
