/* Things the tokenizer's tests share. */
#ifndef PH_TESTS_TOK_UTIL_H
#define PH_TESTS_TOK_UTIL_H

#include "base/buf.h"
#include "base/mem.h"
#include "phial/tokenizer.h"

static inline int hex_digit(char c)
{
    return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

/* Appends the bytes that hexadecimal text stands for. */
static inline void add_hex(ph_buf *out, const char *hex, size_t n)
{
    for (size_t i = 0; i + 1 < n; i += 2)
        ph_buf_add_byte(out, (uint8_t)(hex_digit(hex[i]) * 16 + hex_digit(hex[i + 1])));
}

/* Decodes all ids into out. */
static inline phial_status decode_all(ph_buf *out, const phial_tokenizer *t, const uint32_t *ids,
                                      size_t n_ids, phial_error *err)
{
    size_t n = 0;
    ph_buf_clear(out);
    phial_status st = phial_tokenizer_decode(t, NULL, 0, &n, ids, n_ids, 0, err);
    if (st != PHIAL_OK)
        return st;
    if (!ph_buf_add_zeros(out, n))
        return PHIAL_ERR_NO_MEMORY;
    return phial_tokenizer_decode(t, out->data, n, &n, ids, n_ids, 0, err);
}

#endif
