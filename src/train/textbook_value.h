/* Values: the index over the word tables, and invented words. */
#ifndef PH_TRAIN_TEXTBOOK_VALUE_H
#define PH_TRAIN_TEXTBOOK_VALUE_H

#include "train/textbook_grammar.h"

/* *out [ph_tb_table_count()], over *words; both owned. */
phial_status ph_tb_words_new(ph_tb_words **out, ph_str **words, phial_error *err);

#define PH_TB_INVENTED 64 /* bytes of room for an invented word */

#define PH_TB_ANY(t, list) (list)[ph_tb_below(t, sizeof(list) / sizeof((list)[0]))]

/* A word that nobody has seen, on this split's side. proper: with a capital; town: with the end of
 * a town's name. Borrowed from out. */
ph_str ph_tb_invent(ph_tb *t, char out[PH_TB_INVENTED], size_t n_syllables, bool proper, bool town);
/* How many syllables one may have: short ones are common. */
size_t ph_tb_invent_length(ph_tb *t);

#endif
