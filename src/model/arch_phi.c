/* Phi-1, Phi-1.5 and Phi-2 (Gunasekar et al. 2023, Li et al. 2023, Javaheripi et al. 2023).
 *
 * A decoder with ONE LayerNorm a layer whose output feeds attention and MLP side by side:
 * x = x + dense(attention(h)) + fc2(gelu(fc1(h))), h = LayerNorm(x). Rotary position embedding on
 * the first part of each head (NeoX halves), biases everywhere, the output head too. Optional:
 * grouped keys and values, LayerNorm on q and k of each head, a head tied to the embedding.
 * Arithmetic follows transformers' PhiForCausalLM in float32.
 */
#include <math.h>
#include <string.h>

#include "kern/matmul.h"
#include "kern/rows.h"
#include "model/model_struct.h"
#include "model/phi_gguf.h"
#include "model/phi_names.h"
#include "model/phi_weights.h"
#include "model/rope.h"
#include "model/taps.h"

typedef struct phi_layer {
    ph_norm ln, q_norm, k_norm;
    ph_mat q, k, v, out, up, down;
} phi_layer;

typedef struct phi_weights {
    ph_mat embed;
    ph_norm final_ln;
    ph_mat head;
    phi_layer layers[];
} phi_weights;

/* --- binding ---------------------------------------------------------------------------------- */

typedef struct binder {
    phial_model *model;
    ph_phi_layout layout;
    ph_phi_shape shape;
    phial_error *err;
} binder;

static phial_status fail(const binder *b, phial_status status, const char *name, const char *what)
{
    return ph_err_set(b->err, status, "%s: tensor '%s' %s", b->model->path, name, what);
}

static phial_status find(const binder *b, ph_phi_ref ref, ph_tensor_ref *t)
{
    char name[PH_PHI_NAME_BYTES];
    if (!ph_phi_name(name, b->layout, ref, b->shape.n_blocks)) {
        return ph_err_set(b->err, PHIAL_ERR_BAD_INPUT, "%s: this layout lacks a weight",
                          b->model->path);
    }
    if (!ph_source_find(b->model->source, name, t)) {
        return fail(b, PHIAL_ERR_BAD_INPUT, name, "is missing");
    }
    uint64_t rows, cols;
    ph_phi_dims(&b->shape, ref, &rows, &cols);
    uint32_t n_dims = cols == 0 ? 1 : 2;
    if (t->n_dims != n_dims || t->dims[0] != rows || (cols != 0 && t->dims[1] != cols)) {
        return ph_err_set(b->err, PHIAL_ERR_BAD_INPUT,
                          "%s: tensor '%s' is %llu x %llu (%u dimensions), expected %llu x %llu",
                          b->model->path, name, (unsigned long long)t->dims[0],
                          (unsigned long long)t->dims[1], (unsigned)t->n_dims,
                          (unsigned long long)rows, (unsigned long long)(cols == 0 ? 1 : cols));
    }
    if (t->type == NULL || ph_quant_find(t->type->id) == NULL) {
        return ph_err_set(b->err, PHIAL_ERR_UNSUPPORTED,
                          "%s: tensor '%s' is %s, a type that cannot be computed yet",
                          b->model->path, name, t->type_name);
    }
    return PHIAL_OK;
}

/* A one-dimensional tensor as f32 in the arena. */
static phial_status bind_vector(const binder *b, ph_phi_ref ref, const float **out)
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

static phial_status bind_mat(const binder *b, ph_phi_tensor tensor, uint32_t block, ph_mat *out)
{
    ph_tensor_ref t;
    phial_status status = find(b, (ph_phi_ref){tensor, PH_PHI_WEIGHT, block}, &t);
    if (status != PHIAL_OK) {
        return status;
    }
    *out = (ph_mat){.data = t.data,
                    .type = t.type->id,
                    .n_out = (uint32_t)t.dims[0],
                    .n_in = (uint32_t)t.dims[1]};
    if (!ph_phi_has_bias(tensor)) {
        return PHIAL_OK;
    }
    return bind_vector(b, (ph_phi_ref){tensor, PH_PHI_BIAS, block}, &out->bias);
}

