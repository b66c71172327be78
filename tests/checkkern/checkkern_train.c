/* The kernels of training against double precision: tiles at every edge, products with every
 * operand transposed on any number of threads, and the row operations. */
#include "checkkern.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kern/sgemm.h"

static float *numbers(ph_rng *rng, size_t n)
{
    float *x = malloc((n + 1) * sizeof *x);
    assert_non_null(x);
    check_fill(rng, x, n);
    return x;
}

/* --- tiles ---------------------------------------------------------------------------------- */

typedef enum operand_form { A_COLUMNS, A_PANELS, A_ROWS } operand_form;

/* a(p, i) of each form */
static double operand(const ph_kern *kern, const ph_gemm_tile *t, operand_form form, size_t p,
                      size_t i)
{
    size_t w = kern->gemm_n;
    return form == A_PANELS ? t->a[p / w * t->panel + i * w + p % w]
           : form == A_ROWS ? t->a[i * t->panel + p]
                            : t->a[p * kern->gemm_m + i];
}

static void check_tile(const ph_kern *kern, ph_rng *rng, size_t m, size_t n, size_t k,
                       operand_form form)
{
    size_t ldc = kern->gemm_n + 3, ld_from = kern->gemm_n + 1, bytes = kern->gemm_m * ldc * 4;
    check_guarded guard;
    float *c = check_guarded_new(&guard, bytes, 4 * (k % 7));
    float *a = numbers(rng, 2 * kern->gemm_m * (k + kern->gemm_n));
    float *b = numbers(rng, kern->gemm_n * (k + 1));
    float *bias = numbers(rng, kern->gemm_n), *from = numbers(rng, kern->gemm_m * ld_from);
    unsigned char before[PH_GEMM_M_MAX * (PH_GEMM_N_MAX + 3) * 4];
    assert_true(kern->gemm_m <= PH_GEMM_M_MAX && kern->gemm_n <= PH_GEMM_N_MAX);
    memcpy(before, c, bytes);
    ph_gemm_tile t = {.c = c,
                      .a = a,
                      .b = b,
                      .bias = k % 2 == 0 ? bias : NULL,
                      .from = k % 3 == 0 ? from : NULL,
                      .ldc = ldc,
                      .ld_from = ld_from,
                      .panel = form == A_ROWS ? k + 5 : (kern->gemm_m + 1) * kern->gemm_n,
                      .m = m,
                      .n = n,
                      .k = k};
    (form == A_PANELS ? kern->gemm_panels : form == A_ROWS ? kern->gemm_rows : kern->gemm)(&t);
    for (size_t i = 0; i < kern->gemm_m; i++) {
        for (size_t j = 0; j < ldc; j++) {
            if (i >= m || j >= n) {
                assert_memory_equal(&c[i * ldc + j], before + (i * ldc + j) * 4, 4);
                continue;
            }
            double want = (t.bias ? (double)bias[j] : 0) + (t.from ? from[i * ld_from + j] : 0);
            double size = fabs(want) + 2;
            for (size_t p = 0; p < k; p++) {
                double product = operand(kern, &t, form, p, i) * (double)b[p * kern->gemm_n + j];
                want += product;
                size += fabs(product);
            }
            assert_true(fabs((double)c[i * ldc + j] - want) <= ((double)k + 4) * CHECK_EPS * size);
        }
    }
    free(a);
    free(b);
    free(bias);
    free(from);
    check_guarded_free(&guard);
}

static void tiles_are_accurate(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = check_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 31, 0);
    for (size_t i = 0; i < n_isas; i++) {
        const ph_kern *kern = &isas[i].kern;
        for (size_t m = 1; m <= kern->gemm_m; m++) {
            for (size_t n = 1; n <= kern->gemm_n; n++) {
                check_tile(kern, &rng, m, n, (m * 7 + n) % 40, A_COLUMNS);
                check_tile(kern, &rng, m, n, (m * 7 + n) % 40, A_ROWS);
                check_tile(kern, &rng, m, n, (m + n) % 3 * kern->gemm_n, A_PANELS);
            }
        }
        for (size_t k = 0; k <= 260; k++) {
            check_tile(kern, &rng, kern->gemm_m, kern->gemm_n, k, A_COLUMNS);
            check_tile(kern, &rng, kern->gemm_m, kern->gemm_n, k, A_ROWS);
        }
    }
}

