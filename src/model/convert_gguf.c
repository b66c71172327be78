/* Hugging Face directory to GGUF. Contracts: convert.h, convert_gguf.h. */
#include "model/convert_gguf.h"

#include <string.h>

#include "base/mem.h"
#include "fmt/hfconfig.h"
#include "fmt/safetensors.h"
#include "model/convert_bert.h"
#include "model/phi_gguf.h"

typedef struct ph_gguf_plan {
    const char *dir;
    const ph_convert_options *options;
    ph_hfconfig config;
    ph_hparams hp;
    ph_phi_shape shape;
    ph_phi_layout layout;
    ph_safetensors *weights;    /* owned */
    const ph_st_tensor **found; /* owned: [block + 1][tensor][part]; row 0 is of the whole model */
    const ph_st_tensor **order; /* owned: what is converted, as the source has it */
    size_t n_order;
    bool duplicate_head;
    bool bert; /* another architecture: convert_bert.c plans it */
    ph_convert_plan plan;
} job;

static const ph_st_tensor **slot(const job *j, ph_phi_ref ref)
{
    size_t row = ph_phi_per_block(ref.tensor) ? (size_t)ref.block + 1 : 0;
    return &j->found[(row * PH_PHI_N_TENSORS + ref.tensor) * 2 + ref.part];
}

/* What old checkpoints carry along and every program computes anew. */
static bool is_derived(ph_str name)
{
    return ph_str_ends_with(name, ".inv_freq") || ph_str_ends_with(name, ".attn.bias") ||
           ph_str_ends_with(name, ".attn.masked_bias");
}

static phial_status find_layout(job *j, phial_error *err)
{
    for (size_t i = 0; i < ph_safetensors_n_tensors(j->weights); i++) {
        if (ph_phi_layout_of(&j->layout, ph_safetensors_tensor_at(j->weights, i)->name) &&
            j->layout != PH_PHI_LAYOUT_GGUF)
            return PHIAL_OK;
    }
    return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                      "%s: no token embedding under any of the names that Phi's weights have",
                      j->dir);
}

static phial_status check_tensor(const job *j, const ph_st_tensor *t, ph_phi_ref ref,
                                 phial_error *err)
{
    uint64_t rows, cols;
    ph_phi_dims(&j->shape, ref, &rows, &cols);
    if (!t->type || !ph_convert_is_float(t->type->id))
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                          "%s: tensor '%.*s': dtype %s; F32, F16 and BF16 are converted", j->dir,
                          PH_STR_ARG(t->name), t->dtype);
    if (t->n_dims != (cols ? 2u : 1u) || t->shape[0] != rows || (cols && t->shape[1] != cols))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "%s: tensor '%.*s': its shape is not the %llu x %llu that config.json "
                          "asks for",
                          j->dir, PH_STR_ARG(t->name), (unsigned long long)rows,
                          (unsigned long long)(cols ? cols : 1));
    return PHIAL_OK;
}

/* Every tensor of the source gets its place. */
static phial_status sort_tensors(job *j, phial_error *err)
{
    size_t n = ph_safetensors_n_tensors(j->weights);
    j->order = ph_alloc(n, sizeof *j->order, err);
    j->found = ph_alloc((j->shape.n_blocks + 1) * PH_PHI_N_TENSORS * 2, sizeof *j->found, err);
    if (!j->order || !j->found)
        return PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        const ph_st_tensor *t = ph_safetensors_tensor_at(j->weights, i);
        ph_phi_ref ref;
        if (!ph_phi_name_find(&ref, j->layout, t->name, j->shape.n_blocks)) {
            if (!is_derived(t->name))
                return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                                  "%s: tensor '%.*s': not a weight of a Phi with %llu layers",
                                  j->dir, PH_STR_ARG(t->name),
                                  (unsigned long long)j->shape.n_blocks);
            ph_log_write(&j->options->log, PH_LOG_WARN,
                         "left out: '%.*s', which is computed and not learned",
                         PH_STR_ARG(t->name));
            continue;
        }
        phial_status status = check_tensor(j, t, ref, err);
        if (status != PHIAL_OK)
            return status;
        *slot(j, ref) = t;
        j->order[j->n_order++] = t;
    }
    return PHIAL_OK;
}

