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
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "fmt/safetensors.h"
#include "kern/quant.h"
#include "phial/tokenizer.h"
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

/* STEPS steps beside PyTorch's in f32; the loss differs by at most loss_bound, the norm by
 * norm_bound of itself. */
#define STEPS 20

static void adamw_steps(double got[STEPS], ph_train_math math, double loss_bound, double norm_bound)
{
    ph_safetensors *st;
    static batches b;
    uint64_t n_steps = 0;
    CHECK(ph_safetensors_open(&st, GRADS, &why));
    load_batches(&b, st);
    const uint8_t *losses = golden(st, "step_losses", &n_steps);
    const uint8_t *norms = golden(st, "step_norms", NULL);
    ph_trainee_options o = options_of(2);
    o.math = math;
    ph_trainee *t = open_tiny(&o);
    assert_int_equal(n_steps, STEPS);
    double worst = 0, worst_norm = 0;
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
        got[i] = loss.sum / (double)loss.n_targets;
        double d = fabs(got[i] - want_loss);
        worst = d > worst ? d : worst;
        worst_norm = fmax(worst_norm, fabs(norm - want_norm) / want_norm);
        assert_true(d < loss_bound);
        assert_true(fabs(norm - want_norm) < norm_bound * want_norm);
    }
    assert_int_equal(ph_trainee_step(t), STEPS);
    print_message("loss %.3f to %.3f, largest difference %.2e, of the norm %.2e\n", got[0],
                  got[STEPS - 1], worst, worst_norm);
    ph_trainee_free(t);
    ph_safetensors_close(st);
}

static void test_adamw_steps(void **state)
{
    double losses[STEPS];
    (void)state;
    adamw_steps(losses, PH_TRAIN_F32, 1e-4, 1e-3);
}

/* Rounding moves an operand by at most 2^-9 of itself, a product by 2^-8; so a loss of some nats by
 * no more than 2^-8 of itself if all errors had one sign, and they do not. The scalar reference
 * rounds and then multiplies in f32: in the first step only the order of additions differs, later
 * what is rounded the other way after it, which moves the loss as far as rounding itself does. */
static void test_adamw_steps_bf16(void **state)
{
    double losses[STEPS], want[STEPS];
    (void)state;
    adamw_steps(losses, PH_TRAIN_BF16, 0x1p-8, 0x1p-8);
    const char *was = getenv("PHIAL_CPU");
    char *kept = was != NULL ? strdup(was) : NULL;
    setenv("PHIAL_CPU", "ref", 1);
    adamw_steps(want, PH_TRAIN_BF16, 0x1p-8, 0x1p-8);
    if (kept != NULL) {
        setenv("PHIAL_CPU", kept, 1);
    } else {
        unsetenv("PHIAL_CPU");
    }
    free(kept);
    print_message("first step beside the reference: %.2e\n", fabs(losses[0] - want[0]));
    assert_true(fabs(losses[0] - want[0]) < 1e-4);
}

/* --- against itself -----------------------------------------------------------------------------
 */

/* A small model with grouped keys and sizes that fill no tile. */
static ph_hparams odd_shape(void)
{
    return (ph_hparams){.n_vocab = 301,
                        .n_embd = 60,
                        .n_layer = 2,
                        .n_head = 6,
                        .n_head_kv = 3,
                        .head_dim = 10,
                        .n_rot = 4,
                        .n_ff = 77,
                        .n_ctx_max = 300,
                        .norm_eps = 1e-5f,
                        .rope_theta = 10000,
                        .rope_factor = 1};
}

/* Biases and norms leave their first values, so that their gradients matter. */
static void disturb(ph_trainee *t)
{
    ph_rng rng;
    ph_rng_seed(&rng, 5, 0);
    for (size_t i = 0; i < ph_trainee_n_params(t); i++) {
        ph_train_param p = ph_trainee_param(t, i);
        float size = p.n_dims == 2 ? 0.2f : 0.1f;
        for (size_t k = 0; k < p.n; k++) {
            p.value[k] += size * (float)(2 * ph_rng_f64(&rng) - 1);
        }
    }
}

