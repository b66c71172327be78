/* Stemming of English words: Porter2, also called the English Snowball stemmer. */
#ifndef PH_RAG_PORTER2_H
#define PH_RAG_PORTER2_H

#include <stddef.h>

/* Stems the word of n bytes a..z and 0..9 in place and returns its new length, which is at most
 * n + 1 only in passing and at most n in the end. The buffer has room for n + 1 bytes. */
size_t ph_porter2(char *word, size_t n);

#endif