/* --- tiles of bf16 pairs ---------------------------------------------------------------------- */

static float normal(float f)
{
    return fabsf(f) < 0x1p-126f ? copysignf(0.0f, f) : f;
}

static uint16_t half_of(const float *pairs, size_t i, size_t odd)
{
    uint32_t u = check_bits(pairs[i]);
    return (uint16_t)(odd ? u >> 16 : u);
}

/* To the bit, beside the definition in kern/kern.h. */
static void check_bf16_tile(const ph_kern *kern, ph_rng *rng, size_t m, size_t n, size_t k)
{
    size_t ldc = kern->gemm_n + 3, ld_from = kern->gemm_n + 1, bytes = kern->gemm_m * ldc * 4;
    size_t n_a = 2 * kern->gemm_m * k, n_b = 2 * kern->gemm_n * k;
    check_guarded guard;
    float *c = check_guarded_new(&guard, bytes, 4 * (k % 7));
    float *numbers_a = numbers(rng, n_a), *numbers_b = numbers(rng, n_b);
    float *a = numbers(rng, n_a / 2), *b = numbers(rng, n_b / 2);
    float *bias = numbers(rng, kern->gemm_n), *from = numbers(rng, kern->gemm_m * ld_from);
    unsigned char before[PH_GEMM_M_MAX * (PH_GEMM_N_MAX + 3) * 4];
    for (size_t i = 0; k > 0 && i < 3; i++) { /* products below the normal numbers, and such */
        numbers_a[ph_rng_below(rng, n_a)] = 0x1.2p-70f;
        numbers_b[ph_rng_below(rng, n_b)] = 0x1.4p-60f;
        numbers_a[ph_rng_below(rng, n_a)] = 0x1p-128f;
    }
    ph_quant_find(PH_DTYPE_BF16)->quantize(a, numbers_a, n_a);
    ph_quant_find(PH_DTYPE_BF16)->quantize(b, numbers_b, n_b);
    memcpy(before, c, bytes);
    ph_gemm_tile t = {.c = c,
                      .a = a,
                      .b = b,
                      .bias = k % 2 == 0 ? bias : NULL,
                      .from = k % 3 == 0 ? from : NULL,
                      .ldc = ldc,
                      .ld_from = ld_from,
                      .m = m,
                      .n = n,
                      .k = k};
    kern->gemm_bf16(&t);
    for (size_t i = 0; i < kern->gemm_m; i++) {
        for (size_t j = 0; j < ldc; j++) {
            if (i >= m || j >= n) {
                assert_memory_equal(&c[i * ldc + j], before + (i * ldc + j) * 4, 4);
                continue;
            }
            float want = 0;
            for (size_t p = 0; p < 2 * k; p++) {
                size_t pair = p / 2, odd = p % 2 == 0; /* the odd one first */
                float x = ph_bf16_to_f32(half_of(a, pair * kern->gemm_m + i, odd));
                float y = ph_bf16_to_f32(half_of(b, pair * kern->gemm_n + j, odd));
                want = normal(fmaf(normal(x), normal(y), want));
            }
            want = t.bias ? want + bias[j] : want;
            want = t.from ? want + from[i * ld_from + j] : want;
            assert_true(check_same_bits(&c[i * ldc + j], &want, 1));
        }
    }
    free(numbers_a);
    free(numbers_b);
    free(a);
    free(b);
    free(bias);
    free(from);
    check_guarded_free(&guard);
}

