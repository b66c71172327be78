/* The search for scales over a vector of PH_SEARCH_LANES floats; contract: kern/search.h.
 *
 * Whoever includes it has the type vf, the functions vf_*() of kern/vec/vec.h that are used here,
 * and masks: vm, vf_above(a, b) for a > b (false with NaN), vf_pick(m, a, b) for m ? a : b. It may
 * define VF_WHOLE and vf_whole().
 *
 * For given q the best scale and min are the solution of a 2 x 2 system of sums, and the error is
 * sum w x^2 minus an expression in the same sums, so one pass over the block judges a candidate.
 * Products are written apart from sums on purpose: fused they would differ from the reference.
 * Overflow: sums of squares of numbers below 1e17 stay finite; above, candidates drop out.
 */
#ifndef PH_KERN_VEC_VEC_SEARCH_H
#define PH_KERN_VEC_VEC_SEARCH_H

#include <float.h>

#include "kern/search.h"

_Static_assert(VL == PH_SEARCH_LANES, "a lane is a block");

#define AFFINE_TRIES 10 /* steps of 0.2 from hi - 1 to hi + 0.8 */
#define LINEAR_TRIES 9  /* lo - 0.8 to lo + 0.8 */
#define ALTERNATIONS 2  /* nearest q for the best scale, best scale for these q, and again */

#define SEARCH_INLINE static inline __attribute__((always_inline))

#ifndef VF_WHOLE
/* To the nearest whole number, ties to even, |a| < 2^22. An instruction that does it may leave -0
 * where this gives 0: no sum and no integer tells them apart. */
SEARCH_INLINE vf vf_whole(vf a)
{
    vf big = vf_set1(12582912.0f);
    return vf_sub(vf_add(a, big), big);
}
#endif

/* NaN becomes lo. */
SEARCH_INLINE vf vf_clamp(vf a, vf lo, vf hi)
{
    return vf_min(vf_max(a, lo), hi);
}

SEARCH_INLINE vf nearest(vf a, const ph_grid *grid, bool curved)
{
    if (!curved) {
        return vf_whole(vf_clamp(a, vf_set1(grid->lo), vf_set1(grid->hi)));
    }
    vf q = vf_set1(grid->curve[0]);
    for (int i = 0; i < 15; i++) {
        vf step = vf_set1(grid->curve[i + 1] - grid->curve[i]);
        q = vf_add(q, vf_pick(vf_above(a, vf_set1(grid->thresholds[i])), step, vf_zero()));
    }
    return q;
}

typedef struct affine_state {
    vf scale, min, gain; /* best so far; gain = sum w x^2 - error */
    vf sum_w, sum_x;
} affine_state;

/* One candidate: q = (x - shift) * inverse, rounded. */
SEARCH_INLINE void try_affine(affine_state *s, const float *x, const float *w, size_t n, vf hi,
                              vf inverse, vf shift, bool min_negative)
{
    vf sq = vf_zero(), sqq = vf_zero(), sxq = vf_zero(), zero = vf_zero();
    for (size_t k = 0; k < n; k++) {
        vf xk = vf_load(x + k * VL), wk = vf_load(w + k * VL);
        vf q = vf_whole(vf_clamp(vf_mul(vf_sub(xk, shift), inverse), zero, hi));
        vf wq = vf_mul(wk, q);
        sq = vf_add(sq, wq);
        sqq = vf_add(sqq, vf_mul(wq, q));
        sxq = vf_add(sxq, vf_mul(wq, xk));
    }
    vf det = vf_sub(vf_mul(s->sum_w, sqq), vf_mul(sq, sq));
    vf scale = vf_div(vf_sub(vf_mul(s->sum_w, sxq), vf_mul(s->sum_x, sq)), det);
    vf min = vf_div(vf_sub(vf_mul(sqq, s->sum_x), vf_mul(sq, sxq)), det);
    if (min_negative) {
        vm above = vf_above(min, zero);
        scale = vf_pick(above, vf_div(sxq, sqq), scale);
        min = vf_pick(above, zero, min);
    }
    /* gain = 2 (scale sxq + min sx) - scale^2 sqq - 2 scale min sq - min^2 sw */
    vf linear = vf_add(vf_mul(scale, sxq), vf_mul(min, s->sum_x));
    vf square = vf_add(vf_mul(scale, vf_add(vf_mul(scale, sqq), vf_mul(min, sq))),
                       vf_mul(min, vf_add(vf_mul(scale, sq), vf_mul(min, s->sum_w))));
    vf gain = vf_sub(vf_add(linear, linear), square);
    gain = vf_pick(vf_above(det, zero), gain, vf_set1(-FLT_MAX));
    gain = vf_pick(vf_above(scale, zero), gain, vf_set1(-FLT_MAX));
    vm better = vf_above(gain, s->gain);
    s->gain = vf_pick(better, gain, s->gain);
    s->scale = vf_pick(better, scale, s->scale);
    s->min = vf_pick(better, min, s->min);
}

