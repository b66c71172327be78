/* The matrix product for many rows of activations over vectors whose lanes are columns of y.
 *
 * The PH_DOT_LANES sums of an output are taken two at a time, l and l + 8, in walks over every
 * PH_DOT_LANES-th number of the depth block, and are then added to each other as whole vectors: no
 * sum goes across a vector, which costs the tile of vec_dot.h a sixth of its time. Two at a time,
 * because their first addition stays in registers then, and stores keep multiplications waiting.
 * WIDE_GROUPS groups of VEC_WIDE_M rows follow each other while a lane's part of the panel is in
 * the first-level cache. Same order of additions, hence the same bits, as vec_dot.h.
 */
#ifndef PH_KERN_VEC_VEC_WIDE_H
#define PH_KERN_VEC_VEC_WIDE_H

#include "kern/vec/vec.h"

#include "base/mem.h"

#ifndef VEC_WIDE_M /* 2 x VEC_WIDE_M x VEC_WIDE_N sums */
#define VEC_WIDE_M 3
#define VEC_WIDE_N (PH_DOT_LANES / VL)
#endif

#define WIDE_GROUPS  2
#define WIDE_ROWS    (WIDE_GROUPS * VEC_WIDE_M)
#define WIDE_COLUMNS (VEC_WIDE_N * VL)
#define WIDE_TILE    (WIDE_ROWS * WIDE_COLUMNS)

_Static_assert(PH_DOT_LANES == 16, "wide_rows() writes the halving out");

/* Numbers from one lane's part of a panel to the next: a cache line more than its length, so that
 * writing a panel does not put all lanes into the same set of the first-level cache. */
#define WIDE_LANE (PH_WIDE_STEPS * WIDE_COLUMNS + 16)

_Static_assert(PH_DOT_LANES *WIDE_LANE <= PH_WIDE_PANEL(WIDE_COLUMNS), "a panel fits its room");

/* 4 columns, 4 lanes: numbers of 4 rows of the weight become 4 runs of columns. */
VEC_INLINE void turn4(float *dst, const float *w, size_t ldw)
{
    vq r[4];
    VEC_UNROLL
    for (int i = 0; i < 4; i++) {
        r[i] = vq_load(w + (size_t)i * ldw);
    }
    vq_turn4(r);
    VEC_UNROLL
    for (int i = 0; i < 4; i++) {
        vq_store(dst + i * WIDE_LANE, r[i]);
    }
}

static void vec_wide_pack(float *panel, const float *w, size_t ldw, size_t column, size_t steps)
{
    for (size_t s = 0; s < steps; s++) {
        float *dst = panel + s * WIDE_COLUMNS + column;
        for (size_t lane = 0; lane < PH_DOT_LANES; lane += 4) {
            for (size_t j = 0; j < PH_WIDE_PACK; j += 4) {
                turn4(dst + lane * WIDE_LANE + j, w + j * ldw + s * PH_DOT_LANES + lane, ldw);
            }
        }
    }
}

VEC_INLINE void wide_step(vf s[VEC_WIDE_M][VEC_WIDE_N], const float *x, size_t ldx, const float *w,
                          const int m)
{
    vf ws[VEC_WIDE_N];
    VEC_UNROLL
    for (int j = 0; j < VEC_WIDE_N; j++) {
        ws[j] = vf_load(w + j * VL);
    }
    VEC_UNROLL
    for (int i = 0; i < m; i++) {
        vf xs = vf_set1(x[(size_t)i * ldx]);
        VEC_UNROLL
        for (int j = 0; j < VEC_WIDE_N; j++) {
            s[i][j] = vf_fma(xs, ws[j], s[i][j]);
        }
    }
}

/* Sums of lanes l and l + 8 of m rows, x and w at lane l; added to those of `before`, if any. */
VEC_INLINE void wide_lanes(float *sums, const float *before, const float *x, size_t ldx,
                           const float *w, const size_t steps, const int m)
{
    vf s[2][VEC_WIDE_M][VEC_WIDE_N];
    VEC_UNROLL
    for (int i = 0; i < m; i++) {
        VEC_UNROLL
        for (int j = 0; j < VEC_WIDE_N; j++) {
            s[0][i][j] = vf_zero();
            s[1][i][j] = vf_zero();
        }
    }
    VEC_UNROLL_SOME
    for (size_t step = 0; step < steps; step++) {
        wide_step(s[0], x + step * PH_DOT_LANES, ldx, w + step * WIDE_COLUMNS, m);
        wide_step(s[1], x + step * PH_DOT_LANES + 8, ldx, w + step * WIDE_COLUMNS + 8 * WIDE_LANE,
                  m);
    }
    VEC_UNROLL
    for (int i = 0; i < m; i++) {
        VEC_UNROLL
        for (int j = 0; j < VEC_WIDE_N; j++) {
            size_t at = (size_t)i * WIDE_COLUMNS + j * VL;
            vf sum = vf_add(s[0][i][j], s[1][i][j]);
            vf_store(sums + at, before != NULL ? vf_add(vf_load(before + at), sum) : sum);
        }
    }
}

