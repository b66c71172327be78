/* BERT between Hugging Face directories and GGUF; contract in convert_bert.h. Keys and the form of
 * the vocabulary: llama.cpp's convert_hf_to_gguf.py, BertModel. */
#include "model/convert_bert.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "model/bert_names.h"
#include "tok/tok.h"

enum { TYPE_NORMAL = 1, TYPE_CONTROL = 3, TYPE_UNUSED = 5 };

_Static_assert(PH_BERT_NAME_BYTES >= PH_PHI_NAME_BYTES, "names are cut to the shorter of both");

/* GGUF keeps these in F32 whatever they were: they are small, and llama.cpp expects it. */
static bool stays_f32(ph_bert_ref ref, uint64_t cols)
{
    return cols == 0 || ref.tensor == PH_BERT_POSITION_EMBD || ref.tensor == PH_BERT_TOKEN_TYPES;
}

static phial_status set_name(ph_convert_item *item, const char *name, phial_error *err)
{
    int n = snprintf(item->name, sizeof item->name, "%s", name);
    return n < (int)sizeof item->name
               ? PHIAL_OK
               : ph_err_set(err, PHIAL_ERR_LIMIT, "the name '%s' is too long", name);
}

/* --- to GGUF ---------------------------------------------------------------------------------- */

static const char *find_prefix(const ph_safetensors *weights)
{
    for (size_t i = 0; ph_bert_prefixes[i] != NULL; i++) {
        char name[PH_BERT_NAME_BYTES];
        ph_bert_name_hf(name, ph_bert_prefixes[i], (ph_bert_ref){PH_BERT_TOKEN_EMBD, false, 0});
        if (ph_safetensors_tensor_find(weights, name) != NULL)
            return ph_bert_prefixes[i];
    }
    return NULL;
}

static phial_status plan_one(ph_convert_plan *plan, const ph_safetensors *weights,
                             const ph_st_tensor *t, ph_bert_ref ref, const ph_hparams *hp,
                             const char *dir, const ph_convert_options *options, phial_error *err)
{
    char name[PH_BERT_NAME_BYTES];
    ph_convert_item item = {.data = t->data, .data_bytes = t->data_bytes};
    ph_bert_dims(hp, ref, &item.rows, &item.cols);
    if (t->type == NULL || !ph_convert_is_float(t->type->id))
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                          "%s: tensor '%.*s': dtype %s; F32, F16 and BF16 are converted", dir,
                          PH_STR_ARG(t->name), t->dtype);
    if (t->n_dims != (item.cols ? 2u : 1u) || t->shape[0] != item.rows ||
        (item.cols && t->shape[1] != item.cols))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "%s: tensor '%.*s': its shape is not the %llu x %llu that config.json "
                          "asks for",
                          dir, PH_STR_ARG(t->name), (unsigned long long)item.rows,
                          (unsigned long long)(item.cols ? item.cols : 1));
    ph_bert_name_gguf(name, ref);
    item.from = t->type->id;
    item.to = stays_f32(ref, item.cols) ? PH_DTYPE_F32
              : options->has_type       ? options->type
                                        : item.from;
    item.map = ph_safetensors_map(weights, t->file);
    phial_status status = set_name(&item, name, err);
    return status == PHIAL_OK ? ph_convert_plan_add(plan, &item, err) : status;
}

