/* Porter2; contract in porter2.h.
 *
 * The rules are those of the algorithm's published description (snowballstem.org, "The English
 * (Porter2) stemming algorithm", with the additions of Snowball 3), without its step 0 and the
 * apostrophes in front, because the analyzer has cut words at apostrophes. Compared word by word
 * with the reference implementation by tests/golden/make_porter2.py.
 */
#include "rag/porter2.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct word {
    char *p;
    size_t n;
    size_t r1, r2; /* where the regions begin; n: empty */
} word;

static bool vowel(char c)
{
    return c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u' || c == 'y';
}

static bool ends_with(const word *w, const char *suffix)
{
    size_t k = strlen(suffix);
    return w->n >= k && memcmp(w->p + w->n - k, suffix, k) == 0;
}

static bool is(const word *w, const char *s)
{
    return w->n == strlen(s) && memcmp(w->p, s, w->n) == 0;
}

static void cut(word *w, size_t k)
{
    w->n -= k;
}

/* The last k bytes become `s`, which is at most one byte longer. */
static void replace(word *w, size_t k, const char *s)
{
    size_t m = strlen(s);
    memcpy(w->p + w->n - k, s, m);
    w->n = w->n - k + m;
}

static bool has_vowel(const word *w, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (vowel(w->p[i]))
            return true;
    }
    return false;
}

/* Behind the first non-vowel that follows a vowel, from `from` on. */
static size_t region(const word *w, size_t from)
{
    for (size_t i = from + 1; i < w->n; i++) {
        if (!vowel(w->p[i]) && vowel(w->p[i - 1]))
            return i + 1;
    }
    return w->n;
}

/* A y that is a consonant is written Y until the end. */
static void mark(word *w)
{
    static const char *const fronts[] = {"gener", "commun", "arsen", "univers",
                                         "later", "emerg",  "organ", "inter"};
    for (size_t i = 0; i < w->n; i++) {
        if (w->p[i] == 'y' && (i == 0 || vowel(w->p[i - 1])))
            w->p[i] = 'Y';
    }
    w->r1 = region(w, 0);
    for (size_t i = 0; i < sizeof fronts / sizeof fronts[0]; i++) {
        size_t k = strlen(fronts[i]);
        if (w->n >= k && memcmp(w->p, fronts[i], k) == 0)
            w->r1 = k;
    }
    w->r2 = w->r1 < w->n ? region(w, w->r1) : w->n;
}

static bool in_r1(const word *w, size_t suffix)
{
    return w->n - suffix >= w->r1;
}

static bool in_r2(const word *w, size_t suffix)
{
    return w->n - suffix >= w->r2;
}

/* Do the first n bytes end in a short syllable? */
static bool short_syllable(const word *w, size_t n)
{
    const char *p = w->p;
    if (n >= 4 && memcmp(p + n - 4, "past", 4) == 0) /* so that paste keeps its e */
        return true;
    if (n == 2)
        return vowel(p[0]) && !vowel(p[1]);
    if (n < 3)
        return false;
    char c = p[n - 1];
    return !vowel(c) && c != 'w' && c != 'x' && c != 'Y' && vowel(p[n - 2]) && !vowel(p[n - 3]);
}

static bool is_short(const word *w)
{
    return w->r1 >= w->n && short_syllable(w, w->n);
}

static bool among(const word *w, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (is(w, list[i]))
            return true;
    }
    return false;
}

static bool exception(word *w)
{
    static const char *const pairs[][2] = {
        {"skis", "ski"},    {"skies", "sky"}, {"dying", "die"},    {"lying", "lie"},
        {"tying", "tie"},   {"idly", "idl"},  {"gently", "gentl"}, {"ugly", "ugli"},
        {"early", "earli"}, {"only", "onli"}, {"singly", "singl"},
    };
    static const char *const fixed[] = {"sky", "news", "howe", "atlas", "cosmos", "bias", "andes"};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (is(w, pairs[i][0])) {
            w->n = strlen(pairs[i][1]);
            memcpy(w->p, pairs[i][1], w->n);
            return true;
        }
    }
    return among(w, fixed, sizeof fixed / sizeof fixed[0]);
}

static void step_1a(word *w)
{
    if (ends_with(w, "sses"))
        cut(w, 2);
    else if (ends_with(w, "ied") || ends_with(w, "ies"))
        cut(w, w->n > 4 ? 2 : 1);
    else if (ends_with(w, "us") || ends_with(w, "ss"))
        return;
    else if (ends_with(w, "s") && w->n > 2 && has_vowel(w, w->n - 2))
        cut(w, 1);
}

static void mend_1b(word *w)
{
    static const char *const doubles[] = {"bb", "dd", "ff", "gg", "mm", "nn", "pp", "rr", "tt"};
    if (ends_with(w, "at") || ends_with(w, "bl") || ends_with(w, "iz")) {
        w->p[w->n++] = 'e';
        return;
    }
    for (size_t i = 0; i < sizeof doubles / sizeof doubles[0]; i++) {
        if (ends_with(w, doubles[i])) {
            /* add, egg, off stay */
            bool whole = w->n == 3 && strchr("aeo", w->p[0]) != NULL;
            cut(w, whole ? 0 : 1);
            return;
        }
    }
    if (is_short(w))
        w->p[w->n++] = 'e';
}

