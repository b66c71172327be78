/* The table of number formats: dtype.def, as constants and as rows. */
#ifndef PH_BASE_DTYPE_H
#define PH_BASE_DTYPE_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

typedef enum ph_dtype {
#define PH_DTYPE(name, id, block, bytes) PH_DTYPE_##name = id,
#include "base/dtype.def"
#undef PH_DTYPE
} ph_dtype;

typedef struct ph_dtype_info {
    ph_dtype id;
    const char *name; /* upper case, "Q4_K" */
    uint32_t block;   /* elements per block */
    uint32_t bytes;   /* bytes per block */
} ph_dtype_info;

/* NULL for an unknown id. */
const ph_dtype_info *ph_dtype_find(uint32_t id);
/* By name, case does not matter; NULL if unknown. */
const ph_dtype_info *ph_dtype_by_name(ph_str name);
const char *ph_dtype_name(ph_dtype type);

/* Bytes of a row of n elements; 0 if n is not a multiple of the block or the product overflows. */
size_t ph_dtype_row_bytes(ph_dtype type, uint64_t n);

#endif
