/* One pass of an embedding model over texts: the interface between rt and the architectures that
 * have neither a KV cache nor logits (BERT). All tokens of a text see each other; texts do not, and
 * are never filled up to a common length. The bits of a text's rows do not depend on the other
 * texts or the threads.
 */
#ifndef PH_MODEL_ENCODE_H
#define PH_MODEL_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "kern/kern.h"
#include "phial/model.h"

typedef struct ph_encode_limits {
    size_t n_rows;    /* tokens of a batch */
    size_t n_longest; /* of one text */
    bool fast;        /* products in fast arithmetic (kern/fast.h), weights made Q8_0 if need be */
} ph_encode_limits;

typedef struct ph_encode_text {
    const uint32_t *ids; /* [n], borrowed; below n_vocab */
    size_t n;            /* 1 .. n_longest */
} ph_encode_text;

typedef struct ph_encode_batch {
    const ph_encode_text *texts;
    size_t n_texts;
    size_t n_rows;   /* sum of the texts' n; at most n_rows of the limits */
    bool first_only; /* only the rows of the texts' first tokens are wanted */
    void *user;
    bool (*cancelled)(void *user); /* asked once a layer */
} ph_encode_batch;

/* What an architecture keeps to run: weights in the form that products want them, working memory.
 * Borrows the model, the table and the pool. */
typedef struct ph_encode_room ph_encode_room;

typedef struct ph_encode_ops {
    phial_status (*room_new)(ph_encode_room **out, const phial_model *model, const ph_kern *kern,
                             ph_pool *pool, const ph_encode_limits *limits, phial_error *err);
    void (*room_free)(ph_encode_room *room); /* NULL is fine */
    /* 0: exact. Otherwise which of the fast arithmetics: another number whenever other bits come
     * out of the same weights, however little they differ. Collections of vectors keep it. */
    uint32_t (*fast_version)(const ph_encode_room *room);
    /* *hidden: [n_rows][n_embd], the last layer's output, texts in their order; with first_only
     * [n_texts][n_embd]. Borrowed until the next call. CANCELLED, FILE_CHANGED. Allocates nothing.
     */
    phial_status (*run)(ph_encode_room *room, const ph_encode_batch *batch, const float **hidden,
                        phial_error *err);
} ph_encode_ops;

#endif
