/* Fast arithmetic: whole numbers against dequantized ones, rounded activations, and products bit
 * for bit against the definition of kern/fast.h, for any number of rows and threads. */
#include "checkkern.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "kern/matmul.h"

#define ROWS 16

static void *get(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 127) / 64 * 64);
    assert_non_null(p);
    return p;
}

/* Quantized rows of random numbers, so that scales are ordinary; for half of them random bytes
 * behind that, so that every quantum and integer scale is seen. */
static void random_rows(ph_rng *rng, const ph_quant *quant, unsigned char *rows, size_t n_rows,
                        size_t k)
{
    size_t row_bytes = ph_dtype_row_bytes(quant->type, k);
    size_t block = ph_dtype_find(quant->type)->block, bytes = ph_dtype_find(quant->type)->bytes;
    float *x = get(k * 4);
    for (size_t r = 0; r < n_rows; r++) {
        check_fill(rng, x, k);
        quant->quantize(rows + r * row_bytes, x, k);
        for (size_t i = 0; r % 2 == 1 && i < row_bytes; i++) {
            unsigned char old = rows[r * row_bytes + i];
            rows[r * row_bytes + i] = (unsigned char)ph_rng_u64(rng);
            quant->dequantize(x, rows + r * row_bytes + i / bytes * bytes, block);
            for (size_t c = 0; c < block;
                 c++) { /* a changed f16 scale may be huge or not a number */
                if (!(fabsf(x[c]) < 1e4f)) {
                    rows[r * row_bytes + i] = old;
                    break;
                }
            }
        }
    }
    free(x);
}

typedef struct ints_room {
    _Alignas(64) int16_t w[ROWS * PH_FAST_DEPTH];
    int16_t min[ROWS * PH_FAST_SUBS];
    float d[PH_FAST_GROUPS * ROWS], dmin[PH_FAST_GROUPS * ROWS];
} ints_room;

static ph_ints ints_of(ints_room *room)
{
    return (ph_ints){room->w, room->min, room->d, room->dmin, ROWS};
}

/* d * w - dmin * min is what the format's own decoding gives, and every table takes rows apart
 * alike. */
static void splits(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = check_isas(isas), n_forms = 0;
    ph_rng rng;
    ph_rng_seed(&rng, 20, 1);
    static ints_room want, got;
    for (int q = 0; q < PH_N_QUANT; q++) {
        const ph_quant *quant = ph_quant_at((ph_quant_index)q);
        const ph_fast_form *form = ph_fast_form_of(quant->index);
        if (form == NULL) {
            continue;
        }
        n_forms++;
        for (size_t k = form->group; k <= PH_FAST_DEPTH; k += form->group) {
            size_t row_bytes = ph_dtype_row_bytes(quant->type, k);
            unsigned char *rows = (unsigned char *)get(ROWS * row_bytes + 1) + 1;
            random_rows(&rng, quant, rows, ROWS, k);
            memset(&want, 0, sizeof want);
            ph_ints ints = ints_of(&want);
            form->split(&ints, rows, row_bytes, ROWS, k);
            for (size_t r = 0; r < ROWS; r++) {
                float x[PH_FAST_DEPTH];
                quant->dequantize(x, rows + r * row_bytes, k);
                for (size_t c = 0; c < k; c++) {
                    size_t g = c / form->group;
                    double min = !form->has_min ? 0
                                 : form->group == PH_FAST_DEPTH
                                     ? want.min[r * PH_FAST_SUBS + c / PH_FAST_SUB]
                                     : 1;
                    int w = want.w[r * PH_FAST_DEPTH + c];
                    double a = (double)want.d[g * ROWS + r] * w;
                    double b = (double)want.dmin[g * ROWS + r] * min;
                    assert_true(abs(w) <= 4096 && min <= 63);
                    assert_true(fabs(a - b - (double)x[c]) <= 4 * CHECK_EPS * (fabs(a) + fabs(b)));
                }
            }
            for (size_t i = 0; i < n_isas; i++) {
                memset(&got, 0, sizeof got);
                ints = ints_of(&got);
                isas[i].kern.split[q](&ints, rows, row_bytes, ROWS, k);
                if (memcmp(&got, &want, sizeof got) != 0) {
                    fail_msg("%s takes %s apart otherwise, k %zu", isas[i].label,
                             ph_dtype_name(quant->type), k);
                }
            }
            free(rows - 1);
        }
    }
    assert_true(n_forms >= 12);
}