/* Whether a model of this configuration and layout has the tensor. */
static bool expected(const job *j, ph_phi_ref ref)
{
    char name[PH_PHI_NAME_BYTES];
    if (ref.tensor == PH_PHI_ATTN_Q_NORM || ref.tensor == PH_PHI_ATTN_K_NORM)
        return j->hp.qk_norm;
    return ph_phi_name(name, j->layout, ref, j->shape.n_blocks);
}

static phial_status plan_tensor(job *j, ph_phi_ref ref, phial_error *err)
{
    char name[PH_PHI_NAME_BYTES];
    const ph_st_tensor *t = *slot(j, ref);
    ph_phi_name(name, j->layout, ref, j->shape.n_blocks);
    if (t && !expected(j, ref))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "%s: tensor '%s' is there, but config.json says qk_layernorm false",
                          j->dir, name);
    if (!t && ref.tensor == PH_PHI_OUTPUT && ref.part == PH_PHI_WEIGHT && j->hp.tied_head) {
        t = *slot(j, (ph_phi_ref){PH_PHI_TOKEN_EMBD, PH_PHI_WEIGHT, 0});
        j->duplicate_head = true;
    }
    if (!t)
        return expected(j, ref) ? ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s: tensor '%s' is missing",
                                             j->dir, name)
                                : PHIAL_OK;
    ph_convert_item item = {.from = t->type->id, .data = t->data, .data_bytes = t->data_bytes};
    ph_phi_name(item.name, PH_PHI_LAYOUT_GGUF, ref, j->shape.n_blocks);
    ph_phi_dims(&j->shape, ref, &item.rows, &item.cols);
    item.map = ph_safetensors_map(j->weights, t->file);
    item.to = item.cols == 0 ? PH_DTYPE_F32 : j->options->has_type ? j->options->type : item.from;
    return ph_convert_plan_add(&j->plan, &item, err);
}

static phial_status plan_group(job *j, bool per_block, bool head, uint32_t block, phial_error *err)
{
    phial_status status = PHIAL_OK;
    for (int t = 0; t < PH_PHI_N_TENSORS; t++) {
        ph_phi_tensor tensor = (ph_phi_tensor)t;
        if (ph_phi_per_block(tensor) != per_block ||
            (!per_block && head != (tensor != PH_PHI_TOKEN_EMBD)))
            continue;
        for (int part = 0; part < 1 + ph_phi_has_bias(tensor) && status == PHIAL_OK; part++)
            status = plan_tensor(j, (ph_phi_ref){tensor, (ph_phi_part)part, block}, err);
    }
    return status;
}

/* In the order of use: embedding, blocks, final norm and head. */
static phial_status plan_all(job *j, phial_error *err)
{
    phial_status status = plan_group(j, false, false, 0, err);
    for (uint32_t b = 0; b < j->shape.n_blocks && status == PHIAL_OK; b++)
        status = plan_group(j, true, false, b, err);
    return status == PHIAL_OK ? plan_group(j, false, true, 0, err) : status;
}

static phial_status open_source(job *j, phial_error *err)
{
    char *path = ph_path_join(j->dir, "config.json", err);
    if (!path)
        return PHIAL_ERR_NO_MEMORY;
    phial_status status = ph_hfconfig_read(&j->config, path, err);
    ph_free(path);
    if (status == PHIAL_OK)
        status = ph_hparams_from_config(&j->hp, &j->config, err);
    if (status == PHIAL_OK)
        status = ph_hparams_check(&j->hp, err);
    if (status == PHIAL_OK)
        status = ph_safetensors_open(&j->weights, j->dir, err);
    j->shape = ph_phi_shape_of(&j->hp);
    return status;
}

/* Its loader takes grouped-query attention where it was tried (llama-cpp-python 0.3.36), but nobody
 * promises that: its converter writes as many key-value heads as heads. */
