/* Fast arithmetic with weights in F16 and BF16, on instruction sets that multiply bf16 numbers.
 *
 * Activations are rounded to bf16 once a row, F16 weights as they are used (BF16 ones need not be);
 * to nearest even, numbers below 2^-126 to zero. Every output is a sum in f32 of one fixed order,
 * for one row of activations or many: the depth is cut into absolute blocks of PH_BF16_BLOCK; in a
 * block lane l of 16 begins with +0 and, for each PH_BF16_GROUP numbers in turn, takes the products
 * of number 2l + 1 and then of number 2l, each with one fused multiply-add; a last incomplete group
 * counts as filled up with zeros. The lanes are summed by halving (lane l + lane l + 8, then + 4,
 * 2, 1); y begins with +0 and adds the block sums in ascending order, the bias last. Multiply-adds
 * round to nearest even; of theirs, inputs and results below 2^-126 count as zeros.
 *
 * Why lanes are depths: a row of weights is used as it lies in the file, in one ascending stream,
 * and a block is long enough for its sum across the lanes not to matter.
 *
 * Bound. With u = 2^-8, e = 2^-24, a block of 32 groups: y is within
 * (64 + 4 + blocks + 1) e * sum |x w| of the exact sum of the rounded operands, plus 2^-126 for
 * each multiply-add; rounding normal operands moves that sum by at most (2u + u^2) * sum |x w|.
 * Magnitudes above 2^128 (1 - 2^-9) become infinite.
 */
#ifndef PH_KERN_BF16_H
#define PH_KERN_BF16_H

#include <stddef.h>
#include <stdint.h>

#define PH_BF16_BLOCK 1024
#define PH_BF16_GROUP 32
#define PH_BF16_FEW   12 /* rows of activations that `few` takes at most */
#define PH_BF16_TILE  4  /* a tile's n is a multiple */

/* n numbers to bf16, filled up with zeros to a whole group. */
typedef void (*ph_bf16_round_fn)(uint16_t *out, const void *src, size_t n);

/* Some rows of activations, weights as they lie in the file. */
typedef struct ph_bf16_few {
    float *y;          /* [m][ldy] */
    const uint16_t *x; /* [blocks][x_rows][PH_BF16_BLOCK], of which the first m rows; k numbers of
                          each, filled up to a whole group */
    const unsigned char *w; /* [n] rows of k numbers, row_bytes apart; any alignment */
    const float *bias;      /* [n] or NULL */
    size_t ldy, x_rows, m, row_bytes, n, k;
} ph_bf16_few;

/* One depth block of many: y[i][j] += block sum of x[i] and w[j]. */
typedef struct ph_bf16_tile {
    float *y;            /* [m][ldy] */
    const uint16_t *x;   /* [m][PH_BF16_BLOCK] */
    const uint16_t *w;   /* [n][PH_BF16_BLOCK], aligned to 64 */
    size_t ldy, m, n, k; /* k a multiple of PH_BF16_GROUP, n of PH_BF16_TILE */
} ph_bf16_tile;

/* What a format needs. */
typedef struct ph_bf16_kind {
    void (*few)(const ph_bf16_few *f);
    ph_bf16_round_fn pack; /* of a row of weights */
} ph_bf16_kind;

#endif
