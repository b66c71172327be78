/* Matrix products: the promised order of additions bit for bit, against double precision, and the
 * same bits for any number of rows and threads. */
#include "checkkern.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "kern/matmul.h"

static size_t own_isas(check_isa isas[CHECK_ISAS_MAX])
{
    return check_isas_by(isas, offsetof(ph_kern, quantize), offsetof(ph_kern, split));
}

/* The order of PH_DOT_BLOCK, written once more from its definition. */
static float promised(const float *x, const float *w, size_t k, bool fused)
{
    float total = 0;
    size_t at = 0;
    do {
        float lanes[16] = {0};
        size_t n = k - at < 512 ? k - at : 512;
        for (size_t i = 0; i < (n + 15) / 16 * 16; i++) {
            float a = i < n ? x[at + i] : 0.0f;
            float b = i < n ? w[at + i] : 0.0f;
            lanes[i % 16] = fused ? fmaf(a, b, lanes[i % 16]) : lanes[i % 16] + a * b;
        }
        for (int half = 8; half > 0; half /= 2) {
            for (int l = 0; l < half; l++) {
                lanes[l] = lanes[l] + lanes[l + half];
            }
        }
        total = at == 0 ? lanes[0] : total + lanes[0];
        at += n;
    } while (at < k);
    return total;
}

typedef struct problem {
    size_t m, n, k, ldx, ldy;
    ph_dtype type;
    float *x, *w, *bias, *want; /* w dequantized */
    unsigned char *weight;
} problem;

static void *get(size_t bytes)
{
    void *p = malloc(bytes + 64);
    assert_non_null(p);
    return p;
}

static void problem_new(problem *p, ph_rng *rng, ph_dtype type, size_t m, size_t n, size_t k,
                        bool hostile)
{
    const ph_quant *quant = ph_quant_find(type);
    size_t row_bytes = ph_dtype_row_bytes(type, k);
    *p = (problem){.m = m,
                   .n = n,
                   .k = k,
                   .ldx = k % 1024 == 0 ? k : k + m % 3,
                   .ldy = n + n % 4,
                   .type = type};
    p->x = get(m * p->ldx * 4);
    p->w = get(n * k * 4);
    p->bias = get(n * 4);
    p->want = get(m * n * 4);
    /* An odd byte offset for formats of bytes, the element's own alignment for the others. */
    p->weight = (unsigned char *)get(n * row_bytes + 64) + 2;
    check_fill(rng, p->x, m * p->ldx);
    check_fill(rng, p->w, n * k);
    check_fill(rng, p->bias, n);
    for (size_t i = 0; hostile && i < 1 + m * k / 40; i++) {
        p->x[ph_rng_below(rng, m * k)] = check_hostile(rng);
        p->w[ph_rng_below(rng, n * k)] = check_hostile(rng);
    }
    for (size_t r = 0; r < n; r++) {
        quant->quantize(p->weight + r * row_bytes, p->w + r * k, k);
        quant->dequantize(p->w + r * k, p->weight + r * row_bytes, k);
    }
}

static void problem_free(problem *p)
{
    free(p->x);
    free(p->w);
    free(p->bias);
    free(p->want);
    free(p->weight - 2);
}

static void run(const problem *p, const ph_kern *kern, int n_threads, float *y, bool bias)
{
    ph_pool *pool;
    ph_work work;
    assert_int_equal(ph_pool_new(&pool, n_threads, NULL), PHIAL_OK);
    assert_int_equal(ph_work_open(&work, kern, pool, NULL), PHIAL_OK);
    ph_matmul job = {.weight = p->weight,
                     .type = p->type,
                     .n = p->n,
                     .bias = bias ? p->bias : NULL,
                     .y = y,
                     .ldy = p->ldy};
    ph_matmul_run(&work, &job, 1, p->x, p->ldx, p->m, p->k);
    ph_work_close(&work);
    ph_pool_free(pool);
}

static void check_problem(const problem *p, const check_isa *isa, bool finite)
{
    bool fused = strcmp(isa->kern.isa, "ref") != 0;
    bool bias = p->k % 2 == 0;
    check_guarded g;
    float *y = check_guarded_new(&g, ((p->m - 1) * p->ldy + p->n) * 4, 4 * (p->k % 3));
    run(p, &isa->kern, 1 + (int)(p->k % 3), y, bias);
    for (size_t i = 0; i < p->m; i++) {
        for (size_t j = 0; j < p->n; j++) {
            const float *x = p->x + i * p->ldx;
            const float *w = p->w + j * p->k;
            float want = promised(x, w, p->k, fused);
            want = bias ? want + p->bias[j] : want;
            if (!check_same_bits(&y[i * p->ldy + j], &want, 1)) {
                fail_msg("%s %s m %zu n %zu k %zu at %zu,%zu", isa->label, ph_dtype_name(p->type),
                         p->m, p->n, p->k, i, j);
            }
            double sum = bias ? (double)p->bias[j] : 0, size = fabs(sum);
            for (size_t c = 0; c < p->k; c++) {
                sum += (double)x[c] * (double)w[c];
                size += fabs((double)x[c] * (double)w[c]);
            }
            /* Roundings on the way of one product: its own, one lane, four halvings, blocks. */
            double bound = (1 + 32 + 4 + (double)p->k / 512 + 2) * CHECK_EPS * size * 1.01;
            assert_true(!finite || fabs((double)want - sum) <= bound);
        }
        for (size_t j = p->n; j < p->ldy && i + 1 < p->m; j++) {
            assert_int_equal(check_bits(y[i * p->ldy + j]), 0xa5a5a5a5u);
        }
    }
    check_guarded_free(&g);
}

