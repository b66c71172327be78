/* Contract: phi_gguf.h. Keys: llama.cpp's gguf-py, MODEL_ARCH.PHI2. */
#include "model/phi_gguf.h"

ph_phi_shape ph_phi_shape_of(const ph_hparams *hp)
{
    return (ph_phi_shape){hp->n_vocab, hp->n_embd,    hp->n_ff,    hp->n_layer,
                          hp->n_head,  hp->n_head_kv, hp->head_dim};
}

phial_status ph_phi_gguf_read(ph_hparams *out, const ph_gguf *g, phial_error *err)
{
    ph_str arch;
    if (!ph_gguf_str(ph_gguf_find(g, "general.architecture"), &arch))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "key 'general.architecture' is missing");
    if (!ph_str_eq_c(arch, "phi2"))
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED, "architecture '%.*s'; supported here: phi2",
                          PH_STR_ARG(arch));
    phial_status status = ph_hparams_from_gguf(out, g, "phi2", err);
    if (status != PHIAL_OK)
        return status;
    const ph_gguf_tensor *embd = ph_gguf_tensor_find(g, "token_embd.weight");
    if (!embd)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "tensor 'token_embd.weight' is missing");
    char name[PH_PHI_NAME_BYTES];
    ph_phi_name(name, PH_PHI_LAYOUT_GGUF, (ph_phi_ref){PH_PHI_FFN_UP, PH_PHI_WEIGHT, out->n_layer},
                out->n_layer);
    if (ph_gguf_tensor_find(g, name))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "tensor '%s' belongs to a layer behind the last of %u", name,
                          out->n_layer);
    out->n_vocab = embd->dims[1] <= PH_MAX_VOCAB ? (uint32_t)embd->dims[1] : UINT32_MAX;
    out->qk_norm = ph_gguf_tensor_find(g, "blk.0.attn_q_norm.weight") != NULL;
    return ph_hparams_check(out, err);
}

/* llama.cpp's numbers for "mostly this type". */
uint32_t ph_phi_file_type(ph_dtype bulk)
{
    switch (bulk) {
    case PH_DTYPE_F32:
        return 0;
    case PH_DTYPE_F16:
        return 1;
    case PH_DTYPE_Q8_0:
        return 7;
    case PH_DTYPE_BF16:
        return 32;
    default:
        return 1024; /* guessed, says llama.cpp */
    }
}

void ph_phi_gguf_put(ph_gguf_writer *w, const ph_hparams *hp, ph_str name, uint32_t file_type)
{
    ph_gguf_put_str(w, "general.architecture", ph_str_from("phi2"));
    ph_gguf_put_str(w, "general.type", ph_str_from("model"));
    ph_gguf_put_str(w, "general.name", name);
    ph_gguf_put_u32(w, "phi2.context_length", hp->n_ctx_max);
    ph_gguf_put_u32(w, "phi2.embedding_length", hp->n_embd);
    ph_gguf_put_u32(w, "phi2.feed_forward_length", hp->n_ff);
    ph_gguf_put_u32(w, "phi2.block_count", hp->n_layer);
    ph_gguf_put_u32(w, "phi2.attention.head_count", hp->n_head);
    ph_gguf_put_u32(w, "phi2.attention.head_count_kv", hp->n_head_kv);
    ph_gguf_put_f32(w, "phi2.attention.layer_norm_epsilon", hp->norm_eps);
    ph_gguf_put_u32(w, "phi2.rope.dimension_count", hp->n_rot);
    ph_gguf_put_f32(w, "phi2.rope.freq_base", (float)hp->rope_theta);
    if (hp->rope_scaling != PH_ROPE_NONE) {
        const char *type = hp->rope_scaling == PH_ROPE_LINEAR ? "linear" : "dynamic";
        ph_gguf_put_str(w, "phi2.rope.scaling.type", ph_str_from(type));
        ph_gguf_put_f32(w, "phi2.rope.scaling.factor", (float)hp->rope_factor);
    }
    ph_gguf_put_u32(w, "phi2.vocab_size", hp->n_vocab);
    ph_gguf_put_u32(w, "general.file_type", file_type);
    /* llama.cpp asks for it wherever blocks of quantized numbers may occur. */
    ph_gguf_put_u32(w, "general.quantization_version", 2);
}
