/* A pass of a BERT.
 *
 * Int8: a batch is cut into blocks of rows. A thread takes a block from the attention's
 * output of one layer to the queries, keys and values of the next, with all that lies between in
 * its second-level cache; then the threads share out the attention of the layer, head by head. So
 * they meet twice a layer. Exact, and quantized weights as they lie: product by
 * product.
 */
#include <math.h>
#include <string.h>

#include "kern/attn_full.h"
#include "kern/rows.h"
#include "kern/sgemm.h"
#include "model/bert_room.h"

static const bert_layer *weights_of(const ph_encode_room *r, size_t layer)
{
    return &((const bert_weights *)r->model->weights)->layers[layer];
}

static void norm_rows(const ph_encode_room *r, const ph_norm *norm, size_t row, size_t n)
{
    const ph_hparams *hp = &r->model->hp;
    for (size_t i = row; i < row + n; i++) {
        float *x = r->x + i * hp->n_embd;
        r->kern->layernorm(x, x, norm->weight, norm->bias, hp->n_embd, hp->norm_eps);
    }
}

/* A row of a table as f32. */
static void get_row(const ph_kern *kern, float *dst, const ph_mat *table, size_t i)
{
    kern->dequantize[ph_quant_find(table->type)->index](
        dst, table->data + i * ph_dtype_row_bytes(table->type, table->n_in), table->n_in);
}

/* x = LayerNorm((token + type 0) + position); the parts lie in qkv meanwhile. */
static void embed_rows(const ph_encode_room *r, size_t row, size_t n)
{
    const bert_weights *w = r->model->weights;
    size_t e = r->model->hp.n_embd;
    for (size_t i = row; i < row + n; i++) {
        float *parts = r->qkv + 3 * i * e;
        get_row(r->kern, parts, &w->tokens, r->at[2 * i]);
        get_row(r->kern, parts + e, &w->types, 0);
        get_row(r->kern, parts + 2 * e, &w->positions, r->at[2 * i + 1]);
        r->kern->add3(r->x + i * e, parts, parts + e, parts + 2 * e, e);
    }
    norm_rows(r, &w->norm, row, n);
}

static void attend(const ph_encode_room *r, const ph_encode_batch *batch, bool first_only)
{
    const ph_hparams *hp = &r->model->hp;
    size_t e = hp->n_embd;
    const ph_attn_full a = {.q = r->qkv,
                            .k = r->qkv + e,
                            .v = r->qkv + 2 * e,
                            .out = r->attn,
                            .ld = 3 * e,
                            .ld_out = e,
                            .n_head = hp->n_head,
                            .head_dim = hp->head_dim,
                            .starts = r->starts,
                            .n_texts = batch->n_texts,
                            .first_only = first_only,
                            .scale = 1.0f / sqrtf((float)hp->head_dim)};
    ph_attn_full_run(r->kern, r->pool, r->attn_room, r->attn_stride, &a);
}

/* --- blocks of rows --------------------------------------------------------------------------- */

/* Rows from the attention of layer - 1 (or the beginning) to that of `layer` (or the end). */
typedef struct stage {
    ph_ticket ticket;
    const ph_encode_room *room;
    uint32_t layer;
    size_t n, block;
} stage;

/* y [m][columns] = a W + bias (+ y); a: [m][depth] f32. */
static void multiply(const ph_encode_room *r, const ph_bert_bench *bench, const ph_i8_mat *mat,
                     const float *a, float *y, bool add, size_t m)
{
    const ph_i8_product product = {.mat = mat,
                                   .x = &bench->x,
                                   .y = y,
                                   .from = add ? y : NULL,
                                   .ldy = mat->n,
                                   .ld_from = mat->n,
                                   .m = m};
    ph_i8_quantize(r->kern, &bench->x, a, mat->k, m, mat->k);
    ph_i8_multiply(r->kern, &product);
}

static void finish_rows(const ph_encode_room *r, const ph_bert_bench *bench, size_t layer,
                        size_t row, size_t m)
{
    const ph_hparams *hp = &r->model->hp;
    const bert_layer *w = weights_of(r, layer);
    const ph_i8_mat *mats = r->layers[layer].int8;
    size_t at = row * hp->n_embd;
    multiply(r, bench, &mats[PH_BERT_OUT], r->attn + at, r->x + at, true, m);
    norm_rows(r, &w->attn_norm, row, m);
    multiply(r, bench, &mats[PH_BERT_UP], r->x + at, bench->ff, false, m);
    (hp->gelu_erf ? r->kern->gelu_erf : r->kern->gelu)(bench->ff, bench->ff, m * hp->n_ff);
    multiply(r, bench, &mats[PH_BERT_DOWN], bench->ff, r->x + at, true, m);
    norm_rows(r, &w->out_norm, row, m);
}

