/* Searching for the scale of a block of numbers: the part of quantizing that takes the time.
 *
 * Blocks are searched PH_SEARCH_LANES at a time, element k of block l at x[k * PH_SEARCH_LANES +
 * l], so that every operation works on independent blocks and no sum goes across lanes. All
 * functions minimise sum of w * (x - value)^2 per block, w >= 0. Products and sums are rounded one
 * by one in a fixed order: every instruction set gives the same bits. Numbers are expected to be
 * finite; others give some result and no fault.
 *
 * Source of the candidates: ggml-quants.c (make_qkx2_quants, make_qx_quants); the closed form of
 * the error, the alternating steps behind it and the refinements of the callers are Phial's.
 */
#ifndef PH_KERN_SEARCH_H
#define PH_KERN_SEARCH_H

#include <stdbool.h>
#include <stddef.h>

#define PH_SEARCH_LANES 8

/* Numbers as a format has them: value = scale * q + min. q is a whole number in lo .. hi, or, with
 * a curve, one of 16 ascending numbers. */
typedef struct ph_grid {
    float lo, hi;
    const float *curve;      /* [16]; NULL: whole numbers */
    const float *thresholds; /* [15]: q is curve[i + 1] and not curve[i] above thresholds[i] */
} ph_grid;

typedef struct ph_search ph_search;

/* Of one fit, per lane: sums over k with weight w. */
typedef struct ph_fit {
    float error[PH_SEARCH_LANES]; /* w (x - value)^2 */
    float xq[PH_SEARCH_LANES];    /* w x q */
    float qq[PH_SEARCH_LANES];    /* w q q */
    float q[PH_SEARCH_LANES];     /* w q */
    float x[PH_SEARCH_LANES];     /* w x */
    float w[PH_SEARCH_LANES];     /* w */
} ph_fit;

/* Whole numbers under two factors common to all lanes: scale = d * s, min = -dmin * m. */
typedef struct ph_levels {
    float d, dmin;
    float lo, hi; /* of s; of m 0 and hi */
    bool with_min;
} ph_levels;

struct ph_search {
    /* value = scale * q + min, q in 0 .. hi, scale >= 0. With min_negative min <= 0. */
    void (*affine)(float *scale, float *min, const float *x, const float *w, size_t n, float hi,
                   bool min_negative);
    /* value = scale * q; of the two ends of the grid lo is the one further from 0. */
    void (*linear)(float *scale, const float *x, const float *w, size_t n, const ph_grid *grid);
    /* How well given scales and mins do with the nearest q, which go to q[n][lanes] unless NULL. */
    void (*measure)(ph_fit *fit, float *q, const float *x, const float *w, size_t n,
                    const ph_grid *grid, const float *scale, const float *min);
    /* Each lane goes to the neighbour of its s and m, at most 1 away in each, that has the least
     * error, and that error is returned; itself if none is better. */
    void (*step)(float *error, float *s, float *m, const float *x, const float *w, size_t n,
                 const ph_grid *grid, const ph_levels *levels);
};

extern const ph_search ph_search_ref;
#if defined(__x86_64__)
extern const ph_search ph_search_avx2;
#elif defined(__aarch64__) && !defined(__AARCH64EB__)
extern const ph_search ph_search_neon;
#endif

/* For the instruction set of a kernel table (kern/kern.h). */
const ph_search *ph_search_for(const char *isa);

#endif
