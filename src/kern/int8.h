/* Products in int8 with weights packed once, for models that send many rows through the same
 * weights (BERT). kern/fast.h is for weights in a file's own quantized format.
 *
 * A row of activations is cut into groups of PH_I8_GROUP depths (the last may be shorter), each
 * whole numbers q in 0 .. 127 with a scale and an offset, value = scale * q + offset: the offset is
 * the group's least number and the scale a 127th of its range. A row j of weights is whole numbers
 * w in -127 .. 127 with a scale d. With isum = sum of q * w and wsum = sum of w over a group, exact
 * in int32, a product is, over the groups in ascending order and beginning with +0, s =
 * fma((float)isum, scale, fma(offset, (float)wsum, s)), and y = fma(s, d, bias) + from on every
 * instruction set: the bits are the same everywhere.
 *
 * Vectors of 16 bits add up products of PH_I8_FOLD quads of depths before they are widened, 8 of
 * each column and lane. Since weights are known when they are packed, and q is never negative, what
 * such a sum can reach is known too: 127 times the sum of the positive weights among the 8, or of
 * the negative ones. d is chosen so that both stay within PH_I8_REACH, which costs ordinary rows of
 * weights nothing or a bit. Depths are bounded by PH_I8_DEPTH_MAX, so that isum fits.
 */
#ifndef PH_KERN_INT8_H
#define PH_KERN_INT8_H

#include "kern/kern.h"

#define PH_I8_FOLD      4                /* quads of depths */
#define PH_I8_UNIT      (4 * PH_I8_FOLD) /* rows are filled up to a multiple of it */
#define PH_I8_GROUP     128
#define PH_I8_MAX       127
#define PH_I8_REACH     258 /* 127 * 258 = 32766 */
#define PH_I8_DEPTH_MAX 131072

/* Weights [n][k] as panels of i8_n columns: [k padded / 4][i8_n][4] bytes each, one after the
 * other; columns and depths that do not exist are zeros. */
typedef struct ph_i8_mat {
    int8_t *w;
    float *d, *bias; /* [n padded] */
    float *sums;     /* [groups][n padded] wsum */
    size_t n, k;
} ph_i8_mat;

/* Rows of activations. */
typedef struct ph_i8_rows {
    uint8_t *q;            /* [m][ld], ld a multiple of PH_I8_UNIT; filled up to k padded */
    float *scale, *offset; /* [m][ld_f], by group */
    size_t ld, ld_f;
} ph_i8_rows;

size_t ph_i8_padded(size_t k); /* to a multiple of PH_I8_UNIT */
size_t ph_i8_groups(size_t k);

/* Bytes of a matrix, aligned to PH_CACHE_LINE; 0: too many. */
size_t ph_i8_bytes(const ph_kern *kern, size_t n, size_t k);
/* Lays a matrix out in so many zeroed bytes. bias: [n] or NULL. */
ph_i8_mat ph_i8_lay_out(const ph_kern *kern, void *bytes, size_t n, size_t k, const float *bias);
/* Row j of the weights, k numbers. NaN or infinity in it make its products NaN. */
void ph_i8_pack_row(const ph_kern *kern, const ph_i8_mat *mat, size_t j, const float *row);

/* Rounds m rows of k numbers. */
void ph_i8_quantize(const ph_kern *kern, const ph_i8_rows *to, const float *x, size_t ldx, size_t m,
                    size_t k);

/* y = x W + bias (+ from), m rows; from may be y or NULL. */
typedef struct ph_i8_product {
    const ph_i8_mat *mat;
    const ph_i8_rows *x;
    float *y;
    const float *from;
    size_t ldy, ld_from, m;
} ph_i8_product;

void ph_i8_multiply(const ph_kern *kern, const ph_i8_product *p);

#endif
