/* A model in training: f32 weights of a Phi, their gradients, the moments of AdamW, and the work
 * space of forward and backward pass.
 *
 * One step is: ph_trainee_backward() for one or more batches (accumulation), then
 * ph_trainee_update(), which also zeroes the gradients. Gradients are those of the SUM of the
 * losses; update divides by a number the caller gives, usually the targets of all its batches, so
 * that accumulated micro-batches weigh as one large batch would.
 *
 * Same bits: every number depends on the weights, the batches, the options and the instruction set,
 * not on the number of threads, nor on whether a run was interrupted: values, m and v of all
 * parameters and the step count are the whole state (gradients too, in the middle of a step).
 *
 * Not done: LayerNorm on q and k, a head tied to the embedding (PHIAL_ERR_UNSUPPORTED); dropout.
 * Ownership: a trainee is owned; free it. Nothing is borrowed after a call returns, except where
 * said. Threads: one caller at a time; a call spreads its work over the trainee's own threads.
 */
#ifndef PH_TRAIN_TRAINEE_H
#define PH_TRAIN_TRAINEE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/err.h"
#include "model/hparams.h"
#include "phial/model.h"

#define PH_TRAIN_TOKENS_MAX ((size_t)1 << 20) /* of one batch */
#define PH_TRAIN_NO_TARGET  UINT32_MAX        /* a position without loss */

typedef struct ph_trainee ph_trainee;

typedef enum ph_train_math {
    PH_TRAIN_F32,
    /* Both operands of every product with a weight, forward and backward, are rounded to bf16
     * (nearest, ties to even); sums, attention, norms, softmax and weights stay f32. Twice as
     * fast where the table multiplies bf16 (kern/sgemm.h), whose bits are then its own. */
    PH_TRAIN_BF16
} ph_train_math;

typedef struct ph_trainee_options {
    ph_train_math math;
    int n_threads;     /* 0: ph_cpu_count() */
    bool recompute;    /* keep only each layer's input and compute the rest again: less memory, a
                          third more time, the same bits */
    size_t max_tokens; /* of one batch, 1 .. PH_TRAIN_TOKENS_MAX; work space is made for it */
} ph_trainee_options;

/* F32, all threads, no recomputation, 4,096 tokens. */
void ph_trainee_options_default(ph_trainee_options *options);

/* Weights as transformers initialises Phi: matrices and embedding normal(0, 0.02), LayerNorm 1 and
 * 0, biases 0. hp is copied. A tensor's numbers depend on the seed and the tensor alone. */
phial_status ph_trainee_new(ph_trainee **out, const ph_hparams *hp, uint64_t seed,
                            const ph_trainee_options *options, phial_error *err);
/* Weights of an open model, as f32; the model is not needed afterwards. */
phial_status ph_trainee_from_model(ph_trainee **out, const phial_model *model,
                                   const ph_trainee_options *options, phial_error *err);
void ph_trainee_free(ph_trainee *t);

const ph_hparams *ph_trainee_hparams(const ph_trainee *t); /* borrowed */
uint64_t ph_trainee_bytes(const ph_trainee *t); /* memory held: weights, moments, work space */

/* Several examples in one flat list. Example i is the tokens starts[i] .. starts[i+1]-1 (the last
 * one ends at n); its positions begin at 0 and it sees nothing of the others. targets[j] is the id
 * that should follow ids[j], or PH_TRAIN_NO_TARGET. */
typedef struct ph_train_batch {
    const uint32_t *ids;     /* [n], each < n_vocab */
    const uint32_t *targets; /* [n] */
    size_t n;                /* 1 .. max_tokens */
    const uint32_t *starts;  /* [n_examples], ascending, the first is 0; each example has 1 ..
                                n_ctx_max tokens */
    size_t n_examples;
} ph_train_batch;

typedef struct ph_train_loss {
    double sum;         /* of -log p(target), natural logarithm */
    uint64_t n_targets; /* positions that had one */
} ph_train_loss;

/* Adds the gradients of the sum of the batch's losses to those of the parameters. *loss is set, not
 * added to. Errors: ARGUMENT (a batch that breaks the rules above; names the position; nothing was
 * changed), NUMERIC (the loss is NaN or infinite: the gradients are then worthless; see
 * ph_trainee_zero()). */
phial_status ph_trainee_backward(ph_trainee *t, const ph_train_batch *batch, ph_train_loss *loss,
                                 phial_error *err);
/* The loss alone, the same bits; gradients are not touched. */
phial_status ph_trainee_loss(ph_trainee *t, const ph_train_batch *batch, ph_train_loss *loss,
                             phial_error *err);

/* AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019) as PyTorch computes
 * it. */
typedef struct ph_adamw {
    double lr;
    double beta1, beta2, eps;
    double weight_decay; /* on matrices (embedding and head too), not on biases and norms */
    double clip_norm;    /* gradients are scaled down to this norm; 0: never */
    double divisor;      /* gradients are divided by it first, > 0: usually the number of targets */
} ph_adamw;

/* lr 1e-3, 0.9, 0.95, 1e-8, 0.1, clip 1, divisor 1. */
void ph_adamw_default(ph_adamw *options);

/* One step of the optimizer, then zeroes the gradients. *grad_norm (may be NULL): norm of the
 * divided gradients before clipping. Errors: NUMERIC (a gradient is NaN or infinite; the sentence
 * names the first such parameter; values, moments and step count are as before), ARGUMENT (options
 * out of range; nothing was changed). */
phial_status ph_trainee_update(ph_trainee *t, const ph_adamw *options, double *grad_norm,
                               phial_error *err);
/* Throws gradients away. */
void ph_trainee_zero(ph_trainee *t);

/* One parameter. Everything is borrowed from the trainee and may be read and overwritten between
 * calls (that is how a checkpoint is loaded). The order of parameters is fixed: embedding, layers,
 * final norm, head. */
typedef struct ph_train_param {
    const char *name;  /* as in transformers: "model.layers.0.self_attn.q_proj.weight" */
    uint32_t n_dims;   /* 2: matrix [rows][cols]; 1: vector */
    uint64_t shape[2]; /* unused: 1 */
    size_t n;          /* numbers */
    float *value, *grad, *m, *v;
    bool decays; /* whether weight decay applies */
} ph_train_param;

size_t ph_trainee_n_params(const ph_trainee *t); /* tensors */
ph_train_param ph_trainee_param(const ph_trainee *t, size_t i);
uint64_t ph_trainee_n_weights(const ph_trainee *t); /* numbers in all of them */

/* Updates done so far, which is what AdamW's bias correction counts. */
uint64_t ph_trainee_step(const ph_trainee *t);
void ph_trainee_set_step(ph_trainee *t, uint64_t step);

/* Writing the weights as a model that phial (and transformers, and llama.cpp) opens. */
typedef struct ph_trainee_save_options {
    ph_dtype type; /* F32, F16 or BF16; a weight beyond the type's range is PHIAL_ERR_NUMERIC */
    const char *tokenizer_dir; /* folder whose tokenizer files go along; NULL: none */
    int64_t bos, eos;          /* ids for config.json; -1: none */
    bool overwrite;
} ph_trainee_save_options;

/* F16, no tokenizer, no special tokens, no overwriting. */
void ph_trainee_save_options_default(ph_trainee_save_options *options);

/* dst ending in ".gguf": a GGUF file; anything else: a Hugging Face folder (config.json,
 * model.safetensors and the tokenizer's files). Whole or not at all. */
phial_status ph_trainee_save(const ph_trainee *t, const char *dst,
                             const ph_trainee_save_options *options, phial_error *err);

#endif
