/* Packing a BERT's weights, and its working memory.
 *
 * Exact: weights become f32 panels once, at opening (the tables stay in the file). Fast: weights of
 * quantized files are used where they lie; others become int8 panels (kern/int8.h), or Q8_0 where
 * the instruction set has no such products.
 */
#include "model/bert_room.h"

#include <string.h>

#include "kern/attn_full.h"
#include "kern/sgemm.h"

/* Where the rows of one matrix go. */
typedef struct pack_job {
    const ph_mat *mat;
    const ph_kern *kern;
    size_t first;          /* column of the product that row 0 is */
    float *panels;         /* f32, or NULL */
    size_t n;              /* columns of the product */
    const ph_i8_mat *int8; /* or NULL */
    unsigned char *q8;     /* or NULL */
    float *rows;           /* [threads][n_in] */
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
        } else if (job->int8 != NULL) {
            ph_i8_pack_row(job->kern, job->int8, job->first + i, row);
        } else {
            job->kern->quantize[PH_QUANT_Q8_0](job->q8 + i * q8_bytes, row, mat->n_in);
        }
    }
}

/* Columns and depth of a product. */
static void shape_of(const ph_hparams *hp, ph_bert_product p, size_t *n, size_t *k)
{
    *n = p == PH_BERT_QKV ? 3 * (size_t)hp->n_embd : p == PH_BERT_UP ? hp->n_ff : hp->n_embd;
    *k = p == PH_BERT_DOWN ? hp->n_ff : hp->n_embd;
}

static size_t packed_bytes(const ph_encode_room *r, ph_bert_product p)
{
    size_t n, k;
    shape_of(&r->model->hp, p, &n, &k);
    return ph_align_up(r->math == PH_BERT_INT8
                           ? ph_i8_bytes(r->kern, n, k)
                           : ph_gemm_packed_floats(r->kern, n, k) * sizeof(float),
                       PH_CACHE_LINE);
}

static void pack_product(const ph_encode_room *r, uint32_t layer, ph_bert_product p,
                         unsigned char *at, float *rows)
{
    const ph_hparams *hp = &r->model->hp;
    const bert_layer *from = &((const bert_weights *)r->model->weights)->layers[layer];
    ph_bert_room_layer *to = &r->layers[layer];
    const ph_mat *const mats[PH_BERT_PRODUCTS][3] = {
        {&from->q, &from->k, &from->v}, {&from->out}, {&from->up}, {&from->down}};
    size_t n, k;
    shape_of(hp, p, &n, &k);
    if (r->math == PH_BERT_INT8) {
        const float *bias = p == PH_BERT_QKV ? to->qkv_bias : mats[p][0]->bias;
        to->int8[p] = ph_i8_lay_out(r->kern, at, n, k, bias);
    } else {
        to->panels[p] = (float *)(void *)at;
    }
    for (size_t m = 0; m < 3 && mats[p][m] != NULL; m++) {
        pack_job job = {.mat = mats[p][m],
                        .kern = r->kern,
                        .first = m * hp->n_embd,
                        .panels = r->math == PH_BERT_INT8 ? NULL : (float *)(void *)at,
                        .n = n,
                        .int8 = &to->int8[p],
                        .rows = rows};
        ph_pool_run(r->pool, pack_rows, &job);
    }
}

/* Each layer's weights as panels. rows: scratch. */
static phial_status make_panels(ph_encode_room *r, float *rows, phial_error *err)
{
    const ph_hparams *hp = &r->model->hp;
    const bert_weights *w = r->model->weights;
    size_t e = hp->n_embd, bias_bytes = ph_align_up(3 * e * sizeof(float), PH_CACHE_LINE);
    size_t total = bias_bytes;
    for (int p = 0; p < PH_BERT_PRODUCTS; p++) {
        size_t bytes = packed_bytes(r, (ph_bert_product)p);
        if (bytes == 0 || !ph_add_size(&total, total, bytes)) {
            total = SIZE_MAX;
        }
    }
    if (!ph_mul_size(&total, total, hp->n_layer) || total > SIZE_MAX / 8) {
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "the weights of %u layers",
                          (unsigned)hp->n_layer);
    }
    r->weights = ph_alloc_large(total, 1, err);
    if (r->weights == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    unsigned char *at = r->weights;
    memset(at, 0, total);
    for (uint32_t i = 0; i < hp->n_layer; i++) {
        const ph_mat *const qkv[] = {&w->layers[i].q, &w->layers[i].k, &w->layers[i].v};
        for (size_t m = 0; m < 3; m++) {
            memcpy(at + m * e * sizeof(float), qkv[m]->bias, e * sizeof(float));
        }
        r->layers[i].qkv_bias = (float *)(void *)at;
        at += bias_bytes;
        for (int p = 0; p < PH_BERT_PRODUCTS; p++) {
            pack_product(r, i, (ph_bert_product)p, at, rows);
            at += packed_bytes(r, (ph_bert_product)p);
        }
    }
    return PHIAL_OK;
}

