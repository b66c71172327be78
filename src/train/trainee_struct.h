/* Inside of a trainee; contract in trainee.h. Internal to train.
 *
 * Weights lie in one block, and so do gradients and moments, at the same offsets. What a product
 * can use as one matrix lies together: q, k, v and fc1 of a layer are one matrix of n_cat rows, and
 * their biases one vector.
 */
#ifndef PH_TRAIN_TRAINEE_STRUCT_H
#define PH_TRAIN_TRAINEE_STRUCT_H

#include "base/mem.h"
#include "kern/sgemm.h"
#include "model/phi_names.h"
#include "train/trainee.h"

#define PH_TRAIN_NORM_ROWS 64         /* rows whose LayerNorm sums are taken together */
#define PH_TRAIN_CHUNK     (1u << 16) /* numbers of a parameter updated together */

typedef struct ph_train_slot {
    char name[PH_PHI_NAME_BYTES];
    ph_phi_ref ref;
    uint64_t rows, cols; /* cols 0: a vector */
    size_t at, n;
} ph_train_slot;

typedef struct ph_train_layer {
    size_t norm, norm_bias, cat, cat_bias, dense, dense_bias, down, down_bias; /* offsets */
} ph_train_layer;

/* What backward needs of a layer's forward pass. */
typedef struct ph_train_kept {
    float *z;   /* [n][n_cat]: q, k, v before rotation, fc1's output */
    float *o;   /* [n][n_q]: output of attention */
    float *lse; /* [n_head][n] */
} ph_train_kept;

/* A span of the batch's tokens. */
typedef struct ph_train_span {
    size_t first, n;
} ph_train_span;

struct ph_trainee {
    ph_hparams hp;
    ph_trainee_options options;
    ph_kern kern;
    ph_pool *pool; /* owned */
    ph_work work;
    ph_gemm_room room;
    ph_arena arena; /* tables */
    const float *rope_cos, *rope_sin, *rope_sin_minus;
    size_t n_q, n_kv, n_cat; /* columns of q, of k, of q, k, v and fc1 together */
    uint64_t step, bytes;

    ph_train_slot *slots; /* owned */
    ph_train_layer *layers;
    size_t n_slots, n_weights, block; /* numbers, without and with gaps */
    size_t embed, final_norm, final_norm_bias, head, head_bias;
    float *value, *grad, *m, *v; /* owned: [block] */
    ph_train_span *chunks;       /* owned: pieces of at most PH_TRAIN_CHUNK, by slot */
    size_t *chunk_slot;          /* owned */
    double *chunk_sums;          /* owned */
    size_t n_chunks;

    float *x;             /* owned: [n_layer + 1][n][n_embd], the residual stream */
    ph_train_kept *kept;  /* owned array; with recompute all are the same memory */
    float *activations;   /* owned: what kept points into */
    float *ln, *dx, *dln; /* owned: [n][n_embd] */
    float *dz;            /* owned: [n][n_cat] */
    float *d_o;           /* owned: [n][n_q] */
    /* Of the last layer, for rows with a target: LayerNorm's output (backwards: its gradient
     * through fc1), attention's, and its gradient. Owned: [n][n_embd], [n][n_q], [n][n_q]. */
    float *last_ln, *last_o, *last_d_o;
    float *logits;           /* owned: [head_rows][n_vocab] */
    float *norm_sums;        /* owned: [blocks][2][n_embd] */
    float *attn_room;        /* owned: attn_floats for each thread */
    double *row_loss;        /* owned: [n] */
    uint32_t *target_rows;   /* owned: [n] positions with a target */
    ph_train_span *examples; /* owned: [n] */
    size_t head_rows, attn_floats, n_examples, n_targets;
    const ph_train_batch *batch; /* of the running call */
};

/* train_attn.c: floats a thread needs for examples of up to n tokens; 0: too many. */
size_t ph_train_attn_floats(const ph_kern *kern, const ph_hparams *hp, size_t n);
void ph_train_attn(ph_trainee *t, const ph_train_kept *kept);
/* Gradients of q, k and v into dz from those of o in d_o. */
void ph_train_attn_grad(ph_trainee *t, const ph_train_kept *kept);

/* train_head.c: losses of the last residual stream, and with `grad` the gradients of head and final
 * norm and, in dx, of the stream. */
double ph_train_head(ph_trainee *t, bool grad);
/* dx += gradient through LayerNorm of n rows of x. The norm's own gradients go to offsets norm and
 * norm_bias. */
void ph_train_norm_grad(ph_trainee *t, const float *dy, const float *x, size_t n, size_t norm,
                        size_t norm_bias);

#endif
