/* BERT as an embedding model (Devlin et al. 2018; Reimers and Gurevych 2019).
 *
 * An encoder: token, type and position embeddings are added and normalized; in each layer
 * x = LayerNorm(x + dense(attention(x))), x = LayerNorm(x + fc2(gelu(fc1(x)))), all tokens of a
 * text seeing each other. No mask is needed, because texts are never filled up to a common length.
 * All tokens are of type 0. What heads a checkpoint has besides (pooler, masked language model)
 * plays no part. Arithmetic follows transformers' BertModel in float32.
 *
 * Exact: weights become f32 panels once, at opening (the tables stay in the file); bias, residual
 * and LayerNorm are done by the product that makes a row, gelu by the one that reads it. Fast:
 * weights of quantized files are used where they lie, others are made Q8_0 at opening.
 */
#include <math.h>
#include <string.h>

#include "kern/attn_full.h"
#include "kern/matmul.h"
#include "kern/rows.h"
#include "kern/sgemm.h"
#include "model/bert_names.h"
#include "model/model_struct.h"

typedef struct bert_layer {
    ph_mat q, k, v, out, up, down;
    ph_norm attn_norm, out_norm;
} bert_layer;

typedef struct bert_weights {
    ph_mat tokens, positions, types;
    ph_norm norm;
    bert_layer layers[];
} bert_weights;

/* --- binding ---------------------------------------------------------------------------------- */

typedef struct binder {
    phial_model *model;
    const char *prefix; /* NULL: GGUF */
    phial_error *err;
} binder;

static void name_of(const binder *b, char out[PH_BERT_NAME_BYTES], ph_bert_ref ref)
{
    if (b->prefix == NULL) {
        ph_bert_name_gguf(out, ref);
    } else {
        ph_bert_name_hf(out, b->prefix, ref);
    }
}

static phial_status find(const binder *b, ph_bert_ref ref, ph_tensor_ref *t)
{
    char name[PH_BERT_NAME_BYTES];
    uint64_t rows, cols;
    const char *path = b->model->path;
    name_of(b, name, ref);
    if (!ph_source_find(b->model->source, name, t)) {
        return ph_err_set(b->err, PHIAL_ERR_BAD_INPUT, "%s: tensor '%s' is missing", path, name);
    }
    ph_bert_dims(&b->model->hp, ref, &rows, &cols);
    /* GGUF leaves out an outer dimension of 1. */
    bool flat = t->n_dims == 1 && cols != 0 && rows == 1 && t->dims[0] == cols;
    uint32_t n_dims = cols == 0 ? 1 : 2;
    if (!flat && (t->n_dims != n_dims || t->dims[0] != rows || (cols != 0 && t->dims[1] != cols))) {
        return ph_err_set(b->err, PHIAL_ERR_BAD_INPUT,
                          "%s: tensor '%s' is %llu x %llu (%u dimensions), expected %llu x %llu",
                          path, name, (unsigned long long)t->dims[0],
                          (unsigned long long)t->dims[1], (unsigned)t->n_dims,
                          (unsigned long long)rows, (unsigned long long)(cols == 0 ? 1 : cols));
    }
    if (t->type == NULL || ph_quant_find(t->type->id) == NULL) {
        return ph_err_set(b->err, PHIAL_ERR_UNSUPPORTED,
                          "%s: tensor '%s' is %s, a type that cannot be computed", path, name,
                          t->type_name);
    }
    return PHIAL_OK;
}

