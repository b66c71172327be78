/* Fast arithmetic: products of quantized weights with activations rounded to int8.
 *
 * A row of weights is seen in groups of 32 or 256 numbers, value = d * w - dmin * min: w are whole
 * numbers (the format's quantum times its integer scale, if it has one), min is one whole number
 * for each 16 of them, d and dmin are f32. A row of activations has the same groups, each with one
 * f32 scale dx (largest magnitude / 127) and whole numbers q in -127..127. With
 *   isum = sum of w * q over the group, msum = sum of min * q over the group,
 * both exact in int32, a product is, over the groups in ascending order and beginning with +0,
 *   y = fma((float)isum, d * dx, y), then y = fma(-(float)msum, dmin * dx, y) if the format has
 *   minimums, and + bias at the end,
 * on every instruction set, for one row of activations or many: the bits are the same everywhere.
 * Bounds: |w| <= 128 * 32 and min <= 63, so |isum| <= 4096 * 127 * 256 < 2^27 * 1.0 and a pair of
 * products of 16-bit numbers, 2 * 4096 * 127, fits the 32 bits that vpmaddwd adds it in.
 *
 * Which number formats have this form: the table in kern/split.c. Others are computed exactly.
 */
#ifndef PH_KERN_FAST_H
#define PH_KERN_FAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kern/quant.h"

#define PH_FAST_DEPTH    256 /* numbers of a row taken apart at once: a multiple of every group */
#define PH_FAST_GROUPS   8   /* at most so many groups in them */
#define PH_FAST_SUB      16  /* numbers that share a min */
#define PH_FAST_SUBS     (PH_FAST_DEPTH / PH_FAST_SUB)
#define PH_FAST_FEW      8 /* rows of activations that `few` takes at most */
#define PH_FAST_DOTS     4 /* and ph_dots_fn, */
#define PH_FAST_DOTS_MAX 8 /* some of which take more */

/* Some rows of weights, up to PH_FAST_DEPTH numbers of each, as whole numbers. */
typedef struct ph_ints {
    int16_t *w;   /* [rows][PH_FAST_DEPTH]; aligned to 32 */
    int16_t *min; /* [rows][PH_FAST_SUBS]; only of groups of 256 with minimums */
    float *d;     /* [groups][ld >= rows] */
    float *dmin;  /* [groups][ld]; only with minimums */
    size_t ld;
} ph_ints;

/* Takes n numbers of each row apart, n <= PH_FAST_DEPTH, a multiple of the group. */
typedef void (*ph_split_fn)(const ph_ints *out, const unsigned char *src, size_t row_bytes,
                            size_t rows, size_t n);

typedef struct ph_fast_form {
    size_t group; /* 32 or 256; 0: the format has no such form */
    bool has_min;
    ph_split_fn split; /* scalar */
} ph_fast_form;

const ph_fast_form *ph_fast_form_of(ph_quant_index index); /* NULL if it has none */

/* Rounded activations of m rows. A step is PH_FAST_DEPTH numbers; the rows of a step lie together,
 * so that a product walks through memory in order. */
typedef struct ph_x8 {
    const int16_t *q;    /* [steps][m][PH_FAST_DEPTH] whole numbers in -127..127 */
    const int8_t *q8;    /* the same as bytes */
    const float *scale;  /* [steps][m][PH_FAST_GROUPS], by group */
    const int16_t *sums; /* [steps][m][PH_FAST_SUBS] sums of q */
    size_t m;
} ph_x8;

/* A step of one row: n <= PH_FAST_DEPTH is a multiple of the group. amax = largest magnitude (NaN
 * counts as larger than all), scale = amax / 127, q = x * (127 / amax) to nearest even; zeros if
 * amax < 1e-30, whose inverse overflows. NaN or infinity in a group make its scale NaN or infinite,
 * and the products NaN. */
typedef void (*ph_quantize_x_fn)(int16_t *q, int8_t *q8, float *scale, int16_t *sums,
                                 const float *x, size_t n, size_t group);

/* y[i][j] for n rows of weights as they lie in the file and the rows first .. first + m - 1 of x,
 * m <= PH_FAST_FEW. */
typedef struct ph_few {
    float *y; /* [m][ldy] */
    size_t ldy;
    ph_x8 x;
    size_t first, m;
    const unsigned char *w;
    size_t row_bytes, step_bytes; /* of a row, and of PH_FAST_DEPTH numbers */
    size_t n, k;
    const float *bias; /* [n] or NULL */
    size_t group;
    bool has_min;
    ph_split_fn split;
    bool asks_far; /* the table's */
} ph_few;

/* The same for one format, straight from the file's layout, and m <= PH_FAST_DOTS or what the table
 * says. */
typedef void (*ph_dots_fn)(const ph_few *f);

/* Many rows of activations: rows of weights are taken from the file's layout into panels, in which
 * vector lanes are rows, one depth step of PH_FAST_DEPTH numbers at a time. What a panel looks like
 * is known only to the two functions of its kind. */
#define PH_PANEL_ROWS 32 /* rows of a panel divide this */
#define PH_PANEL_ROW_BYTES                                                                         \
    640 /* bytes of a panel for each row: 16-bit numbers, mins and scales                          \
         */

/* One depth step of a panel with m rows of x: y goes on from what it holds. */
typedef struct ph_panel_tile {
    float *y; /* [m][rows of the panel], aligned to 32 */
    const void *panel;
    const int16_t *q;    /* [m][PH_FAST_DEPTH] */
    const int8_t *q8;    /* [m][PH_FAST_DEPTH] */
    const float *scale;  /* [m][PH_FAST_GROUPS] */
    const int16_t *sums; /* [m][PH_FAST_SUBS] */
    size_t m, k;         /* k <= PH_FAST_DEPTH, a multiple of the group */
    const unsigned char *ask; /* memory that is wanted soon, in steps of a cache line */
    size_t n_ask;             /* lines; only for kinds with `asks` */
} ph_panel_tile;

typedef struct ph_panel_kind {
    size_t rows;  /* of weights: 8, 16 or 32 */
    size_t bytes; /* of a panel: a multiple of 64, at most rows * PH_PANEL_ROW_BYTES */
    size_t x_rows; /* of x that meet one panel after the other; 0: as many as usual */
    bool asks;     /* `multiply` asks for memory evenly while it works */
    /* k numbers of n rows that lie row_bytes apart, 1 <= n <= rows. Rows that do not exist are
     * numbers that are no trouble. panel is aligned to 64. */
    void (*pack)(void *panel, const unsigned char *src, size_t row_bytes, size_t n, size_t k);
    void (*multiply)(const ph_panel_tile *t);
} ph_panel_kind;

#endif
