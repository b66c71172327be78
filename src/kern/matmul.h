/* Matrix products with weights as they lie in the file.
 *
 * y[m][n] = sum over k of x[m][k] * W[n][k] + bias[n], in f32, W dequantized exactly; additions in
 * the order of PH_DOT_BLOCK (kern/kern.h), so a row of y does not depend on how many rows there
 * are or who computes it. After ph_work_make_fast(), weights are multiplied as kern/fast.h and
 * kern/bf16.h say where those apply, with the same independence.
 */
#ifndef PH_KERN_MATMUL_H
#define PH_KERN_MATMUL_H

#include "kern/kern.h"

typedef struct ph_matmul {
    const void *weight; /* [n][k], rows back to back; borrowed during the call; any alignment */
    ph_dtype type;      /* ph_quant_find(type) is not NULL; k is a multiple of its block */
    size_t n;           /* rows of the weight = columns of y */
    const float *bias;  /* [n], or NULL */
    float *y;           /* [m][ldy]; overlaps no operand */
    size_t ldy;         /* elements, >= n */
} ph_matmul;

/* Several products of the same x [m][ldx] (first k columns) in one parallel region.
 * m, n, n_jobs may be 0. In fast arithmetic m and k are within what ph_work_make_fast() was told.
 * Cannot fail. */
void ph_matmul_run(const ph_work *work, const ph_matmul *jobs, size_t n_jobs, const float *x,
                   size_t ldx, size_t m, size_t k);

#endif
