/* UTF-8: strict decoding (no overlongs, no surrogates, at most U+10FFFF). */
#ifndef PH_BASE_UTF8_H
#define PH_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PH_UTF8_INVALID UINT32_MAX

/* Decodes the character at p (n >= 1 bytes left). *len is the bytes consumed: 1..4, or 1 when the
 * result is PH_UTF8_INVALID. */
uint32_t ph_utf8_decode(const uint8_t *p, size_t n, size_t *len);

/* Encodes a valid code point; returns 1..4, or 0 for an invalid one. */
size_t ph_utf8_encode(uint32_t cp, uint8_t out[4]);

bool ph_utf8_valid(const uint8_t *p, size_t n);

/* How many bytes at the end of p[0..n) are the beginning of a character that more bytes could still
 * complete: 0..3. What is invalid whatever follows counts as 0. */
size_t ph_utf8_incomplete_tail(const uint8_t *p, size_t n);

/* Bytes of the longest beginning of p[0..n), which is valid, with at most limit bytes and no
 * character cut. Of what is not valid, not many fewer than limit. */
size_t ph_utf8_cut(const char *p, size_t n, size_t limit);

#endif
