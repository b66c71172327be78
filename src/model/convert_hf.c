/* GGUF to Hugging Face directory. Contract: convert.h.
 *
 * A file written by convert_gguf.c says which tensors the source had, under which names, and
 * carries the source's other files. Any other phi2 file is given transformers' names, with
 * attn_qkv cut into its rows of q, k and v. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "fmt/safetensors.h"
#include "model/convert_bert.h"
#include "model/convert_dir.h"
#include "model/convert_plan.h"
#include "model/phi_config.h"
#include "model/phi_gguf.h"

typedef struct job {
    const ph_convert_options *options;
    ph_gguf *g; /* owned */
    ph_hparams hp;
    ph_phi_shape shape;
    bool recorded; /* the file says what its source was like */
    bool bert;     /* another architecture: convert_bert.c plans it */
    ph_phi_layout layout;
    ph_dtype bulk; /* of the embedding: the type of the model as a whole */
    ph_convert_plan plan;
    ph_convert_dir dir;
} job;

static const ph_gguf_tensor *find(const job *j, ph_phi_ref ref)
{
    char name[PH_PHI_NAME_BYTES];
    ph_phi_name(name, PH_PHI_LAYOUT_GGUF, ref, j->shape.n_blocks);
    return ph_gguf_tensor_find(j->g, name);
}

static phial_status check_tensor(const job *j, const ph_gguf_tensor *t, ph_phi_ref ref,
                                 phial_error *err)
{
    uint64_t rows, cols;
    ph_phi_dims(&j->shape, ref, &rows, &cols);
    uint64_t inner = cols ? cols : rows, outer = cols ? rows : 1;
    if (t->dims[0] != inner || t->dims[1] != outer || t->dims[2] != 1 || t->dims[3] != 1)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "tensor '%.*s': its shape is not the %llu x %llu that the keys ask for",
                          PH_STR_ARG(t->name), (unsigned long long)outer,
                          (unsigned long long)inner);
    return PHIAL_OK;
}

/* `wanted`: the type the source had, or the bulk's. */
static phial_status choose_type(const job *j, const ph_gguf_tensor *t, ph_convert_item *item,
                                ph_dtype wanted, phial_error *err)
{
    item->from = t->type->id;
    if (j->options->has_type)
        item->to = j->options->type;
    else if (item->cols != 0 || item->from != PH_DTYPE_F32)
        item->to = item->from;
    else /* GGUF keeps vectors in F32 whatever they were */
        item->to = ph_convert_is_exact(item->data, item->rows, wanted) ? wanted : PH_DTYPE_F32;
    if (!ph_convert_is_float(item->to))
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                          "tensor '%.*s': %s has no counterpart in safetensors; name a type: f32, "
                          "f16 or bf16",
                          PH_STR_ARG(t->name), t->type->name);
    return PHIAL_OK;
}

static phial_status add_item(job *j, const ph_gguf_tensor *t, ph_convert_item *item,
                             ph_dtype wanted, phial_error *err)
{
    item->map = ph_gguf_map(j->g);
    phial_status status = choose_type(j, t, item, wanted, err);
    return status == PHIAL_OK ? ph_convert_plan_add(&j->plan, item, err) : status;
}

static phial_status plan_whole(job *j, const ph_gguf_tensor *t, ph_phi_ref ref, const char *name,
                               ph_dtype wanted, phial_error *err)
{
    ph_convert_item item = {.data = t->data, .data_bytes = t->data_bytes};
    phial_status status = check_tensor(j, t, ref, err);
    if (status != PHIAL_OK)
        return status;
    snprintf(item.name, sizeof item.name, "%s", name);
    ph_phi_dims(&j->shape, ref, &item.rows, &item.cols);
    return add_item(j, t, &item, wanted, err);
}

static phial_status record_fault(const char *key, phial_error *err)
{
    return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "key '%s': not as convert writes it", key);
}

