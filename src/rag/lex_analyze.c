/* Contract in lex_analyze.h. */
#include "rag/lex_analyze.h"

#include <string.h>

#include "base/utf8.h"
#include "rag/lex_fold.h"
#include "rag/porter2.h"
#include "tok/unicode.h"

typedef struct analyzer {
    bool (*fn)(void *user, const ph_lex_token *token);
    void *user;
    bool going;
    char word[PH_LEX_TERM_MAX + 2]; /* room for what stemming adds in passing */
    size_t n;
    size_t start, end; /* of the word in the text */
    bool latin;        /* only a..z and 0..9 so far */
    bool digits;       /* only 0..9 and "." so far */
    bool apostrophe;   /* stands right before the word */
    char last[8];      /* the character before, if it was of a script without spaces */
    size_t n_last, last_start;
} analyzer;

static const char stop_words[] =
    " a about above after again against all am an and any are as at be because been before being "
    "below between both but by can could did do does doing down during each few for from further "
    "had has have having he her here hers herself him himself his how i if in into is it its "
    "itself just may me might more most must my myself no nor not now of off on once only or other "
    "our ours ourselves out over own same shall she should so some such than that the their theirs "
    "them themselves then there these they this those through to too under until up upon us very "
    "was we were what when where which while who whom why will with would you your yours yourself "
    "yourselves ";

static bool is_stop(const char *word, size_t n)
{
    char padded[16];
    if (n == 0 || n > 10)
        return false;
    padded[0] = ' ';
    memcpy(padded + 1, word, n);
    padded[n + 1] = ' ';
    padded[n + 2] = 0;
    return strstr(stop_words, padded) != NULL;
}

/* s, t, d, m, re, ve, ll behind an apostrophe */
static bool is_clitic(const char *word, size_t n)
{
    if (n == 1)
        return strchr("stdm", word[0]) != NULL;
    return n == 2 &&
           (memcmp(word, "re", 2) == 0 || memcmp(word, "ve", 2) == 0 || memcmp(word, "ll", 2) == 0);
}

static void emit(analyzer *a, const char *term, size_t n, size_t start, size_t end, bool stop,
                 bool pair)
{
    ph_lex_token token = {
        .term = {term, n}, .start = start, .end = end, .stop = stop, .pair = pair};
    if (a->going)
        a->going = a->fn(a->user, &token);
}

static void end_word(analyzer *a)
{
    size_t n = a->n;
    a->n = 0;
    if (n > 0 && a->digits && a->word[n - 1] == '.')
        n--;
    if (n == 0 || (a->apostrophe && a->latin && is_clitic(a->word, n)))
        return;
    bool stop = a->latin && is_stop(a->word, n);
    if (a->latin && !a->digits && n < PH_LEX_TERM_MAX)
        n = ph_porter2(a->word, n);
    emit(a, a->word, n, a->start, a->end, stop, false);
}

static void add_to_word(analyzer *a, uint32_t cp, size_t start, size_t end)
{
    uint8_t bytes[4];
    size_t k = ph_utf8_encode(cp, bytes);
    if (a->n == 0) {
        a->start = start;
        a->latin = a->digits = true;
    }
    a->end = end;
    if (a->n + k > PH_LEX_TERM_MAX)
        return;
    bool digit = cp >= '0' && cp <= '9';
    a->latin = a->latin && (digit || (cp >= 'a' && cp <= 'z'));
    a->digits = a->digits && (digit || cp == '.');
    memcpy(a->word + a->n, bytes, k);
    a->n += k;
}

/* Scripts in which spaces do not separate words, or not finely enough. */
static bool no_spaces(uint32_t cp)
{
    return (cp >= 0x0e00 && cp < 0x0f00) || (cp >= 0x1000 && cp < 0x10a0) ||
           (cp >= 0x1780 && cp < 0x1800) || (cp >= 0x3040 && cp < 0x3130) ||
           (cp >= 0x31a0 && cp < 0x3200) || (cp >= 0x3400 && cp < 0xa000) ||
           (cp >= 0xac00 && cp < 0xd7b0) || (cp >= 0xf900 && cp < 0xfb00) ||
           (cp >= 0x20000 && cp < 0x33480);
}

