/* Contract in docx_styles.h. Source: ECMA-376 part 1, 17.7. */
#include "helper/docx_styles.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "helper/xml_reader.h"

enum { BASED_ON_MAX = 16, ARENA_MAX = 16 << 20 };

typedef struct reader {
    ph_docx_styles *styles;
    bool in_style; /* of paragraphs */
    phial_status status;
    phial_error *err;
} reader;

void ph_docx_styles_init(ph_docx_styles *styles)
{
    *styles = (ph_docx_styles){.n = 0};
    ph_arena_init(&styles->arena, ARENA_MAX);
}

void ph_docx_styles_free(ph_docx_styles *styles)
{
    ph_arena_free(&styles->arena);
    ph_free(styles->styles);
}

static const char *keep(reader *r, const char *s)
{
    if (!s || r->status != PHIAL_OK)
        return NULL;
    char *copy = ph_arena_strndup(&r->styles->arena, s, strlen(s), r->err);
    if (!copy)
        r->status = PHIAL_ERR_NO_MEMORY;
    return copy;
}

static void add_style(reader *r, const char *id)
{
    ph_docx_styles *s = r->styles;
    if (s->n >= PH_DOCX_STYLES_MAX) {
        r->status = ph_err_set(r->err, PHIAL_ERR_LIMIT, "more than %u styles", PH_DOCX_STYLES_MAX);
        return;
    }
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        ph_docx_style *grown = ph_realloc(s->styles, cap, sizeof *grown, r->err);
        if (!grown) {
            r->status = PHIAL_ERR_NO_MEMORY;
            return;
        }
        s->styles = grown;
        s->cap = cap;
    }
    const char *own = keep(r, id ? id : "");
    if (own)
        s->styles[s->n] = (ph_docx_style){own, NULL, NULL, -1, s->n};
    s->n += own != NULL;
}

static void on_start(void *user, const char *name, const char *const *attrs)
{
    reader *r = user;
    const char *value = ph_xml_attr(attrs, "val");
    if (r->status != PHIAL_OK)
        return;
    if (strcmp(name, "style") == 0) {
        const char *type = ph_xml_attr(attrs, "type");
        size_t before = r->styles->n;
        if (type && strcmp(type, "paragraph") == 0)
            add_style(r, ph_xml_attr(attrs, "styleId"));
        r->in_style = r->styles->n > before;
    } else if (r->in_style) {
        ph_docx_style *style = &r->styles->styles[r->styles->n - 1];
        if (strcmp(name, "name") == 0)
            style->name = keep(r, value);
        else if (strcmp(name, "basedOn") == 0)
            style->based_on = keep(r, value);
        else if (strcmp(name, "outlineLvl") == 0 && value && value[0] >= '0' && value[0] <= '9' &&
                 value[1] == '\0')
            style->outline = value[0] - '0';
    }
}

static void on_end(void *user, const char *name)
{
    reader *r = user;
    if (strcmp(name, "style") == 0)
        r->in_style = false;
}

/* Of styles with one id the first in the file comes first. */
static int by_id(const void *a, const void *b)
{
    const ph_docx_style *x = a, *y = b;
    int order = strcmp(x->id, y->id);
    return order != 0 ? order : (x->at > y->at) - (x->at < y->at);
}

phial_status ph_docx_styles_read(ph_docx_styles *styles, ph_str xml, phial_error *err)
{
    reader r = {.styles = styles, .err = err};
    const ph_xml_events events = {&r, on_start, on_end, NULL, NULL};
    ph_xml *parser = NULL;
    phial_status status = ph_xml_new(&parser, &events, NULL, err);
    if (status == PHIAL_OK)
        status = ph_xml_feed(parser, xml.p, xml.n, true, err);
    ph_xml_free(parser);
    if (styles->n > 1)
        qsort(styles->styles, styles->n, sizeof *styles->styles, by_id);
    return status == PHIAL_OK ? r.status : status;
}

static const ph_docx_style *find(const ph_docx_styles *styles, const char *id)
{
    size_t low = 0, high = id ? styles->n : 0;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(styles->styles[mid].id, id) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    bool there = id && low < styles->n && strcmp(styles->styles[low].id, id) == 0;
    return there ? &styles->styles[low] : NULL;
}

/* "heading 2", "Heading2", "Head A", "HeadA": 2. 0: no such name. */
static unsigned heading_level(const char *name)
{
    if (strncasecmp(name, "head", 4) != 0)
        return 0;
    name += strncasecmp(name, "heading", 7) == 0 ? 7 : 4;
    name += *name == ' ';
    unsigned level = 0;
    if (*name >= '1' && *name <= '9')
        level = (unsigned)(*name - '0');
    else if (*name >= 'A' && *name <= 'F')
        level = (unsigned)(*name - 'A') + 2; /* below the chapter's title */
    return level > 0 && (name[1] == '\0' || name[1] == ' ') ? level > 6 ? 6 : level : 0;
}

/* By the style's name. Word writes the names of its own styles in English in every language. */
static bool named_look(const char *name, ph_docx_look *look)
{
    static const struct {
        const char *part;
        ph_docx_look look;
    } parts[] = {
        {"caption", {PH_BLOCK_CAPTION, 0}},   {"subtitle", {PH_BLOCK_HEADING, 2}},
        {"box title", {PH_BLOCK_HEADING, 4}}, {"boxtitle", {PH_BLOCK_HEADING, 4}},
        {"title", {PH_BLOCK_HEADING, 1}},     {"code", {PH_BLOCK_CODE, 0}},
        {"listing", {PH_BLOCK_CODE, 0}},      {"preformatted", {PH_BLOCK_CODE, 0}},
        {"source text", {PH_BLOCK_CODE, 0}},  {"quot", {PH_BLOCK_QUOTE, 1}},
        {"block text", {PH_BLOCK_QUOTE, 1}},  {"list", {PH_BLOCK_LIST_ITEM, 1}},
    };
    unsigned level = heading_level(name);
    if (level > 0) {
        *look = (ph_docx_look){PH_BLOCK_HEADING, level};
        return true;
    }
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (strcasestr(name, parts[i].part)) {
            *look = parts[i].look;
            return true;
        }
    }
    return false;
}

ph_docx_look ph_docx_look_of(const ph_docx_styles *styles, const char *id)
{
    ph_docx_look look = {PH_BLOCK_PARAGRAPH, 0};
    const ph_docx_style *style = find(styles, id);
    /* Without a styles.xml, the ids that Word uses are names without blanks. */
    if (!style && id && heading_level(id) > 0)
        return (ph_docx_look){PH_BLOCK_HEADING, heading_level(id)};
    for (int i = 0; style && i < BASED_ON_MAX; i++) {
        if (style->outline >= 0 && style->outline < 9)
            return (ph_docx_look){PH_BLOCK_HEADING,
                                  style->outline > 5 ? 6 : (unsigned)style->outline + 1};
        if (style->name && named_look(style->name, &look))
            return look;
        style = find(styles, style->based_on);
    }
    return look;
}
