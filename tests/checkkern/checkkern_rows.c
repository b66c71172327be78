/* Row operations against double precision: all lengths, misaligned, guarded, hostile values. */
#include "checkkern.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kern/attn_full.h"
#include "kern/rows.h"

#define MAX_LEN 2600

static size_t own_isas(check_isa isas[CHECK_ISAS_MAX])
{
    return check_isas_by(isas, offsetof(ph_kern, layernorm), offsetof(ph_kern, attn));
}

/* 0.5 (1 + tanh u) = 1 / (1 + e^-2u), which does not cancel. */
static double gelu_of(double x)
{
    return x / (1 + exp(-2 * 0.79788456080286535588 * (x + 0.044715 * x * x * x)));
}

/* Error of gelu and the bound on it: proportional to |x|, and for vector kernels, which do not
 * cancel, also to the result. */
static void gelu_is_accurate(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = own_isas(isas);
    static float x[4096], y[4096];
    for (size_t i = 0; i < n_isas; i++) {
        double worst = 0, worst_relative = 0;
        for (int part = 0; part < 100; part++) {
            for (int j = 0; j < 4096; j++) {
                x[j] = (float)(-20 + 40.0 * (part * 4096 + j) / 409600);
            }
            isas[i].kern.gelu(y, x, 4096);
            for (int j = 0; j < 4096; j++) {
                double want = gelu_of(x[j]);
                double error = fabs(y[j] - want);
                worst = fmax(worst, error / fmax(fabs((double)x[j]), 1e-30));
                if (x[j] > -8) {
                    worst_relative = fmax(worst_relative, error / fmax(fabs(want), 1e-30));
                }
            }
        }
        print_message("%s: gelu error at most %.2f eps |x|, %.1f eps |y| above -8\n", isas[i].label,
                      worst / CHECK_EPS, worst_relative / CHECK_EPS);
        assert_true(worst <= 4 * CHECK_EPS);
        assert_true(i == 0 || worst_relative <= 300 * CHECK_EPS);
        const float hostile[] = {INFINITY, -0.0f, NAN, 1e20f, -1e20f, 3e38f, -3e38f, 1e-40f};
        isas[i].kern.gelu(y, hostile, 8);
        assert_true(y[0] == INFINITY && y[1] == 0 && signbit(y[1]) && isnan(y[2]));
        assert_true(y[3] == 1e20f && y[4] == 0 && y[5] == 3e38f && y[6] == 0);
        assert_true(fabsf(y[7] - 0.5e-40f) <= 2e-45f);
    }
}

/* Its error is proportional to |x|. */
static void gelu_erf_is_accurate(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = own_isas(isas);
    static float x[4096], y[4096];
    for (size_t i = 0; i < n_isas; i++) {
        double worst = 0;
        for (int part = 0; part < 100; part++) {
            for (int j = 0; j < 4096; j++) {
                x[j] = (float)(-20 + 40.0 * (part * 4096 + j) / 409600);
            }
            isas[i].kern.gelu_erf(y, x, 4096);
            for (int j = 0; j < 4096; j++) {
                double want = 0.5 * x[j] * erfc(-x[j] * 0.70710678118654752440);
                worst = fmax(worst, fabs(y[j] - want) / fmax(fabs((double)x[j]), 1e-30));
            }
        }
        print_message("%s: gelu (erf) error at most %.2f eps |x|\n", isas[i].label,
                      worst / CHECK_EPS);
        assert_true(worst <= 4 * CHECK_EPS);
        const float hostile[] = {INFINITY, 0.0f, NAN, 1e20f, -1e20f, 3e38f, -3e38f, 1e-40f};
        isas[i].kern.gelu_erf(y, hostile, 8);
        assert_true(y[0] == INFINITY && y[1] == 0 && isnan(y[2]));
        assert_true(y[3] == 1e20f && y[4] == 0 && y[5] == 3e38f && y[6] == 0);
        assert_true(fabsf(y[7] - 0.5e-40f) <= 2e-45f);
    }
}

