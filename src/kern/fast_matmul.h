/* Matrix products in fast arithmetic: the part of ph_matmul_run() that kern/fast.h describes. */
#ifndef PH_KERN_FAST_MATMUL_H
#define PH_KERN_FAST_MATMUL_H

#include "kern/matmul.h"

/* Whether products with weights of this type are fast: ph_work_make_fast() was called, and the
 * format has a fast form. */
bool ph_fast_applies(const ph_work *work, ph_dtype type);

/* As ph_matmul_run(), for those jobs to which ph_fast_applies(); the others are left alone. */
void ph_fast_matmul_run(const ph_work *work, const ph_matmul *jobs, size_t n_jobs, const float *x,
                        size_t ldx, size_t m, size_t k);

#endif
