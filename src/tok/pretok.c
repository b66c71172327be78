/* Pre-tokenization by hand-written rules; contract in tok/pretok.h. */
#include "tok/pretok.h"

#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"
#include "tok/unicode.h"

#define O    PH_CLASS_OTHER
#define L    PH_CLASS_LETTER
#define N    PH_CLASS_NUMBER
#define S    PH_CLASS_SPACE
/* Classes of ASCII; from 0x80 on the character has to be decoded first. */
#define WIDE 4
static const uint8_t byte_class[256] = {
    O, O, O, O, O, O, O, O, O, S, S, S, S, S, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    S, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, N, N, N, N, N, N, N, N, N, N, O, O, O, O, O, O,
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O,
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O,
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
    4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
};
#undef O
#undef L
#undef N
#undef S

/* Class of the character at p, and its length. */
static inline unsigned class_at(const uint8_t *p, const uint8_t *end, size_t *len)
{
    unsigned c = byte_class[*p];
    *len = 1;
    if (c != WIDE)
        return c;
    uint32_t cp = ph_utf8_decode(p, (size_t)(end - p), len);
    return cp == PH_UTF8_INVALID ? PH_CLASS_OTHER : ph_unicode_class(cp);
}

/* Bit 7 of each byte of the result: this byte of x is no ASCII letter. */
static inline uint64_t not_letters(uint64_t x)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t t = (x | 0x20 * ones) & 0x7F * ones;
    uint64_t from_a = t + (0x80 - 'a') * ones;
    uint64_t above_z = t + (0x80 - 'z' - 1) * ones;
    return ~(from_a & ~above_z & ~x) & 0x80 * ones;
}

static const uint8_t *run_end(const uint8_t *p, const uint8_t *end, unsigned class)
{
    size_t len;
    while (p < end && class_at(p, end, &len) == class)
        p += len;
    return p;
}

static inline const uint8_t *letters_end(const uint8_t *p, const uint8_t *end)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    while (end - p >= 8) {
        uint64_t x;
        memcpy(&x, p, 8);
        uint64_t stop = not_letters(x);
        if (stop != 0) {
            p += __builtin_ctzll(stop) / 8;
            return byte_class[*p] == WIDE ? run_end(p, end, PH_CLASS_LETTER) : p;
        }
        p += 8;
    }
#endif
    return run_end(p, end, PH_CLASS_LETTER);
}

/* Length of 's 't 're 've 'm 'll 'd at p (which is an apostrophe), or 0. */
static size_t contraction(const uint8_t *p, const uint8_t *end)
{
    ptrdiff_t n = end - p;
    if (n >= 2 && (p[1] == 's' || p[1] == 't' || p[1] == 'm' || p[1] == 'd'))
        return 2;
    if (n >= 3 && ((p[1] == 'r' && p[2] == 'e') || (p[1] == 'v' && p[2] == 'e') ||
                   (p[1] == 'l' && p[2] == 'l')))
        return 3;
    return 0;
}

/* White space at p: all of the run at the end of the text; otherwise all but its last character,
 * which is left for the next piece, unless there is only one. */
static const uint8_t *space_end(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *last = p;
    const uint8_t *q = p;
    size_t len;
    while (q < end && class_at(q, end, &len) == PH_CLASS_SPACE) {
        last = q;
        q += len;
    }
    return q == end || last == p ? q : last;
}

const uint8_t *ph_pretok_gpt2(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *q = p + (*p == ' ' && end - p > 1);
    unsigned c = byte_class[*q];
    if (c == PH_CLASS_LETTER)
        return letters_end(q + 1, end);
    size_t len;
    c = class_at(q, end, &len);
    if (c == PH_CLASS_SPACE)
        return space_end(p, end);
    if (c == PH_CLASS_LETTER)
        return letters_end(q + len, end);
    if (*p == '\'') {
        size_t n = contraction(p, end);
        if (n > 0)
            return p + n;
    }
    return run_end(q + len, end, c);
}

static bool is_ascii_mark(char c)
{
    return (uint8_t)c < 0x80 && byte_class[(uint8_t)c] != PH_CLASS_SPACE;
}

size_t ph_pretok_cut(const char *text, size_t n, size_t want)
{
    for (size_t i = want > 0 ? want - 1 : 0; i + 1 < n; i++) {
        const char *newline = memchr(text + i, '\n', n - 1 - i);
        if (!newline)
            return n;
        i = (size_t)(newline - text);
        if (i > 0 && is_ascii_mark(text[i - 1]) && is_ascii_mark(text[i + 1]))
            return i + 1;
    }
    return n;
}