/* Against a plain computation in double; and the first row alone gives the same bits. */
static void attn_full_is_right(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = own_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 29, 1);
    enum { HEADS = 3, TEXTS = 5, ROWS = 1 + 7 + 16 + 33 + 130, DIM_MAX = 40 };
    static const size_t starts[TEXTS + 1] = {0, 1, 8, 24, 57, ROWS};
    static float qkv[(ROWS + PH_GEMM_M_MAX) * 3 * HEADS * DIM_MAX], out[ROWS * HEADS * DIM_MAX],
        first[ROWS * HEADS * DIM_MAX];
    static const size_t dims[] = {1, 7, 16, 32, 40};
    for (size_t i = 0; i < n_isas * 5; i++) {
        const ph_kern *kern = &isas[i / 5].kern;
        size_t d = dims[i % 5], e = HEADS * d, stride = ph_attn_full_floats(kern, 130, d);
        ph_pool *pool;
        assert_int_equal(ph_pool_new(&pool, 3, NULL), PHIAL_OK);
        float *room = ph_alloc_aligned(3 * stride, sizeof *room, PH_CACHE_LINE, NULL);
        assert_non_null(room);
        check_fill(&rng, qkv, ROWS * 3 * e);
        ph_attn_full a = {.q = qkv,
                          .k = qkv + e,
                          .v = qkv + 2 * e,
                          .out = out,
                          .ld = 3 * e,
                          .ld_out = e,
                          .n_head = HEADS,
                          .head_dim = d,
                          .starts = starts,
                          .n_texts = TEXTS,
                          .scale = 0.5f};
        ph_attn_full_run(kern, pool, room, stride, &a);
        a.out = first;
        a.first_only = true;
        ph_attn_full_run(kern, pool, room, stride, &a);
        for (size_t t = 0; t < TEXTS; t++) {
            assert_true(check_same_bits(first + starts[t] * e, out + starts[t] * e, e));
            for (size_t row = starts[t]; row < starts[t + 1]; row++) {
                for (size_t h = 0; h < HEADS; h++) {
                    double p[130], sum = 0, largest = -INFINITY;
                    size_t n = starts[t + 1] - starts[t];
                    for (size_t j = 0; j < n; j++) {
                        p[j] = 0;
                        for (size_t c = 0; c < d; c++) {
                            p[j] += 0.5 * qkv[row * 3 * e + h * d + c] *
                                    qkv[(starts[t] + j) * 3 * e + e + h * d + c];
                        }
                        largest = fmax(largest, p[j]);
                    }
                    for (size_t j = 0; j < n; j++) {
                        p[j] = exp(p[j] - largest);
                        sum += p[j];
                    }
                    for (size_t c = 0; c < d; c++) {
                        double want = 0, size = 0;
                        for (size_t j = 0; j < n; j++) {
                            double v = qkv[(starts[t] + j) * 3 * e + 2 * e + h * d + c];
                            want += p[j] / sum * v;
                            size += p[j] / sum * fabs(v);
                        }
                        double got = out[row * e + h * d + c];
                        assert_true(fabs(got - want) <= 2e-5 * size + 1e-6);
                    }
                }
            }
        }
        ph_free(room);
        ph_pool_free(pool);
    }
}

static void softmax_is_accurate(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = own_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 20, 1);
    for (size_t i = 0; i < n_isas; i++) {
        for (size_t n = 1; n <= 400; n++) {
            check_guarded g;
            float *x = check_guarded_new(&g, n * 4, 4 * (n % 9));
            double *p = malloc(n * sizeof *p);
            double sum = 0, max = -INFINITY, total = 0;
            assert_non_null(p);
            for (size_t j = 0; j < n; j++) {
                x[j] = check_random(&rng) * (n % 2 ? 3 : 60);
                max = fmax(max, x[j]);
            }
            for (size_t j = 0; j < n; j++) {
                p[j] = exp((double)x[j] - max);
                sum += p[j];
            }
            isas[i].kern.softmax(x, n);
            for (size_t j = 0; j < n; j++) {
                /* x - max rounds relative to its size; exp, sum and quotient add their own. */
                double bound = (4 + 8 + (double)n / 16 + 256) * CHECK_EPS * p[j] / sum + 1e-44;
                assert_true(fabs(x[j] - p[j] / sum) <= bound);
                total += x[j];
            }
            assert_true(fabs(total - 1) < 1e-5);
            free(p);
            check_guarded_free(&g);
        }
    }
}

