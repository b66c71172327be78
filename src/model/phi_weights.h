/* Reading the weights of an open Phi as plain numbers, whatever layout and type its file has. */
#ifndef PH_MODEL_PHI_WEIGHTS_H
#define PH_MODEL_PHI_WEIGHTS_H

#include "model/phi_names.h"
#include "phial/model.h"

/* dst: as many numbers as ph_phi_dims() says. A tied head gives the embedding.
 * PHIAL_ERR_UNSUPPORTED: no Phi, or it has no such weight (norms of q and k); ATTN_QKV is not asked
 * for: its parts are. The caller asks ph_source_check() once when it has read everything. */
phial_status ph_phi_weight_read(const phial_model *model, ph_phi_ref ref, float *dst,
                                phial_error *err);

#endif
