/* Forward and backward pass over a batch.
 *
 * Forwards a layer is x' = x + dense(attention(q, k, v)) + fc2(gelu(f)), with q, k, v and f one
 * product of LayerNorm(x). Backwards, d the gradient of x': fc2's and dense's inputs, gelu and its
 * slope (f becomes gelu(f)), weights of fc2 and dense, attention, LayerNorm(x) again, the weights
 * of the one product, and its input through LayerNorm, added to d, which is then the gradient of x.
 *
 * Behind the last layer's attention only rows with a target matter: from there on its rows, and
 * those of the stream, are these alone, one behind the other.
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

static bool is_last(const ph_trainee *t, size_t layer)
{
    return layer + 1 == t->hp.n_layer;
}

/* Rows of a layer behind its attention. */
static size_t rows_behind(const ph_trainee *t, size_t layer)
{
    return is_last(t, layer) ? t->n_targets : t->batch->n;
}

/* Outputs [first, first + n) of q, k, v and fc1 together, of rows x. */
static void project(ph_trainee *t, size_t layer, const float *x, size_t n_rows, size_t first,
                    size_t n)
{
    const ph_train_layer *w = &t->layers[layer];
    size_t width = t->hp.n_embd;
    ph_sgemm g = {.a = x,
                  .b = t->value + w->cat + first * width,
                  .c = t->kept[layer].z + first,
                  .m = n_rows,
                  .n = n,
                  .k = width,
                  .lda = width,
                  .ldb = width,
                  .ldc = t->n_cat,
                  .b_t = true,
                  .bias = t->value + w->cat_bias + first};
    ph_sgemm_run(&t->room, &g);
}

/* Rows with a target: of LayerNorm's and attention's output, and of the stream. */
static void gather_last(void *arg, int thread, int n_threads)
{
    ph_trainee *t = arg;
    size_t width = t->hp.n_embd, last = t->hp.n_layer - 1, begin, end;
    const float *o = t->kept[last].o, *x = stream(t, last);
    float *out = stream(t, last + 1);
    ph_pool_split(t->n_targets, 1, thread, n_threads, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        size_t row = t->target_rows[i];
        memcpy(t->last_ln + i * width, t->ln + row * width, width * sizeof *o);
        memcpy(t->last_o + i * t->n_q, o + row * t->n_q, t->n_q * sizeof *o);
        memcpy(out + i * width, x + row * width, width * sizeof *o);
    }
}

/* What backward needs of the layer, from its input. */
static void layer_begin(ph_trainee *t, size_t layer)
{
    size_t n_qkv = t->n_cat - t->hp.n_ff;
    normed(t, layer);
    project(t, layer, t->ln, t->batch->n, 0, is_last(t, layer) ? n_qkv : t->n_cat);
    ph_train_attn(t, &t->kept[layer]);
    if (is_last(t, layer)) {
        ph_pool_run(t->pool, gather_last, t);
        project(t, layer, t->last_ln, t->n_targets, n_qkv, t->hp.n_ff);
    }
}

