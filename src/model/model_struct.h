/* Inside of a model; contract in include/phial/model.h. */
#ifndef PH_MODEL_MODEL_STRUCT_H
#define PH_MODEL_MODEL_STRUCT_H

#include "base/log.h"
#include "base/mem.h"
#include "model/arch.h"
#include "model/source.h"

/* A weight matrix as it lies in the file, and its bias as f32. */
typedef struct ph_mat {
    const uint8_t *data; /* [n_out][n_in] */
    ph_dtype type;
    uint32_t n_out, n_in;
    const float *bias; /* [n_out], or NULL */
} ph_mat;

typedef struct ph_norm {
    const float *weight, *bias; /* [n]; weight NULL: there is no such norm */
} ph_norm;

struct phial_model {
    char *path;
    const ph_arch *arch;
    ph_source *source;
    ph_hparams hp;
    ph_log log;
    ph_arena arena; /* small tensors as f32, tables, the architecture's own structs */
    const void *weights;
    const float *rope_cos, *rope_sin; /* [n_ctx_max][n_rot / 2] */
    /* What a step costs: bytes of the matrices it reads, and multiply-adds per row in the layers
     * and in the head. Set by bind(). */
    uint64_t step_bytes, layer_macs, head_macs;
};

/* Adds a matrix to the cost of a step. */
void ph_model_count(phial_model *model, const ph_mat *mat, bool head);

const ph_hparams *ph_model_hparams(const phial_model *model);

#endif
