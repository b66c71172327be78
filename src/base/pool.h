/* A team of threads that runs one function together, fork and join.
 *
 * The caller is thread 0; n_threads - 1 workers wait beside it. Waiting spins for a few
 * microseconds and then sleeps, so that an idle team costs nothing and a loaded machine degrades
 * gently. A team serves one caller at a time.
 */
#ifndef PH_BASE_POOL_H
#define PH_BASE_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

typedef struct ph_pool ph_pool;

/* thread is 0 .. n_threads-1 */
typedef void (*ph_pool_fn)(void *arg, int thread, int n_threads);

/* n_threads: 1 .. PH_THREADS_MAX, 0: ph_cpu_count(). */
phial_status ph_pool_new(ph_pool **out, int n_threads, phial_error *err);
void ph_pool_free(ph_pool *pool);
int ph_pool_threads(const ph_pool *pool);

/* Runs fn on every thread and returns when all are done. What one call wrote, the next sees. */
void ph_pool_run(ph_pool *pool, ph_pool_fn fn, void *arg);

/* Static split of n items: this thread's are [*begin, *end); begins are multiples of `grain`. */
void ph_pool_split(size_t n, size_t grain, int thread, int n_threads, size_t *begin, size_t *end);

/* Items 0 .. n-1 handed out so that each thread walks ascending ranges, which is what memory likes,
 * and all finish together even if one of them gets less of its core. Each starts with an equal
 * share; who has finished takes the upper half of what the one with most left has still to do.
 * fn calls ph_pool_next() until it says false; n < 2^32. An item is work for some microseconds at
 * least. */
void ph_pool_run_items(ph_pool *pool, size_t n, ph_pool_fn fn, void *arg);
/* The thread's next item; false when there is none left. Only inside ph_pool_run_items(). */
bool ph_pool_next(ph_pool *pool, int thread, size_t *item);

/* Shared counter for uneven work: each call hands out the next index. Set to 0 before the run. */
typedef struct ph_ticket {
    _Alignas(64) atomic_size_t next;
} ph_ticket;

static inline size_t ph_ticket_take(ph_ticket *t)
{
    return atomic_fetch_add_explicit(&t->next, 1, memory_order_relaxed);
}

#endif
