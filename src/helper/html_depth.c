/* Contract in html_depth.h.
 *
 * Only as much of a parser as the depth needs: comments, text that is no markup (scripts), quoted
 * attributes, end tags that end what is still open inside. Elements that end by themselves where
 * the next of their kind begins (paragraphs, items, cells, links) do not count, because their end
 * tags are often left out; they nest only inside others that do. Where HTML's rules would leave
 * an element open that is taken for closed here, gumbo gets more than it should: then the helper's
 * time limit ends it.
 */
#include "helper/html_depth.h"

#include <string.h>
#include <strings.h>

#include "base/hash.h"
#include "base/mem.h"

#define NAMES 4096 /* different hashes of names; two names with one hash count as one */

/* Without content, or ended by the next of their kind. */
static const char *const uncounted[] = {
    "area",  "base",   "basefont", "bgsound", "br",    "col",   "embed",    "frame",
    "hr",    "img",    "input",    "keygen",  "link",  "meta",  "param",    "source",
    "track", "wbr",    "p",        "li",      "dt",    "dd",    "option",   "optgroup",
    "tr",    "td",     "th",       "thead",   "tbody", "tfoot", "colgroup", "caption",
    "rb",    "rt",     "rtc",      "rp",      "html",  "head",  "body",     "a",
    "nobr",  "button", "h1",       "h2",      "h3",    "h4",    "h5",       "h6"};
static const char *const raw[] = {"script", "style",   "textarea", "title",
                                  "xmp",    "noembed", "noframes", "iframe"};

typedef struct nesting {
    uint16_t *open; /* names of the elements that are open; owned */
    size_t n, cap;
    uint32_t count[NAMES]; /* of them, by name */
    uint16_t svg, math;
} nesting;

typedef struct tag {
    ph_str name;
    size_t end; /* behind it */
    bool closes, empty;
} tag;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_one_of(ph_str name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strlen(list[i]) == name.n && strncasecmp(list[i], name.p, name.n) == 0)
            return true;
    }
    return false;
}

static uint16_t number_of(ph_str name)
{
    char small[32];
    size_t n = name.n < sizeof small ? name.n : sizeof small;
    for (size_t i = 0; i < n; i++)
        small[i] = name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] + 32) : name.p[i];
    return (uint16_t)(ph_hash64(small, n, 0) % NAMES);
}

/* Where these bytes begin at or behind `at`; the end if nowhere. */
static size_t find(ph_str s, size_t at, const char *bytes)
{
    size_t n = strlen(bytes);
    while (at < s.n) {
        const char *p = memchr(s.p + at, bytes[0], s.n - at);
        if (!p)
            break;
        at = (size_t)(p - s.p);
        if (s.n - at >= n && strncasecmp(p, bytes, n) == 0)
            return at;
        at++;
    }
    return s.n;
}

/* Whether a tag begins at s.p[at], which is '<'. One that is cut off ends at the text's end, as it
 * does for a browser. */
static bool read_tag(tag *t, ph_str s, size_t at)
{
    size_t name = at + 1;
    char quote = 0;
    bool value = false;
    t->closes = name < s.n && s.p[name] == '/';
    name += t->closes;
    if (name >= s.n || !is_letter(s.p[name]))
        return false;
    size_t i = name;
    while (i < s.n && !is_blank(s.p[i]) && s.p[i] != '/' && s.p[i] != '>')
        i++;
    t->name = (ph_str){s.p + name, i - name};
    for (; i < s.n && (quote || s.p[i] != '>'); i++) {
        char c = s.p[i];
        if (quote)
            quote = c == quote ? 0 : quote;
        else if (value && (c == '"' || c == '\''))
            quote = c;
        value = c == '=' || (value && is_blank(c));
    }
    t->end = i < s.n ? i + 1 : s.n;
    t->empty = i < s.n && s.p[i - 1] == '/';
    return true;
}

static phial_status open_element(nesting *nest, uint16_t name, phial_error *err)
{
    if (nest->n == nest->cap) {
        size_t cap = nest->cap ? 2 * nest->cap : 1024;
        uint16_t *more = ph_realloc(nest->open, cap, sizeof *more, err);
        if (!more)
            return PHIAL_ERR_NO_MEMORY;
        nest->open = more;
        nest->cap = cap;
    }
    nest->open[nest->n++] = name;
    nest->count[name]++;
    return PHIAL_OK;
}

/* *deep: the tag lies deeper than it may. */
static phial_status count(nesting *nest, const tag *t, bool *deep, phial_error *err)
{
    uint16_t name = number_of(t->name);
    phial_status st = PHIAL_OK;
    *deep = nest->n > PH_HTML_NESTING_MAX;
    if (is_one_of(t->name, uncounted, sizeof uncounted / sizeof uncounted[0]))
        return st;
    if (!t->closes) {
        /* Only drawings and formulas have elements that a slash ends. */
        if (t->empty && nest->count[nest->svg] + nest->count[nest->math] > 0)
            return st;
        st = open_element(nest, name, err);
        *deep = nest->n > PH_HTML_NESTING_MAX;
    } else if (nest->count[name] > 0) {
        uint16_t last;
        do {
            *deep = nest->n > PH_HTML_NESTING_MAX;
            last = nest->open[--nest->n];
            nest->count[last]--;
        } while (last != name);
    }
    return st;
}

/* Behind the text of an element whose contents are no markup. */
static size_t behind_raw(ph_str s, size_t at, ph_str name)
{
    char end[32];
    end[0] = '<';
    end[1] = '/';
    memcpy(end + 2, name.p, name.n);
    end[name.n + 2] = 0;
    return find(s, at, end);
}

phial_status ph_html_limit_depth(ph_str *html, ph_buf *room, phial_error *err)
{
    phial_status st = PHIAL_OK;
    ph_str s = *html;
    size_t kept = 0; /* what lies before is in room, or was taken out */
    nesting *nest = ph_alloc(1, sizeof *nest, err);
    if (!nest)
        return PHIAL_ERR_NO_MEMORY;
    nest->svg = number_of(ph_str_from("svg"));
    nest->math = number_of(ph_str_from("math"));
    for (size_t at = find(s, 0, "<"); at < s.n && st == PHIAL_OK; at = find(s, at, "<")) {
        tag t;
        bool deep = false;
        if (s.n - at >= 4 && memcmp(s.p + at, "<!--", 4) == 0) {
            at = find(s, at + 2, "-->");
            continue;
        }
        if (!read_tag(&t, s, at)) {
            at++;
            continue;
        }
        if (is_one_of(t.name, raw, sizeof raw / sizeof raw[0])) {
            /* Its tags stay, or what is in it would become text. */
            at = t.closes ? t.end : behind_raw(s, t.end, t.name);
            continue;
        }
        st = count(nest, &t, &deep, err);
        if (deep && st == PHIAL_OK) {
            ph_buf_add(room, s.p + kept, at - kept);
            ph_buf_add_byte(room, ' ');
            kept = t.end;
        }
        at = t.end;
    }
    if (st == PHIAL_OK && kept > 0) {
        ph_buf_add(room, s.p + kept, s.n - kept);
        st = ph_buf_status(room, err);
        *html = (ph_str){room->data, room->len};
    }
    ph_free(nest->open);
    ph_free(nest);
    return st;
}