static void check_bf16_cols(const ph_kern *kern, ph_rng *rng, size_t n, size_t k, size_t w)
{
    size_t ld = n + 3, half = (k + 1) / 2, n_panels = (n + w - 1) / w;
    check_guarded guard;
    float *dst = check_guarded_new(&guard, n_panels * w * half * 4, 4 * (n % 5));
    float *src = malloc((k * ld + 1) * sizeof *src);
    assert_non_null(src);
    for (size_t i = 0; i < k * ld; i++) {
        src[i] = i % 5 == 0 ? check_hostile(rng) : check_random(rng);
    }
    kern->gemm_bf16_cols(dst, src, ld, n, k, w);
    for (size_t j = 0; j < n_panels * w; j++) {
        for (size_t p = 0; p < 2 * half; p++) {
            float x = j < n && p < k ? normal(src[p * ld + j]) : 0.0f;
            float want = ph_bf16_to_f32(ph_bf16_from_f32(x));
            float got = ph_bf16_to_f32(half_of(dst, j / w * w * half + p / 2 * w + j % w, p % 2));
            assert_true(check_same_bits(&got, &want, 1));
        }
    }
    free(src);
    check_guarded_free(&guard);
}

static void bf16_tiles_are_as_promised(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = check_isas_by(isas, offsetof(ph_kern, gemm_bf16), offsetof(ph_kern, gelu_grad));
    size_t n_checked = 0;
    ph_rng rng;
    ph_rng_seed(&rng, 35, 0);
    for (size_t i = 0; i < n_isas; i++) {
        const ph_kern *kern = &isas[i].kern;
        assert_true((kern->gemm_bf16 == NULL) == (kern->gemm_bf16_cols == NULL));
        if (kern->gemm_bf16 == NULL) {
            continue;
        }
        n_checked++;
        for (size_t m = 1; m <= kern->gemm_m; m++) {
            for (size_t n = 1; n <= kern->gemm_n; n++) {
                check_bf16_tile(kern, &rng, m, n, (m * 7 + n) % 20);
            }
        }
        for (size_t k = 0; k <= 130; k++) {
            check_bf16_tile(kern, &rng, kern->gemm_m, kern->gemm_n, k);
            check_bf16_cols(kern, &rng, k, (k * 7) % 34, kern->gemm_m);
            check_bf16_cols(kern, &rng, k, (k * 5) % 33, kern->gemm_n);
        }
    }
    if (n_checked == 0) {
        skip();
    }
}

/* --- products ------------------------------------------------------------------------------- */

typedef struct product {
    ph_sgemm g;
    float *a, *b, *bias, *from, *sums, *c; /* owned */
    size_t n_after;                        /* numbers of C that `after` saw */
} product;

static void count_after(void *user, size_t row, size_t n_rows, size_t col, size_t n_cols)
{
    product *p = user;
    assert_true(row + n_rows <= p->g.m && col + n_cols <= p->g.n);
    __atomic_fetch_add(&p->n_after, n_rows * n_cols, __ATOMIC_RELAXED);
}

static void halve(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = 0.5f * x[i];
    }
}

static product product_new(ph_rng *rng, size_t m, size_t n, size_t k, int kind)
{
    bool a_t = (kind & 1) != 0, b_t = (kind & 2) != 0;
    product p = {.a = numbers(rng, m * k + 5 * (m + k)),
                 .b = numbers(rng, n * k + 3 * (n + k)),
                 .bias = numbers(rng, n),
                 .from = numbers(rng, m * n),
                 .sums = numbers(rng, m),
                 .c = numbers(rng, m * (n + 2))};
    p.g = (ph_sgemm){.a = p.a,
                     .b = p.b,
                     .c = p.c,
                     .m = m,
                     .n = n,
                     .k = k,
                     .lda = a_t ? m + 5 : k + 5,
                     .ldb = b_t ? k + 3 : n + 3,
                     .ldc = n + 2,
                     .a_t = a_t,
                     .b_t = b_t,
                     .bias = kind % 3 == 0 ? p.bias : NULL,
                     .from = kind % 3 == 1 ? p.from : NULL,
                     .ld_from = n,
                     .a_map = a_t || kind < 4 ? NULL : halve,
                     .after = count_after};
    return p;
}

static void product_free(product *p)
{
    free(p->a);
    free(p->b);
    free(p->bias);
    free(p->from);
    free(p->sums);
    free(p->c);
}

static float element(const ph_sgemm *g, bool of_a, size_t row, size_t depth)
{
    float x = of_a ? g->a[g->a_t ? depth * g->lda + row : row * g->lda + depth]
                   : g->b[g->b_t ? row * g->ldb + depth : depth * g->ldb + row];
    return of_a && g->a_map != NULL ? 0.5f * x : x;
}

