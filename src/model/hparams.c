/* Hyper-parameters; contract in hparams.h. */
#include "model/hparams.h"

#include <math.h>
#include <stdio.h>

#include "kern/kern.h"

typedef struct reader {
    const ph_gguf *gguf;
    const char *arch;
    phial_error *err;
    phial_status status;
} reader;

static const ph_gguf_kv *find(const reader *r, const char *key, char name[96])
{
    snprintf(name, 96, "%.40s.%.50s", r->arch, key);
    return ph_gguf_find(r->gguf, name);
}

/* A whole number in 1 .. most; `fallback` 0 means that the key must be there. */
static uint32_t count(reader *r, const char *key, uint32_t most, uint32_t fallback)
{
    char name[96];
    const ph_gguf_kv *kv = find(r, key, name);
    uint64_t v = fallback;
    if (r->status != PHIAL_OK) {
        return 1;
    }
    if (kv == NULL && fallback == 0) {
        r->status = ph_err_set(r->err, PHIAL_ERR_BAD_INPUT, "metadata key '%s' is missing", name);
    } else if (kv != NULL && !ph_gguf_u64(kv, &v)) {
        r->status =
            ph_err_set(r->err, PHIAL_ERR_BAD_INPUT, "metadata key '%s' is no whole number", name);
    } else if (v < 1 || v > most) {
        r->status = ph_err_set(r->err, PHIAL_ERR_BAD_INPUT,
                               "metadata key '%s' is %llu, must be between 1 and %u", name,
                               (unsigned long long)v, (unsigned)most);
    }
    return r->status == PHIAL_OK ? (uint32_t)v : 1;
}

/* A number in lo .. hi. */
static double real(reader *r, const char *key, double lo, double hi, double fallback)
{
    char name[96];
    const ph_gguf_kv *kv = find(r, key, name);
    double v = fallback;
    if (r->status != PHIAL_OK || kv == NULL) {
        return v;
    }
    if (!ph_gguf_f64(kv, &v) || !(v >= lo && v <= hi)) {
        r->status =
            ph_err_set(r->err, PHIAL_ERR_BAD_INPUT,
                       "metadata key '%s' must be a number between %g and %g", name, lo, hi);
        return fallback;
    }
    return v;
}

static void rope_scaling(reader *r, ph_hparams *hp)
{
    char name[96];
    ph_str type;
    const ph_gguf_kv *kv = find(r, "rope.scaling.type", name);
    hp->rope_factor = real(r, "rope.scaling.factor", 1.0, 1e6, 1.0);
    if (kv == NULL || r->status != PHIAL_OK) {
        hp->rope_factor = 1.0;
        return;
    }
    if (!ph_gguf_str(kv, &type)) {
        r->status = ph_err_set(r->err, PHIAL_ERR_BAD_INPUT, "metadata key '%s' is no text", name);
    } else if (ph_str_eq_c(type, "linear")) {
        hp->rope_scaling = PH_ROPE_LINEAR;
    } else if (ph_str_eq_c(type, "dynamic")) {
        hp->rope_scaling = PH_ROPE_DYNAMIC;
    } else if (ph_str_eq_c(type, "none")) {
        hp->rope_factor = 1.0;
    } else {
        r->status = ph_err_set(r->err, PHIAL_ERR_UNSUPPORTED,
                               "rotary scaling '%.*s' (metadata key '%s') is not supported",
                               PH_STR_ARG(type), name);
    }
}

phial_status ph_hparams_from_gguf(ph_hparams *hp, const ph_gguf *gguf, const char *arch,
                                  phial_error *err)
{
    reader r = {.gguf = gguf, .arch = arch, .err = err, .status = PHIAL_OK};
    *hp = (ph_hparams){0};
    hp->n_embd = count(&r, "embedding_length", PH_MAX_WIDTH, 0);
    hp->n_layer = count(&r, "block_count", PH_MAX_LAYERS, 0);
    hp->n_head = count(&r, "attention.head_count", PH_MAX_HEADS, 0);
    hp->n_head_kv = count(&r, "attention.head_count_kv", PH_MAX_HEADS, hp->n_head);
    hp->n_ff = count(&r, "feed_forward_length", PH_MAX_WIDTH, 0);
    hp->n_ctx_max = count(&r, "context_length", PH_MAX_CTX, 0);
    if (r.status == PHIAL_OK && hp->n_embd % hp->n_head != 0) {
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%u heads do not divide the width %u",
                          (unsigned)hp->n_head, (unsigned)hp->n_embd);
    }
    hp->head_dim = hp->n_embd / hp->n_head;
    hp->n_rot = count(&r, "rope.dimension_count", PH_HEAD_MAX, hp->head_dim);
    hp->norm_eps = (float)real(&r, "attention.layer_norm_epsilon", 0, 1, 1e-5);
    hp->rope_theta = real(&r, "rope.freq_base", 1, 1e12, 10000);
    rope_scaling(&r, hp);
    return r.status;
}

