/* Every allocation of making and saving a trainee fails once: a sentence each time, no leak (under
 * the sanitizer), nothing left behind. A step of training allocates nothing.
 * wrap: calloc realloc aligned_alloc
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "torture.h"
#include "train/trainee.h"

#define TINY PHIAL_SOURCE_DIR "/tests/data/tiny-phi"

static const ph_trainee_options two_threads = {.n_threads = 2, .max_tokens = 40};

static bool settled(phial_status status, const phial_error *err)
{
    if (status != PHIAL_OK && (status != PHIAL_ERR_NO_MEMORY || err->message[0] == '\0')) {
        fail_msg("status %d '%s'", status, err->message);
    }
    return status == PHIAL_OK;
}

static ph_hparams small_shape(void)
{
    return (ph_hparams){.n_vocab = 50,
                        .n_embd = 16,
                        .n_layer = 2,
                        .n_head = 2,
                        .n_head_kv = 2,
                        .head_dim = 8,
                        .n_rot = 4,
                        .n_ff = 24,
                        .n_ctx_max = 32,
                        .norm_eps = 1e-5f,
                        .rope_theta = 10000,
                        .rope_factor = 1};
}

static bool make(void *arg)
{
    ph_hparams hp = small_shape();
    ph_trainee *t;
    phial_error err = {0};
    (void)arg;
    phial_status status = ph_trainee_new(&t, &hp, 1, &two_threads, &err);
    if (status == PHIAL_OK) {
        ph_trainee_free(t);
    }
    return settled(status, &err);
}

static bool from_model(void *arg)
{
    ph_trainee *t;
    phial_error err = {0};
    phial_status status = ph_trainee_from_model(&t, arg, &two_threads, &err);
    if (status == PHIAL_OK) {
        ph_trainee_free(t);
    }
    return settled(status, &err);
}

typedef struct saving {
    const ph_trainee *t;
    char path[64], listing[160];
} saving;

static bool save(void *arg)
{
    saving *s = arg;
    ph_trainee_save_options o;
    phial_error err = {0};
    ph_trainee_save_options_default(&o);
    o.tokenizer_dir = TINY;
    phial_status status = ph_trainee_save(s->t, s->path, &o, &err);
    if (status != PHIAL_OK) {
        assert_int_equal(ph_file_kind_of(s->path), PH_FILE_MISSING);
        assert_int_equal(system(s->listing), 0);
    }
    return settled(status, &err);
}

static void test_making(void **state)
{
    (void)state;
    phial_model *model;
    assert_int_equal(phial_model_open(&model, TINY, NULL, NULL), PHIAL_OK);
    assert_true(torture_run(make, NULL, 1000) > 20);
    assert_true(torture_run(from_model, model, 1000) > 20);
    phial_model_close(model);
}

static void test_saving(void **state)
{
    (void)state;
    char folder[] = "/tmp/phial-train-XXXXXX", command[64];
    ph_trainee *t;
    ph_hparams hp = small_shape();
    hp.n_vocab = 320; /* the tokenizer's */
    assert_non_null(mkdtemp(folder));
    assert_int_equal(ph_trainee_new(&t, &hp, 1, &two_threads, NULL), PHIAL_OK);
    static const char *const names[] = {"hf", "m.gguf"};
    for (size_t i = 0; i < 2; i++) {
        saving s = {.t = t};
        snprintf(s.path, sizeof s.path, "%s/%s", folder, names[i]);
        /* What was there before the first of them, or was made by it, and nothing else. */
        snprintf(s.listing, sizeof s.listing, "test \"$(ls -A %s)\" = '%s'", folder,
                 i == 0 ? "" : names[0]);
        assert_true(torture_run(save, &s, 10000) > 10);
    }
    ph_trainee_free(t);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

static void test_step_allocates_nothing(void **state)
{
    (void)state;
    ph_trainee *t;
    ph_hparams hp = small_shape();
    assert_int_equal(ph_trainee_new(&t, &hp, 1, &two_threads, NULL), PHIAL_OK);
    uint32_t ids[40], targets[40], starts[] = {0, 25};
    for (uint32_t i = 0; i < 40; i++) {
        ids[i] = i;
        targets[i] = i + 1;
    }
    ph_train_batch batch = {ids, targets, 40, starts, 2};
    ph_train_loss loss;
    ph_adamw adamw;
    ph_adamw_default(&adamw);
    long before = atomic_load(&torture_calls);
    assert_int_equal(ph_trainee_backward(t, &batch, &loss, NULL), PHIAL_OK);
    assert_int_equal(ph_trainee_update(t, &adamw, NULL, NULL), PHIAL_OK);
    assert_int_equal(ph_trainee_loss(t, &batch, &loss, NULL), PHIAL_OK);
    assert_int_equal(atomic_load(&torture_calls), before);
    ph_trainee_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_making),
        cmocka_unit_test(test_saving),
        cmocka_unit_test(test_step_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