static phial_status bind_norm(const binder *b, ph_phi_tensor tensor, uint32_t block, ph_norm *out)
{
    phial_status status = bind_vector(b, (ph_phi_ref){tensor, PH_PHI_WEIGHT, block}, &out->weight);
    if (status != PHIAL_OK) {
        return status;
    }
    return bind_vector(b, (ph_phi_ref){tensor, PH_PHI_BIAS, block}, &out->bias);
}

static bool has(const binder *b, ph_phi_tensor tensor, uint32_t block)
{
    char name[PH_PHI_NAME_BYTES];
    ph_tensor_ref t;
    return ph_phi_name(name, b->layout, (ph_phi_ref){tensor, PH_PHI_WEIGHT, block},
                       b->shape.n_blocks) &&
           ph_source_find(b->model->source, name, &t);
}

/* Rows first .. first + n - 1 of a fused matrix. */
static ph_mat rows_of(const ph_mat *fused, uint32_t first, uint32_t n)
{
    ph_mat m = *fused;
    m.data += first * ph_dtype_row_bytes(fused->type, fused->n_in);
    m.n_out = n;
    m.bias += first;
    return m;
}

/* q, k and v: three matrices, or one whose rows are all q heads, then all k, then all v. */
static phial_status bind_qkv(const binder *b, uint32_t block, phi_layer *layer)
{
    const ph_hparams *hp = &b->model->hp;
    if (!has(b, PH_PHI_ATTN_QKV, block)) {
        phial_status status = bind_mat(b, PH_PHI_ATTN_Q, block, &layer->q);
        if (status == PHIAL_OK) {
            status = bind_mat(b, PH_PHI_ATTN_K, block, &layer->k);
        }
        return status == PHIAL_OK ? bind_mat(b, PH_PHI_ATTN_V, block, &layer->v) : status;
    }
    ph_mat fused;
    phial_status status = bind_mat(b, PH_PHI_ATTN_QKV, block, &fused);
    if (status == PHIAL_OK) {
        uint32_t q = hp->n_head * hp->head_dim, kv = hp->n_head_kv * hp->head_dim;
        layer->q = rows_of(&fused, 0, q);
        layer->k = rows_of(&fused, q, kv);
        layer->v = rows_of(&fused, q + kv, kv);
    }
    return status;
}

static phial_status bind_layer(const binder *b, uint32_t block, phi_layer *layer)
{
    phial_status status = bind_norm(b, PH_PHI_ATTN_NORM, block, &layer->ln);
    if (status == PHIAL_OK) {
        status = bind_qkv(b, block, layer);
    }
    if (status == PHIAL_OK && b->model->hp.qk_norm) {
        status = bind_norm(b, PH_PHI_ATTN_Q_NORM, block, &layer->q_norm);
        if (status == PHIAL_OK) {
            status = bind_norm(b, PH_PHI_ATTN_K_NORM, block, &layer->k_norm);
        }
    }
    if (status == PHIAL_OK) {
        status = bind_mat(b, PH_PHI_ATTN_OUTPUT, block, &layer->out);
    }
    if (status == PHIAL_OK) {
        status = bind_mat(b, PH_PHI_FFN_UP, block, &layer->up);
    }
    return status == PHIAL_OK ? bind_mat(b, PH_PHI_FFN_DOWN, block, &layer->down) : status;
}

/* The head's own matrix, or the embedding where they are tied; its bias is never shared. */
static phial_status bind_head(const binder *b, phi_weights *w)
{
    if (!b->model->hp.tied_head) {
        return bind_mat(b, PH_PHI_OUTPUT, 0, &w->head);
    }
    w->head = w->embed;
    return bind_vector(b, (ph_phi_ref){PH_PHI_OUTPUT, PH_PHI_BIAS, 0}, &w->head.bias);
}

