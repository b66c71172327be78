/* Contract and sources: hfconfig.h. */
#include "fmt/hfconfig.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"

/* The first error stops the rest: later reads leave their results alone. */
typedef struct reader {
    const ph_json *root;
    phial_status status;
    phial_error *err;
} reader;

static const ph_json *get(const reader *r, const ph_json *object, const char *key)
{
    return r->status == PHIAL_OK ? ph_json_get(object, key) : NULL;
}

static void fail_type(reader *r, const char *key, const ph_json *v, const char *wanted)
{
    r->status = ph_err_set(r->err, PHIAL_ERR_BAD_INPUT, "'%s' is %s instead of %s", key,
                           ph_json_type_name(v), wanted);
}

/* An absent key leaves *out alone. With null_ok, null does too. */
static void read_u32(reader *r, const char *key, uint32_t min, uint32_t max, bool null_ok,
                     uint32_t *out)
{
    const ph_json *v = get(r, r->root, key);
    int64_t i;
    if (!v || (null_ok && ph_json_is_null(v)))
        return;
    if (!ph_json_int(v, &i))
        fail_type(r, key, v, "a whole number");
    else if (i < min || i > max)
        r->status = ph_err_set(r->err, PHIAL_ERR_BAD_INPUT, "'%s' is %lld; %u to %u are possible",
                               key, (long long)i, min, max);
    else
        *out = (uint32_t)i;
}

static void read_f64(reader *r, const ph_json *object, const char *key, double min, double max,
                     double *out)
{
    const ph_json *v = get(r, object, key);
    double d;
    if (!v)
        return;
    if (!ph_json_f64(v, &d))
        fail_type(r, key, v, "a number");
    else if (!(d >= min && d <= max))
        r->status = ph_err_set(r->err, PHIAL_ERR_BAD_INPUT, "'%s' is %g; %g to %g are possible",
                               key, d, min, max);
    else
        *out = d;
}

static void read_bool(reader *r, const char *key, bool *out)
{
    const ph_json *v = get(r, r->root, key);
    if (v && !ph_json_bool(v, out))
        fail_type(r, key, v, "true or false");
}

/* False when absent or null. */
static bool read_str(reader *r, const ph_json *object, const char *key, ph_str *out)
{
    const ph_json *v = get(r, object, key);
    if (!v || ph_json_is_null(v))
        return false;
    if (ph_json_str(v, out))
        return true;
    fail_type(r, key, v, "a string");
    return false;
}

static void unsupported(reader *r, const char *key, ph_str value, const char *known)
{
    r->status = ph_err_set(r->err, PHIAL_ERR_UNSUPPORTED, "'%s' is '%.*s'; supported: %s", key,
                           PH_STR_ARG(value), known);
}

/* A token id, or a list of them (the first counts); null and absent: none. */
static void read_token(reader *r, const char *key, uint32_t vocab_size, bool *has, uint32_t *out)
{
    const ph_json *v = get(r, r->root, key);
    int64_t id;
    if (ph_json_is_array(v) && ph_json_count(v) > 0)
        v = ph_json_at(v, 0);
    if (!v || ph_json_is_null(v))
        return;
    if (!ph_json_int(v, &id))
        fail_type(r, key, v, "a token id");
    else if (id < 0 || id >= vocab_size)
        r->status = ph_err_set(r->err, PHIAL_ERR_BAD_INPUT,
                               "'%s' is %lld, not an id of the vocabulary of %u", key,
                               (long long)id, vocab_size);
    else {
        *has = true;
        *out = (uint32_t)id;
    }
}

static void read_act(reader *r, const char *key, ph_hf_act *out)
{
    static const struct {
        const char *name;
        ph_hf_act act;
    } acts[] = {
        {"gelu_new", PH_HF_ACT_GELU_TANH},  {"gelu_pytorch_tanh", PH_HF_ACT_GELU_TANH},
        {"gelu_fast", PH_HF_ACT_GELU_TANH}, {"gelu", PH_HF_ACT_GELU_ERF},
        {"relu", PH_HF_ACT_RELU},           {"silu", PH_HF_ACT_SILU},
    };
    ph_str name;
    if (!read_str(r, r->root, key, &name))
        return;
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        if (ph_str_eq_c(name, acts[i].name)) {
            *out = acts[i].act;
            return;
        }
    }
    unsupported(r, key, name, "gelu_new, gelu_pytorch_tanh, gelu_fast, gelu, relu, silu");
}

