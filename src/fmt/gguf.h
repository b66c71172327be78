/* GGUF v2 and v3 files: reading from a mapping, writing as a stream.
 *
 * Source: ggml/docs/gguf.md. Little-endian only; a big-endian file is named as such and refused.
 * Reading checks everything before use (magic, version, counts, string lengths, array sizes and
 * depth, duplicate names, dimension products, alignment, offsets and sizes against the file) and
 * copies nothing large: strings, arrays and tensor data are views into the mapping.
 * Threads: a ph_gguf is immutable after opening; any number of threads may read it.
 */
#ifndef PH_FMT_GGUF_H
#define PH_FMT_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"

/* Limits on what a file may claim. */
#define PH_GGUF_MAX_TENSORS       65536
#define PH_GGUF_MAX_KEYS          65536
#define PH_GGUF_MAX_STRING        (64u << 20)
#define PH_GGUF_MAX_ARRAY         (16u << 20)
#define PH_GGUF_MAX_DIMS          4
#define PH_GGUF_MAX_NAME          1024 /* bytes of a key or a tensor name */
#define PH_GGUF_DEFAULT_ALIGNMENT 32

typedef enum ph_gguf_type {
    PH_GGUF_U8 = 0,
    PH_GGUF_I8 = 1,
    PH_GGUF_U16 = 2,
    PH_GGUF_I16 = 3,
    PH_GGUF_U32 = 4,
    PH_GGUF_I32 = 5,
    PH_GGUF_F32 = 6,
    PH_GGUF_BOOL = 7,
    PH_GGUF_STRING = 8,
    PH_GGUF_ARRAY = 9,
    PH_GGUF_U64 = 10,
    PH_GGUF_I64 = 11,
    PH_GGUF_F64 = 12
} ph_gguf_type;

typedef struct ph_gguf_kv {
    ph_str key;
    ph_gguf_type type;
    ph_gguf_type elem_type; /* of an array */
    uint64_t count;         /* elements of an array, 1 otherwise */
    const uint8_t *raw;     /* the encoded value in the mapping; of an array, its first element */
    size_t raw_bytes;
} ph_gguf_kv;

typedef struct ph_gguf_tensor {
    ph_str name;
    const ph_dtype_info *type; /* never NULL: unknown types are refused on opening */
    uint32_t n_dims;
    uint64_t dims[PH_GGUF_MAX_DIMS]; /* innermost first, as in the file; unused ones are 1 */
    uint64_t n_elements;
    uint64_t offset; /* from the start of the file */
    uint64_t data_bytes;
    const uint8_t *data; /* borrowed from the mapping */
} ph_gguf_tensor;

typedef struct ph_gguf ph_gguf;

/* Maps and checks. The message begins with the path. */
phial_status ph_gguf_open(ph_gguf **out, const char *path, phial_error *err);
/* The same on bytes in memory (borrowed until close); for tests and fuzzing. */
phial_status ph_gguf_parse(ph_gguf **out, const uint8_t *bytes, size_t n, phial_error *err);
void ph_gguf_close(ph_gguf *g);

/* The mapping, or NULL when parsed from memory. */
const ph_map *ph_gguf_map(const ph_gguf *g);

size_t ph_gguf_n_kv(const ph_gguf *g);
const ph_gguf_kv *ph_gguf_kv_at(const ph_gguf *g, size_t i);
const ph_gguf_kv *ph_gguf_find(const ph_gguf *g, const char *key); /* hashed; NULL if absent */

size_t ph_gguf_n_tensors(const ph_gguf *g);
const ph_gguf_tensor *ph_gguf_tensor_at(const ph_gguf *g, size_t i);
const ph_gguf_tensor *ph_gguf_tensor_find(const ph_gguf *g, const char *name);

/* Scalars; false if the value is absent (kv NULL) or of another type or out of range. u64 takes
 * every integer type that is not negative, i64 every integer type, f64 both float types. */
bool ph_gguf_u64(const ph_gguf_kv *kv, uint64_t *out);
bool ph_gguf_i64(const ph_gguf_kv *kv, int64_t *out);
bool ph_gguf_f64(const ph_gguf_kv *kv, double *out);
bool ph_gguf_bool(const ph_gguf_kv *kv, bool *out);
bool ph_gguf_str(const ph_gguf_kv *kv, ph_str *out);

/* Element i of an array of integers or floats. */
bool ph_gguf_array_i64(const ph_gguf_kv *kv, uint64_t i, int64_t *out);
bool ph_gguf_array_f64(const ph_gguf_kv *kv, uint64_t i, double *out);
/* Walks an array of strings front to back: cursor starts at 0 and is the library's. False at the
 * end or if kv is no array of strings. */
bool ph_gguf_array_next_str(const ph_gguf_kv *kv, size_t *cursor, ph_str *out);

#endif