/* Which of the published layouts the names follow, and what only the tensors tell. */
static phial_status recognise(binder *b)
{
    phial_model *m = b->model;
    ph_tensor_ref embed = {0};
    bool found = false;
    for (int i = 0; i < PH_PHI_N_LAYOUTS && !found; i++) {
        char name[PH_PHI_NAME_BYTES];
        b->layout = (ph_phi_layout)i;
        found =
            ph_phi_name(name, b->layout, (ph_phi_ref){PH_PHI_TOKEN_EMBD, PH_PHI_WEIGHT, 0}, 0) &&
            ph_source_find(m->source, name, &embed);
    }
    if (!found) {
        return ph_err_set(b->err, PHIAL_ERR_BAD_INPUT,
                          "%s: no token embedding under any of its known names", m->path);
    }
    if (ph_source_gguf(m->source) != NULL) {
        m->hp.n_vocab = embed.dims[0] <= PH_MAX_VOCAB ? (uint32_t)embed.dims[0] : 0;
        m->hp.qk_norm = has(b, PH_PHI_ATTN_Q_NORM, 0);
    }
    phial_status status = ph_hparams_check(&m->hp, b->err);
    return status == PHIAL_OK ? status : ph_err_context(b->err, status, "%s", m->path);
}

static void count_layer(phial_model *m, const phi_layer *layer)
{
    const ph_mat *const mats[] = {&layer->q,   &layer->k,  &layer->v,
                                  &layer->out, &layer->up, &layer->down};
    for (size_t i = 0; i < sizeof mats / sizeof *mats; i++) {
        ph_model_count(m, mats[i], false);
    }
}

/* A block behind the last one: computing without it would be wrong in silence. */
static phial_status check_no_more_blocks(const binder *b)
{
    uint32_t n = b->model->hp.n_layer;
    char name[PH_PHI_NAME_BYTES];
    if (!has(b, PH_PHI_FFN_UP, n)) {
        return PHIAL_OK;
    }
    ph_phi_name(name, b->layout, (ph_phi_ref){PH_PHI_FFN_UP, PH_PHI_WEIGHT, n}, n);
    return ph_err_set(b->err, PHIAL_ERR_BAD_INPUT,
                      "%s: tensor '%s' belongs to a layer behind the last of %u", b->model->path,
                      name, (unsigned)n);
}

