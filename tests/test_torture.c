/* Every allocation of opening, tokenizing and computing fails once: each failure must end in an
 * out-of-memory sentence, without a leak (the asan build looks) and without harm to the next try.
 * And decoding allocates nothing.
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

#define TINY PHIAL_SOURCE_DIR "/tests/data/tiny-phi"

static void see_nothing(void *user, const phial_activation_event *event)
{
    (void)user;
    (void)event;
}

/* Opens everything, runs a prompt, saves and restores. */
static phial_status whole_life(phial_error *err)
{
    phial_model *model = NULL;
    phial_engine *engine = NULL;
    phial_session *session = NULL;
    phial_tokenizer *tokenizer = NULL;
    phial_encoder *encoder = NULL;
    const char *path = PHIAL_BUILD_DIR "/torture.snapshot";
    const char *text = "Alice: What is the other thing?\nBob: \xf0\x9f\x90\xbc";
    size_t n = 0;
    phial_status status = phial_tokenizer_open(&tokenizer, TINY, err);
    if (status == PHIAL_OK) {
        status = phial_encoder_new(&encoder, tokenizer, err);
    }
    if (status == PHIAL_OK) {
        status = phial_encoder_run(encoder, text, strlen(text), 0, err);
    }
    if (status == PHIAL_OK) {
        status = phial_model_open(&model, TINY, NULL, err);
    }
    if (status == PHIAL_OK) {
        phial_engine_options o;
        phial_engine_options_default(&o);
        o.n_threads = 2;
        status = phial_engine_new(&engine, model, &o, err);
    }
    if (status == PHIAL_OK) {
        status = phial_session_new(&session, engine, 0, err);
    }
    if (status == PHIAL_OK) {
        status = phial_session_on_activation(session, PHIAL_ACT_ALL, see_nothing, NULL, err);
    }
    if (status == PHIAL_OK) {
        const uint32_t *ids = phial_encoder_ids(encoder, &n);
        status = phial_session_sync(session, ids, n, err);
    }
    if (status == PHIAL_OK) {
        status = phial_session_save(session, path, err);
    }
    if (status == PHIAL_OK) {
        status = phial_session_load(session, path, err);
    }
    phial_session_free(session);
    phial_engine_free(engine);
    phial_model_close(model);
    phial_encoder_free(encoder);
    phial_tokenizer_close(tokenizer);
    return status;
}

static bool survives(void *arg)
{
    phial_error err = {0};
    phial_status status = whole_life(&err);
    if (status != PHIAL_OK) {
        *(long *)arg += 1;
        if (status != PHIAL_ERR_NO_MEMORY) {
            fail_msg("%s", err.message);
        }
        assert_int_equal(err.status, PHIAL_ERR_NO_MEMORY);
        assert_true(err.message[0] != '\0');
    }
    return status == PHIAL_OK;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    long failures = 0;
    long runs = torture_run(survives, &failures, 5000);
    assert_true(runs >= 40);
    assert_int_equal(failures, runs);
    print_message("%ld allocations failed one by one\n", runs);
}

static void decoding_allocates_nothing(void **state)
{
    (void)state;
    phial_error err = {0};
    phial_model *model = NULL;
    phial_engine *engine = NULL;
    phial_session *session = NULL;
    assert_int_equal(phial_model_open(&model, TINY, NULL, &err), PHIAL_OK);
    assert_int_equal(phial_engine_new(&engine, model, NULL, &err), PHIAL_OK);
    assert_int_equal(phial_session_new(&session, engine, 0, &err), PHIAL_OK);
    uint32_t ids[256];
    for (uint32_t i = 0; i < 256; i++) {
        ids[i] = i;
    }
    long before = atomic_load(&torture_calls);
    for (size_t n = 100; n <= 256; n++) {
        assert_int_equal(phial_session_sync(session, ids, n, &err), PHIAL_OK);
    }
    assert_int_equal(atomic_load(&torture_calls), before);
    phial_session_free(session);
    phial_engine_free(engine);
    phial_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(decoding_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
