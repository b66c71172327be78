/* One page of attention over vectors. In the scores lanes are keys, in the output lanes are
 * columns of the values: every sum is a chain in one lane, ascending, so that grouping queries
 * changes no bit. */
#ifndef PH_KERN_VEC_VEC_ATTN_H
#define PH_KERN_VEC_VEC_ATTN_H

#include "kern/vec/vec_rows.h"

/* Scores of m queries with n vectors of keys. */
VEC_INLINE void scores(const ph_attn_tile *t, size_t query, size_t key, const int m, const int n)
{
    vf s[VEC_ATTN_M][VEC_ATTN_ONE];
    const float *q = t->q + query * t->ld_q;
    const float *k = t->k + key;
    VEC_UNROLL
    for (int i = 0; i < m; i++) {
        VEC_UNROLL
        for (int j = 0; j < n; j++) {
            s[i][j] = vf_zero();
        }
    }
    for (size_t c = 0; c < t->d; c++) {
        vf ks[VEC_ATTN_ONE];
        VEC_UNROLL
        for (int j = 0; j < n; j++) {
            ks[j] = vf_load(k + c * PH_KV_PAGE + (size_t)j * VL);
        }
        VEC_UNROLL
        for (int i = 0; i < m; i++) {
            vf qs = vf_set1(q[(size_t)i * t->ld_q + c]);
            VEC_UNROLL
            for (int j = 0; j < n; j++) {
                s[i][j] = vf_fma(qs, ks[j], s[i][j]);
            }
        }
    }
    vf scale = vf_set1(t->scale);
    float *p = t->p + query * PH_KV_PAGE + key;
    VEC_UNROLL
    for (int i = 0; i < m; i++) {
        VEC_UNROLL
        for (int j = 0; j < n; j++) {
            vf_store(p + i * PH_KV_PAGE + j * VL, vf_mul(s[i][j], scale));
        }
    }
}

/* Weights of one query from its scores; scales what it has summed so far. */
VEC_INLINE void weigh(const ph_attn_tile *t, size_t query, size_t n_keys)
{
    float *p = t->p + query * PH_KV_PAGE;
    float *out = t->out + query * t->ld_out;
    float max = vec_max_row(p, n_keys, t->max[query]);
    float room[VL];
    vf_store(room, vf_exp(vf_set1(t->max[query] - max)));
    float shrink = room[0];
    t->sum[query] = t->sum[query] * shrink + vec_exp_row(p, n_keys, max);
    t->max[query] = max;
    for (size_t c = 0; c < t->d; c += VL) {
        vf_store(out + c, vf_mul(vf_load(out + c), vf_set1(shrink)));
    }
}

/* Adds weight * value of keys begin .. end-1 to n vectors of the outputs of m queries. */
VEC_INLINE void blend(const ph_attn_tile *t, size_t query, size_t column, size_t begin, size_t end,
                      const int m, const int n)
{
    vf s[VEC_ATTN_M][VEC_ATTN_ONE];
    float *out = t->out + query * t->ld_out + column;
    const float *p = t->p + query * PH_KV_PAGE;
    VEC_UNROLL
    for (int i = 0; i < m; i++) {
        VEC_UNROLL
        for (int j = 0; j < n; j++) {
            s[i][j] = vf_load(out + (size_t)i * t->ld_out + (size_t)j * VL);
        }
    }
    for (size_t key = begin; key < end; key++) {
        vf vs[VEC_ATTN_ONE];
        VEC_UNROLL
        for (int j = 0; j < n; j++) {
            vs[j] = vf_load(t->v + key * t->ld_v + column + (size_t)j * VL);
        }
        VEC_UNROLL
        for (int i = 0; i < m; i++) {
            vf w = vf_set1(p[(size_t)i * PH_KV_PAGE + key]);
            VEC_UNROLL
            for (int j = 0; j < n; j++) {
                s[i][j] = vf_fma(w, vs[j], s[i][j]);
            }
        }
    }
    VEC_UNROLL
    for (int i = 0; i < m; i++) {
        VEC_UNROLL
        for (int j = 0; j < n; j++) {
            vf_store(out + (size_t)i * t->ld_out + (size_t)j * VL, s[i][j]);
        }
    }
}

