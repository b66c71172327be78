/* Fork-join team; contract in pool.h.
 *
 * A run is announced by a new generation number. Waiters spin on it for SPIN_NS, long enough for
 * the gap between two operators of a forward pass, then sleep on a condition variable. A spin that
 * keeps a shared core busy would stall the very thread it waits for, hence the short bound.
 */
#include "base/pool.h"

#include <pthread.h>
#include <stdbool.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"

#define SPIN_NS              20000u
#define SPINS_PER_CLOCK_LOOK 64

typedef struct worker {
    ph_pool *pool;
    pthread_t thread;
    int index;
} worker;

struct ph_pool {
    int n_threads;
    int n_started;
    worker *workers; /* [n_threads - 1] */
    ph_pool_fn fn;
    void *arg;
    bool quit;
    _Alignas(64) atomic_uint generation;
    _Alignas(64) atomic_int running; /* workers that have not finished this generation */
    _Alignas(64) atomic_int sleepers;
    pthread_mutex_t mutex;
    pthread_cond_t wake; /* a new generation */
    pthread_cond_t done; /* running reached 0 */
};

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

typedef bool (*ready_fn)(ph_pool *pool, unsigned seen);

/* Both looks are sequentially consistent, like the stores they wait for: see wake_sleepers(). */
static bool new_generation(ph_pool *pool, unsigned seen)
{
    return atomic_load(&pool->generation) != seen;
}

static bool all_finished(ph_pool *pool, unsigned seen)
{
    (void)seen;
    return atomic_load(&pool->running) == 0;
}

static bool spin_until(ph_pool *pool, ready_fn ready, unsigned seen)
{
    uint64_t end = ph_clock_ns() + SPIN_NS;
    do {
        for (int i = 0; i < SPINS_PER_CLOCK_LOOK; i++) {
            if (ready(pool, seen)) {
                return true;
            }
            relax();
        }
    } while (ph_clock_ns() < end);
    return false;
}

static void wait_until(ph_pool *pool, pthread_cond_t *cond, ready_fn ready, unsigned seen)
{
    if (spin_until(pool, ready, seen)) {
        return;
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->sleepers, 1);
    while (!ready(pool, seen)) {
        pthread_cond_wait(cond, &pool->mutex);
    }
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->mutex);
}

/* The caller stores (generation or running) and then looks for sleepers; a sleeper counts itself
 * and then looks for the store. All four are sequentially consistent: one of the two sees the
 * other. */
static void wake_sleepers(ph_pool *pool, pthread_cond_t *cond)
{
    if (atomic_load(&pool->sleepers) > 0) {
        pthread_mutex_lock(&pool->mutex);
        pthread_cond_broadcast(cond);
        pthread_mutex_unlock(&pool->mutex);
    }
}

static void *worker_main(void *arg)
{
    worker *w = arg;
    ph_pool *pool = w->pool;
    unsigned seen = 0;
    for (;;) {
        wait_until(pool, &pool->wake, new_generation, seen);
        seen++;
        if (pool->quit) {
            return NULL;
        }
        pool->fn(pool->arg, w->index, pool->n_threads);
        if (atomic_fetch_sub(&pool->running, 1) == 1) {
            wake_sleepers(pool, &pool->done);
        }
    }
}

static void announce(ph_pool *pool)
{
    atomic_store(&pool->running, pool->n_started);
    atomic_fetch_add(&pool->generation, 1);
    wake_sleepers(pool, &pool->wake);
}

phial_status ph_pool_new(ph_pool **out, int n_threads, phial_error *err)
{
    if (n_threads < 0 || n_threads > PH_THREADS_MAX) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%d threads: must be between 1 and %d",
                          n_threads, PH_THREADS_MAX);
    }
    phial_status status = PHIAL_ERR_NO_MEMORY;
    ph_pool *pool = ph_alloc_aligned(1, sizeof *pool, PH_CACHE_LINE, err);
    if (pool == NULL) {
        return status;
    }
    *pool = (ph_pool){.n_threads = n_threads == 0 ? ph_cpu_count() : n_threads};
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->done, NULL);
    pool->workers = ph_alloc((size_t)pool->n_threads, sizeof *pool->workers, err);
    if (pool->workers == NULL) {
        goto done;
    }
    while (pool->n_started < pool->n_threads - 1) {
        worker *w = &pool->workers[pool->n_started];
        w->pool = pool;
        w->index = pool->n_started + 1;
        int code = pthread_create(&w->thread, NULL, worker_main, w);
        if (code != 0) {
            status =
                ph_err_errno(err, code, "starting thread %d of %d", w->index + 1, pool->n_threads);
            goto done;
        }
        pool->n_started++;
    }
    status = PHIAL_OK;
done:
    if (status == PHIAL_OK) {
        *out = pool;
    } else {
        ph_pool_free(pool);
    }
    return status;
}

void ph_pool_free(ph_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    pool->quit = true;
    if (pool->n_started > 0) {
        announce(pool);
    }
    for (int i = 0; i < pool->n_started; i++) {
        pthread_join(pool->workers[i].thread, NULL);
    }
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
    ph_free(pool->workers);
    ph_free(pool);
}

int ph_pool_threads(const ph_pool *pool)
{
    return pool->n_threads;
}

void ph_pool_run(ph_pool *pool, ph_pool_fn fn, void *arg)
{
    if (pool->n_threads == 1) {
        fn(arg, 0, 1);
        return;
    }
    pool->fn = fn;
    pool->arg = arg;
    announce(pool);
    fn(arg, 0, pool->n_threads);
    wait_until(pool, &pool->done, all_finished, 0);
}

void ph_pool_split(size_t n, size_t grain, int thread, int n_threads, size_t *begin, size_t *end)
{
    size_t pieces = (n + grain - 1) / grain;
    size_t each = pieces / (size_t)n_threads, extra = pieces % (size_t)n_threads;
    size_t t = (size_t)thread;
    size_t first = t * each + (t < extra ? t : extra);
    size_t last = first + each + (t < extra ? 1 : 0);
    *begin = first * grain < n ? first * grain : n;
    *end = last * grain < n ? last * grain : n;
}
