/* Activation taps; contract in taps.h. */
#include "model/taps.h"

#include <math.h>

uint32_t ph_taps_union(const ph_batch *batch)
{
    uint32_t taps = 0;
    for (size_t p = 0; p < batch->n_parts; p++) {
        taps |= batch->parts[p].taps;
    }
    return taps;
}

static bool watched(const ph_part *part, phial_activation what)
{
    return (part->taps >> what & 1) != 0;
}

static void show(const ph_batch *batch, size_t part, phial_activation what, int layer,
                 const float *data, size_t n_cols)
{
    phial_activation_event event = {
        .what = what,
        .layer = layer,
        .position = batch->parts[part].pos0,
        .n = batch->parts[part].n,
        .n_cols = n_cols,
        .data = data,
    };
    batch->on_activation(batch->user, part, &event);
}

void ph_tap_rows(const ph_batch *batch, phial_activation what, int layer, const float *data,
                 size_t n_cols)
{
    for (size_t p = 0; p < batch->n_parts; p++) {
        if (watched(&batch->parts[p], what)) {
            show(batch, p, what, layer, data, n_cols);
        }
        data += batch->parts[p].n * n_cols;
    }
}

/* Keys (or values) of positions first .. first + n - 1 as [n][n_kv_head * head_dim]. */
static void read_cache(float *keys, float *values, const ph_kv_layout *layout, const ph_part *part,
                       int layer, size_t first, size_t n)
{
    const ph_kv_shape *shape = &layout->shape;
    for (size_t i = 0; i < n; i++) {
        size_t pos = first + i;
        const uint8_t *at = part->pages[pos / PH_KV_PAGE] + (size_t)layer * layout->layer_bytes;
        for (size_t h = 0; h < shape->n_kv_head; h++) {
            size_t o = (i * shape->n_kv_head + h) * shape->head_dim;
            ph_kv_load(shape, at, h, pos, keys != NULL ? keys + o : NULL,
                       values != NULL ? values + o : NULL);
        }
    }
}

/* Softmax over the n_seen first keys, zeros behind. */
static void probabilities(float *out, const float *q, const float *keys, const ph_kv_shape *shape,
                          size_t n_seen, size_t n_keys, float scale)
{
    float most = -INFINITY;
    for (size_t j = 0; j < n_seen; j++) {
        const float *k = keys + j * shape->n_kv_head * shape->head_dim;
        double dot = 0;
        for (size_t c = 0; c < shape->head_dim; c++) {
            dot += (double)q[c] * k[c];
        }
        out[j] = (float)(dot * scale);
        most = out[j] > most ? out[j] : most;
    }
    double sum = 0;
    for (size_t j = 0; j < n_seen; j++) {
        out[j] = expf(out[j] - most);
        sum += out[j];
    }
    for (size_t j = 0; j < n_keys; j++) {
        out[j] = j < n_seen ? (float)(out[j] / sum) : 0;
    }
}

/* Keys of the whole context first, the probabilities behind them. */
static void show_probs(ph_workspace *ws, const ph_kv_layout *layout, const ph_batch *batch,
                       size_t p, int layer, const float *q, float scale)
{
    const ph_kv_shape *shape = &layout->shape;
    const ph_part *part = &batch->parts[p];
    size_t n_keys = part->pos0 + part->n, q_cols = shape->n_head * shape->head_dim;
    size_t group = shape->n_head / shape->n_kv_head;
    float *keys = ws->taps, *probs = keys + n_keys * shape->n_kv_head * shape->head_dim;
    read_cache(keys, NULL, layout, part, layer, 0, n_keys);
    for (size_t i = 0; i < part->n; i++) {
        for (size_t h = 0; h < shape->n_head; h++) {
            probabilities(probs + (i * shape->n_head + h) * n_keys,
                          q + i * q_cols + h * shape->head_dim, keys + h / group * shape->head_dim,
                          shape, part->pos0 + i + 1, n_keys, scale);
        }
    }
    show(batch, p, PHIAL_ACT_ATTN_PROBS, layer, probs, shape->n_head * n_keys);
}

void ph_tap_attention(ph_workspace *ws, const ph_kv_layout *layout, const ph_batch *batch,
                      int layer, const float *q, float scale)
{
    const ph_kv_shape *shape = &layout->shape;
    size_t kv_cols = shape->n_kv_head * shape->head_dim, q_cols = shape->n_head * shape->head_dim;
    for (size_t p = 0; p < batch->n_parts; p++) {
        const ph_part *part = &batch->parts[p];
        if (watched(part, PHIAL_ACT_K_CACHE)) {
            read_cache(ws->taps, NULL, layout, part, layer, part->pos0, part->n);
            show(batch, p, PHIAL_ACT_K_CACHE, layer, ws->taps, kv_cols);
        }
        if (watched(part, PHIAL_ACT_V_CACHE)) {
            read_cache(NULL, ws->taps, layout, part, layer, part->pos0, part->n);
            show(batch, p, PHIAL_ACT_V_CACHE, layer, ws->taps, kv_cols);
        }
        if (watched(part, PHIAL_ACT_ATTN_PROBS)) {
            show_probs(ws, layout, batch, p, layer, q, scale);
        }
        q += part->n * q_cols;
    }
}
