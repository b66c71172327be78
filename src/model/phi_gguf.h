/* Phi's hyper-parameters and the forms that convert and synth need them in. */
#ifndef PH_MODEL_PHI_GGUF_H
#define PH_MODEL_PHI_GGUF_H

#include "fmt/gguf_write.h"
#include "model/hparams.h"
#include "model/phi_names.h"

ph_phi_shape ph_phi_shape_of(const ph_hparams *hp);

/* Everything a GGUF file of architecture "phi2" says, its tensors' presence included; checked.
 * PHIAL_ERR_UNSUPPORTED: another architecture. */
phial_status ph_phi_gguf_read(ph_hparams *out, const ph_gguf *g, phial_error *err);

/* Writes the keys of architecture "phi2" and general.file_type, as llama.cpp's converter does.
 * file_type: llama.cpp's number for the mix of types. */
void ph_phi_gguf_put(ph_gguf_writer *w, const ph_hparams *hp, ph_str name, uint32_t file_type);

/* That number where all matrices have one type. */
uint32_t ph_phi_file_type(ph_dtype bulk);

#endif
