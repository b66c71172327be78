/* Every allocation of samplers, stoppers, presets, prompts and code cleaners fails once: each
 * failure must end in an out-of-memory sentence, without a leak. And picking a token, telling the
 * sampler of it and pushing its text allocate nothing.
 * wrap: calloc realloc aligned_alloc
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "phial/phial.h"
#include "torture.h"

#define N 500

static const char *letter(void *user, uint32_t id, size_t *n)
{
    (void)user;
    *n = 1;
    return &"0123456789:abcdefghijklmnopqrst"[id % 31];
}

static const phial_logit_bias BIAS[] = {{3, 1}, {4, -1}};

/* Everything on that takes memory. */
static void all_options(phial_sampler_options *o)
{
    phial_sampler_options_default(o);
    o->samplers = "penalties;dry;typ_p;xtc;top_k;top_p;min_p;temperature;top_n_sigma";
    o->repeat_penalty = 1.1;
    o->dry_multiplier = 0.5;
    o->typical_p = 0.9;
    o->n_ctx = 100;
    o->xtc_probability = 0.3;
    o->logit_bias = BIAS;
    o->n_logit_bias = 2;
    o->token_text = letter;
}

static phial_status use_preset(phial_error *err)
{
    static const char JSON[] = "{\"extends\": \"chat\", \"system\": \"Be kind.\", \"clean\": "
                               "\"code\", \"sampling\": {\"top_k\": 3, \"samplers\": \"top_k\"}}";
    static const phial_turn TURN = {PHIAL_ROLE_USER, {"Hello", 5}};
    phial_preset *preset = NULL;
    phial_prompt *prompt = NULL;
    phial_code_cleaner *cleaner = NULL;
    phial_text shown;
    phial_status status = phial_preset_parse(&preset, "mine", JSON, strlen(JSON), "", err);
    if (status == PHIAL_OK) {
        status = phial_prompt_new(&prompt, preset, &TURN, 1, NULL, err);
    }
    if (status == PHIAL_OK) {
        status = phial_code_cleaner_new(&cleaner, phial_prompt_text(prompt), err);
    }
    if (status == PHIAL_OK) {
        status = phial_code_cleaner_push(cleaner, "x = 1\n\ny = 2\n", 13, &shown, err);
    }
    phial_code_cleaner_free(cleaner);
    phial_prompt_free(prompt);
    phial_preset_free(preset);
    return status;
}

static phial_status use_sampler(phial_error *err)
{
    static const phial_text STOPS[] = {{"\nAlice:", 7}, {"\nBob:", 5}};
    phial_sampler_options o;
    phial_sampler *sampler = NULL, *twin = NULL;
    phial_stopper *stopper = NULL;
    all_options(&o);
    phial_status status = phial_sampler_new(&sampler, N, &o, err);
    if (status == PHIAL_OK) {
        status = phial_sampler_clone(&twin, sampler, err);
    }
    if (status == PHIAL_OK) {
        status = phial_stopper_new(&stopper, STOPS, 2, err);
    }
    phial_stopper_free(stopper);
    phial_sampler_free(twin);
    phial_sampler_free(sampler);
    return status;
}

static bool survives(void *arg)
{
    phial_error err = {0};
    phial_status status = use_sampler(&err);
    if (status == PHIAL_OK) {
        status = use_preset(&err);
    }
    if (status != PHIAL_OK) {
        *(long *)arg += 1;
        if (status != err.status || strstr(err.message, "out of memory") == NULL) {
            fail_msg("allocation %ld: status %d, '%s'", *(long *)arg, (int)status, err.message);
        }
    }
    return status == PHIAL_OK;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    long failures = 0;
    long runs = torture_run(survives, &failures, 5000);
    assert_true(runs >= 30);
    assert_int_equal(failures, runs);
    print_message("%ld allocations failed one by one\n", runs);
}

static void going_on_allocates_nothing(void **state)
{
    (void)state;
    static const phial_text STOP = {"no such text", 12};
    static float logits[N];
    phial_error err;
    phial_sampler_options o;
    phial_sampler *sampler = NULL;
    phial_stopper *stopper = NULL;
    all_options(&o);
    assert_int_equal(phial_sampler_new(&sampler, N, &o, &err), PHIAL_OK);
    assert_int_equal(phial_stopper_new(&stopper, &STOP, 1, &err), PHIAL_OK);
    long before = atomic_load(&torture_calls);
    for (int step = 0; step < 500; step++) {
        uint32_t id;
        phial_text shown;
        for (int i = 0; i < N; i++) {
            logits[i] = (float)((i * 37 + step * 11) % 101) / 20;
        }
        assert_int_equal(phial_sampler_pick(sampler, logits, &id, &err), PHIAL_OK);
        assert_int_equal(phial_sampler_accept(sampler, &id, 1, &err), PHIAL_OK);
        assert_int_equal(phial_stopper_push(stopper, "no such", 7, &shown, &err), PHIAL_OK);
    }
    assert_int_equal(atomic_load(&torture_calls), before);
    phial_stopper_free(stopper);
    phial_sampler_free(sampler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(going_on_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
