/* Pre-tokenization: cuts text into the pieces that BPE works on, each on its own.
 *
 * The rule is GPT-2's regular expression, matched again and again from left to right:
 *   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * Every byte belongs to exactly one piece. Written by hand because a regular-expression engine
 * would take most of the time of encoding: ASCII goes by a table and eight bytes at a time, other
 * characters by the Unicode table. A byte that is no valid UTF-8 is a character of its own, neither
 * letter nor number nor space.
 *
 * Source: openai/gpt-2, src/encoder.py.
 */
#ifndef PH_TOK_PRETOK_H
#define PH_TOK_PRETOK_H

#include <stddef.h>
#include <stdint.h>

/* End of the piece that begins at p; p < end, and `end` is the end of the text for the rule. Looks
 * at each byte a bounded number of times, and at no more than one character behind the piece. */
const uint8_t *ph_pretok_gpt2(const uint8_t *p, const uint8_t *end);

/* Length of a beginning of a text, at least `want` bytes, behind which the text can be cut without
 * changing its pieces: a newline between two characters of ASCII that are no white space. n where
 * there is no such place. */
size_t ph_pretok_cut(const char *text, size_t n, size_t want);

#endif
