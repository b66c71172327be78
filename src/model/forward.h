/* One step of a model over a batch of token rows: the interface between rt and the architectures.
 *
 * A batch is made of parts, each a run of consecutive tokens of one sequence. Keys and values of
 * earlier tokens are read from the part's cache pages; those of its own tokens are rounded and
 * written there before anything reads them. Rows of all parts go through the matrix products
 * together. What a page holds: ph_kv_layout and kern/attn.h.
 */
#ifndef PH_MODEL_FORWARD_H
#define PH_MODEL_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "kern/attn.h"
#include "kern/kern.h"
#include "phial/session.h"

typedef struct ph_kv_layout {
    ph_kv_shape shape;
    uint32_t n_layer;
    size_t layer_bytes; /* layer i of a page begins at i * layer_bytes */
    size_t page_bytes;  /* PH_KV_PAGE positions of all layers */
} ph_kv_layout;

phial_status ph_kv_layout_init(ph_kv_layout *layout, const phial_model *model, ph_kv_type type,
                               phial_error *err);

typedef struct ph_part {
    const uint32_t *ids;   /* [n], borrowed */
    size_t n;              /* at least 1 */
    size_t pos0;           /* position of ids[0] in its sequence */
    uint8_t *const *pages; /* page i holds positions PH_KV_PAGE * i and on */
    bool last_logits;      /* logits of the last row are wanted */
    bool all_logits;       /* of every row */
    uint32_t taps;         /* set of activations to report, as PHIAL_ACT_ALL; 0: none */
} ph_part;

typedef struct ph_batch {
    const ph_part *parts;
    size_t n_parts;
    size_t n_rows; /* sum of the parts' n; at most the workspace's n_chunk */
    void *user;    /* for the three functions below */
    /* [n_vocab], borrowed for the call; parts and their positions in ascending order. */
    void (*on_logits)(void *user, size_t part, size_t position, const float *logits);
    /* Only called for what a part taps; may be NULL if none does. */
    void (*on_activation)(void *user, size_t part, const phial_activation_event *event);
    /* Asked once a layer. */
    bool (*cancelled)(void *user);
} ph_batch;

/* Rows of logits computed together. */
#define PH_HEAD_ROWS 64

/* Working memory for batches of up to n_chunk rows in up to n_parts parts; taken once. The names
 * are those of phial_activation where one applies. */
typedef struct ph_workspace {
    ph_work work;
    size_t n_chunk;
    size_t n_parts;
    float *memory;     /* owned; what follows lies in it, row-major, rows back to back */
    float *x;          /* [n_chunk][n_embd] residual stream */
    float *ln;         /* [n_chunk][n_embd] */
    float *q;          /* [n_chunk][n_head * head_dim] */
    float *k, *v;      /* [n_chunk][n_head_kv * head_dim] */
    float *attn;       /* [n_chunk][n_head * head_dim] */
    float *attn_out;   /* [n_chunk][n_embd] */
    float *ff;         /* [n_chunk][n_ff] */
    float *mlp_out;    /* [n_chunk][n_embd] */
    float *logits;     /* [PH_HEAD_ROWS][n_vocab] */
    int32_t *ids;      /* owned [n_chunk] */
    int32_t *pos;      /* owned [n_chunk] */
    ph_attn_job *jobs; /* owned [n_parts] */
    float *taps;       /* owned; only while somebody watches */
    size_t n_taps;     /* floats in taps */
} ph_workspace;

phial_status ph_workspace_new(ph_workspace **out, const phial_model *model, const ph_kern *kern,
                              ph_pool *pool, size_t n_chunk, size_t n_parts, phial_error *err);
void ph_workspace_free(ph_workspace *ws);
/* From now on products with quantized weights are in fast arithmetic (kern/fast.h). Once. */
phial_status ph_workspace_make_fast(ph_workspace *ws, const phial_model *model, phial_error *err);

/* Room for what these taps show and a plain run never forms (attention probabilities, cache
 * readback) of contexts up to n_ctx; kept once taken. */
phial_status ph_workspace_reserve_taps(ph_workspace *ws, const phial_model *model, uint32_t taps,
                                       size_t n_ctx, phial_error *err);

/* Runs the batch. CANCELLED, FILE_CHANGED; on any error the parts' cache positions from pos0 on are
 * undefined. */
phial_status ph_forward(const phial_model *model, ph_workspace *ws, const ph_kv_layout *layout,
                        const ph_batch *batch, phial_error *err);

#endif