static bool is_quantized(const ph_mat *mat)
{
    return ph_fast_form_of(ph_quant_find(mat->type)->index) != NULL;
}

static bool to_be_made_q8(const ph_mat *mat)
{
    return !is_quantized(mat) && mat->n_in % 32 == 0;
}

static ph_bert_math math_of(const ph_encode_room *r)
{
    const ph_hparams *hp = &r->model->hp;
    const bert_weights *w = r->model->weights;
    if (!r->limits.fast) {
        return PH_BERT_EXACT;
    }
    bool quantized = false;
    for (uint32_t i = 0; i < hp->n_layer; i++) {
        const bert_layer *l = &w->layers[i];
        const ph_mat *const mats[] = {&l->q, &l->k, &l->v, &l->out, &l->up, &l->down};
        for (size_t m = 0; m < sizeof mats / sizeof *mats; m++) {
            quantized = quantized || is_quantized(mats[m]);
        }
    }
    bool fits = hp->n_embd <= PH_I8_DEPTH_MAX && hp->n_ff <= PH_I8_DEPTH_MAX;
    return quantized || !fits || r->kern->i8 == NULL ? PH_BERT_AS_IS : PH_BERT_INT8;
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
            ph_bert_room_layer *l = &r->layers[i];
            ph_mat *const mats[] = {&l->q, &l->k, &l->v, &l->out, &l->up, &l->down};
            for (size_t m = 0; m < sizeof mats / sizeof *mats; m++) {
                if (!to_be_made_q8(mats[m])) {
                    continue;
                }
                size_t bytes = mats[m]->n_out * ph_dtype_row_bytes(PH_DTYPE_Q8_0, mats[m]->n_in);
                if (pass == 1) {
                    unsigned char *q8 = (unsigned char *)r->weights + at;
                    pack_job job = {.mat = mats[m], .kern = r->kern, .q8 = q8, .rows = rows};
                    ph_pool_run(r->pool, pack_rows, &job);
                    mats[m]->data = q8;
                    mats[m]->type = PH_DTYPE_Q8_0;
                }
                at += ph_align_up(bytes, PH_CACHE_LINE);
            }
        }
        total = at;
        if (pass == 0) {
            r->weights = ph_alloc_large(total + 1, 1, err);
            if (r->weights == NULL) {
                return PHIAL_ERR_NO_MEMORY;
            }
        }
    }
    return PHIAL_OK;
}

/* --- memory ----------------------------------------------------------------------------------- */

static size_t ld_q_of(const ph_hparams *hp)
{
    return ph_i8_padded(hp->n_ff > hp->n_embd ? hp->n_ff : hp->n_embd);
}

ph_bert_bench ph_bert_bench_of(const ph_encode_room *r, int thread)
{
    const ph_hparams *hp = &r->model->hp;
    size_t block = PH_BERT_BLOCK, ld = ld_q_of(hp);
    unsigned char *at = r->benches + (size_t)thread * r->bench_stride;
    ph_bert_bench b = {.ff = (float *)(void *)at, .x = {.ld = ld, .ld_f = ph_i8_groups(ld)}};
    at += ph_align_up(block * hp->n_ff * sizeof(float), PH_CACHE_LINE);
    b.x.q = at;
    at += ph_align_up(block * ld, PH_CACHE_LINE);
    b.x.scale = (float *)(void *)at;
    b.x.offset = b.x.scale + block * b.x.ld_f;
    return b;
}

static size_t bench_bytes(const ph_encode_room *r)
{
    const ph_hparams *hp = &r->model->hp;
    size_t block = PH_BERT_BLOCK;
    return r->math != PH_BERT_INT8
               ? 0
               : ph_align_up(block * hp->n_ff * sizeof(float), PH_CACHE_LINE) +
                     ph_align_up(block * ld_q_of(hp), PH_CACHE_LINE) +
                     ph_align_up(2 * block * ph_i8_groups(ld_q_of(hp)) * sizeof(float),
                                 PH_CACHE_LINE);
}

