/* What the kinds that ask over passages share. */
#ifndef PH_TRAIN_TEXTBOOK_ASK_H
#define PH_TRAIN_TEXTBOOK_ASK_H

#include "train/textbook_grammar.h"

/* Writes a passage, asks about it (absent: what it does not say), and makes prompt and completion
 * of both. */
bool ph_tb_ask_passage(ph_tb *t, bool absent);

/* Passage and question as one of the ways to put them. */
void ph_tb_add_layout(ph_tb *t, ph_buf *out, const ph_buf *passage, const ph_buf *question);

/* The layout with the passage for %p and the question for %q. */
void ph_tb_fill_layout(ph_buf *out, ph_str layout, const ph_buf *passage, const ph_buf *question);

/* A question, and its answer or the sentence that there is none. */
bool ph_tb_draw_question(ph_tb *t, bool absent, ph_buf *question, ph_buf *answer);

#define PH_TB_PASSAGES_MAX 8

/* A question over up to most_passages (at most PH_TB_PASSAGES_MAX) numbered passages of up to
 * most_sentences sentences, as prompt and completion. */
bool ph_tb_ask_numbered(ph_tb *t, size_t most_passages, size_t most_sentences);

/* How many sentences a passage has: 1 to 7. */
size_t ph_tb_passage_length(ph_tb *t);

#endif
