/* Products of bf16 numbers: rounding, then products against the definition of kern/bf16.h, within
 * its bound of double precision, and with the same bits for any number of rows and threads.
 *
 * Emulated kernels have the bits of the definition. What a CPU's own instruction does is its
 * maker's word: there the bound must hold and all ways of computing agree, and whether the bits are
 * those of the definition is told. */
#include "checkkern.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "kern/bf16_matmul.h"

#define SMALLEST 0x1p-126f

static size_t own_isas(check_isa isas[CHECK_ISAS_MAX])
{
    size_t n = check_isas_by(isas, offsetof(ph_kern, bf16), offsetof(ph_kern, layernorm)), kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (isas[i].kern.bf16_round != NULL) {
            isas[kept++] = isas[i];
        }
    }
    return kept;
}

static bool is_emulated(const check_isa *isa)
{
    return strstr(isa->label, "emulated") != NULL;
}

static void *get(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 127) / 64 * 64);
    assert_non_null(p);
    return p;
}

static float normal(float f)
{
    return fabsf(f) < SMALLEST ? copysignf(0.0f, f) : f;
}

static float rounded(float f)
{
    return ph_bf16_to_f32(ph_bf16_from_f32(normal(f)));
}

/* --- the definition --------------------------------------------------------------------------- */

static float step(float sum, float x, float w)
{
    return normal(fmaf(normal(x), normal(w), sum));
}

/* x and w are rounded. */
static float promised(const float *x, const float *w, size_t k)
{
    float y = 0;
    for (size_t k0 = 0; k0 < k; k0 += PH_BF16_BLOCK) {
        float lanes[16] = {0};
        size_t end = k - k0 < PH_BF16_BLOCK ? k : k0 + PH_BF16_BLOCK;
        for (size_t g = k0; g < end; g += PH_BF16_GROUP) {
            for (size_t l = 0; l < 16; l++) {
                for (size_t odd = 2; odd-- > 0;) {
                    size_t at = g + 2 * l + odd;
                    lanes[l] = step(lanes[l], at < end ? x[at] : 0.0f, at < end ? w[at] : 0.0f);
                }
            }
        }
        for (size_t half = 8; half > 0; half /= 2) {
            for (size_t l = 0; l < half; l++) {
                lanes[l] = lanes[l] + lanes[l + half];
            }
        }
        y = y + lanes[0];
    }
    return y;
}

typedef struct problem {
    const ph_quant *quant;
    size_t m, n, k, ldx, ldy, row_bytes;
    float *x, *w, *bias;          /* w: the weights as stored */
    float *x_rounded, *w_rounded; /* [m][k], [n][k] */
    unsigned char *rows, *weight; /* weight at an odd address in rows */
} problem;

static void problem_new(problem *p, ph_rng *rng, ph_dtype type, size_t m, size_t n, size_t k,
                        bool hostile)
{
    const ph_quant *quant = ph_quant_find(type);
    *p = (problem){.quant = quant,
                   .m = m,
                   .n = n,
                   .k = k,
                   .ldx = k + m % 3,
                   .ldy = n + n % 4,
                   .row_bytes = (size_t)ph_dtype_row_bytes(type, k)};
    p->x = get(m * p->ldx * 4);
    p->w = get(n * k * 4);
    p->bias = get(n * 4);
    p->x_rounded = get(m * k * 4);
    p->w_rounded = get(n * k * 4);
    p->rows = malloc(n * p->row_bytes + 1); /* to the byte, for AddressSanitizer */
    assert_non_null(p->rows);
    p->weight = p->rows + 1;
    check_fill(rng, p->x, m * p->ldx);
    check_fill(rng, p->w, n * k);
    check_fill(rng, p->bias, n);
    for (size_t i = 0; hostile && i < 1 + m * k / 100; i++) {
        p->x[ph_rng_below(rng, m * k)] = check_hostile(rng);
        p->w[ph_rng_below(rng, n * k)] = check_hostile(rng);
    }
    for (size_t r = 0; r < n; r++) {
        quant->quantize(p->weight + r * p->row_bytes, p->w + r * k, k);
        quant->dequantize(p->w + r * k, p->weight + r * p->row_bytes, k);
    }
    for (size_t i = 0; i < n * k; i++) {
        p->w_rounded[i] = type == PH_DTYPE_F16 ? rounded(p->w[i]) : p->w[i];
    }
    for (size_t i = 0; i < m * k; i++) {
        p->x_rounded[i] = rounded(p->x[i / k * p->ldx + i % k]);
    }
}

