/* Attention and the KV cache's layout: against double precision; the same bits for any split of a
 * prompt, any company and any number of threads; pages full of garbage where nothing was stored. */
#include "checkkern.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kern/attn.h"

#define MAX_PAGES 5

static size_t own_isas(check_isa isas[CHECK_ISAS_MAX])
{
    return check_isas_by(isas, offsetof(ph_kern, attn), sizeof(ph_kern));
}

typedef struct sequence {
    size_t n;
    float *q, *k, *v, *out;
    unsigned char *pages[MAX_PAGES];
} sequence;

static void *get(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
    assert_non_null(p);
    return p;
}

static void sequence_new(sequence *s, ph_rng *rng, const ph_kv_shape *shape, size_t n, float size)
{
    size_t dq = shape->n_head * shape->head_dim, dkv = shape->n_kv_head * shape->head_dim;
    s->n = n;
    s->q = get(n * dq * 4);
    s->k = get(n * dkv * 4);
    s->v = get(n * dkv * 4);
    s->out = get(n * dq * 4);
    check_fill(rng, s->q, n * dq);
    check_fill(rng, s->k, n * dkv);
    check_fill(rng, s->v, n * dkv);
    for (size_t i = 0; i < n * dq; i++) {
        s->q[i] *= size;
    }
    for (size_t p = 0; p < MAX_PAGES; p++) {
        s->pages[p] = get(128 + ph_kv_layer_bytes(shape));
    }
}

static void sequence_free(sequence *s)
{
    free(s->q);
    free(s->k);
    free(s->v);
    free(s->out);
    for (size_t p = 0; p < MAX_PAGES; p++) {
        free(s->pages[p]);
    }
}

static void clear(sequence *s, const ph_kv_shape *shape)
{
    for (size_t p = 0; p < MAX_PAGES; p++) {
        memset(s->pages[p], 0xff, 128 + ph_kv_layer_bytes(shape)); /* NaN in every format */
    }
}

static ph_attn_job job_of(const sequence *s, const ph_kv_shape *shape, size_t pos, size_t n,
                          float *out)
{
    size_t dq = shape->n_head * shape->head_dim, dkv = shape->n_kv_head * shape->head_dim;
    return (ph_attn_job){.pages = s->pages,
                         .layer_offset = 64,
                         .pos0 = pos,
                         .n = n,
                         .q = s->q + pos * dq,
                         .k = s->k + pos * dkv,
                         .v = s->v + pos * dkv,
                         .out = out + pos * dq,
                         .ld_q = dq,
                         .ld_kv = dkv,
                         .ld_out = dq};
}

/* Runs the sequences side by side, step tokens of each at a time. */
static void run(sequence *seqs, size_t n_seqs, const ph_kv_shape *shape, const ph_kern *kern,
                int n_threads, size_t step, float scale)
{
    ph_pool *pool;
    ph_work work;
    ph_attn_job jobs[4];
    size_t longest = 0;
    assert_int_equal(ph_pool_new(&pool, n_threads, NULL), PHIAL_OK);
    assert_int_equal(ph_work_open(&work, kern, pool, NULL), PHIAL_OK);
    for (size_t i = 0; i < n_seqs; i++) {
        clear(&seqs[i], shape);
        longest = seqs[i].n > longest ? seqs[i].n : longest;
    }
    for (size_t pos = 0; pos < longest; pos += step) {
        size_t n_jobs = 0;
        for (size_t i = 0; i < n_seqs; i++) {
            if (pos < seqs[i].n) {
                size_t n = seqs[i].n - pos < step ? seqs[i].n - pos : step;
                jobs[n_jobs++] = job_of(&seqs[i], shape, pos, n, seqs[i].out);
            }
        }
        ph_kv_store(&work, shape, jobs, n_jobs);
        ph_attn_run(&work, shape, jobs, n_jobs, scale);
    }
    ph_work_close(&work);
    ph_pool_free(pool);
}

