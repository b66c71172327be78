/* Attention in which all tokens of a text see each other, over rows that lie side by side: no mask,
 * no cache. For texts short enough that one query's scores are a small row; the products are those
 * of training (kern/sgemm.h).
 *
 * Order of additions: scores and outputs ascending over the depth and the keys (ph_gemm_tile), the
 * softmax of a query over all its keys at once. So a text's bits depend on its rows alone.
 */
#ifndef PH_KERN_ATTN_FULL_H
#define PH_KERN_ATTN_FULL_H

#include "kern/kern.h"

typedef struct ph_attn_full {
    /* [rows][ld], n_head * head_dim of each are used; behind q's last row PH_GEMM_M_MAX more can be
     * read, whatever they are. */
    const float *q, *k, *v;
    float *out; /* [rows][ld_out] */
    size_t ld, ld_out;
    size_t n_head, head_dim;
    const size_t *starts; /* [n_texts + 1] first row of each text */
    size_t n_texts;
    bool first_only; /* only the outputs of first rows */
    float scale;
} ph_attn_full;

/* Room of one thread for texts of up to n_longest rows; 0: too large. */
size_t ph_attn_full_floats(const ph_kern *kern, size_t n_longest, size_t head_dim);

/* room: for each thread as many floats as ph_attn_full_floats() said (stride), aligned to
 * PH_CACHE_LINE. Cannot fail. */
void ph_attn_full_run(const ph_kern *kern, ph_pool *pool, float *room, size_t stride,
                      const ph_attn_full *a);

#endif