phial_status ph_bert_plan_to_gguf(ph_convert_plan *plan, const ph_st_tensor **order,
                                  size_t *n_order, const ph_safetensors *weights,
                                  const ph_hparams *hp, const char *dir,
                                  const ph_convert_options *options, phial_error *err)
{
    const char *prefix = find_prefix(weights);
    if (prefix == NULL)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "%s: no token embedding under any of the names that BERT's weights have",
                          dir);
    phial_status status = PHIAL_OK;
    for (size_t i = 0; i < ph_safetensors_n_tensors(weights); i++) {
        const ph_st_tensor *t = ph_safetensors_tensor_at(weights, i);
        ph_bert_ref ref;
        if (ph_bert_name_find(&ref, prefix, t->name, hp->n_layer))
            order[(*n_order)++] = t;
        else
            ph_log_write(&options->log, PH_LOG_WARN,
                         "left out: '%.*s', which embeddings do not need", PH_STR_ARG(t->name));
    }
    for (uint32_t pass = 0; pass <= hp->n_layer; pass++) { /* the whole model's, then by layer */
        for (int i = 0; i < 2 * PH_BERT_N_TENSORS && status == PHIAL_OK; i++) {
            char name[PH_BERT_NAME_BYTES];
            ph_bert_ref ref = {(ph_bert_tensor)(i / 2), i % 2 == 1, pass > 0 ? pass - 1 : 0};
            if (ph_bert_per_layer(ref.tensor) != (pass > 0) ||
                (ref.bias && !ph_bert_has_bias(ref.tensor)))
                continue;
            ph_bert_name_hf(name, prefix, ref);
            const ph_st_tensor *t = ph_safetensors_tensor_find(weights, name);
            status = t == NULL ? ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s: tensor '%s' is missing",
                                            dir, name)
                               : plan_one(plan, weights, t, ref, hp, dir, options, err);
        }
    }
    return status;
}

/* A token as llama.cpp's files spell it. */
static phial_status put_token(ph_gguf_writer *w, const ph_vocab_token *t, phial_error *err)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    if (t->in_model && !t->continues) {
        ph_str word = {t->text.p + 1, t->text.n - 1};
        bool special = t->type == TYPE_CONTROL;
        bool brackets = word.n > 2 && word.p[0] == '[' && word.p[word.n - 1] == ']';
        if (!special && !brackets)
            ph_buf_add_str(&text, "\xE2\x96\x81");
        ph_buf_add(&text, word.p, word.n);
    } else {
        ph_buf_add(&text, t->text.p, t->text.n);
    }
    phial_status status = ph_buf_status(&text, err);
    ph_gguf_put_elem_str(w, (ph_str){text.data, text.len});
    ph_buf_free(&text);
    return status;
}

static phial_status put_vocab(ph_gguf_writer *w, const phial_tokenizer *t, uint32_t n_vocab,
                              phial_error *err)
{
    const ph_vocab *v = ph_tokenizer_vocab(t);
    phial_status status = PHIAL_OK;
    if (v->kind != PH_VOCAB_WORDPIECE)
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED, "the tokenizer is not BERT's WordPiece");
    ph_gguf_put_str(w, "tokenizer.ggml.model", ph_str_from("bert"));
    ph_gguf_put_str(w, "tokenizer.ggml.pre", ph_str_from("jina-v2-en"));
    ph_gguf_put_array(w, "tokenizer.ggml.tokens", PH_GGUF_STRING, n_vocab);
    for (uint32_t i = 0; i < n_vocab && status == PHIAL_OK; i++) {
        char pad[24];
        int n = snprintf(pad, sizeof pad, "[PAD%u]", (unsigned)i);
        if (i < v->n_tokens && v->tokens[i].type != TYPE_UNUSED)
            status = put_token(w, &v->tokens[i], err);
        else
            ph_gguf_put_elem_str(w, (ph_str){pad, (size_t)n});
    }
    ph_gguf_put_array(w, "tokenizer.ggml.token_type", PH_GGUF_I32, n_vocab);
    for (uint32_t i = 0; i < n_vocab; i++)
        ph_gguf_put_elem_i32(w, i < v->n_tokens ? v->tokens[i].type : TYPE_UNUSED);
    const struct {
        const char *key, *name;
    } others[] = {{"tokenizer.ggml.padding_token_id", "[PAD]"},
                  {"tokenizer.ggml.mask_token_id", "[MASK]"}};
    ph_gguf_put_u32(w, "tokenizer.ggml.unknown_token_id", v->unk);
    ph_gguf_put_u32(w, "tokenizer.ggml.cls_token_id", v->bos);
    ph_gguf_put_u32(w, "tokenizer.ggml.seperator_token_id", v->eos);
    for (size_t i = 0; i < 2; i++) {
        uint32_t id = phial_tokenizer_find(t, others[i].name, strlen(others[i].name));
        if (id != PHIAL_TOKEN_NONE)
            ph_gguf_put_u32(w, others[i].key, id);
    }
    ph_gguf_put_bool(w, "phial.wordpiece.lowercase", v->rules.lower);
    ph_gguf_put_bool(w, "phial.wordpiece.strip_accents", v->rules.strip);
    ph_gguf_put_bool(w, "phial.wordpiece.split_ideographs", v->rules.cjk);
    return status;
}