/* Stored values differ from the given ones by the cache type's rounding, no more. */
static void check_stored(const sequence *s, const ph_kv_shape *shape)
{
    size_t d = shape->head_dim, dkv = shape->n_kv_head * d;
    float k[PH_HEAD_MAX], v[PH_HEAD_MAX];
    for (size_t pos = 0; pos < s->n; pos++) {
        for (size_t h = 0; h < shape->n_kv_head; h++) {
            ph_kv_load(shape, s->pages[pos / PH_KV_PAGE] + 64, h, pos, k, v);
            for (size_t c = 0; c < d; c++) {
                float given_k = s->k[pos * dkv + h * d + c], given_v = s->v[pos * dkv + h * d + c];
                float slack = shape->type == PH_KV_Q8 ? 2 / 127.0f * 0.5001f : 0;
                if (shape->type == PH_KV_F16) {
                    given_k = ph_f16_to_f32(ph_f16_from_f32(given_k));
                    given_v = ph_f16_to_f32(ph_f16_from_f32(given_v));
                }
                assert_true(fabsf(k[c] - given_k) <= slack && fabsf(v[c] - given_v) <= slack);
            }
        }
    }
}

/* One head of one query in double precision from what the cache holds. Bound: scores are off by
 * d + 1 roundings of sum |q k|, which the softmax turns into a relative error of the weights. */
static void check_query(const sequence *s, const ph_kv_shape *shape, size_t pos, size_t head,
                        float scale, const char *label)
{
    size_t d = shape->head_dim, dq = shape->n_head * d;
    size_t kv_head = head / (shape->n_head / shape->n_kv_head);
    const float *q = s->q + pos * dq + head * d;
    float k[PH_HEAD_MAX], v[PH_HEAD_MAX];
    double scores[MAX_PAGES * PH_KV_PAGE], max = -INFINITY, sum = 0, score_error = 0;
    double out[PH_HEAD_MAX] = {0}, size[PH_HEAD_MAX] = {0};
    for (size_t j = 0; j <= pos; j++) {
        double magnitude = 0;
        ph_kv_load(shape, s->pages[j / PH_KV_PAGE] + 64, kv_head, j, k, NULL);
        scores[j] = 0;
        for (size_t c = 0; c < d; c++) {
            scores[j] += (double)q[c] * (double)k[c] * (double)scale;
            magnitude += fabs((double)q[c] * (double)k[c] * (double)scale);
        }
        score_error = fmax(score_error, magnitude * ((double)d + 3) * CHECK_EPS);
        max = fmax(max, scores[j]);
    }
    for (size_t j = 0; j <= pos; j++) {
        double p = exp(scores[j] - max);
        sum += p;
        ph_kv_load(shape, s->pages[j / PH_KV_PAGE] + 64, kv_head, j, NULL, v);
        for (size_t c = 0; c < d; c++) {
            out[c] += p * v[c];
            size[c] += p * fabs((double)v[c]);
        }
    }
    for (size_t c = 0; c < d; c++) {
        double got = s->out[pos * dq + head * d + c];
        double bound = (expm1(4 * score_error) + (double)(pos + 40) * CHECK_EPS) * size[c] / sum;
        if (!(fabs(got - out[c] / sum) <= bound + 1e-30)) {
            fail_msg("%s: d %zu pos %zu head %zu column %zu: %g, expected %g +- %g", label, d, pos,
                     head, c, got, out[c] / sum, bound);
        }
    }
}

static const ph_kv_shape shapes[] = {
    {PH_KV_F32, 4, 4, 16},  {PH_KV_F32, 4, 2, 64}, {PH_KV_F32, 2, 2, 80}, {PH_KV_F16, 2, 2, 80},
    {PH_KV_Q8, 2, 1, 80},   {PH_KV_Q8, 3, 1, 20},  {PH_KV_F16, 2, 1, 8},  {PH_KV_F32, 2, 1, 1},
    {PH_KV_F32, 1, 1, 256}, {PH_KV_F16, 1, 1, 7},  {PH_KV_Q8, 6, 2, 100}, {PH_KV_F32, 3, 3, 24}};

static void against_double(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = own_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 30, 1);
    for (size_t c = 0; c < sizeof shapes / sizeof shapes[0]; c++) {
        const ph_kv_shape *shape = &shapes[c];
        float scale = 1 / sqrtf((float)shape->head_dim);
        sequence s;
        sequence_new(&s, &rng, shape, 200, 2);
        for (size_t i = 0; i < n_isas; i++) {
            run(&s, 1, shape, &isas[i].kern, 2, 200, scale);
            check_stored(&s, shape);
            for (size_t pos = 0; pos < s.n; pos += 1 + pos / 7) {
                for (size_t h = 0; h < shape->n_head; h++) {
                    check_query(&s, shape, pos, h, scale, isas[i].label);
                }
            }
        }
        sequence_free(&s);
    }
}

