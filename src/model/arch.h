/* What an architecture is to the rest of Phial; the table is arch.def. */
#ifndef PH_MODEL_ARCH_H
#define PH_MODEL_ARCH_H

#include "model/encode.h"
#include "model/forward.h"
#include "model/hparams.h"

typedef struct ph_arch {
    const char *name; /* GGUF general.architecture */
    /* The model_type values of config.json that mean this architecture, NULL at the end. */
    const char *const *hf_model_types;
    /* Finds and checks every weight of model->source, completes model->hp, sets model->weights (in
     * the model's arena). */
    phial_status (*bind)(phial_model *model, phial_error *err);
    /* Of a language model; see ph_forward(). NULL for others. */
    phial_status (*forward)(const phial_model *model, ph_workspace *ws, const ph_kv_layout *layout,
                            const ph_batch *batch, phial_error *err);
    /* Of an embedding model; NULL for others. */
    const ph_encode_ops *encode;
} ph_arch;

#define PH_ARCH(name) extern const ph_arch ph_arch_##name;
#include "model/arch.def"
#undef PH_ARCH

const ph_arch *ph_arch_by_name(ph_str gguf_name); /* NULL if unknown */
const ph_arch *ph_arch_by_model_type(ph_str hf_model_type);

#endif