static void vec_search_affine(float *scale, float *min, const float *x, const float *w, size_t n,
                              float hi, bool min_negative)
{
    affine_state s = {.gain = vf_set1(-FLT_MAX), .sum_w = vf_zero(), .sum_x = vf_zero()};
    vf low = vf_load(x), high = low, top = vf_set1(hi), one = vf_set1(1);
    for (size_t k = 0; k < n; k++) {
        vf xk = vf_load(x + k * VL), wk = vf_load(w + k * VL);
        low = vf_min(xk, low);
        high = vf_max(xk, high);
        s.sum_w = vf_add(s.sum_w, wk);
        s.sum_x = vf_add(s.sum_x, vf_mul(wk, xk));
    }
    if (min_negative) {
        low = vf_min(low, vf_zero());
    }
    vf range = vf_sub(high, low);
    s.scale = vf_div(range, top);
    s.min = low;
    for (int i = 0; i < AFFINE_TRIES; i++) {
        vf inverse = vf_div(vf_set1(hi - 1.0f + 0.2f * (float)i), range);
        try_affine(&s, x, w, n, top, inverse, low, min_negative);
    }
    for (int i = 0; i < ALTERNATIONS; i++) {
        try_affine(&s, x, w, n, top, vf_div(one, s.scale), s.min, min_negative);
    }
    vf_store(scale, s.scale);
    vf_store(min, s.min);
}

typedef struct linear_state {
    vf scale, gain;
} linear_state;

SEARCH_INLINE void try_linear(linear_state *s, const float *x, const float *w, size_t n,
                              const ph_grid *grid, vf inverse, bool curved)
{
    vf sqq = vf_zero(), sxq = vf_zero();
    for (size_t k = 0; k < n; k++) {
        vf xk = vf_load(x + k * VL);
        vf q = nearest(vf_mul(xk, inverse), grid, curved);
        vf wq = vf_mul(vf_load(w + k * VL), q);
        sqq = vf_add(sqq, vf_mul(wq, q));
        sxq = vf_add(sxq, vf_mul(wq, xk));
    }
    vf scale = vf_div(sxq, sqq);
    vf gain = vf_pick(vf_above(sqq, vf_zero()), vf_mul(scale, sxq), vf_set1(-FLT_MAX));
    vm better = vf_above(gain, s->gain);
    s->gain = vf_pick(better, gain, s->gain);
    s->scale = vf_pick(better, scale, s->scale);
}

SEARCH_INLINE void search_linear(float *scale, const float *x, const float *w, size_t n,
                                 const ph_grid *grid, bool curved)
{
    vf zero = vf_zero(), largest = zero, one = vf_set1(1);
    for (size_t k = 0; k < n; k++) {
        vf xk = vf_load(x + k * VL);
        largest = vf_pick(vf_above(vf_mul(xk, xk), vf_mul(largest, largest)), xk, largest);
    }
    float step = curved ? 2.0f : 0.2f;
    linear_state s = {vf_div(largest, vf_set1(grid->lo)), vf_set1(-FLT_MAX)};
    for (int i = 0; i < LINEAR_TRIES; i++) {
        float away = step * (float)(i - LINEAR_TRIES / 2);
        try_linear(&s, x, w, n, grid, vf_div(vf_set1(grid->lo - away), largest), curved);
        try_linear(&s, x, w, n, grid, vf_div(vf_set1(grid->hi + away), largest), curved);
    }
    for (int i = 0; i < ALTERNATIONS; i++) {
        try_linear(&s, x, w, n, grid, vf_div(one, s.scale), curved);
    }
    vf_store(scale, s.scale);
}

static void vec_search_linear(float *scale, const float *x, const float *w, size_t n,
                              const ph_grid *grid)
{
    if (grid->curve != NULL) {
        search_linear(scale, x, w, n, grid, true);
    } else {
        search_linear(scale, x, w, n, grid, false);
    }
}