static void activations(void **state)
{
    (void)state;
    enum { N = 256 };
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = check_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 21, 1);
    static float x[N], scale[N / 32], want_scale[N / 32];
    static int16_t q[N], sums[N / 16], want_q[N], want_sums[N / 16];
    static int8_t q8[N];
    for (int round = 0; round < 200; round++) {
        for (size_t i = 0; i < N; i++) {
            bool rare = round % 4 == 3 && ph_rng_below(&rng, 50) == 0;
            x[i] = rare ? check_hostile(&rng)
                        : ldexpf(check_random(&rng), (int)ph_rng_below(&rng, 9) - 4 - round);
        }
        size_t group = round % 2 ? 32 : 256, n = round % 3 ? N : group; /* 8 groups or one */
        isas[0].kern.quantize_x(want_q, q8, want_scale, want_sums, x, n, group);
        for (size_t i = 0; i < n; i++) {
            float s = want_scale[i / group];
            float error = fabsf(x[i] - s * (float)want_q[i]);
            assert_true(want_q[i] >= -127 && want_q[i] <= 127 && q8[i] == want_q[i]);
            assert_true(!isfinite(s) || error <= s * 0.5001f || fabsf(x[i]) < 1e-30f);
            assert_true(isfinite(x[i]) || !isfinite(s));
        }
        for (size_t i = 0; i < n / 16; i++) {
            int sum = 0;
            for (size_t j = 0; j < 16; j++) {
                sum += want_q[16 * i + j];
            }
            assert_int_equal(want_sums[i], sum);
        }
        for (size_t i = 1; i < n_isas; i++) {
            memset(q8, 0, n);
            isas[i].kern.quantize_x(q, q8, scale, sums, x, n, group);
            assert_memory_equal(q, want_q, n * sizeof *q);
            for (size_t j = 0; j < n; j++) {
                assert_int_equal(q8[j], q[j]);
            }
            assert_memory_equal(sums, want_sums, n / 16 * sizeof *sums);
            assert_true(check_same_bits(scale, want_scale, n / group));
        }
    }
}

typedef struct problem {
    const ph_quant *quant;
    const ph_fast_form *form;
    size_t m, n, k, ldx, ldy, row_bytes;
    float *x, *bias, *want; /* want [m][n] */
    unsigned char *weight;  /* at an odd address */
} problem;

/* The definition, once more: one product. */
static float promised(const problem *p, const int16_t *q, const float *scale, const int16_t *sums,
                      size_t row)
{
    static ints_room room;
    float y = 0;
    for (size_t k0 = 0; k0 < p->k; k0 += PH_FAST_DEPTH) {
        size_t k = p->k - k0 < PH_FAST_DEPTH ? p->k - k0 : PH_FAST_DEPTH;
        ph_ints ints = ints_of(&room);
        p->form->split(&ints,
                       p->weight + row * p->row_bytes + ph_dtype_row_bytes(p->quant->type, k0),
                       p->row_bytes, 1, k);
        for (size_t g = 0; g < k / p->form->group; g++) {
            int64_t isum = 0, msum = 0;
            for (size_t c = g * p->form->group; c < (g + 1) * p->form->group; c++) {
                isum += (int64_t)room.w[c] * q[k0 + c];
            }
            assert_true(isum == (int32_t)isum);
            float dx = scale[k0 / p->form->group + g];
            y = fmaf((float)isum, room.d[g * ROWS] * dx, y);
            for (size_t b = 0; p->form->has_min && b < p->form->group / 16; b++) {
                int min = p->form->group == PH_FAST_DEPTH ? room.min[b] : 1;
                msum += sums[(k0 + g * p->form->group) / 16 + b] * min;
            }
            if (p->form->has_min) {
                y = fmaf(-(float)msum, room.dmin[g * ROWS] * dx, y);
            }
        }
    }
    return y + p->bias[row];
}