static void step_1b(word *w)
{
    static const char *const suffixes[] = {"eedly", "ingly", "edly", "eed", "ing", "ed"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        size_t k = strlen(suffixes[i]);
        if (!ends_with(w, suffixes[i]))
            continue;
        if (suffixes[i][0] == 'e' && suffixes[i][1] == 'e') {
            if (in_r1(w, k))
                cut(w, k - 2);
        } else if (has_vowel(w, w->n - k)) {
            cut(w, k);
            mend_1b(w);
        }
        return;
    }
}

static void step_1c(word *w)
{
    size_t n = w->n;
    if (n > 2 && (w->p[n - 1] == 'y' || w->p[n - 1] == 'Y') && !vowel(w->p[n - 2]))
        w->p[n - 1] = 'i';
}

typedef struct rule {
    const char *suffix, *by;
} rule;

/* The first that fits; the tables have longer suffixes before their own endings. */
static const rule *find(const word *w, const rule *rules, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (ends_with(w, rules[i].suffix))
            return &rules[i];
    }
    return NULL;
}

static void step_2(word *w)
{
    static const rule rules[] = {
        {"ization", "ize"}, {"ational", "ate"}, {"fulness", "ful"}, {"ousness", "ous"},
        {"iveness", "ive"}, {"tional", "tion"}, {"biliti", "ble"},  {"lessli", "less"},
        {"entli", "ent"},   {"ation", "ate"},   {"alism", "al"},    {"aliti", "al"},
        {"ousli", "ous"},   {"iviti", "ive"},   {"fulli", "ful"},   {"enci", "ence"},
        {"anci", "ance"},   {"abli", "able"},   {"izer", "ize"},    {"ator", "ate"},
        {"alli", "al"},     {"bli", "ble"},     {"ogist", "og"},    {"ogi", "og"},
        {"li", ""},
    };
    const rule *r = find(w, rules, sizeof rules / sizeof rules[0]);
    size_t k = r ? strlen(r->suffix) : 0;
    if (!r || !in_r1(w, k))
        return;
    char before = w->n > k ? w->p[w->n - k - 1] : 0;
    if (strcmp(r->suffix, "ogi") == 0 && before != 'l')
        return;
    if (strcmp(r->suffix, "li") == 0 && (!before || !strchr("cdeghkmnrt", before)))
        return;
    replace(w, k, r->by);
}

static void step_3(word *w)
{
    static const rule rules[] = {
        {"ational", "ate"}, {"tional", "tion"}, {"alize", "al"}, {"icate", "ic"}, {"iciti", "ic"},
        {"ative", ""},      {"ical", "ic"},     {"ness", ""},    {"ful", ""},
    };
    const rule *r = find(w, rules, sizeof rules / sizeof rules[0]);
    size_t k = r ? strlen(r->suffix) : 0;
    if (!r || !in_r1(w, k) || (strcmp(r->suffix, "ative") == 0 && !in_r2(w, k)))
        return;
    replace(w, k, r->by);
}

static void step_4(word *w)
{
    static const rule rules[] = {
        {"ement", ""}, {"ance", ""}, {"ence", ""}, {"able", ""}, {"ible", ""}, {"ment", ""},
        {"ant", ""},   {"ent", ""},  {"ism", ""},  {"ate", ""},  {"iti", ""},  {"ous", ""},
        {"ive", ""},   {"ize", ""},  {"ion", ""},  {"al", ""},   {"er", ""},   {"ic", ""},
    };
    const rule *r = find(w, rules, sizeof rules / sizeof rules[0]);
    size_t k = r ? strlen(r->suffix) : 0;
    if (!r || !in_r2(w, k))
        return;
    char before = w->n > k ? w->p[w->n - k - 1] : 0;
    if (strcmp(r->suffix, "ion") == 0 && before != 's' && before != 't')
        return;
    cut(w, k);
}

static void step_5(word *w)
{
    if (ends_with(w, "e") && (in_r2(w, 1) || (in_r1(w, 1) && !short_syllable(w, w->n - 1))))
        cut(w, 1);
    else if (ends_with(w, "ll") && in_r2(w, 1))
        cut(w, 1);
}

size_t ph_porter2(char *text, size_t n)
{
    static const char *const stop[] = {"inning",  "outing",  "canning", "herring", "earring",
                                       "evening", "proceed", "exceed",  "succeed"};
    word w = {.p = text, .n = n};
    if (n <= 2 || exception(&w))
        return w.n;
    mark(&w);
    step_1a(&w);
    if (!among(&w, stop, sizeof stop / sizeof stop[0])) {
        step_1b(&w);
        step_1c(&w);
        step_2(&w);
        step_3(&w);
        step_4(&w);
        step_5(&w);
    }
    for (size_t i = 0; i < w.n; i++) {
        if (w.p[i] == 'Y')
            w.p[i] = 'y';
    }
    return w.n;
}