static double rounded(bool bf16, float x)
{
    if (bf16) {
        ph_round_bf16(&x, 1);
    }
    return x;
}

static void check_product(const product *p, bool bf16, const float *sums_before)
{
    const ph_sgemm *g = &p->g;
    for (size_t i = 0; i < g->m; i++) {
        double sum = sums_before[i], sum_size = fabs(sum);
        for (size_t d = 0; g->a_t && d < g->k; d++) {
            sum += element(g, true, i, d);
            sum_size += fabs((double)element(g, true, i, d));
        }
        if (g->a_t) {
            assert_true(fabs(p->sums[i] - sum) <= ((double)g->k + 4) * CHECK_EPS * (sum_size + 1));
        }
        for (size_t j = 0; j < g->n; j++) {
            double want = g->bias ? (double)g->bias[j] : 0;
            want += g->from ? (double)g->from[i * g->ld_from + j] : 0;
            double size = fabs(want) + 2;
            for (size_t d = 0; d < g->k; d++) {
                double x =
                    rounded(bf16, element(g, true, i, d)) * rounded(bf16, element(g, false, j, d));
                want += x;
                size += fabs(x);
            }
            assert_true(fabs(p->c[i * g->ldc + j] - want) <= ((double)g->k + 6) * CHECK_EPS * size);
        }
    }
    assert_int_equal(p->n_after, g->m * g->n);
}

static void run_product(const ph_kern *kern, ph_rng *rng, size_t m, size_t n, size_t k, int kind,
                        bool bf16)
{
    product p = product_new(rng, m, n, k, kind);
    size_t floats = m * (n + 2);
    float *first = malloc(floats * sizeof *first), *sums = malloc((m + 1) * 2 * sizeof *sums);
    assert_non_null(first);
    assert_non_null(sums);
    memcpy(sums, p.sums, m * sizeof *sums);
    p.g.user = &p;
    p.g.a_sums = p.g.a_t ? p.sums : NULL;
    for (int threads = 1; threads <= 3; threads++) {
        ph_pool *pool;
        ph_gemm_room room;
        assert_int_equal(ph_pool_new(&pool, threads, NULL), PHIAL_OK);
        assert_int_equal(ph_gemm_room_open(&room, kern, pool, bf16, 100, NULL), PHIAL_OK);
        memcpy(p.sums, sums, m * sizeof *sums);
        p.n_after = 0;
        ph_sgemm_run(&room, &p.g);
        if (threads == 1) {
            check_product(&p, bf16, sums);
            memcpy(first, p.c, floats * sizeof *first);
            memcpy(sums + m, p.sums, m * sizeof *sums);
        }
        assert_memory_equal(first, p.c, floats * sizeof *first);
        assert_memory_equal(sums + m, p.sums, m * sizeof *sums);
        ph_gemm_room_close(&room);
        ph_pool_free(pool);
    }
    free(first);
    free(sums);
    product_free(&p);
}

static void products_are_accurate(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {{1, 1, 1},    {5, 3, 0},    {7, 130, 257}, {97, 33, 20},
                                       {100, 1, 64}, {1, 65, 300}, {193, 50, 513}};
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = check_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 32, 0);
    for (size_t i = 0; i < n_isas; i++) {
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            for (int kind = 0; kind < 12; kind++) {
                run_product(&isas[i].kern, &rng, shapes[s][0], shapes[s][1], shapes[s][2], kind % 6,
                            kind >= 6);
            }
        }
    }
}

/* Wider than the room: cut along n, and packed in several ranges of the depth; the same bits as in
 * a room that holds it all. */