/* A JSON file below the folder; *out NULL if it is not there. */
static phial_status read_json(ph_json **out, const char *dir, const char *name, phial_error *err)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    *out = NULL;
    char *path = ph_path_join(dir, name, err);
    phial_status status = path == NULL ? PHIAL_ERR_NO_MEMORY : PHIAL_OK;
    if (status == PHIAL_OK && ph_file_kind_of(path) == PH_FILE_REGULAR) {
        status = ph_file_read_regular(&text, path, 1 << 20, err);
        if (status == PHIAL_OK)
            *out = ph_json_parse(text.data != NULL ? text.data : "", text.len, err);
        if (status == PHIAL_OK && *out == NULL)
            status = ph_err_context(err, PHIAL_ERR_BAD_INPUT, "%s", path);
    }
    ph_buf_free(&text);
    ph_free(path);
    return status;
}

/* How the model's embeddings are made, as sentence-transformers' files say it: llama.cpp's number
 * of the pooling (1 mean, 2 cls), and whether vectors are normalized, in a key of ours. */
static phial_status put_pooling(ph_gguf_writer *w, const char *dir, phial_error *err)
{
    ph_json *pooling = NULL, *modules = NULL;
    bool mean = false, cls = false, normalize = false;
    phial_status status = read_json(&pooling, dir, "1_Pooling/config.json", err);
    if (status == PHIAL_OK)
        status = read_json(&modules, dir, "modules.json", err);
    ph_json_bool(ph_json_get(pooling, "pooling_mode_mean_tokens"), &mean);
    ph_json_bool(ph_json_get(pooling, "pooling_mode_cls_token"), &cls);
    if (mean != cls)
        ph_gguf_put_u32(w, "bert.pooling_type", mean ? 1 : 2);
    for (size_t i = 0; i < ph_json_count(modules); i++) {
        ph_str type;
        if (ph_json_str(ph_json_get(ph_json_at(modules, i), "type"), &type))
            normalize = normalize || ph_str_ends_with(type, "Normalize");
    }
    if (modules != NULL)
        ph_gguf_put_bool(w, "phial.embed.normalize", normalize);
    ph_json_free(modules);
    ph_json_free(pooling);
    return status;
}

phial_status ph_bert_put_keys(ph_gguf_writer *w, const ph_hparams *hp, const char *dir, ph_str name,
                              uint32_t file_type, phial_error *err)
{
    phial_tokenizer *t = NULL;
    if (!hp->gelu_erf)
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                          "%s: the tanh form of gelu: GGUF's bert has no place for it", dir);
    phial_status status = phial_tokenizer_open(&t, dir, err);
    if (status != PHIAL_OK)
        return status;
    ph_gguf_put_str(w, "general.architecture", ph_str_from("bert"));
    ph_gguf_put_str(w, "general.type", ph_str_from("model"));
    ph_gguf_put_str(w, "general.name", name);
    ph_gguf_put_u32(w, "bert.context_length", hp->n_ctx_max);
    ph_gguf_put_u32(w, "bert.embedding_length", hp->n_embd);
    ph_gguf_put_u32(w, "bert.feed_forward_length", hp->n_ff);
    ph_gguf_put_u32(w, "bert.block_count", hp->n_layer);
    ph_gguf_put_u32(w, "bert.attention.head_count", hp->n_head);
    ph_gguf_put_f32(w, "bert.attention.layer_norm_epsilon", hp->norm_eps);
    ph_gguf_put_bool(w, "bert.attention.causal", false);
    ph_gguf_put_u32(w, "general.file_type", file_type);
    ph_gguf_put_u32(w, "general.quantization_version", 2);
    ph_gguf_put_u32(w, "tokenizer.ggml.token_type_count", hp->n_token_types);
    status = put_vocab(w, t, hp->n_vocab, err);
    if (status == PHIAL_OK)
        status = put_pooling(w, dir, err);
    phial_tokenizer_close(t);
    return status == PHIAL_OK ? status : ph_err_context(err, status, "%s", dir);
}