/* And its output. */
static void layer_end(ph_trainee *t, size_t layer)
{
    const ph_train_layer *w = &t->layers[layer];
    const ph_train_kept *kept = &t->kept[layer];
    size_t width = t->hp.n_embd, n_rows = rows_behind(t, layer);
    bool last = is_last(t, layer);
    ph_sgemm dense = {.a = last ? t->last_o : kept->o,
                      .b = t->value + w->dense,
                      .c = stream(t, layer + 1),
                      .m = n_rows,
                      .n = width,
                      .k = t->n_q,
                      .lda = t->n_q,
                      .ldb = t->n_q,
                      .ldc = width,
                      .b_t = true,
                      .bias = t->value + w->dense_bias,
                      .from = stream(t, last ? layer + 1 : layer),
                      .ld_from = width};
    ph_sgemm_run(&t->room, &dense);
    ph_sgemm down = {.a = kept->z + t->n_q + 2 * t->n_kv,
                     .b = t->value + w->down,
                     .c = stream(t, layer + 1),
                     .m = n_rows,
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

/* A product's outputs' gradient and its inputs, n_rows of them. */
typedef struct grad_rows {
    size_t n_rows;
    const float *dy; /* [n_rows][n_out] */
    size_t n_out, ld_dy;
    const float *x; /* [n_rows][n_in] */
    size_t n_in, ld_x;
} grad_rows;

/* Gradient of a weight stored [out][in], and of its bias, from those of its outputs. */
static void weight_grad(ph_trainee *t, size_t weight, size_t bias, const grad_rows *r)
{
    ph_sgemm g = {.a = r->dy,
                  .b = r->x,
                  .c = t->grad + weight,
                  .m = r->n_out,
                  .n = r->n_in,
                  .k = r->n_rows,
                  .lda = r->ld_dy,
                  .ldb = r->ld_x,
                  .ldc = r->n_in,
                  .a_t = true,
                  .from = t->grad + weight,
                  .ld_from = r->n_in,
                  .a_sums = t->grad + bias};
    ph_sgemm_run(&t->room, &g);
}

/* Gradient of a product's input from that of its output, both dense but for ld_dy and ld_dx. */
static ph_sgemm input_grad(const ph_trainee *t, size_t n_rows, size_t weight, const float *dy,
                           size_t n_out, size_t ld_dy, float *dx, size_t n_in, size_t ld_dx)
{
    return (ph_sgemm){.a = dy,
                      .b = t->value + weight,
                      .c = dx,
                      .m = n_rows,
                      .n = n_in,
                      .k = n_out,
                      .lda = ld_dy,
                      .ldb = n_in,
                      .ldc = ld_dx};
}

/* Rows of attention's gradient to where their tokens are; the others have none. */
static void scatter_o(void *arg, int thread, int n_threads)
{
    ph_trainee *t = arg;
    size_t begin, end, at = 0;
    ph_pool_split(t->batch->n, 1, thread, n_threads, &begin, &end);
    while (at < t->n_targets && t->target_rows[at] < begin) {
        at++;
    }
    for (size_t i = begin; i < end; i++) {
        if (at < t->n_targets && t->target_rows[at] == i) {
            memcpy(t->d_o + i * t->n_q, t->last_d_o + at++ * t->n_q, t->n_q * sizeof *t->d_o);
        } else {
            memset(t->d_o + i * t->n_q, 0, t->n_q * sizeof *t->d_o);
        }
    }
}

/* The same for the stream's gradient, in place and so from the end; and what came through fc1, in
 * last_ln, is added to the gradient of LayerNorm's output. A thread has columns of its own. */
static void scatter_stream(void *arg, int thread, int n_threads)
{
    ph_trainee *t = arg;
    size_t width = t->hp.n_embd, begin, end, left = t->n_targets;
    ph_pool_split(width, EMBED_COLUMNS, thread, n_threads, &begin, &end);
    size_t bytes = (end - begin) * sizeof *t->dx;
    for (size_t i = t->batch->n; i-- > 0;) {
        if (left == 0 || t->target_rows[left - 1] != i) {
            memset(t->dx + i * width + begin, 0, bytes);
            continue;
        }
        left--;
        memmove(t->dx + i * width + begin, t->dx + left * width + begin, bytes);
        for (size_t c = begin; c < end; c++) {
            t->dln[i * width + c] += t->last_ln[left * width + c];
        }
    }
}

/* Gradients of the outputs [first, first + n) of q, k, v and fc1 to their weights, and to dx. */
static void project_backward(ph_trainee *t, size_t layer, const float *x, size_t n_rows,
                             size_t first, size_t n, float *dx)
{
    const ph_train_layer *w = &t->layers[layer];
    size_t width = t->hp.n_embd, weight = w->cat + first * width;
    const grad_rows rows = {n_rows, t->dz + first, n, t->n_cat, x, width, width};
    weight_grad(t, weight, w->cat_bias + first, &rows);
    ph_sgemm to_x = input_grad(t, n_rows, weight, t->dz + first, n, t->n_cat, dx, width, width);
    ph_sgemm_run(&t->room, &to_x);
}

static void layer_backward(ph_trainee *t, size_t layer)
{
    const ph_train_layer *w = &t->layers[layer];
    const ph_train_kept *kept = &t->kept[layer];
    size_t width = t->hp.n_embd, n_ff = t->hp.n_ff, first_f = t->n_cat - n_ff;
    size_t n = t->batch->n, n_rows = rows_behind(t, layer);
    bool last = is_last(t, layer);
    if (t->options.recompute && !last) { /* the last layer's are still there */
        layer_begin(t, layer);
    }
    const float *o = last ? t->last_o : kept->o;
    float *d_o = last ? t->last_d_o : t->d_o;
    ph_sgemm to_o = input_grad(t, n_rows, w->dense, t->dx, width, width, d_o, t->n_q, t->n_q);
    ph_sgemm_run(&t->room, &to_o);
    gelu_block block = {t, kept->z + first_f};
    ph_sgemm to_f =
        input_grad(t, n_rows, w->down, t->dx, width, width, t->dz + first_f, n_ff, t->n_cat);
    to_f.after = gelu_backward;
    to_f.user = &block;
    ph_sgemm_run(&t->room, &to_f);
    const grad_rows of_dense = {n_rows, t->dx, width, width, o, t->n_q, t->n_q};
    weight_grad(t, w->dense, w->dense_bias, &of_dense);
    const grad_rows of_down = {n_rows, t->dx, width, width, block.f, n_ff, t->n_cat};
    weight_grad(t, w->down, w->down_bias, &of_down);
    if (last) {
        ph_pool_run(t->pool, scatter_o, t);
    }
    ph_train_attn_grad(t, kept);
    normed(t, layer);
    project_backward(t, layer, t->ln, n, 0, last ? first_f : t->n_cat, t->dln);
    if (last) { /* last_ln is read before it is written */
        project_backward(t, layer, t->last_ln, n_rows, first_f, n_ff, t->last_ln);
        ph_pool_run(t->pool, scatter_stream, t);
    }
    ph_train_norm_grad(t, t->dln, stream(t, layer), n, w->norm, w->norm_bias);
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
    if (grad && isfinite(loss->sum) && t->n_targets > 0) {
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