static phial_status bind_weights(phial_model *m, phial_error *err)
{
    binder b = {.model = m, .err = err};
    b.shape.n_blocks = m->hp.n_layer;
    phial_status status = recognise(&b);
    if (status != PHIAL_OK) {
        return status;
    }
    const ph_hparams *hp = &m->hp;
    b.shape = (ph_phi_shape){.n_vocab = hp->n_vocab,
                             .n_embd = hp->n_embd,
                             .n_ff = hp->n_ff,
                             .n_blocks = hp->n_layer,
                             .n_heads = hp->n_head,
                             .n_kv_heads = hp->n_head_kv,
                             .head_dim = hp->head_dim};
    phi_weights *w = ph_arena_alloc(&m->arena, 1, sizeof *w + hp->n_layer * sizeof(phi_layer), err);
    if (w == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    status = bind_mat(&b, PH_PHI_TOKEN_EMBD, 0, &w->embed);
    for (uint32_t i = 0; i < hp->n_layer && status == PHIAL_OK; i++) {
        status = bind_layer(&b, i, &w->layers[i]);
    }
    if (status == PHIAL_OK) {
        status = check_no_more_blocks(&b);
    }
    if (status == PHIAL_OK) {
        status = bind_norm(&b, PH_PHI_OUTPUT_NORM, 0, &w->final_ln);
    }
    if (status == PHIAL_OK) {
        status = bind_head(&b, w);
    }
    for (uint32_t i = 0; i < hp->n_layer && status == PHIAL_OK; i++) {
        count_layer(m, &w->layers[i]);
    }
    ph_model_count(m, &w->head, true);
    m->weights = w;
    return status;
}

/* --- reading ---------------------------------------------------------------------------------- */

static const ph_mat *mat_of(const phi_weights *w, ph_phi_ref ref)
{
    const phi_layer *layer = &w->layers[ref.block];
    switch (ref.tensor) {
    case PH_PHI_TOKEN_EMBD:
        return &w->embed;
    case PH_PHI_ATTN_Q:
        return &layer->q;
    case PH_PHI_ATTN_K:
        return &layer->k;
    case PH_PHI_ATTN_V:
        return &layer->v;
    case PH_PHI_ATTN_OUTPUT:
        return &layer->out;
    case PH_PHI_FFN_UP:
        return &layer->up;
    case PH_PHI_FFN_DOWN:
        return &layer->down;
    case PH_PHI_OUTPUT:
        return &w->head;
    default:
        return NULL;
    }
}

static const ph_norm *norm_of(const phi_weights *w, ph_phi_ref ref)
{
    const phi_layer *layer = &w->layers[ref.block];
    switch (ref.tensor) {
    case PH_PHI_ATTN_NORM:
        return &layer->ln;
    case PH_PHI_ATTN_Q_NORM:
        return &layer->q_norm;
    case PH_PHI_ATTN_K_NORM:
        return &layer->k_norm;
    case PH_PHI_OUTPUT_NORM:
        return &w->final_ln;
    default:
        return NULL;
    }
}

phial_status ph_phi_weight_read(const phial_model *model, ph_phi_ref ref, float *dst,
                                phial_error *err)
{
    const phi_weights *w = model->weights;
    ph_phi_shape shape = ph_phi_shape_of(&model->hp);
    uint64_t rows, cols;
    ph_phi_dims(&shape, ref, &rows, &cols);
    bool is_phi = model->arch == &ph_arch_phi && ref.block < model->hp.n_layer;
    const ph_mat *mat = is_phi ? mat_of(w, ref) : NULL;
    const ph_norm *norm = is_phi ? norm_of(w, ref) : NULL;
    const float *vector = norm != NULL ? (ref.part == PH_PHI_BIAS ? norm->bias : norm->weight)
                          : ref.part == PH_PHI_BIAS && mat != NULL ? mat->bias
                                                                   : NULL;
    if (vector != NULL) {
        memcpy(dst, vector, rows * sizeof *dst);
    } else if (mat != NULL && ref.part == PH_PHI_WEIGHT) {
        ph_quant_find(mat->type)->dequantize(dst, mat->data, rows * cols);
    } else {
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED, "%s: has no such weight", model->path);
    }
    return PHIAL_OK;
}

/* --- forward ---------------------------------------------------------------------------------- */

typedef struct step {
    const ph_hparams *hp;
    const phial_model *model;
    ph_workspace *ws;
    const ph_kv_layout *kv;
    const ph_batch *batch;
    uint32_t taps; /* what any part watches */
    float scale;   /* of scores: 1 / sqrt(head_dim) */
} step;

static ph_matmul product(const ph_mat *mat, float *y)
{
    return (ph_matmul){.weight = mat->data,
                       .type = mat->type,
                       .n = mat->n_out,
                       .bias = mat->bias,
                       .y = y,
                       .ldy = mat->n_out};
}

static void tap(const step *s, phial_activation what, int layer, const float *data, size_t n_cols)
{
    if (s->taps != 0) {
        ph_tap_rows(s->batch, what, layer, data, n_cols);
    }
}

static void embed(const step *s, const ph_mat *table)
{
    ph_workspace *ws = s->ws;
    size_t row = 0;
    for (size_t p = 0; p < s->batch->n_parts; p++) {
        const ph_part *part = &s->batch->parts[p];
        for (size_t i = 0; i < part->n; i++, row++) {
            ws->ids[row] = (int32_t)part->ids[i];
            ws->pos[row] = (int32_t)(part->pos0 + i);
        }
    }
    ph_rows_get(&ws->work, ws->x, table->n_in, table->data, table->type, ws->ids, row, table->n_in);
    tap(s, PHIAL_ACT_EMBED, -1, ws->x, table->n_in);
}

