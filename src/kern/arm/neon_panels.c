/* Panels for baseline NEON: rows lie side by side, 16 numbers of each. Two products of bytes are
 * added in 16 bits: 2 * 128 * 127 = 32512. */
#include <arm_neon.h>

#include "kern/fast.h"

#define PANEL_ROWS 8
#define CELL_ROWS  1

static inline void put_rows(int8_t *w, size_t at, size_t first, const int8x16_t r[4])
{
    for (size_t i = 0; i < 4; i++) {
        vst1q_s8(w + (at * PANEL_ROWS + first + i) * 16, r[i]);
    }
}

static inline int32x4_t dot_16(int32x4_t s, int8x16_t w, int8x16_t x)
{
    int16x8_t p = vmull_s8(vget_low_s8(w), vget_low_s8(x));
    return vpadalq_s16(s, vmlal_high_s8(p, w, x));
}

static inline __attribute__((always_inline)) void add_dots(int32x4_t s[][2], const int8_t *w,
                                                           const int8_t *x, size_t at, const int n,
                                                           const int m)
{
#pragma GCC unroll 2
    for (int v = 0; v < 2; v++) {
        int8x16_t ws[4][2];
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++) {
#pragma GCC unroll 2
            for (int h = 0; h < n; h++) {
                ws[r][h] = vld1q_s8(w + ((at + (size_t)h) * PANEL_ROWS + (size_t)(4 * v + r)) * 16);
            }
        }
#pragma GCC unroll 4
        for (int i = 0; i < m; i++) {
            int32x4_t of_row[4];
#pragma GCC unroll 4
            for (int r = 0; r < 4; r++) {
                of_row[r] = vdupq_n_s32(0);
#pragma GCC unroll 2
                for (int h = 0; h < n; h++) {
                    int8x16_t xs = vld1q_s8(x + (size_t)i * PH_FAST_DEPTH + (at + (size_t)h) * 16);
                    of_row[r] = dot_16(of_row[r], ws[r][h], xs);
                }
            }
            int32x4_t all =
                vpaddq_s32(vpaddq_s32(of_row[0], of_row[1]), vpaddq_s32(of_row[2], of_row[3]));
            s[i][v] = vaddq_s32(s[i][v], all);
        }
    }
}

static inline int32x4_t scale_of(const int32_t *scale, int i, int v)
{
    (void)i;
    return vld1q_s32(scale + 4 * v);
}

static inline void to_rows(int32x4_t s[][2], int m)
{
    (void)s;
    (void)m;
}

#include "kern/arm/arm_panels.h"

#include "kern/arm/arm_fast.h"

void ph_neon_fill_panels(ph_kern *kern)
{
    fill_panels(kern);
}