static void run_stage(void *arg, int thread, int n_threads)
{
    stage *s = arg;
    const ph_encode_room *r = s->room;
    const ph_hparams *hp = &r->model->hp;
    const ph_bert_bench bench = ph_bert_bench_of(r, thread);
    (void)n_threads;
    for (size_t row; (row = ph_ticket_take(&s->ticket) * s->block) < s->n;) {
        size_t m = s->n - row < s->block ? s->n - row : s->block;
        if (s->layer == 0) {
            embed_rows(r, row, m);
        } else {
            finish_rows(r, &bench, s->layer - 1, row, m);
        }
        if (s->layer < hp->n_layer) {
            multiply(r, &bench, &r->layers[s->layer].int8[PH_BERT_QKV], r->x + row * hp->n_embd,
                     r->qkv + 3 * row * hp->n_embd, false, m);
        }
    }
}

/* Whole tiles; small enough that every thread gets some, and that they finish together. */
static size_t block_of(const ph_encode_room *r, size_t n)
{
    const size_t tall = 6;
    size_t threads = (size_t)ph_pool_threads(r->pool);
    size_t shares = threads == 1 ? 1 : n < 8 * PH_BERT_BLOCK ? threads : 4 * threads;
    size_t block = ((n + shares - 1) / shares + tall - 1) / tall * tall;
    return block < PH_BERT_BLOCK ? block : PH_BERT_BLOCK;
}

static void rows_stage(const ph_encode_room *r, uint32_t layer, size_t n)
{
    stage s = {.room = r, .layer = layer, .n = n, .block = block_of(r, n)};
    ph_pool_run_tickets(r->pool, run_stage, &s);
}

/* --- quantized weights as they lie ------------------------------------------------------------ */

/* Rows of the residual stream, and what is done to them in one region. */
typedef struct row_job {
    const ph_encode_room *room;
    const ph_norm *norm; /* NULL: they are embedded */
    const float *add;    /* [n][n_embd] */
    size_t n;
} row_job;

/* x = LayerNorm(x + add) */
static void change_rows(void *arg, int thread, int n_threads)
{
    const row_job *job = arg;
    const ph_encode_room *r = job->room;
    size_t begin, end, e = r->model->hp.n_embd;
    ph_pool_split(job->n, 1, thread, n_threads, &begin, &end);
    if (job->norm == NULL) {
        embed_rows(r, begin, end - begin);
        return;
    }
    for (size_t i = begin; i < end; i++) {
        float *x = r->x + i * e;
        for (size_t c = 0; c < e; c++) {
            x[c] += job->add[i * e + c];
        }
        norm_rows(r, job->norm, i, 1);
    }
}

static ph_matmul product_of(const ph_mat *mat, float *y, size_t ldy)
{
    return (ph_matmul){.weight = mat->data,
                       .type = mat->type,
                       .n = mat->n_out,
                       .bias = mat->bias,
                       .y = y,
                       .ldy = ldy};
}

static void project(const ph_encode_room *r, size_t layer, size_t n)
{
    size_t e = r->model->hp.n_embd;
    const ph_bert_room_layer *l = &r->layers[layer];
    const ph_matmul jobs[] = {product_of(&l->q, r->qkv, 3 * e),
                              product_of(&l->k, r->qkv + e, 3 * e),
                              product_of(&l->v, r->qkv + 2 * e, 3 * e)};
    ph_matmul_run(&r->work, jobs, 3, r->x, e, n, e);
}

/* From the attention's output to the layer's, n rows. */
static void finish(const ph_encode_room *r, size_t layer, size_t n)
{
    const ph_hparams *hp = &r->model->hp;
    const bert_layer *w = weights_of(r, layer);
    const ph_bert_room_layer *l = &r->layers[layer];
    size_t e = hp->n_embd;
    row_job job = {.room = r, .norm = &w->attn_norm, .add = r->qkv, .n = n};
    const ph_matmul out = product_of(&l->out, r->qkv, e), up = product_of(&l->up, r->ff, hp->n_ff);
    const ph_matmul down = product_of(&l->down, r->qkv, e);
    ph_matmul_run(&r->work, &out, 1, r->attn, e, n, e);
    ph_pool_run(r->pool, change_rows, &job);
    ph_matmul_run(&r->work, &up, 1, r->x, e, n, e);
    if (hp->gelu_erf) {
        ph_gelu_erf(&r->work, r->ff, hp->n_ff, n, hp->n_ff);
    } else {
        ph_gelu(&r->work, r->ff, hp->n_ff, n, hp->n_ff);
    }
    ph_matmul_run(&r->work, &down, 1, r->ff, hp->n_ff, n, hp->n_ff);
    job.norm = &w->out_norm;
    ph_pool_run(r->pool, change_rows, &job);
}

/* --- exact ------------------------------------------------------------------------------------ */

static void after_rows(void *user, size_t row, size_t n_rows, size_t col, size_t n_cols)
{
    const row_job *job = user;
    (void)col;
    (void)n_cols;
    norm_rows(job->room, job->norm, row, n_rows);
}

