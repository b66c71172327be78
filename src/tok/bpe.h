/* Byte-pair encoding of one piece: starting from single bytes, the neighbouring pair with the
 * lowest rank is joined, the leftmost first among equals, until no pair has a rank.
 *
 * Two algorithms give the same tokens:
 *   - short pieces: an array, searched for its minimum in each round;
 *   - long ones: a queue with one list of positions per rank and a bitmap over the ranks, O(1) per
 *     operation, so that a piece of a megabyte takes time linear in its length. Its order within a
 *     rank is free because of the property that ph_bpe_build() checks: the parts of a merge are
 *     single bytes or made by merges of lower rank only, so a join never makes a pair of a rank
 *     that has been dealt with. (Only runs of one repeated token need care, see join_run().) Every
 *     trained BPE has this property.
 *
 * Threads: a ph_bpe is immutable; a ph_bpe_scratch belongs to one thread at a time.
 */
#ifndef PH_TOK_BPE_H
#define PH_TOK_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tok/vocab.h"

/* Pieces up to this many bytes are joined in an array on the stack. */
#define PH_BPE_SHORT 48

#define PH_RANK_NONE 0xFFFFFFu

typedef struct ph_bpe {
    /* Open addressing; a slot is left << 44 | right << 24 | rank, all ones when empty. */
    uint64_t *pairs; /* owned */
    int shift;       /* slot of a hash: hash >> shift */
    uint32_t mask;
    uint32_t *result; /* by rank; owned */
    uint32_t n_merges;
    uint32_t byte_id[256];
    /* Rank of two single bytes, the pairs that every piece begins with; [left << 8 | right]. */
    uint32_t *byte_rank; /* owned */
} ph_bpe;

_Static_assert(PHIAL_VOCAB_MAX <= 1u << 20 && PH_VOCAB_MAX_MERGES < PH_RANK_NONE,
               "ids and ranks fit a slot of ph_bpe.pairs");

/* Memory of the long algorithm, kept from call to call. Zero-initialised is valid. */
typedef struct ph_bpe_scratch {
    struct ph_bpe_node *nodes; /* owned */
    size_t cap_nodes;
    uint32_t *heads;  /* owned; first node of each rank */
    uint64_t *bits;   /* owned; ranks with a list, and above them words with a bit */
    uint64_t n_steps; /* queue operations so far; tests hold them against the length */
} ph_bpe_scratch;

/* Also finds out which tokens are what their own bytes encode to, and marks their slots. Errors:
 * BAD_INPUT if one of the 256 bytes has no token; UNSUPPORTED if the merges are not in the order
 * described above. */
phial_status ph_bpe_build(ph_bpe *bpe, ph_vocab *v, phial_error *err);
void ph_bpe_free(ph_bpe *bpe);
void ph_bpe_scratch_free(ph_bpe_scratch *s);

/* Ids of n bytes (1 <= n < 2^32 - 1) to out, which has room for n. Returns their number, 0 if
 * memory is short (only for n > PH_BPE_SHORT). */
size_t ph_bpe_encode(uint32_t *out, const ph_bpe *bpe, ph_bpe_scratch *scratch,
                     const uint8_t *bytes, size_t n, phial_error *err);

#endif
