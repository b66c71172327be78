/* Causal attention over a paged KV cache, and the layout of keys and values inside a page.
 *
 * A page holds PH_KV_PAGE consecutive positions of one sequence for all layers; page p of a
 * sequence holds positions p * PH_KV_PAGE and on. Whoever owns the pages gives each layer
 * ph_kv_layer_bytes() of it and knows nothing of the inside, which is (per KV head, one after the
 * other): keys transposed [head_dim][64] so that vector lanes are keys, then values [64][head_dim];
 * for q8 each of them led by 64 f32 scales. Bytes of positions never stored are never looked at, so
 * pages need no clearing.
 *
 * Keys and values are rounded to the cache's type when stored and used only from there. The softmax
 * runs online in f32 over the absolute pages, so that a query's bits depend on its position and on
 * the stored keys and values alone.
 */
#ifndef PH_KERN_ATTN_H
#define PH_KERN_ATTN_H

#include "kern/kern.h"

typedef struct ph_kv_shape {
    ph_kv_type type;
    size_t n_head;    /* query heads; a multiple of n_kv_head */
    size_t n_kv_head; /* query head j uses KV head j / (n_head / n_kv_head) */
    size_t head_dim;  /* 1 .. PH_HEAD_MAX; multiples of 16 are fastest */
} ph_kv_shape;

/* Bytes of one layer in one page, a multiple of PH_CACHE_LINE; 0 if head_dim or n_kv_head is out
 * of range or the size overflows. */
size_t ph_kv_layer_bytes(const ph_kv_shape *shape);

/* Some consecutive tokens of one sequence. */
typedef struct ph_attn_job {
    unsigned char *const
        *pages;          /* aligned to PH_CACHE_LINE; those of positions 0 .. pos0 + n - 1 */
    size_t layer_offset; /* bytes from a page's start to this layer; of PH_CACHE_LINE */
    size_t pos0;         /* absolute position of the first token */
    size_t n;            /* tokens */
    const float *q;      /* [n][ld_q >= n_head * head_dim], after rotary */
    const float *k;      /* [n][ld_kv >= n_kv_head * head_dim], after rotary */
    const float *v;      /* [n][ld_kv] */
    float *out;          /* [n][ld_out >= n_head * head_dim] */
    size_t ld_q, ld_kv, ld_out;
} ph_attn_job;

/* Rounds the jobs' k and v to the cache type and stores them; q and out are not used. */
void ph_kv_store(const ph_work *work, const ph_kv_shape *shape, const ph_attn_job *jobs,
                 size_t n_jobs);

/* out[i][head j] = softmax(scale * q[i] . keys 0 .. pos0 + i) . values, all of it already stored;
 * k and v are not used. Jobs of different sequences run in one parallel region. Jobs must not write
 * what another reads. */
void ph_attn_run(const ph_work *work, const ph_kv_shape *shape, const ph_attn_job *jobs,
                 size_t n_jobs, float scale);

/* The stored key and value of one position and KV head as f32 [head_dim]; either may be NULL.
 * layer: start of the layer's part of the page that holds pos. */
void ph_kv_load(const ph_kv_shape *shape, const unsigned char *layer, size_t kv_head, size_t pos,
                float *k, float *v);

#endif