/* Entry by entry as the source had it. */
static phial_status plan_recorded(job *j, phial_error *err)
{
    const ph_gguf_kv *names = ph_gguf_find(j->g, PH_KEY_TENSORS);
    const ph_gguf_kv *dtypes = ph_gguf_find(j->g, PH_KEY_DTYPES);
    ph_str layout, name, dtype;
    size_t at_name = 0, at_dtype = 0;
    if (!ph_gguf_str(ph_gguf_find(j->g, PH_KEY_LAYOUT), &layout) ||
        !ph_phi_layout_by_name(layout, &j->layout) || j->layout == PH_PHI_LAYOUT_GGUF)
        return record_fault(PH_KEY_LAYOUT, err);
    if (!names || !dtypes || names->count != dtypes->count || names->count > PH_ST_MAX_TENSORS)
        return record_fault(PH_KEY_TENSORS, err);
    while (ph_gguf_array_next_str(names, &at_name, &name)) {
        const ph_dtype_info *type = NULL;
        ph_phi_ref ref;
        char text[PH_PHI_NAME_BYTES];
        if (!ph_phi_name_find(&ref, j->layout, name, j->shape.n_blocks))
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "key '%s': '%.*s' is no weight of this Phi",
                              PH_KEY_TENSORS, PH_STR_ARG(name));
        if (ph_gguf_array_next_str(dtypes, &at_dtype, &dtype))
            type = ph_dtype_by_name(dtype);
        if (!type || !ph_convert_is_float(type->id))
            return record_fault(PH_KEY_DTYPES, err);
        const ph_gguf_tensor *t = find(j, ref);
        ph_phi_name(text, j->layout, ref, j->shape.n_blocks);
        if (!t)
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "the tensor for '%s' is missing", text);
        phial_status status = plan_whole(j, t, ref, text, type->id, err);
        if (status != PHIAL_OK)
            return status;
    }
    return PHIAL_OK;
}

/* Rows of attn_qkv: all of q, all of k, all of v. */
static phial_status plan_cut(job *j, const ph_gguf_tensor *t, ph_phi_ref ref, const char *name,
                             phial_error *err)
{
    ph_phi_ref whole = {PH_PHI_ATTN_QKV, ref.part, ref.block};
    phial_status status = check_tensor(j, t, whole, err);
    if (status != PHIAL_OK)
        return status;
    uint64_t q = j->shape.n_heads * j->shape.head_dim, kv = j->shape.n_kv_heads * j->shape.head_dim;
    uint64_t first = ref.tensor == PH_PHI_ATTN_Q ? 0 : ref.tensor == PH_PHI_ATTN_K ? q : q + kv;
    uint64_t all_rows = q + 2 * kv;
    ph_convert_item item = {0};
    snprintf(item.name, sizeof item.name, "%s", name);
    ph_phi_dims(&j->shape, ref, &item.rows, &item.cols);
    if (item.cols == 0 && t->type->block != 1)
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED, "tensor '%.*s': a bias of type %s",
                          PH_STR_ARG(t->name), t->type->name);
    uint64_t row_bytes = t->data_bytes / all_rows;
    item.data = t->data + first * row_bytes;
    item.data_bytes = item.rows * row_bytes;
    return add_item(j, t, &item, j->bulk, err);
}

static phial_status plan_named(job *j, ph_phi_ref ref, phial_error *err)
{
    char name[PH_PHI_NAME_BYTES];
    if (!ph_phi_name(name, PH_PHI_LAYOUT_HF, ref, j->shape.n_blocks))
        return PHIAL_OK;
    const ph_gguf_tensor *t = find(j, ref);
    if (t)
        return plan_whole(j, t, ref, name, j->bulk, err);
    bool is_qkv =
        ref.tensor == PH_PHI_ATTN_Q || ref.tensor == PH_PHI_ATTN_K || ref.tensor == PH_PHI_ATTN_V;
    if (is_qkv)
        t = find(j, (ph_phi_ref){PH_PHI_ATTN_QKV, ref.part, ref.block});
    if (t)
        return plan_cut(j, t, ref, name, err);
    bool is_qk_norm = ref.tensor == PH_PHI_ATTN_Q_NORM || ref.tensor == PH_PHI_ATTN_K_NORM;
    bool is_head = ref.tensor == PH_PHI_OUTPUT && ref.part == PH_PHI_WEIGHT;
    if ((is_qk_norm && !j->hp.qk_norm) || (is_head && j->hp.tied_head))
        return PHIAL_OK;
    ph_phi_name(name, PH_PHI_LAYOUT_GGUF, ref, j->shape.n_blocks);
    return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "tensor '%s' is missing", name);
}