static void blend_many(const ph_attn_tile *t, size_t query, size_t begin, size_t end)
{
    size_t c = 0;
    for (; c + VEC_ATTN_N * VL <= t->ld_out; c += VEC_ATTN_N * VL) {
        blend(t, query, c, begin, end, VEC_ATTN_M, VEC_ATTN_N);
    }
    for (; c < t->ld_out; c += VL) {
        blend(t, query, c, begin, end, VEC_ATTN_M, 1);
    }
}

static void blend_one(const ph_attn_tile *t, size_t query, size_t begin, size_t end)
{
    size_t c = 0;
    for (; c + VEC_ATTN_ONE * VL <= t->ld_out; c += VEC_ATTN_ONE * VL) {
        blend(t, query, c, begin, end, 1, VEC_ATTN_ONE);
    }
    for (; c < t->ld_out; c += VL) {
        blend(t, query, c, begin, end, 1, 1);
    }
}

static size_t keys_of(const ph_attn_tile *t, size_t query)
{
    ptrdiff_t n = t->n_keys + (ptrdiff_t)query;
    return n <= 0 ? 0 : n < PH_KV_PAGE ? (size_t)n : PH_KV_PAGE;
}

static void scores_many(const ph_attn_tile *t, size_t query, size_t n_keys)
{
    for (size_t key = 0; key < n_keys; key += VEC_ATTN_N * VL) {
        scores(t, query, key, VEC_ATTN_M, VEC_ATTN_N);
    }
}

static void scores_one(const ph_attn_tile *t, size_t query, size_t n_keys)
{
    for (size_t key = 0; key < n_keys; key += VEC_ATTN_ONE * VL) {
        scores(t, query, key, 1, VEC_ATTN_ONE);
    }
}

/* Values behind a query's last key are not multiplied by a weight of zero, they are left out: they
 * may be infinite, or bytes of a page never written. */
static void vec_attn(const ph_attn_tile *t)
{
    size_t i = 0;
    while (i < t->n && keys_of(t, i) == 0) {
        i++;
    }
    for (; i + VEC_ATTN_M <= t->n; i += VEC_ATTN_M) {
        size_t common = keys_of(t, i);
        scores_many(t, i, keys_of(t, i + VEC_ATTN_M - 1));
        for (size_t r = i; r < i + VEC_ATTN_M; r++) {
            weigh(t, r, keys_of(t, r));
        }
        blend_many(t, i, 0, common);
        for (size_t r = i; r < i + VEC_ATTN_M; r++) {
            if (keys_of(t, r) > common) {
                blend_one(t, r, common, keys_of(t, r));
            }
        }
    }
    for (; i < t->n; i++) {
        size_t n_keys = keys_of(t, i);
        scores_one(t, i, n_keys);
        weigh(t, i, n_keys);
        blend_one(t, i, 0, n_keys);
    }
}

static void vec_scale_lanes_i8(float *dst, const int8_t *src, const float *scale, size_t rows)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t j = 0; j < PH_KV_PAGE; j += VL) {
            vf_store(dst + r * PH_KV_PAGE + j,
                     vf_mul(vf_from_i8(src + r * PH_KV_PAGE + j), vf_load(scale + j)));
        }
    }
}

static void vec_scale_rows_i8(float *dst, size_t ld_dst, const int8_t *src, const float *scale,
                              size_t rows, size_t n)
{
    for (size_t r = 0; r < rows; r++) {
        float *row = dst + r * ld_dst;
        const int8_t *from = src + r * n;
        vf factor = vf_set1(scale[r]);
        size_t c = 0;
        for (; c + VL <= n; c += VL) {
            vf_store(row + c, vf_mul(vf_from_i8(from + c), factor));
        }
        for (; c < n; c++) {
            row[c] = (float)from[c] * scale[r];
        }
    }
}

#endif
