/* Row operations that only training needs. Contracts: the entries of kern/kern.h. */
#ifndef PH_KERN_VEC_VEC_TRAIN_H
#define PH_KERN_VEC_VEC_TRAIN_H

#include "kern/vec/vec_rows.h"
#include "kern/vec/vec_sgemm.h"

#define VEC_SUMS 6 /* vectors of columns summed together: a row of theirs is some cache lines */

VEC_INLINE void add_columns(float *sums, const float *src, size_t ld, size_t n, size_t k,
                            const int vecs)
{
    vf s[VEC_SUMS];
    VEC_UNROLL
    for (int v = 0; v < vecs; v++) {
        s[v] = vf_zero();
    }
    for (size_t p = 0; p < k; p++, src += ld) {
        VEC_UNROLL
        for (int v = 0; v < vecs; v++) {
            s[v] = vf_add(s[v], vecs > 1 ? vf_load(src + v * VL) : vec_load(src, n));
        }
    }
    VEC_UNROLL
    for (int v = 0; v < vecs; v++) {
        size_t left = vecs > 1 ? VL : n;
        vec_store(sums + v * VL, vf_add(vec_load(sums + v * VL, left), s[v]), left);
    }
}

static void vec_add_rows(float *sums, const float *src, size_t ld, size_t n, size_t k)
{
    size_t j = 0;
    for (; j + VEC_SUMS * VL <= n; j += VEC_SUMS * VL) {
        add_columns(sums + j, src + j, ld, VEC_SUMS * VL, k, VEC_SUMS);
    }
    for (; j < n; j += VL) {
        add_columns(sums + j, src + j, ld, vec_left(n, j), k, 1);
    }
}

/* With s = 1 / (1 + e^-2u), u = c (x + 0.044715 x^3): gelu = x s, and its derivative is
 * s + 2 x s (1 - s) u'. */
VEC_INLINE void gelu_both(vf *d, vf *x)
{
    const float c = -1.5957691216057308f; /* -2 sqrt(2 / pi) */
    vf one = vf_set1(1.0f), x2 = vf_mul(*x, *x);
    vf minus_2u = vf_mul(*x, vf_fma(x2, vf_set1(c * 0.044715f), vf_set1(c)));
    vf minus_2du = vf_fma(x2, vf_set1(3 * c * 0.044715f), vf_set1(c));
    vf s = vf_div(one, vf_add(one, vf_exp(minus_2u)));
    vf y = vf_mul(*x, s);
    vf slope = vf_sub(s, vf_mul(vf_mul(y, vf_sub(one, s)), minus_2du));
    *d = vf_mul(*d, slope);
    *x = y;
}

static void vec_gelu_grad(float *d, float *x, size_t n)
{
    for (size_t i = 0; i < n; i += VL) {
        size_t left = vec_left(n, i);
        vf dv = vec_load(d + i, left), xv = vec_load(x + i, left);
        gelu_both(&dv, &xv);
        vec_store(d + i, dv, left);
        vec_store(x + i, xv, left);
    }
}

static float vec_softmax_lse(float *x, size_t n, float scale)
{
    float max = vec_max_row(x, n, x[0]);
    float sum = vec_exp_row(x, n, max);
    vf factor = vf_set1(scale / sum);
    for (size_t i = 0; i < n; i += VL) {
        size_t left = vec_left(n, i);
        vec_store(x + i, vf_mul(vec_load(x + i, left), factor), left);
    }
    return max + logf(sum);
}

