/* Strict UTF-8 (RFC 3629, table 3-7 of the Unicode standard); contract in utf8.h. */
#include "base/utf8.h"

/* Length by lead byte, and the range its second byte must be in; 0 for what leads nothing. */
static size_t lead_info(uint8_t b, uint8_t *lo, uint8_t *hi)
{
    *lo = 0x80;
    *hi = 0xbf;
    if (b < 0x80) {
        return 1;
    }
    if (b >= 0xc2 && b <= 0xdf) {
        return 2;
    }
    if (b >= 0xe0 && b <= 0xef) {
        *lo = b == 0xe0 ? 0xa0 : 0x80;
        *hi = b == 0xed ? 0x9f : 0xbf;
        return 3;
    }
    if (b >= 0xf0 && b <= 0xf4) {
        *lo = b == 0xf0 ? 0x90 : 0x80;
        *hi = b == 0xf4 ? 0x8f : 0xbf;
        return 4;
    }
    return 0;
}

/* Bytes of the character at p that are there and right: want (complete) or less. */
static size_t matched(const uint8_t *p, size_t n, size_t want, uint8_t lo, uint8_t hi)
{
    size_t i = 1;
    for (; i < want && i < n; i++) {
        if (p[i] < (i == 1 ? lo : 0x80) || p[i] > (i == 1 ? hi : 0xbf)) {
            break;
        }
    }
    return i;
}

uint32_t ph_utf8_decode(const uint8_t *p, size_t n, size_t *len)
{
    uint8_t lo, hi;
    *len = 1;
    size_t want = lead_info(p[0], &lo, &hi);
    if (want == 1) {
        return p[0];
    }
    if (want == 0 || matched(p, n, want, lo, hi) < want) {
        return PH_UTF8_INVALID;
    }
    *len = want;
    uint32_t cp = p[0] & (0xffu >> (want + 1));
    for (size_t i = 1; i < want; i++) {
        cp = cp << 6 | (p[i] & 0x3fu);
    }
    return cp;
}

size_t ph_utf8_encode(uint32_t cp, uint8_t out[4])
{
    if (cp < 0x80) {
        out[0] = (uint8_t)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (uint8_t)(0xc0 | cp >> 6);
        out[1] = (uint8_t)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        if (cp >= 0xd800 && cp <= 0xdfff) {
            return 0;
        }
        out[0] = (uint8_t)(0xe0 | cp >> 12);
        out[1] = (uint8_t)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (cp & 0x3f));
        return 3;
    }
    if (cp > 0x10ffff) {
        return 0;
    }
    out[0] = (uint8_t)(0xf0 | cp >> 18);
    out[1] = (uint8_t)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (cp & 0x3f));
    return 4;
}

bool ph_utf8_valid(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t len;
        if (ph_utf8_decode(p + i, n - i, &len) == PH_UTF8_INVALID) {
            return false;
        }
        i += len;
    }
    return true;
}

size_t ph_utf8_incomplete_tail(const uint8_t *p, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        const uint8_t *lead = p + n - back;
        if ((*lead & 0xc0) == 0x80) {
            continue;
        }
        uint8_t lo, hi;
        size_t want = lead_info(*lead, &lo, &hi);
        bool open = want > back && matched(lead, back, want, lo, hi) == back;
        return open ? back : 0;
    }
    return 0;
}

size_t ph_utf8_cut(const char *p, size_t n, size_t limit)
{
    if (n <= limit) {
        return n;
    }
    size_t cut = limit;
    while (cut > 0 && ((uint8_t)p[cut] & 0xc0) == 0x80 && limit - cut < 4) {
        cut--;
    }
    return cut;
}