static void say_what_llama_cannot(const job *j)
{
    const ph_log *log = &j->options->log;
    const ph_hparams *hp = &j->hp;
    if (hp->n_head_kv != hp->n_head)
        ph_log_write(log, PH_LOG_WARN,
                     "llama.cpp may be unable to read the result: its converter knows no "
                     "grouped-query attention for phi2");
    if (hp->qk_norm)
        ph_log_write(log, PH_LOG_WARN,
                     "llama.cpp cannot read the result: its phi2 has no qk_layernorm");
    if (hp->rope_scaling == PH_ROPE_DYNAMIC)
        ph_log_write(log, PH_LOG_WARN,
                     "llama.cpp cannot read the result: it has no dynamic rope scaling");
}

static ph_str name_of_directory(const char *dir)
{
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    size_t begin = n;
    while (begin > 0 && dir[begin - 1] != '/')
        begin--;
    return (ph_str){dir + begin, n - begin};
}

static void put_origin(const job *j, ph_gguf_writer *w)
{
    ph_gguf_put_str(w, PH_KEY_LAYOUT, ph_str_from(j->bert ? "hf" : ph_phi_layout_name(j->layout)));
    ph_gguf_put_bool(w, PH_KEY_TIED, j->duplicate_head);
    ph_gguf_put_array(w, PH_KEY_TENSORS, PH_GGUF_STRING, j->n_order);
    for (size_t i = 0; i < j->n_order; i++)
        ph_gguf_put_elem_str(w, j->order[i]->name);
    ph_gguf_put_array(w, PH_KEY_DTYPES, PH_GGUF_STRING, j->n_order);
    for (size_t i = 0; i < j->n_order; i++) {
        ph_dtype type = j->options->has_type ? j->options->type : j->order[i]->type->id;
        ph_gguf_put_elem_str(w, ph_str_from(ph_dtype_name(type)));
    }
}

/* The files beside the weights, byte for byte, as two arrays of the same length. */
static phial_status put_side_files(const job *j, ph_gguf_writer *w, phial_error *err)
{
    enum { MAX = 16 };
    const char *names[MAX];
    ph_buf contents[MAX];
    size_t n = 0;
    phial_status status = PHIAL_OK;
    for (size_t i = 0; ph_convert_side_files[i] && n < MAX && status == PHIAL_OK; i++) {
        char *path = ph_path_join(j->dir, ph_convert_side_files[i], err);
        if (!path)
            status = PHIAL_ERR_NO_MEMORY;
        else if (ph_file_kind_of(path) == PH_FILE_REGULAR) {
            names[n] = ph_convert_side_files[i];
            ph_buf_init(&contents[n], 0);
            status = ph_file_read_regular(&contents[n++], path, PH_CONVERT_MAX_SIDE_FILE, err);
        }
        ph_free(path);
    }
    if (status == PHIAL_OK) {
        ph_gguf_put_array(w, PH_KEY_FILE_NAMES, PH_GGUF_STRING, n);
        for (size_t i = 0; i < n; i++)
            ph_gguf_put_elem_str(w, ph_str_from(names[i]));
        ph_gguf_put_array(w, PH_KEY_FILE_CONTENTS, PH_GGUF_STRING, n);
        for (size_t i = 0; i < n; i++)
            ph_gguf_put_elem_str(w, (ph_str){contents[i].data, contents[i].len});
    }
    while (n > 0)
        ph_buf_free(&contents[--n]);
    return status;
}

static phial_status put_tensors(const job *j, ph_gguf_writer *w, phial_error *err)
{
    phial_status status = PHIAL_OK;
    for (size_t i = 0; i < j->plan.n_items && status == PHIAL_OK; i++) {
        const ph_convert_item *item = &j->plan.items[i];
        uint64_t dims[2] = {item->cols ? item->cols : item->rows, item->rows};
        status = ph_gguf_put_tensor(w, item->name, item->to, item->cols ? 2 : 1, dims, err);
    }
    return status;
}

static phial_status write_data(void *sink, const void *bytes, size_t n, phial_error *err)
{
    return ph_gguf_writer_data(sink, bytes, n, err);
}

