/* What the kinds that ask over one passage share. */
#ifndef PH_TRAIN_TEXTBOOK_ASK_H
#define PH_TRAIN_TEXTBOOK_ASK_H

#include "train/textbook_grammar.h"

/* Writes a passage, asks about it (absent: what it does not say), and makes prompt and completion
 * of both. */
bool ph_tb_ask_passage(ph_tb *t, bool absent);

/* How many sentences a passage has: 1 to 7. */
size_t ph_tb_passage_length(ph_tb *t);

#endif
