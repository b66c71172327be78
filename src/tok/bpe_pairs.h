/* The pairs of neighbouring tokens in the words of a text: how often each occurs, in which words,
 * and which is the most frequent. For bpe_train.c.
 *
 * Words of a pair are kept in chunks of a list; a word may stand in the list of a pair that it no
 * longer holds, but never lacks in one that it holds. The chunks of a pair that was taken are used
 * again. Pairs that are new wait until ph_pairs_queue_new(), when their counts are final.
 */
#ifndef PH_TOK_BPE_PAIRS_H
#define PH_TOK_BPE_PAIRS_H

#include "base/mem.h"

/* Word numbers are below this, also numbers of pairs and of chunks. */
#define PH_PAIRS_MAX_WORDS UINT32_MAX

typedef struct ph_pair {
    uint64_t key; /* left << 32 | right */
    uint64_t count;
    uint32_t words; /* first chunk of its list, the one that is being filled */
    bool queued;
} ph_pair;

typedef struct ph_pairs_chunk {
    uint32_t next; /* or UINT32_MAX */
    uint32_t n;
    uint32_t word[14];
} ph_pairs_chunk;

/* An entry of the heap; count is what it was when it was last looked at. */
typedef struct ph_pairs_entry {
    uint64_t count, key;
    uint32_t pair;
} ph_pairs_entry;

typedef struct ph_pairs {
    ph_pair *pairs; /* owned */
    uint32_t n_pairs, cap_pairs;
    uint32_t *slots;        /* owned; open addressing: number of a pair plus 1, 0: empty */
    size_t n_slots;         /* a power of two */
    ph_pairs_chunk *chunks; /* owned */
    uint32_t n_chunks, cap_chunks, free_chunk;
    uint32_t *fresh; /* owned; pairs that are not in the heap yet */
    uint32_t n_fresh, cap_fresh;
    ph_pairs_entry *heap; /* owned */
    size_t n_heap, cap_heap;
} ph_pairs;

static inline uint32_t ph_pair_left(const ph_pair *p)
{
    return (uint32_t)(p->key >> 32);
}

static inline uint32_t ph_pair_right(const ph_pair *p)
{
    return (uint32_t)p->key;
}

phial_status ph_pairs_init(ph_pairs *p, phial_error *err);
void ph_pairs_free(ph_pairs *p);

/* One occurrence more, in a word that occurs `count` times. False: out of memory. */
bool ph_pairs_add(ph_pairs *p, uint32_t left, uint32_t right, uint64_t count, uint32_t word);
/* One less; a pair that is not there has none. */
void ph_pairs_subtract(ph_pairs *p, uint32_t left, uint32_t right, uint64_t count);
/* Into the heap with the pairs that were added first since the last call. False: out of memory. */
bool ph_pairs_queue_new(ph_pairs *p);

/* A copy of the most frequent pair, of equals the one with the smallest key; it leaves the heap.
 * False: no pair occurs any more. */
bool ph_pairs_most_frequent(ph_pairs *p, ph_pair *out);

/* The words of a pair, which counts as gone from here on. Its list is walked with _next() while
 * pairs are added and subtracted. */
typedef struct ph_pairs_walk {
    uint32_t chunk, at;
} ph_pairs_walk;
void ph_pairs_take(ph_pairs *p, const ph_pair *pair, ph_pairs_walk *walk);
bool ph_pairs_next(ph_pairs *p, ph_pairs_walk *walk, uint32_t *word);
/* The pair will not be merged. */
void ph_pairs_forget(ph_pairs *p, const ph_pair *pair);

#endif
