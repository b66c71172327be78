/* Mean-centring and whitening: what they do to the covariance, to distances, as bytes, and bad
 * input.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "phial/embed.h"

enum { N = 600, DIM = 70 };
static float vectors[N * DIM];

static double uniform(ph_rng *rng)
{
    return ph_rng_f64(rng) - 0.5;
}

/* Correlated coordinates around a far-away mean, as a decoder's states are. */
static void fill(void)
{
    ph_rng rng;
    ph_rng_seed(&rng, 5, 1);
    for (size_t i = 0; i < N; i++) {
        double common = uniform(&rng);
        for (size_t c = 0; c < DIM; c++) {
            vectors[i * DIM + c] =
                (float)(10 + 0.1 * (double)c + 3 * common + uniform(&rng) * (1 + 0.05 * (double)c));
        }
    }
}

static phial_whitening *fitted(phial_whitening_kind kind, size_t n, double shrink)
{
    phial_whitening *w = NULL;
    phial_error err = {0};
    if (phial_whitening_fit(&w, kind, vectors, n, DIM, shrink, &err) != PHIAL_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(phial_whitening_dim(w), DIM);
    return w;
}

static double covariance(const float *x, size_t i, size_t j)
{
    double sum = 0, mi = 0, mj = 0;
    for (size_t v = 0; v < N; v++) {
        mi += x[v * DIM + i] / N;
        mj += x[v * DIM + j] / N;
    }
    for (size_t v = 0; v < N; v++) {
        sum += (x[v * DIM + i] - mi) * (x[v * DIM + j] - mj) / N;
    }
    return sum;
}

static void centre_takes_the_mean(void **state)
{
    (void)state;
    static float x[N * DIM];
    phial_whitening *w = fitted(PHIAL_WHITEN_CENTRE, N, -1);
    memcpy(x, vectors, sizeof x);
    assert_int_equal(phial_whitening_apply(w, x, N, DIM, NULL), PHIAL_OK);
    for (size_t c = 0; c < DIM; c++) {
        double sum = 0;
        for (size_t i = 0; i < N; i++) {
            sum += x[i * DIM + c];
        }
        assert_true(fabs(sum / N) < 1e-5);
    }
    assert_true(fabs(covariance(x, 3, 4) - covariance(vectors, 3, 4)) < 1e-4);
    phial_whitening_free(w);
}

static void full_gives_the_identity(void **state)
{
    (void)state;
    static float x[N * DIM];
    phial_whitening *w = fitted(PHIAL_WHITEN_FULL, N, 0);
    memcpy(x, vectors, sizeof x);
    assert_int_equal(phial_whitening_apply(w, x, N, DIM, NULL), PHIAL_OK);
    for (size_t i = 0; i < DIM; i += 3) {
        for (size_t j = 0; j <= i; j += 2) {
            assert_true(fabs(covariance(x, i, j) - (i == j)) < 1e-3);
        }
    }
    phial_whitening_free(w);
}

/* Fewer vectors than dimensions: only the shrunk covariance has an inverse. */
static void few_vectors(void **state)
{
    (void)state;
    phial_whitening *w = NULL;
    phial_error err = {0};
    assert_int_equal(phial_whitening_fit(&w, PHIAL_WHITEN_FULL, vectors, 20, DIM, 0, &err),
                     PHIAL_ERR_NUMERIC);
    assert_non_null(strstr(err.message, "no inverse"));
    assert_null(w);
    w = fitted(PHIAL_WHITEN_FULL, 20, -1);
    float x[DIM];
    memcpy(x, vectors, sizeof x);
    assert_int_equal(phial_whitening_apply(w, x, 1, DIM, NULL), PHIAL_OK);
    for (size_t c = 0; c < DIM; c++) {
        assert_true(isfinite(x[c]));
    }
    phial_whitening_free(w);
}

static void as_bytes(void **state)
{
    (void)state;
    static unsigned char bytes[64 + 4 * (DIM + DIM * (DIM + 1) / 2)];
    static float a[N * DIM], b[N * DIM];
    for (int kind = PHIAL_WHITEN_CENTRE; kind <= PHIAL_WHITEN_FULL; kind++) {
        phial_whitening *w = fitted((phial_whitening_kind)kind, N, -1), *again = NULL;
        phial_error err = {0};
        size_t n = 0, same;
        assert_int_equal(phial_whitening_save(w, NULL, 0, &n, NULL), PHIAL_OK);
        assert_true(n <= sizeof bytes);
        assert_int_equal(phial_whitening_save(w, bytes, n - 1, &same, NULL), PHIAL_ERR_ARGUMENT);
        assert_int_equal(phial_whitening_save(w, bytes, n, &same, NULL), PHIAL_OK);
        assert_int_equal(phial_whitening_load(&again, bytes, n, &err), PHIAL_OK);
        memcpy(a, vectors, sizeof a);
        memcpy(b, vectors, sizeof b);
        phial_whitening_apply(w, a, N, DIM, NULL);
        phial_whitening_apply(again, b, N, DIM, NULL);
        assert_memory_equal(a, b, sizeof a);
        phial_whitening_free(again);
        again = NULL;
        for (size_t at = 0; at < n; at += 101) { /* any flipped bit, any other length */
            bytes[at] ^= 4;
            assert_int_not_equal(phial_whitening_load(&again, bytes, n, &err), PHIAL_OK);
            bytes[at] ^= 4;
            assert_int_not_equal(phial_whitening_load(&again, bytes, at, &err), PHIAL_OK);
            assert_null(again);
        }
        phial_whitening_free(w);
    }
}

static void refused(void **state)
{
    (void)state;
    phial_whitening *w = NULL;
    phial_error err = {0};
    float x[2 * 3] = {1, 2, 3, 4, 5, NAN};
    assert_int_equal(phial_whitening_fit(&w, PHIAL_WHITEN_CENTRE, x, 2, 3, 0, &err),
                     PHIAL_ERR_NUMERIC);
    assert_non_null(strstr(err.message, "vector 2"));
    assert_int_equal(phial_whitening_fit(&w, PHIAL_WHITEN_CENTRE, x, 1, 3, 0, &err),
                     PHIAL_ERR_ARGUMENT);
    assert_int_equal(
        phial_whitening_fit(&w, PHIAL_WHITEN_FULL, x, 2, PHIAL_WHITENING_DIM_MAX + 1, 0, &err),
        PHIAL_ERR_ARGUMENT);
    w = fitted(PHIAL_WHITEN_CENTRE, N, 0);
    assert_int_equal(phial_whitening_apply(w, x, 2, 3, &err), PHIAL_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "vectors of 3 numbers"));
    phial_whitening_free(w);
    phial_whitening_free(NULL);
}

int main(void)
{
    fill();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(centre_takes_the_mean),
        cmocka_unit_test(full_gives_the_identity),
        cmocka_unit_test(few_vectors),
        cmocka_unit_test(as_bytes),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
