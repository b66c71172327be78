/* Forward and backward pass over a batch.
 *
 * Forwards a layer is x' = x + dense(attention(q, k, v)) + fc2(gelu(f)), with q, k, v and f one
 * product of LayerNorm(x). Backwards, d the gradient of x': fc2's and dense's inputs, gelu and its
 * slope (f becomes gelu(f)), weights of fc2 and dense, attention, LayerNorm(x) again, the weights
 * of the one product, and its input through LayerNorm, added to d, which is then the gradient of x.
 */
#include <math.h>
#include <string.h>

#include "kern/rows.h"
#include "train/trainee_struct.h"

#define EMBED_COLUMNS 16

/* --- the batch -------------------------------------------------------------------------------- */

static phial_status check_examples(ph_trainee *t, const ph_train_batch *b, phial_error *err)
{
    for (size_t i = 0; i < b->n_examples; i++) {
        size_t first = b->starts[i], end = i + 1 < b->n_examples ? b->starts[i + 1] : b->n;
        if ((i == 0 && first != 0) || end <= first || end > b->n) {
            return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                              "batch of %zu tokens: example %zu begins at %zu and ends at %zu",
                              b->n, i, first, end);
        }
        if (end - first > t->hp.n_ctx_max) {
            return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                              "example %zu of the batch has %zu tokens; the context holds %u", i,
                              end - first, (unsigned)t->hp.n_ctx_max);
        }
        t->examples[i] = (ph_train_span){first, end - first};
    }
    t->n_examples = b->n_examples;
    return PHIAL_OK;
}

static phial_status take_batch(ph_trainee *t, const ph_train_batch *b, phial_error *err)
{
    if (b->n < 1 || b->n > t->options.max_tokens || b->n_examples < 1 || b->n_examples > b->n) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "batch of %zu tokens in %zu examples; room was made for %zu tokens", b->n,
                          b->n_examples, t->options.max_tokens);
    }
    t->n_targets = 0;
    for (size_t i = 0; i < b->n; i++) {
        bool has_target = b->targets[i] != PH_TRAIN_NO_TARGET;
        uint32_t wrong = b->ids[i] >= t->hp.n_vocab ? b->ids[i] : b->targets[i];
        if (b->ids[i] >= t->hp.n_vocab || (has_target && b->targets[i] >= t->hp.n_vocab)) {
            return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                              "batch position %zu: token %u is not in the vocabulary of %u", i,
                              (unsigned)wrong, (unsigned)t->hp.n_vocab);
        }
        if (has_target) {
            t->target_rows[t->n_targets++] = (uint32_t)i;
        }
    }
    t->batch = b;
    return check_examples(t, b, err);
}

/* --- embedding -------------------------------------------------------------------------------- */

static void embed(void *arg, int thread, int n_threads)
{
    ph_trainee *t = arg;
    size_t width = t->hp.n_embd, begin, end;
    ph_pool_split(t->batch->n, 1, thread, n_threads, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        memcpy(t->x + i * width, t->value + t->embed + t->batch->ids[i] * width,
               width * sizeof *t->x);
    }
}

/* A thread has columns of its own and adds the tokens in their order. */
static void embed_grad(void *arg, int thread, int n_threads)
{
    ph_trainee *t = arg;
    size_t width = t->hp.n_embd, begin, end;
    ph_pool_split(width, EMBED_COLUMNS, thread, n_threads, &begin, &end);
    for (size_t i = 0; i < t->batch->n; i++) {
        float *to = t->grad + t->embed + t->batch->ids[i] * width;
        const float *from = t->dx + i * width;
        for (size_t c = begin; c < end; c++) {
            to[c] += from[c];
        }
    }
}

/* --- a layer forwards ------------------------------------------------------------------------- */

static float *stream(const ph_trainee *t, size_t layer)
{
    return t->x + layer * t->options.max_tokens * t->hp.n_embd;
}

static void normed(ph_trainee *t, size_t layer)
{
    const ph_train_layer *w = &t->layers[layer];
    size_t width = t->hp.n_embd;
    ph_layernorm(&t->work, t->ln, width, stream(t, layer), width, t->value + w->norm,
                 t->value + w->norm_bias, t->batch->n, width, t->hp.norm_eps);
}

/* What backward needs of the layer, from its input. */
static void layer_begin(ph_trainee *t, size_t layer)
{
    const ph_train_layer *w = &t->layers[layer];
    const ph_train_kept *kept = &t->kept[layer];
    size_t width = t->hp.n_embd;
    normed(t, layer);
    ph_sgemm cat = {.a = t->ln,
                    .b = t->value + w->cat,
                    .c = kept->z,
                    .m = t->batch->n,
                    .n = t->n_cat,
                    .k = width,
                    .lda = width,
                    .ldb = width,
                    .ldc = t->n_cat,
                    .b_t = true,
                    .bias = t->value + w->cat_bias};
    ph_sgemm_run(&t->room, &cat);
    ph_train_attn(t, kept);
}

/* And its output. */
static void layer_end(ph_trainee *t, size_t layer)
{
    const ph_train_layer *w = &t->layers[layer];
    const ph_train_kept *kept = &t->kept[layer];
    size_t width = t->hp.n_embd;
    ph_sgemm dense = {.a = kept->o,
                      .b = t->value + w->dense,
                      .c = stream(t, layer + 1),
                      .m = t->batch->n,
                      .n = width,
                      .k = t->n_q,
                      .lda = t->n_q,
                      .ldb = t->n_q,
                      .ldc = width,
                      .b_t = true,
                      .bias = t->value + w->dense_bias,
                      .from = stream(t, layer),
                      .ld_from = width};
    ph_sgemm_run(&t->room, &dense);
    ph_sgemm down = {.a = kept->z + t->n_q + 2 * t->n_kv,
                     .b = t->value + w->down,
                     .c = stream(t, layer + 1),
                     .m = t->batch->n,
                     .n = width,
                     .k = t->hp.n_ff,
                     .lda = t->n_cat,
                     .ldb = t->hp.n_ff,
                     .ldc = width,
                     .b_t = true,
                     .bias = t->value + w->down_bias,
                     .from = stream(t, layer + 1),
                     .ld_from = width,
                     .a_map = t->kern.gelu};
    ph_sgemm_run(&t->room, &down);
}