static void project_exact(const ph_encode_room *r, size_t layer, size_t n)
{
    size_t e = r->model->hp.n_embd;
    const ph_bert_room_layer *l = &r->layers[layer];
    const ph_sgemm g = {.a = r->x,
                        .b_packed = l->panels[PH_BERT_QKV],
                        .c = r->qkv,
                        .m = n,
                        .n = 3 * e,
                        .k = e,
                        .lda = e,
                        .ldc = 3 * e,
                        .bias = l->qkv_bias};
    ph_sgemm_run(&r->gemm, &g);
}

/* From the attention's output to the layer's, n rows. Bias, residual and LayerNorm are done by the
 * product that makes a row, gelu by the one that reads it. */
static void finish_exact(const ph_encode_room *r, size_t layer, size_t n)
{
    const ph_hparams *hp = &r->model->hp;
    const bert_layer *w = weights_of(r, layer);
    const float *const *panels = r->layers[layer].panels;
    size_t e = hp->n_embd;
    row_job first = {.room = r, .norm = &w->attn_norm}, last = {.room = r, .norm = &w->out_norm};
    ph_sgemm to_x = {.a = r->attn,
                     .b_packed = panels[PH_BERT_OUT],
                     .c = r->x,
                     .m = n,
                     .n = e,
                     .k = e,
                     .lda = e,
                     .ldc = e,
                     .bias = w->out.bias,
                     .from = r->x,
                     .ld_from = e,
                     .after = after_rows,
                     .user = &first};
    const ph_sgemm up = {.a = r->x,
                         .b_packed = panels[PH_BERT_UP],
                         .c = r->ff,
                         .m = n,
                         .n = hp->n_ff,
                         .k = e,
                         .lda = e,
                         .ldc = hp->n_ff,
                         .bias = w->up.bias};
    ph_sgemm_run(&r->gemm, &to_x);
    ph_sgemm_run(&r->gemm, &up);
    to_x.a = r->ff;
    to_x.b_packed = panels[PH_BERT_DOWN];
    to_x.k = to_x.lda = hp->n_ff;
    to_x.bias = w->down.bias;
    to_x.a_map = hp->gelu_erf ? r->kern->gelu_erf : r->kern->gelu;
    to_x.user = &last;
    ph_sgemm_run(&r->gemm, &to_x);
}

/* --- all of it -------------------------------------------------------------------------------- */

/* The first rows of the texts come together at the beginning. */
static void gather_first(const ph_encode_room *r, size_t n_texts)
{
    size_t e = r->model->hp.n_embd;
    for (size_t t = 0; t < n_texts; t++) {
        memmove(r->x + t * e, r->x + r->starts[t] * e, e * sizeof *r->x);
        memmove(r->attn + t * e, r->attn + r->starts[t] * e, e * sizeof *r->attn);
    }
}

static void place_rows(const ph_encode_room *r, const ph_encode_batch *batch)
{
    size_t row = 0;
    for (size_t t = 0; t < batch->n_texts; t++) {
        r->starts[t] = row;
        for (size_t i = 0; i < batch->texts[t].n; i++, row++) {
            r->at[2 * row] = batch->texts[t].ids[i];
            r->at[2 * row + 1] = (uint32_t)i;
        }
    }
    r->starts[batch->n_texts] = row;
}

static phial_status run(ph_encode_room *r, const ph_encode_batch *batch, const float **hidden,
                        phial_error *err)
{
    const ph_hparams *hp = &r->model->hp;
    bool blocks = r->math == PH_BERT_INT8, exact = r->math == PH_BERT_EXACT;
    place_rows(r, batch);
    if (blocks) {
        rows_stage(r, 0, batch->n_rows);
    } else {
        row_job job = {.room = r, .n = batch->n_rows};
        ph_pool_run(r->pool, change_rows, &job);
    }
    for (uint32_t i = 0; i < hp->n_layer; i++) {
        if (batch->cancelled(batch->user)) {
            return ph_err_set(err, PHIAL_ERR_CANCELLED, "cancelled");
        }
        bool gather = batch->first_only && i + 1 == hp->n_layer;
        size_t n = gather ? batch->n_texts : batch->n_rows;
        if (exact) {
            project_exact(r, i, batch->n_rows);
        } else if (!blocks) {
            project(r, i, batch->n_rows);
        }
        attend(r, batch, gather);
        if (gather) {
            gather_first(r, batch->n_texts);
        }
        if (blocks) {
            rows_stage(r, i + 1, n);
        } else if (exact) {
            finish_exact(r, i, n);
        } else {
            finish(r, i, n);
        }
    }
    *hidden = r->x;
    return ph_source_check(r->model->source, err);
}

static uint32_t fast_version(const ph_encode_room *r)
{
    return (uint32_t)r->math;
}

const ph_encode_ops ph_bert_encode = {.room_new = ph_bert_room_new,
                                      .room_free = ph_bert_room_free,
                                      .fast_version = fast_version,
                                      .run = run};