phial_status ph_hparams_from_config(ph_hparams *hp, const ph_hfconfig *c, phial_error *err)
{
    bool bert = c->style == PH_HF_BERT;
    if (bert && c->act != PH_HF_ACT_GELU_ERF && c->act != PH_HF_ACT_GELU_TANH) {
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                          "config.json: only gelu, in both forms, is supported (hidden_act 'gelu', "
                          "'gelu_new')");
    }
    if (!bert && c->act != PH_HF_ACT_GELU_TANH) {
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                          "config.json: only the tanh form of gelu (hidden_act 'gelu_new') is "
                          "supported");
    }
    *hp = (ph_hparams){
        .n_vocab = c->vocab_size,
        .n_embd = c->hidden_size,
        .n_layer = c->n_layers,
        .n_head = c->n_heads,
        .n_head_kv = c->n_kv_heads,
        .head_dim = c->head_dim,
        .n_rot = c->rotary_dim,
        .n_ff = c->intermediate_size,
        .n_ctx_max = c->max_positions,
        .norm_eps = (float)c->layer_norm_eps,
        .rope_theta = c->rope_theta,
        .rope_scaling = c->rope == PH_HF_ROPE_LINEAR    ? PH_ROPE_LINEAR
                        : c->rope == PH_HF_ROPE_DYNAMIC ? PH_ROPE_DYNAMIC
                                                        : PH_ROPE_NONE,
        .rope_factor = c->rope_factor,
        .qk_norm = c->qk_layernorm,
        .tied_head = c->tied,
        .learned_positions = bert,
        .n_token_types = c->type_vocab_size,
        .gelu_erf = c->act == PH_HF_ACT_GELU_ERF,
    };
    return PHIAL_OK;
}

static phial_status in_range(const char *what, uint32_t v, uint32_t most, phial_error *err)
{
    if (v >= 1 && v <= most) {
        return PHIAL_OK;
    }
    return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s is %u, must be between 1 and %u", what,
                      (unsigned)v, (unsigned)most);
}

phial_status ph_hparams_check(const ph_hparams *hp, phial_error *err)
{
    const struct {
        const char *what;
        uint32_t value, most;
    } ranges[] = {
        {"the number of tokens in the vocabulary", hp->n_vocab, PH_MAX_VOCAB},
        {"the width", hp->n_embd, PH_MAX_WIDTH},
        {"the number of layers", hp->n_layer, PH_MAX_LAYERS},
        {"the number of heads", hp->n_head, PH_MAX_HEADS},
        {"the number of key heads", hp->n_head_kv, PH_MAX_HEADS},
        {"the size of a head", hp->head_dim, PH_HEAD_MAX},
        {"the feed-forward width", hp->n_ff, PH_MAX_WIDTH},
        {"the context length", hp->n_ctx_max, PH_MAX_CTX},
        {"the number of rotated dimensions", hp->learned_positions ? 1 : hp->n_rot, hp->head_dim},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        phial_status status = in_range(ranges[i].what, ranges[i].value, ranges[i].most, err);
        if (status != PHIAL_OK) {
            return status;
        }
    }
    if (hp->n_rot % 2 != 0 || hp->n_head % hp->n_head_kv != 0 ||
        (uint64_t)hp->n_head * hp->head_dim != hp->n_embd) {
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "%u heads of %u with %u key heads and %u rotated dimensions do not fit "
                          "together in a width of %u",
                          (unsigned)hp->n_head, (unsigned)hp->head_dim, (unsigned)hp->n_head_kv,
                          (unsigned)hp->n_rot, (unsigned)hp->n_embd);
    }
    return PHIAL_OK;
}
