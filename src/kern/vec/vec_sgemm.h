/* Register tiles of the matrix products of training. Contracts: the entries gemm and gemm_panels of
 * kern/kern.h.
 *
 * Twelve sums on 16 registers, 24 on 32: enough independent chains to hide the latency of FMA, and
 * few enough loads for the ports. A sum is added to what is in memory once a call, so that its
 * order of additions is the depth, ascending, cut where the caller cuts it.
 */
#ifndef PH_KERN_VEC_VEC_SGEMM_H
#define PH_KERN_VEC_VEC_SGEMM_H

#include "kern/vec/vec_gemm_parts.h"

/* One step of the depth: column a[0], a[stride], ... times row b. */
VEC_INLINE void gemm_step(vf sums[VEC_GEMM_M][VEC_GEMM_VECS], const float *a, size_t stride,
                          const float *b)
{
    vf row[VEC_GEMM_VECS];
    VEC_UNROLL
    for (int v = 0; v < VEC_GEMM_VECS; v++) {
        row[v] = vf_load(b + v * VL);
    }
    VEC_UNROLL
    for (int r = 0; r < VEC_GEMM_M; r++) {
        vf x = vf_set1(a[(size_t)r * stride]);
        VEC_UNROLL
        for (int v = 0; v < VEC_GEMM_VECS; v++) {
            sums[r][v] = vf_fma(x, row[v], sums[r][v]);
        }
    }
}

static void vec_gemm(const ph_gemm_tile *t)
{
    vf sums[VEC_GEMM_M][VEC_GEMM_VECS];
    const float *a = t->a, *b = t->b;
    gemm_begin(t, sums);
    size_t k = t->k;
    for (; k >= 4; k -= 4) {
        VEC_UNROLL
        for (int i = 0; i < 4; i++) {
            gemm_step(sums, a + i * VEC_GEMM_M, 1, b + i * VEC_GEMM_N);
        }
        a += 4 * VEC_GEMM_M;
        b += 4 * VEC_GEMM_N;
    }
    for (; k > 0; k--) {
        gemm_step(sums, a, 1, b);
        a += VEC_GEMM_M;
        b += VEC_GEMM_N;
    }
    gemm_finish(t, sums);
}

/* The same with rows as they lie: each third row has a pointer, the others are reached from it. */
VEC_INLINE void gemm_row_step(vf sums[VEC_GEMM_M][VEC_GEMM_VECS],
                              const float *const a[VEC_GEMM_M / 3], size_t ld, int i,
                              const float *b)
{
    vf row[VEC_GEMM_VECS];
    VEC_UNROLL
    for (int v = 0; v < VEC_GEMM_VECS; v++) {
        row[v] = vf_load(b + v * VL);
    }
    VEC_UNROLL
    for (int r = 0; r < VEC_GEMM_M; r++) {
        vf x = vf_set1(a[r / 3][(size_t)(r % 3) * ld + (size_t)i]);
        VEC_UNROLL
        for (int v = 0; v < VEC_GEMM_VECS; v++) {
            sums[r][v] = vf_fma(x, row[v], sums[r][v]);
            VEC_PIN(sums[r][v]);
        }
    }
}

static void vec_gemm_rows(const ph_gemm_tile *t)
{
    vf sums[VEC_GEMM_M][VEC_GEMM_VECS];
    const float *a[VEC_GEMM_M / 3], *b = t->b;
    gemm_begin(t, sums);
    VEC_UNROLL
    for (int r = 0; r < VEC_GEMM_M / 3; r++) {
        a[r] = t->a + (size_t)(3 * r) * t->panel;
    }
    size_t k = t->k;
    for (; k >= 4; k -= 4, b += 4 * VEC_GEMM_N) {
        VEC_UNROLL
        for (int i = 0; i < 4; i++) {
            gemm_row_step(sums, a, t->panel, i, b + i * VEC_GEMM_N);
        }
        VEC_UNROLL
        for (int r = 0; r < VEC_GEMM_M / 3; r++) {
            a[r] += 4;
        }
    }
    for (size_t i = 0; i < k; i++) {
        gemm_row_step(sums, a, t->panel, (int)i, b + i * VEC_GEMM_N);
    }
    gemm_finish(t, sums);
}

static void vec_gemm_panels(const ph_gemm_tile *t)
{
    vf sums[VEC_GEMM_M][VEC_GEMM_VECS];
    const float *b = t->b;
    gemm_begin(t, sums);
    for (size_t k = 0; k < t->k; k += VEC_GEMM_N) {
        const float *a = t->a + k / VEC_GEMM_N * t->panel;
        for (int i = 0; i < VEC_GEMM_N; i += 4) {
            VEC_UNROLL
            for (int j = 0; j < 4; j++) {
                gemm_step(sums, a + i + j, VEC_GEMM_N, b + j * VEC_GEMM_N);
            }
            b += 4 * VEC_GEMM_N;
        }
    }
    gemm_finish(t, sums);
}

#endif
