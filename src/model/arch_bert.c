/* BERT as an embedding model (Devlin et al. 2018; Reimers and Gurevych 2019).
 *
 * An encoder: token, type and position embeddings are added and normalized; in each layer
 * x = LayerNorm(x + dense(attention(x))), x = LayerNorm(x + fc2(gelu(fc1(x)))), all tokens of a
 * text seeing each other. No mask is needed, because texts are never filled up to a common length.
 * All tokens are of type 0. What heads a checkpoint has besides (pooler, masked language model)
 * plays no part. Arithmetic follows transformers' BertModel in float32.
 */
#include "model/bert_names.h"
#include "model/bert_weights.h"

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

static const char *const HF_MODEL_TYPES[] = {"bert", NULL};

const ph_arch ph_arch_bert = {
    .name = "bert",
    .hf_model_types = HF_MODEL_TYPES,
    .bind = bind_weights,
    .encode = &ph_bert_encode,
};
