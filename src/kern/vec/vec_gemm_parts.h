/* What the register tiles of the matrix products of training share, whatever they multiply: shape,
 * beginning, end.
 *
 * Twelve sums on 16 registers, 24 on 32: enough independent chains to hide the latency of FMA, and
 * few enough for the ports. A sum is added to what is in memory once a call, so that its
 * order of additions is the depth, ascending, cut where the caller cuts it.
 */
#ifndef PH_KERN_VEC_VEC_GEMM_PARTS_H
#define PH_KERN_VEC_VEC_GEMM_PARTS_H

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

#endif
