/* Contract: phi_config.h. */
#include "model/phi_config.h"

#include <math.h>

#include "base/json.h"

static const char *torch_name(ph_dtype type)
{
    return type == PH_DTYPE_F32 ? "float32" : type == PH_DTYPE_F16 ? "float16" : "bfloat16";
}

/* transformers computes int(factor * head_dim), which must not round below the dimension. */
static double rotary_factor(const ph_hparams *hp)
{
    double f = (double)hp->n_rot / hp->head_dim;
    return (uint32_t)(f * hp->head_dim) < hp->n_rot ? nextafter(f, 2) : f;
}

static void set_int(ph_json *o, const char *key, int64_t v)
{
    ph_json_set(o, key, ph_json_int_new(v));
}

static ph_json *id_or_null(int64_t id)
{
    return id >= 0 ? ph_json_int_new(id) : ph_json_null_new();
}

static ph_json *scaling_or_null(const ph_hparams *hp)
{
    if (hp->rope_scaling == PH_ROPE_NONE)
        return ph_json_null_new();
    ph_json *o = ph_json_object_new();
    ph_json_set(
        o, "type",
        ph_json_str_new(ph_str_from(hp->rope_scaling == PH_ROPE_LINEAR ? "linear" : "dynamic")));
    ph_json_set(o, "factor", ph_json_f64_new(ph_f32_decimal((float)hp->rope_factor)));
    return o;
}

phial_status ph_phi_config_write(ph_buf *out, const ph_hparams *hp, ph_dtype type, int64_t bos,
                                 int64_t eos, phial_error *err)
{
    ph_json *o = ph_json_object_new(), *archs = ph_json_array_new();
    ph_json_push(archs, ph_json_str_new(ph_str_from("PhiForCausalLM")));
    ph_json_set(o, "architectures", archs);
    ph_json_set(o, "bos_token_id", id_or_null(bos));
    ph_json_set(o, "eos_token_id", id_or_null(eos));
    ph_json_set(o, "hidden_act", ph_json_str_new(ph_str_from("gelu_new")));
    set_int(o, "hidden_size", hp->n_embd);
    set_int(o, "intermediate_size", hp->n_ff);
    ph_json_set(o, "layer_norm_eps", ph_json_f64_new(ph_f32_decimal(hp->norm_eps)));
    set_int(o, "max_position_embeddings", hp->n_ctx_max);
    ph_json_set(o, "model_type", ph_json_str_new(ph_str_from("phi")));
    set_int(o, "num_attention_heads", hp->n_head);
    set_int(o, "num_hidden_layers", hp->n_layer);
    set_int(o, "num_key_value_heads", hp->n_head_kv);
    ph_json_set(o, "partial_rotary_factor", ph_json_f64_new(rotary_factor(hp)));
    ph_json_set(o, "qk_layernorm", ph_json_bool_new(hp->qk_norm));
    ph_json_set(o, "rope_scaling", scaling_or_null(hp));
    ph_json_set(o, "rope_theta", ph_json_f64_new(ph_f32_decimal((float)hp->rope_theta)));
    ph_json_set(o, "tie_word_embeddings", ph_json_bool_new(hp->tied_head));
    ph_json_set(o, "torch_dtype", ph_json_str_new(ph_str_from(torch_name(type))));
    ph_json_set(o, "use_cache", ph_json_bool_new(true));
    set_int(o, "vocab_size", hp->n_vocab);
    phial_status status = ph_json_write(out, o, 2, err);
    ph_buf_add_byte(out, '\n');
    ph_json_free(o);
    return status;
}
