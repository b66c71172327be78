/* Words of text as keys of a hash table. */
#ifndef PH_TOK_WORD_H
#define PH_TOK_WORD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* At most PH_WORD_MAX bytes as two numbers: the bytes, zero padded, and in the last byte of hi the
 * length, so that equal keys are equal words (NULs included). */
#define PH_WORD_MAX 15
typedef struct ph_word {
    uint64_t lo, hi;
} ph_word;

/* n <= PH_WORD_MAX. */
static inline ph_word ph_word_from(const uint8_t *p, size_t n)
{
    uint8_t bytes[16] = {0};
    ph_word w;
    memcpy(bytes, p, n);
    bytes[15] = (uint8_t)n;
    memcpy(&w, bytes, 16);
    return w;
}

/* The same, reading 16 bytes at p. */
static inline ph_word ph_word_load(const uint8_t *p, size_t n)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    ph_word w;
    memcpy(&w, p, 16);
    uint64_t length = (uint64_t)n << 56;
    if (n < 8) {
        w.lo &= ((uint64_t)1 << 8 * n) - 1;
        w.hi = length;
    } else {
        w.hi = (w.hi & (((uint64_t)1 << 8 * (n - 8)) - 1)) | length;
    }
    return w;
#else
    return ph_word_from(p, n);
#endif
}

/* Good in its high bits. */
static inline uint64_t ph_word_hash(ph_word w)
{
    return (w.lo ^ (w.hi * 0xC2B2AE3D27D4EB4Fu)) * 0x9E3779B97F4A7C15u;
}

#endif