/* The same for up to WIDE_ROWS rows. */
VEC_INLINE void wide_groups(float *sums, const float *before, const float *x, size_t ldx,
                            const float *w, const size_t steps, size_t m)
{
    size_t i = 0;
    for (; i + VEC_WIDE_M <= m; i += VEC_WIDE_M) {
        wide_lanes(sums + i * WIDE_COLUMNS, before != NULL ? before + i * WIDE_COLUMNS : NULL,
                   x + i * ldx, ldx, w, steps, VEC_WIDE_M);
    }
    for (; i < m; i++) {
        wide_lanes(sums + i * WIDE_COLUMNS, before != NULL ? before + i * WIDE_COLUMNS : NULL,
                   x + i * ldx, ldx, w, steps, 1);
    }
}

VEC_INLINE void wide_finish(float quarters[4][WIDE_TILE], const ph_wide *t, float *y, size_t m)
{
    for (size_t i = 0; i < m; i++) {
        VEC_UNROLL
        for (int j = 0; j < VEC_WIDE_N; j++) {
            size_t at = i * WIDE_COLUMNS + (size_t)j * VL;
            size_t n = vec_left(t->n, (size_t)j * VL);
            float *yi = y + i * t->ldy + (size_t)j * VL;
            vf sum = vf_add(vf_add(vf_load(quarters[0] + at), vf_load(quarters[2] + at)),
                            vf_add(vf_load(quarters[1] + at), vf_load(quarters[3] + at)));
            if (n > 0) {
                sum = t->first ? sum : vf_add(vec_load(yi, n), sum);
                vec_store(yi, t->bias ? vf_add(sum, vec_load(t->bias + j * VL, n)) : sum, n);
            }
        }
    }
}

/* Fetches an eighth of the rows that will be needed next. All at once would fill the buffers that
 * the panel's own loads wait for. */
VEC_INLINE void wide_ahead(const ph_wide *t, size_t part)
{
    size_t share = 2 * t->steps;
    for (size_t r = 0; r < t->n_ahead; r++) {
        const float *x = t->ahead + r * t->ld_ahead + part * share;
        for (size_t i = 0; i < share; i += PH_CACHE_LINE / sizeof *x) {
            __builtin_prefetch(x + i);
        }
    }
}

/* A quarter is the sum of the lanes l, l + 8, l + 4, l + 12: those that are added first. */
VEC_INLINE void wide_rows(const ph_wide *t, size_t row, size_t m, const size_t steps)
{
    _Alignas(64) float quarters[4][WIDE_TILE], pair[WIDE_TILE];
    const float *x = t->x + row * t->ldx;
    float *y = t->y + row * t->ldy;
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < t->n; j += PH_CACHE_LINE / sizeof *y) {
            __builtin_prefetch(y + i * t->ldy + j, 1);
        }
    }
    for (size_t l = 0; l < 4; l++) {
        wide_ahead(t, 2 * l);
        wide_groups(pair, NULL, x + l, t->ldx, t->w + l * WIDE_LANE, steps, m);
        wide_ahead(t, 2 * l + 1);
        wide_groups(quarters[l], pair, x + l + 4, t->ldx, t->w + (l + 4) * WIDE_LANE, steps, m);
    }
    wide_finish(quarters, t, y, m);
}

static void vec_wide(const ph_wide *t)
{
    for (size_t i = 0; i < t->m; i += WIDE_ROWS) {
        if (t->m - i >= WIDE_ROWS && t->steps == PH_WIDE_STEPS) {
            wide_rows(t, i, WIDE_ROWS, PH_WIDE_STEPS);
        } else {
            wide_rows(t, i, t->m - i < WIDE_ROWS ? t->m - i : WIDE_ROWS, t->steps);
        }
    }
}

#endif
