/* Register tiles of the matrix products of training. Contracts: the entries gemm and gemm_panels of
 * kern/kern.h.
 *
 * Twelve sums on 16 registers, 24 on 32: enough independent chains to hide the latency of FMA, and
 * few enough loads for the ports. A sum is added to what is in memory once a call, so that its
 * order of additions is the depth, ascending, cut where the caller cuts it.
 */
#ifndef PH_KERN_VEC_VEC_SGEMM_H
#define PH_KERN_VEC_VEC_SGEMM_H

#include "kern/vec/vec.h"

#if VL == 16
#define VEC_GEMM_M    12
#define VEC_GEMM_VECS 2
#else
#define VEC_GEMM_M    6
#define VEC_GEMM_VECS (16 / VL)
#endif
#define VEC_GEMM_N (VEC_GEMM_VECS * VL)

/* c = (from or 0) + (bias or 0) + sums, whole tile. */
VEC_INLINE void gemm_store(const ph_gemm_tile *t, vf sums[VEC_GEMM_M][VEC_GEMM_VECS])
{
    if (t->bias != NULL) {
        VEC_UNROLL
        for (int v = 0; v < VEC_GEMM_VECS; v++) {
            vf b = vf_load(t->bias + v * VL);
            VEC_UNROLL
            for (int r = 0; r < VEC_GEMM_M; r++) {
                sums[r][v] = vf_add(sums[r][v], b);
            }
        }
    }
    if (t->from != NULL) {
        VEC_UNROLL
        for (int r = 0; r < VEC_GEMM_M; r++) {
            VEC_UNROLL
            for (int v = 0; v < VEC_GEMM_VECS; v++) {
                sums[r][v] = vf_add(sums[r][v], vf_load(t->from + (size_t)r * t->ld_from + v * VL));
            }
        }
    }
    VEC_UNROLL
    for (int r = 0; r < VEC_GEMM_M; r++) {
        VEC_UNROLL
        for (int v = 0; v < VEC_GEMM_VECS; v++) {
            vf_store(t->c + (size_t)r * t->ldc + v * VL, sums[r][v]);
        }
    }
}

/* The same for a tile at the edge: only m x n numbers of memory are touched. */
static __attribute__((noinline)) void gemm_store_edge(const ph_gemm_tile *t, const float *room)
{
    for (size_t r = 0; r < t->m; r++) {
        for (size_t j = 0; j < t->n; j++) {
            float s = room[r * VEC_GEMM_N + j];
            s = t->bias != NULL ? s + t->bias[j] : s;
            s = t->from != NULL ? s + t->from[r * t->ld_from + j] : s;
            t->c[r * t->ldc + j] = s;
        }
    }
}

VEC_INLINE void gemm_finish(const ph_gemm_tile *t, vf sums[VEC_GEMM_M][VEC_GEMM_VECS])
{
    if (t->m == VEC_GEMM_M && t->n == VEC_GEMM_N) {
        gemm_store(t, sums);
        return;
    }
    float room[VEC_GEMM_M * VEC_GEMM_N];
    VEC_UNROLL
    for (int r = 0; r < VEC_GEMM_M; r++) {
        VEC_UNROLL
        for (int v = 0; v < VEC_GEMM_VECS; v++) {
            vf_store(room + r * VEC_GEMM_N + v * VL, sums[r][v]);
        }
    }
    gemm_store_edge(t, room);
}

VEC_INLINE void gemm_begin(const ph_gemm_tile *t, vf sums[VEC_GEMM_M][VEC_GEMM_VECS])
{
    const float *lines = t->from != NULL ? t->from : t->c;
    size_t ld = t->from != NULL ? t->ld_from : t->ldc;
    for (size_t r = 0; r < t->m; r++) {
        __builtin_prefetch(lines + r * ld, 1);
    }
    VEC_UNROLL
    for (int r = 0; r < VEC_GEMM_M; r++) {
        VEC_UNROLL
        for (int v = 0; v < VEC_GEMM_VECS; v++) {
            sums[r][v] = vf_zero();
        }
    }
}

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