/* --- to Hugging Face -------------------------------------------------------------------------- */

bool ph_bert_gguf_is(const ph_gguf *g)
{
    ph_str arch;
    return ph_gguf_str(ph_gguf_find(g, "general.architecture"), &arch) && ph_str_eq_c(arch, "bert");
}

phial_status ph_bert_gguf_read(ph_hparams *out, const ph_gguf *g, phial_error *err)
{
    phial_status status = ph_hparams_from_gguf(out, g, "bert", err);
    if (status != PHIAL_OK)
        return status;
    const ph_gguf_tensor *tokens = ph_gguf_tensor_find(g, "token_embd.weight");
    const ph_gguf_tensor *types = ph_gguf_tensor_find(g, "token_types.weight");
    if (tokens == NULL || types == NULL)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "tensor '%s' is missing",
                          tokens == NULL ? "token_embd.weight" : "token_types.weight");
    out->n_vocab = tokens->dims[1] <= PH_MAX_VOCAB ? (uint32_t)tokens->dims[1] : 0;
    out->n_token_types = types->dims[1] <= PH_MAX_HEADS ? (uint32_t)types->dims[1] : 0;
    out->learned_positions = true;
    out->gelu_erf = true;
    out->n_rot = 0;
    return ph_hparams_check(out, err);
}

static phial_status plan_back(ph_convert_plan *plan, const ph_gguf *g, const ph_hparams *hp,
                              ph_bert_ref ref, ph_dtype bulk, const ph_convert_options *options,
                              phial_error *err)
{
    char from[PH_BERT_NAME_BYTES], to[PH_BERT_NAME_BYTES];
    ph_convert_item item = {.map = ph_gguf_map(g)};
    ph_bert_name_gguf(from, ref);
    ph_bert_name_hf(to, "", ref);
    ph_bert_dims(hp, ref, &item.rows, &item.cols);
    const ph_gguf_tensor *t = ph_gguf_tensor_find(g, from);
    if (t == NULL)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "tensor '%s' is missing", from);
    uint64_t inner = item.cols ? item.cols : item.rows, outer = item.cols ? item.rows : 1;
    if (t->dims[0] != inner || t->dims[1] != outer || t->dims[2] != 1 || t->dims[3] != 1)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "tensor '%s': its shape is not the %llu x %llu that the keys ask for",
                          from, (unsigned long long)outer, (unsigned long long)inner);
    item.data = t->data;
    item.data_bytes = t->data_bytes;
    item.from = t->type->id;
    item.to = item.from;
    if (options->has_type)
        item.to = options->type;
    else if (item.from == PH_DTYPE_F32 && stays_f32(ref, item.cols) &&
             ph_convert_is_exact(item.data, t->n_elements, bulk))
        item.to = bulk; /* it was narrower before */
    if (!ph_convert_is_float(item.to))
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                          "tensor '%s': %s has no counterpart in safetensors; name a type: f32, "
                          "f16 or bf16",
                          from, t->type->name);
    phial_status status = set_name(&item, to, err);
    return status == PHIAL_OK ? ph_convert_plan_add(plan, &item, err) : status;
}

phial_status ph_bert_plan_to_hf(ph_convert_plan *plan, const ph_gguf *g, const ph_hparams *hp,
                                ph_dtype bulk, const ph_convert_options *options, phial_error *err)
{
    phial_status status = PHIAL_OK;
    for (uint32_t pass = 0; pass <= hp->n_layer; pass++) {
        for (int i = 0; i < 2 * PH_BERT_N_TENSORS && status == PHIAL_OK; i++) {
            ph_bert_ref ref = {(ph_bert_tensor)(i / 2), i % 2 == 1, pass > 0 ? pass - 1 : 0};
            if (ph_bert_per_layer(ref.tensor) == (pass > 0) &&
                (!ref.bias || ph_bert_has_bias(ref.tensor)))
                status = plan_back(plan, g, hp, ref, bulk, options, err);
        }
    }
    return status;
}