static void check_narrow_rooms(bool bf16)
{
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = check_isas(isas), m = 19, n = 200, k = 1100;
    ph_rng rng;
    ph_rng_seed(&rng, 33, 0);
    ph_pool *pool;
    assert_int_equal(ph_pool_new(&pool, 2, NULL), PHIAL_OK);
    for (size_t i = 0; i < n_isas; i++) {
        product p = product_new(&rng, m, n, k, 1);
        float *first = malloc(m * (n + 2) * sizeof *first);
        assert_non_null(first);
        p.g.user = &p;
        ph_gemm_room room;
        assert_int_equal(ph_gemm_room_open(&room, &isas[i].kern, pool, bf16, 200, NULL), PHIAL_OK);
        ph_sgemm_run(&room, &p.g);
        memcpy(first, p.c, m * (n + 2) * sizeof *first);
        /* Room for 64 columns, then for 200 columns of two blocks of the depth. */
        static const size_t floats[] = {64 * PH_GEMM_DEPTH, 224 * 2 * PH_GEMM_DEPTH};
        for (size_t f = 0; f < 2; f++) {
            room.b_floats = floats[f];
            p.n_after = 0;
            ph_sgemm_run(&room, &p.g);
            assert_int_equal(p.n_after, m * n);
            assert_memory_equal(first, p.c, m * (n + 2) * sizeof *first);
        }
        ph_gemm_room_close(&room);
        free(first);
        product_free(&p);
    }
    ph_pool_free(pool);
}

static void narrow_rooms_change_nothing(void **state)
{
    (void)state;
    check_narrow_rooms(false);
    check_narrow_rooms(true);
}

static void bf16_rounds_to_even(void **state)
{
    (void)state;
    ph_rng rng;
    ph_rng_seed(&rng, 34, 0);
    for (size_t n = 0; n <= 70; n++) {
        float x[70], want[70];
        for (size_t i = 0; i < n; i++) {
            uint32_t u = (uint32_t)ph_rng_u64(&rng);
            u = i % 4 == 0 ? (u & 0xffff0000u) | 0x8000u : u; /* ties */
            memcpy(&x[i], &u, 4);
            x[i] = i % 7 == 0 ? check_hostile(&rng) : x[i];
            uint16_t h;
            ph_quant_find(PH_DTYPE_BF16)->quantize(&h, &x[i], 1);
            ph_quant_find(PH_DTYPE_BF16)->dequantize(&want[i], &h, 1);
        }
        ph_round_bf16(x, n);
        assert_true(check_same_bits(x, want, n));
    }
}

/* Additions alone, in one order: the same bits everywhere. */
static void row_sums_are_as_promised(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = check_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 36, 0);
    for (size_t n = 0; n <= 230; n++) {
        size_t k = (n * 5) % 37, ld = n + n % 3;
        float *src = numbers(&rng, k * ld), *before = numbers(&rng, n);
        for (size_t i = 0; i < n_isas; i++) {
            check_guarded guard;
            float *sums = check_guarded_new(&guard, n * 4, 4 * (n % 5));
            memcpy(sums, before, n * 4);
            isas[i].kern.add_rows(sums, src, ld, n, k);
            for (size_t j = 0; j < n; j++) {
                float want = 0;
                for (size_t p = 0; p < k; p++) {
                    want += src[p * ld + j];
                }
                want = before[j] + want;
                assert_true(check_same_bits(&sums[j], &want, 1));
            }
            check_guarded_free(&guard);
        }
        free(src);
        free(before);
    }
}

static void columns_become_rows(void **state)
{
    (void)state;
    ph_rng rng;
    ph_rng_seed(&rng, 37, 0);
    for (size_t n = 0; n <= 20; n++) {
        for (size_t d = 0; d <= 20; d++) {
            size_t ld = d + 1, ld_src = n + 3;
            float *src = numbers(&rng, d * ld_src), *dst = numbers(&rng, n * ld);
            float *before = numbers(&rng, n * ld);
            for (int add = 0; add < 2; add++) {
                memcpy(dst, before, n * ld * 4);
                ph_scatter_cols(dst, ld, src, ld_src, n, d, add != 0);
                for (size_t i = 0; i < n * ld; i++) {
                    float x = i % ld < d ? src[i % ld * ld_src + i / ld] : 0.0f;
                    float want = i % ld == d ? before[i] : add ? before[i] + x : x;
                    assert_true(check_same_bits(&dst[i], &want, 1));
                }
            }
            free(src);
            free(dst);
            free(before);
        }
    }
}

/* --- rows ----------------------------------------------------------------------------------- */

