/* Superblocks of 256 numbers whose blocks' scales are themselves small integers: what Q2_K to Q6_K
 * and IQ4_XS share on the way in. Their files pack the result into bytes.
 *
 * Each block is searched for its best scale (kern/search.h); the scales are rounded to integers
 * under one f16 d for the superblock; then, with the rounding known, neighbouring integers are
 * tried for each block and d is solved for anew, as long as the error falls.
 */
#ifndef PH_KERN_KQUANT_H
#define PH_KERN_KQUANT_H

#include <stdint.h>

#include "kern/search.h"

#define PH_SUPER 256

/* What an error at a number counts when nothing is known about the activations it meets: large
 * weights matter more. */
typedef enum ph_weighting {
    PH_WEIGHT_SQUARE,   /* x^2 + a part of the block's mean square */
    PH_WEIGHT_MEAN_ABS, /* root mean square of the block + |x| */
    PH_WEIGHT_ABS       /* |x| */
} ph_weighting;

/* w[i] for n numbers of a block. With importance (mean squared activation of each column; n of
 * them): importance * sqrt(sigma2 + x^2), sigma2 being of the surroundings. */
void ph_search_weights(float *w, const float *x, const float *importance, size_t n, float sigma2,
                       ph_weighting weighting);

typedef struct ph_kq_spec {
    size_t n_blocks; /* 8 or 16, of 256 / n_blocks numbers */
    ph_grid grid;
    int scale_lo, scale_hi; /* of the integer scales (affine: and mins) */
    ph_weighting weighting;
} ph_kq_spec;

/* value = d * scale * q - dmin * min, all integers >= 0 */
typedef struct ph_kq_affine {
    uint16_t d, dmin; /* f16 */
    uint8_t scale[16], min[16];
    uint8_t q[PH_SUPER];
} ph_kq_affine;

/* value = d * scale * q; q is curve[index] where the grid has a curve */
typedef struct ph_kq_linear {
    uint16_t d;
    int8_t scale[16];
    int8_t q[PH_SUPER];
} ph_kq_linear;

/* importance: [256], or NULL. */
void ph_kquant_affine(ph_kq_affine *out, const float *x, const float *importance,
                      const ph_kq_spec *spec, const ph_search *search);
void ph_kquant_linear(ph_kq_linear *out, const float *x, const float *importance,
                      const ph_kq_spec *spec, const ph_search *search);

#endif
