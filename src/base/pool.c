/* Fork-join team; contract in pool.h.
 *
 * A run is announced by a new generation number. Waiters spin on it for SPIN_NS, long enough for
 * the gap between two operators of a forward pass, then sleep on a condition variable. A spin that
 * keeps a shared core busy would stall the very thread it waits for, hence the short bound.
 *
 * Items: a thread's range is one 64-bit word, changed only by compare and exchange, so that the
 * word is the whole truth and it does not matter how often it changed in between. An item is in one
 * word at most, and in none once somebody has it.
 *
 * A worker that has not begun when the caller finds no more items is left out of the run: whoever
 * of the two sets the worker's `joined` to this generation decides. A machine that gives the worker
 * no core for some milliseconds then costs its share of the work, not a wait.
 *
 * The system likes to wake a worker on the core of the thread that woke it; a worker that finds
 * itself beside another thread of the team moves away.
 */
#include "base/pool.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"

#define SPIN_NS              20000u
#define SPINS_PER_CLOCK_LOOK 64

typedef struct worker {
    ph_pool *pool;
    pthread_t thread;
    int index;
    _Alignas(64) atomic_uint joined; /* the last generation it ran or was left out of */
} worker;

typedef struct range {
    _Alignas(64) _Atomic uint64_t items; /* end << 32 | begin; empty: begin == end */
} range;

