/* Matrix products with weights in F16 and BF16 in fast arithmetic: the part of ph_matmul_run() that
 * kern/bf16.h describes. */
#ifndef PH_KERN_BF16_MATMUL_H
#define PH_KERN_BF16_MATMUL_H

#include "kern/matmul.h"

/* Whether products with weights of this type are of this kind: ph_work_make_fast() was called, the
 * format is one of the two, and the table has products of bf16 numbers. */
bool ph_bf16_applies(const ph_work *work, ph_dtype type);

/* As ph_matmul_run(), for those jobs to which ph_bf16_applies(); the others are left alone. */
void ph_bf16_matmul_run(const ph_work *work, const ph_matmul *jobs, size_t n_jobs, const float *x,
                        size_t ldx, size_t m, size_t k);

#endif
