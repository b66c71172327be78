/* What layout needs to know about characters: which script's habits they follow, their case, and
 * which letters stand behind ligatures and presentation forms.
 *
 * Case is known for Latin-1, Latin Extended-A, Greek and Cyrillic: enough to tell the beginning of
 * a sentence and a heading in capitals from the rest. Arabic presentation forms become their
 * letters, in the order they come in. Source: the Unicode Character Database (decompositions of
 * blocks FB00, FB50 and FE70).
 */
#include <string.h>

#include "base/hash.h"
#include "base/utf8.h"
#include "rag/layout_parts.h"
#include "tok/unicode.h"

#define WORD_HASHED_BYTES 256 /* of a word; longer ones are no words of the vocabulary */

static bool between(uint32_t cp, uint32_t first, uint32_t last)
{
    return cp >= first && cp <= last;
}

static bool is_cjk(uint32_t cp)
{
    return between(cp, 0x2e80, 0x31ff) || between(cp, 0x3400, 0x9fff) ||
           between(cp, 0xf900, 0xfaff) || between(cp, 0xfe30, 0xfe4f) ||
           between(cp, 0xff00, 0xffef) || between(cp, 0x20000, 0x3ffff);
}

ph_lay_kind ph_lay_kind_of(uint32_t cp)
{
    if (between(cp, '0', '9'))
        return PH_LAY_DIGITS;
    if (between(cp, 0x0590, 0x08ff) || between(cp, 0xfb1d, 0xfdff) || between(cp, 0xfe70, 0xfefe))
        return PH_LAY_RTL;
    if (is_cjk(cp))
        return PH_LAY_CJK;
    return ph_lay_is_letter(cp) ? PH_LAY_LTR : PH_LAY_OTHER;
}

bool ph_lay_is_letter(uint32_t cp)
{
    return cp < 0x110000 && ph_unicode_class(cp) == PH_CLASS_LETTER;
}

uint32_t ph_lay_fold(uint32_t cp)
{
    if (between(cp, 'A', 'Z') || (between(cp, 0xc0, 0xde) && cp != 0xd7) ||
        (between(cp, 0x391, 0x3a9) && cp != 0x3a2) || between(cp, 0x410, 0x42f))
        return cp + 32;
    if (between(cp, 0x400, 0x40f))
        return cp + 80;
    if (between(cp, 0x100, 0x137) || between(cp, 0x14a, 0x177))
        return cp | 1;
    if (between(cp, 0x139, 0x148) || between(cp, 0x179, 0x17e))
        return cp + (cp & 1);
    return cp == 0x178 ? 0xff : cp;
}

bool ph_lay_is_upper(uint32_t cp)
{
    return ph_lay_fold(cp) != cp;
}

bool ph_lay_is_lower(uint32_t cp)
{
    return cp < 0x530 && ph_lay_is_letter(cp) && !ph_lay_is_upper(cp) && cp != 0xaa && cp != 0xba;
}

bool ph_lay_is_hyphen(uint32_t cp)
{
    return cp == '-' || cp == 0xad || cp == 0x2010;
}

uint32_t ph_lay_first_char(ph_str s, size_t *len)
{
    size_t n = 0;
    uint32_t cp = s.n ? ph_utf8_decode((const uint8_t *)s.p, s.n, &n) : 0;
    if (len)
        *len = n;
    return cp;
}

uint32_t ph_lay_last_char(ph_str s, size_t *len)
{
    size_t at = s.n;
    while (at > 0 && s.n - at < 4) {
        at--;
        if (((uint8_t)s.p[at] & 0xc0) != 0x80)
            break;
    }
    return ph_lay_first_char((ph_str){s.p + at, s.n - at}, len);
}

/* --- cleaning --- */

static const struct {
    uint16_t cp;
    const char *letters;
} ligatures[] = {
    {0x132, "IJ"},      {0x133, "ij"},   {0xfb00, "ff"},     {0xfb01, "fi"},
    {0xfb02, "fl"},     {0xfb03, "ffi"}, {0xfb04, "ffl"},    {0xfb05, "\xc5\xbft"},
    {0xfb06, "st"},     {0xfb13, "մն"},  {0xfb14, "մե"},     {0xfb15, "մի"},
    {0xfb16, "վն"},     {0xfb17, "մխ"},  {0xf0b7, "\u2022"}, {0xf0a7, "\u25aa"},
    {0xf0d8, "\u27a2"}, {0xfef5, "لآ"},  {0xfef6, "لآ"},     {0xfef7, "لأ"},
    {0xfef8, "لأ"},     {0xfef9, "لإ"},  {0xfefa, "لإ"},     {0xfefb, "لا"},
    {0xfefc, "لا"},
};

