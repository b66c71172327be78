/* safetensors: one file, or a Hugging Face directory with one file or with shards and their index.
 *
 * Source: github.com/huggingface/safetensors, README "Format", and its Rust reader for what is
 * refused. u64 little-endian header length N; N bytes of JSON, which maps names to dtype, shape and
 * data_offsets (relative to byte 8 + N), may hold "__metadata__" (strings only) and may be padded
 * with spaces; then the data, row-major, without holes or overlaps up to the end of the file.
 * A directory: model.safetensors, otherwise model.safetensors.index.json whose weight_map gives the
 * shard of each tensor. Index and shards must agree in both directions.
 * Nothing large is copied: tensor data are views into the mappings.
 * Threads: immutable after opening.
 */
#ifndef PH_FMT_SAFETENSORS_H
#define PH_FMT_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"

/* Limits on what a file may claim. */
#define PH_ST_MAX_HEADER  (16u << 20)
#define PH_ST_MAX_INDEX   (16u << 20)
#define PH_ST_MAX_TENSORS 65536
#define PH_ST_MAX_DIMS    8
#define PH_ST_MAX_NAME    1024
#define PH_ST_MAX_SHARDS  200

typedef struct ph_st_tensor {
    ph_str name;
    const char *dtype; /* the format's name: "F16", "F8_E4M3", ... */
    const ph_dtype_info
        *type; /* NULL: a dtype that Phial has no number for; name it in the error */
    uint32_t n_dims;
    uint64_t shape[PH_ST_MAX_DIMS]; /* outermost first, as in the file; unused ones are 1 */
    uint64_t n_elements;            /* may be 0 */
    uint64_t offset;                /* from the start of its file */
    uint64_t data_bytes;
    const uint8_t *data; /* borrowed from the mapping */
    uint32_t file;       /* which file: 0 .. n_files-1 */
} ph_st_tensor;

typedef struct ph_safetensors ph_safetensors;

/* path: a .safetensors file, a .safetensors.index.json, or a directory. Maps and checks; the
 * message begins with the path of the file at fault. */
phial_status ph_safetensors_open(ph_safetensors **out, const char *path, phial_error *err);
/* One file in memory (borrowed until close); for tests and fuzzing. */
phial_status ph_safetensors_parse(ph_safetensors **out, const uint8_t *bytes, size_t n,
                                  phial_error *err);
void ph_safetensors_close(ph_safetensors *st);

/* Tensors are ordered by file, and within a file by offset. */
size_t ph_safetensors_n_tensors(const ph_safetensors *st);
const ph_st_tensor *ph_safetensors_tensor_at(const ph_safetensors *st, size_t i);
const ph_st_tensor *ph_safetensors_tensor_find(const ph_safetensors *st, const char *name);

size_t ph_safetensors_n_files(const ph_safetensors *st);
const ph_map *ph_safetensors_map(const ph_safetensors *st, size_t file); /* NULL: from memory */

/* A file's __metadata__: an object of strings, borrowed; NULL if it has none. */
const ph_json *ph_safetensors_metadata(const ph_safetensors *st, size_t file);

/* Checks an index alone, as ph_safetensors_open() would before it opens shards; for fuzzing. */
phial_status ph_safetensors_index_check(const char *text, size_t n, phial_error *err);

/* Bytes of an element by the format's dtype name; 0 if unknown or smaller than a byte. */
uint32_t ph_st_dtype_bytes(ph_str dtype);

/* Writing: declare all tensors, begin, then hand over their data in the same order. */
typedef struct ph_st_writer ph_st_writer;
phial_status ph_st_writer_new(ph_st_writer **out, phial_error *err);
void ph_st_writer_free(ph_st_writer *w); /* without commit nothing stays behind */
/* __metadata__; before begin. */
phial_status ph_st_writer_meta(ph_st_writer *w, ph_str key, ph_str value, phial_error *err);
/* dtype: one of the format's names with whole bytes. */
phial_status ph_st_writer_tensor(ph_st_writer *w, ph_str name, const char *dtype, uint32_t n_dims,
                                 const uint64_t *shape, phial_error *err);
phial_status ph_st_writer_begin(ph_st_writer *w, const char *path, phial_error *err);
/* Appends data; may be called in pieces that do not respect tensor borders. */
phial_status ph_st_writer_data(ph_st_writer *w, const void *bytes, size_t n, phial_error *err);
/* Fails with PHIAL_ERR_ARGUMENT if the data is not complete. */
phial_status ph_st_writer_commit(ph_st_writer *w, phial_error *err);

#endif
