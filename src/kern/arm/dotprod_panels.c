/* Panels for SDOT by element: a vector is four consecutive numbers of four rows, multiplied with
 * four of x. */
#include <arm_neon.h>

#include "kern/fast.h"

#define PANEL_ROWS 8
#define CELL_ROWS  1

static inline int64x2_t pairs_of(int32x4_t a)
{
    return vreinterpretq_s64_s32(a);
}

static inline void put_rows(int8_t *w, size_t at, size_t first, const int8x16_t r[4])
{
    int32x4_t a = vreinterpretq_s32_s8(r[0]), b = vreinterpretq_s32_s8(r[1]);
    int32x4_t c = vreinterpretq_s32_s8(r[2]), d = vreinterpretq_s32_s8(r[3]);
    int64x2_t ab0 = pairs_of(vtrn1q_s32(a, b)), ab1 = pairs_of(vtrn2q_s32(a, b));
    int64x2_t cd0 = pairs_of(vtrn1q_s32(c, d)), cd1 = pairs_of(vtrn2q_s32(c, d));
    int64x2_t t[4] = {vtrn1q_s64(ab0, cd0), vtrn1q_s64(ab1, cd1), vtrn2q_s64(ab0, cd0),
                      vtrn2q_s64(ab1, cd1)};
    for (size_t q = 0; q < 4; q++) {
        vst1q_s8(w + ((at * 4 + q) * PANEL_ROWS + first) * 4, vreinterpretq_s8_s64(t[q]));
    }
}

/* The element's number must be written out as a constant. */
#define QUAD(q)                                                                                    \
    do {                                                                                           \
        int8x16_t w0 = vld1q_s8(ws + (q)*PANEL_ROWS * 4);                                          \
        int8x16_t w1 = vld1q_s8(ws + (q)*PANEL_ROWS * 4 + 16);                                     \
        _Pragma("GCC unroll 4") for (int i = 0; i < m; i++)                                        \
        {                                                                                          \
            s[i][0] = vdotq_laneq_s32(s[i][0], w0, xs[i], q);                                      \
            s[i][1] = vdotq_laneq_s32(s[i][1], w1, xs[i], q);                                      \
        }                                                                                          \
    } while (0)

static inline __attribute__((always_inline)) void add_dots(int32x4_t s[][2], const int8_t *w,
                                                           const int8_t *x, size_t at, const int n,
                                                           const int m)
{
#pragma GCC unroll 2
    for (size_t h = at; h < at + (size_t)n; h++) {
        const int8_t *ws = w + h * PANEL_ROWS * 16;
        int8x16_t xs[4];
#pragma GCC unroll 4
        for (int i = 0; i < m; i++) {
            xs[i] = vld1q_s8(x + (size_t)i * PH_FAST_DEPTH + h * 16);
        }
        QUAD(0);
        QUAD(1);
        QUAD(2);
        QUAD(3);
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

void ph_dotprod_fill_panels(ph_kern *kern)
{
    fill_panels(kern);
}
