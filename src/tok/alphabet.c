/* The byte alphabet, both ways; contract in tok/alphabet.h. */
#include "tok/alphabet.h"

#include "base/utf8.h"

static bool is_itself(uint32_t b)
{
    return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
}

int ph_alphabet_byte(uint32_t cp)
{
    if (cp < 0x100)
        return is_itself(cp) ? (int)cp : -1;
    if (cp >= PH_ALPHABET_END)
        return -1;
    /* The 68 bytes that are not themselves: 0x00..0x20, 0x7F..0xA0, 0xAD. */
    uint32_t k = cp - 0x100;
    if (k <= 0x20)
        return (int)k;
    if (k <= 0x20 + 0x22)
        return (int)(k - 0x21 + 0x7F);
    return 0xAD;
}

static uint32_t char_of(uint8_t b)
{
    if (is_itself(b))
        return b;
    if (b <= 0x20)
        return 0x100u + b;
    if (b <= 0xA0)
        return 0x121u + (b - 0x7Fu);
    return 0x143;
}

bool ph_alphabet_decode(char *out, size_t *n, ph_str s)
{
    const uint8_t *p = (const uint8_t *)s.p;
    size_t k = 0;
    for (size_t i = 0; i < s.n;) {
        uint32_t cp = p[i];
        size_t len = 1;
        if (cp >= 0x80)
            cp = ph_utf8_decode(p + i, s.n - i, &len);
        int b = cp == PH_UTF8_INVALID ? -1 : ph_alphabet_byte(cp);
        if (b < 0)
            return false;
        out[k++] = (char)b;
        i += len;
    }
    *n = k;
    return true;
}

bool ph_alphabet_encode(ph_buf *out, ph_str bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        uint8_t utf8[4];
        size_t n = ph_utf8_encode(char_of((uint8_t)bytes.p[i]), utf8);
        if (!ph_buf_add(out, utf8, n))
            return false;
    }
    return true;
}
