/* XHTML: XML where it is well-formed, because HTML's rules read "<title/>" as a title that never
 * ends; otherwise what HTML makes of it. Also the chapters of EPUB. */
#include <string.h>

#include "helper/entity.h"
#include "helper/formats.h"
#include "helper/html_document.h"
#include "helper/xhtml.h"
#include "helper/xml_reader.h"

typedef struct reader {
    ph_html_walk *walk; /* NULL: only look whether it is well-formed */
    ph_buf reference;
} reader;

static const char *attribute(const void *element, const char *name)
{
    const char *colon = strchr(name, ':');
    return ph_xml_attr(element, colon ? colon + 1 : name);
}

static void on_start(void *user, const char *name, const char *const *attrs)
{
    reader *r = user;
    ph_html_start(r->walk, name, attribute, attrs);
}

static void on_end(void *user, const char *name)
{
    ph_html_end(((reader *)user)->walk, name);
}

static void on_text(void *user, const char *p, size_t n)
{
    ph_html_text(((reader *)user)->walk, p, n);
}

static void on_reference(void *user, const char *name)
{
    reader *r = user;
    ph_buf text;
    ph_buf_init(&text, 0);
    ph_buf_addf(&text, "&%s;", name);
    ph_buf_clear(&r->reference);
    if (!text.failed)
        ph_entity_add(&r->reference, (ph_str){text.data, text.len});
    if (r->reference.data)
        ph_html_text(r->walk, r->reference.data, r->reference.len);
    ph_buf_free(&text);
}

static phial_status parse(reader *r, ph_str text, bool *refused, phial_error *err)
{
    ph_xml_events events = {r, NULL, NULL, NULL, NULL};
    ph_xml *xml = NULL;
    if (r->walk)
        events = (ph_xml_events){r, on_start, on_end, on_text, on_reference};
    phial_status status = ph_xml_new(&xml, &events, "UTF-8", err);
    if (status == PHIAL_OK)
        status = ph_xml_feed(xml, text.p, text.n, true, err);
    *refused = xml && ph_xml_refused(xml);
    ph_xml_free(xml);
    return status;
}

phial_status ph_xhtml_read_text(ph_html_walk *walk, ph_str text, phial_error *err)
{
    reader r = {.walk = NULL};
    bool refused;
    phial_error why = {0};
    phial_status status = parse(&r, text, &refused, &why);
    if (status != PHIAL_OK && (refused || status != PHIAL_ERR_BAD_INPUT))
        return ph_err_set(err, status, "%s", why.message);
    if (status != PHIAL_OK)
        return ph_html_read_text(walk, text, err);
    r.walk = walk;
    ph_buf_init(&r.reference, 0);
    status = parse(&r, text, &refused, err);
    ph_buf_free(&r.reference);
    return status;
}

phial_status ph_format_xhtml_read(ph_helper *helper, phial_error *err)
{
    return ph_html_read_document(helper, ph_xhtml_read_text, err);
}