static void problem_new(problem *p, ph_rng *rng, const ph_quant *quant, size_t m, size_t n,
                        size_t k, bool hostile)
{
    *p = (problem){.quant = quant,
                   .form = ph_fast_form_of(quant->index),
                   .m = m,
                   .n = n,
                   .k = k,
                   .ldx = k + m % 3,
                   .ldy = n + n % 4,
                   .row_bytes = ph_dtype_row_bytes(quant->type, k)};
    p->x = get(m * p->ldx * 4);
    p->bias = get(n * 4);
    p->want = get(m * n * 4);
    p->weight = malloc(n * p->row_bytes + 1); /* to the byte, for AddressSanitizer */
    assert_non_null(p->weight);
    p->weight++;
    check_fill(rng, p->x, m * p->ldx);
    check_fill(rng, p->bias, n);
    for (size_t i = 0; hostile && i < 1 + m * k / 400; i++) {
        p->x[ph_rng_below(rng, m * k)] = check_hostile(rng);
    }
    random_rows(rng, quant, p->weight, n, k);
    int16_t *q = get(k * 2), *sums = get(k / 16 * 2);
    int8_t *q8 = get(k);
    float *scale = get(k / 32 * 4);
    ph_kern ref;
    assert_int_equal(ph_kern_init(&ref, "ref", NULL), PHIAL_OK);
    for (size_t i = 0; i < m; i++) {
        for (size_t k0 = 0; k0 < k; k0 += PH_FAST_DEPTH) {
            size_t step = k - k0 < PH_FAST_DEPTH ? k - k0 : PH_FAST_DEPTH;
            ref.quantize_x(q + k0, q8 + k0, scale + k0 / p->form->group, sums + k0 / 16,
                           p->x + i * p->ldx + k0, step, p->form->group);
        }
        for (size_t j = 0; j < n; j++) {
            p->want[i * n + j] = promised(p, q, scale, sums, j);
        }
    }
    free(q);
    free(q8);
    free(sums);
    free(scale);
}

static void problem_free(problem *p)
{
    free(p->x);
    free(p->bias);
    free(p->want);
    free(p->weight - 1);
}

/* Products of all rows, given in runs of the lengths in `split`, on three cuts of the weight. */
static void check_problem(const problem *p, const check_isa *isa, int n_threads,
                          const size_t *split)
{
    ph_pool *pool;
    ph_work work;
    assert_int_equal(ph_pool_new(&pool, n_threads, NULL), PHIAL_OK);
    assert_int_equal(ph_work_open(&work, &isa->kern, pool, NULL), PHIAL_OK);
    assert_int_equal(ph_work_make_fast(&work, p->m, p->k, NULL), PHIAL_OK);
    check_guarded g;
    float *y = check_guarded_new(&g, ((p->m - 1) * p->ldy + p->n) * 4, 4 * (p->k % 3));
    size_t cuts[4] = {0, p->n / 3, p->n / 2, p->n};
    for (size_t r = 0; r < p->m;) {
        ph_matmul jobs[3];
        size_t m = *split == 0 || *split > p->m - r ? p->m - r : *split++;
        for (size_t j = 0; j < 3; j++) {
            jobs[j] = (ph_matmul){.weight = p->weight + cuts[j] * p->row_bytes,
                                  .type = p->quant->type,
                                  .n = cuts[j + 1] - cuts[j],
                                  .bias = p->bias + cuts[j],
                                  .y = y + r * p->ldy + cuts[j],
                                  .ldy = p->ldy};
        }
        ph_matmul_run(&work, jobs, 3, p->x + r * p->ldx, p->ldx, m, p->k);
        r += m;
    }
    for (size_t i = 0; i < p->m; i++) {
        if (!check_same_bits(y + i * p->ldy, p->want + i * p->n, p->n)) {
            fail_msg("%s %s m %zu n %zu k %zu row %zu", isa->label, ph_dtype_name(p->quant->type),
                     p->m, p->n, p->k, i);
        }
        for (size_t j = p->n; j < p->ldy && i + 1 < p->m; j++) {
            assert_int_equal(check_bits(y[i * p->ldy + j]), 0xa5a5a5a5u);
        }
    }
    check_guarded_free(&g);
    ph_work_close(&work);
    ph_pool_free(pool);
}

