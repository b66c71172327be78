/* One page of attention over vectors. In the scores lanes are keys, in the output lanes are
 * columns of the values: every sum is a chain in one lane, ascending, so that grouping queries
 * changes no bit. */
#ifndef PH_KERN_VEC_VEC_ATTN_H
#define PH_KERN_VEC_VEC_ATTN_H

#include "kern/vec/vec_rows.h"

#include "base/mem.h"

#include <string.h>

#define VEC_ROW_MOST 10 /* vectors of an output at a time: all 80 columns with 8 lanes */

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

static size_t keys_of(const ph_attn_tile *t, size_t query)
{
    ptrdiff_t n = t->n_keys + (ptrdiff_t)query;
    return n <= 0 ? 0 : n < PH_KV_PAGE ? (size_t)n : PH_KV_PAGE;
}

/* exp(p - max) in place and its sum, in the order of vec_exp_row(); a whole page without the masks
 * and branches of an incomplete one. */
_Static_assert(EXP_MANY % VEC_PARTS == 0 && PH_KV_PAGE / VL % EXP_MANY == 0, "exp_keys() below");

VEC_INLINE float exp_keys(float *p, size_t n_keys, float max)
{
    vf parts[VEC_PARTS];
    if (n_keys != PH_KV_PAGE) {
        return vec_exp_row(p, n_keys, max);
    }
    VEC_UNROLL
    for (int i = 0; i < VEC_PARTS; i++) {
        parts[i] = vf_zero();
    }
    VEC_UNROLL
    for (int i = 0; i < PH_KV_PAGE / VL; i += EXP_MANY) {
        vf e[EXP_MANY];
        VEC_UNROLL
        for (int j = 0; j < EXP_MANY; j++) {
            e[j] = vf_sub(vf_load(p + (i + j) * VL), vf_set1(max));
        }
        vf_exp_many(e, EXP_MANY);
        VEC_UNROLL
        for (int j = 0; j < EXP_MANY; j++) {
            vf_store(p + (i + j) * VL, e[j]);
            parts[j % VEC_PARTS] = vf_add(parts[j % VEC_PARTS], e[j]);
        }
    }
    return vf_sum(vf_fold(parts));
}

