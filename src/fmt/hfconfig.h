/* config.json of the Phi family, in every variant it was published in, and of BERT.
 *
 * Read: PhiForCausalLM as transformers 4 and 5 write it (`torch_dtype` or `dtype`; rope keys at the
 * top or in `rope_parameters`), and the earlier remote code's "phi-msft" and "mixformer-sequential"
 * (n_embd, n_layer, rotary_dim, ...). Absent keys get the defaults of the configuration class, but
 * for bos and eos, whose class defaults are wrong for every released model: they stay unset. BERT
 * is BertModel with absolute positions, under whatever head it was saved. Every number is
 * range-checked; errors name the key. Keys that do not change inference are ignored. Source:
 * transformers' configuration_phi.py; configuration_phi.py and
 * configuration_mixformer_sequential.py of Microsoft's model repositories.
 */
#ifndef PH_FMT_HFCONFIG_H
#define PH_FMT_HFCONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/err.h"

/* Limits; their products fit into 63 bits. */
#define PH_HF_MAX_FILE         (4u << 20)
#define PH_HF_MAX_HIDDEN       (1u << 18)
#define PH_HF_MAX_INTERMEDIATE (1u << 20)
#define PH_HF_MAX_LAYERS       4096u
#define PH_HF_MAX_HEADS        4096u
#define PH_HF_MAX_VOCAB        (1u << 24)
#define PH_HF_MAX_POSITIONS    (1u << 24)

typedef enum ph_hf_style { PH_HF_PHI, PH_HF_PHI_MSFT, PH_HF_MIXFORMER, PH_HF_BERT } ph_hf_style;

typedef enum ph_hf_act {
    PH_HF_ACT_GELU_TANH, /* gelu_new, gelu_pytorch_tanh, gelu_fast: one function, spelled thrice */
    PH_HF_ACT_GELU_ERF,
    PH_HF_ACT_RELU,
    PH_HF_ACT_SILU
} ph_hf_act;

typedef enum ph_hf_rope { PH_HF_ROPE_PLAIN, PH_HF_ROPE_LINEAR, PH_HF_ROPE_DYNAMIC } ph_hf_rope;

typedef struct ph_hfconfig {
    ph_hf_style style;
    uint32_t vocab_size; /* rows of the embedding; rounded up as the older classes do */
    uint32_t hidden_size, intermediate_size;
    uint32_t n_layers, n_heads, n_kv_heads, head_dim;
    uint32_t max_positions;
    uint32_t type_vocab_size;     /* BERT: kinds of text that are told apart */
    uint32_t rotary_dim;          /* even, 2 .. head_dim; 0 for BERT */
    double partial_rotary_factor; /* as given, or rotary_dim / head_dim */
    double rope_theta;
    ph_hf_rope rope;
    double rope_factor; /* 1 when plain */
    double layer_norm_eps;
    ph_hf_act act;
    bool qk_layernorm, tied;
    bool has_bos, has_eos;
    uint32_t bos, eos; /* the first, if eos is a list */
    bool has_dtype;
    ph_dtype dtype; /* F32, F16 or BF16 */
} ph_hfconfig;

/* The model_type of config.json. */
const char *ph_hf_style_name(ph_hf_style style);

phial_status ph_hfconfig_parse(ph_hfconfig *out, const char *text, size_t n, phial_error *err);
/* path: config.json. The message begins with it. */
phial_status ph_hfconfig_read(ph_hfconfig *out, const char *path, phial_error *err);

#endif
