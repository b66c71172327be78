/* Sessions in fast arithmetic: the same bits whatever the threads, the batch, the split and the
 * cache, for every number format; near to exact; what AUTO chooses; the program's option.
 * labels: slow
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/synth.h"
#include "phial/session.h"

enum { N_IDS = 150, N_VOCAB = 512 };

static uint32_t IDS[N_IDS];

static const char *temporary(const char *suffix)
{
    static char path[96];
    snprintf(path, sizeof path, "/tmp/phial-fast-%d%s", (int)getpid(), suffix);
    return path;
}

/* A random model, wide enough for every format. */
static phial_model *model_of(ph_dtype type)
{
    phial_error err = {0};
    phial_model *model = NULL;
    ph_synth_options o = {.like = "small", .type = type, .seed = 5, .overwrite = true};
    if (ph_synth(temporary(".gguf"), &o, &err) != PHIAL_OK ||
        phial_model_open(&model, temporary(".gguf"), NULL, &err) != PHIAL_OK) {
        fail_msg("%s", err.message);
    }
    unlink(temporary(".gguf"));
    return model;
}

static phial_engine *engine_with(const phial_model *model, phial_math math, phial_kv_type kv,
                                 int threads, uint32_t chunk)
{
    phial_engine_options o;
    phial_engine_options_default(&o);
    o.math = math;
    o.kv_type = kv;
    o.n_threads = threads;
    o.n_chunk = chunk;
    phial_engine *e = NULL;
    phial_error err = {0};
    if (phial_engine_new(&e, model, &o, &err) != PHIAL_OK) {
        fail_msg("%s", err.message);
    }
    return e;
}

static phial_session *session_of(phial_engine *e)
{
    phial_session *s = NULL;
    assert_int_equal(phial_session_new(&s, e, 0, NULL), PHIAL_OK);
    return s;
}

static void sync_to(phial_session *s, size_t n)
{
    phial_error err = {0};
    if (phial_session_sync(s, IDS, n, &err) != PHIAL_OK) {
        fail_msg("%s", err.message);
    }
}

static void logits_of(float *out, const phial_model *model, phial_math math, phial_kv_type kv)
{
    phial_engine *e = engine_with(model, math, kv, 2, 512);
    phial_session *s = session_of(e);
    sync_to(s, N_IDS);
    memcpy(out, phial_session_logits(s), N_VOCAB * sizeof *out);
    phial_session_free(s);
    phial_engine_free(e);
}

static void same_logits(const phial_session *s, const float *want)
{
    assert_memory_equal(phial_session_logits(s), want, N_VOCAB * sizeof *want);
}

static void check_bits(const phial_model *model, phial_kv_type kv, const float *want)
{
    const int threads[] = {1, 2, 3};
    const uint32_t chunks[] = {512, 1, 7, 9, 65};
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
        for (size_t c = t == 1 ? 0 : 2; c < sizeof chunks / sizeof *chunks; c++) {
            phial_engine *e = engine_with(model, PHIAL_MATH_FAST, kv, threads[t], chunks[c]);
            phial_session *s = session_of(e), *other = session_of(e);
            sync_to(s, N_IDS);
            same_logits(s, want);
            phial_session_truncate(s, 70); /* from the cache, in company */
            phial_session *both[] = {other, s};
            const phial_tokens lists[] = {{IDS + 50, 37}, {IDS, N_IDS}};
            assert_int_equal(phial_session_sync_batch(both, lists, 2, NULL), PHIAL_OK);
            same_logits(s, want);
            phial_session_free(other);
            phial_session_free(s);
            phial_engine_free(e);
        }
    }
}

/* Root of the mean squared difference over that of the logits around their mean. */
static double distance(const float *a, const float *b)
{
    double mean = 0, size = 0, error = 0;
    for (int i = 0; i < N_VOCAB; i++) {
        mean += (double)a[i] / N_VOCAB;
    }
    for (int i = 0; i < N_VOCAB; i++) {
        size += pow((double)a[i] - mean, 2);
        error += pow((double)a[i] - (double)b[i], 2);
    }
    return sqrt(error / size);
}

static void every_format(void **state)
{
    (void)state;
    static const ph_dtype types[] = {PH_DTYPE_Q8_0, PH_DTYPE_Q4_0,   PH_DTYPE_Q4_1,
                                     PH_DTYPE_Q5_0, PH_DTYPE_Q5_1,   PH_DTYPE_Q2_K,
                                     PH_DTYPE_Q3_K, PH_DTYPE_Q4_K,   PH_DTYPE_Q5_K,
                                     PH_DTYPE_Q6_K, PH_DTYPE_IQ4_NL, PH_DTYPE_IQ4_XS};
    static float exact[N_VOCAB], fast[N_VOCAB];
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        phial_model *model = model_of(types[i]);
        logits_of(exact, model, PHIAL_MATH_EXACT, PHIAL_KV_F32);
        logits_of(fast, model, PHIAL_MATH_FAST, PHIAL_KV_F32);
        double d = distance(exact, fast);
        printf("%s: fast arithmetic moves the logits by %.2f%%\n", ph_dtype_name(types[i]),
               100 * d);
        assert_true(d > 0 && d < 0.03);
        check_bits(model, PHIAL_KV_F32, fast);
        phial_model_close(model);
    }
}

/* Whether F16 and BF16 are multiplied as bf16 here. */
static bool has_bf16(const phial_model *model)
{
    phial_engine *e = engine_with(model, PHIAL_MATH_FAST, PHIAL_KV_F32, 1, 64);
    bool has = strcmp(phial_engine_isa(e), "avx512bf16") == 0;
    phial_engine_free(e);
    return has;
}

