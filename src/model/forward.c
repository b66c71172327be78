/* Working memory and cache layout, alike for every architecture; contract in forward.h. */
#include "model/forward.h"

#include "base/mem.h"
#include "model/model_struct.h"
#include "model/taps.h"

phial_status ph_kv_layout_init(ph_kv_layout *layout, const phial_model *model, ph_kv_type type,
                               phial_error *err)
{
    const ph_hparams *hp = &model->hp;
    *layout = (ph_kv_layout){
        .shape = {.type = type,
                  .n_head = hp->n_head,
                  .n_kv_head = hp->n_head_kv,
                  .head_dim = hp->head_dim},
        .n_layer = hp->n_layer,
    };
    layout->layer_bytes = ph_kv_layer_bytes(&layout->shape);
    if (layout->layer_bytes == 0 ||
        !ph_mul_size(&layout->page_bytes, layout->layer_bytes, layout->n_layer)) {
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED, "%s: heads of %u cannot be cached",
                          model->path, (unsigned)hp->head_dim);
    }
    return PHIAL_OK;
}

/* One slice of the workspace: where its pointer is kept, and its size in floats. */
typedef struct slice {
    float **at;
    size_t rows, cols;
} slice;

static phial_status take_slices(ph_workspace *ws, const slice *slices, size_t n, phial_error *err)
{
    size_t total = 0, starts[16];
    for (size_t i = 0; i < n; i++) {
        size_t floats;
        starts[i] = total;
        if (!ph_mul_size(&floats, slices[i].rows, slices[i].cols) || floats > SIZE_MAX / 8 ||
            !ph_add_size(&total, total, ph_align_up(floats, PH_CACHE_LINE / sizeof(float)))) {
            return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "working memory of %zu rows", ws->n_chunk);
        }
    }
    ws->memory = ph_alloc_aligned(total, sizeof *ws->memory, PH_CACHE_LINE, err);
    if (ws->memory == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        *slices[i].at = ws->memory + starts[i];
    }
    return PHIAL_OK;
}

phial_status ph_workspace_new(ph_workspace **out, const phial_model *model, const ph_kern *kern,
                              ph_pool *pool, size_t n_chunk, size_t n_parts, phial_error *err)
{
    const ph_hparams *hp = &model->hp;
    ph_workspace *ws = ph_alloc(1, sizeof *ws, err);
    if (ws == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    ws->n_chunk = n_chunk;
    ws->n_parts = n_parts;
    size_t q_cols = (size_t)hp->n_head * hp->head_dim;
    size_t kv_cols = (size_t)hp->n_head_kv * hp->head_dim;
    size_t head_rows = n_chunk < PH_HEAD_ROWS ? n_chunk : PH_HEAD_ROWS;
    const slice slices[] = {
        {&ws->x, n_chunk, hp->n_embd},
        {&ws->ln, n_chunk, hp->n_embd},
        {&ws->q, n_chunk, q_cols},
        {&ws->k, n_chunk, kv_cols},
        {&ws->v, n_chunk, kv_cols},
        {&ws->attn, n_chunk, q_cols},
        {&ws->attn_out, n_chunk, hp->n_embd},
        {&ws->ff, n_chunk, hp->n_ff},
        {&ws->mlp_out, n_chunk, hp->n_embd},
        {&ws->logits, head_rows, hp->n_vocab},
    };
    phial_status status = take_slices(ws, slices, sizeof slices / sizeof *slices, err);
    if (status == PHIAL_OK) {
        status = ph_work_open(&ws->work, kern, pool, err);
    }
    if (status == PHIAL_OK) {
        ws->ids = ph_alloc(n_chunk, sizeof *ws->ids, err);
        ws->pos = ws->ids == NULL ? NULL : ph_alloc(n_chunk, sizeof *ws->pos, err);
        ws->jobs = ws->pos == NULL ? NULL : ph_alloc(n_parts, sizeof *ws->jobs, err);
        status = ws->jobs == NULL ? PHIAL_ERR_NO_MEMORY : PHIAL_OK;
    }
    if (status == PHIAL_OK) {
        *out = ws;
    } else {
        ph_workspace_free(ws);
    }
    return status;
}

void ph_workspace_free(ph_workspace *ws)
{
    if (ws == NULL) {
        return;
    }
    ph_work_close(&ws->work);
    ph_free(ws->memory);
    ph_free(ws->ids);
    ph_free(ws->pos);
    ph_free(ws->jobs);
    ph_free(ws->taps);
    ph_free(ws);
}

phial_status ph_workspace_make_fast(ph_workspace *ws, const phial_model *model, phial_error *err)
{
    const ph_hparams *hp = &model->hp;
    size_t widest = (size_t)hp->n_head * hp->head_dim;
    widest = widest < hp->n_embd ? hp->n_embd : widest;
    widest = widest < hp->n_ff ? hp->n_ff : widest;
    return ph_work_make_fast(&ws->work, ws->n_chunk, widest, err);
}

phial_status ph_workspace_reserve_taps(ph_workspace *ws, const phial_model *model, uint32_t taps,
                                       size_t n_ctx, phial_error *err)
{
    const ph_hparams *hp = &model->hp;
    size_t rows = ws->n_chunk < n_ctx ? ws->n_chunk : n_ctx;
    size_t floats, probs = 0;
    if ((taps & PH_TAPS_ATTENTION) == 0) {
        return PHIAL_OK;
    }
    bool fits = ph_mul_size(&floats, n_ctx, (size_t)hp->n_head_kv * hp->head_dim);
    if (taps >> PHIAL_ACT_ATTN_PROBS & 1) {
        fits = fits && ph_mul_size(&probs, n_ctx, rows) && ph_mul_size(&probs, probs, hp->n_head);
    }
    if (!fits || !ph_add_size(&floats, floats, probs)) {
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "activations of %zu tokens", n_ctx);
    }
    if (floats <= ws->n_taps) {
        return PHIAL_OK;
    }
    float *grown = ph_alloc(floats, sizeof *grown, err);
    if (grown == NULL) {
        return ph_err_context(err, PHIAL_ERR_NO_MEMORY, "activations of %zu tokens", n_ctx);
    }
    ph_free(ws->taps);
    ws->taps = grown;
    ws->n_taps = floats;
    return PHIAL_OK;
}

phial_status ph_forward(const phial_model *model, ph_workspace *ws, const ph_kv_layout *layout,
                        const ph_batch *batch, phial_error *err)
{
    phial_status status = model->arch->forward(model, ws, layout, batch, err);
    /* A page that went missing reads as zeros: whatever was computed from it is thrown away. */
    phial_status intact = ph_source_check(model->source, status == PHIAL_OK ? err : NULL);
    return status == PHIAL_OK ? intact : status;
}
