/* Contract: kern/matmul_parts.h. */
#include "kern/matmul_parts.h"

#include <string.h>

void ph_results_ask(const ph_results *r)
{
    const float *y = r->job->y + r->i * r->job->ldy + r->j;
    for (size_t i = 0; i < r->m; i++, y += r->job->ldy) {
        __builtin_prefetch(y, 1);
        __builtin_prefetch(y + r->n - 1, 1);
    }
}

void ph_results_put(const ph_results *r, const float *from, size_t ld)
{
    float *y = r->job->y + r->i * r->job->ldy + r->j;
    const float *bias = r->job->bias ? r->job->bias + r->j : NULL;
    for (size_t i = 0; i < r->m; i++, y += r->job->ldy, from += ld) {
        if (bias == NULL) {
            memcpy(y, from, r->n * sizeof *y);
            continue;
        }
        size_t j = 0;
        for (; j + 8 <= r->n; j += 8) {
            for (size_t l = 0; l < 8; l++) { /* a constant count: one vector */
                y[j + l] = from[j + l] + bias[j + l];
            }
        }
        for (; j < r->n; j++) {
            y[j] = from[j] + bias[j];
        }
    }
}

size_t ph_matmul_chunk(const ph_work *work, const ph_matmul *jobs, size_t n_jobs, size_t most,
                       size_t least, size_t step)
{
    size_t n_threads = (size_t)ph_pool_threads(work->pool), best = most, fewest = SIZE_MAX;
    for (size_t rows = most; rows >= least; rows -= step) {
        size_t chunks = 0;
        for (size_t j = 0; j < n_jobs; j++) {
            chunks += (jobs[j].n + rows - 1) / rows;
        }
        size_t longest = (chunks + n_threads - 1) / n_threads * rows;
        if (longest < fewest) {
            fewest = longest;
            best = rows;
        }
    }
    return best;
}
