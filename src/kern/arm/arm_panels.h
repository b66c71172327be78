/* Panels for many rows of activations, for the instruction sets of ARM. Contract: ph_panel_kind in
 * kern/fast.h.
 *
 * A panel is PANEL_ROWS rows of signed bytes, interleaved as the instruction set's multiplication
 * wants them, with integer scales, mins and f32 scales by row. Sums of a tile are cells: vectors of
 * four lanes of 32 bits for one or two rows of x, which become lanes that are rows of weights only
 * behind all integer arithmetic. Whoever includes it has
 *   CELL_ROWS                       rows of x that share cells: 1, or 2
 *   put_rows(w, at, first, r)       numbers 16 at .. 16 at + 15 of panel rows first .. first + 3
 *   add_dots(s, w, x, at, n, m)     cells s[i][v] += products of 16 n numbers from 16 at on;
 *                                   m rows of x
 *   scale_of(scale, i, v)           what scales cell s[i][v], of scale[PANEL_ROWS]
 *   to_rows(s, m)                   s[i][v] becomes row i of x with weights 4 v .. 4 v + 3
 * Bounds: those of kern/fast.h for whole sums hold for parts.
 */
#ifndef PH_KERN_ARM_ARM_PANELS_H
#define PH_KERN_ARM_ARM_PANELS_H

#include "kern/arm/arm_formats.h"
#include "kern/kern.h"

typedef struct panel {
    _Alignas(64) int8_t w[PANEL_ROWS * PH_FAST_DEPTH];
    int32_t scale[PH_FAST_SUBS][PANEL_ROWS];
    int16_t min[PH_FAST_SUBS][PANEL_ROWS];
    float d[PH_FAST_GROUPS][PANEL_ROWS];
    float dmin[PH_FAST_GROUPS][PANEL_ROWS];
} panel;

_Static_assert(sizeof(panel) <= PANEL_ROWS * PH_PANEL_ROW_BYTES && PH_PANEL_ROWS % PANEL_ROWS == 0,
               "fits the room of a chunk");

/* --- packing ---------------------------------------------------------------------------------- */

/* Group or superblock g of four rows: `in` are its blocks. */
ARM_INLINE void pack_block(panel *p, const unsigned char *const in[4], size_t g, size_t first,
                           const arm_format form)
{
    const int n_runs = form.scales != NULL ? PH_FAST_DEPTH / 32 : 1;
    ARM_UNROLL
    for (int b = 0; b < n_runs; b++) {
        int8x16_t w[4][2];
        ARM_UNROLL
        for (int r = 0; r < 4; r++) {
            form.run(w[r], in[r], b);
        }
        ARM_UNROLL
        for (int h = 0; h < 2; h++) {
            int8x16_t rows[4] = {w[0][h], w[1][h], w[2][h], w[3][h]};
            put_rows(p->w, 2 * (g + (size_t)b) + (size_t)h, first, rows);
        }
    }
    vst1q_f32(&p->d[g][first], arm_f16_4(in, form.d_at));
    if (form.has_min) {
        float32x4_t dmin = arm_f16_4(in, form.dmin_at);
        vst1q_f32(&p->dmin[g][first], form.scales != NULL ? dmin : vnegq_f32(dmin));
    }
}

ARM_INLINE void pack_scales(panel *p, const unsigned char *in, size_t row, const arm_format form)
{
    arm_scales scales;
    form.scales(&scales, in);
    for (int u = 0; u < PH_FAST_DEPTH / form.sub; u++) {
        p->scale[u][row] = scales.scale[u];
    }
    if (form.has_min) {
        int16_t min[PH_FAST_SUBS];
        vst1q_s16(min, scales.min[0]);
        vst1q_s16(min + 8, scales.min[1]);
        for (int u = 0; u < PH_FAST_DEPTH / form.sub; u++) {
            p->min[u][row] = min[u];
        }
    }
}

/* Rows beyond the last are the last. */
ARM_INLINE void pack_rows(panel *p, const unsigned char *src, size_t row_bytes, size_t n, size_t k,
                          const arm_format form)
{
    for (size_t first = 0; first < PANEL_ROWS; first += 4) {
        const unsigned char *in[4];
        for (size_t r = 0; r < 4; r++) {
            in[r] = src + (first + r < n ? first + r : n - 1) * row_bytes;
            if (form.scales != NULL) {
                pack_scales(p, in[r], first + r, form);
            }
        }
        size_t n_blocks = form.scales != NULL ? 1 : k / 32;
        for (size_t g = 0; g < n_blocks; g++) {
            pack_block(p, in, g, first, form);
            for (size_t r = 0; r < 4; r++) {
                in[r] += form.bytes;
            }
        }
    }
}

/* --- multiplying ------------------------------------------------------------------------------ */

#define TILE_M   4 /* rows of x: 8 cells of sums, 8 of scaled sums */
#define CELLS(m) (((m) + CELL_ROWS - 1) / CELL_ROWS * CELL_ROWS)

ARM_INLINE void clear(int32x4_t s[TILE_M][2], const int m)
{
    ARM_UNROLL
    for (int i = 0; i < CELLS(m); i++) {
        s[i][0] = s[i][1] = vdupq_n_s32(0);
    }
}

