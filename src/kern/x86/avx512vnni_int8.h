/* Int8 products with weights packed once, AVX-512 with VNNI. Contract: kern/int8.h. vpdpbusd adds
 * up four products in 32 bits: eight rows with three vectors of columns, 24 sums. */
#ifndef PH_KERN_X86_AVX512VNNI_INT8_H
#define PH_KERN_X86_AVX512VNNI_INT8_H

#include "kern/x86/simd512.h"

#include <string.h>

#include "base/mem.h"
#include "kern/int8.h"
#include "kern/x86/each_tile.h"

#define VI_INLINE static inline __attribute__((always_inline))
#define VI_ROWS   8
#define VI_VECS   3
#define VI_N      (16 * VI_VECS)

VI_INLINE void vi_finish(const ph_i8_tile *t, size_t row, __m512 sums[VI_ROWS][VI_VECS],
                         const int m)
{
#pragma GCC unroll 8
    for (int i = 0; i < m; i++) {
        size_t at = row + (size_t)i;
        float room[VI_N], *y = t->n == VI_N ? t->y + at * t->ldy : room;
        const float *from = t->from != NULL ? t->from + at * t->ld_from : NULL;
#pragma GCC unroll 3
        for (int v = 0; v < VI_VECS; v++) {
            __m512 r = _mm512_fmadd_ps(sums[i][v], _mm512_loadu_ps(t->d + 16 * v),
                                       _mm512_loadu_ps(t->bias + 16 * v));
            if (from != NULL && t->n == VI_N) {
                r = _mm512_add_ps(r, _mm512_loadu_ps(from + 16 * v));
            }
            _mm512_storeu_ps(y + 16 * v, r);
        }
        for (size_t j = 0; t->n < VI_N && j < t->n; j++) {
            t->y[at * t->ldy + j] = from != NULL ? room[j] + from[j] : room[j];
        }
    }
}

/* Products of a group of k depths from q and w on. */
VI_INLINE void vi_sum_up(__m512i sums[VI_ROWS][VI_VECS], const uint8_t *q, size_t ldq,
                         const int8_t *w, size_t k, const int m)
{
#pragma GCC unroll 8
    for (int i = 0; i < m; i++) {
#pragma GCC unroll 3
        for (int v = 0; v < VI_VECS; v++) {
            sums[i][v] = _mm512_setzero_si512();
        }
    }
    for (size_t p = 0; p < k; p += 4, w += 4 * VI_N) {
        __m512i b[VI_VECS];
#pragma GCC unroll 3
        for (int v = 0; v < VI_VECS; v++) {
            b[v] = _mm512_loadu_si512(w + 64 * v);
        }
#pragma GCC unroll 8
        for (int i = 0; i < m; i++) {
            int32_t four;
            memcpy(&four, q + (size_t)i * ldq + p, sizeof four);
            __m512i a = _mm512_set1_epi32(four);
#pragma GCC unroll 3
            for (int v = 0; v < VI_VECS; v++) {
                PH_DPBUSD(sums[i][v], a, b[v]);
            }
        }
    }
}

VI_INLINE void vi_tile(const ph_i8_tile *t, size_t row, const int m, const int unused)
{
    __m512 all[VI_ROWS][VI_VECS];
    (void)unused;
#pragma GCC unroll 8
    for (int i = 0; i < m; i++) {
#pragma GCC unroll 3
        for (int v = 0; v < VI_VECS; v++) {
            all[i][v] = _mm512_setzero_ps();
        }
    }
    for (size_t p = 0; p < t->k; p += PH_I8_GROUP) {
        __m512i sums[VI_ROWS][VI_VECS];
        const float *wsum = t->sums + p / PH_I8_GROUP * t->ld_sums;
        vi_sum_up(sums, t->q + row * t->ldq + p, t->ldq, t->w + p * VI_N,
                  t->k - p < PH_I8_GROUP ? t->k - p : PH_I8_GROUP, m);
#pragma GCC unroll 8
        for (int i = 0; i < m; i++) {
            size_t f = (row + (size_t)i) * t->ld_f + p / PH_I8_GROUP;
            __m512 scale = _mm512_set1_ps(t->scale[f]), offset = _mm512_set1_ps(t->offset[f]);
#pragma GCC unroll 3
            for (int v = 0; v < VI_VECS; v++) {
                __m512 s = _mm512_fmadd_ps(offset, _mm512_loadu_ps(wsum + 16 * v), all[i][v]);
                all[i][v] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[i][v]), scale, s);
            }
        }
    }
    vi_finish(t, row, all, m);
}

static void vi_multiply(const ph_i8_tile *t)
{
    PH_EACH_TILE(8, vi_tile, t, 0);
}

static void vi_fill(ph_kern *kern)
{
    kern->i8_n = VI_N;
    kern->i8 = vi_multiply;
}

#endif
