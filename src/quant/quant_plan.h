/* Which tensor becomes what. Internal to quant. */
#ifndef PH_QUANT_QUANT_PLAN_H
#define PH_QUANT_QUANT_PLAN_H

#include "quant/quant_source.h"
#include "quant/quantize.h"

typedef struct ph_quant_item {
    const ph_quant_tensor *tensor;
    ph_dtype to;
    const float *importance; /* [dims[0]], borrowed from the imatrix; NULL: none */
} ph_quant_item;

typedef struct ph_quant_plan {
    ph_quant_item *items; /* owned */
    size_t n;
    size_t n_fallbacks;
    uint64_t n_params, source_bytes, bytes;
} ph_quant_plan;

/* Decides everything before a byte is written: formats, fallbacks (said on the log), whether the
 * source's formats can be read and may be quantized, whether overrides and imatrix fit. */
phial_status ph_quant_plan_make(ph_quant_plan *plan, const ph_quant_source *source,
                                const ph_quantize_options *options, phial_error *err);
void ph_quant_plan_free(ph_quant_plan *plan);

#endif
