/* What is quantized: a GGUF file or a Hugging Face folder, as tensors under GGUF names and the keys
 * of the file to be written. */
#ifndef PH_QUANT_QUANT_SOURCE_H
#define PH_QUANT_QUANT_SOURCE_H

#include "base/file.h"
#include "base/log.h"
#include "fmt/gguf_write.h"

typedef struct ph_quant_tensor {
    char *name; /* owned */
    ph_dtype type;
    uint32_t n_dims;
    uint64_t dims[PH_GGUF_MAX_DIMS]; /* innermost first; unused ones are 1 */
    uint64_t n_rows;                 /* product of the outer dimensions */
    const uint8_t *data;             /* borrowed until close */
    uint64_t data_bytes;
    const ph_map *map;
} ph_quant_tensor;

typedef struct ph_quant_source ph_quant_source;

phial_status ph_quant_source_open(ph_quant_source **out, const char *path, const ph_log *log,
                                  phial_error *err);
void ph_quant_source_close(ph_quant_source *s);

size_t ph_quant_source_n(const ph_quant_source *s);
const ph_quant_tensor *ph_quant_source_at(const ph_quant_source *s, size_t i);
/* Heads that share a key-value head; 1 where the file does not say. */
uint64_t ph_quant_source_heads_by_kv(const ph_quant_source *s);

/* All keys but those that speak of the quantization; file_type as llama.cpp numbers it. */
phial_status ph_quant_source_put_keys(const ph_quant_source *s, ph_gguf_writer *w,
                                      uint32_t file_type, phial_error *err);

/* PHIAL_ERR_FILE_CHANGED if a mapped file became shorter. */
phial_status ph_quant_source_check(const ph_quant_source *s, phial_error *err);

#endif
