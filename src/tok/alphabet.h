/* GPT-2's byte alphabet: every byte is written as one printable character, so that token files can
 * be text. Bytes 0x21..0x7E, 0xA1..0xAC and 0xAE..0xFF stand for themselves (as code points); the
 * other 68 are U+0100, U+0101, ... in ascending order (the space is U+0120).
 *
 * Source: openai/gpt-2, src/encoder.py, bytes_to_unicode().
 */
#ifndef PH_TOK_ALPHABET_H
#define PH_TOK_ALPHABET_H

#include "base/buf.h"
#include "base/str.h"

/* One past the last character of the alphabet. */
#define PH_ALPHABET_END 0x144

/* The byte a character stands for, or -1. */
int ph_alphabet_byte(uint32_t cp);

/* Writes the bytes that s stands for to out (room for s.n bytes) and their count to *n. False if s
 * is no valid UTF-8 or holds a character outside the alphabet. */
bool ph_alphabet_decode(char *out, size_t *n, ph_str s);

/* Appends bytes as characters of the alphabet. */
bool ph_alphabet_encode(ph_buf *out, ph_str bytes);

#endif
