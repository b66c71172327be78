/* Blocks of 32 numbers with an f16 scale of their own, several at a time: what Q4_0, Q4_1, Q5_0,
 * Q5_1 and IQ4_NL share where scales are searched for. */
#ifndef PH_KERN_QUANT32_H
#define PH_KERN_QUANT32_H

#include <stdint.h>

#include "kern/kquant.h"

#define PH_BLOCK32 32

/* Block l: value = d[l] * q[k][l] + min[l]. */
typedef struct ph_blocks32 {
    uint16_t d[PH_SEARCH_LANES], min[PH_SEARCH_LANES];
    float q[PH_BLOCK32][PH_SEARCH_LANES];
} ph_blocks32;

/* The row src[0 .. n), which the next blocks are part of. */
typedef struct ph_row32 {
    const float *src;
    const float *importance; /* [n], or NULL */
    size_t n;
    float sigma2;
    ph_weighting weighting;
    const ph_grid *grid;
    const ph_search *search;
} ph_row32;

/* Sets sigma2: the mean square of the row. */
void ph_row32_start(ph_row32 *row);
/* Blocks from number `at` on; returns how many (at most PH_SEARCH_LANES, 0 at the end). */
size_t ph_row32_next(ph_blocks32 *out, const ph_row32 *row, size_t at, bool affine);

#endif
