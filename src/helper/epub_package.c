/* Contract in epub_package.h. */
#include "helper/epub_package.h"

#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "helper/xml_reader.h"

enum { ARENA_MAX = 32 << 20, TEXT_MAX = 4096, PATH_MAX_BYTES = 1024 };

typedef struct reader {
    ph_epub_package *package;
    const char *base;     /* folder of the package with "/" behind it, or "" */
    const char *rootfile; /* of the container */
    const char **wanted;  /* where the open element's text goes */
    ph_buf text;
    phial_status status;
    phial_error *err;
} reader;

void ph_epub_package_init(ph_epub_package *package)
{
    *package = (ph_epub_package){.n_items = 0};
    ph_arena_init(&package->arena, ARENA_MAX);
}

void ph_epub_package_free(ph_epub_package *package)
{
    for (size_t i = 0; i < package->n_items; i++)
        ph_buf_free(&package->items[i].text);
    ph_free(package->items);
    ph_free(package->spine);
    ph_arena_free(&package->arena);
}

static const char *keep(reader *r, const char *s, size_t n)
{
    char *copy = r->status == PHIAL_OK ? ph_arena_strndup(&r->package->arena, s, n, r->err) : NULL;
    if (!copy && r->status == PHIAL_OK)
        r->status = r->err ? r->err->status : PHIAL_ERR_NO_MEMORY;
    return copy;
}

static phial_status parse(reader *r, const ph_xml_events *events, ph_str xml)
{
    ph_xml *parser = NULL;
    phial_status status = ph_xml_new(&parser, events, NULL, r->err);
    if (status == PHIAL_OK)
        status = ph_xml_feed(parser, xml.p, xml.n, true, r->err);
    ph_xml_free(parser);
    return status == PHIAL_OK ? r->status : status;
}

/* --- container.xml --- */

static void container_start(void *user, const char *name, const char *const *attrs)
{
    reader *r = user;
    const char *path = ph_xml_attr(attrs, "full-path");
    if (strcmp(name, "rootfile") == 0 && path && !r->rootfile)
        r->rootfile = keep(r, path, strlen(path));
}

phial_status ph_epub_read_container(ph_epub_package *package, const char **path, ph_str xml,
                                    phial_error *err)
{
    reader r = {.package = package, .err = err};
    const ph_xml_events events = {&r, container_start, NULL, NULL, NULL};
    phial_status status = parse(&r, &events, xml);
    if (status == PHIAL_OK && !r.rootfile)
        status = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "META-INF/container.xml names no package");
    *path = status == PHIAL_OK ? r.rootfile : NULL;
    return status;
}

/* --- the package --- */

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* A reference to a file, relative to the package, as a path from the root: "%20" decoded, "..",
 * "." and what follows "#" taken out. NULL: too long, or leads out of the archive. */
static const char *resolve(reader *r, const char *href)
{
    char raw[PATH_MAX_BYTES], out[PATH_MAX_BYTES];
    size_t n = strlen(r->base), len = 0;
    if (n >= sizeof raw)
        return NULL;
    memcpy(raw, r->base, n);
    for (const char *p = href; *p && *p != '#'; p++) {
        bool coded = *p == '%' && hex(p[1]) >= 0 && hex(p[2]) >= 0;
        if (n + 1 >= sizeof raw)
            return NULL;
        raw[n++] = coded ? (char)(hex(p[1]) * 16 + hex(p[2])) : *p;
        p += coded ? 2 : 0;
    }
    raw[n] = '\0';
    for (const char *p = raw; *p;) {
        size_t part = strcspn(p, "/");
        if (part == 2 && memcmp(p, "..", 2) == 0) {
            if (len == 0)
                return NULL;
            while (len > 0 && out[--len] != '/')
                ;
        } else if (part > 0 && !(part == 1 && *p == '.')) {
            out[len] = '/';
            len += len > 0;
            memcpy(out + len, p, part);
            len += part;
        }
        p += part + (p[part] == '/');
    }
    return len > 0 ? keep(r, out, len) : NULL;
}

