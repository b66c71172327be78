/* The matrix product for many rows of activations over vectors whose lanes are columns of y.
 *
 * The PH_DOT_LANES sums of an output are taken one after the other, each for a tile of
 * VEC_WIDE_M x VEC_WIDE_N registers in a walk over every PH_DOT_LANES-th number of the depth block,
 * and are then added to each other as whole vectors: no sum goes across a vector, which costs the
 * tile of vec_dot.h a sixth of its time. The lanes are visited in an order in which at most one sum
 * of each level of the halving waits. Same order of additions, hence the same bits, as vec_dot.h.
 */
#ifndef PH_KERN_VEC_VEC_WIDE_H
#define PH_KERN_VEC_VEC_WIDE_H

#include "kern/vec/vec.h"

#include "base/mem.h"

#ifndef VEC_WIDE_M
#define VEC_WIDE_M 6
#define VEC_WIDE_N (PH_DOT_LANES / VL)
#endif

#define WIDE_COLUMNS (VEC_WIDE_N * VL)
#define WIDE_TILE    (VEC_WIDE_M * WIDE_COLUMNS)

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

/* Adds to the sums of a tile those of lanes before it. */
VEC_INLINE void wide_add(vf s[VEC_WIDE_M][VEC_WIDE_N], const float *before, const int m)
{
    VEC_UNROLL
    for (int i = 0; i < m; i++) {
        VEC_UNROLL
        for (int j = 0; j < VEC_WIDE_N; j++) {
            s[i][j] = vf_add(vf_load(before + i * WIDE_COLUMNS + j * VL), s[i][j]);
        }
    }
}

/* Sums of one lane, added to those of `before` and then of `earlier`, if any. */
VEC_INLINE void wide_lane(float *sums, const float *before, const float *earlier, const float *x,
                          size_t ldx, const float *w, const size_t steps, const int m)
{
    vf s[VEC_WIDE_M][VEC_WIDE_N];
    VEC_UNROLL
    for (int i = 0; i < m; i++) {
        VEC_UNROLL
        for (int j = 0; j < VEC_WIDE_N; j++) {
            s[i][j] = vf_zero();
        }
    }
    VEC_UNROLL_SOME
    for (size_t step = 0; step < steps; step++) {
        wide_step(s, x + step * PH_DOT_LANES, ldx, w + step * WIDE_COLUMNS, m);
    }
    if (before != NULL) {
        wide_add(s, before, m);
    }
    if (earlier != NULL) {
        wide_add(s, earlier, m);
    }
    VEC_UNROLL
    for (int i = 0; i < m; i++) {
        VEC_UNROLL
        for (int j = 0; j < VEC_WIDE_N; j++) {
            vf_store(sums + i * WIDE_COLUMNS + j * VL, s[i][j]);
        }
    }
}

VEC_INLINE void wide_finish(float quarters[4][WIDE_TILE], const ph_wide *t, float *y, const int m)
{
    for (int i = 0; i < m; i++) {
        VEC_UNROLL
        for (int j = 0; j < VEC_WIDE_N; j++) {
            size_t at = (size_t)i * WIDE_COLUMNS + j * VL;
            size_t n = vec_left(t->n, (size_t)j * VL);
            float *yi = y + (size_t)i * t->ldy + j * VL;
            vf sum = vf_add(vf_add(vf_load(quarters[0] + at), vf_load(quarters[2] + at)),
                            vf_add(vf_load(quarters[1] + at), vf_load(quarters[3] + at)));
            if (n > 0) {
                sum = t->first ? sum : vf_add(vec_load(yi, n), sum);
                vec_store(yi, t->bias ? vf_add(sum, vec_load(t->bias + j * VL, n)) : sum, n);
            }
        }
    }
}

/* The four lanes of a quarter are l, l + 8, l + 4, l + 12: those that are added first. */
VEC_INLINE void wide_rows(const ph_wide *t, size_t row, const int m, const size_t steps)
{
    _Alignas(64) float quarters[4][WIDE_TILE], first[WIDE_TILE], pair[WIDE_TILE];
    const float *x = t->x + row * t->ldx;
    float *y = t->y + row * t->ldy;
    for (size_t i = 0; i < (size_t)m; i++) {
        for (size_t j = 0; j < t->n; j += PH_CACHE_LINE / sizeof *y) {
            __builtin_prefetch(y + i * t->ldy + j, 1);
        }
    }
    for (size_t l = 0; l < 4; l++) {
        const float *xl = x + l;
        const float *w = t->w + l * WIDE_LANE;
        wide_lane(first, NULL, NULL, xl, t->ldx, w, steps, m);
        wide_lane(pair, first, NULL, xl + 8, t->ldx, w + 8 * WIDE_LANE, steps, m);
        wide_lane(first, NULL, NULL, xl + 4, t->ldx, w + 4 * WIDE_LANE, steps, m);
        wide_lane(quarters[l], first, pair, xl + 12, t->ldx, w + 12 * WIDE_LANE, steps, m);
    }
    wide_finish(quarters, t, y, m);
}

#define WIDE(name, m, steps)                                                                       \
    static void name(const ph_wide *t, size_t row)                                                 \
    {                                                                                              \
        wide_rows(t, row, m, steps);                                                               \
    }
WIDE(wide_whole, VEC_WIDE_M, PH_WIDE_STEPS)
WIDE(wide_full, VEC_WIDE_M, t->steps)
WIDE(wide_pair, 2, t->steps)
WIDE(wide_one, 1, t->steps)
#undef WIDE

static void vec_wide(const ph_wide *t)
{
    size_t i = 0;
    for (; i + VEC_WIDE_M <= t->m; i += VEC_WIDE_M) {
        (t->steps == PH_WIDE_STEPS ? wide_whole : wide_full)(t, i);
    }
    for (; i + 2 <= t->m; i += 2) {
        wide_pair(t, i);
    }
    for (; i < t->m; i++) {
        wide_one(t, i);
    }
}

#endif