static void gelu_grad_is_accurate(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = check_isas(isas);
    for (size_t i = 0; i < n_isas; i++) {
        double worst = 0;
        for (size_t n = 0; n <= 4000; n = n < 70 ? n + 1 : n + 997) {
            check_guarded gd, gx;
            float *d = check_guarded_new(&gd, n * 4, 4 * (n % 5));
            float *x = check_guarded_new(&gx, n * 4, 4 * (n % 3));
            for (size_t j = 0; j < n; j++) {
                x[j] = (float)(-12 + 24.0 * (double)(j + 1) / (double)(n + 1));
                d[j] = j % 2 ? 3.0f : -0.25f;
            }
            isas[i].kern.gelu_grad(d, x, n);
            for (size_t j = 0; j < n; j++) {
                double v = (float)(-12 + 24.0 * (double)(j + 1) / (double)(n + 1));
                double u = 0.79788456080286535588 * (v + 0.044715 * v * v * v);
                double du = 0.79788456080286535588 * (1 + 0.134145 * v * v);
                double s = 1 / (1 + exp(-2 * u)), slope = s + 2 * v * s * (1 - s) * du;
                double g = j % 2 ? 3.0 : -0.25;
                assert_true(fabs(x[j] - v * s) <= 4 * CHECK_EPS * fabs(v));
                worst = fmax(worst, fabs(d[j] / g - slope));
            }
            check_guarded_free(&gd);
            check_guarded_free(&gx);
        }
        print_message("%s: slope of gelu off by at most %.1f eps\n", isas[i].label,
                      worst / CHECK_EPS);
        assert_true(worst <= 64 * CHECK_EPS);
    }
}

static void layernorm_grad_is_accurate(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = check_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 35, 0);
    for (size_t i = 0; i < n_isas; i++) {
        for (size_t n = 2; n <= 700; n = n < 130 ? n + 1 : n + 285) {
            float *x = numbers(&rng, n), *dy = numbers(&rng, n), *weight = numbers(&rng, n);
            float *old = numbers(&rng, 3 * n);
            check_guarded guards[3];
            float *out[3];
            for (size_t k = 0; k < 3; k++) {
                out[k] = check_guarded_new(&guards[k], n * 4, 4 * k);
                memcpy(out[k], old + k * n, n * 4);
            }
            ph_layernorm_grad g = {out[0], out[1], out[2], dy, x, weight, n, 1e-5f};
            isas[i].kern.layernorm_grad(&g);
            double mean = 0, var = 0, sum = 0, more = 0, d = (double)n;
            for (size_t j = 0; j < n; j++) {
                mean += x[j] / d;
            }
            for (size_t j = 0; j < n; j++) {
                var += (x[j] - mean) * (x[j] - mean) / d;
            }
            double scale = 1 / sqrt(var + (double)1e-5f);
            for (size_t j = 0; j < n; j++) {
                sum += (double)dy[j] * weight[j] / d;
                more += (double)dy[j] * weight[j] * (x[j] - mean) * scale / d;
            }
            double bound = (40 + d / 8) * CHECK_EPS * 16 * fmax(scale, 1) * fmax(scale, 1);
            for (size_t j = 0; j < n; j++) {
                double unit = (x[j] - mean) * scale;
                double dx = ((double)dy[j] * weight[j] - sum - unit * more) * scale;
                assert_true(fabs(out[0][j] - (old[j] + dx)) <= bound);
                assert_true(fabs(out[1][j] - (old[n + j] + dy[j] * unit)) <= bound);
                assert_true(out[2][j] == old[2 * n + j] + dy[j]);
            }
            for (size_t k = 0; k < 3; k++) {
                check_guarded_free(&guards[k]);
            }
            free(x);
            free(dy);
            free(weight);
            free(old);
        }
    }
}

