/* One function for each row of textbook.def. It fills the example's texts, which are empty; false:
 * nothing sensible came of the numbers drawn, try others. */
#ifndef PH_TRAIN_TEXTBOOK_KINDS_H
#define PH_TRAIN_TEXTBOOK_KINDS_H

#include "train/textbook_grammar.h"

#define PH_TEXTBOOK(name, weight, summary) bool ph_textbook_write_##name(ph_tb *t);
#include "train/textbook.def"
#undef PH_TEXTBOOK

#endif
