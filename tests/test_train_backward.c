/* Training against PyTorch and against itself: gradients of every parameter as autograd through
 * Hugging Face's PhiForCausalLM gives them and as finite differences give them, 20 steps of AdamW,
 * the same bits on any number of threads, packed examples as if each were alone, recomputation.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "fmt/safetensors.h"
#include "train/trainee.h"

#define TINY  PHIAL_SOURCE_DIR "/tests/data/tiny-phi"
#define GRADS TINY "/grads.safetensors"

#define CHECK(call)                                                                                \
    do {                                                                                           \
        phial_error why = {0};                                                                     \
        if ((call) != PHIAL_OK) {                                                                  \
            fail_msg("%s: %s", #call, why.message);                                                \
        }                                                                                          \
    } while (0)

static const void *golden(const ph_safetensors *st, const char *name, uint64_t *n)
{
    const ph_st_tensor *t = ph_safetensors_tensor_find(st, name);
    if (t == NULL) {
        fail_msg("%s: no tensor '%s'", GRADS, name);
        return NULL;
    }
    if (n != NULL) {
        *n = t->n_elements;
    }
    return t->data;
}

/* The golden file's batch i; memory is the caller's. */
typedef struct batches {
    uint32_t ids[4096], targets[4096], starts[64];
    size_t n, n_examples;
} batches;

static void load_batches(batches *b, const ph_safetensors *st)
{
    uint64_t n = 0, n_lengths = 0;
    const uint8_t *ids = golden(st, "ids", &n);
    const uint8_t *targets = golden(st, "targets", NULL);
    const uint8_t *lengths = golden(st, "lengths", &n_lengths);
    assert_true(n <= 4096 && n_lengths <= 64);
    memcpy(b->ids, ids, n * 4);
    memcpy(b->targets, targets, n * 4);
    b->n = 0;
    b->n_examples = n_lengths;
    for (size_t i = 0; i < n_lengths; i++) {
        uint32_t length;
        memcpy(&length, lengths + 4 * i, 4);
        b->starts[i] = (uint32_t)b->n;
        b->n += length;
    }
}

static ph_train_batch batch_at(const batches *b, size_t i)
{
    return (ph_train_batch){b->ids + i * b->n, b->targets + i * b->n, b->n, b->starts,
                            b->n_examples};
}

static ph_trainee *open_tiny(const ph_trainee_options *options)
{
    phial_model *model;
    ph_trainee *t;
    CHECK(phial_model_open(&model, TINY, NULL, &why));
    CHECK(ph_trainee_from_model(&t, model, options, &why));
    phial_model_close(model);
    return t;
}

static ph_trainee_options options_of(int threads)
{
    ph_trainee_options o;
    ph_trainee_options_default(&o);
    o.n_threads = threads;
    o.max_tokens = 512;
    return o;
}

/* Largest |a - b| relative to the largest |b| of the parameter. */
static double relative(const float *a, const uint8_t *b, size_t n)
{
    double most = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        float want;
        memcpy(&want, b + 4 * i, 4);
        double d = fabs((double)a[i] - want);
        most = d > most || isnan(d) ? d : most;
        size = fabs((double)want) > size ? fabs((double)want) : size;
    }
    return most / (size > 0 ? size : 1);
}

static double grad_error(const ph_safetensors *st, const ph_train_param *p)
{
    char name[160];
    uint64_t n = 0;
    snprintf(name, sizeof name, "grad.%s", p->name);
    const uint8_t *want = golden(st, name, &n);
    assert_int_equal(n, p->n);
    return relative(p->grad, want, p->n);
}

static void gradients_of(ph_train_math math, bool recompute, double tolerance)
{
    ph_safetensors *st;
    static batches b;
    CHECK(ph_safetensors_open(&st, GRADS, &why));
    load_batches(&b, st);
    ph_trainee_options o = options_of(2);
    o.math = math;
    o.recompute = recompute;
    ph_trainee *t = open_tiny(&o);
    ph_train_batch batch = batch_at(&b, 0);
    ph_train_loss loss, again;
    CHECK(ph_trainee_loss(t, &batch, &again, &why));
    CHECK(ph_trainee_backward(t, &batch, &loss, &why));
    assert_true(loss.sum == again.sum);
    assert_int_equal(loss.n_targets, again.n_targets);
    double want;
    memcpy(&want, golden(st, "loss_sum", NULL), sizeof want);
    assert_true(fabs(loss.sum - want) < tolerance * want);
    double worst = 0;
    for (size_t i = 0; i < ph_trainee_n_params(t); i++) {
        ph_train_param p = ph_trainee_param(t, i);
        double error = grad_error(st, &p);
        if (!(error < tolerance)) {
            fail_msg("%s: gradient differs by %.2e of its largest", p.name, error);
        }
        worst = error > worst ? error : worst;
    }
    print_message("%zu parameters, largest difference %.2e\n", ph_trainee_n_params(t), worst);
    ph_trainee_free(t);
    ph_safetensors_close(st);
}

static void test_gradients(void **state)
{
    (void)state;
    gradients_of(PH_TRAIN_F32, false, 2e-5);
}

static void test_gradients_recomputed(void **state)
{
    (void)state;
    gradients_of(PH_TRAIN_F32, true, 2e-5);
}

static void test_gradients_bf16(void **state)
{
    (void)state;
    gradients_of(PH_TRAIN_BF16, false, 5e-2);
}

static void test_adamw_steps(void **state)
{
    (void)state;
    ph_safetensors *st;
    static batches b;
    uint64_t n_steps = 0;
    CHECK(ph_safetensors_open(&st, GRADS, &why));
    load_batches(&b, st);
    const uint8_t *losses = golden(st, "step_losses", &n_steps);
    const uint8_t *norms = golden(st, "step_norms", NULL);
    ph_trainee_options o = options_of(2);
    ph_trainee *t = open_tiny(&o);
    assert_int_equal(n_steps, 20);
    double worst = 0;
    for (size_t i = 0; i < n_steps; i++) {
        ph_train_batch batch = batch_at(&b, i % 4);
        ph_train_loss loss;
        double norm, want_loss, want_norm;
        memcpy(&want_loss, losses + 8 * i, 8);
        memcpy(&want_norm, norms + 8 * i, 8);
        CHECK(ph_trainee_backward(t, &batch, &loss, &why));
        ph_adamw adamw;
        ph_adamw_default(&adamw);
        adamw.lr = 3e-3;
        adamw.divisor = (double)loss.n_targets;
        CHECK(ph_trainee_update(t, &adamw, &norm, &why));
        double d = fabs(loss.sum / (double)loss.n_targets - want_loss);
        worst = d > worst ? d : worst;
        assert_true(d < 1e-4);
        assert_true(fabs(norm - want_norm) < 1e-3 * want_norm);
    }
    assert_int_equal(ph_trainee_step(t), 20);
    print_message("20 steps, largest difference of the loss %.2e\n", worst);
    ph_trainee_free(t);
    ph_safetensors_close(st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_gradients_recomputed),
        cmocka_unit_test(test_gradients_bf16),
        cmocka_unit_test(test_adamw_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