/* y += sums * (d * scale), or -= */
ARM_INLINE void add_group(float *y, int32x4_t s[TILE_M][2], const float *d, const float *scale,
                          const int m, const bool minus)
{
    ARM_UNROLL
    for (int i = 0; i < m; i++) {
        ARM_UNROLL
        for (int v = 0; v < 2; v++) {
            float *at = y + i * PANEL_ROWS + 4 * v;
            float32x4_t a = vcvtq_f32_s32(s[i][v]);
            float32x4_t b = vmulq_n_f32(vld1q_f32(d + 4 * v), scale[i * PH_FAST_GROUPS]);
            float32x4_t old = vld1q_f32(at);
            vst1q_f32(at, minus ? vfmsq_f32(old, a, b) : vfmaq_f32(old, a, b));
        }
    }
}

ARM_INLINE void multiply_32(const ph_panel_tile *t, size_t row, const int m, const arm_format form)
{
    const panel *p = t->panel;
    const int8_t *x = t->q8 + row * PH_FAST_DEPTH;
    const float *scale = t->scale + row * PH_FAST_GROUPS;
    float *y = t->y + row * PANEL_ROWS;
    for (size_t g = 0; g < t->k / 32; g++) {
        int32x4_t s[TILE_M][2];
        clear(s, m);
        add_dots(s, p->w, x, 2 * g, 2, m);
        to_rows(s, m);
        add_group(y, s, p->d[g], scale + g, m, false);
        if (!form.has_min) {
            continue;
        }
        ARM_UNROLL
        for (int i = 0; i < m; i++) {
            const int16_t *sums = t->sums + (row + (size_t)i) * PH_FAST_SUBS + 2 * g;
            s[i][0] = s[i][1] = vdupq_n_s32(sums[0] + sums[1]);
        }
        add_group(y, s, p->dmin[g], scale + g, m, true);
    }
}

ARM_INLINE void multiply_mins(int32x4_t s[TILE_M][2], const panel *p, const int16_t *sums,
                              const int m, const int sub)
{
    clear(s, m);
    for (int u = 0; u < PH_FAST_DEPTH / sub; u++) {
        int16x8_t min = vld1q_s16(p->min[u]);
        ARM_UNROLL
        for (int i = 0; i < m; i++) {
            const int16_t *own = sums + i * PH_FAST_SUBS;
            int16_t sum = sub == 32 ? (int16_t)(own[2 * u] + own[2 * u + 1]) : own[u];
            s[i][0] = vmlal_n_s16(s[i][0], vget_low_s16(min), sum);
            s[i][1] = vmlal_n_s16(s[i][1], vget_high_s16(min), sum);
        }
    }
}

ARM_INLINE void multiply_256(const ph_panel_tile *t, size_t row, const int m, const arm_format form)
{
    const panel *p = t->panel;
    const float *scale = t->scale + row * PH_FAST_GROUPS;
    float *y = t->y + row * PANEL_ROWS;
    int32x4_t all[TILE_M][2], s[TILE_M][2];
    clear(all, m);
    for (int u = 0; u < PH_FAST_DEPTH / form.sub; u++) {
        clear(s, m);
        add_dots(s, p->w, t->q8 + row * PH_FAST_DEPTH, (size_t)(u * form.sub / 16), form.sub / 16,
                 m);
        ARM_UNROLL
        for (int i = 0; i < CELLS(m); i++) {
            ARM_UNROLL
            for (int v = 0; v < 2; v++) {
                all[i][v] = vmlaq_s32(all[i][v], s[i][v], scale_of(p->scale[u], i, v));
            }
        }
    }
    to_rows(all, m);
    add_group(y, all, p->d[0], scale, m, false);
    if (form.has_min) {
        multiply_mins(s, p, t->sums + row * PH_FAST_SUBS, m, form.sub);
        add_group(y, s, p->dmin[0], scale, m, true);
    }
}

ARM_INLINE void multiply_rows(const ph_panel_tile *t, size_t row, const int m,
                              const arm_format form)
{
    if (form.scales != NULL) {
        multiply_256(t, row, m, form);
    } else {
        multiply_32(t, row, m, form);
    }
}

ARM_INLINE void multiply_all(const ph_panel_tile *t, const arm_format form)
{
    size_t row = 0;
    for (; row + TILE_M <= t->m; row += TILE_M) {
        multiply_rows(t, row, TILE_M, form);
    }
    switch (t->m - row) {
    case 3:
        multiply_rows(t, row, 3, form);
        break;
    case 2:
        multiply_rows(t, row, 2, form);
        break;
    case 1:
        multiply_rows(t, row, 1, form);
        break;
    default:
        break;
    }
}

#define ARM_PANEL(TYPE, name)                                                                      \
    static void pack_##name(void *to, const unsigned char *src, size_t row_bytes, size_t n,        \
                            size_t k)                                                              \
    {                                                                                              \
        const arm_format form = ARM_FORMAT_##name;                                                 \
        pack_rows(to, src, row_bytes, n, k, form);                                                 \
    }                                                                                              \
    static void multiply_##name(const ph_panel_tile *t)                                            \
    {                                                                                              \
        const arm_format form = ARM_FORMAT_##name;                                                 \
        multiply_all(t, form);                                                                     \
    }
ARM_EACH_FORMAT(ARM_PANEL)
#undef ARM_PANEL

static const ph_panel_kind kinds[PH_N_QUANT] = {
#define ARM_PANEL(TYPE, name)                                                                      \
    [PH_QUANT_##TYPE] = {PANEL_ROWS, sizeof(panel), 0, false, pack_##name, multiply_##name},
    ARM_EACH_FORMAT(ARM_PANEL)
#undef ARM_PANEL
};

static void fill_panels(ph_kern *kern)
{
    for (int i = 0; i < PH_N_QUANT; i++) {
        if (kinds[i].rows != 0) {
            kern->panels[i] = &kinds[i];
        }
    }
}

#endif
