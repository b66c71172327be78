/* The matrix products of training on pairs of bf16 numbers, with AVX512_BF16. Contracts: the
 * entries gemm_bf16 and gemm_bf16_cols of kern/kern.h.
 *
 * A pair takes the place of an f32 number, so that tile and panels are those of vec_sgemm.h with
 * half the depth; an instruction does twice the work.
 */
#ifndef PH_KERN_X86_AVX512BF16_GEMM_H
#define PH_KERN_X86_AVX512BF16_GEMM_H

#include "kern/x86/avx512bf16_products.h"

#include "kern/vec/vec_gemm_parts.h"

#define BF_ROWS_AHEAD 12 /* rows asked for ahead of time */

VEC_INLINE void bf_gemm_step(vf sums[VEC_GEMM_M][VEC_GEMM_VECS], const float *a, const float *b)
{
    vb row[VEC_GEMM_VECS];
    VEC_UNROLL
    for (int v = 0; v < VEC_GEMM_VECS; v++) {
        row[v] = vb_load(b + v * VL);
    }
    VEC_UNROLL
    for (int r = 0; r < VEC_GEMM_M; r++) {
        vb x = (vb)vf_set1(a[r]);
        VEC_UNROLL
        for (int v = 0; v < VEC_GEMM_VECS; v++) {
            sums[r][v] = vb_dot(sums[r][v], x, row[v]);
        }
    }
}

static void bf_gemm(const ph_gemm_tile *t)
{
    vf sums[VEC_GEMM_M][VEC_GEMM_VECS];
    const float *a = t->a, *b = t->b;
    gemm_begin(t, sums);
    size_t k = t->k;
    for (; k >= 4; k -= 4) {
        VEC_UNROLL
        for (int i = 0; i < 4; i++) {
            bf_gemm_step(sums, a + i * VEC_GEMM_M, b + i * VEC_GEMM_N);
        }
        a += 4 * VEC_GEMM_M;
        b += 4 * VEC_GEMM_N;
    }
    for (; k > 0; k--) {
        bf_gemm_step(sums, a, b);
        a += VEC_GEMM_M;
        b += VEC_GEMM_N;
    }
    gemm_finish(t, sums);
}

/* 16 numbers of a row and those of the next one, to pairs. */
VEC_INLINE vb bf_pairs(vf even, vf odd)
{
    const __m512i order =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(order, vb_round(even, odd));
}

/* Two rows, n numbers each, into panels of w, a panel `panel` numbers behind the last; odd may be
 * NULL. */
VEC_INLINE void bf_two_rows(float *dst, const float *even, const float *odd, size_t n, size_t panel,
                            const size_t w)
{
    for (size_t j = 0; j < n; j += w, dst += panel) {
        VEC_UNROLL
        for (size_t v = 0; v < w; v += VL) {
            size_t wide = w - v < VL ? w - v : VL;
            size_t left = n - j < v ? 0 : n - j - v;
            left = left < wide ? left : wide;
            vf x = vf_load_n(even + j + v, left);
            vf y = odd != NULL ? vf_load_n(odd + j + v, left) : vf_zero();
            vf_store_n(dst + v, (vf)bf_pairs(x, y), wide);
        }
    }
}

VEC_INLINE void bf_cols(float *dst, const float *src, size_t ld, size_t n, size_t k, const size_t w)
{
    size_t panel = w * ((k + 1) / 2);
    for (size_t p = 0; p < k; p += 2, dst += w) {
        const float *row = src + p * ld;
        for (size_t j = 0; p + BF_ROWS_AHEAD + 1 < k && j < n; j += VL) {
            __builtin_prefetch(row + BF_ROWS_AHEAD * ld + j);
            __builtin_prefetch(row + (BF_ROWS_AHEAD + 1) * ld + j);
        }
        bf_two_rows(dst, row, p + 1 < k ? row + ld : NULL, n, panel, w);
    }
}

static void bf_gemm_cols(float *dst, const float *src, size_t ld, size_t n, size_t k, size_t w)
{
    if (w == VEC_GEMM_M) {
        bf_cols(dst, src, ld, n, k, VEC_GEMM_M);
    } else {
        bf_cols(dst, src, ld, n, k, VEC_GEMM_N);
    }
}

#endif
