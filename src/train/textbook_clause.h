/* Sentences put together from a subject, a verb, an object and what goes with them, and the
 * questions that follow from how they are built: who did it, what was done, to whom, with what,
 * where, when, why. They come as the rows of the fact tables do (textbook_people.def tells the
 * form), so that passages tell and ask them in the same way. */
#ifndef PH_TRAIN_TEXTBOOK_CLAUSE_H
#define PH_TRAIN_TEXTBOOK_CLAUSE_H

#include "train/textbook_grammar.h"

#define PH_TB_CLAUSE_FRAME "clause" /* the row of the frames whose facts are made here */
#define PH_TB_CLAUSE_VERBS 2        /* of a sentence at most */
#define PH_TB_DRAWN_VERB   SIZE_MAX /* a slot, whose word nothing else has */

typedef struct ph_tb_clause {
    ph_buf sentences, questions, absent;
    size_t verbs[PH_TB_CLAUSE_VERBS]; /* first rows in textbook_clause.def, or PH_TB_DRAWN_VERB; the
                                       * same twice: one clause */
} ph_tb_clause;

/* Gets its room; false: no memory. Free in any case. */
bool ph_tb_clause_init(ph_tb_clause *c);
void ph_tb_clause_free(ph_tb_clause *c);

/* Makes another sentence. */
void ph_tb_clause_write(ph_tb *t, ph_tb_clause *c);

#endif
