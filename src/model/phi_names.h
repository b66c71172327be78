/* Names and shapes of Phi's weights in every layout; the table is phi_names.def. */
#ifndef PH_MODEL_PHI_NAMES_H
#define PH_MODEL_PHI_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

typedef enum ph_phi_tensor {
#define PH_PHI_TENSOR(id, scope, parts, hf, phi_msft, mixformer, gguf) PH_PHI_##id,
#include "model/phi_names.def"
#undef PH_PHI_TENSOR
    PH_PHI_N_TENSORS
} ph_phi_tensor;

typedef enum ph_phi_part { PH_PHI_WEIGHT, PH_PHI_BIAS } ph_phi_part;

typedef enum ph_phi_layout {
    PH_PHI_LAYOUT_HF,
    PH_PHI_LAYOUT_MSFT,
    PH_PHI_LAYOUT_MIXFORMER,
    PH_PHI_LAYOUT_GGUF,
    PH_PHI_N_LAYOUTS
} ph_phi_layout;

/* One tensor: which weight, which of its parts, which block (0 where there is only one). */
typedef struct ph_phi_ref {
    ph_phi_tensor tensor;
    ph_phi_part part;
    uint32_t block;
} ph_phi_ref;

typedef struct ph_phi_shape {
    uint64_t n_vocab, n_embd, n_ff, n_blocks, n_heads, n_kv_heads, head_dim;
} ph_phi_shape;

#define PH_PHI_NAME_BYTES 96

/* "hf", "phi-msft", "mixformer", "gguf". */
const char *ph_phi_layout_name(ph_phi_layout layout);
bool ph_phi_layout_by_name(ph_str name, ph_phi_layout *out);

bool ph_phi_per_block(ph_phi_tensor tensor);
bool ph_phi_has_bias(ph_phi_tensor tensor);

/* Writes the NUL-terminated name; false if the layout has no such tensor. */
bool ph_phi_name(char out[PH_PHI_NAME_BYTES], ph_phi_layout layout, ph_phi_ref ref,
                 uint64_t n_blocks);
/* The other way round; false for a name that is not in the table or a block >= n_blocks. */
bool ph_phi_name_find(ph_phi_ref *out, ph_phi_layout layout, ph_str name, uint64_t n_blocks);
/* The layout whose token embedding has this name. */
bool ph_phi_layout_of(ph_phi_layout *out, ph_str token_embd_name);

/* Row-major shape: a weight matrix is [out][in] = [rows][cols]; everything else has one dimension,
 * and cols is 0. */
void ph_phi_dims(const ph_phi_shape *shape, ph_phi_ref ref, uint64_t *rows, uint64_t *cols);

#endif