static void problem_free(problem *p)
{
    free(p->x);
    free(p->w);
    free(p->bias);
    free(p->x_rounded);
    free(p->w_rounded);
    free(p->rows);
}

/* Products of all rows, given in runs of the lengths in `split`, on three cuts of the weight. */
static void run(const problem *p, const check_isa *isa, int n_threads, const size_t *split,
                bool bias, float *y)
{
    ph_pool *pool;
    ph_work work;
    assert_int_equal(ph_pool_new(&pool, n_threads, NULL), PHIAL_OK);
    assert_int_equal(ph_work_open(&work, &isa->kern, pool, NULL), PHIAL_OK);
    assert_int_equal(ph_work_make_fast(&work, p->m, p->k, NULL), PHIAL_OK);
    assert_true(ph_bf16_applies(&work, p->quant->type));
    size_t cuts[4] = {0, p->n / 3, p->n / 2, p->n};
    for (size_t r = 0; r < p->m;) {
        ph_matmul jobs[3];
        size_t m = *split == 0 || *split > p->m - r ? p->m - r : *split++;
        for (size_t j = 0; j < 3; j++) {
            jobs[j] = (ph_matmul){.weight = p->weight + cuts[j] * p->row_bytes,
                                  .type = p->quant->type,
                                  .n = cuts[j + 1] - cuts[j],
                                  .bias = bias ? p->bias + cuts[j] : NULL,
                                  .y = y + r * p->ldy + cuts[j],
                                  .ldy = p->ldy};
        }
        ph_matmul_run(&work, jobs, 3, p->x + r * p->ldx, p->ldx, m, p->k);
        r += m;
    }
    ph_work_close(&work);
    ph_pool_free(pool);
}

/* The bound of kern/bf16.h, for operands as stored. */
static void check_bound(const problem *p, size_t i, size_t j, float y, bool bias)
{
    const double u = 0x1p-8, blocks = ceil((double)p->k / PH_BF16_BLOCK);
    double sum = bias ? (double)p->bias[j] : 0, of_rounded = sum, size = fabs(sum), rough = 0;
    for (size_t c = 0; c < p->k; c++) {
        double exact = (double)p->x[i * p->ldx + c] * (double)p->w[j * p->k + c];
        double product = (double)p->x_rounded[i * p->k + c] * (double)p->w_rounded[j * p->k + c];
        sum += exact;
        of_rounded += product;
        size += fabs(product);
        rough += fabs(exact);
    }
    double bound = (64 + 4 + blocks + 1) * CHECK_EPS * size * 1.01 + (double)p->k * 0x1p-126;
    assert_true(fabs((double)y - of_rounded) <= bound);
    assert_true(fabs((double)y - sum) <= bound + (2 * u + u * u) * rough * 1.01);
}