static void layernorm_is_accurate(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = own_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 21, 1);
    static float weight[MAX_LEN], bias[MAX_LEN], again[MAX_LEN];
    for (size_t i = 0; i < n_isas; i++) {
        for (size_t c = 1; c <= 134; c++) {
            size_t n = c <= 130 ? c : c * 20 - 80;
            check_guarded gx, gy;
            float *x = check_guarded_new(&gx, n * 4, 4 * (n % 5));
            float *y = check_guarded_new(&gy, n * 4, 4 * (n % 3));
            double offset = n % 3 ? 0 : 50, mean = 0, variance = 0, largest = 0;
            check_fill(&rng, weight, n);
            check_fill(&rng, bias, n);
            for (size_t j = 0; j < n; j++) {
                x[j] = (float)(offset + (double)check_random(&rng));
                mean += x[j] / (double)n;
                largest = fmax(largest, fabs((double)x[j]));
            }
            for (size_t j = 0; j < n; j++) {
                variance += ((double)x[j] - mean) * ((double)x[j] - mean) / (double)n;
            }
            isas[i].kern.layernorm(y, x, weight, bias, n, 1e-5f);
            double scale = 1 / sqrt(variance + 1e-5);
            for (size_t j = 0; j < n; j++) {
                double want = (x[j] - mean) * scale * weight[j] + bias[j];
                double mean_error = ((double)n / 16 + 8) * CHECK_EPS * largest;
                double bound =
                    3 * mean_error * scale * fabs(weight[j]) +
                    ((double)n / 16 + 16) * CHECK_EPS * (fabs(want - bias[j]) + fabs(want));
                assert_true(fabs(y[j] - want) <= bound + 1e-12);
            }
            memcpy(again, x, n * 4);
            isas[i].kern.layernorm(again, again, weight, bias, n, 1e-5f);
            assert_true(check_same_bits(again, y, n));
            check_guarded_free(&gx);
            check_guarded_free(&gy);
        }
    }
}

/* Exact operations: one rounding each, so the bits are known. Elementwise ones must not depend on
 * where in the row a number stands. */
static void exact_rows(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = own_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 22, 1);
    float a[130], b[130], c[130], want[260], x[260];
    for (size_t i = 0; i < n_isas; i++) {
        const ph_kern *kern = &isas[i].kern;
        for (size_t n = 0; n <= 130; n++) {
            check_guarded g;
            float *y = check_guarded_new(&g, 2 * n * 4, 4 * (n % 7));
            for (size_t j = 0; j < n; j++) {
                a[j] = n % 4 == 1 ? check_hostile(&rng) : check_random(&rng);
                b[j] = n % 4 == 1 ? check_hostile(&rng) : check_random(&rng);
                c[j] = check_random(&rng);
                want[j] = (a[j] + b[j]) + c[j];
            }
            kern->add3(y, a, b, c, n);
            assert_true(check_same_bits(y, want, n));
            for (size_t j = 0; j < n; j++) {
                x[j] = a[j];
                x[n + j] = b[j];
                want[j] = a[j] * c[j] - b[j] * want[j];
            }
            memcpy(y, x, 2 * n * 4);
            for (size_t j = 0; j < n; j++) {
                float s = (a[j] + b[j]) + c[j];
                want[n + j] = b[j] * c[j] + a[j] * s;
                x[j] = s;
            }
            kern->rope(y, c, x, n);
            assert_true(check_same_bits(y, want, 2 * n));
            kern->gelu_erf(y, a, n);
            for (size_t j = 0; j < n; j++) {
                float alone;
                kern->gelu_erf(&alone, &a[j], 1);
                assert_true(check_same_bits(&y[j], &alone, 1));
            }
            kern->gelu(y, a, n);
            for (size_t j = 0; j < n; j++) {
                float alone;
                kern->gelu(&alone, &a[j], 1);
                assert_true(check_same_bits(&y[j], &alone, 1));
            }
            check_guarded_free(&g);
        }
    }
}

