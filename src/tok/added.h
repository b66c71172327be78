/* Finds added tokens in text: leftmost first, longest among those that begin there.
 *
 * A scan over two-byte prefixes (or memchr, when all tokens begin with the same byte) finds places
 * where one may begin; a trie, its edges in a hash table, decides. Time is linear in the text
 * times, at places where a token almost matches, the length of that match. Threads: immutable once
 * built.
 */
#ifndef PH_TOK_ADDED_H
#define PH_TOK_ADDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tok/vocab.h"

/* All added tokens together. */
#define PH_ADDED_MAX_BYTES (1 << 24)

typedef struct ph_added {
    uint64_t *edges;   /* owned; node and byte of an edge, 0 for an empty slot */
    uint32_t *targets; /* owned; node that edge leads to */
    uint32_t mask;
    uint32_t *node_id; /* owned; id of the token that ends at a node, or PHIAL_TOKEN_NONE */
    uint32_t n_nodes;
    uint32_t n_tokens;
    int only_first;        /* the one byte all tokens begin with, or -1 */
    uint64_t *prefix_bits; /* owned; 65536 bits: two bytes a token may begin with */
} ph_added;

/* Of the added tokens of v those whose second_pass is as given; control tokens only if
 * with_control. */
phial_status ph_added_build(ph_added *a, const ph_vocab *v, bool second_pass, bool with_control,
                            phial_error *err);
void ph_added_free(ph_added *a);

/* The first added token in [p, end): its begin, or end if there is none; *id and *len are set when
 * there is one. */
const uint8_t *ph_added_find(const ph_added *a, const uint8_t *p, const uint8_t *end, uint32_t *id,
                             size_t *len);

/* The added token with exactly this text, or PHIAL_TOKEN_NONE. */
uint32_t ph_added_exact(const ph_added *a, ph_str text);

#endif