static void read_dtype(reader *r, const char *key, ph_hfconfig *c)
{
    static const struct {
        const char *name;
        ph_dtype type;
    } dtypes[] = {
        {"float32", PH_DTYPE_F32}, {"float16", PH_DTYPE_F16}, {"bfloat16", PH_DTYPE_BF16}};
    ph_str name;
    if (!read_str(r, r->root, key, &name))
        return;
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        if (ph_str_eq_c(name, dtypes[i].name)) {
            c->has_dtype = true;
            c->dtype = dtypes[i].type;
            return;
        }
    }
    unsupported(r, key, name, "float32, float16, bfloat16");
}

/* `rope` is rope_parameters (transformers 5) or rope_scaling (4); NULL and null: plain. */
static void read_rope_type(reader *r, const ph_json *rope, const char *key, ph_hfconfig *c)
{
    if (r->status != PHIAL_OK || !rope || ph_json_is_null(rope))
        return;
    if (!ph_json_is_object(rope)) {
        fail_type(r, key, rope, "an object");
        return;
    }
    ph_str type;
    if (!read_str(r, rope, "rope_type", &type) && !read_str(r, rope, "type", &type))
        return;
    if (ph_str_eq_c(type, "default"))
        return;
    if (ph_str_eq_c(type, "linear"))
        c->rope = PH_HF_ROPE_LINEAR;
    else if (ph_str_eq_c(type, "dynamic"))
        c->rope = PH_HF_ROPE_DYNAMIC;
    else {
        unsupported(r, "rope_type", type, "default, linear, dynamic");
        return;
    }
    if (!ph_json_get(rope, "factor"))
        r->status = ph_err_set(r->err, PHIAL_ERR_BAD_INPUT, "'%s' has no 'factor'", key);
    read_f64(r, rope, "factor", 1, 1e6, &c->rope_factor);
}

/* Transformers' own PhiForCausalLM. */
static void read_hf(reader *r, ph_hfconfig *c)
{
    c->vocab_size = 51200, c->hidden_size = 2048, c->intermediate_size = 8192;
    c->n_layers = 24, c->n_heads = 32, c->max_positions = 2048;
    c->partial_rotary_factor = 0.5;
    read_u32(r, "vocab_size", 1, PH_HF_MAX_VOCAB, false, &c->vocab_size);
    read_u32(r, "hidden_size", 1, PH_HF_MAX_HIDDEN, false, &c->hidden_size);
    read_u32(r, "intermediate_size", 1, PH_HF_MAX_INTERMEDIATE, false, &c->intermediate_size);
    read_u32(r, "num_hidden_layers", 1, PH_HF_MAX_LAYERS, false, &c->n_layers);
    read_u32(r, "num_attention_heads", 1, PH_HF_MAX_HEADS, false, &c->n_heads);
    c->n_kv_heads = c->n_heads;
    read_u32(r, "num_key_value_heads", 1, PH_HF_MAX_HEADS, true, &c->n_kv_heads);
    read_u32(r, "max_position_embeddings", 1, PH_HF_MAX_POSITIONS, false, &c->max_positions);
    read_f64(r, r->root, "layer_norm_eps", 1e-12, 0.1, &c->layer_norm_eps);
    read_act(r, "hidden_act", &c->act);
    read_bool(r, "qk_layernorm", &c->qk_layernorm);
    read_f64(r, r->root, "rope_theta", 1, 1e12, &c->rope_theta);
    read_f64(r, r->root, "partial_rotary_factor", 0, 1, &c->partial_rotary_factor);
    read_rope_type(r, get(r, r->root, "rope_scaling"), "rope_scaling", c);
    const ph_json *rope = get(r, r->root, "rope_parameters");
    read_rope_type(r, rope, "rope_parameters", c);
    read_f64(r, rope, "rope_theta", 1, 1e12, &c->rope_theta);
    read_f64(r, rope, "partial_rotary_factor", 0, 1, &c->partial_rotary_factor);
    read_dtype(r, "torch_dtype", c);
    read_dtype(r, "dtype", c);
}

