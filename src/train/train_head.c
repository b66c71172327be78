/* The end of the model: final LayerNorm, head, cross-entropy, and back; and LayerNorm backwards.
 *
 * The stream's rows are those with a target (train_pass.c). Their logits exist for head_rows of
 * them at a time: made, turned into losses and their own gradients in place, used for the gradients
 * of head and stream, forgotten.
 */
#include <string.h>

#include "kern/rows.h"
#include "train/trainee_struct.h"

typedef struct head_run {
    ph_trainee *t;
    size_t first, n;
    bool grad;
} head_run;

/* --- LayerNorm backwards ---------------------------------------------------------------------- */

typedef struct norm_run {
    ph_ticket ticket;
    ph_trainee *t;
    const float *dy, *x;
    size_t n, norm, norm_bias;
} norm_run;

/* Blocks of PH_TRAIN_NORM_ROWS, each with sums of its own. */
static void norm_rows(void *arg, int thread, int n_threads)
{
    norm_run *run = arg;
    ph_trainee *t = run->t;
    size_t width = t->hp.n_embd;
    size_t n_blocks = (run->n + PH_TRAIN_NORM_ROWS - 1) / PH_TRAIN_NORM_ROWS;
    (void)thread;
    (void)n_threads;
    for (size_t b; (b = ph_ticket_take(&run->ticket)) < n_blocks;) {
        size_t begin = b * PH_TRAIN_NORM_ROWS, end = begin + PH_TRAIN_NORM_ROWS;
        float *sums = t->norm_sums + b * 2 * width;
        memset(sums, 0, 2 * width * sizeof *sums);
        for (size_t i = begin; i < end && i < run->n; i++) {
            ph_layernorm_grad g = {
                .dx = t->dx + i * width,
                .dweight = sums,
                .dbias = sums + width,
                .dy = run->dy + i * width,
                .x = run->x + i * width,
                .weight = t->value + run->norm,
                .n = width,
                .eps = t->hp.norm_eps,
            };
            t->kern.layernorm_grad(&g);
        }
    }
}

/* Adds up the blocks' sums, ascending. */
static void norm_columns(void *arg, int thread, int n_threads)
{
    norm_run *run = arg;
    ph_trainee *t = run->t;
    size_t width = t->hp.n_embd, begin, end;
    size_t n_blocks = (run->n + PH_TRAIN_NORM_ROWS - 1) / PH_TRAIN_NORM_ROWS;
    ph_pool_split(width, 16, thread, n_threads, &begin, &end);
    for (size_t b = 0; b < n_blocks; b++) {
        const float *sums = t->norm_sums + b * 2 * width;
        for (size_t c = begin; c < end; c++) {
            t->grad[run->norm + c] += sums[c];
            t->grad[run->norm_bias + c] += sums[width + c];
        }
    }
}

void ph_train_norm_grad(ph_trainee *t, const float *dy, const float *x, size_t n, size_t norm,
                        size_t norm_bias)
{
    norm_run run = {.t = t, .dy = dy, .x = x, .n = n, .norm = norm, .norm_bias = norm_bias};
    ph_pool_run(t->pool, norm_rows, &run);
    ph_pool_run(t->pool, norm_columns, &run);
}

/* --- cross-entropy ---------------------------------------------------------------------------- */

/* Logits to losses, and to gradients of the logits. */
static void cross_entropy(void *arg, int thread, int n_threads)
{
    const head_run *run = arg;
    ph_trainee *t = run->t;
    size_t n_vocab = t->hp.n_vocab, begin, end;
    ph_pool_split(run->n, 1, thread, n_threads, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        float *logits = t->logits + i * n_vocab;
        uint32_t target = t->batch->targets[t->target_rows[run->first + i]];
        float wanted = logits[target];
        float lse = t->kern.softmax_lse(logits, n_vocab, 1.0f);
        t->row_loss[run->first + i] = (double)lse - (double)wanted;
        logits[target] -= 1.0f;
    }
}

static void head_block(ph_trainee *t, const head_run *run)
{
    size_t width = t->hp.n_embd, n_vocab = t->hp.n_vocab;
    const float *ln = t->ln + run->first * width;
    ph_sgemm forward = {.a = ln,
                        .b = t->value + t->head,
                        .c = t->logits,
                        .m = run->n,
                        .n = n_vocab,
                        .k = width,
                        .lda = width,
                        .ldb = width,
                        .ldc = n_vocab,
                        .b_t = true,
                        .bias = t->value + t->head_bias};
    ph_sgemm_run(&t->room, &forward);
    ph_pool_run(t->pool, cross_entropy, (void *)run);
    if (!run->grad) {
        return;
    }
    ph_sgemm to_weight = {.a = t->logits,
                          .b = ln,
                          .c = t->grad + t->head,
                          .m = n_vocab,
                          .n = width,
                          .k = run->n,
                          .lda = n_vocab,
                          .ldb = width,
                          .ldc = width,
                          .a_t = true,
                          .from = t->grad + t->head,
                          .ld_from = width,
                          .a_sums = t->grad + t->head_bias};
    ph_sgemm_run(&t->room, &to_weight);
    ph_sgemm to_input = {.a = t->logits,
                         .b = t->value + t->head,
                         .c = t->dln + run->first * width,
                         .m = run->n,
                         .n = width,
                         .k = n_vocab,
                         .lda = n_vocab,
                         .ldb = width,
                         .ldc = width};
    ph_sgemm_run(&t->room, &to_input);
}

double ph_train_head(ph_trainee *t, bool grad)
{
    size_t width = t->hp.n_embd;
    const float *x = t->x + t->hp.n_layer * t->options.max_tokens * width;
    ph_layernorm(&t->work, t->ln, width, x, width, t->value + t->final_norm,
                 t->value + t->final_norm_bias, t->n_targets, width, t->hp.norm_eps);
    for (size_t first = 0; first < t->n_targets; first += t->head_rows) {
        size_t left = t->n_targets - first;
        head_run run = {
            .t = t, .first = first, .n = left < t->head_rows ? left : t->head_rows, .grad = grad};
        head_block(t, &run);
    }
    double sum = 0;
    for (size_t i = 0; i < t->n_targets; i++) {
        sum += t->row_loss[i];
    }
    if (grad) {
        memset(t->dx, 0, t->n_targets * width * sizeof *t->dx);
        ph_train_norm_grad(t, t->dln, x, t->n_targets, t->final_norm, t->final_norm_bias);
    }
    return sum;
}