/* q.k of 1e5 and more, which f16 scores could not hold. */
static void large_scores(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = own_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 31, 1);
    const ph_kv_shape shape = {PH_KV_F32, 2, 2, 80};
    sequence s;
    sequence_new(&s, &rng, &shape, 130, 1e5f);
    for (size_t i = 0; i < n_isas; i++) {
        run(&s, 1, &shape, &isas[i].kern, 1, 130, 0.11f);
        for (size_t j = 0; j < 130 * 160; j++) {
            assert_true(isfinite(s.out[j]) && fabsf(s.out[j]) <= 2);
        }
    }
    sequence_free(&s);
}

static void same_bits(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = own_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 32, 1);
    static const size_t lengths[] = {301, 64, 65, 130};
    for (size_t c = 0; c < sizeof shapes / sizeof shapes[0]; c += CHECK_STEP(3)) {
        const ph_kv_shape *shape = &shapes[c];
        size_t dq = shape->n_head * shape->head_dim;
        sequence s[4];
        float *alone[4];
        for (size_t j = 0; j < 4; j++) {
            sequence_new(&s[j], &rng, shape, lengths[j], 1);
            alone[j] = get(lengths[j] * dq * 4);
        }
        for (size_t i = 0; i < n_isas; i++) {
            for (size_t j = 0; j < 4; j++) {
                run(&s[j], 1, shape, &isas[i].kern, 1, 1, 0.3f);
                memcpy(alone[j], s[j].out, lengths[j] * dq * 4);
            }
            static const size_t steps[] = {301, 7, 64, 50, 128};
            for (size_t t = 0; t < sizeof steps / sizeof steps[0]; t += CHECK_STEP(3)) {
                run(s, 4, shape, &isas[i].kern, 1 + (int)t % 3, steps[t], 0.3f);
                for (size_t j = 0; j < 4; j++) {
                    if (!check_same_bits(s[j].out, alone[j], lengths[j] * dq)) {
                        fail_msg("%s: shape %zu, steps of %zu, sequence %zu", isas[i].label, c,
                                 steps[t], j);
                    }
                }
            }
        }
        for (size_t j = 0; j < 4; j++) {
            sequence_free(&s[j]);
            free(alone[j]);
        }
    }
}

/* An infinite value at a later position must not reach an earlier query as 0 * inf. */
static void later_values_are_not_seen(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = own_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 33, 1);
    const ph_kv_shape shape = {PH_KV_F32, 1, 1, 16};
    sequence s;
    sequence_new(&s, &rng, &shape, 100, 1);
    for (size_t c = 0; c < 16; c++) {
        s.v[71 * 16 + c] = INFINITY;
        s.k[71 * 16 + c] = NAN;
    }
    for (size_t i = 0; i < n_isas; i++) {
        run(&s, 1, &shape, &isas[i].kern, 1, 100, 0.25f);
        for (size_t pos = 0; pos < 100; pos++) {
            for (size_t c = 0; c < 16; c++) {
                assert_int_equal(!isfinite(s.out[pos * 16 + c]), pos >= 71);
            }
        }
    }
    sequence_free(&s);
}

static void sizes(void **state)
{
    (void)state;
    ph_kv_shape shape = {PH_KV_F32, 32, 32, 80};
    assert_int_equal(ph_kv_layer_bytes(&shape), 2 * 64 * 32 * 80 * 4);
    shape.type = PH_KV_Q8;
    assert_int_equal(ph_kv_layer_bytes(&shape), 2 * 64 * 32 * (80 + 4));
    shape.head_dim = PH_HEAD_MAX + 1;
    assert_int_equal(ph_kv_layer_bytes(&shape), 0);
    shape.head_dim = 80;
    shape.n_kv_head = SIZE_MAX / 1000;
    assert_int_equal(ph_kv_layer_bytes(&shape), 0);
}

const struct CMUnitTest check_attn_tests[] = {
    cmocka_unit_test(against_double), cmocka_unit_test(large_scores), cmocka_unit_test(same_bits),
    cmocka_unit_test(later_values_are_not_seen), cmocka_unit_test(sizes)};
const size_t check_n_attn_tests = sizeof check_attn_tests / sizeof check_attn_tests[0];
