/* DOCX: a ZIP archive with the text in word/document.xml. Styles and properties are read first,
 * then the text as it is unpacked, then the notes. */
#include <string.h>

#include "base/utf8.h"
#include "helper/docx_body.h"
#include "helper/formats.h"
#include "helper/unzip.h"

#define PART_MAX ((size_t)32 << 20) /* bytes of styles or properties */

/* --- properties --- */

typedef struct properties {
    const char *key; /* of the element that is open; NULL */
    ph_buf value;
    ph_doc_writer *out;
    bool titled;
    phial_status status;
    phial_error *err;
} properties;

static void property_start(void *user, const char *name, const char *const *attrs)
{
    properties *p = user;
    (void)attrs;
    p->key = strcmp(name, "title") == 0      ? "title"
             : strcmp(name, "creator") == 0  ? "author"
             : strcmp(name, "language") == 0 ? "language"
                                             : NULL;
    ph_buf_clear(&p->value);
}

static void property_text(void *user, const char *text, size_t n)
{
    properties *p = user;
    if (p->key && p->value.len < PH_DOC_INFO_LIMIT / 2)
        ph_buf_add(&p->value, text, ph_utf8_cut(text, n, PH_DOC_INFO_LIMIT / 2 - p->value.len));
}

static void property_end(void *user, const char *name)
{
    properties *p = user;
    (void)name;
    if (p->key && p->value.len > 0 && p->status == PHIAL_OK) {
        p->titled = p->titled || strcmp(p->key, "title") == 0;
        p->status =
            ph_doc_write_info(p->out, p->key, (ph_str){p->value.data, p->value.len}, p->err);
    }
    p->key = NULL;
}

static phial_status read_properties(properties *p, ph_str xml, phial_error *err)
{
    const ph_xml_events events = {p, property_start, property_end, property_text, NULL};
    ph_xml *parser = NULL;
    phial_status status = ph_xml_new(&parser, &events, NULL, err);
    if (status == PHIAL_OK)
        status = ph_xml_feed(parser, xml.p, xml.n, true, err);
    ph_xml_free(parser);
    return status == PHIAL_OK ? p->status : status;
}

/* --- parts that are streamed --- */

typedef struct part {
    const char *name;
    ph_docx_body body;
    ph_xml *xml;
    bool found;
} part;

static bool is_part(void *user, const char *name)
{
    const part *p = user;
    return !p->found && strcmp(p->name, name) == 0;
}

static phial_status feed_part(void *user, const char *name, const char *bytes, size_t n,
                              phial_error *err)
{
    part *p = user;
    p->found = true;
    phial_status status = ph_xml_feed(p->xml, bytes, n, n == 0, err);
    if (status != PHIAL_OK)
        return ph_err_context(err, status, "%s", name);
    if (p->body.flow->status != PHIAL_OK)
        return ph_err_set(err, p->body.flow->status, "%s", p->body.flow->err.message);
    return PHIAL_OK;
}

static phial_status read_part(ph_unzip *zip, const char *name, ph_flow *flow,
                              const ph_docx_styles *styles, bool *found, phial_error *err)
{
    part p = {.name = name};
    const ph_unzip_visitor visitor = {&p, is_part, feed_part};
    ph_docx_body_init(&p.body, flow, styles);
    const ph_xml_events events = ph_docx_body_events(&p.body);
    phial_status status = ph_xml_new(&p.xml, &events, NULL, err);
    if (status == PHIAL_OK)
        status = ph_unzip_walk(zip, &visitor, err);
    ph_xml_free(p.xml);
    *found = p.found;
    return status;
}

/* --- the whole --- */

static phial_status read_small_parts(ph_unzip *zip, ph_docx_styles *styles, properties *props,
                                     phial_error *err)
{
    ph_buf xml;
    bool found;
    ph_buf_init(&xml, 0);
    phial_status status = ph_unzip_member(zip, "word/styles.xml", &xml, PART_MAX, &found, err);
    if (status == PHIAL_OK && found)
        status = ph_docx_styles_read(styles, (ph_str){xml.data ? xml.data : "", xml.len}, err);
    ph_buf_clear(&xml);
    if (status == PHIAL_OK)
        status = ph_unzip_member(zip, "docProps/core.xml", &xml, PART_MAX, &found, err);
    if (status == PHIAL_OK && found)
        status = read_properties(props, (ph_str){xml.data ? xml.data : "", xml.len}, err);
    ph_buf_free(&xml);
    return status;
}

static phial_status read_text(ph_unzip *zip, ph_flow *flow, const ph_docx_styles *styles,
                              phial_error *err)
{
    static const char *const parts[] = {"word/document.xml", "word/footnotes.xml",
                                        "word/endnotes.xml"};
    phial_status status = PHIAL_OK;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && status == PHIAL_OK; i++) {
        bool found;
        status = read_part(zip, parts[i], flow, styles, &found, err);
        ph_flow_end(flow);
        if (status == PHIAL_OK && i == 0 && !found)
            status = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "no DOCX document: there is no %s in it",
                                parts[i]);
    }
    return status;
}

phial_status ph_format_docx_read(ph_helper *helper, phial_error *err)
{
    ph_unzip zip;
    ph_docx_styles styles;
    ph_flow flow;
    properties props = {.out = &helper->out, .err = err};
    ph_docx_styles_init(&styles);
    ph_flow_init(&flow, &helper->out);
    ph_buf_init(&props.value, 0);
    phial_status status = ph_unzip_init(&zip, helper->doc, err);
    if (status == PHIAL_OK)
        status = read_small_parts(&zip, &styles, &props, err);
    if (status == PHIAL_OK)
        status = read_text(&zip, &flow, &styles, err);
    if (status == PHIAL_OK)
        status = ph_flow_finish(&flow, err);
    if (status == PHIAL_OK && !props.titled && flow.heading.len > 0)
        status = ph_doc_write_info(&helper->out, "title",
                                   (ph_str){flow.heading.data, flow.heading.len}, err);
    ph_buf_free(&props.value);
    ph_flow_free(&flow);
    ph_docx_styles_free(&styles);
    return status;
}