static phial_status grow(void **items, size_t n, size_t *cap, size_t size, phial_error *err)
{
    if (n < *cap)
        return PHIAL_OK;
    size_t more = *cap ? 2 * *cap : 64;
    void *grown = ph_realloc(*items, more, size, err);
    if (!grown)
        return PHIAL_ERR_NO_MEMORY;
    *items = grown;
    *cap = more;
    return PHIAL_OK;
}

static void add_item(reader *r, const char *const *attrs)
{
    ph_epub_package *p = r->package;
    const char *id = ph_xml_attr(attrs, "id"), *href = ph_xml_attr(attrs, "href");
    const char *type = ph_xml_attr(attrs, "media-type");
    if (!id || !href)
        return;
    if (p->n_items >= PH_EPUB_ITEMS_MAX) {
        r->status = ph_err_set(r->err, PHIAL_ERR_LIMIT, "more than %u files in its manifest",
                               PH_EPUB_ITEMS_MAX);
        return;
    }
    void *items = p->items;
    r->status = grow(&items, p->n_items, &p->cap_items, sizeof *p->items, r->err);
    p->items = items;
    const char *path = r->status == PHIAL_OK ? resolve(r, href) : NULL;
    const char *own = path ? keep(r, id, strlen(id)) : NULL;
    if (!own)
        return;
    ph_epub_item *item = &p->items[p->n_items++];
    *item = (ph_epub_item){.id = own, .path = path};
    ph_buf_init(&item->text, 0);
    item->markup =
        type && (strcasestr(type, "html") || strcasecmp(type, "text/x-oeb1-document") == 0);
}

static void add_to_spine(reader *r, const char *id)
{
    ph_epub_package *p = r->package;
    size_t i = 0;
    while (i < p->n_items && strcmp(p->items[i].id, id) != 0)
        i++;
    p->n_unknown += i == p->n_items;
    if (i == p->n_items || p->items[i].in_spine || !p->items[i].markup)
        return;
    if (p->n_spine >= PH_EPUB_SPINE_MAX) {
        r->status = ph_err_set(r->err, PHIAL_ERR_LIMIT, "more than %u chapters", PH_EPUB_SPINE_MAX);
        return;
    }
    void *spine = p->spine;
    r->status = grow(&spine, p->n_spine, &p->cap_spine, sizeof *p->spine, r->err);
    p->spine = spine;
    if (r->status == PHIAL_OK) {
        p->items[i].in_spine = true;
        p->spine[p->n_spine++] = (uint32_t)i;
    }
}

static void package_start(void *user, const char *name, const char *const *attrs)
{
    reader *r = user;
    ph_epub_package *p = r->package;
    const char *id = ph_xml_attr(attrs, "idref");
    if (r->status != PHIAL_OK)
        return;
    ph_buf_clear(&r->text);
    r->wanted = strcmp(name, "title") == 0      ? &p->title
                : strcmp(name, "creator") == 0  ? &p->author
                : strcmp(name, "language") == 0 ? &p->language
                                                : NULL;
    if (strcmp(name, "item") == 0)
        add_item(r, attrs);
    else if (strcmp(name, "itemref") == 0 && id)
        add_to_spine(r, id);
}

static void package_text(void *user, const char *text, size_t n)
{
    reader *r = user;
    if (r->wanted && r->text.len < TEXT_MAX)
        ph_buf_add(&r->text, text, ph_utf8_cut(text, n, TEXT_MAX - r->text.len));
}

static void package_end(void *user, const char *name)
{
    reader *r = user;
    (void)name;
    if (r->wanted && !*r->wanted && r->text.len > 0)
        *r->wanted = keep(r, r->text.data, r->text.len);
    r->wanted = NULL;
}

phial_status ph_epub_read_package(ph_epub_package *package, const char *path, ph_str xml,
                                  phial_error *err)
{
    reader r = {.package = package, .err = err};
    const ph_xml_events events = {&r, package_start, package_end, package_text, NULL};
    const char *slash = strrchr(path, '/');
    ph_buf_init(&r.text, 0);
    r.base = keep(&r, path, slash ? (size_t)(slash + 1 - path) : 0);
    phial_status status = r.status;
    if (status == PHIAL_OK)
        status = parse(&r, &events, xml);
    ph_buf_free(&r.text);
    if (status == PHIAL_OK && package->n_spine == 0)
        status = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s lists no chapters", path);
    return status;
}
