/* Writing GGUF v3: metadata first, then the table of tensors, then their data as a stream.
 *
 * new; put metadata and tensors; begin; data for each tensor in the order of the table; commit.
 * Metadata errors are sticky and reported by begin, so that many keys can be put and checked once.
 * Each key and each tensor name must be given once: readers refuse doubles.
 * The file is there whole or not at all (base/file.h).
 */
#ifndef PH_FMT_GGUF_WRITE_H
#define PH_FMT_GGUF_WRITE_H

#include "fmt/gguf.h"

/* Metadata and tensor table together at most. */
#define PH_GGUF_MAX_HEADER ((size_t)1 << 30)

typedef struct ph_gguf_writer ph_gguf_writer;

phial_status ph_gguf_writer_new(ph_gguf_writer **out, phial_error *err);
void ph_gguf_writer_free(ph_gguf_writer *w); /* without commit nothing stays behind */

void ph_gguf_put_u32(ph_gguf_writer *w, const char *key, uint32_t v);
void ph_gguf_put_u64(ph_gguf_writer *w, const char *key, uint64_t v);
void ph_gguf_put_f32(ph_gguf_writer *w, const char *key, float v);
void ph_gguf_put_f64(ph_gguf_writer *w, const char *key, double v);
void ph_gguf_put_bool(ph_gguf_writer *w, const char *key, bool v);
void ph_gguf_put_str(ph_gguf_writer *w, const char *key, ph_str v);
/* As it is in another file. */
void ph_gguf_put_kv(ph_gguf_writer *w, const ph_gguf_kv *kv);

/* An array: begin, then exactly count elements. elem is STRING (ph_gguf_put_elem_str) or I32
 * (ph_gguf_put_elem_i32). */
void ph_gguf_put_array(ph_gguf_writer *w, const char *key, ph_gguf_type elem, uint64_t count);
void ph_gguf_put_elem_str(ph_gguf_writer *w, ph_str v);
void ph_gguf_put_elem_i32(ph_gguf_writer *w, int32_t v);

/* dims innermost first. PHIAL_ERR_ARGUMENT for a shape that the type cannot have. */
phial_status ph_gguf_put_tensor(ph_gguf_writer *w, const char *name, ph_dtype type, uint32_t n_dims,
                                const uint64_t *dims, phial_error *err);

phial_status ph_gguf_writer_begin(ph_gguf_writer *w, const char *path, phial_error *err);
/* The next bytes of the tensor whose turn it is; pieces do not cross tensors. */
phial_status ph_gguf_writer_data(ph_gguf_writer *w, const void *bytes, size_t n, phial_error *err);
/* All data is written: the file as it is, under its temporary name (borrowed), to be read. */
phial_status ph_gguf_writer_look(ph_gguf_writer *w, const char **temp_path, phial_error *err);
/* A number of 8 bytes put before, by key; only between the last data and commit. */
phial_status ph_gguf_writer_patch_f64(ph_gguf_writer *w, const char *key, double v,
                                      phial_error *err);
phial_status ph_gguf_writer_commit(ph_gguf_writer *w, phial_error *err);

#endif
