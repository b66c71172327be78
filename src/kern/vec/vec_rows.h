/* Row operations over vectors: exp, gelu, layernorm, softmax, rotary.
 *
 * exp: Cody-Waite reduction by ln 2 in two parts (the upper has 12 trailing zero bits, so that its
 * product with a whole number below 2^8 is exact), then 1 + r + r^2 P(r) with P a Chebyshev fit of
 * (e^r - 1 - r) / r^2 on |r| <= ln 2 / 2 with an error of 6.6e-8. Within 1 ulp in all; results
 * below the normal range are rounded once more; above 88.8 infinity, below -104 zero; NaN stays.
 */
#ifndef PH_KERN_VEC_VEC_ROWS_H
#define PH_KERN_VEC_VEC_ROWS_H

#include "kern/vec/vec.h"

#include <math.h>

#define EXP_MANY 4

/* exp of m vectors, side by side: the steps of one wait for each other, and a CPU looks ahead over
 * a few dozen instructions only. */
VEC_INLINE void vf_exp_many(vf *x, const int m)
{
    static const float terms[] = {0x1.120be2p-7f, 0x1.555518p-5f, 0x1.5554dcp-3f, 0.5f};
    const vf magic = vf_set1(0x1.8p23f); /* pushes the fraction out */
    vf n[EXP_MANY], r[EXP_MANY], p[EXP_MANY];
    VEC_UNROLL
    for (int i = 0; i < m; i++) {
        x[i] = vf_min(vf_set1(89.0f), vf_max(vf_set1(-104.0f), x[i]));
        n[i] = vf_sub(vf_fma(x[i], vf_set1(0x1.715476p+0f), magic), magic);
    }
    VEC_UNROLL
    for (int i = 0; i < m; i++) {
        r[i] = vf_fma(n[i], vf_set1(-0x1.62ep-1f), x[i]);
    }
    VEC_UNROLL
    for (int i = 0; i < m; i++) {
        r[i] = vf_fma(n[i], vf_set1(-0x1.0bfbe8p-15f), r[i]);
        p[i] = vf_set1(0x1.6d117cp-10f);
    }
    VEC_UNROLL
    for (int t = 0; t < 4; t++) {
        VEC_UNROLL
        for (int i = 0; i < m; i++) {
            p[i] = vf_fma(p[i], r[i], vf_set1(terms[t]));
        }
    }
    VEC_UNROLL
    for (int i = 0; i < m; i++) {
        vf e = vf_add(vf_fma(p[i], vf_mul(r[i], r[i]), r[i]), vf_set1(1.0f));
        x[i] = vf_scale(e, n[i]);
    }
}

VEC_INLINE vf vf_exp(vf x)
{
    vf_exp_many(&x, 1);
    return x;
}

/* 0.5 (1 + tanh u) = 1 / (1 + e^-2u), which does not cancel where u is very negative. */
VEC_INLINE vf vf_gelu(vf x)
{
    const float c = -1.5957691216057308f; /* -2 sqrt(2 / pi) */
    vf w = vf_fma(vf_mul(x, x), vf_set1(c * 0.044715f), vf_set1(c));
    vf e = vf_exp(vf_mul(x, w));
    return vf_div(x, vf_add(vf_set1(1.0f), e));
}

static void vec_gelu(float *y, const float *x, size_t n)
{
    size_t i = 0;
    for (; i + VL <= n; i += VL) {
        vf_store(y + i, vf_gelu(vf_load(x + i)));
    }
    if (i < n) {
        vf_store_n(y + i, vf_gelu(vf_load_n(x + i, n - i)), n - i);
    }
}

/* erfc(z) = t exp(-z^2 + P(t)), t = 1 / (1 + z / 2), z >= 0, within 1.2e-7 of itself: a Chebyshev
 * fit (Press et al., Numerical Recipes, section 6.2). x Phi(x) = max(x, 0) - |x| erfc(|x| / sqrt 2)
 * / 2 cancels nowhere. */
VEC_INLINE void vf_gelu_erf_many(vf *x, const int m)
{
    static const float terms[] = {-0.82215223f, 1.48851587f,  -1.13520398f,
                                  0.27886807f,  -0.18628806f, 0.09678418f,
                                  0.37409196f,  1.00002368f,  -1.26551223f};
    vf size[EXP_MANY], z[EXP_MANY], t[EXP_MANY], p[EXP_MANY];
    /* Cut where the rest is nothing, so that infinity times nothing does not arise. */
    VEC_UNROLL
    for (int i = 0; i < m; i++) {
        size[i] = vf_min(vf_set1(100.0f), vf_max(vf_sub(vf_zero(), x[i]), x[i]));
        z[i] = vf_mul(size[i], vf_set1(0.70710678f));
        t[i] = vf_div(vf_set1(1.0f), vf_fma(z[i], vf_set1(0.5f), vf_set1(1.0f)));
        p[i] = vf_set1(0.17087277f);
    }
    VEC_UNROLL
    for (size_t k = 0; k < sizeof terms / sizeof terms[0]; k++) {
        VEC_UNROLL
        for (int i = 0; i < m; i++) {
            p[i] = vf_fma(p[i], t[i], vf_set1(terms[k]));
        }
    }
    VEC_UNROLL
    for (int i = 0; i < m; i++) {
        p[i] = vf_fma(vf_sub(vf_zero(), z[i]), z[i], p[i]);
    }
    vf_exp_many(p, m);
    VEC_UNROLL
    for (int i = 0; i < m; i++) {
        vf half = vf_mul(vf_mul(t[i], vf_set1(-0.5f)), p[i]);
        x[i] = vf_fma(size[i], half, vf_max(vf_zero(), x[i]));
    }
}