/* Weights of n <= VL queries from their scores; scales what they have summed so far. */
VEC_INLINE void weigh(const ph_attn_tile *t, size_t first, size_t n)
{
    float max[VL], shrink[VL];
    vf before = vf_load_n(t->max + first, n);
    for (size_t r = 0; r < n; r++) {
        max[r] =
            vec_max_row(t->p + (first + r) * PH_KV_PAGE, keys_of(t, first + r), t->max[first + r]);
    }
    vf_store(shrink, vf_exp(vf_sub(before, vf_load_n(max, n))));
    for (size_t r = 0; r < n; r++) {
        size_t query = first + r;
        float sum = exp_keys(t->p + query * PH_KV_PAGE, keys_of(t, query), max[r]);
        t->sum[query] = t->sum[query] * shrink[r] + sum;
        t->max[query] = max[r];
        if (shrink[r] == 1.0f) {
            continue;
        }
        float *out = t->out + query * t->ld_out;
        for (size_t c = 0; c < t->d; c += VL) {
            vf_store(out + c, vf_mul(vf_load(out + c), vf_set1(shrink[r])));
        }
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

static void scores_one(const ph_attn_tile *t, size_t query, size_t n_keys)
{
    for (size_t key = 0; key < n_keys; key += VEC_ATTN_ONE * VL) {
        scores(t, query, key, 1, VEC_ATTN_ONE);
    }
}

/* Asks for `share` bytes, rounded up to cache lines, of what comes next; returns where it stopped.
 */
VEC_INLINE size_t fetch_share(const ph_attn_tile *t, size_t from, size_t share)
{
    size_t end = from + share < t->ahead_bytes ? from + share : t->ahead_bytes;
    for (; from < end; from += PH_CACHE_LINE) {
        __builtin_prefetch(t->ahead + from, 0, 2);
    }
    return from;
}

/* Groups of VEC_ATTN_M queries from `first` to `end`: some keys with all of them, then the next
 * keys; likewise the columns of the values: what is walked again and again stays in the first-level
 * cache. Values behind a query's last key are not multiplied by a weight of zero, they are left
 * out: they may be infinite, or bytes of a page never written. */
static void attn_groups(const ph_attn_tile *t, size_t first, size_t end)
{
    size_t n_shares = PH_KV_PAGE / (VEC_ATTN_N * VL) * ((end - first) / VEC_ATTN_M);
    size_t share = n_shares > 0 ? t->ahead_bytes / n_shares + 1 : 0;
    size_t fetched = 0;
    for (size_t key = 0; key < PH_KV_PAGE; key += VEC_ATTN_N * VL) {
        for (size_t i = first; i < end; i += VEC_ATTN_M) {
            fetched = fetch_share(t, fetched, share);
            if (key < keys_of(t, i + VEC_ATTN_M - 1)) {
                scores(t, i, key, VEC_ATTN_M, VEC_ATTN_N);
            }
        }
    }
    for (size_t i = first; i < end; i += VL) {
        weigh(t, i, end - i < VL ? end - i : VL);
    }
    size_t c = 0;
    for (; c + VEC_ATTN_N * VL <= t->ld_out; c += VEC_ATTN_N * VL) {
        for (size_t i = first; i < end; i += VEC_ATTN_M) {
            blend(t, i, c, 0, keys_of(t, i), VEC_ATTN_M, VEC_ATTN_N);
        }
    }
    for (; c < t->ld_out; c += VL) {
        for (size_t i = first; i < end; i += VEC_ATTN_M) {
            blend(t, i, c, 0, keys_of(t, i), VEC_ATTN_M, 1);
        }
    }
    for (size_t i = first; i < end; i += VEC_ATTN_M) {
        size_t common = keys_of(t, i);
        for (size_t r = i + 1; r < i + VEC_ATTN_M && common < PH_KV_PAGE; r++) {
            blend_one(t, r, common, keys_of(t, r));
        }
    }
}

static void vec_attn(const ph_attn_tile *t)
{
    size_t i = 0;
    while (i < t->n && keys_of(t, i) == 0) {
        i++;
    }
    size_t end = i + (t->n - i) / VEC_ATTN_M * VEC_ATTN_M;
    attn_groups(t, i, end);
    for (i = end; i < t->n; i++) {
        size_t n_keys = keys_of(t, i);
        scores_one(t, i, n_keys);
        weigh(t, i, 1);
        blend_one(t, i, 0, n_keys);
    }
}

static void vec_divide(float *y, const float *x, float by, size_t n)
{
    for (size_t i = 0; i < n; i += VL) {
        size_t left = vec_left(n, i);
        vec_store(y + i, vf_div(vec_load(x + i, left), vf_set1(by)), left);
    }
}

/* --- one query, keys and values as they lie in the page -------------------------------------- */

typedef vf (*kv_fn)(const unsigned char *p, vf scale);

VEC_INLINE vf kv_f32(const unsigned char *p, vf scale)
{
    vf v;
    (void)scale;
    memcpy(&v, p, sizeof v);
    return v;
}

VEC_INLINE vf kv_f16(const unsigned char *p, vf scale)
{
    (void)scale;
    return vf_from_f16(p);
}

VEC_INLINE vf kv_q8(const unsigned char *p, vf scale)
{
    return vf_mul(vf_from_i8(p), scale);
}

/* Asks for what lies where p does, one page on. */
VEC_INLINE void fetch_next(const ph_attn_row *a, const unsigned char *p, size_t bytes)
{
    const unsigned char *next = a->next + (p - a->k);
    for (size_t i = 0; i < bytes; i += PH_CACHE_LINE) {
        __builtin_prefetch(next + i);
    }
}

VEC_INLINE void row_scores(const ph_attn_row *a, size_t key, kv_fn get, const size_t bytes)
{
    vf s[VEC_ATTN_ONE], scales[VEC_ATTN_ONE];
    const unsigned char *k = a->k + key * bytes;
    VEC_UNROLL
    for (int j = 0; j < VEC_ATTN_ONE; j++) {
        s[j] = vf_zero();
        scales[j] = a->k_scale != NULL ? vf_load(a->k_scale + key + (size_t)j * VL) : vf_zero();
    }
    for (size_t c = 0; c < a->d; c++, k += PH_KV_PAGE * bytes) {
        vf q = vf_set1(a->q[c]);
        fetch_next(a, k, VEC_ATTN_ONE * VL * bytes);
        VEC_UNROLL
        for (int j = 0; j < VEC_ATTN_ONE; j++) {
            s[j] = vf_fma(q, get(k + (size_t)j * VL * bytes, scales[j]), s[j]);
        }
    }
    vf scale = vf_set1(a->scale);
    VEC_UNROLL
    for (int j = 0; j < VEC_ATTN_ONE; j++) {
        vf_store(a->p + key + (size_t)j * VL, vf_mul(s[j], scale));
    }
}

VEC_INLINE void row_blend(const ph_attn_row *a, size_t column, kv_fn get, const size_t bytes,
                          const int n)
{
    vf s[VEC_ROW_MOST];
    const unsigned char *v = a->v + column * bytes;
    VEC_UNROLL
    for (int j = 0; j < n; j++) {
        s[j] = vf_load(a->out + column + (size_t)j * VL);
    }
    for (size_t key = 0; key < a->n_keys; key++, v += a->d * bytes) {
        vf w = vf_set1(a->p[key]);
        vf scale = a->v_scale != NULL ? vf_set1(a->v_scale[key]) : w;
        fetch_next(a, v, (size_t)n * VL * bytes);
        VEC_UNROLL
        for (int j = 0; j < n; j++) {
            s[j] = vf_fma(w, get(v + (size_t)j * VL * bytes, scale), s[j]);
        }
    }
    VEC_UNROLL
    for (int j = 0; j < n; j++) {
        vf_store(a->out + column + (size_t)j * VL, s[j]);
    }
}

VEC_INLINE void attn_row(const ph_attn_row *a, kv_fn get, const size_t bytes)
{
    for (size_t key = 0; key < a->n_keys; key += VEC_ATTN_ONE * VL) {
        row_scores(a, key, get, bytes);
    }
    const ph_attn_tile t = {.out = a->out,
                            .max = a->max,
                            .sum = a->sum,
                            .p = a->p,
                            .d = a->d,
                            .n_keys = (ptrdiff_t)a->n_keys};
    weigh(&t, 0, 1);
    size_t c = 0;
    while (a->d - c >= VEC_ROW_MOST * VL && (a->d - c) % (VEC_ROW_MOST * VL) == 0) {
        row_blend(a, c, get, bytes, VEC_ROW_MOST);
        c += VEC_ROW_MOST * VL;
    }
    for (; c + 8 * VL <= a->d; c += 8 * VL) {
        row_blend(a, c, get, bytes, 8);
    }
    for (; c + 4 * VL <= a->d; c += 4 * VL) {
        row_blend(a, c, get, bytes, 4);
    }
    for (; c < a->d; c += VL) {
        row_blend(a, c, get, bytes, 1);
    }
}

static void vec_attn_row_f32(const ph_attn_row *a)
{
    attn_row(a, kv_f32, 4);
}

static void vec_attn_row_f16(const ph_attn_row *a)
{
    attn_row(a, kv_f16, 2);
}

static void vec_attn_row_q8(const ph_attn_row *a)
{
    attn_row(a, kv_q8, 1);
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
