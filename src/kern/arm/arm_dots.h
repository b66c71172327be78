/* Products of 1 to PH_FAST_DOTS rows of activations straight from the file's layout, for the
 * instruction sets of ARM. Contract: ph_dots_fn in kern/fast.h.
 *
 * Whoever includes it has dot_16(s, w, x): s plus 16 products of signed bytes, each product in any
 * lane. Four rows of weights at a time; bytes become signed numbers in registers, sums of a group
 * stay in four lanes of 32 bits, and those of the four rows meet in one vector, whose lanes are
 * rows, for the float operations. Bounds: those of kern/fast.h for whole sums hold for parts.
 */
#ifndef PH_KERN_ARM_ARM_DOTS_H
#define PH_KERN_ARM_ARM_DOTS_H

#include "kern/arm/arm_formats.h"
#include "kern/kern.h"
#include "kern/ref/ref.h"

#define ROWS 4

/* Rows of x in one step; mins of 32 numbers need sums of 32. */
typedef struct x_step {
    const int8_t *q; /* [m][PH_FAST_DEPTH] */
    int16x8_t sums[PH_FAST_DOTS][2];
} x_step;

ARM_INLINE int32x4_t dot_32(const int8x16_t w[2], const int8_t *x)
{
    return dot_16(dot_16(vdupq_n_s32(0), w[0], vld1q_s8(x)), w[1], vld1q_s8(x + 16));
}

/* Sums of the lanes of four vectors. */
ARM_INLINE int32x4_t meet(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d)
{
    return vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d));
}

ARM_INLINE int32x4_t multiply_mins(const int16x8_t min[2], const int16x8_t x[2], const int sub)
{
    int32x4_t s = vmull_s16(vget_low_s16(min[0]), vget_low_s16(x[0]));
    s = vmlal_s16(s, vget_high_s16(min[0]), vget_high_s16(x[0]));
    if (sub == 16) {
        s = vmlal_s16(s, vget_low_s16(min[1]), vget_low_s16(x[1]));
        s = vmlal_s16(s, vget_high_s16(min[1]), vget_high_s16(x[1]));
    }
    return s;
}

/* A superblock of one row with m rows of x. */
ARM_INLINE void super_row(int32x4_t s[PH_FAST_DOTS], int32x4_t min[PH_FAST_DOTS],
                          const unsigned char *in, const x_step *x, const int m,
                          const arm_format form)
{
    arm_scales scales;
    form.scales(&scales, in);
    ARM_UNROLL
    for (int i = 0; i < m; i++) {
        s[i] = vdupq_n_s32(0);
        min[i] = s[i];
        if (form.has_min) {
            min[i] = multiply_mins(scales.min, x->sums[i], form.sub);
        }
    }
    ARM_UNROLL
    for (int b = 0; b < PH_FAST_DEPTH / 32; b++) {
        int8x16_t w[2];
        form.run(w, in, b);
        ARM_UNROLL
        for (int i = 0; i < m; i++) {
            const int8_t *q = x->q + i * PH_FAST_DEPTH + 32 * b;
            if (form.sub == 32) {
                s[i] = vmlaq_n_s32(s[i], dot_32(w, q), scales.scale[b]);
                continue;
            }
            int32x4_t zero = vdupq_n_s32(0);
            s[i] = vmlaq_n_s32(s[i], dot_16(zero, w[0], vld1q_s8(q)), scales.scale[2 * b]);
            s[i] = vmlaq_n_s32(s[i], dot_16(zero, w[1], vld1q_s8(q + 16)), scales.scale[2 * b + 1]);
        }
    }
}

ARM_INLINE void one_super(float32x4_t y[PH_FAST_DOTS], const ph_few *f,
                          const unsigned char *const w[ROWS], size_t row, const int m,
                          const arm_format form)
{
    int32x4_t s[ROWS][PH_FAST_DOTS], min[ROWS][PH_FAST_DOTS];
    x_step x = {.q = f->x.q8 + row * PH_FAST_DEPTH};
    ARM_UNROLL
    for (int i = 0; i < m; i++) {
        const int16_t *sums = f->x.sums + (row + (size_t)i) * PH_FAST_SUBS;
        x.sums[i][0] = vld1q_s16(sums);
        x.sums[i][1] = vld1q_s16(sums + 8);
        if (form.sub == 32) {
            x.sums[i][0] = vpaddq_s16(x.sums[i][0], x.sums[i][1]);
        }
    }
    for (int r = 0; r < ROWS; r++) { /* unrolled, it would not fit the instruction cache */
        super_row(s[r], min[r], w[r], &x, m, form);
    }
    float32x4_t d = arm_f16_4(w, form.d_at), dmin = d;
    if (form.has_min) {
        dmin = arm_f16_4(w, form.dmin_at);
    }
    ARM_UNROLL
    for (int i = 0; i < m; i++) {
        float dx = f->x.scale[(row + (size_t)i) * PH_FAST_GROUPS];
        int32x4_t isum = meet(s[0][i], s[1][i], s[2][i], s[3][i]);
        y[i] = vfmaq_f32(y[i], vcvtq_f32_s32(isum), vmulq_n_f32(d, dx));
        if (form.has_min) {
            int32x4_t msum = meet(min[0][i], min[1][i], min[2][i], min[3][i]);
            y[i] = vfmsq_f32(y[i], vcvtq_f32_s32(msum), vmulq_n_f32(dmin, dx));
        }
    }
}

