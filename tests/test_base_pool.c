/* base/pool and base/thread: every thread runs each time, splits cover everything once, what one
 * run wrote the next one sees, at any number of threads and however often. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/thread.h"

#define ITEMS 1000

static void test_split(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 7, 8, 9, 100, 51200};
    static const size_t grains[] = {1, 3, 8, 64};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t g = 0; g < 4; g++) {
            for (int n_threads = 1; n_threads < 20; n_threads++) {
                size_t at = 0, least = SIZE_MAX, most = 0;
                for (int t = 0; t < n_threads; t++) {
                    size_t begin, end;
                    ph_pool_split(sizes[i], grains[g], t, n_threads, &begin, &end);
                    assert_true(begin == at && end >= begin);
                    assert_true(begin % grains[g] == 0 || begin == sizes[i]);
                    least = end - begin < least ? end - begin : least;
                    most = end - begin > most ? end - begin : most;
                    at = end;
                }
                assert_int_equal(at, sizes[i]);
                assert_true(most - least <= 2 * grains[g]);
            }
        }
    }
}

typedef struct chain {
    uint32_t a[ITEMS], b[ITEMS];
    bool forward;
    ph_ticket ticket;
    atomic_size_t taken;
    atomic_int threads;
} chain;

/* Each item of the next array depends on items that other threads wrote in the run before. */
static void step(void *arg, int thread, int n_threads)
{
    chain *c = arg;
    uint32_t *to = c->forward ? c->b : c->a;
    const uint32_t *from = c->forward ? c->a : c->b;
    size_t begin, end;
    ph_pool_split(ITEMS, 1, thread, n_threads, &begin, &end);
    for (size_t i = begin; i < end; i++)
        to[i] = from[i] * 5 + from[(i + 517) % ITEMS];
    atomic_fetch_add(&c->threads, 1);
}

static void test_runs_follow_each_other(void **state)
{
    (void)state;
    enum { RUNS = 300 };
    static chain alone, team;
    alone = (chain){.a = {1, 2, 3}};
    for (int run = 0; run < RUNS; run++) {
        alone.forward = run % 2 == 0;
        step(&alone, 0, 1);
    }
    for (int n_threads = 1; n_threads <= 17; n_threads += 2) {
        ph_pool *pool = NULL;
        phial_error err = {0};
        assert_int_equal(ph_pool_new(&pool, n_threads, &err), PHIAL_OK);
        assert_int_equal(ph_pool_threads(pool), n_threads);
        team = (chain){.a = {1, 2, 3}};
        for (int run = 0; run < RUNS; run++) {
            team.forward = run % 2 == 0;
            ph_pool_run(pool, step, &team);
            assert_int_equal(atomic_load(&team.threads), (run + 1) * n_threads);
        }
        assert_memory_equal(team.a, alone.a, sizeof team.a);
        assert_memory_equal(team.b, alone.b, sizeof team.b);
        ph_pool_free(pool);
    }
}

static void take_all(void *arg, int thread, int n_threads)
{
    (void)thread;
    (void)n_threads;
    chain *c = arg;
    for (size_t i; (i = ph_ticket_take(&c->ticket)) < ITEMS;) {
        c->a[i]++;
        atomic_fetch_add(&c->taken, 1);
    }
}

static void test_tickets(void **state)
{
    (void)state;
    static chain c;
    ph_pool *pool = NULL;
    assert_int_equal(ph_pool_new(&pool, 5, NULL), PHIAL_OK);
    for (int run = 1; run <= 50; run++) {
        atomic_store(&c.ticket.next, 0);
        (run % 2 == 0 ? ph_pool_run : ph_pool_run_tickets)(pool, take_all, &c);
        assert_int_equal(atomic_load(&c.taken), (size_t)run * ITEMS);
        for (int i = 0; i < ITEMS; i++)
            assert_int_equal(c.a[i], run);
    }
    ph_pool_free(pool);
}

typedef struct items {
    ph_pool *pool;
    atomic_int taken[ITEMS];
    int busy;     /* this thread takes long over each item */
    bool refuses; /* and takes none at all; not the caller */
    atomic_size_t by_busy, jumps;
} items;

static void take_items(void *arg, int thread, int n_threads)
{
    items *all = arg;
    size_t item, last = 0;
    (void)n_threads;
    if (thread == all->busy && all->refuses)
        return;
    while (ph_pool_next(all->pool, thread, &item)) {
        atomic_fetch_add(&all->taken[item < ITEMS ? item : 0], 1);
        atomic_fetch_add(&all->jumps, item != last + 1);
        last = item;
        if (thread == all->busy) {
            atomic_fetch_add(&all->by_busy, 1);
            uint64_t end = ph_clock_ns() + 200000;
            while (ph_clock_ns() < end) {
            }
        }
    }
}

static void run_items(items *all, int n_threads, size_t n, int busy, bool refuses)
{
    phial_error err = {0};
    *all = (items){.busy = busy, .refuses = refuses};
    assert_int_equal(ph_pool_new(&all->pool, n_threads, &err), PHIAL_OK);
    ph_pool_run_items(all->pool, n, take_items, all);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(atomic_load(&all->taken[i]), 1);
    for (size_t i = n; i < ITEMS; i++)
        assert_int_equal(atomic_load(&all->taken[i]), 0);
    ph_pool_free(all->pool);
}

/* Each item once, whatever the counts; a slow thread is relieved of its share, an absent one of all
 * of it; and the walk is ascending but for the few times that somebody takes over. */
