/* One thing of each part of the ground floor, so that a broken build shows at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/pool.h"

static void add_index(void *arg, int thread, int n_threads)
{
    (void)n_threads;
    ((int *)arg)[thread] += thread + 1;
}

static void pool_runs_every_thread(void **state)
{
    (void)state;
    int counts[4] = {0};
    ph_pool *pool = NULL;
    assert_int_equal(ph_pool_new(&pool, 4, NULL), PHIAL_OK);
    for (int i = 0; i < 1000; i++) {
        ph_pool_run(pool, add_index, counts);
    }
    ph_pool_free(pool);
    for (int t = 0; t < 4; t++) {
        assert_int_equal(counts[t], 1000 * (t + 1));
    }
}

static void json_depth_is_limited(void **state)
{
    (void)state;
    static char deep[100000];
    memset(deep, '[', sizeof deep);
    phial_error err;
    assert_null(ph_json_parse(deep, sizeof deep, &err));
    assert_int_equal(err.status, PHIAL_ERR_BAD_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_runs_every_thread),
        cmocka_unit_test(json_depth_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