struct ph_pool {
    int n_threads;
    int n_started;
    int n_cpus;
    range *ranges;    /* [n_threads] */
    atomic_int *cpus; /* [n_threads]: where each was when it began its last run */
    worker *workers;  /* [n_threads - 1] */
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

/* Notes the thread's core; a worker does not stay where a thread of a lower index began. */
static void settle(ph_pool *pool, int thread)
{
    int taken[PH_THREADS_MAX];
    int cpu = ph_cpu_current();
    bool collides = false;
    for (int t = 0; t < thread; t++) {
        taken[t] = atomic_load_explicit(&pool->cpus[t], memory_order_relaxed);
        collides = collides || taken[t] == cpu;
    }
    if (collides && pool->n_threads <= pool->n_cpus) {
        for (int t = thread + 1; t < pool->n_threads; t++) {
            taken[t] = atomic_load_explicit(&pool->cpus[t], memory_order_relaxed);
        }
        taken[thread] = cpu;
        ph_cpu_avoid(taken, pool->n_threads);
        cpu = ph_cpu_current();
    }
    atomic_store_explicit(&pool->cpus[thread], cpu, memory_order_relaxed);
}

static void *worker_main(void *arg)
{
    worker *w = arg;
    ph_pool *pool = w->pool;
    unsigned joined = 0;
    for (;;) {
        wait_until(pool, &pool->wake, new_generation, joined);
        unsigned now = atomic_load(&pool->generation);
        joined = atomic_load(&w->joined);
        /* Left out of this run, or even of later ones since the look at the generation. */
        if ((int)(now - joined) <= 0 || !atomic_compare_exchange_strong(&w->joined, &joined, now)) {
            continue;
        }
        joined = now;
        if (pool->quit) {
            return NULL;
        }
        settle(pool, w->index);
        pool->fn(pool->arg, w->index, pool->n_threads);
        if (atomic_fetch_sub(&pool->running, 1) == 1) {
            wake_sleepers(pool, &pool->done);
        }
    }
}

/* After the last item: workers that have not begun need not. */
static void leave_out(ph_pool *pool)
{
    unsigned now = atomic_load(&pool->generation);
    for (int i = 0; i < pool->n_started; i++) {
        unsigned joined = atomic_load(&pool->workers[i].joined);
        if (joined != now &&
            atomic_compare_exchange_strong(&pool->workers[i].joined, &joined, now)) {
            atomic_fetch_sub(&pool->running, 1);
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
    *pool = (ph_pool){.n_threads = n_threads == 0 ? ph_cpu_count() : n_threads,
                      .n_cpus = ph_cpu_count()};
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->done, NULL);
    pool->workers =
        ph_alloc_aligned((size_t)pool->n_threads, sizeof *pool->workers, PH_CACHE_LINE, err);
    pool->cpus = ph_alloc((size_t)pool->n_threads, sizeof *pool->cpus, err);
    pool->ranges =
        ph_alloc_aligned((size_t)pool->n_threads, sizeof *pool->ranges, PH_CACHE_LINE, err);
    if (pool->workers == NULL || pool->ranges == NULL || pool->cpus == NULL) {
        goto done;
    }
    for (int t = 0; t < pool->n_threads; t++) {
        atomic_init(&pool->cpus[t], -1);
    }
    while (pool->n_started < pool->n_threads - 1) {
        worker *w = &pool->workers[pool->n_started];
        w->pool = pool;
        w->index = pool->n_started + 1;
        atomic_init(&w->joined, 0);
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
    ph_free(pool->ranges);
    ph_free(pool->cpus);
    ph_free(pool);
}

int ph_pool_threads(const ph_pool *pool)
{
    return pool->n_threads;
}

static void run(ph_pool *pool, ph_pool_fn fn, void *arg, bool may_miss)
{
    if (pool->n_threads == 1) {
        fn(arg, 0, 1);
        return;
    }
    pool->fn = fn;
    pool->arg = arg;
    settle(pool, 0);
    announce(pool);
    fn(arg, 0, pool->n_threads);
    if (may_miss) {
        leave_out(pool);
    }
    wait_until(pool, &pool->done, all_finished, 0);
}

void ph_pool_run(ph_pool *pool, ph_pool_fn fn, void *arg)
{
    run(pool, fn, arg, false);
}

void ph_pool_run_tickets(ph_pool *pool, ph_pool_fn fn, void *arg)
{
    run(pool, fn, arg, true);
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

static uint64_t range_of(uint64_t begin, uint64_t end)
{
    return end << 32 | begin;
}

static uint64_t range_begin(uint64_t items)
{
    return items & UINT32_MAX;
}

static uint64_t range_left(uint64_t items)
{
    return (items >> 32) - range_begin(items);
}

void ph_pool_run_items(ph_pool *pool, size_t n, ph_pool_fn fn, void *arg)
{
    for (int t = 0; t < pool->n_threads; t++) {
        size_t begin, end;
        ph_pool_split(n, 1, t, pool->n_threads, &begin, &end);
        atomic_init(&pool->ranges[t].items, range_of(begin, end));
    }
    run(pool, fn, arg, true);
}

/* Takes the upper half, rounded up, of the fullest range. */
static bool take_over(ph_pool *pool, uint64_t *items)
{
    for (;;) {
        uint64_t most = 0;
        range *from = NULL;
        for (int t = 0; t < pool->n_threads; t++) {
            uint64_t seen = atomic_load_explicit(&pool->ranges[t].items, memory_order_relaxed);
            if (range_left(seen) > range_left(most)) {
                most = seen;
                from = &pool->ranges[t];
            }
        }
        if (from == NULL) {
            return false;
        }
        uint64_t end = most >> 32;
        uint64_t middle = range_begin(most) + range_left(most) / 2;
        if (atomic_compare_exchange_strong_explicit(&from->items, &most,
                                                    range_of(range_begin(most), middle),
                                                    memory_order_relaxed, memory_order_relaxed)) {
            *items = range_of(middle, end);
            return true;
        }
    }
}

bool ph_pool_next(ph_pool *pool, int thread, size_t *item)
{
    _Atomic uint64_t *own = &pool->ranges[thread].items;
    uint64_t items = atomic_load_explicit(own, memory_order_relaxed);
    while (range_left(items) > 0) {
        if (atomic_compare_exchange_weak_explicit(own, &items, items + 1, memory_order_relaxed,
                                                  memory_order_relaxed)) {
            *item = range_begin(items);
            return true;
        }
    }
    if (!take_over(pool, &items)) {
        return false;
    }
    /* Nobody takes from an empty range: the store meets no other writer. */
    *item = range_begin(items);
    atomic_store_explicit(own, items + 1, memory_order_relaxed);
    return true;
}
