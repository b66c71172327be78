/* The probes: every loop that can run here comes back, on one thread and on several, and says a
 * speed; the fastest are found. How fast the machine is, no test can know. */
#include "checkkern.h"

#include <string.h>

#include "kern/probe.h"

enum { BYTES = 1 << 16 };

static unsigned char memory[BYTES];

static double speed_of(const ph_probe *p, ph_probe_kind kind)
{
    return kind == PH_PROBE_READ ? ph_probe_read(p, memory, BYTES) : ph_probe_ops(p, kind, 0.02);
}

static void every_loop(void **state)
{
    (void)state;
    for (int n_threads = 1; n_threads <= 3; n_threads += 2) {
        ph_probe p = {0};
        assert_int_equal(ph_pool_new(&p.pool, n_threads, NULL), PHIAL_OK);
        for (int kind = 0; kind < PH_N_PROBES; kind++) {
            bool end = false;
            size_t n_run = 0;
            for (size_t i = 0; !end; i++) {
                if (ph_probe_choose(&p, (ph_probe_kind)kind, i, &end)) {
                    double speed = speed_of(&p, (ph_probe_kind)kind);
                    print_message("%-20s %8.1f %s\n", ph_probe_name(&p, (ph_probe_kind)kind), speed,
                                  ph_probe_unit((ph_probe_kind)kind));
                    assert_true(speed > 0 && speed < 1e9);
                    n_run++;
                }
            }
            assert_true(n_run >= 1);
        }
        ph_pool_free(p.pool);
    }
}

const struct CMUnitTest check_probe_tests[] = {cmocka_unit_test(every_loop)};
const size_t check_n_probe_tests = sizeof check_probe_tests / sizeof check_probe_tests[0];