static void add_alone(analyzer *a, uint32_t cp, size_t start, size_t end)
{
    char pair[12];
    uint8_t bytes[4];
    size_t k = ph_utf8_encode(cp, bytes);
    end_word(a);
    emit(a, (const char *)bytes, k, start, end, false, false);
    if (a->n_last > 0) {
        memcpy(pair, a->last, a->n_last);
        memcpy(pair + a->n_last, bytes, k);
        emit(a, pair, a->n_last + k, a->last_start, end, false, true);
    }
    memcpy(a->last, bytes, k);
    a->n_last = k;
    a->last_start = start;
}

static void add_letter(analyzer *a, uint32_t cp, size_t start, size_t end)
{
    if (no_spaces(cp)) {
        add_alone(a, cp, start, end);
    } else {
        a->n_last = 0;
        add_to_word(a, cp, start, end);
    }
}

static bool is_digit(const uint8_t *p, const uint8_t *end)
{
    return p < end && *p >= '0' && *p <= '9';
}

/* What is between words: is the number still going on? Returns the bytes taken; 0: no. */
static size_t inside_number(analyzer *a, const uint8_t *p, const uint8_t *end, size_t at)
{
    if (a->n == 0 || !a->digits || !is_digit(p + 1, end))
        return 0;
    if (*p == '.') {
        add_to_word(a, '.', at, at + 1);
        return 1;
    }
    bool thousands = *p == ',' && is_digit(p + 2, end) && is_digit(p + 3, end) &&
                     !is_digit(p + 4, end) && !memchr(a->word, '.', a->n);
    return thousands ? 1 : 0;
}

static void separator(analyzer *a, uint32_t cp)
{
    end_word(a);
    a->n_last = 0;
    a->apostrophe = cp == '\'' || cp == 0x2019;
}

static void add_folded(analyzer *a, const uint32_t *to, uint32_t cp, size_t start, size_t end)
{
    if (to[0] == 1 && to[1] == cp) { /* a mark that belongs to the word */
        add_letter(a, cp, start, end);
        return;
    }
    for (uint32_t i = 1; i <= to[0]; i++) {
        if (to[i] == cp || ph_unicode_class(to[i]) == PH_CLASS_LETTER ||
            ph_unicode_class(to[i]) == PH_CLASS_NUMBER || ph_lex_fold(to[i]) != NULL)
            add_letter(a, to[i], start, end);
        else
            separator(a, to[i]);
    }
}

void ph_lex_analyze(ph_str text, bool (*fn)(void *user, const ph_lex_token *token), void *user)
{
    analyzer a = {.fn = fn, .user = user, .going = true};
    const uint8_t *p = (const uint8_t *)text.p, *end = p + text.n;
    for (size_t i = 0; i < text.n && a.going;) {
        size_t len = 1;
        uint32_t cp = p[i] < 0x80 ? p[i] : ph_utf8_decode(p + i, text.n - i, &len);
        if (cp >= 'A' && cp <= 'Z')
            cp += 'a' - 'A';
        const uint32_t *to = cp < 0x80 || cp == PH_UTF8_INVALID ? NULL : ph_lex_fold(cp);
        if (to) {
            add_folded(&a, to, cp, i, i + len);
        } else if (cp != PH_UTF8_INVALID && (ph_unicode_class(cp) == PH_CLASS_LETTER ||
                                             ph_unicode_class(cp) == PH_CLASS_NUMBER)) {
            add_letter(&a, cp, i, i + len);
        } else if (inside_number(&a, p + i, end, i) == 0) {
            separator(&a, cp);
        }
        i += len;
    }
    end_word(&a);
}
