/* The table of number formats; contract in dtype.h. */
#include "base/dtype.h"

#include "base/mem.h"

static const ph_dtype_info TABLE[] = {
#define PH_DTYPE(name, id, block, bytes) {PH_DTYPE_##name, #name, block, bytes},
#include "base/dtype.def"
#undef PH_DTYPE
};

const ph_dtype_info *ph_dtype_find(uint32_t id)
{
    for (size_t i = 0; i < sizeof TABLE / sizeof *TABLE; i++) {
        if ((uint32_t)TABLE[i].id == id) {
            return &TABLE[i];
        }
    }
    return NULL;
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

const ph_dtype_info *ph_dtype_by_name(ph_str name)
{
    for (size_t i = 0; i < sizeof TABLE / sizeof *TABLE; i++) {
        size_t k = 0;
        while (k < name.n && TABLE[i].name[k] != '\0' && upper(name.p[k]) == TABLE[i].name[k]) {
            k++;
        }
        if (k == name.n && TABLE[i].name[k] == '\0') {
            return &TABLE[i];
        }
    }
    return NULL;
}

const char *ph_dtype_name(ph_dtype type)
{
    const ph_dtype_info *info = ph_dtype_find((uint32_t)type);
    return info != NULL ? info->name : "unknown";
}

size_t ph_dtype_row_bytes(ph_dtype type, uint64_t n)
{
    const ph_dtype_info *info = ph_dtype_find((uint32_t)type);
    uint64_t bytes;
    if (info == NULL || n % info->block != 0 || !ph_mul_u64(&bytes, n / info->block, info->bytes) ||
        bytes > SIZE_MAX) {
        return 0;
    }
    return (size_t)bytes;
}
