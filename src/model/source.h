/* Where weights come from: a GGUF file or a Hugging Face folder, seen as named tensors.
 *
 * Tensor data is borrowed from the mapped files until ph_source_close().
 * Threads: immutable after opening.
 */
#ifndef PH_MODEL_SOURCE_H
#define PH_MODEL_SOURCE_H

#include "fmt/gguf.h"
#include "fmt/hfconfig.h"

typedef struct ph_tensor_ref {
    ph_str name;
    const ph_dtype_info *type; /* NULL: a type without a number here, such as F8_E4M3 */
    const char *type_name;
    uint32_t n_dims;
    uint64_t dims[PH_GGUF_MAX_DIMS]; /* outermost first; unused ones are 1, further ones left out */
    uint64_t n_elements;
    const uint8_t *data;
    uint64_t bytes;
} ph_tensor_ref;

typedef struct ph_source ph_source;

/* path: a .gguf file, a folder with config.json and safetensors, or one .safetensors file with
 * config.json beside it. */
phial_status ph_source_open(ph_source **out, const char *path, phial_error *err);
void ph_source_close(ph_source *source);

const ph_gguf *ph_source_gguf(const ph_source *source);       /* NULL for a folder */
const ph_hfconfig *ph_source_config(const ph_source *source); /* NULL for a GGUF file */

size_t ph_source_n_tensors(const ph_source *source);
ph_tensor_ref ph_source_tensor_at(const ph_source *source, size_t i);
bool ph_source_find(const ph_source *source, const char *name, ph_tensor_ref *out);

/* Around a pass over the small tensors of files that may not be in memory: begin asks for all of
 * them at once, and until end a page that is touched brings no neighbours along, which would be
 * most of the file. Small: one dimension. */
void ph_source_vectors_begin(const ph_source *source);
void ph_source_vectors_end(const ph_source *source);

/* PHIAL_ERR_FILE_CHANGED if a mapped file became shorter. */
phial_status ph_source_check(const ph_source *source, phial_error *err);

#endif