static void shapes(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = own_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 10, 1);
    static const size_t ms[] = {1, 2, 3, 4, 5, 8, 9, 12, 17, 64, 71};
    static const size_t deep[] = {160, 320, 511, 512, 513, 544, 545, 1024, 2048, 1056, 1537, 2560};
    for (int q = 0; q < PH_N_QUANT; q++) {
        ph_dtype type = ph_quant_at((ph_quant_index)q)->type;
        for (size_t c = 0; c <= 130 + sizeof deep / sizeof deep[0]; c++) {
            size_t k = c <= 130 ? c : deep[c - 131];
            if (k > 0 && ph_dtype_row_bytes(type, k) == 0) {
                continue;
            }
            if (type != PH_DTYPE_F32 && c % CHECK_STEP(3) != 0) {
                continue;
            }
            for (int repeat = 0; repeat < 3; repeat += CHECK_STEP(3)) {
                problem p;
                size_t m = ms[(c + (size_t)repeat * 4) % (sizeof ms / sizeof ms[0])];
                problem_new(&p, &rng, type, m, 1 + (c * 3 + (size_t)repeat * 5) % 20, k, false);
                for (size_t i = 0; i < n_isas; i++) {
                    check_problem(&p, &isas[i], true);
                }
                problem_free(&p);
            }
        }
    }
}

static void hostile_values(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = own_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 11, 1);
    for (int round = 0; round < 120; round += CHECK_STEP(4)) {
        problem p;
        ph_dtype type = ph_quant_at((ph_quant_index)(round % PH_N_QUANT))->type;
        size_t block = ph_dtype_find(type)->block;
        size_t k = block * (1 + ph_rng_below(&rng, 1200 / block));
        problem_new(&p, &rng, type, 1 + ph_rng_below(&rng, 10), 1 + ph_rng_below(&rng, 12), k,
                    true);
        for (size_t i = 0; i < n_isas; i++) {
            check_problem(&p, &isas[i], false);
        }
        problem_free(&p);
    }
}

/* Many rows at once, on any number of threads, several weights together: each output has the bits
 * it has alone. Sizes beyond a chunk of weights and a group of rows. */
static void same_bits(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = own_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 12, 1);
    for (int q = 0; q < PH_N_QUANT; q += CHECK_STEP(14)) {
        problem p;
        ph_dtype type = ph_quant_at((ph_quant_index)q)->type;
        size_t k = ph_dtype_find(type)->block <= 32 ? 1056 : 1280;
        size_t row_bytes = ph_dtype_row_bytes(type, k);
        problem_new(&p, &rng, type, 70, 211, k, false);
        float *alone = get(70 * p.ldy * 4), *all = get(70 * p.ldy * 4);
        for (size_t i = 0; i < n_isas; i++) {
            for (size_t r = 0; r < 70; r++) {
                problem one = p;
                one.m = 1;
                one.x = p.x + r * p.ldx;
                run(&one, &isas[i].kern, 1 + (int)(r % 5), alone + r * p.ldy, true);
            }
            for (int n_threads = 1; n_threads <= 5; n_threads += CHECK_STEP(4)) {
                ph_pool *pool;
                ph_work work;
                assert_int_equal(ph_pool_new(&pool, n_threads, NULL), PHIAL_OK);
                assert_int_equal(ph_work_open(&work, &isas[i].kern, pool, NULL), PHIAL_OK);
                ph_matmul jobs[3];
                static const size_t cuts[] = {0, 2, 130, 211};
                for (size_t j = 0; j < 3; j++) {
                    jobs[j] = (ph_matmul){.weight = p.weight + cuts[j] * row_bytes,
                                          .type = type,
                                          .n = cuts[j + 1] - cuts[j],
                                          .bias = p.bias + cuts[j],
                                          .y = all + cuts[j],
                                          .ldy = p.ldy};
                }
                static const size_t splits[][5] = {{70}, {1, 69}, {5, 65}, {2, 3, 9, 56}};
                const size_t *split = splits[n_threads % 4];
                memset(all, 0, 70 * p.ldy * 4);
                for (size_t r = 0; r < 70; r += *split++) {
                    ph_matmul part[3];
                    for (size_t j = 0; j < 3; j++) {
                        part[j] = jobs[j];
                        part[j].y += r * p.ldy;
                    }
                    ph_matmul_run(&work, part, 3, p.x + r * p.ldx, p.ldx, *split, p.k);
                }
                for (size_t r = 0; r < 70; r++) {
                    assert_true(check_same_bits(all + r * p.ldy, alone + r * p.ldy, p.n));
                }
                ph_work_close(&work);
                ph_pool_free(pool);
            }
        }
        free(alone);
        free(all);
        problem_free(&p);
    }
}

const struct CMUnitTest check_matmul_tests[] = {
    cmocka_unit_test(shapes), cmocka_unit_test(hostile_values), cmocka_unit_test(same_bits)};
const size_t check_n_matmul_tests = sizeof check_matmul_tests / sizeof check_matmul_tests[0];