static void softmax_lse_is_accurate(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = check_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 36, 0);
    for (size_t i = 0; i < n_isas; i++) {
        for (size_t n = 1; n <= 5000; n = n < 130 ? n + 1 : n + 1621) {
            check_guarded guard;
            float *x = check_guarded_new(&guard, n * 4, 4 * (n % 4)), *was = numbers(&rng, n);
            double sum = 0;
            for (size_t j = 0; j < n; j++) {
                was[j] *= n % 2 ? 2 : 40;
                sum += exp((double)was[j]);
            }
            memcpy(x, was, n * 4);
            double lse = isas[i].kern.softmax_lse(x, n, 0.5f);
            double bound = (300 + (double)n / 8) * CHECK_EPS;
            assert_true(fabs(lse - log(sum)) <= bound);
            for (size_t j = 0; j < n; j++) {
                double p = 0.5 * exp((double)was[j]) / sum;
                assert_true(fabs(x[j] - p) <= bound * p + 1e-40);
            }
            free(was);
            check_guarded_free(&guard);
        }
    }
}

/* Two blocks of keys forwards, then backwards from the log-sum-exp, beside double precision. */
static void attention_rows_are_accurate(void **state)
{
    (void)state;
    enum { ROWS = 3, KEYS = 256 };
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = check_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 37, 0);
    for (size_t i = 0; i < n_isas; i++) {
        const ph_kern *kern = &isas[i].kern;
        size_t w = kern->gemm_n, panel = ROWS * w;
        for (size_t n = 1; n <= 130; n++) {
            size_t padded = (n + w - 1) / w * w;
            float *s = numbers(&rng, ROWS * (KEYS + w)), *ds = numbers(&rng, ROWS * (KEYS + w));
            float *was = numbers(&rng, n), *was_ds = numbers(&rng, n);
            float max = 0.25f, sum = 1.5f, lse, delta = 0.3f;
            for (size_t j = 0; j < n; j++) {
                was[j] *= 20;
                s[j / w * panel + w + j % w] = was[j]; /* row 1 */
                ds[j / w * panel + w + j % w] = was_ds[j];
            }
            ph_score_row row = {s + w, ds + w, &max, &sum, panel, n, padded, 0.125f};
            float factor = kern->attn_probs(&row);
            double top = 0.25, total = 0;
            for (size_t j = 0; j < n; j++) {
                top = fmax(top, was[j] * 0.125);
            }
            for (size_t j = 0; j < n; j++) {
                total += exp(was[j] * 0.125 - top);
            }
            double f = exp(0.25 - top), bound = (64 + (double)n) * CHECK_EPS;
            assert_true(fabs(factor - f) <= bound && fabs(max - top) <= bound);
            assert_true(fabs(sum - (1.5 * f + total)) <= bound * (1.5 * f + total));
            for (size_t j = 0; j < padded; j++) {
                double want = j < n ? exp(was[j] * 0.125 - top) : 0;
                float *at = &s[j / w * panel + w + j % w];
                assert_true(fabs(*at - want) <= bound * want);
                *at = j < n ? was[j] : NAN;
            }
            lse = (float)(top + log(total));
            row.max = &lse;
            row.sum = &delta;
            kern->attn_grad(&row);
            for (size_t j = 0; j < padded; j++) {
                double p = j < n ? exp(was[j] * 0.125 - lse) : 0;
                double d = j < n ? p * (was_ds[j] - (double)0.3f) * 0.125 : 0;
                size_t at = j / w * panel + w + j % w;
                assert_true(fabs(s[at] - p) <= bound * p);
                assert_true(fabs(ds[at] - d) <= bound * p);
            }
            free(s);
            free(ds);
            free(was);
            free(was_ds);
        }
    }
}

const struct CMUnitTest check_train_tests[] = {
    cmocka_unit_test(tiles_are_accurate),          cmocka_unit_test(products_are_accurate),
    cmocka_unit_test(bf16_tiles_are_as_promised),  cmocka_unit_test(narrow_rooms_change_nothing),
    cmocka_unit_test(bf16_rounds_to_even),         cmocka_unit_test(row_sums_are_as_promised),
    cmocka_unit_test(columns_become_rows),         cmocka_unit_test(gelu_grad_is_accurate),
    cmocka_unit_test(layernorm_grad_is_accurate),  cmocka_unit_test(softmax_lse_is_accurate),
    cmocka_unit_test(attention_rows_are_accurate),
};
const size_t check_n_train_tests = sizeof check_train_tests / sizeof check_train_tests[0];
