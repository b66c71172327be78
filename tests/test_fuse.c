/* Fusion of rankings and maximal marginal relevance, against sums written out and a naive greedy
 * choice.
 * wrap: calloc realloc aligned_alloc
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "rag/fuse.h"
#include "torture.h"

static void expect(const ph_fused *got, size_t n, const int64_t *ids, const double *scores,
                   size_t n_want)
{
    assert_int_equal(n, n_want);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(got[i].id, ids[i]);
        assert_true(fabs(got[i].score - scores[i]) < 1e-12);
    }
}

static void reciprocal_ranks_add_up(void **state)
{
    (void)state;
    const int64_t a[] = {7, 3, 9, 3}, b[] = {9, 7, 5};
    const ph_ranked lists[] = {{a, NULL, 4, 1}, {b, NULL, 3, 2}, {NULL, NULL, 0, 1}};
    ph_fused *got = NULL;
    size_t n = 0;
    assert_int_equal(ph_fuse_rrf(&got, &n, lists, 3, 60, NULL), PHIAL_OK);
    expect(got, n, (const int64_t[]){9, 7, 5, 3},
           (const double[]){1.0 / 63 + 2.0 / 61, 1.0 / 61 + 2.0 / 62, 2.0 / 63, 1.0 / 62}, 4);
    ph_free(got);
    assert_int_equal(ph_fuse_rrf(&got, &n, NULL, 0, 60, NULL), PHIAL_OK);
    assert_int_equal(n, 0);
    ph_free(got);
    const int64_t c[] = {4, 2};
    const ph_ranked alike[] = {{c, NULL, 1, 1}, {c + 1, NULL, 1, 1}};
    assert_int_equal(ph_fuse_rrf(&got, &n, alike, 2, 0, NULL), PHIAL_OK);
    expect(got, n, (const int64_t[]){2, 4}, (const double[]){1, 1}, 2);
    ph_free(got);
}

static void scores_are_shares_of_their_range(void **state)
{
    (void)state;
    const int64_t a[] = {7, 3, 9}, b[] = {9, 5}, c[] = {8, 9};
    const double x[] = {20, 15, 10}, y[] = {-1, -3}, z[] = {4, 4};
    const ph_ranked lists[] = {{a, x, 3, 0.5}, {b, y, 2, 0.25}, {c, z, 2, 1}};
    ph_fused *got = NULL;
    size_t n = 0;
    assert_int_equal(ph_fuse_min_max(&got, &n, lists, 3, NULL), PHIAL_OK);
    expect(got, n, (const int64_t[]){9, 8, 7, 3, 5}, (const double[]){1.25, 1, 0.5, 0.25, 0}, 5);
    ph_free(got);
}

static void bad_rankings_are_refused(void **state)
{
    (void)state;
    const int64_t ids[] = {1, 2};
    const double up[] = {1, 2}, nan[] = {1, NAN};
    const ph_ranked wrong[] = {{ids, up, 2, 1},
                               {ids, nan, 2, 1},
                               {ids, NULL, 2, -1},
                               {ids, NULL, 2, INFINITY},
                               {ids, NULL, 1u << 30, 1}};
    ph_fused *got = NULL;
    size_t n = 0, order[2];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        phial_error err = {0};
        assert_int_not_equal(ph_fuse_rrf(&got, &n, &wrong[i], 1, 60, &err), PHIAL_OK);
        assert_true(err.message[0] != 0);
    }
    assert_int_equal(ph_fuse_min_max(&got, &n, &wrong[4], 1, NULL), PHIAL_ERR_ARGUMENT);
    assert_int_equal(ph_fuse_rrf(&got, &n, NULL, 0, NAN, NULL), PHIAL_ERR_NUMERIC);
    const float rows[] = {1, NAN};
    assert_int_equal(ph_mmr(order, 2, rows, up, 2, 1, 0.5, NULL), PHIAL_ERR_NUMERIC);
    assert_int_equal(ph_mmr(order, 2, rows, up, 1, 1, 1.5, NULL), PHIAL_ERR_ARGUMENT);
}

static double cosine(const float *x, const float *y, size_t dim)
{
    double xy = 0, xx = 0, yy = 0;
    for (size_t d = 0; d < dim; d++) {
        xy += (double)x[d] * y[d];
        xx += (double)x[d] * x[d];
        yy += (double)y[d] * y[d];
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
}

static void marginal_relevance_is_greedy(void **state)
{
    (void)state;
    enum { N = 40, DIM = 6, K = 15 };
    ph_rng rng;
    ph_rng_seed(&rng, 3, 0);
    for (int round = 0; round < 30; round++) {
        float rows[N * DIM];
        double relevance[N], lambda = ph_rng_f64(&rng);
        size_t order[K];
        bool taken[N] = {false};
        for (size_t i = 0; i < N * DIM; i++) {
            rows[i] = i / DIM % 9 == 4 ? 0 : (float)(ph_rng_f64(&rng) - 0.3);
        }
        for (size_t i = 0; i < N; i++) {
            relevance[i] = ph_rng_f64(&rng);
        }
        assert_int_equal(ph_mmr(order, K, rows, relevance, N, DIM, lambda, NULL), PHIAL_OK);
        for (size_t step = 0; step < K; step++) {
            size_t best = N;
            double most = 0;
            for (size_t i = 0; i < N; i++) {
                double alike = step == 0 ? 0 : -1;
                for (size_t j = 0; j < step; j++) {
                    alike = fmax(alike, cosine(rows + i * DIM, rows + order[j] * DIM, DIM));
                }
                double gain = lambda * relevance[i] - (1 - lambda) * alike;
                if (!taken[i] && (best == N || gain > most + 1e-12)) {
                    best = i;
                    most = gain;
                }
            }
            assert_int_equal(order[step], best);
            taken[best] = true;
        }
    }
}

static void duplicates_come_last(void **state)
{
    (void)state;
    const float rows[] = {1, 0, 1, 0.001f, 0, 1, 0.7f, 0.7f};
    const double relevance[] = {1, 0.85, 0.5, 0.6};
    size_t order[9];
    assert_int_equal(ph_mmr(order, 9, rows, relevance, 4, 2, 0.5, NULL), PHIAL_OK);
    assert_int_equal(order[0], 0);
    assert_int_equal(order[1], 2);
    assert_int_equal(order[3], 1);
    assert_int_equal(ph_mmr(order, 9, rows, relevance, 4, 2, 1, NULL), PHIAL_OK);
    assert_int_equal(order[1], 1); /* lambda 1: by relevance alone */
}

static bool scenario(void *arg)
{
    const int64_t ids[] = {3, 1};
    const ph_ranked list = {ids, NULL, 2, 1};
    const float rows[] = {1, 2};
    const double relevance[] = {1, 2};
    ph_fused *got = NULL;
    size_t n, order[2];
    (void)arg;
    phial_status st = ph_fuse_rrf(&got, &n, &list, 1, 60, NULL);
    if (st == PHIAL_OK) {
        ph_free(got);
        st = ph_mmr(order, 2, rows, relevance, 2, 1, 0.5, NULL);
    }
    assert_true(st == PHIAL_OK || st == PHIAL_ERR_NO_MEMORY);
    return st == PHIAL_OK;
}

static void allocations_may_fail(void **state)
{
    (void)state;
    assert_int_equal(torture_run(scenario, NULL, 10), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reciprocal_ranks_add_up),
        cmocka_unit_test(scores_are_shares_of_their_range),
        cmocka_unit_test(bad_rankings_are_refused),
        cmocka_unit_test(marginal_relevance_is_greedy),
        cmocka_unit_test(duplicates_come_last),
        cmocka_unit_test(allocations_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