static phial_status write_json(ph_json *o, const char *name, ph_convert_file_fn file, void *user,
                               phial_error *err)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    phial_status status = ph_json_write(&text, o, 2, err);
    ph_buf_add_byte(&text, '\n');
    if (status == PHIAL_OK)
        status = ph_buf_status(&text, err);
    if (status == PHIAL_OK)
        status = file(user, name, (ph_str){text.data, text.len}, err);
    ph_buf_free(&text);
    ph_json_free(o);
    return status;
}

static ph_json *make_config(const ph_hparams *hp, ph_dtype bulk)
{
    static const char *const types[] = {"float32", "float16", "bfloat16"};
    const char *type = types[bulk == PH_DTYPE_F32 ? 0 : bulk == PH_DTYPE_F16 ? 1 : 2];
    ph_json *o = ph_json_object_new(), *archs = ph_json_array_new();
    const struct {
        const char *key;
        int64_t value;
    } numbers[] = {{"hidden_size", hp->n_embd},
                   {"intermediate_size", hp->n_ff},
                   {"max_position_embeddings", hp->n_ctx_max},
                   {"num_attention_heads", hp->n_head},
                   {"num_hidden_layers", hp->n_layer},
                   {"type_vocab_size", hp->n_token_types},
                   {"vocab_size", hp->n_vocab}};
    ph_json_push(archs, ph_json_str_new(ph_str_from("BertModel")));
    ph_json_set(o, "architectures", archs);
    ph_json_set(o, "model_type", ph_json_str_new(ph_str_from("bert")));
    ph_json_set(o, "hidden_act", ph_json_str_new(ph_str_from("gelu")));
    ph_json_set(o, "position_embedding_type", ph_json_str_new(ph_str_from("absolute")));
    ph_json_set(o, "layer_norm_eps", ph_json_f64_new(ph_f32_decimal(hp->norm_eps)));
    ph_json_set(o, "torch_dtype", ph_json_str_new(ph_str_from(type)));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        ph_json_set(o, numbers[i].key, ph_json_int_new(numbers[i].value));
    return o;
}

static phial_status write_vocab(const ph_vocab *v, ph_convert_file_fn file, void *user,
                                phial_error *err)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    for (uint32_t i = 0; i < v->n_tokens; i++) {
        const ph_vocab_token *t = &v->tokens[i];
        size_t skip = t->in_model && !t->continues;
        if (t->type == TYPE_UNUSED)
            ph_buf_addf(&text, "[PAD%u]", (unsigned)i);
        if (t->continues)
            ph_buf_add_str(&text, "##");
        ph_buf_add(&text, t->text.p + (t->text.n > 0 ? skip : 0),
                   t->text.n > 0 ? t->text.n - skip : 0);
        ph_buf_add_byte(&text, '\n');
    }
    phial_status status = ph_buf_status(&text, err);
    if (status == PHIAL_OK)
        status = file(user, "vocab.txt", (ph_str){text.data, text.len}, err);
    ph_buf_free(&text);
    ph_json *o = ph_json_object_new();
    ph_json_set(o, "do_lower_case", ph_json_bool_new(v->rules.lower));
    ph_json_set(o, "strip_accents", ph_json_bool_new(v->rules.strip));
    ph_json_set(o, "tokenize_chinese_chars", ph_json_bool_new(v->rules.cjk));
    ph_json_set(o, "tokenizer_class", ph_json_str_new(ph_str_from("BertTokenizer")));
    if (status == PHIAL_OK)
        return write_json(o, "tokenizer_config.json", file, user, err);
    ph_json_free(o);
    return status;
}

phial_status ph_bert_make_files(const ph_gguf *g, const ph_hparams *hp, ph_dtype bulk,
                                ph_convert_file_fn file, void *user, phial_error *err)
{
    phial_status status = write_json(make_config(hp, bulk), "config.json", file, user, err);
    ph_vocab v;
    ph_vocab_init(&v);
    if (status == PHIAL_OK && ph_gguf_find(g, "tokenizer.ggml.tokens") != NULL)
        status = ph_vocab_gguf_wordpiece(&v, g, err);
    if (status == PHIAL_OK && v.n_tokens > 0)
        status = write_vocab(&v, file, user, err);
    ph_vocab_free(&v);
    return status;
}
