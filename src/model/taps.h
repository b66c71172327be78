/* Showing activations to whoever watches a sequence. Nothing here runs for parts that nobody
 * watches, and nothing changes what is computed. */
#ifndef PH_MODEL_TAPS_H
#define PH_MODEL_TAPS_H

#include "model/forward.h"

/* What is watched in any part of the batch. */
uint32_t ph_taps_union(const ph_batch *batch);

/* Those that ph_tap_attention() shows. */
#define PH_TAPS_CACHE     (1u << PHIAL_ACT_K_CACHE | 1u << PHIAL_ACT_V_CACHE)
#define PH_TAPS_ATTENTION (PH_TAPS_CACHE | 1u << PHIAL_ACT_ATTN_PROBS)

/* Rows of the whole batch, [n_rows][n_cols]; each watched part gets its own. */
void ph_tap_rows(const ph_batch *batch, phial_activation what, int layer, const float *data,
                 size_t n_cols);

/* K_CACHE, V_CACHE and ATTN_PROBS of a layer, read back from the cache pages. q is the batch's
 * [n_rows][n_head * head_dim] after rotary. Needs ph_workspace_reserve_taps(). */
void ph_tap_attention(ph_workspace *ws, const ph_kv_layout *layout, const ph_batch *batch,
                      int layer, const float *q, float scale);

#endif