/* With transformers' names, in their order of use. */
static phial_status plan_by_names(job *j, phial_error *err)
{
    phial_status status = PHIAL_OK;
    for (uint32_t b = 0; b < j->shape.n_blocks + 2; b++) {
        bool in_block = b > 0 && b <= j->shape.n_blocks;
        for (int t = 0; t < PH_PHI_N_TENSORS; t++) {
            ph_phi_tensor tensor = (ph_phi_tensor)t;
            bool is_embd = tensor == PH_PHI_TOKEN_EMBD;
            if (ph_phi_per_block(tensor) != in_block || (!in_block && is_embd != (b == 0)))
                continue;
            for (int part = 0; part < 1 + ph_phi_has_bias(tensor) && status == PHIAL_OK; part++)
                status = plan_named(
                    j, (ph_phi_ref){tensor, (ph_phi_part)part, in_block ? b - 1 : 0}, err);
        }
    }
    return status;
}

static phial_status plan_source(job *j, phial_error *err)
{
    j->bert = ph_bert_gguf_is(j->g);
    phial_status status =
        j->bert ? ph_bert_gguf_read(&j->hp, j->g, err) : ph_phi_gguf_read(&j->hp, j->g, err);
    if (status != PHIAL_OK)
        return status;
    j->shape = ph_phi_shape_of(&j->hp);
    j->recorded = ph_gguf_find(j->g, PH_KEY_LAYOUT) != NULL;
    j->bulk = ph_gguf_tensor_find(j->g, "token_embd.weight")->type->id;
    if (j->options->has_type)
        j->bulk = j->options->type;
    else if (!ph_convert_is_float(j->bulk))
        return ph_err_set(
            err, PHIAL_ERR_UNSUPPORTED,
            "tensor 'token_embd.weight': %s has no counterpart in safetensors; name a "
            "type: f32, f16 or bf16",
            ph_dtype_name(j->bulk));
    if (j->bert)
        return ph_bert_plan_to_hf(&j->plan, j->g, &j->hp, j->bulk, j->options, err);
    return j->recorded ? plan_recorded(j, err) : plan_by_names(j, err);
}

static const char *torch_name(ph_dtype type)
{
    return type == PH_DTYPE_F32 ? "float32" : type == PH_DTYPE_F16 ? "float16" : "bfloat16";
}

/* A token id of the tokenizer's keys, or -1. */
static int64_t token_id(const job *j, const char *key)
{
    uint64_t id;
    bool has = ph_gguf_u64(ph_gguf_find(j->g, key), &id) && id < j->hp.n_vocab;
    return has ? (int64_t)id : -1;
}

/* config.json of the source, with another dtype where the weights have changed theirs. */
static phial_status retype_config(const job *j, ph_str text, ph_buf *out, phial_error *err)
{
    ph_hfconfig config;
    phial_status status = ph_hfconfig_parse(&config, text.p, text.n, err);
    if (status != PHIAL_OK)
        return ph_err_context(err, status, "key '%s': config.json", PH_KEY_FILE_CONTENTS);
    if (!config.has_dtype || config.dtype == j->bulk) {
        ph_buf_add(out, text.p, text.n);
        return ph_buf_status(out, err);
    }
    ph_json *root = ph_json_parse(text.p, text.n, err);
    if (!root)
        return PHIAL_ERR_NO_MEMORY;
    static const char *const keys[] = {"torch_dtype", "dtype"};
    for (int i = 0; i < 2; i++) {
        if (ph_json_get(root, keys[i]))
            ph_json_set(root, keys[i], ph_json_str_new(ph_str_from(torch_name(j->bulk))));
    }
    status = ph_json_write(out, root, 2, err);
    ph_buf_add_byte(out, '\n');
    ph_json_free(root);
    return status;
}

static bool is_side_file(ph_str name)
{
    for (size_t i = 0; ph_convert_side_files[i]; i++) {
        if (ph_str_eq_c(name, ph_convert_side_files[i]))
            return true;
    }
    return false;
}