/* Microsoft's earlier remote code; both classes share their keys. */
static void read_msft(reader *r, ph_hfconfig *c)
{
    uint32_t multiple = 64;
    ph_str block;
    c->vocab_size = 50304, c->hidden_size = 1024;
    c->n_layers = 20, c->n_heads = 16, c->max_positions = 2048, c->rotary_dim = 32;
    read_u32(r, "vocab_size", 1, PH_HF_MAX_VOCAB, false, &c->vocab_size);
    read_u32(r, "pad_vocab_size_multiple", 1, 1u << 16, false, &multiple);
    c->vocab_size = (c->vocab_size + multiple - 1) / multiple * multiple;
    read_u32(r, "n_embd", 1, PH_HF_MAX_HIDDEN, false, &c->hidden_size);
    c->intermediate_size = 4 * c->hidden_size;
    read_u32(r, "n_inner", 1, PH_HF_MAX_INTERMEDIATE, true, &c->intermediate_size);
    read_u32(r, "n_layer", 1, PH_HF_MAX_LAYERS, false, &c->n_layers);
    read_u32(r, "n_head", 1, PH_HF_MAX_HEADS, false, &c->n_heads);
    c->n_kv_heads = c->n_heads;
    read_u32(r, "n_head_kv", 1, PH_HF_MAX_HEADS, true, &c->n_kv_heads);
    read_u32(r, "n_positions", 1, PH_HF_MAX_POSITIONS, false, &c->max_positions);
    read_u32(r, "rotary_dim", 1, PH_HF_MAX_HIDDEN, true, &c->rotary_dim);
    read_f64(r, r->root, "layer_norm_epsilon", 1e-12, 0.1, &c->layer_norm_eps);
    read_act(r, "activation_function", &c->act);
    read_dtype(r, "torch_dtype", c);
    const ph_json *architecture = get(r, r->root, "architecture");
    if (read_str(r, architecture, "block_cls", &block) && !ph_str_eq_c(block, "parallel"))
        unsupported(r, "block_cls", block, "parallel");
}

/* transformers' BertModel. */
static void read_bert(reader *r, ph_hfconfig *c)
{
    ph_str positions;
    bool decoder = false, crossed = false;
    c->vocab_size = 30522, c->hidden_size = 768, c->intermediate_size = 3072;
    c->n_layers = 12, c->n_heads = 12, c->max_positions = 512, c->type_vocab_size = 2;
    c->layer_norm_eps = 1e-12;
    c->act = PH_HF_ACT_GELU_ERF;
    read_u32(r, "vocab_size", 1, PH_HF_MAX_VOCAB, false, &c->vocab_size);
    read_u32(r, "hidden_size", 1, PH_HF_MAX_HIDDEN, false, &c->hidden_size);
    read_u32(r, "intermediate_size", 1, PH_HF_MAX_INTERMEDIATE, false, &c->intermediate_size);
    read_u32(r, "num_hidden_layers", 1, PH_HF_MAX_LAYERS, false, &c->n_layers);
    read_u32(r, "num_attention_heads", 1, PH_HF_MAX_HEADS, false, &c->n_heads);
    c->n_kv_heads = c->n_heads;
    read_u32(r, "max_position_embeddings", 1, PH_HF_MAX_POSITIONS, false, &c->max_positions);
    read_u32(r, "type_vocab_size", 1, PH_HF_MAX_HEADS, false, &c->type_vocab_size);
    read_f64(r, r->root, "layer_norm_eps", 1e-12, 0.1, &c->layer_norm_eps);
    read_act(r, "hidden_act", &c->act);
    read_bool(r, "is_decoder", &decoder);
    read_bool(r, "add_cross_attention", &crossed);
    read_dtype(r, "torch_dtype", c);
    read_dtype(r, "dtype", c);
    if (read_str(r, r->root, "position_embedding_type", &positions) &&
        !ph_str_eq_c(positions, "absolute"))
        unsupported(r, "position_embedding_type", positions, "absolute");
    if (r->status == PHIAL_OK && (decoder || crossed))
        unsupported(r, decoder ? "is_decoder" : "add_cross_attention", ph_str_from("true"),
                    "false");
}

