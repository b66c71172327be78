/* What the ways of multiplying matrices share: where results go, and how rows of weights are cut
 * for threads. */
#ifndef PH_KERN_MATMUL_PARTS_H
#define PH_KERN_MATMUL_PARTS_H

#include "kern/matmul.h"

/* Some of a product's results: rows i .. i + m - 1 of y, columns j .. j + n - 1. */
typedef struct ph_results {
    const ph_matmul *job;
    size_t i, m, j, n;
} ph_results;

/* Rows of y are far apart: asked for before they are computed. */
void ph_results_ask(const ph_results *r);
/* From where they lie together, rows ld apart; the bias is added. */
void ph_results_put(const ph_results *r, const float *from, size_t ld);

/* Rows of weights in a chunk, at most `most`, at least `least`, in steps of `step`, such that all
 * threads finish together: few threads and few chunks would leave some without work at the end. */
size_t ph_matmul_chunk(const ph_work *work, const ph_matmul *jobs, size_t n_jobs, size_t most,
                       size_t least, size_t step);

#endif