/* LayerNorm on every head by itself, in place. */
static void head_norm(const step *s, const ph_norm *norm, float *x, size_t n_head)
{
    size_t d = s->hp->head_dim;
    ph_layernorm(&s->ws->work, x, d, x, d, norm->weight, norm->bias, s->batch->n_rows * n_head, d,
                 s->hp->norm_eps);
}

static void rotate(const step *s, float *x, size_t n_head)
{
    const ph_hparams *hp = s->hp;
    ph_rope(&s->ws->work, x, n_head * hp->head_dim, s->batch->n_rows, n_head, hp->head_dim,
            hp->n_rot, s->model->rope_cos, s->model->rope_sin, s->ws->pos);
}

static void attend(const step *s, int layer)
{
    ph_workspace *ws = s->ws;
    const ph_kv_shape *shape = &s->kv->shape;
    size_t q_cols = shape->n_head * shape->head_dim, kv_cols = shape->n_kv_head * shape->head_dim;
    size_t row = 0;
    for (size_t p = 0; p < s->batch->n_parts; p++) {
        const ph_part *part = &s->batch->parts[p];
        ws->jobs[p] = (ph_attn_job){
            .pages = part->pages,
            .layer_offset = (size_t)layer * s->kv->layer_bytes,
            .pos0 = part->pos0,
            .n = part->n,
            .q = ws->q + row * q_cols,
            .k = ws->k + row * kv_cols,
            .v = ws->v + row * kv_cols,
            .out = ws->attn + row * q_cols,
            .ld_q = q_cols,
            .ld_kv = kv_cols,
            .ld_out = q_cols,
        };
        row += part->n;
    }
    ph_kv_store(&ws->work, shape, ws->jobs, s->batch->n_parts);
    ph_attn_run(&ws->work, shape, ws->jobs, s->batch->n_parts, s->scale);
}

static void run_layer(const step *s, const phi_layer *w, int layer)
{
    const ph_hparams *hp = s->hp;
    ph_workspace *ws = s->ws;
    size_t n = s->batch->n_rows, width = hp->n_embd;
    size_t q_cols = w->q.n_out, kv_cols = w->k.n_out;

    ph_layernorm(&ws->work, ws->ln, width, ws->x, width, w->ln.weight, w->ln.bias, n, width,
                 hp->norm_eps);
    tap(s, PHIAL_ACT_LN, layer, ws->ln, width);
    const ph_matmul side_by_side[] = {product(&w->q, ws->q), product(&w->k, ws->k),
                                      product(&w->v, ws->v), product(&w->up, ws->ff)};
    ph_matmul_run(&ws->work, side_by_side, 4, ws->ln, width, n, width);
    tap(s, PHIAL_ACT_Q_PROJ, layer, ws->q, q_cols);
    tap(s, PHIAL_ACT_K_PROJ, layer, ws->k, kv_cols);
    tap(s, PHIAL_ACT_V_PROJ, layer, ws->v, kv_cols);
    tap(s, PHIAL_ACT_FC1, layer, ws->ff, hp->n_ff);
    if (hp->qk_norm) {
        head_norm(s, &w->q_norm, ws->q, hp->n_head);
        head_norm(s, &w->k_norm, ws->k, hp->n_head_kv);
        tap(s, PHIAL_ACT_Q_LN, layer, ws->q, q_cols);
        tap(s, PHIAL_ACT_K_LN, layer, ws->k, kv_cols);
    }
    rotate(s, ws->q, hp->n_head);
    rotate(s, ws->k, hp->n_head_kv);
    attend(s, layer);
    if ((s->taps & PH_TAPS_ATTENTION) != 0) {
        ph_tap_attention(ws, s->kv, s->batch, layer, ws->q, s->scale);
    }
    tap(s, PHIAL_ACT_ATTN, layer, ws->attn, q_cols);
    const ph_matmul dense = product(&w->out, ws->attn_out);
    ph_matmul_run(&ws->work, &dense, 1, ws->attn, q_cols, n, q_cols);
    tap(s, PHIAL_ACT_ATTN_OUT, layer, ws->attn_out, width);
    ph_gelu(&ws->work, ws->ff, hp->n_ff, n, hp->n_ff);
    tap(s, PHIAL_ACT_GELU, layer, ws->ff, hp->n_ff);
    const ph_matmul down = product(&w->down, ws->mlp_out);
    ph_matmul_run(&ws->work, &down, 1, ws->ff, hp->n_ff, n, hp->n_ff);
    tap(s, PHIAL_ACT_MLP_OUT, layer, ws->mlp_out, width);
    ph_residual(&ws->work, ws->x, ws->x, ws->attn_out, ws->mlp_out, n * width);
    tap(s, PHIAL_ACT_OUT, layer, ws->x, width);
}