static void derive(reader *r, ph_hfconfig *c)
{
    if (r->status != PHIAL_OK)
        return;
    const char *fault = NULL;
    if (c->hidden_size % c->n_heads != 0)
        fault = "the hidden size is no multiple of the number of heads";
    else if (c->n_kv_heads > c->n_heads || c->n_heads % c->n_kv_heads != 0)
        fault = "the number of heads is no multiple of the number of key-value heads";
    if (fault) {
        r->status = ph_err_set(r->err, PHIAL_ERR_BAD_INPUT,
                               "%s (hidden size %u, heads %u, key-value heads %u)", fault,
                               c->hidden_size, c->n_heads, c->n_kv_heads);
        return;
    }
    c->head_dim = c->hidden_size / c->n_heads;
    uint32_t head_dim = c->head_dim;
    read_u32(r, "head_dim", 1, PH_HF_MAX_HIDDEN, true, &head_dim);
    if (r->status == PHIAL_OK && head_dim != c->head_dim)
        r->status =
            ph_err_set(r->err, PHIAL_ERR_UNSUPPORTED,
                       "'head_dim' is %u, but hidden size / heads is %u", head_dim, c->head_dim);
    if (c->style == PH_HF_BERT)
        return;
    if (c->style == PH_HF_PHI)
        c->rotary_dim = (uint32_t)(c->partial_rotary_factor * c->head_dim);
    else if (c->rotary_dim > c->head_dim)
        c->rotary_dim = c->head_dim;
    if (r->status == PHIAL_OK && (c->rotary_dim < 2 || c->rotary_dim % 2 != 0))
        r->status = ph_err_set(r->err, PHIAL_ERR_BAD_INPUT,
                               "%u of a head's %u dimensions are rotated; an even number from 2 on "
                               "is needed",
                               c->rotary_dim, c->head_dim);
    if (c->style != PH_HF_PHI)
        c->partial_rotary_factor = (double)c->rotary_dim / c->head_dim;
}

/* In the order of ph_hf_style. */
static const char *const STYLES[] = {"phi", "phi-msft", "mixformer-sequential", "bert"};

const char *ph_hf_style_name(ph_hf_style style)
{
    return STYLES[style];
}

static void read_style(reader *r, ph_hfconfig *c)
{
    ph_str type, arch = {NULL, 0};
    if (!read_str(r, r->root, "model_type", &type)) {
        ph_json_str(ph_json_at(get(r, r->root, "architectures"), 0), &arch);
        if (r->status == PHIAL_OK && !ph_str_eq_c(arch, "PhiForCausalLM"))
            r->status = ph_err_set(r->err, PHIAL_ERR_BAD_INPUT, "'model_type' is missing");
        return;
    }
    for (size_t i = 0; i < sizeof STYLES / sizeof STYLES[0]; i++) {
        if (ph_str_eq_c(type, STYLES[i])) {
            c->style = (ph_hf_style)i;
            return;
        }
    }
    unsupported(r, "model_type", type, "phi, phi-msft, mixformer-sequential, bert");
}

phial_status ph_hfconfig_parse(ph_hfconfig *out, const char *text, size_t n, phial_error *err)
{
    ph_json *root = ph_json_parse(text, n, err);
    *out = (ph_hfconfig){.rope_theta = 10000, .rope_factor = 1, .layer_norm_eps = 1e-5};
    if (!root)
        return err ? err->status : PHIAL_ERR_BAD_INPUT;
    reader r = {root, PHIAL_OK, err};
    if (!ph_json_is_object(root))
        r.status = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "not a JSON object");
    read_style(&r, out);
    const ph_json *quantization = get(&r, root, "quantization_config");
    if (quantization && !ph_json_is_null(quantization))
        r.status = ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                              "'quantization_config': weights quantized for another program");
    if (out->style == PH_HF_BERT)
        read_bert(&r, out);
    else if (out->style == PH_HF_PHI)
        read_hf(&r, out);
    else
        read_msft(&r, out);
    read_bool(&r, "tie_word_embeddings", &out->tied);
    derive(&r, out);
    read_token(&r, "bos_token_id", out->vocab_size, &out->has_bos, &out->bos);
    read_token(&r, "eos_token_id", out->vocab_size, &out->has_eos, &out->eos);
    ph_json_free(root);
    return r.status;
}

phial_status ph_hfconfig_read(ph_hfconfig *out, const char *path, phial_error *err)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    phial_status status = ph_file_read_regular(&text, path, PH_HF_MAX_FILE, err);
    if (status == PHIAL_OK) {
        status = ph_hfconfig_parse(out, text.data ? text.data : "", text.len, err);
        if (status != PHIAL_OK)
            status = ph_err_context(err, status, "%s", path);
    }
    ph_buf_free(&text);
    return status;
}
