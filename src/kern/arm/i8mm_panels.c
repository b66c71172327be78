/* Panels for SMMLA: a vector is eight consecutive numbers of two rows, multiplied with eight of two
 * rows of x into a square of four sums. Cell s[i][v] holds rows i and i ^ 1 of x (the even one in
 * the lower half) with rows 4 v + 2 (i % 2) and the next of the panel. Of an odd number of rows of
 * x the last one is taken twice.
 */
#include <arm_neon.h>

#include "kern/fast.h"

#define PANEL_ROWS 8
#define CELL_ROWS  2

static inline int64x2_t halves_of(int8x16_t a)
{
    return vreinterpretq_s64_s8(a);
}

static inline void put_rows(int8_t *w, size_t at, size_t first, const int8x16_t r[4])
{
    for (size_t p = 0; p < 2; p++) {
        int64x2_t a = halves_of(r[2 * p]), b = halves_of(r[2 * p + 1]);
        int8_t *to = w + (at * 2 * PANEL_ROWS + first + 2 * p) * 8;
        vst1q_s8(to, vreinterpretq_s8_s64(vzip1q_s64(a, b)));
        vst1q_s8(to + PANEL_ROWS * 8, vreinterpretq_s8_s64(vzip2q_s64(a, b)));
    }
}

static inline __attribute__((always_inline)) void add_dots(int32x4_t s[][2], const int8_t *w,
                                                           const int8_t *x, size_t at, const int n,
                                                           const int m)
{
#pragma GCC unroll 2
    for (size_t h = at; h < at + (size_t)n; h++) {
        int8x16_t xs[2][2];
#pragma GCC unroll 2
        for (int i = 0; i < m; i += 2) {
            const int8_t *even = x + (size_t)i * PH_FAST_DEPTH + h * 16;
            int64x2_t a = halves_of(vld1q_s8(even)), b = a;
            if (i + 1 < m) {
                b = halves_of(vld1q_s8(even + PH_FAST_DEPTH));
            }
            xs[i / 2][0] = vreinterpretq_s8_s64(vzip1q_s64(a, b));
            xs[i / 2][1] = vreinterpretq_s8_s64(vzip2q_s64(a, b));
        }
#pragma GCC unroll 2
        for (int o = 0; o < 2; o++) {
#pragma GCC unroll 4
            for (int c = 0; c < 4; c++) {
                int8x16_t ws = vld1q_s8(w + ((2 * h + (size_t)o) * PANEL_ROWS + 2 * (size_t)c) * 8);
#pragma GCC unroll 2
                for (int i = 0; i < m; i += 2) {
                    int32x4_t *cell = &s[i + c % 2][c / 2];
                    *cell = vmmlaq_s32(*cell, xs[i / 2][o], ws);
                }
            }
        }
    }
}

static inline int32x4_t scale_of(const int32_t *scale, int i, int v)
{
    int32x2_t two = vld1_s32(scale + 4 * v + i % 2 * 2);
    return vcombine_s32(two, two);
}

static inline __attribute__((always_inline)) void to_rows(int32x4_t s[][2], const int m)
{
#pragma GCC unroll 2
    for (int i = 0; i < m; i += 2) {
#pragma GCC unroll 2
        for (int v = 0; v < 2; v++) {
            int64x2_t a = vreinterpretq_s64_s32(s[i][v]), b = vreinterpretq_s64_s32(s[i + 1][v]);
            s[i][v] = vreinterpretq_s32_s64(vzip1q_s64(a, b));
            s[i + 1][v] = vreinterpretq_s32_s64(vzip2q_s64(a, b));
        }
    }
}

#include "kern/arm/arm_panels.h"

#include "kern/arm/arm_fast.h"

void ph_i8mm_fill_panels(ph_kern *kern)
{
    fill_panels(kern);
}