/* The letter of forms first .. last (up to the next row's first). */
static const struct {
    uint16_t first, letter;
} forms[] = {
    {0xfb50, 0x671}, {0xfb52, 0},     {0xfb56, 0x67e}, {0xfb5a, 0},     {0xfb66, 0x679},
    {0xfb6a, 0},     {0xfb7a, 0x686}, {0xfb7e, 0},     {0xfb88, 0x688}, {0xfb8a, 0x698},
    {0xfb8c, 0x691}, {0xfb8e, 0x6a9}, {0xfb92, 0x6af}, {0xfb96, 0},     {0xfb9e, 0x6ba},
    {0xfba0, 0},     {0xfbaa, 0x6be}, {0xfbae, 0x6d2}, {0xfbb0, 0x6d3}, {0xfbb2, 0},
    {0xfbfc, 0x6cc}, {0xfc00, 0},     {0xfe80, 0x621}, {0xfe81, 0x622}, {0xfe83, 0x623},
    {0xfe85, 0x624}, {0xfe87, 0x625}, {0xfe89, 0x626}, {0xfe8d, 0x627}, {0xfe8f, 0x628},
    {0xfe93, 0x629}, {0xfe95, 0x62a}, {0xfe99, 0x62b}, {0xfe9d, 0x62c}, {0xfea1, 0x62d},
    {0xfea5, 0x62e}, {0xfea9, 0x62f}, {0xfeab, 0x630}, {0xfead, 0x631}, {0xfeaf, 0x632},
    {0xfeb1, 0x633}, {0xfeb5, 0x634}, {0xfeb9, 0x635}, {0xfebd, 0x636}, {0xfec1, 0x637},
    {0xfec5, 0x638}, {0xfec9, 0x639}, {0xfecd, 0x63a}, {0xfed1, 0x641}, {0xfed5, 0x642},
    {0xfed9, 0x643}, {0xfedd, 0x644}, {0xfee1, 0x645}, {0xfee5, 0x646}, {0xfee9, 0x647},
    {0xfeed, 0x648}, {0xfeef, 0x649}, {0xfef1, 0x64a}, {0xfef5, 0},
};

static uint32_t letter_of_form(uint32_t cp)
{
    uint32_t letter = 0;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0] && forms[i].first <= cp; i++)
        letter = forms[i].letter;
    return letter ? letter : cp;
}

/* Controls, direction marks, byte order marks, what is no character. */
static bool is_noise(uint32_t cp)
{
    return cp < 0x20 || between(cp, 0x7f, 0x9f) || between(cp, 0x200b, 0x200f) ||
           between(cp, 0x202a, 0x202e) || between(cp, 0x2060, 0x2069) || cp == 0xfeff ||
           (cp & 0xfffe) == 0xfffe;
}

static void add_char(ph_buf *out, uint32_t cp, ph_lay_count *count)
{
    uint8_t bytes[4];
    ph_buf_add(out, bytes, ph_utf8_encode(cp, bytes));
    count->n_chars++;
    count->by_kind[ph_lay_kind_of(cp)]++;
}

static void add_clean(ph_buf *out, uint32_t cp, ph_lay_count *count)
{
    if (cp < 0x80 || (cp < 0x2000 && cp != 0xa0 && cp != 0x132 && cp != 0x133)) {
        add_char(out, cp, count);
        return;
    }
    for (size_t i = 0; cp < 0x10000 && i < sizeof ligatures / sizeof ligatures[0]; i++) {
        ph_str letters = ph_str_from(ligatures[i].letters);
        size_t len;
        if (ligatures[i].cp != cp)
            continue;
        for (; letters.n > 0; letters.p += len, letters.n -= len)
            add_char(out, ph_lay_first_char(letters, &len), count);
        return;
    }
    bool space = ph_unicode_class(cp) == PH_CLASS_SPACE;
    add_char(out, space ? ' ' : between(cp, 0xfb50, 0xfefc) ? letter_of_form(cp) : cp, count);
}

phial_status ph_lay_clean(ph_buf *out, ph_str text, ph_lay_count *count, phial_error *err)
{
    size_t from = out->len, len;
    *count = (ph_lay_count){0};
    for (size_t i = 0; i < text.n; i += len) {
        uint32_t cp = ph_utf8_decode((const uint8_t *)text.p + i, text.n - i, &len);
        bool last = i + len == text.n;
        if (cp == PH_UTF8_INVALID)
            cp = 0xfffd;
        /* A soft hyphen is seen at the end of a line only. */
        if (is_noise(cp) || (cp == 0xad && !last))
            continue;
        add_clean(out, cp, count);
    }
    /* Blanks alone, or at the ends, are the business of who joins words. */
    size_t to = out->len;
    while (to > from && out->data[to - 1] == ' ')
        to--;
    size_t skip = from;
    while (skip < to && out->data[skip] == ' ')
        skip++;
    if (!out->failed && out->data && skip > from)
        memmove(out->data + from, out->data + skip, to - skip);
    if (!out->failed)
        out->len = from + (to - skip);
    return ph_buf_status(out, err);
}

/* --- words --- */

static bool is_core(uint32_t cp)
{
    return cp < 0x110000 &&
           (ph_unicode_class(cp) == PH_CLASS_LETTER || ph_unicode_class(cp) == PH_CLASS_NUMBER);
}

uint64_t ph_lay_word_hash(ph_str word)
{
    uint8_t folded[WORD_HASHED_BYTES + 8];
    size_t n = 0, end = 0, len;
    for (size_t i = 0; i < word.n; i += len) {
        uint32_t cp = ph_utf8_decode((const uint8_t *)word.p + i, word.n - i, &len);
        if (n == 0 && !is_core(cp))
            continue;
        if (n > WORD_HASHED_BYTES)
            return 0;
        n += ph_utf8_encode(ph_lay_fold(cp), folded + n);
        if (is_core(cp))
            end = n;
    }
    return end ? ph_hash64(folded, end, 0) | 1 : 0;
}

bool ph_lay_all_caps(ph_str s, unsigned least)
{
    unsigned capitals = 0;
    size_t len;
    for (size_t i = 0; i < s.n; i += len) {
        uint32_t cp = ph_utf8_decode((const uint8_t *)s.p + i, s.n - i, &len);
        if (ph_lay_is_letter(cp) && !ph_lay_is_upper(cp))
            return false;
        capitals += ph_lay_is_upper(cp);
    }
    return capitals >= least;
}