static void vec_gelu_erf(float *y, const float *x, size_t n)
{
    size_t i = 0;
    for (; i + EXP_MANY * VL <= n; i += EXP_MANY * VL) {
        vf v[EXP_MANY];
        VEC_UNROLL
        for (int j = 0; j < EXP_MANY; j++) {
            v[j] = vf_load(x + i + (size_t)j * VL);
        }
        vf_gelu_erf_many(v, EXP_MANY);
        VEC_UNROLL
        for (int j = 0; j < EXP_MANY; j++) {
            vf_store(y + i + (size_t)j * VL, v[j]);
        }
    }
    for (; i < n; i += VL) {
        size_t left = vec_left(n, i);
        vf v = vec_load(x + i, left);
        vf_gelu_erf_many(&v, 1);
        vec_store(y + i, v, left);
    }
}

static void vec_add3(float *y, const float *a, const float *b, const float *c, size_t n)
{
    size_t i = 0;
    for (; i + VL <= n; i += VL) {
        vf_store(y + i, vf_add(vf_add(vf_load(a + i), vf_load(b + i)), vf_load(c + i)));
    }
    if (i < n) {
        size_t left = n - i;
        vf ab = vf_add(vf_load_n(a + i, left), vf_load_n(b + i, left));
        vf_store_n(y + i, vf_add(ab, vf_load_n(c + i, left)), left);
    }
}

static void vec_layernorm(float *y, const float *x, const float *weight, const float *bias,
                          size_t n, float eps)
{
    vf parts[VEC_PARTS];
    for (int p = 0; p < VEC_PARTS; p++) {
        parts[p] = vf_zero();
    }
    for (size_t i = 0; i < n; i += PH_DOT_LANES) {
        VEC_UNROLL
        for (int p = 0; p < VEC_PARTS; p++) {
            size_t at = i + (size_t)p * VL;
            parts[p] = vf_add(parts[p], vec_load(x + at, vec_left(n, at)));
        }
    }
    float mean = vf_sum(vf_fold(parts)) / (float)n;
    for (int p = 0; p < VEC_PARTS; p++) {
        parts[p] = vf_zero();
    }
    for (size_t i = 0; i < n; i += PH_DOT_LANES) {
        VEC_UNROLL
        for (int p = 0; p < VEC_PARTS; p++) {
            size_t at = i + (size_t)p * VL;
            size_t left = vec_left(n, at);
            vf centred = vec_keep(vf_sub(vec_load(x + at, left), vf_set1(mean)), left);
            parts[p] = vf_fma(centred, centred, parts[p]);
        }
    }
    float variance = vf_sum(vf_fold(parts)) / (float)n;
    float scale = 1.0f / sqrtf(variance + eps);
    for (size_t i = 0; i < n; i += VL) {
        size_t left = vec_left(n, i);
        vf a = vf_mul(vf_sub(vec_load(x + i, left), vf_set1(mean)), vf_set1(scale));
        vec_store(y + i, vf_fma(a, vec_load(weight + i, left), vec_load(bias + i, left)), left);
    }
}

static void vec_rope(float *x, const float *cos, const float *sin, size_t half)
{
    for (size_t i = 0; i < half; i += VL) {
        size_t left = vec_left(half, i);
        vf a = vec_load(x + i, left);
        vf b = vec_load(x + half + i, left);
        vf c = vec_load(cos + i, left);
        vf s = vec_load(sin + i, left);
        vec_store(x + i, vf_sub(vf_mul(a, c), vf_mul(b, s)), left);
        vec_store(x + half + i, vf_add(vf_mul(b, c), vf_mul(a, s)), left);
    }
}

/* exp(x - max) in place; returns the sum over PH_DOT_LANES lanes by halving. */
VEC_INLINE float vec_exp_row(float *x, size_t n, float max)
{
    vf parts[VEC_PARTS];
    VEC_UNROLL
    for (int p = 0; p < VEC_PARTS; p++) {
        parts[p] = vf_zero();
    }
    for (size_t i = 0; i < n; i += PH_DOT_LANES) {
        VEC_UNROLL
        for (int p = 0; p < VEC_PARTS; p++) {
            size_t at = i + (size_t)p * VL;
            size_t left = vec_left(n, at);
            vf e = vec_keep(vf_exp(vf_sub(vec_load(x + at, left), vf_set1(max))), left);
            vec_store(x + at, e, left);
            parts[p] = vf_add(parts[p], e);
        }
    }
    return vf_sum(vf_fold(parts));
}

VEC_INLINE float vec_max_row(const float *x, size_t n, float max)
{
    vf largest = vf_set1(max);
    size_t i = 0;
    for (; i + VL <= n; i += VL) {
        largest = vf_max(vf_load(x + i), largest);
    }
    max = vf_largest(largest);
    for (; i < n; i++) {
        max = x[i] > max ? x[i] : max;
    }
    return max;
}

static void vec_softmax(float *x, size_t n)
{
    float sum = vec_exp_row(x, n, vec_max_row(x, n, x[0]));
    for (size_t i = 0; i < n; i += VL) {
        size_t left = vec_left(n, i);
        vec_store(x + i, vf_div(vec_load(x + i, left), vf_set1(sum)), left);
    }
}

#endif
