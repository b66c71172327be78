/* Hyper-parameters: the numbers that give a model its shape, from GGUF metadata or config.json,
 * range-checked. */
#ifndef PH_MODEL_HPARAMS_H
#define PH_MODEL_HPARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "fmt/gguf.h"
#include "fmt/hfconfig.h"

/* Limits on what a file may claim; far above every model, far below any overflow. */
#define PH_MAX_LAYERS 1024
#define PH_MAX_WIDTH  (1u << 20) /* n_embd, n_ff */
#define PH_MAX_HEADS  1024
#define PH_MAX_VOCAB  (1u << 24)
#define PH_MAX_CTX    (1u << 17)

typedef enum ph_rope_scaling { PH_ROPE_NONE, PH_ROPE_LINEAR, PH_ROPE_DYNAMIC } ph_rope_scaling;

typedef struct ph_hparams {
    uint32_t n_vocab;
    uint32_t n_embd;
    uint32_t n_layer;
    uint32_t n_head;
    uint32_t n_head_kv;
    uint32_t head_dim;
    uint32_t n_rot; /* rotated dimensions of each head; even; 0 with learned positions */
    uint32_t n_ff;
    uint32_t n_ctx_max;
    float norm_eps;
    double rope_theta;
    ph_rope_scaling rope_scaling;
    double rope_factor; /* 1 without scaling */
    bool qk_norm;       /* LayerNorm on each head's q and k */
    bool tied_head;     /* no output weight: the embedding serves */
    bool learned_positions;
    uint32_t n_token_types; /* kinds of text that are told apart; 0: none */
    bool gelu_erf;          /* gelu with the error function, not the tanh form */
} ph_hparams;

/* n_vocab of a GGUF comes from its embedding tensor and is 0 here until that is known, qk_norm from
 * whether such tensors are there; its head is never tied. */
phial_status ph_hparams_from_gguf(ph_hparams *hp, const ph_gguf *gguf, const char *arch,
                                  phial_error *err);
phial_status ph_hparams_from_config(ph_hparams *hp, const ph_hfconfig *config, phial_error *err);

/* Consistency of the whole, once everything is known. */
phial_status ph_hparams_check(const ph_hparams *hp, phial_error *err);

#endif