static phial_status make_memory(ph_encode_room *r, phial_error *err)
{
    const ph_hparams *hp = &r->model->hp;
    const size_t line = PH_CACHE_LINE / sizeof(float);
    size_t threads = (size_t)ph_pool_threads(r->pool), rows = r->limits.n_rows, floats, more;
    size_t e = hp->n_embd, tall = r->kern->gemm_m;
    r->attn_stride = ph_attn_full_floats(r->kern, r->limits.n_longest, hp->head_dim);
    r->bench_stride = bench_bytes(r);
    size_t row = 5 * e + (r->math != PH_BERT_INT8 ? hp->n_ff : 0);
    size_t each = r->attn_stride + r->bench_stride / sizeof(float);
    if (r->attn_stride == 0 || !ph_mul_size(&floats, rows, row) ||
        !ph_mul_size(&more, each, threads) || !ph_add_size(&floats, floats, more) ||
        !ph_add_size(&floats, floats, (2 * tall + 3 * PH_GEMM_M_MAX) * e + 4 * line) ||
        floats > SIZE_MAX / 8) {
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "working memory of %zu tokens", rows);
    }
    r->memory = ph_alloc_large(floats, sizeof *r->memory, err);
    r->starts = r->memory == NULL ? NULL : ph_alloc(rows + 1, sizeof *r->starts, err);
    r->at = r->starts == NULL ? NULL : ph_alloc(rows, 2 * sizeof *r->at, err);
    if (r->at == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    r->x = r->memory;
    r->qkv = r->x + ph_align_up((rows + tall) * e, line);
    r->attn = r->qkv + ph_align_up(3 * (rows + PH_GEMM_M_MAX) * e, line);
    r->ff = r->attn + ph_align_up((rows + tall) * e, line);
    r->attn_room = r->ff + (r->math != PH_BERT_INT8 ? ph_align_up(rows * hp->n_ff, line) : 0);
    r->benches = (unsigned char *)(r->attn_room + threads * r->attn_stride);
    /* A tile reads whole rows behind the last one. */
    memset(r->x, 0, (rows + tall) * e * sizeof *r->x);
    memset(r->qkv + 3 * rows * e, 0, 3 * PH_GEMM_M_MAX * e * sizeof *r->qkv);
    memset(r->attn, 0, (rows + tall) * e * sizeof *r->attn);
    memset(r->benches, 0, threads * r->bench_stride);
    return PHIAL_OK;
}

void ph_bert_room_free(ph_encode_room *r)
{
    if (r == NULL) {
        return;
    }
    ph_work_close(&r->work);
    ph_gemm_room_close(&r->gemm);
    ph_free(r->layers);
    ph_free(r->weights);
    ph_free(r->memory);
    ph_free(r->starts);
    ph_free(r->at);
    ph_free(r);
}

phial_status ph_bert_room_new(ph_encode_room **out, const phial_model *model, const ph_kern *kern,
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
    r->math = math_of(r);
    r->layers = ph_alloc(hp->n_layer, sizeof *r->layers, err);
    phial_status status = r->layers == NULL ? PHIAL_ERR_NO_MEMORY : PHIAL_OK;
    if (status == PHIAL_OK) {
        status = ph_work_open(&r->work, kern, pool, err);
    }
    if (status == PHIAL_OK && r->math == PH_BERT_AS_IS) {
        status = ph_work_make_fast(&r->work, limits->n_rows, widest, err);
    } else if (status == PHIAL_OK && r->math == PH_BERT_EXACT) {
        status = ph_gemm_room_open(&r->gemm, kern, pool, false, 0, err);
    }
    if (status == PHIAL_OK) {
        status = make_memory(r, err);
    }
    if (status == PHIAL_OK) {
        status = r->math == PH_BERT_AS_IS ? make_q8(r, rows, err) : make_panels(r, rows, err);
    }
    ph_free(rows);
    if (status == PHIAL_OK) { /* what was packed may have come from pages that went missing */
        status = ph_source_check(model->source, err);
    }
    if (status == PHIAL_OK) {
        *out = r;
    } else {
        ph_bert_room_free(r);
    }
    return status;
}