static ph_trainee *odd_trainee_in(ph_train_math math, int threads, bool recompute)
{
    ph_hparams hp = odd_shape();
    ph_trainee_options o = options_of(threads);
    ph_trainee *t;
    o.math = math;
    o.recompute = recompute;
    CHECK(ph_trainee_new(&t, &hp, 42, &o, &why));
    disturb(t);
    return t;
}

static ph_trainee *odd_trainee(int threads, bool recompute)
{
    return odd_trainee_in(PH_TRAIN_F32, threads, recompute);
}

/* Examples of 200, 97, 1, 96 and 40 tokens; the last has no target at all. */
static void odd_batches(batches *b, size_t n_vocab)
{
    static const uint32_t lengths[] = {200, 97, 1, 96, 40};
    ph_rng rng;
    ph_rng_seed(&rng, 9, 0);
    b->n = 0;
    b->n_examples = sizeof lengths / sizeof *lengths;
    for (size_t i = 0; i < b->n_examples; i++) {
        b->starts[i] = (uint32_t)b->n;
        for (uint32_t k = 0; k < lengths[i]; k++, b->n++) {
            bool none = i == 4 || ph_rng_below(&rng, 4) == 0;
            b->ids[b->n] = (uint32_t)ph_rng_below(&rng, n_vocab);
            b->targets[b->n] = none ? PH_TRAIN_NO_TARGET : (uint32_t)ph_rng_below(&rng, n_vocab);
        }
    }
}

static void assert_same_state(const ph_trainee *a, const ph_trainee *b)
{
    assert_int_equal(ph_trainee_n_params(a), ph_trainee_n_params(b));
    for (size_t i = 0; i < ph_trainee_n_params(a); i++) {
        ph_train_param p = ph_trainee_param(a, i), q = ph_trainee_param(b, i);
        assert_memory_equal(p.value, q.value, p.n * 4);
        assert_memory_equal(p.grad, q.grad, p.n * 4);
        assert_memory_equal(p.m, q.m, p.n * 4);
        assert_memory_equal(p.v, q.v, p.n * 4);
    }
}

static void train_steps(ph_trainee *t, const batches *b, int n)
{
    ph_train_batch batch = batch_at(b, 0);
    for (int i = 0; i < n; i++) {
        ph_train_loss loss;
        ph_adamw adamw;
        CHECK(ph_trainee_backward(t, &batch, &loss, &why));
        ph_adamw_default(&adamw);
        adamw.divisor = (double)loss.n_targets;
        CHECK(ph_trainee_update(t, &adamw, NULL, &why));
    }
}

static void same_bits(ph_train_math math)
{
    static batches b;
    odd_batches(&b, 301);
    ph_train_batch batch = batch_at(&b, 0);
    ph_train_loss first, loss;
    ph_trainee *one = odd_trainee_in(math, 1, false);
    train_steps(one, &b, 2);
    CHECK(ph_trainee_backward(one, &batch, &first, &why));
    for (int threads = 1; threads <= 5; threads++) {
        for (int recompute = 0; recompute < 2; recompute++) {
            ph_trainee *t = odd_trainee_in(math, threads, recompute != 0);
            train_steps(t, &b, 2);
            CHECK(ph_trainee_backward(t, &batch, &loss, &why));
            assert_true(loss.sum == first.sum);
            assert_same_state(one, t);
            ph_trainee_free(t);
        }
    }
    ph_trainee_free(one);
}

static void test_same_bits(void **state)
{
    (void)state;
    same_bits(PH_TRAIN_F32);
    same_bits(PH_TRAIN_BF16);
}