static void forward(ph_trainee *t)
{
    ph_pool_run(t->pool, embed, t);
    for (size_t i = 0; i < t->hp.n_layer; i++) {
        layer_begin(t, i);
        layer_end(t, i);
    }
}

/* --- a layer backwards ------------------------------------------------------------------------ */

typedef struct gelu_block {
    ph_trainee *t;
    float *f;
} gelu_block;

/* Gradient of gelu's output to that of its input, and the input to the output. */
static void gelu_backward(void *user, size_t row, size_t n_rows, size_t col, size_t n_cols)
{
    const gelu_block *b = user;
    size_t ld = b->t->n_cat;
    float *d = b->t->dz + ld - b->t->hp.n_ff;
    for (size_t i = row; i < row + n_rows; i++) {
        b->t->kern.gelu_grad(d + i * ld + col, b->f + i * ld + col, n_cols);
    }
}

/* Gradient of a weight stored [out][in], and of its bias, from those of its outputs. */
static void weight_grad(ph_trainee *t, size_t weight, size_t bias, const float *dy, size_t n_out,
                        size_t ld_dy, const float *x, size_t n_in, size_t ld_x)
{
    ph_sgemm g = {.a = dy,
                  .b = x,
                  .c = t->grad + weight,
                  .m = n_out,
                  .n = n_in,
                  .k = t->batch->n,
                  .lda = ld_dy,
                  .ldb = ld_x,
                  .ldc = n_in,
                  .a_t = true,
                  .from = t->grad + weight,
                  .ld_from = n_in,
                  .a_sums = t->grad + bias};
    ph_sgemm_run(&t->room, &g);
}

/* Gradient of a product's input from that of its output. */
static ph_sgemm input_grad(const ph_trainee *t, size_t weight, const float *dy, size_t n_out,
                           float *dx, size_t n_in, size_t ld_dx)
{
    return (ph_sgemm){.a = dy,
                      .b = t->value + weight,
                      .c = dx,
                      .m = t->batch->n,
                      .n = n_in,
                      .k = n_out,
                      .lda = n_out,
                      .ldb = n_in,
                      .ldc = ld_dx};
}

static void layer_backward(ph_trainee *t, size_t layer)
{
    const ph_train_layer *w = &t->layers[layer];
    const ph_train_kept *kept = &t->kept[layer];
    size_t width = t->hp.n_embd, n_ff = t->hp.n_ff, first_f = t->n_cat - n_ff;
    /* The last layer's are still there. */
    if (t->options.recompute && layer + 1 < t->hp.n_layer) {
        layer_begin(t, layer);
    }
    ph_sgemm to_o = input_grad(t, w->dense, t->dx, width, t->d_o, t->n_q, t->n_q);
    ph_sgemm_run(&t->room, &to_o);
    gelu_block block = {t, kept->z + first_f};
    ph_sgemm to_f = input_grad(t, w->down, t->dx, width, t->dz + first_f, n_ff, t->n_cat);
    to_f.after = gelu_backward;
    to_f.user = &block;
    ph_sgemm_run(&t->room, &to_f);
    weight_grad(t, w->dense, w->dense_bias, t->dx, width, width, kept->o, t->n_q, t->n_q);
    weight_grad(t, w->down, w->down_bias, t->dx, width, width, block.f, n_ff, t->n_cat);
    ph_train_attn_grad(t, kept);
    normed(t, layer);
    weight_grad(t, w->cat, w->cat_bias, t->dz, t->n_cat, t->n_cat, t->ln, width, width);
    ph_sgemm to_ln = input_grad(t, w->cat, t->dz, t->n_cat, t->dln, width, width);
    ph_sgemm_run(&t->room, &to_ln);
    ph_train_norm_grad(t, t->dln, stream(t, layer), NULL, t->batch->n, w->norm, w->norm_bias);
}

/* --- the two calls ---------------------------------------------------------------------------- */

static phial_status run_batch(ph_trainee *t, const ph_train_batch *batch, bool grad,
                              ph_train_loss *loss, phial_error *err)
{
    phial_status status = take_batch(t, batch, err);
    if (status != PHIAL_OK) {
        return status;
    }
    forward(t);
    loss->sum = ph_train_head(t, grad);
    loss->n_targets = t->n_targets;
    if (grad && isfinite(loss->sum)) {
        for (size_t i = t->hp.n_layer; i-- > 0;) {
            layer_backward(t, i);
        }
        ph_pool_run(t->pool, embed_grad, t);
    }
    t->batch = NULL;
    if (!isfinite(loss->sum)) {
        return ph_err_set(err, PHIAL_ERR_NUMERIC, "the loss of a batch of %zu tokens is %g",
                          batch->n, loss->sum);
    }
    return PHIAL_OK;
}

phial_status ph_trainee_backward(ph_trainee *t, const ph_train_batch *batch, ph_train_loss *loss,
                                 phial_error *err)
{
    return run_batch(t, batch, true, loss, err);
}

phial_status ph_trainee_loss(ph_trainee *t, const ph_train_batch *batch, ph_train_loss *loss,
                             phial_error *err)
{
    return run_batch(t, batch, false, loss, err);
}