phial_status ph_gguf_plan_put_keys(const ph_gguf_plan *j, ph_gguf_writer *w, uint32_t file_type,
                                   phial_error *err)
{
    if (j->bert) {
        phial_status made =
            ph_bert_put_keys(w, &j->hp, j->dir, name_of_directory(j->dir), file_type, err);
        if (made != PHIAL_OK)
            return made;
        put_origin(j, w);
        return put_side_files(j, w, err);
    }
    int64_t eos = j->config.has_eos ? (int64_t)j->config.eos : -1;
    ph_phi_gguf_put(w, &j->hp, name_of_directory(j->dir), file_type);
    phial_status status = ph_convert_put_vocab(w, j->dir, j->shape.n_vocab, eos, err);
    if (status != PHIAL_OK)
        return status;
    put_origin(j, w);
    return put_side_files(j, w, err);
}

static phial_status write_file(job *j, const char *dst, phial_error *err)
{
    ph_gguf_writer *w;
    phial_status status = ph_gguf_writer_new(&w, err);
    if (status != PHIAL_OK)
        return status;
    status = ph_gguf_plan_put_keys(j, w, ph_phi_file_type(j->plan.items[0].to), err);
    if (status == PHIAL_OK)
        status = put_tensors(j, w, err);
    if (status == PHIAL_OK)
        status = ph_gguf_writer_begin(w, dst, err);
    if (status == PHIAL_OK)
        status = ph_convert_plan_run(&j->plan, j->options, write_data, w, err);
    if (status == PHIAL_OK)
        status = ph_gguf_writer_commit(w, err);
    ph_gguf_writer_free(w);
    return status;
}

static phial_status plan_phi(job *j, phial_error *err)
{
    phial_status status = find_layout(j, err);
    if (status == PHIAL_OK)
        status = sort_tensors(j, err);
    return status == PHIAL_OK ? plan_all(j, err) : status;
}

static phial_status plan_bert(job *j, phial_error *err)
{
    j->order = ph_alloc(ph_safetensors_n_tensors(j->weights), sizeof *j->order, err);
    if (!j->order)
        return PHIAL_ERR_NO_MEMORY;
    return ph_bert_plan_to_gguf(&j->plan, j->order, &j->n_order, j->weights, &j->hp, j->dir,
                                j->options, err);
}

phial_status ph_gguf_plan_open(ph_gguf_plan **out, const char *dir,
                               const ph_convert_options *options, phial_error *err)
{
    job *j = ph_alloc(1, sizeof *j, err);
    if (!j)
        return PHIAL_ERR_NO_MEMORY;
    j->dir = dir;
    j->options = options;
    phial_status status = open_source(j, err);
    j->bert = j->config.style == PH_HF_BERT;
    if (status == PHIAL_OK)
        status = j->bert ? plan_bert(j, err) : plan_phi(j, err);
    if (status != PHIAL_OK) {
        ph_gguf_plan_close(j);
        return status;
    }
    if (!j->bert)
        say_what_llama_cannot(j);
    *out = j;
    return PHIAL_OK;
}

void ph_gguf_plan_close(ph_gguf_plan *j)
{
    if (!j)
        return;
    ph_convert_plan_free(&j->plan);
    ph_free(j->found);
    ph_free(j->order);
    ph_safetensors_close(j->weights);
    ph_free(j);
}

const ph_convert_plan *ph_gguf_plan_items(const ph_gguf_plan *j)
{
    return &j->plan;
}

void ph_gguf_plan_heads(const ph_gguf_plan *j, uint64_t *n_head, uint64_t *n_head_kv)
{
    *n_head = j->hp.n_head;
    *n_head_kv = j->hp.n_head_kv;
}

phial_status ph_convert_to_gguf(const char *src_dir, const char *dst_file,
                                const ph_convert_options *options, phial_error *err)
{
    ph_gguf_plan *plan;
    if (!options->overwrite && ph_file_kind_of(dst_file) != PH_FILE_MISSING)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: is there already", dst_file);
    phial_status status = ph_gguf_plan_open(&plan, src_dir, options, err);
    if (status != PHIAL_OK)
        return status;
    status = write_file(plan, dst_file, err);
    ph_gguf_plan_close(plan);
    return status;
}