/* Group g of 32 of the step. */
ARM_INLINE void one_block(float32x4_t y[PH_FAST_DOTS], const ph_few *f,
                          const unsigned char *const w[ROWS], size_t row, size_t g, const int m,
                          const arm_format form)
{
    int32x4_t s[ROWS][PH_FAST_DOTS];
    const int8_t *x = f->x.q8 + row * PH_FAST_DEPTH + 32 * g;
    ARM_UNROLL
    for (int r = 0; r < ROWS; r++) {
        int8x16_t bytes[2];
        form.run(bytes, w[r], 0);
        ARM_UNROLL
        for (int i = 0; i < m; i++) {
            s[r][i] = dot_32(bytes, x + i * PH_FAST_DEPTH);
        }
    }
    float32x4_t d = arm_f16_4(w, form.d_at), dmin = d;
    if (form.has_min) {
        dmin = arm_f16_4(w, form.dmin_at); /* its negative */
    }
    ARM_UNROLL
    for (int i = 0; i < m; i++) {
        float dx = f->x.scale[(row + (size_t)i) * PH_FAST_GROUPS + g];
        int32x4_t isum = meet(s[0][i], s[1][i], s[2][i], s[3][i]);
        y[i] = vfmaq_f32(y[i], vcvtq_f32_s32(isum), vmulq_n_f32(d, dx));
        if (form.has_min) {
            const int16_t *sums = f->x.sums + (row + (size_t)i) * PH_FAST_SUBS + 2 * g;
            float32x4_t msum = vdupq_n_f32((float)(sums[0] + sums[1]));
            y[i] = vfmaq_f32(y[i], msum, vmulq_n_f32(dmin, dx));
        }
    }
}

ARM_INLINE void four_rows(const ph_few *f, size_t j, const int m, const arm_format form)
{
    float32x4_t y[PH_FAST_DOTS];
    const unsigned char *w[ROWS];
    ARM_UNROLL
    for (int r = 0; r < ROWS; r++) {
        w[r] = f->w + (j + (size_t)r) * f->row_bytes;
    }
    ARM_UNROLL
    for (int i = 0; i < m; i++) {
        y[i] = vdupq_n_f32(0);
    }
    size_t row = f->first;
    for (size_t k0 = 0; k0 < f->k; k0 += PH_FAST_DEPTH, row += f->x.m) {
        size_t left = f->k - k0 < PH_FAST_DEPTH ? f->k - k0 : PH_FAST_DEPTH;
        size_t n = form.scales != NULL ? 1 : left / 32;
        for (size_t g = 0; g < n; g++) {
            if (form.scales != NULL) {
                one_super(y, f, w, row, m, form);
            } else {
                one_block(y, f, w, row, g, m, form);
            }
            ARM_UNROLL
            for (int r = 0; r < ROWS; r++) {
                w[r] += form.bytes;
            }
        }
    }
    ARM_UNROLL
    for (int i = 0; i < m; i++) {
        float32x4_t sum = f->bias ? vaddq_f32(y[i], vld1q_f32(f->bias + j)) : y[i];
        vst1q_f32(f->y + (size_t)i * f->ldy + j, sum);
    }
}

/* The last rows are taken together with some that were done before, which gives the same again. */
ARM_INLINE void all_rows(const ph_few *f, const int m, const arm_format form)
{
    for (size_t j = 0; j < f->n; j += ROWS) {
        four_rows(f, j + ROWS <= f->n ? j : f->n - ROWS, m, form);
    }
}

#define ARM_DOTS(TYPE, name)                                                                       \
    static void dots_##name(const ph_few *f)                                                       \
    {                                                                                              \
        const arm_format form = ARM_FORMAT_##name;                                                 \
        if (f->n < ROWS) {                                                                         \
            ph_ref_few(f);                                                                         \
        } else if (f->m == 1) {                                                                    \
            all_rows(f, 1, form);                                                                  \
        } else if (f->m == 2) {                                                                    \
            all_rows(f, 2, form);                                                                  \
        } else if (f->m == 3) {                                                                    \
            all_rows(f, 3, form);                                                                  \
        } else {                                                                                   \
            all_rows(f, 4, form);                                                                  \
        }                                                                                          \
    }
ARM_EACH_FORMAT(ARM_DOTS)
#undef ARM_DOTS

static void fill_dots(ph_kern *kern)
{
#define ARM_DOTS(TYPE, name) kern->dots[PH_QUANT_##TYPE] = dots_##name;
    ARM_EACH_FORMAT(ARM_DOTS)
#undef ARM_DOTS
}

#endif
