/* config.json of a Phi, as transformers writes it. */
#ifndef PH_MODEL_PHI_CONFIG_H
#define PH_MODEL_PHI_CONFIG_H

#include "base/buf.h"
#include "base/dtype.h"
#include "model/hparams.h"

/* Appends the text. type: of the weights, F32, F16 or BF16. bos, eos: ids, -1 for none. */
phial_status ph_phi_config_write(ph_buf *out, const ph_hparams *hp, ph_dtype type, int64_t bos,
                                 int64_t eos, phial_error *err);

#endif