/* A second trainee that is given values, moments and step count of the first goes on as it does. */
static void test_resumed(void **state)
{
    (void)state;
    static batches b;
    odd_batches(&b, 301);
    ph_trainee *whole = odd_trainee(2, false), *resumed = odd_trainee(2, false);
    train_steps(whole, &b, 3);
    for (size_t i = 0; i < ph_trainee_n_params(whole); i++) {
        ph_train_param p = ph_trainee_param(whole, i), q = ph_trainee_param(resumed, i);
        memcpy(q.value, p.value, p.n * 4);
        memcpy(q.m, p.m, p.n * 4);
        memcpy(q.v, p.v, p.n * 4);
    }
    ph_trainee_set_step(resumed, ph_trainee_step(whole));
    train_steps(whole, &b, 2);
    train_steps(resumed, &b, 2);
    assert_same_state(whole, resumed);
    ph_trainee_free(whole);
    ph_trainee_free(resumed);
}

/* Packed examples: losses and gradients are sums of what each gives alone. */
static void test_packing(void **state)
{
    (void)state;
    static batches b;
    odd_batches(&b, 301);
    ph_trainee *packed = odd_trainee(2, false), *apart = odd_trainee(2, false);
    ph_train_batch batch = batch_at(&b, 0);
    ph_train_loss loss, part;
    double sum = 0;
    uint64_t n_targets = 0;
    CHECK(ph_trainee_backward(packed, &batch, &loss, &why));
    for (size_t i = 0; i < b.n_examples; i++) {
        uint32_t begin = b.starts[i], zero = 0;
        size_t end = i + 1 < b.n_examples ? b.starts[i + 1] : b.n;
        ph_train_batch alone = {b.ids + begin, b.targets + begin, end - begin, &zero, 1};
        CHECK(ph_trainee_backward(apart, &alone, &part, &why));
        sum += part.sum;
        n_targets += part.n_targets;
    }
    assert_true(fabs(sum - loss.sum) < 1e-6 * sum);
    assert_int_equal(n_targets, loss.n_targets);
    for (size_t i = 0; i < ph_trainee_n_params(packed); i++) {
        ph_train_param p = ph_trainee_param(packed, i), q = ph_trainee_param(apart, i);
        assert_true(relative(p.grad, (const uint8_t *)q.grad, p.n) < 1e-5);
    }
    ph_trainee_free(packed);
    ph_trainee_free(apart);
}

/* Central differences along a random direction of each parameter, whose slope is the sum of many
 * gradients and so stands out of the rounding of the loss. */
static void test_finite_differences(void **state)
{
    (void)state;
    static batches b;
    odd_batches(&b, 301);
    ph_trainee *t = odd_trainee(2, false);
    ph_train_batch batch = batch_at(&b, 0);
    ph_train_loss loss, up, down;
    CHECK(ph_trainee_backward(t, &batch, &loss, &why));
    for (size_t i = 0; i < ph_trainee_n_params(t); i++) {
        ph_train_param p = ph_trainee_param(t, i);
        float *old = ph_alloc(p.n, sizeof *old, NULL);
        double slope = 0, size = 0, norm = 0;
        memcpy(old, p.value, p.n * sizeof *old);
        for (size_t k = 0; k < p.n; k++) {
            norm += (double)p.grad[k] * p.grad[k];
        }
        double step = 0.2 / sqrt(norm);
        /* Along the gradient, so that the slope is as large as it can be. */
        for (size_t k = 0; k < p.n; k++) {
            p.value[k] = old[k] + (float)(step * p.grad[k] / sqrt(norm));
        }
        CHECK(ph_trainee_loss(t, &batch, &up, &why));
        for (size_t k = 0; k < p.n; k++) {
            float plus = p.value[k], minus = old[k] - (float)(step * p.grad[k] / sqrt(norm));
            slope += (double)p.grad[k] * ((double)plus - minus);
            p.value[k] = minus;
        }
        CHECK(ph_trainee_loss(t, &batch, &down, &why));
        memcpy(p.value, old, p.n * sizeof *old);
        size = up.sum - down.sum;
        if (!(fabs(size - slope) < 0.02 * fabs(slope) + 2e-3)) {
            fail_msg("%s: the loss changes by %.6f, the gradient says %.6f", p.name, size, slope);
        }
        ph_free(old);
    }
    ph_trainee_free(t);
}

