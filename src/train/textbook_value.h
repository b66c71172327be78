/* The index over the word tables. */
#ifndef PH_TRAIN_TEXTBOOK_VALUE_H
#define PH_TRAIN_TEXTBOOK_VALUE_H

#include "train/textbook_grammar.h"

/* *out [ph_tb_table_count()], over *words; both owned. */
phial_status ph_tb_words_new(ph_tb_words **out, ph_str **words, phial_error *err);

#endif
