/* Which tensor gets which number format; the table is mixes.def. */
#ifndef PH_QUANT_MIXES_H
#define PH_QUANT_MIXES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"

typedef enum ph_mix_id {
#define PH_MIX(name, base, file_type) PH_MIX_##name,
#include "quant/mixes.def"
    PH_N_MIXES
} ph_mix_id;

typedef struct ph_mix {
    ph_mix_id id;
    const char *name;
    ph_dtype base;
    uint32_t file_type; /* general.file_type of GGUF */
} ph_mix;

/* NULL behind the last. */
const ph_mix *ph_mix_at(size_t i);
/* By name, case does not matter; NULL if unknown. */
const ph_mix *ph_mix_by_name(ph_str name);
/* The name nearest to an unknown one; NULL if none is near. */
const ph_mix *ph_mix_nearest(ph_str name);

typedef enum ph_mix_where {
    PH_MIX_ATTN_V,
    PH_MIX_ATTN_OUTPUT,
    PH_MIX_FFN_DOWN,
    PH_MIX_TOKEN_EMBD,
    PH_MIX_HEAD,
    PH_MIX_OTHER
} ph_mix_where;

/* By GGUF name. */
ph_mix_where ph_mix_where_of(ph_str tensor_name);

typedef struct ph_mix_place {
    ph_mix_where where;
    size_t index, count;  /* the tensor among those of its kind, in the order of layers */
    uint64_t heads_by_kv; /* heads that share a key-value head */
    bool has_importance;
    bool tied_head; /* the model has no head of its own */
} ph_mix_place;

ph_dtype ph_mix_choose(const ph_mix *mix, const ph_mix_place *place);

/* The format that takes rows of n_cols instead, or type itself where it does: as llama-quantize
 * from blocks of 256 to blocks of 32, and at last F16. */
ph_dtype ph_mix_fallback(ph_dtype type, uint64_t n_cols);

#endif
