/* WordPiece (Schuster and Nakajima 2012; Devlin et al. 2018): text is cleaned and cut into words,
 * and each word into the longest pieces of the vocabulary from left to right. A word that cannot be
 * cut up, or has more than max_chars characters, is one unknown token.
 *
 * Words: blanks separate them, punctuation marks and (optionally) ideographs are words of their
 * own; control characters are dropped, accents stripped, letters lower-cased, as the rules say.
 * Bytes that are no UTF-8 count as U+FFFD. Much is lost on the way: what comes back from ids is not
 * the text.
 *
 * Pieces are found in a trie, its edges in a hash table, so that the longest one costs as many
 * look-ups as it has bytes. Source: google-research/bert, tokenization.py; huggingface/tokenizers.
 * Threads: a ph_wordpiece is immutable.
 */
#ifndef PH_TOK_WORDPIECE_H
#define PH_TOK_WORDPIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tok/vocab.h"

typedef struct ph_wordpiece {
    uint64_t *edges;   /* owned; node and byte of an edge + 1, 0 for an empty slot */
    uint32_t *targets; /* owned; node that edge leads to */
    uint32_t mask;
    uint32_t *node_id; /* owned; id of the piece that ends at a node, or PHIAL_TOKEN_NONE */
    uint32_t n_nodes;
    uint32_t unk;
    ph_wordpiece_rules rules;
} ph_wordpiece;

/* BAD_INPUT if the vocabulary names no unknown token. */
phial_status ph_wordpiece_build(ph_wordpiece *w, const ph_vocab *v, phial_error *err);
void ph_wordpiece_free(ph_wordpiece *w);

/* Takes a token that begins at byte `at` of the text; false stops. */
typedef bool (*ph_wordpiece_put)(void *user, uint32_t id, size_t at);

/* n bytes of a text without special tokens. False if put said so. */
bool ph_wordpiece_encode(const ph_wordpiece *w, const uint8_t *text, size_t n, ph_wordpiece_put put,
                         void *user);

#endif