static void products(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = check_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 22, 1);
    static const size_t ms[] = {1, 2, 5, 8, 9, 12, 25, 49}, ns[] = {1, 3, 4, 15, 16, 17, 33, 210};
    static const size_t splits_of[][4] = {{0}, {1, 0}, {9, 1, 8, 0}, {2, 24, 3, 0}};
    for (int q = 0; q < PH_N_QUANT; q++) {
        const ph_quant *quant = ph_quant_at((ph_quant_index)q);
        const ph_fast_form *form = ph_fast_form_of(quant->index);
        for (size_t c = 0; form != NULL && c < 24; c += CHECK_STEP(3)) {
            problem p;
            size_t k = form->group * (1 + ph_rng_below(&rng, form->group == 32 ? 20 : 4));
            problem_new(&p, &rng, quant, ms[(c + c / 8 * 3) % 8], ns[(c * 5 + c / 8) % 8], k,
                        c % 6 == 5);
            for (size_t i = 0; i < n_isas; i++) {
                check_problem(&p, &isas[i], 1 + (int)(c % 4), splits_of[c % 4]);
                check_problem(&p, &isas[i], 1 + (int)(c % 3), splits_of[(c + 1) % 4]);
            }
            problem_free(&p);
        }
    }
}

/* Every table's own products of few rows of x, at any place of a larger x, against the scalar ones,
 * for any number of weights: the last are computed twice where vectors are wider. */
static void few_rows(void **state)
{
    (void)state;
    enum { M = 11, LDY = 40 };
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = check_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 24, 1);
    for (int q = 0; q < PH_N_QUANT * 32; q += CHECK_STEP(5)) {
        const ph_quant *quant = ph_quant_at((ph_quant_index)(q / 32));
        const ph_fast_form *form = ph_fast_form_of(quant->index);
        if (form == NULL) {
            continue;
        }
        size_t n = 1 + (size_t)q % 32, m = 1 + ph_rng_below(&rng, PH_FAST_DOTS_MAX);
        size_t k = form->group * (1 + ph_rng_below(&rng, form->group == 32 ? 20 : 4));
        size_t steps = (k + PH_FAST_DEPTH - 1) / PH_FAST_DEPTH;
        float *x = get(k * 4), *scale = get(steps * M * PH_FAST_GROUPS * 4), bias[32];
        int16_t *x16 = get(steps * M * PH_FAST_DEPTH * 2),
                *sums = get(steps * M * PH_FAST_SUBS * 2);
        int8_t *x8 = get(steps * M * PH_FAST_DEPTH);
        for (size_t i = 0; i < M; i++) {
            check_fill(&rng, x, k);
            for (size_t k0 = 0; k0 < k; k0 += PH_FAST_DEPTH) {
                size_t at = k0 / PH_FAST_DEPTH * M + i;
                size_t step = k - k0 < PH_FAST_DEPTH ? k - k0 : PH_FAST_DEPTH;
                isas[0].kern.quantize_x(x16 + at * PH_FAST_DEPTH, x8 + at * PH_FAST_DEPTH,
                                        scale + at * PH_FAST_GROUPS, sums + at * PH_FAST_SUBS,
                                        x + k0, step, form->group);
            }
        }
        check_fill(&rng, bias, n);
        size_t row_bytes = ph_dtype_row_bytes(quant->type, k);
        check_guarded rows, got;
        unsigned char *w = check_guarded_new(&rows, n * row_bytes, 1);
        random_rows(&rng, quant, w, n, k);
        static float want[PH_FAST_DOTS_MAX * LDY];
        memset(want, 0xa5, sizeof want);
        ph_few few = {.y = want,
                      .ldy = LDY,
                      .x = {x16, x8, scale, sums, M},
                      .first = ph_rng_below(&rng, M - m + 1),
                      .m = m,
                      .w = w,
                      .row_bytes = row_bytes,
                      .step_bytes = ph_dtype_row_bytes(quant->type, PH_FAST_DEPTH),
                      .n = n,
                      .k = k,
                      .bias = q % 3 ? bias : NULL,
                      .group = form->group,
                      .has_min = form->has_min,
                      .split = form->split};
        isas[0].kern.few(&few);
        for (size_t i = 0; i < n_isas; i++) {
            ph_dots_fn dots = isas[i].kern.dots[quant->index];
            size_t most = isas[i].kern.dots_rows[quant->index];
            bool takes = dots != NULL && m <= (most != 0 ? most : PH_FAST_DOTS);
            few.split = isas[i].kern.split[quant->index];
            /* Without dots, with them, and with them as in a table that asks far. */
            for (int own = 0; own < 3; own++) {
                few.asks_far = own == 2;
                few.y = check_guarded_new(&got, sizeof want, 4);
                (own > 0 && takes ? dots : isas[i].kern.few)(&few);
                if (!check_same_bits(few.y, want, PH_FAST_DOTS_MAX * LDY)) {
                    fail_msg("%s %s m %zu n %zu k %zu", isas[i].label, ph_dtype_name(quant->type),
                             m, n, k);
                }
                check_guarded_free(&got);
            }
        }
        check_guarded_free(&rows);
        free(x);
        free(x16);
        free(x8);
        free(scale);
        free(sums);
    }
}