SEARCH_INLINE void measure(ph_fit *fit, float *q_out, const float *x, const float *w, size_t n,
                           const ph_grid *grid, vf scale, vf min, bool curved)
{
    vf zero = vf_zero(), error = zero, sxq = zero, sqq = zero, sq = zero, sx = zero, sw = zero;
    vm some = vf_above(vf_mul(scale, scale), zero);
    vf inverse = vf_pick(some, vf_div(vf_set1(1), scale), zero);
    for (size_t k = 0; k < n; k++) {
        vf xk = vf_load(x + k * VL), wk = vf_load(w + k * VL);
        vf q = nearest(vf_mul(vf_sub(xk, min), inverse), grid, curved);
        vf miss = vf_sub(xk, vf_add(vf_mul(scale, q), min));
        vf wq = vf_mul(wk, q);
        error = vf_add(error, vf_mul(vf_mul(wk, miss), miss));
        sqq = vf_add(sqq, vf_mul(wq, q));
        sxq = vf_add(sxq, vf_mul(wq, xk));
        sq = vf_add(sq, wq);
        sx = vf_add(sx, vf_mul(wk, xk));
        sw = vf_add(sw, wk);
        if (q_out != NULL) {
            vf_store(q_out + k * VL, q);
        }
    }
    vf_store(fit->error, error);
    vf_store(fit->xq, sxq);
    vf_store(fit->qq, sqq);
    vf_store(fit->q, sq);
    vf_store(fit->x, sx);
    vf_store(fit->w, sw);
}

static void vec_search_measure(ph_fit *fit, float *q, const float *x, const float *w, size_t n,
                               const ph_grid *grid, const float *scale, const float *min)
{
    vf s = vf_load(scale), m = vf_load(min);
    if (grid->curve != NULL) {
        measure(fit, q, x, w, n, grid, s, m, true);
    } else {
        measure(fit, q, x, w, n, grid, s, m, false);
    }
}

typedef struct step_state {
    vf error, s, m; /* best so far */
} step_state;

/* Three scales under one m in one pass, so that x - min is taken once. */
SEARCH_INLINE void try_scales(step_state *best, const vf s[3], vf m, vf d, vf min, const float *x,
                              const float *w, size_t n, const ph_grid *grid, bool curved)
{
    vf zero = vf_zero(), scale[3], inverse[3], error[3];
    for (int i = 0; i < 3; i++) {
        scale[i] = vf_mul(d, s[i]);
        vm some = vf_above(vf_mul(scale[i], scale[i]), zero);
        inverse[i] = vf_pick(some, vf_div(vf_set1(1), scale[i]), zero);
        error[i] = zero;
    }
    for (size_t k = 0; k < n; k++) {
        vf a = vf_sub(vf_load(x + k * VL), min), wk = vf_load(w + k * VL);
        for (int i = 0; i < 3; i++) {
            vf q = nearest(vf_mul(a, inverse[i]), grid, curved);
            vf miss = vf_sub(a, vf_mul(scale[i], q));
            error[i] = vf_add(error[i], vf_mul(vf_mul(wk, miss), miss));
        }
    }
    for (int i = 0; i < 3; i++) {
        vm better = vf_above(best->error, error[i]);
        best->error = vf_pick(better, error[i], best->error);
        best->s = vf_pick(better, s[i], best->s);
        best->m = vf_pick(better, m, best->m);
    }
}

/* Nearest neighbours first: what is no better than them does not replace them. */
SEARCH_INLINE void step(step_state *best, const float *x, const float *w, size_t n,
                        const ph_grid *grid, const ph_levels *l, bool curved)
{
    static const float AWAY[3] = {0, -1, 1};
    vf lo = vf_set1(l->lo), hi = vf_set1(l->hi), s[3], m0 = best->m;
    for (int i = 0; i < 3; i++) {
        s[i] = vf_clamp(vf_add(best->s, vf_set1(AWAY[i])), lo, hi);
    }
    for (int i = 0; i < (l->with_min ? 3 : 1); i++) {
        vf m = vf_clamp(vf_add(m0, vf_set1(AWAY[i])), vf_zero(), hi);
        vf min = vf_sub(vf_zero(), vf_mul(vf_set1(l->dmin), m));
        try_scales(best, s, m, vf_set1(l->d), min, x, w, n, grid, curved);
    }
}

static void vec_search_step(float *error, float *s, float *m, const float *x, const float *w,
                            size_t n, const ph_grid *grid, const ph_levels *levels)
{
    step_state best = {vf_set1(FLT_MAX), vf_load(s), vf_load(m)};
    if (grid->curve != NULL) {
        step(&best, x, w, n, grid, levels, true);
    } else {
        step(&best, x, w, n, grid, levels, false);
    }
    vf_store(error, best.error);
    vf_store(s, best.s);
    vf_store(m, best.m);
}

#endif