/* --- what is refused ----------------------------------------------------------------------------
 */

static void test_bad_batches(void **state)
{
    (void)state;
    ph_trainee *t = odd_trainee(1, false);
    uint32_t ids[512] = {0}, targets[512] = {0}, starts[3] = {0, 5, 9};
    ph_train_loss loss;
    phial_error err;
    const struct {
        ph_train_batch batch;
        const char *says;
    } bad[] = {
        {{ids, targets, 0, starts, 1}, "0 tokens"},
        {{ids, targets, 513, starts, 1}, "room was made for 512"},
        {{ids, targets, 10, starts, 0}, "0 examples"},
        {{ids, targets, 9, starts, 3}, "example 2 begins at 9 and ends at 9"},
        {{ids, targets, 10, starts + 1, 2}, "example 0 begins at 5"},
        {{ids, targets, 400, starts, 1}, "the context holds 300"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ph_trainee_backward(t, &bad[i].batch, &loss, &err), PHIAL_ERR_ARGUMENT);
        assert_non_null(strstr(err.message, bad[i].says));
    }
    ph_train_batch batch = {ids, targets, 10, starts, 1};
    ids[7] = 301;
    assert_int_equal(ph_trainee_backward(t, &batch, &loss, &err), PHIAL_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "position 7: token 301"));
    ids[7] = 0;
    targets[3] = 400;
    assert_int_equal(ph_trainee_loss(t, &batch, &loss, &err), PHIAL_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "position 3: token 400"));
    for (size_t i = 0; i < 10; i++) {
        targets[i] = PH_TRAIN_NO_TARGET;
    }
    CHECK(ph_trainee_backward(t, &batch, &loss, &why));
    assert_true(loss.sum == 0 && loss.n_targets == 0);
    ph_trainee_free(t);
}

static void test_no_numbers(void **state)
{
    (void)state;
    static batches b;
    odd_batches(&b, 301);
    ph_trainee *t = odd_trainee(2, false), *same = odd_trainee(2, false);
    train_steps(t, &b, 1);
    train_steps(same, &b, 1);
    ph_train_param p = ph_trainee_param(t, 3);
    ph_adamw adamw;
    phial_error err;
    ph_adamw_default(&adamw);
    p.grad[1] = NAN;
    assert_int_equal(ph_trainee_update(t, &adamw, NULL, &err), PHIAL_ERR_NUMERIC);
    assert_non_null(strstr(err.message, p.name));
    p.grad[1] = INFINITY;
    assert_int_equal(ph_trainee_update(t, &adamw, NULL, &err), PHIAL_ERR_NUMERIC);
    ph_trainee_zero(t);
    assert_same_state(t, same);
    assert_int_equal(ph_trainee_step(t), 1);
    adamw.beta2 = 1;
    assert_int_equal(ph_trainee_update(t, &adamw, NULL, &err), PHIAL_ERR_ARGUMENT);
    assert_same_state(t, same);
    ph_train_batch batch = batch_at(&b, 0);
    ph_train_loss loss;
    p.value[0] = NAN;
    assert_int_equal(ph_trainee_backward(t, &batch, &loss, &err), PHIAL_ERR_NUMERIC);
    ph_trainee_free(t);
    ph_trainee_free(same);
}

static void test_bad_models(void **state)
{
    (void)state;
    ph_trainee *t;
    phial_error err;
    ph_trainee_options o = options_of(1);
    ph_hparams hp = odd_shape();
    hp.qk_norm = true;
    assert_int_equal(ph_trainee_new(&t, &hp, 0, &o, &err), PHIAL_ERR_UNSUPPORTED);
    hp = odd_shape();
    hp.tied_head = true;
    assert_int_equal(ph_trainee_new(&t, &hp, 0, &o, &err), PHIAL_ERR_UNSUPPORTED);
    hp = odd_shape();
    hp.n_head = 7;
    assert_int_equal(ph_trainee_new(&t, &hp, 0, &o, &err), PHIAL_ERR_BAD_INPUT);
    hp = odd_shape();
    o.max_tokens = PH_TRAIN_TOKENS_MAX + 1;
    assert_int_equal(ph_trainee_new(&t, &hp, 0, &o, &err), PHIAL_ERR_ARGUMENT);
}

