/* Opening models; contract in phial/model.h. */
#include "model/model_struct.h"

#include <string.h>

#include "base/hash.h"
#include "model/rope.h"

/* Small tensors, tables and structs of one model: far above Phi-2's few megabytes. */
#define ARENA_LIMIT ((size_t)1 << 30)

void phial_model_options_default(phial_model_options *options)
{
    *options = (phial_model_options){.size = sizeof *options};
}

void ph_model_count(phial_model *model, const ph_mat *mat, bool head)
{
    uint64_t macs = (uint64_t)mat->n_out * mat->n_in;
    model->step_bytes += (uint64_t)mat->n_out * ph_dtype_row_bytes(mat->type, mat->n_in);
    *(head ? &model->head_macs : &model->layer_macs) += macs;
}

const ph_hparams *ph_model_hparams(const phial_model *model)
{
    return &model->hp;
}

/* Which architecture, and its hyper-parameters as far as the header tells them. */
static phial_status read_header(phial_model *m, phial_error *err)
{
    const ph_gguf *gguf = ph_source_gguf(m->source);
    ph_str name = {"", 0};
    if (gguf != NULL) {
        if (!ph_gguf_str(ph_gguf_find(gguf, "general.architecture"), &name)) {
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                              "%s: no general.architecture in the metadata", m->path);
        }
        m->arch = ph_arch_by_name(name);
    } else {
        name = ph_str_from(ph_hf_style_name(ph_source_config(m->source)->style));
        m->arch = ph_arch_by_model_type(name);
    }
    if (m->arch == NULL) {
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED, "%s: architecture '%.*s' is not supported",
                          m->path, PH_STR_ARG(name));
    }
    phial_status status = gguf != NULL
                              ? ph_hparams_from_gguf(&m->hp, gguf, m->arch->name, err)
                              : ph_hparams_from_config(&m->hp, ph_source_config(m->source), err);
    return status == PHIAL_OK ? status : ph_err_context(err, status, "%s", m->path);
}

phial_status phial_model_open(phial_model **out, const char *path,
                              const phial_model_options *options, phial_error *err)
{
    if (options != NULL && options->size != sizeof *options) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "model options were not filled by phial_model_options_default()");
    }
    phial_model *m = ph_alloc(1, sizeof *m, err);
    if (m == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    ph_arena_init(&m->arena, ARENA_LIMIT);
    if (options != NULL) {
        m->log = (ph_log){options->log, options->log_user};
    }
    phial_status status = PHIAL_ERR_NO_MEMORY;
    m->path = ph_strdup(path, err);
    if (m->path == NULL) {
        goto done;
    }
    status = ph_source_open(&m->source, path, err);
    if (status == PHIAL_OK) {
        status = read_header(m, err);
    }
    if (status == PHIAL_OK) {
        ph_source_vectors_begin(m->source);
        status = m->arch->bind(m, err);
        ph_source_vectors_end(m->source);
    }
    if (status == PHIAL_OK && !m->hp.learned_positions) {
        status = ph_rope_tables(&m->rope_cos, &m->rope_sin, &m->arena, &m->hp, err);
    }
    if (status == PHIAL_OK) { /* biases were read from pages that may have gone missing */
        status = ph_source_check(m->source, err);
    }
done:
    if (status == PHIAL_OK) {
        *out = m;
    } else {
        phial_model_close(m);
    }
    return status;
}

void phial_model_close(phial_model *m)
{
    if (m == NULL) {
        return;
    }
    ph_source_close(m->source);
    ph_arena_free(&m->arena);
    ph_free(m->path);
    ph_free(m);
}

/* The type that most weight bytes have, and the totals. */
static void weigh(const phial_model *m, phial_model_info *info)
{
    uint64_t by_type[64] = {0};
    uint64_t bytes = 0, most = 0;
    info->weight_type = "";
    for (size_t i = 0; i < ph_source_n_tensors(m->source); i++) {
        ph_tensor_ref t = ph_source_tensor_at(m->source, i);
        info->n_params += t.n_elements;
        bytes += t.bytes;
        if (t.type == NULL || (unsigned)t.type->id >= 64) {
            continue;
        }
        by_type[t.type->id] += t.bytes;
        if (by_type[t.type->id] > most) {
            most = by_type[t.type->id];
            info->weight_type = t.type_name;
        }
    }
    info->bits_per_weight = info->n_params == 0 ? 0 : (double)bytes * 8 / (double)info->n_params;
}

phial_status phial_model_get_info(const phial_model *m, phial_model_info *info, phial_error *err)
{
    if (info->size != sizeof *info) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "phial_model_info.size is not set");
    }
    const ph_hparams *hp = &m->hp;
    *info = (phial_model_info){
        .size = sizeof *info,
        .path = m->path,
        .arch = m->arch->name,
        .n_vocab = hp->n_vocab,
        .n_embd = hp->n_embd,
        .n_layer = hp->n_layer,
        .n_head = hp->n_head,
        .n_head_kv = hp->n_head_kv,
        .head_dim = hp->head_dim,
        .n_rot = hp->n_rot,
        .n_ff = hp->n_ff,
        .n_ctx_max = hp->n_ctx_max,
        .norm_epsilon = hp->norm_eps,
        .rope_theta = hp->rope_theta,
    };
    weigh(m, info);
    return PHIAL_OK;
}

/* Name, type, shape, and 16 samples of up to 1 KiB spread evenly over the data. */
static void hash_tensor(ph_hasher *h, const ph_tensor_ref *t)
{
    enum { SAMPLES = 16, SAMPLE_BYTES = 1024 };
    ph_hasher_add(h, t->name.p, t->name.n);
    ph_hasher_add(h, t->type_name, strlen(t->type_name));
    ph_hasher_add(h, t->dims, sizeof t->dims);
    if (t->bytes <= SAMPLES * SAMPLE_BYTES) {
        ph_hasher_add(h, t->data, t->bytes);
        return;
    }
    uint64_t step = (t->bytes - SAMPLE_BYTES) / (SAMPLES - 1);
    for (uint64_t i = 0; i < SAMPLES; i++) {
        ph_hasher_add(h, t->data + i * step, SAMPLE_BYTES);
    }
}

phial_status phial_model_fingerprint(const phial_model *m, char out[PHIAL_FINGERPRINT_BYTES],
                                     phial_error *err)
{
    ph_hasher *h;
    phial_status status = ph_hasher_new(&h, err);
    if (status != PHIAL_OK) {
        return status;
    }
    const ph_hparams *hp = &m->hp;
    const double numbers[] = {hp->n_head,      hp->n_head_kv,  hp->n_rot,
                              hp->norm_eps,    hp->rope_theta, hp->rope_scaling,
                              hp->rope_factor, hp->tied_head,  hp->n_ctx_max};
    ph_hasher_add(h, numbers, sizeof numbers);
    for (size_t i = 0; i < ph_source_n_tensors(m->source); i++) {
        ph_tensor_ref t = ph_source_tensor_at(m->source, i);
        hash_tensor(h, &t);
    }
    ph_hash128_hex(ph_hasher_end(h), out);
    ph_hasher_free(h);
    return ph_source_check(m->source, err);
}
