/* What the two halves of the safetensors reader share: the header of one file (st_header.c) and the
 * set of files (safetensors.c). Internal to fmt. */
#ifndef PH_FMT_ST_TABLE_H
#define PH_FMT_ST_TABLE_H

#include "fmt/name_index.h"
#include "fmt/safetensors.h"

typedef struct ph_st_file {
    ph_map *map;     /* owned; NULL when parsed from memory */
    ph_json *header; /* owned; names and metadata are borrowed from it */
    const ph_json *metadata;
} ph_st_file;

struct ph_safetensors {
    size_t n_files;
    ph_st_file *files;
    size_t n_tensors, cap_tensors;
    ph_st_tensor *tensors;
    ph_name_index names;
};

/* Parses the header in bytes[0..n) of file `file`, checks it and appends its tensors. */
phial_status ph_st_read_header(ph_safetensors *st, size_t file, const uint8_t *bytes, size_t n,
                               phial_error *err);

#endif