/* Which (part, row) each gathered row of the head is. */
typedef struct head_rows {
    size_t n;
    size_t part[PH_HEAD_ROWS];
    size_t position[PH_HEAD_ROWS];
} head_rows;

/* Logits of the first n rows of ws->x, handed on one by one. */
static void flush_head(const step *s, const ph_mat *head, head_rows *rows)
{
    ph_workspace *ws = s->ws;
    if (rows->n == 0) {
        return;
    }
    const ph_matmul product_of_head = product(head, ws->logits);
    ph_matmul_run(&ws->work, &product_of_head, 1, ws->x, head->n_in, rows->n, head->n_in);
    for (size_t i = 0; i < rows->n; i++) {
        s->batch->on_logits(s->batch->user, rows->part[i], rows->position[i],
                            ws->logits + i * head->n_out);
    }
    rows->n = 0;
}

/* The final norm on every row, the head only on those that are asked for. The residual stream is
 * done with by then: its memory gathers the head's rows. */
static void finish(const step *s, const phi_weights *w)
{
    const ph_hparams *hp = s->hp;
    ph_workspace *ws = s->ws;
    size_t width = hp->n_embd, row = 0;
    ph_layernorm(&ws->work, ws->ln, width, ws->x, width, w->final_ln.weight, w->final_ln.bias,
                 s->batch->n_rows, width, hp->norm_eps);
    tap(s, PHIAL_ACT_FINAL_NORM, -1, ws->ln, width);
    head_rows rows = {0};
    size_t capacity = ws->n_chunk < PH_HEAD_ROWS ? ws->n_chunk : PH_HEAD_ROWS;
    for (size_t p = 0; p < s->batch->n_parts; p++) {
        const ph_part *part = &s->batch->parts[p];
        for (size_t i = 0; i < part->n; i++, row++) {
            if (!part->all_logits && !(part->last_logits && i + 1 == part->n)) {
                continue;
            }
            memcpy(ws->x + rows.n * width, ws->ln + row * width, width * sizeof *ws->x);
            rows.part[rows.n] = p;
            rows.position[rows.n++] = part->pos0 + i;
            if (rows.n == capacity) {
                flush_head(s, &w->head, &rows);
            }
        }
    }
    flush_head(s, &w->head, &rows);
}

static phial_status forward(const phial_model *m, ph_workspace *ws, const ph_kv_layout *layout,
                            const ph_batch *batch, phial_error *err)
{
    const phi_weights *w = m->weights;
    step s = {
        .hp = &m->hp,
        .model = m,
        .ws = ws,
        .kv = layout,
        .batch = batch,
        .taps = ph_taps_union(batch),
        .scale = 1.0f / sqrtf((float)m->hp.head_dim),
    };
    embed(&s, &w->embed);
    for (uint32_t i = 0; i < m->hp.n_layer; i++) {
        if (batch->cancelled(batch->user)) {
            return ph_err_set(err, PHIAL_ERR_CANCELLED, "cancelled");
        }
        run_layer(&s, &w->layers[i], (int)i);
    }
    finish(&s, w);
    return PHIAL_OK;
}

static const char *const HF_MODEL_TYPES[] = {"phi", "phi-msft", "mixformer-sequential", NULL};

const ph_arch ph_arch_phi = {
    .name = "phi2",
    .hf_model_types = HF_MODEL_TYPES,
    .bind = bind_weights,
    .forward = forward,
};