/* --- saving -------------------------------------------------------------------------------------
 */

static void assert_saved(const ph_trainee *t, const char *path, ph_dtype type)
{
    phial_model *model;
    ph_trainee *back;
    ph_trainee_options o = options_of(1);
    const ph_quant *quant = ph_quant_find(type);
    CHECK(phial_model_open(&model, path, NULL, &why));
    CHECK(ph_trainee_from_model(&back, model, &o, &why));
    phial_model_close(model);
    for (size_t i = 0; i < ph_trainee_n_params(t); i++) {
        ph_train_param p = ph_trainee_param(t, i), q = ph_trainee_param(back, i);
        assert_string_equal(p.name, q.name);
        assert_int_equal(p.n, q.n);
        float *want = ph_alloc(p.n, 2 * sizeof *want, NULL);
        quant->quantize(want + p.n, p.value, p.n);
        quant->dequantize(want, want + p.n, p.n);
        assert_memory_equal(want, q.value, p.n * 4);
        ph_free(want);
    }
    ph_trainee_free(back);
}

static void test_save(void **state)
{
    (void)state;
    char folder[] = "/tmp/phial-train-XXXXXX", path[256];
    assert_non_null(mkdtemp(folder));
    ph_trainee_options options = options_of(1);
    ph_trainee *t = open_tiny(&options);
    ph_trainee_save_options o;
    phial_error err;
    disturb(t);
    static const char *const names[] = {"hf", "hf16", "m.gguf", "m16.gguf"};
    static const ph_dtype types[] = {PH_DTYPE_F32, PH_DTYPE_BF16, PH_DTYPE_F32, PH_DTYPE_F16};
    for (size_t i = 0; i < 4; i++) {
        ph_trainee_save_options_default(&o);
        o.type = types[i];
        o.tokenizer_dir = TINY;
        o.eos = 319;
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        CHECK(ph_trainee_save(t, path, &o, &why));
        assert_saved(t, path, types[i]);
        assert_int_equal(ph_trainee_save(t, path, &o, &err), PHIAL_ERR_ARGUMENT);
        o.overwrite = true;
        CHECK(ph_trainee_save(t, path, &o, &why));
        phial_tokenizer *tokenizer;
        CHECK(phial_tokenizer_open(&tokenizer, path, &why));
        phial_tokenizer_close(tokenizer);
    }
    ph_trainee_param(t, 0).value[5] = 70000;
    assert_int_equal(ph_trainee_save(t, path, &o, &err), PHIAL_ERR_NUMERIC);
    assert_non_null(strstr(err.message, "weight 5 is 70000"));
    ph_trainee_param(t, 0).value[5] = 65519;
    CHECK(ph_trainee_save(t, path, &o, &why));
    o.type = PH_DTYPE_Q8_0;
    assert_int_equal(ph_trainee_save(t, path, &o, &err), PHIAL_ERR_ARGUMENT);
    o.type = PH_DTYPE_F16;
    o.tokenizer_dir = NULL;
    snprintf(path, sizeof path, "%s/none/m.gguf", folder);
    assert_int_equal(ph_trainee_save(t, path, &o, &err), PHIAL_ERR_IO);
    ph_trainee_free(t);
    snprintf(path, sizeof path, "rm -r %s", folder);
    assert_int_equal(system(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_gradients_recomputed),
        cmocka_unit_test(test_gradients_bf16),
        cmocka_unit_test(test_adamw_steps),
        cmocka_unit_test(test_adamw_steps_bf16),
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_resumed),
        cmocka_unit_test(test_packing),
        cmocka_unit_test(test_finite_differences),
        cmocka_unit_test(test_bad_batches),
        cmocka_unit_test(test_no_numbers),
        cmocka_unit_test(test_bad_models),
        cmocka_unit_test(test_save),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