static void vec_layernorm_grad(const ph_layernorm_grad *g)
{
    size_t n = g->n;
    vf sums[VEC_PARTS], more[VEC_PARTS];
    for (int p = 0; p < VEC_PARTS; p++) {
        sums[p] = vf_zero();
    }
    for (size_t i = 0; i < n; i += PH_DOT_LANES) {
        VEC_UNROLL
        for (int p = 0; p < VEC_PARTS; p++) {
            size_t at = i + (size_t)p * VL;
            sums[p] = vf_add(sums[p], vec_load(g->x + at, vec_left(n, at)));
        }
    }
    float mean = vf_sum(vf_fold(sums)) / (float)n;
    for (int p = 0; p < VEC_PARTS; p++) {
        sums[p] = vf_zero();
    }
    for (size_t i = 0; i < n; i += PH_DOT_LANES) {
        VEC_UNROLL
        for (int p = 0; p < VEC_PARTS; p++) {
            size_t at = i + (size_t)p * VL;
            size_t left = vec_left(n, at);
            vf centred = vec_keep(vf_sub(vec_load(g->x + at, left), vf_set1(mean)), left);
            sums[p] = vf_fma(centred, centred, sums[p]);
        }
    }
    float scale = 1.0f / sqrtf(vf_sum(vf_fold(sums)) / (float)n + g->eps);
    for (int p = 0; p < VEC_PARTS; p++) {
        sums[p] = vf_zero();
        more[p] = vf_zero();
    }
    /* dy weight, and dy weight x^, summed over the row. */
    for (size_t i = 0; i < n; i += PH_DOT_LANES) {
        VEC_UNROLL
        for (int p = 0; p < VEC_PARTS; p++) {
            size_t at = i + (size_t)p * VL;
            size_t left = vec_left(n, at);
            vf dy = vec_load(g->dy + at, left);
            vf unit = vf_mul(vf_sub(vec_load(g->x + at, left), vf_set1(mean)), vf_set1(scale));
            vf d = vf_mul(dy, vec_load(g->weight + at, left));
            sums[p] = vf_add(sums[p], d);
            more[p] = vf_fma(d, unit, more[p]);
            vec_store(g->dweight + at, vf_fma(dy, unit, vec_load(g->dweight + at, left)), left);
            vec_store(g->dbias + at, vf_add(dy, vec_load(g->dbias + at, left)), left);
        }
    }
    vf a = vf_set1(vf_sum(vf_fold(sums)) / (float)n), b = vf_set1(vf_sum(vf_fold(more)) / (float)n);
    for (size_t i = 0; i < n; i += VL) {
        size_t left = vec_left(n, i);
        vf unit = vf_mul(vf_sub(vec_load(g->x + i, left), vf_set1(mean)), vf_set1(scale));
        vf d = vf_mul(vec_load(g->dy + i, left), vec_load(g->weight + i, left));
        d = vf_sub(vf_sub(d, a), vf_mul(unit, b));
        vec_store(g->dx + i, vf_fma(d, vf_set1(scale), vec_load(g->dx + i, left)), left);
    }
}

/* Panel by panel; the last one that holds a visible key is masked, those behind it are zeroed. */
static float vec_attn_probs(const ph_score_row *r)
{
    vf scale = vf_set1(r->scale), most = vf_set1(*r->max);
    for (size_t j = 0; j < r->n; j += VL) {
        float *s = r->s + j / VEC_GEMM_N * r->panel + j % VEC_GEMM_N;
        vf x = vf_mul(vf_load(s), scale);
        vf_store(s, x);
        if (r->n - j >= VL) {
            most = vf_max(x, most);
        } else {
            for (size_t l = 0; l < r->n - j; l++) {
                most = vf_max(vf_set1(s[l]), most);
            }
        }
    }
    float max = vf_largest(most);
    vf m = vf_set1(max), sum = vf_zero();
    for (size_t j = 0; j < r->n_padded; j += VL) {
        float *s = r->s + j / VEC_GEMM_N * r->panel + j % VEC_GEMM_N;
        size_t left = vec_left(r->n, j);
        vf p = left == 0 ? vf_zero() : vec_keep(vf_exp(vf_sub(vf_load(s), m)), left);
        vf_store(s, p);
        sum = vf_add(sum, p);
    }
    float factor = expf(*r->max - max);
    *r->sum = *r->sum * factor + vf_sum(sum);
    *r->max = max;
    return factor;
}

static void vec_attn_grad(const ph_score_row *r)
{
    vf scale = vf_set1(r->scale), lse = vf_set1(*r->max), delta = vf_set1(*r->sum);
    for (size_t j = 0; j < r->n_padded; j += VL) {
        size_t at = j / VEC_GEMM_N * r->panel + j % VEC_GEMM_N;
        size_t left = vec_left(r->n, j);
        vf p = vf_zero(), ds = vf_zero();
        if (left > 0) {
            p = vf_exp(vf_sub(vf_mul(vf_load(r->s + at), scale), lse));
            p = vec_keep(p, left);
            ds = vf_mul(vf_mul(p, vf_sub(vf_load(r->ds + at), delta)), scale);
            ds = vec_keep(ds, left);
        }
        vf_store(r->s + at, p);
        vf_store(r->ds + at, ds);
    }
}

static void vec_fill_train(ph_kern *kern)
{
    kern->gemm_m = VEC_GEMM_M;
    kern->gemm_n = VEC_GEMM_N;
    kern->gemm = vec_gemm;
    kern->gemm_panels = vec_gemm_panels;
    kern->gemm_rows = vec_gemm_rows;
    kern->add_rows = vec_add_rows;
    kern->gelu_grad = vec_gelu_grad;
    kern->layernorm_grad = vec_layernorm_grad;
    kern->softmax_lse = vec_softmax_lse;
    kern->attn_probs = vec_attn_probs;
    kern->attn_grad = vec_attn_grad;
}

#endif