/* Whether the bits are those of the definition; the last table that was asked is told. */
static bool check_problem(const problem *p, const check_isa *isa, int n_threads,
                          const size_t *split, bool finite)
{
    bool bias = p->k % 2 == 0, as_promised = true;
    check_guarded g;
    size_t bytes = ((p->m - 1) * p->ldy + p->n) * 4;
    float *y = check_guarded_new(&g, bytes, 4 * (p->k % 3)), *alone = get(p->n * 4);
    run(p, isa, n_threads, split, bias, y);
    for (size_t i = 0; i < p->m; i++) {
        problem one = *p;
        one.m = 1;
        one.x = p->x + i * p->ldx;
        run(&one, isa, 1, (const size_t[]){0}, bias, alone);
        assert_true(check_same_bits(y + i * p->ldy, alone, p->n));
        for (size_t j = 0; j < p->n; j++) {
            float got = y[i * p->ldy + j];
            float want = promised(p->x_rounded + i * p->k, p->w_rounded + j * p->k, p->k);
            want = bias ? want + p->bias[j] : want;
            bool same = check_bits(got) == check_bits(want) || (isnan(got) && isnan(want));
            if (!same && is_emulated(isa)) {
                fail_msg("%s %s m %zu n %zu k %zu at %zu,%zu: %a, expected %a", isa->label,
                         ph_dtype_name(p->quant->type), p->m, p->n, p->k, i, j, (double)got,
                         (double)want);
            }
            as_promised = as_promised && same;
            if (finite) {
                check_bound(p, i, j, got, bias);
            }
        }
        for (size_t j = p->n; j < p->ldy && i + 1 < p->m; j++) {
            assert_int_equal(check_bits(y[i * p->ldy + j]), 0xa5a5a5a5u);
        }
    }
    free(alone);
    check_guarded_free(&g);
    return as_promised;
}

/* --- the tests -------------------------------------------------------------------------------- */

static const ph_dtype TYPES[] = {PH_DTYPE_F16, PH_DTYPE_BF16};

static void rounding(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = own_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 30, 1);
    for (size_t n = 0; n <= 130; n++) {
        size_t whole = (n + PH_BF16_GROUP - 1) / PH_BF16_GROUP * PH_BF16_GROUP;
        float *x = malloc(n * 4 + 1), back[130];
        unsigned char *rows = malloc(n * 2 + 1);
        assert_true(x != NULL && rows != NULL);
        for (size_t i = 0; i < n; i++) {
            uint32_t bits = (uint32_t)ph_rng_u64(&rng);
            memcpy(&x[i], &bits, sizeof bits); /* any number there is */
        }
        for (size_t i = 0; i < n_isas; i++) {
            for (size_t t = 0; t < 3; t++) { /* f32, f16, bf16 */
                const ph_quant *quant = t > 0 ? ph_quant_find(TYPES[t - 1]) : NULL;
                check_guarded g;
                uint16_t *out = check_guarded_new(&g, whole * 2, 2);
                if (quant == NULL) {
                    memcpy(back, x, n * 4);
                    isas[i].kern.bf16_round(out, x, n);
                } else {
                    quant->quantize(rows, x, n);
                    quant->dequantize(back, rows, n);
                    isas[i].kern.bf16[quant->index]->pack(out, rows, n);
                }
                for (size_t j = 0; j < whole; j++) {
                    bool as_it_is = quant != NULL && quant->type == PH_DTYPE_BF16;
                    float want = j >= n ? 0.0f : as_it_is ? back[j] : rounded(back[j]);
                    float got = ph_bf16_to_f32(out[j]);
                    assert_true(check_same_bits(&got, &want, 1));
                }
                check_guarded_free(&g);
            }
        }
        free(x);
        free(rows);
    }
}

static void products(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = own_isas(isas);
    bool as_promised[CHECK_ISAS_MAX];
    ph_rng rng;
    ph_rng_seed(&rng, 31, 1);
    static const size_t ms[] = {1, 2, 5, 6, 7, 12, 13, 31}, ns[] = {1, 3, 4, 17, 23, 50, 100};
    static const size_t deep[] = {1023, 1024, 1025, 1056, 2048, 2560, 3073};
    static const size_t splits[][4] = {{0}, {1, 0}, {12, 1, 0}, {2, 17, 3, 0}};
    memset(as_promised, 1, sizeof as_promised);
    for (size_t c = 0; c < 131 + sizeof deep / sizeof *deep; c++) {
        size_t k = c < 131 ? c : deep[c - 131];
        problem p;
        problem_new(&p, &rng, TYPES[c % 2], ms[c % 8], ns[c % 7], k, false);
        for (size_t i = 0; i < n_isas; i++) {
            as_promised[i] &= check_problem(&p, &isas[i], 1 + (int)(c % 3), splits[c % 4], true);
        }
        problem_free(&p);
    }
    for (int round = 0; round < 60; round++) {
        problem p;
        problem_new(&p, &rng, TYPES[round % 2], 1 + ph_rng_below(&rng, 20),
                    1 + ph_rng_below(&rng, 20), 1 + ph_rng_below(&rng, 400), true);
        for (size_t i = 0; i < n_isas; i++) {
            as_promised[i] &= check_problem(&p, &isas[i], 1 + round % 3, splits[round % 4], false);
        }
        problem_free(&p);
    }
    for (size_t i = 0; i < n_isas; i++) {
        print_message("%s: the bits of the definition: %s\n", isas[i].label,
                      as_promised[i] ? "yes" : "no");
    }
}