static void half_formats(void **state)
{
    (void)state;
    static const ph_dtype types[] = {PH_DTYPE_F16, PH_DTYPE_BF16};
    static float exact[N_VOCAB], fast[N_VOCAB];
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        phial_model *model = model_of(types[i]);
        bool changes = has_bf16(model);
        logits_of(exact, model, PHIAL_MATH_EXACT, PHIAL_KV_F32);
        logits_of(fast, model, PHIAL_MATH_FAST, PHIAL_KV_F32);
        if (changes) {
            double d = distance(exact, fast);
            printf("%s: fast arithmetic moves the logits by %.2f%%\n", ph_dtype_name(types[i]),
                   100 * d);
            assert_true(d > 0 && d < 0.03);
        } else {
            printf("skipped 1: %s as bf16 (this CPU does not multiply it)\n",
                   ph_dtype_name(types[i]));
            assert_memory_equal(exact, fast, sizeof fast);
        }
        check_bits(model, PHIAL_KV_F32, fast);
        phial_model_close(model);
    }
}

static void every_kv_type(void **state)
{
    (void)state;
    static float fast[N_VOCAB];
    phial_model *model = model_of(PH_DTYPE_Q8_0);
    for (int kv = PHIAL_KV_F32; kv <= PHIAL_KV_Q8; kv++) {
        logits_of(fast, model, PHIAL_MATH_FAST, (phial_kv_type)kv);
        check_bits(model, (phial_kv_type)kv, fast);
    }
    phial_model_close(model);
}

static void automatic_choice(void **state)
{
    (void)state;
    static const ph_dtype types[] = {PH_DTYPE_Q8_0, PH_DTYPE_F16};
    static float automatic[N_VOCAB], chosen[N_VOCAB];
    for (int exact = 0; exact < 2; exact++) {
        phial_model *model = model_of(types[exact]);
        phial_math math = exact ? PHIAL_MATH_EXACT : PHIAL_MATH_FAST;
        phial_kv_type kv = exact ? PHIAL_KV_F32 : PHIAL_KV_F16;
        phial_engine *e = engine_with(model, PHIAL_MATH_AUTO, PHIAL_KV_AUTO, 1, 64);
        assert_int_equal(phial_engine_math(e), math);
        assert_int_equal(phial_engine_kv_type(e), kv);
        phial_engine_free(e);
        logits_of(automatic, model, PHIAL_MATH_AUTO, PHIAL_KV_AUTO);
        logits_of(chosen, model, math, kv);
        assert_memory_equal(automatic, chosen, sizeof chosen);
        /* Fast is allowed where nothing is quantized; it changes nothing, unless as bf16. */
        bool changes = !exact || has_bf16(model);
        logits_of(automatic, model, PHIAL_MATH_FAST, kv);
        logits_of(chosen, model, PHIAL_MATH_EXACT, kv);
        assert_int_equal(memcmp(automatic, chosen, sizeof chosen) == 0, !changes);
        phial_model_close(model);
    }
}

static void unknown_choices_are_refused(void **state)
{
    (void)state;
    phial_model *model = model_of(PH_DTYPE_Q8_0);
    phial_engine_options o;
    phial_engine *e = NULL;
    phial_error err = {0};
    phial_engine_options_default(&o);
    o.math = (phial_math)3;
    assert_int_equal(phial_engine_new(&e, model, &o, &err), PHIAL_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "arithmetic 3"));
    phial_engine_options_default(&o);
    o.kv_type = (phial_kv_type)4;
    assert_int_equal(phial_engine_new(&e, model, &o, &err), PHIAL_ERR_ARGUMENT);
    phial_model_close(model);
}

static void snapshots_remember_the_arithmetic(void **state)
{
    (void)state;
    static float want[N_VOCAB];
    phial_model *model = model_of(PH_DTYPE_Q4_K);
    phial_error err = {0};
    phial_engine *fast = engine_with(model, PHIAL_MATH_FAST, PHIAL_KV_F16, 2, 512);
    phial_engine *exact = engine_with(model, PHIAL_MATH_EXACT, PHIAL_KV_F16, 2, 512);
    phial_session *s = session_of(fast), *t = session_of(fast), *u = session_of(exact);
    sync_to(s, 90);
    assert_int_equal(phial_session_save(s, temporary(".kv"), &err), PHIAL_OK);
    sync_to(s, N_IDS);
    memcpy(want, phial_session_logits(s), sizeof want);
    assert_int_equal(phial_session_load(t, temporary(".kv"), &err), PHIAL_OK);
    sync_to(t, N_IDS);
    assert_int_equal(phial_session_n_reused(t), 90);
    same_logits(t, want);
    assert_int_equal(phial_session_load(u, temporary(".kv"), &err), PHIAL_ERR_BAD_INPUT);
    assert_non_null(strstr(err.message, "fast"));
    unlink(temporary(".kv"));
    phial_session_free(s);
    phial_session_free(t);
    phial_session_free(u);
    phial_engine_free(fast);
    phial_engine_free(exact);
    phial_model_close(model);
}

int main(void)
{
    for (int i = 0; i < N_IDS; i++) {
        IDS[i] = (uint32_t)(i * 7919 + 13) % N_VOCAB;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format),
        cmocka_unit_test(half_formats),
        cmocka_unit_test(every_kv_type),
        cmocka_unit_test(automatic_choice),
        cmocka_unit_test(unknown_choices_are_refused),
        cmocka_unit_test(snapshots_remember_the_arithmetic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