static void test_items(void **state)
{
    (void)state;
    static items all;
    static const size_t sizes[] = {0, 1, 2, 3, 7, 100, ITEMS};
    for (int n_threads = 1; n_threads <= 9; n_threads += 2) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
            run_items(&all, n_threads, sizes[i], -1, false);
        for (int busy = 1; busy < n_threads; busy++)
            run_items(&all, n_threads, ITEMS, busy, true);
    }
    for (int busy = 0; busy < 2; busy++) {
        run_items(&all, 2, ITEMS, busy, false);
        assert_in_range(atomic_load(&all.by_busy), 0, ITEMS / 2 - 1);
        assert_in_range(atomic_load(&all.jumps), 0, 100);
    }
}

/* The same pool again and again: a range of the run before is never handed out. */
static void test_items_again(void **state)
{
    (void)state;
    static items all;
    all = (items){.busy = -1};
    assert_int_equal(ph_pool_new(&all.pool, 4, NULL), PHIAL_OK);
    for (int run = 1; run <= 300; run++) {
        ph_pool_run_items(all.pool, ITEMS, take_items, &all);
        for (int i = 0; i < ITEMS; i++)
            assert_int_equal(atomic_load(&all.taken[i]), run);
    }
    ph_pool_free(all.pool);
}

static void count_item(void *arg, int thread, int n_threads)
{
    items *all = arg;
    size_t item;
    (void)n_threads;
    while (ph_pool_next(all->pool, thread, &item)) {
        atomic_fetch_add(&all->taken[item], 1);
    }
}

static void count_thread(void *arg, int thread, int n_threads)
{
    items *all = arg;
    (void)n_threads;
    atomic_fetch_add(&all->taken[thread], 1);
}

/* Workers that are left out of several runs while they stand between looking at the generation and
 * joining it: more threads than cores, runs that are over at once. Every thread is in each run that
 * wants all of them, once. */
static void test_left_out(void **state)
{
    (void)state;
    enum { THREADS = 9 };
    static items all;
    all = (items){.busy = -1};
    assert_int_equal(ph_pool_new(&all.pool, THREADS, NULL), PHIAL_OK);
    for (int run = 0; run < 3000; run++) {
        for (int i = 0; i < 5; i++)
            ph_pool_run_items(all.pool, 1, count_item, &all);
        assert_int_equal(atomic_load(&all.taken[0]), 5);
        atomic_store(&all.taken[0], 0);
        ph_pool_run(all.pool, count_thread, &all);
        for (int t = 0; t < THREADS; t++) {
            assert_int_equal(atomic_load(&all.taken[t]), 1);
            atomic_store(&all.taken[t], 0);
        }
    }
    ph_pool_free(all.pool);
}

static void sleep_a_little(void *arg, int thread, int n_threads)
{
    (void)n_threads;
    uint64_t end = ph_clock_ns() + (thread == *(int *)arg ? 300000u : 0);
    while (ph_clock_ns() < end) {
    }
}

/* Longer than the time anybody spins, by each thread in turn: sleepers are woken. */
static void test_sleep_and_wake(void **state)
{
    (void)state;
    ph_pool *pool = NULL;
    assert_int_equal(ph_pool_new(&pool, 4, NULL), PHIAL_OK);
    for (int run = 0; run < 200; run++) {
        int slow = run % 4;
        ph_pool_run(pool, sleep_a_little, &slow);
    }
    ph_pool_free(pool);
}

static void test_pool_arguments(void **state)
{
    (void)state;
    ph_pool *pool = NULL;
    phial_error err = {0};
    assert_int_equal(ph_pool_new(&pool, -1, &err), PHIAL_ERR_ARGUMENT);
    assert_int_equal(ph_pool_new(&pool, PH_THREADS_MAX + 1, &err), PHIAL_ERR_ARGUMENT);
    assert_null(pool);
    assert_in_range(ph_cpu_count(), 1, PH_THREADS_MAX);
    assert_int_equal(ph_pool_new(&pool, 0, &err), PHIAL_OK);
    assert_int_equal(ph_pool_threads(pool), ph_cpu_count());
    ph_pool_free(pool);
    ph_pool_free(NULL);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(ph_pool_new(&pool, 8, &err), PHIAL_OK);
        ph_pool_free(pool); /* without a run */
    }
}

typedef struct counter {
    ph_mutex *mutex;
    long n;
} counter;

static void count_up(void *arg, int thread, int n_threads)
{
    (void)thread;
    (void)n_threads;
    counter *c = arg;
    for (int i = 0; i < 2000; i++) {
        ph_mutex_lock(c->mutex);
        c->n++;
        ph_mutex_unlock(c->mutex);
    }
}

static void test_mutex(void **state)
{
    (void)state;
    counter c = {0};
    ph_pool *pool = NULL;
    assert_int_equal(ph_mutex_new(&c.mutex, NULL), PHIAL_OK);
    assert_int_equal(ph_pool_new(&pool, 4, NULL), PHIAL_OK);
    ph_pool_run(pool, count_up, &c);
    assert_int_equal(c.n, 8000);
    ph_pool_free(pool);
    ph_mutex_free(c.mutex);
    ph_mutex_free(NULL);
}

static void test_clock(void **state)
{
    (void)state;
    uint64_t before = ph_clock_ns();
    for (int i = 0; i < 1000; i++) {
        uint64_t now = ph_clock_ns();
        assert_true(now >= before);
        before = now;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),    cmocka_unit_test(test_runs_follow_each_other),
        cmocka_unit_test(test_tickets),  cmocka_unit_test(test_sleep_and_wake),
        cmocka_unit_test(test_items),    cmocka_unit_test(test_items_again),
        cmocka_unit_test(test_left_out), cmocka_unit_test(test_pool_arguments),
        cmocka_unit_test(test_mutex),    cmocka_unit_test(test_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