/* Sizes beyond a chunk of weights and of rows, on any number of threads. */
static void large(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = own_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 32, 1);
    static const size_t splits[][4] = {{0}, {13, 0}, {70, 12, 0}};
    for (int c = 0; c < 3 && n_isas > 0; c++) {
        problem p;
        problem_new(&p, &rng, TYPES[c % 2], c == 0 ? 530 : 90, c == 0 ? 57 : 211,
                    c == 0 ? 96 : 1100, false);
        float *first = get(p.m * p.ldy * 4), *y = get(p.m * p.ldy * 4);
        for (size_t i = 0; i < n_isas; i++) {
            run(&p, &isas[i], 1, (const size_t[]){1, 1, 1, 0}, true, first);
            for (int n_threads = 1; n_threads <= 5; n_threads++) {
                run(&p, &isas[i], n_threads, splits[n_threads % 3], true, y);
                for (size_t r = 0; r < p.m; r++) {
                    assert_true(check_same_bits(y + r * p.ldy, first + r * p.ldy, p.n));
                }
            }
            float want = promised(p.x_rounded, p.w_rounded + (p.n - 1) * p.k, p.k);
            want += p.bias[p.n - 1];
            assert_true(!is_emulated(&isas[i]) || check_same_bits(&first[p.n - 1], &want, 1));
        }
        free(first);
        free(y);
        problem_free(&p);
    }
}

/* Beside other formats in one call, each in its own arithmetic. */
static void mixed_formats(void **state)
{
    (void)state;
    enum { M = 20, K = 512, N = 40 };
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = own_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 33, 1);
    static float x[M * K], w[N * K], together[4][M * N], alone[M * N];
    static const ph_dtype types[] = {PH_DTYPE_F16, PH_DTYPE_Q8_0, PH_DTYPE_F32, PH_DTYPE_BF16};
    static unsigned char rows[4][N * K * 4];
    check_fill(&rng, x, M * K);
    check_fill(&rng, w, N * K);
    for (size_t i = 0; i < n_isas; i++) {
        ph_pool *pool;
        ph_work work;
        ph_matmul jobs[4];
        assert_int_equal(ph_pool_new(&pool, 2, NULL), PHIAL_OK);
        assert_int_equal(ph_work_open(&work, &isas[i].kern, pool, NULL), PHIAL_OK);
        assert_int_equal(ph_work_make_fast(&work, M, K, NULL), PHIAL_OK);
        for (size_t m = 1; m <= M; m += M - 1) {
            for (size_t j = 0; j < 4; j++) {
                ph_quant_find(types[j])->quantize(rows[j], w, N * K);
                jobs[j] = (ph_matmul){
                    .weight = rows[j], .type = types[j], .n = N, .y = together[j], .ldy = N};
            }
            ph_matmul_run(&work, jobs, 4, x, K, m, K);
            for (size_t j = 0; j < 4; j++) {
                jobs[j].y = alone;
                ph_matmul_run(&work, &jobs[j], 1, x, K, m, K);
                assert_true(check_same_bits(alone, together[j], m * N));
            }
        }
        ph_work_close(&work);
        ph_pool_free(pool);
    }
}

const struct CMUnitTest check_bf16_tests[] = {cmocka_unit_test(rounding),
                                              cmocka_unit_test(products), cmocka_unit_test(large),
                                              cmocka_unit_test(mixed_formats)};
const size_t check_n_bf16_tests = sizeof check_bf16_tests / sizeof check_bf16_tests[0];
