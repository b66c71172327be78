/* The texts of stories, haiku and jokes. */
#ifndef PH_TRAIN_TEXTBOOK_TALES_H
#define PH_TRAIN_TEXTBOOK_TALES_H

#include "train/textbook_grammar.h"

/* Binds slot "topic" to a value of `type`, or for learning now and then to an invented word, and
 * tells the example. False: no value. */
bool ph_tb_set_topic(ph_tb *t, const char *type);

/* A request (alternatives with slots) as the example's prompt. */
bool ph_tb_request(ph_tb *t, const char *group);

/* Syllables of an English text, by rule and by a list of exceptions. Right for the words that haiku
 * are made of (a test holds them); a fair guess for others. */
size_t ph_tb_syllables(ph_str text);

#endif
