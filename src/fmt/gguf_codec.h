/* GGUF's encoded values: a cursor over bytes that cannot leave them, and the decoding of values.
 * Internal to fmt; gguf.h is the interface. */
#ifndef PH_FMT_GGUF_CODEC_H
#define PH_FMT_GGUF_CODEC_H

#include "fmt/gguf.h"

/* Arrays in arrays at most so deep (an array of numbers has depth 1). */
#define PH_GGUF_MAX_DEPTH     4
#define PH_GGUF_MAX_ALIGNMENT (1 << 20)

typedef struct ph_gguf_cursor {
    const uint8_t *bytes;
    size_t n;
    size_t pos; /* <= n */
} ph_gguf_cursor;

/* NULL, and nothing consumed, if fewer than n bytes are left. */
const uint8_t *ph_gguf_take(ph_gguf_cursor *c, size_t n);
bool ph_gguf_take_u32(ph_gguf_cursor *c, uint32_t *out);
bool ph_gguf_take_u64(ph_gguf_cursor *c, uint64_t *out);
/* A length and that many bytes; at most max. */
phial_status ph_gguf_take_str(ph_gguf_cursor *c, ph_str *out, size_t max, phial_error *err);
/* Checks the whole value and fills type, elem_type, count, raw and raw_bytes of kv. */
phial_status ph_gguf_take_value(ph_gguf_cursor *c, ph_gguf_type type, ph_gguf_kv *kv,
                                phial_error *err);

/* Bytes of a scalar; 0 for STRING and ARRAY. */
size_t ph_gguf_type_bytes(ph_gguf_type type);
/* "u32", "string", "array"; never NULL. */
const char *ph_gguf_type_name(ph_gguf_type type);

#endif
