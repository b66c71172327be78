/* The table of computable number formats. Contract: kern/quant.h. */
#include "kern/quant.h"

#include "kern/search.h"

#define PH_QUANT(type, name)
#define PH_QUANT_SEARCHED(type, name)                                                              \
    void ph_quantize_##name(void *dst, const float *src, size_t n)                                 \
    {                                                                                              \
        ph_quantize_best_##name(dst, src, NULL, n, &ph_search_ref);                                \
    }
#include "kern/quant.def"
#undef PH_QUANT

static const ph_quant quants[PH_N_QUANT] = {
#define PH_QUANT(type, name)                                                                       \
    {PH_DTYPE_##type, PH_QUANT_##type, ph_quantize_##name, ph_dequantize_##name, NULL},
#define PH_QUANT_SEARCHED(type, name)                                                              \
    {PH_DTYPE_##type, PH_QUANT_##type, ph_quantize_##name, ph_dequantize_##name,                   \
     ph_quantize_best_##name},
#include "kern/quant.def"
#undef PH_QUANT
};

const ph_quant *ph_quant_find(ph_dtype type)
{
    for (size_t i = 0; i < PH_N_QUANT; i++) {
        if (quants[i].type == type) {
            return &quants[i];
        }
    }
    return NULL;
}

const ph_quant *ph_quant_at(ph_quant_index index)
{
    return &quants[index];
}