/* Formats without a fast form go on exactly beside the others in one call. */
static void mixed_formats(void **state)
{
    (void)state;
    enum { M = 10, K = 512, N = 40 };
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = check_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 23, 1);
    static float x[M * K], w[N * K], y[2][4][M * N];
    static const ph_dtype types[] = {PH_DTYPE_F16, PH_DTYPE_Q8_0, PH_DTYPE_F32, PH_DTYPE_Q6_K};
    static unsigned char rows[4][N * K * 4];
    check_fill(&rng, x, M * K);
    check_fill(&rng, w, N * K);
    for (size_t i = 0; i < n_isas; i++) {
        for (size_t m = 1; m <= M; m += M - 1) {
            for (int fast = 0; fast < 2; fast++) {
                ph_pool *pool;
                ph_work work;
                ph_matmul jobs[4];
                assert_int_equal(ph_pool_new(&pool, 2, NULL), PHIAL_OK);
                assert_int_equal(ph_work_open(&work, &isas[i].kern, pool, NULL), PHIAL_OK);
                if (fast) {
                    assert_int_equal(ph_work_make_fast(&work, M, K, NULL), PHIAL_OK);
                }
                for (size_t j = 0; j < 4; j++) {
                    ph_quant_find(types[j])->quantize(rows[j], w, N * K);
                    jobs[j] = (ph_matmul){
                        .weight = rows[j], .type = types[j], .n = N, .y = y[fast][j], .ldy = N};
                }
                ph_matmul_run(&work, jobs, 4, x, K, m, K);
                ph_work_close(&work);
                ph_pool_free(pool);
            }
            for (size_t j = 0; j < 4; j++) {
                bool same = memcmp(y[0][j], y[1][j], m * N * sizeof(float)) == 0;
                assert_int_equal(
                    same, j % 2 == 0 && isas[i].kern.bf16[ph_quant_find(types[j])->index] == NULL);
                double error = 0, size = 0;
                for (size_t e = 0; e < m * N; e++) {
                    error += pow((double)y[0][j][e] - (double)y[1][j][e], 2);
                    size += pow((double)y[0][j][e], 2);
                }
                assert_true(error <= 1e-4 * size); /* 1% */
            }
        }
    }
}

const struct CMUnitTest check_fast_tests[] = {
    cmocka_unit_test(splits), cmocka_unit_test(activations), cmocka_unit_test(products),
    cmocka_unit_test(few_rows), cmocka_unit_test(mixed_formats)};
const size_t check_n_fast_tests = sizeof check_fast_tests / sizeof check_fast_tests[0];