/* The drivers of kern/rows.h, in sizes above and below where they use the threads. */
static void drivers(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = own_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 23, 1);
    enum { M = 9, N = 2560, HALF = 16, HEAD = 80 };
    size_t count = (size_t)M * N;
    float *x = malloc(count * 4), *y = malloc(count * 4), *z = malloc(count * 4);
    float *w = malloc(count * 4);
    float angle_cos[12 * HALF], angle_sin[12 * HALF];
    assert_true(x && y && z && w);
    check_fill(&rng, x, count);
    check_fill(&rng, w, count);
    check_fill(&rng, angle_cos, 12 * HALF);
    check_fill(&rng, angle_sin, 12 * HALF);
    const int32_t pos[M] = {3, 4, 5, 11, 0, 1, 7, 7, 2};
    for (size_t i = 0; i < n_isas; i++) {
        const ph_kern *kern = &isas[i].kern;
        for (int n_threads = 1; n_threads <= 3; n_threads++) {
            ph_pool *pool;
            ph_work work;
            assert_int_equal(ph_pool_new(&pool, n_threads, NULL), PHIAL_OK);
            assert_int_equal(ph_work_open(&work, kern, pool, NULL), PHIAL_OK);
            for (size_t m = 1; m <= M; m += 4) {
                ph_layernorm(&work, y, N, x, N, w, w + N, m, N, 1e-5f);
                for (size_t r = 0; r < m; r++) {
                    kern->layernorm(z, x + r * N, w, w + N, N, 1e-5f);
                    assert_true(check_same_bits(y + r * N, z, N));
                }
                kern->gelu(z, y, m * N);
                ph_gelu(&work, y, N, m, N);
                assert_true(check_same_bits(y, z, m * N));
                kern->add3(z, y, x, w, m * N);
                ph_residual(&work, y, y, x, w, m * N);
                assert_true(check_same_bits(y, z, m * N));
                memcpy(z, y, m * N * 4);
                for (size_t r = 0; r < m; r++) {
                    for (size_t h = 0; h < N / HEAD; h++) {
                        kern->rope(z + r * N + h * HEAD, angle_cos + pos[r] * HALF,
                                   angle_sin + pos[r] * HALF, HALF);
                    }
                }
                ph_rope(&work, y, N, m, N / HEAD, HEAD, 2 * HALF, angle_cos, angle_sin, pos);
                assert_true(check_same_bits(y, z, m * N));
                static const int32_t ids[M] = {8, 0, 3, 3, 1, 2, 7, 6, 5};
                ph_rows_get(&work, y, N, x, PH_DTYPE_F32, ids, m, N);
                for (size_t r = 0; r < m; r++) {
                    assert_true(check_same_bits(y + r * N, x + ids[r] * N, N));
                }
            }
            ph_work_close(&work);
            ph_pool_free(pool);
        }
    }
    free(x);
    free(y);
    free(z);
    free(w);
}

const struct CMUnitTest check_row_tests[] = {cmocka_unit_test(gelu_is_accurate),
                                             cmocka_unit_test(gelu_erf_is_accurate),
                                             cmocka_unit_test(attn_full_is_right),
                                             cmocka_unit_test(softmax_is_accurate),
                                             cmocka_unit_test(layernorm_is_accurate),
                                             cmocka_unit_test(exact_rows),
                                             cmocka_unit_test(drivers)};
const size_t check_n_row_tests = sizeof check_row_tests / sizeof check_row_tests[0];