/* A one-dimensional tensor as f32 in the arena. */
static phial_status bind_vector(const binder *b, ph_bert_ref ref, const float **out)
{
    ph_tensor_ref t;
    phial_status status = find(b, ref, &t);
    if (status != PHIAL_OK) {
        return status;
    }
    float *v = ph_arena_alloc(&b->model->arena, t.n_elements, sizeof *v, b->err);
    if (v == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    ph_quant_find(t.type->id)->dequantize(v, t.data, t.n_elements);
    *out = v;
    return PHIAL_OK;
}

static phial_status bind_mat(const binder *b, ph_bert_tensor tensor, uint32_t layer, ph_mat *out)
{
    ph_tensor_ref t;
    uint64_t rows, cols;
    ph_bert_ref ref = {tensor, false, layer};
    phial_status status = find(b, ref, &t);
    if (status != PHIAL_OK) {
        return status;
    }
    ph_bert_dims(&b->model->hp, ref, &rows, &cols);
    *out = (ph_mat){
        .data = t.data, .type = t.type->id, .n_out = (uint32_t)rows, .n_in = (uint32_t)cols};
    ref.bias = true;
    return ph_bert_has_bias(tensor) ? bind_vector(b, ref, &out->bias) : PHIAL_OK;
}

static phial_status bind_norm(const binder *b, ph_bert_tensor tensor, uint32_t layer, ph_norm *out)
{
    phial_status status = bind_vector(b, (ph_bert_ref){tensor, false, layer}, &out->weight);
    return status == PHIAL_OK ? bind_vector(b, (ph_bert_ref){tensor, true, layer}, &out->bias)
                              : status;
}

static phial_status bind_layer(const binder *b, uint32_t i, bert_layer *layer)
{
    const struct {
        ph_bert_tensor tensor;
        ph_mat *mat;
    } mats[] = {{PH_BERT_ATTN_Q, &layer->q},  {PH_BERT_ATTN_K, &layer->k},
                {PH_BERT_ATTN_V, &layer->v},  {PH_BERT_ATTN_OUT, &layer->out},
                {PH_BERT_FFN_UP, &layer->up}, {PH_BERT_FFN_DOWN, &layer->down}};
    phial_status status = PHIAL_OK;
    for (size_t m = 0; m < sizeof mats / sizeof *mats && status == PHIAL_OK; m++) {
        status = bind_mat(b, mats[m].tensor, i, mats[m].mat);
        ph_model_count(b->model, mats[m].mat, false);
    }
    if (status == PHIAL_OK) {
        status = bind_norm(b, PH_BERT_ATTN_NORM, i, &layer->attn_norm);
    }
    return status == PHIAL_OK ? bind_norm(b, PH_BERT_LAYER_NORM, i, &layer->out_norm) : status;
}

/* Which names the weights have, and what only they tell. */
static phial_status recognise(binder *b)
{
    phial_model *m = b->model;
    ph_tensor_ref tokens, types;
    char name[PH_BERT_NAME_BYTES];
    const ph_bert_ref embd = {PH_BERT_TOKEN_EMBD, false, 0},
                      kinds = {PH_BERT_TOKEN_TYPES, false, 0};
    bool gguf = ph_source_gguf(m->source) != NULL, found = false;
    for (size_t i = 0; !found && (gguf ? i == 0 : ph_bert_prefixes[i] != NULL); i++) {
        b->prefix = gguf ? NULL : ph_bert_prefixes[i];
        name_of(b, name, embd);
        found = ph_source_find(m->source, name, &tokens);
    }
    if (!found) {
        return ph_err_set(b->err, PHIAL_ERR_BAD_INPUT,
                          "%s: no token embedding under any of its known names", m->path);
    }
    if (gguf) {
        m->hp.n_vocab = tokens.dims[0] <= PH_MAX_VOCAB ? (uint32_t)tokens.dims[0] : 0;
        m->hp.learned_positions = true;
        m->hp.gelu_erf = true;
        m->hp.n_rot = 0;
        name_of(b, name, kinds);
        bool has = ph_source_find(m->source, name, &types) && types.n_dims == 2;
        m->hp.n_token_types = !has                            ? 1
                              : types.dims[0] <= PH_MAX_HEADS ? (uint32_t)types.dims[0]
                                                              : 0;
    }
    phial_status status = ph_hparams_check(&m->hp, b->err);
    if (status == PHIAL_OK && m->hp.n_head_kv != m->hp.n_head) {
        status = ph_err_set(b->err, PHIAL_ERR_UNSUPPORTED,
                            "%u key heads for %u heads: BERT has as many of both",
                            (unsigned)m->hp.n_head_kv, (unsigned)m->hp.n_head);
    }
    return status == PHIAL_OK ? status : ph_err_context(b->err, status, "%s", m->path);
}

static phial_status bind_weights(phial_model *m, phial_error *err)
{
    binder b = {.model = m, .err = err};
    phial_status status = recognise(&b);
    if (status != PHIAL_OK) {
        return status;
    }
    const ph_hparams *hp = &m->hp;
    bert_weights *w =
        ph_arena_alloc(&m->arena, 1, sizeof *w + hp->n_layer * sizeof(bert_layer), err);
    if (w == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    status = bind_mat(&b, PH_BERT_TOKEN_EMBD, 0, &w->tokens);
    if (status == PHIAL_OK) {
        status = bind_mat(&b, PH_BERT_POSITION_EMBD, 0, &w->positions);
    }
    if (status == PHIAL_OK) {
        status = bind_mat(&b, PH_BERT_TOKEN_TYPES, 0, &w->types);
    }
    if (status == PHIAL_OK) {
        status = bind_norm(&b, PH_BERT_EMBD_NORM, 0, &w->norm);
    }
    for (uint32_t i = 0; i < hp->n_layer && status == PHIAL_OK; i++) {
        status = bind_layer(&b, i, &w->layers[i]);
    }
    char behind[PH_BERT_NAME_BYTES];
    ph_tensor_ref t;
    name_of(&b, behind, (ph_bert_ref){PH_BERT_FFN_UP, false, hp->n_layer});
    if (status == PHIAL_OK && ph_source_find(m->source, behind, &t)) {
        status = ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                            "%s: tensor '%s' belongs to a layer behind the last of %u", m->path,
                            behind, (unsigned)hp->n_layer);
    }
    m->weights = w;
    return status;
}

/* --- room ------------------------------------------------------------------------------------- */

/* The four products of a layer; in exact arithmetic q, k and v are one. */
typedef enum product { QKV, OUT, UP, DOWN, N_PRODUCTS } product;

typedef struct room_layer {
    const float *panels[N_PRODUCTS]; /* exact */
    const float *qkv_bias;           /* exact: [3 * n_embd] */
    ph_mat q, k, v, out, up, down;   /* fast */
} room_layer;

struct ph_encode_room {
    const phial_model *model;
    const ph_kern *kern;
    ph_pool *pool;
    ph_encode_limits limits;
    ph_work work;
    ph_gemm_room gemm;
    room_layer *layers; /* owned */
    float *panels;      /* owned: exact weights and biases */
    unsigned char *q8;  /* owned: weights made Q8_0 */
    float *memory;      /* owned; what follows lies in it */
    float *x;           /* [n_rows][n_embd] */
    float *qkv;         /* [n_rows][3 * n_embd] */
    float *attn;        /* [n_rows][n_embd] */
    float *ff;          /* [n_rows][n_ff] */
    float *attn_room;   /* for each thread */
    size_t attn_stride;
    size_t *starts; /* owned [n_rows + 1] */
};

/* Where the rows of one matrix go. */
typedef struct pack_job {
    const ph_mat *mat;
    const ph_kern *kern;
    float *panels;     /* or NULL */
    size_t n, first;   /* columns of the product, and the first that are this matrix's */
    unsigned char *q8; /* or NULL */
    float *rows;       /* [threads][n_in] */
} pack_job;

static void pack_rows(void *arg, int thread, int n_threads)
{
    const pack_job *job = arg;
    const ph_mat *mat = job->mat;
    size_t begin, end, row_bytes = ph_dtype_row_bytes(mat->type, mat->n_in);
    size_t q8_bytes = ph_dtype_row_bytes(PH_DTYPE_Q8_0, mat->n_in);
    float *row = job->rows + (size_t)thread * mat->n_in;
    ph_pool_split(mat->n_out, 1, thread, n_threads, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        job->kern->dequantize[ph_quant_find(mat->type)->index](row, mat->data + i * row_bytes,
                                                               mat->n_in);
        if (job->panels != NULL) {
            ph_gemm_pack_row(job->kern, job->panels, job->n, mat->n_in, job->first + i, row);
        } else {
            job->kern->quantize[PH_QUANT_Q8_0](job->q8 + i * q8_bytes, row, mat->n_in);
        }
    }
}

/* Each layer's weights as panels. rows: scratch. */
static phial_status make_panels(ph_encode_room *r, float *rows, phial_error *err)
{
    const ph_hparams *hp = &r->model->hp;
    const bert_weights *w = r->model->weights;
    size_t e = hp->n_embd, total = 0;
    const size_t shape[N_PRODUCTS][2] = {{3 * e, e}, {e, e}, {hp->n_ff, e}, {e, hp->n_ff}};
    for (int p = 0; p < N_PRODUCTS; p++) {
        total += ph_gemm_packed_floats(r->kern, shape[p][0], shape[p][1]);
    }
    total += ph_align_up(3 * e, PH_CACHE_LINE / sizeof(float));
    if (!ph_mul_size(&total, total, hp->n_layer) || total > SIZE_MAX / 8) {
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "the weights of %u layers",
                          (unsigned)hp->n_layer);
    }
    r->panels = ph_alloc_large(total, sizeof *r->panels, err);
    if (r->panels == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    float *at = r->panels;
    memset(at, 0, total * sizeof *at);
    for (uint32_t i = 0; i < hp->n_layer; i++) {
        const bert_layer *from = &w->layers[i];
        const ph_mat *const mats[N_PRODUCTS][3] = {
            {&from->q, &from->k, &from->v}, {&from->out}, {&from->up}, {&from->down}};
        for (int p = 0; p < N_PRODUCTS; p++) {
            r->layers[i].panels[p] = at;
            for (size_t m = 0; m < 3 && mats[p][m] != NULL; m++) {
                pack_job job = {.mat = mats[p][m],
                                .kern = r->kern,
                                .panels = at,
                                .n = shape[p][0],
                                .first = m * e,
                                .rows = rows};
                ph_pool_run(r->pool, pack_rows, &job);
            }
            at += ph_gemm_packed_floats(r->kern, shape[p][0], shape[p][1]);
        }
        r->layers[i].qkv_bias = at;
        for (size_t m = 0; m < 3; m++) {
            memcpy(at + m * e, mats[QKV][m]->bias, e * sizeof *at);
        }
        at += ph_align_up(3 * e, PH_CACHE_LINE / sizeof(float));
    }
    return PHIAL_OK;
}

static bool to_be_made_q8(const ph_mat *mat)
{
    return ph_fast_form_of(ph_quant_find(mat->type)->index) == NULL && mat->n_in % 32 == 0;
}

/* Each layer's weights in a format with a fast form. */
static phial_status make_q8(ph_encode_room *r, float *rows, phial_error *err)
{
    const ph_hparams *hp = &r->model->hp;
    const bert_weights *w = r->model->weights;
    size_t total = 0;
    for (uint32_t i = 0; i < hp->n_layer; i++) {
        const bert_layer *from = &w->layers[i];
        r->layers[i].q = from->q, r->layers[i].k = from->k, r->layers[i].v = from->v;
        r->layers[i].out = from->out, r->layers[i].up = from->up, r->layers[i].down = from->down;
    }
    for (int pass = 0; pass < 2; pass++) {
        size_t at = 0;
        for (uint32_t i = 0; i < hp->n_layer; i++) {
            room_layer *l = &r->layers[i];
            ph_mat *const mats[] = {&l->q, &l->k, &l->v, &l->out, &l->up, &l->down};
            for (size_t m = 0; m < sizeof mats / sizeof *mats; m++) {
                if (!to_be_made_q8(mats[m])) {
                    continue;
                }
                size_t bytes = mats[m]->n_out * ph_dtype_row_bytes(PH_DTYPE_Q8_0, mats[m]->n_in);
                if (pass == 1) {
                    pack_job job = {
                        .mat = mats[m], .kern = r->kern, .q8 = r->q8 + at, .rows = rows};
                    ph_pool_run(r->pool, pack_rows, &job);
                    mats[m]->data = r->q8 + at;
                    mats[m]->type = PH_DTYPE_Q8_0;
                }
                at += ph_align_up(bytes, PH_CACHE_LINE);
            }
        }
        total = at;
        if (pass == 0) {
            r->q8 = ph_alloc_large(total + 1, 1, err);
            if (r->q8 == NULL) {
                return PHIAL_ERR_NO_MEMORY;
            }
        }
    }
    return PHIAL_OK;
}

static phial_status make_memory(ph_encode_room *r, phial_error *err)
{
    const ph_hparams *hp = &r->model->hp;
    size_t threads = (size_t)ph_pool_threads(r->pool), rows = r->limits.n_rows, floats, more;
    r->attn_stride = ph_attn_full_floats(r->kern, r->limits.n_longest, hp->head_dim);
    size_t row = 5 * (size_t)hp->n_embd + hp->n_ff + 4 * PH_CACHE_LINE / sizeof(float);
    if (r->attn_stride == 0 || !ph_mul_size(&floats, rows, row) ||
        !ph_mul_size(&more, r->attn_stride, threads) || !ph_add_size(&floats, floats, more) ||
        floats > SIZE_MAX / 8) {
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "working memory of %zu tokens", rows);
    }
    r->memory = ph_alloc_large(floats, sizeof *r->memory, err);
    r->starts = r->memory == NULL ? NULL : ph_alloc(rows + 1, sizeof *r->starts, err);
    if (r->starts == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    const size_t line = PH_CACHE_LINE / sizeof(float);
    r->x = r->memory;
    r->qkv = r->x + ph_align_up(rows * hp->n_embd, line);
    r->attn = r->qkv + ph_align_up(3 * rows * hp->n_embd, line);
    r->ff = r->attn + ph_align_up(rows * hp->n_embd, line);
    r->attn_room = r->ff + ph_align_up(rows * hp->n_ff, line);
    return PHIAL_OK;
}

static void room_free(ph_encode_room *r)
{
    if (r == NULL) {
        return;
    }
    ph_work_close(&r->work);
    ph_gemm_room_close(&r->gemm);
    ph_free(r->layers);
    ph_free(r->panels);
    ph_free(r->q8);
    ph_free(r->memory);
    ph_free(r->starts);
    ph_free(r);
}

static phial_status room_new(ph_encode_room **out, const phial_model *model, const ph_kern *kern,
                             ph_pool *pool, const ph_encode_limits *limits, phial_error *err)
{
    const ph_hparams *hp = &model->hp;
    size_t widest = hp->n_ff > hp->n_embd ? hp->n_ff : hp->n_embd;
    ph_encode_room *r = ph_alloc(1, sizeof *r, err);
    float *rows =
        r == NULL ? NULL : ph_alloc((size_t)ph_pool_threads(pool) * widest, sizeof *rows, err);
    if (rows == NULL) {
        ph_free(r);
        return PHIAL_ERR_NO_MEMORY;
    }
    r->model = model;
    r->kern = kern;
    r->pool = pool;
    r->limits = *limits;
    r->layers = ph_alloc(hp->n_layer, sizeof *r->layers, err);
    phial_status status = r->layers == NULL ? PHIAL_ERR_NO_MEMORY : PHIAL_OK;
    if (status == PHIAL_OK) {
        status = ph_work_open(&r->work, kern, pool, err);
    }
    if (status == PHIAL_OK && limits->fast) {
        status = ph_work_make_fast(&r->work, limits->n_rows, widest, err);
    } else if (status == PHIAL_OK) {
        status = ph_gemm_room_open(&r->gemm, kern, pool, false, 0, err);
    }
    if (status == PHIAL_OK) {
        status = make_memory(r, err);
    }
    if (status == PHIAL_OK) {
        status = limits->fast ? make_q8(r, rows, err) : make_panels(r, rows, err);
    }
    ph_free(rows);
    if (status == PHIAL_OK) { /* what was packed may have come from pages that went missing */
        status = ph_source_check(model->source, err);
    }
    if (status == PHIAL_OK) {
        *out = r;
    } else {
        room_free(r);
    }
    return status;
}

/* --- running ---------------------------------------------------------------------------------- */

/* Rows of the residual stream, and what is done to them in one region. */
typedef struct row_job {
    const ph_encode_room *room;
    const ph_encode_batch *batch;
    const ph_norm *norm;
    const float *add; /* [n][n_embd], or NULL */
    size_t n;
} row_job;

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
static void embed(void *arg, int thread, int n_threads)
{
    const row_job *job = arg;
    const ph_encode_room *r = job->room;
    const bert_weights *w = r->model->weights;
    size_t begin, end, e = r->model->hp.n_embd;
    ph_pool_split(job->batch->n_texts, 1, thread, n_threads, &begin, &end);
    for (size_t t = begin; t < end; t++) {
        for (size_t i = 0; i < job->batch->texts[t].n; i++) {
            size_t row = r->starts[t] + i;
            float *parts = r->qkv + 3 * row * e, *x = r->x + row * e;
            get_row(r->kern, parts, &w->tokens, job->batch->texts[t].ids[i]);
            get_row(r->kern, parts + e, &w->types, 0);
            get_row(r->kern, parts + 2 * e, &w->positions, i);
            r->kern->add3(x, parts, parts + e, parts + 2 * e, e);
            norm_rows(r, &w->norm, row, 1);
        }
    }
}

/* x = LayerNorm(x + add) */
static void add_and_norm(void *arg, int thread, int n_threads)
{
    const row_job *job = arg;
    const ph_encode_room *r = job->room;
    size_t begin, end, e = r->model->hp.n_embd;
    ph_pool_split(job->n, 1, thread, n_threads, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        float *x = r->x + i * e;
        for (size_t c = 0; c < e; c++) {
            x[c] += job->add[i * e + c];
        }
        norm_rows(r, job->norm, i, 1);
    }
}

static void after_rows(void *user, size_t row, size_t n_rows, size_t col, size_t n_cols)
{
    const row_job *job = user;
    (void)col;
    (void)n_cols;
    norm_rows(job->room, job->norm, row, n_rows);
}

static void multiply(const ph_encode_room *r, size_t layer, product p, ph_sgemm g)
{
    g.b_packed = r->layers[layer].panels[p];
    ph_sgemm_run(&r->gemm, &g);
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
    const room_layer *l = &r->layers[layer];
    if (!r->limits.fast) {
        multiply(r, layer, QKV,
                 (ph_sgemm){.a = r->x,
                            .c = r->qkv,
                            .m = n,
                            .n = 3 * e,
                            .k = e,
                            .lda = e,
                            .ldc = 3 * e,
                            .bias = l->qkv_bias});
        return;
    }
    const ph_matmul jobs[] = {product_of(&l->q, r->qkv, 3 * e),
                              product_of(&l->k, r->qkv + e, 3 * e),
                              product_of(&l->v, r->qkv + 2 * e, 3 * e)};
    ph_matmul_run(&r->work, jobs, 3, r->x, e, n, e);
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

/* From the attention's output to the layer's, n rows. */
static void finish_exact(const ph_encode_room *r, size_t layer, size_t n)
{
    const ph_hparams *hp = &r->model->hp;
    const bert_layer *w = &((const bert_weights *)r->model->weights)->layers[layer];
    size_t e = hp->n_embd;
    row_job first = {.room = r, .norm = &w->attn_norm}, last = {.room = r, .norm = &w->out_norm};
    ph_sgemm to_x = {.a = r->attn,
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
    multiply(r, layer, OUT, to_x);
    multiply(r, layer, UP,
             (ph_sgemm){.a = r->x,
                        .c = r->ff,
                        .m = n,
                        .n = hp->n_ff,
                        .k = e,
                        .lda = e,
                        .ldc = hp->n_ff,
                        .bias = w->up.bias});
    to_x.a = r->ff;
    to_x.k = to_x.lda = hp->n_ff;
    to_x.bias = w->down.bias;
    to_x.a_map = hp->gelu_erf ? r->kern->gelu_erf : r->kern->gelu;
    to_x.user = &last;
    multiply(r, layer, DOWN, to_x);
}

static void finish_fast(const ph_encode_room *r, size_t layer, size_t n)
{
    const ph_hparams *hp = &r->model->hp;
    const bert_layer *w = &((const bert_weights *)r->model->weights)->layers[layer];
    const room_layer *l = &r->layers[layer];
    size_t e = hp->n_embd;
    row_job job = {.room = r, .norm = &w->attn_norm, .add = r->qkv, .n = n};
    const ph_matmul out = product_of(&l->out, r->qkv, e), up = product_of(&l->up, r->ff, hp->n_ff);
    const ph_matmul down = product_of(&l->down, r->qkv, e);
    ph_matmul_run(&r->work, &out, 1, r->attn, e, n, e);
    ph_pool_run(r->pool, add_and_norm, &job);
    ph_matmul_run(&r->work, &up, 1, r->x, e, n, e);
    if (hp->gelu_erf) {
        ph_gelu_erf(&r->work, r->ff, hp->n_ff, n, hp->n_ff);
    } else {
        ph_gelu(&r->work, r->ff, hp->n_ff, n, hp->n_ff);
    }
    ph_matmul_run(&r->work, &down, 1, r->ff, hp->n_ff, n, hp->n_ff);
    job.norm = &w->out_norm;
    ph_pool_run(r->pool, add_and_norm, &job);
}

/* The first rows of the texts come together at the beginning. */
static void gather_first(const ph_encode_room *r, size_t n_texts)
{
    size_t e = r->model->hp.n_embd;
    for (size_t t = 0; t < n_texts; t++) {
        memmove(r->x + t * e, r->x + r->starts[t] * e, e * sizeof *r->x);
        memmove(r->attn + t * e, r->attn + r->starts[t] * e, e * sizeof *r->attn);
    }
}

static phial_status run(ph_encode_room *r, const ph_encode_batch *batch, const float **hidden,
                        phial_error *err)
{
    const ph_hparams *hp = &r->model->hp;
    row_job job = {.room = r, .batch = batch};
    r->starts[0] = 0;
    for (size_t t = 0; t < batch->n_texts; t++) {
        r->starts[t + 1] = r->starts[t] + batch->texts[t].n;
    }
    ph_pool_run(r->pool, embed, &job);
    for (uint32_t i = 0; i < hp->n_layer; i++) {
        if (batch->cancelled(batch->user)) {
            return ph_err_set(err, PHIAL_ERR_CANCELLED, "cancelled");
        }
        bool gather = batch->first_only && i + 1 == hp->n_layer;
        size_t n = gather ? batch->n_texts : batch->n_rows;
        project(r, i, batch->n_rows);
        attend(r, batch, gather);
        if (gather) {
            gather_first(r, batch->n_texts);
        }
        if (r->limits.fast) {
            finish_fast(r, i, n);
        } else {
            finish_exact(r, i, n);
        }
    }
    *hidden = r->x;
    return ph_source_check(r->model->source, err);
}

static const ph_encode_ops ENCODE = {.room_new = room_new, .room_free = room_free, .run = run};

static const char *const HF_MODEL_TYPES[] = {"bert", NULL};

const ph_arch ph_arch_bert = {
    .name = "bert",
    .hf_model_types = HF_MODEL_TYPES,
    .bind = bind_weights,
    .encode = &ENCODE,
};