static phial_status write_recorded_files(job *j, phial_error *err)
{
    const ph_gguf_kv *names = ph_gguf_find(j->g, PH_KEY_FILE_NAMES);
    const ph_gguf_kv *contents = ph_gguf_find(j->g, PH_KEY_FILE_CONTENTS);
    ph_str name, content;
    size_t at_name = 0, at_content = 0;
    phial_status status = PHIAL_OK;
    while (status == PHIAL_OK && ph_gguf_array_next_str(names, &at_name, &name)) {
        char text[64];
        if (!is_side_file(name) || !ph_gguf_array_next_str(contents, &at_content, &content))
            return record_fault(PH_KEY_FILE_NAMES, err);
        snprintf(text, sizeof text, "%.*s", PH_STR_ARG(name));
        ph_buf config;
        ph_buf_init(&config, 0);
        if (ph_str_eq_c(name, "config.json")) {
            status = retype_config(j, content, &config, err);
            content = (ph_str){config.data, config.len};
        }
        if (status == PHIAL_OK)
            status = ph_convert_dir_write(&j->dir, text, content, err);
        ph_buf_free(&config);
    }
    return status;
}

static phial_status write_one(void *user, const char *name, ph_str content, phial_error *err)
{
    return ph_convert_dir_write(user, name, content, err);
}

static phial_status write_made_files(job *j, phial_error *err)
{
    if (j->bert)
        return ph_bert_make_files(j->g, &j->hp, j->bulk, write_one, &j->dir, err);
    ph_buf config;
    ph_buf_init(&config, 0);
    phial_status status =
        ph_phi_config_write(&config, &j->hp, j->bulk, token_id(j, "tokenizer.ggml.bos_token_id"),
                            token_id(j, "tokenizer.ggml.eos_token_id"), err);
    if (status == PHIAL_OK)
        status =
            ph_convert_dir_write(&j->dir, "config.json", (ph_str){config.data, config.len}, err);
    ph_buf_free(&config);
    return status == PHIAL_OK ? ph_convert_vocab_files(j->g, write_one, &j->dir, err) : status;
}

static phial_status write_data(void *sink, const void *bytes, size_t n, phial_error *err)
{
    return ph_st_writer_data(sink, bytes, n, err);
}

static phial_status write_weights(job *j, phial_error *err)
{
    ph_st_writer *w;
    const char *path;
    phial_status status = ph_st_writer_new(&w, err);
    if (status == PHIAL_OK)
        status = ph_st_writer_meta(w, ph_str_from("format"), ph_str_from("pt"), err);
    for (size_t i = 0; i < j->plan.n_items && status == PHIAL_OK; i++) {
        const ph_convert_item *item = &j->plan.items[i];
        uint64_t shape[2] = {item->rows, item->cols};
        status = ph_st_writer_tensor(w, ph_str_from(item->name), ph_dtype_name(item->to),
                                     item->cols ? 2 : 1, shape, err);
    }
    if (status == PHIAL_OK)
        status = ph_convert_dir_file(&j->dir, "model.safetensors", &path, err);
    if (status == PHIAL_OK)
        status = ph_st_writer_begin(w, path, err);
    if (status == PHIAL_OK)
        status = ph_convert_plan_run(&j->plan, j->options, write_data, w, err);
    if (status == PHIAL_OK)
        status = ph_st_writer_commit(w, err);
    ph_st_writer_free(w);
    return status;
}

phial_status ph_convert_to_hf(const char *src_file, const char *dst_dir,
                              const ph_convert_options *options, phial_error *err)
{
    job j = {.options = options};
    phial_status status = ph_gguf_open(&j.g, src_file, err);
    if (status != PHIAL_OK)
        return status;
    status = plan_source(&j, err);
    if (status != PHIAL_OK) {
        status = ph_err_context(err, status, "%s", src_file);
        goto done;
    }
    status = ph_convert_dir_open(&j.dir, dst_dir, options->overwrite, err);
    if (status != PHIAL_OK)
        goto done;
    /* The weights last: without them the directory is no model. */
    status = j.recorded ? write_recorded_files(&j, err) : write_made_files(&j, err);
    if (status == PHIAL_OK)
        status = write_weights(&j, err);
    if (status == PHIAL_OK)
        status = ph_convert_dir_commit(&j.dir, err);
done:
    ph_convert_dir_close(&j.dir);
    ph_convert_plan_free(&j.plan);
    ph_gguf_close(j.g);
    return status;
}

phial_status ph_convert(const char *src, const char *dst, const ph_convert_options *options,
                        phial_error *err)
{
    if (options->has_type && !ph_convert_is_float(options->type))
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "type %s: convert writes F32, F16 and BF16",
                          ph_dtype_name(options->type));
    if (ph_file_kind_of(src) == PH_FILE_DIRECTORY)
        return ph_convert_to_gguf(src, dst, options, err);
    return ph_convert_to_hf(src, dst, options, err);
}
