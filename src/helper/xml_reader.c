/* Contract in xml_reader.h. */
#include "helper/xml_reader.h"

#include <expat.h>
#include <limits.h>
#include <string.h>

#include "base/mem.h"

struct ph_xml {
    XML_Parser parser;
    ph_xml_events events;
    size_t depth;
    bool entities, too_deep;
};

static const char *local(const char *name)
{
    const char *colon = strchr(name, ':');
    return colon ? colon + 1 : name;
}

static void XMLCALL on_start(void *user, const XML_Char *name, const XML_Char **attrs)
{
    ph_xml *xml = user;
    if (++xml->depth > PH_XML_DEPTH_MAX) {
        xml->too_deep = true;
        XML_StopParser(xml->parser, XML_FALSE);
    } else if (xml->events.start) {
        xml->events.start(xml->events.user, local(name), (const char *const *)attrs);
    }
}

static void XMLCALL on_end(void *user, const XML_Char *name)
{
    ph_xml *xml = user;
    xml->depth--;
    if (xml->events.end)
        xml->events.end(xml->events.user, local(name));
}

static void XMLCALL on_text(void *user, const XML_Char *p, int n)
{
    ph_xml *xml = user;
    if (xml->events.text)
        xml->events.text(xml->events.user, p, (size_t)n);
}

static void XMLCALL on_skipped(void *user, const XML_Char *name, int is_parameter)
{
    ph_xml *xml = user;
    if (!is_parameter && xml->events.reference)
        xml->events.reference(xml->events.user, name);
}

static void XMLCALL on_entity(void *user, const XML_Char *name, int is_parameter,
                              const XML_Char *value, int n_value, const XML_Char *base,
                              const XML_Char *system_id, const XML_Char *public_id,
                              const XML_Char *notation)
{
    ph_xml *xml = user;
    (void)name, (void)is_parameter, (void)value, (void)n_value, (void)base;
    (void)system_id, (void)public_id, (void)notation;
    xml->entities = true;
    XML_StopParser(xml->parser, XML_FALSE);
}

phial_status ph_xml_new(ph_xml **out, const ph_xml_events *events, const char *charset,
                        phial_error *err)
{
    ph_xml *xml = ph_alloc(1, sizeof *xml, err);
    *out = NULL;
    if (!xml)
        return PHIAL_ERR_NO_MEMORY;
    xml->events = *events;
    xml->parser = XML_ParserCreate(charset);
    if (!xml->parser) {
        ph_free(xml);
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (XML)");
    }
    XML_SetUserData(xml->parser, xml);
    XML_SetElementHandler(xml->parser, on_start, on_end);
    XML_SetCharacterDataHandler(xml->parser, on_text);
    XML_SetSkippedEntityHandler(xml->parser, on_skipped);
    XML_SetEntityDeclHandler(xml->parser, on_entity);
    XML_SetParamEntityParsing(xml->parser, XML_PARAM_ENTITY_PARSING_NEVER);
    *out = xml;
    return PHIAL_OK;
}

void ph_xml_free(ph_xml *xml)
{
    if (!xml)
        return;
    XML_ParserFree(xml->parser);
    ph_free(xml);
}

bool ph_xml_refused(const ph_xml *xml)
{
    return xml->entities || xml->too_deep;
}

static phial_status explain(ph_xml *xml, phial_error *err)
{
    unsigned long line = XML_GetCurrentLineNumber(xml->parser);
    enum XML_Error code = XML_GetErrorCode(xml->parser);
    if (xml->entities)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "XML, line %lu: it declares entities, which are not expanded", line);
    if (xml->too_deep)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "XML, line %lu: nested deeper than %d", line,
                          PH_XML_DEPTH_MAX);
    if (code == XML_ERROR_NO_MEMORY)
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (XML)");
    return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "XML, line %lu: %s", line, XML_ErrorString(code));
}

phial_status ph_xml_feed(ph_xml *xml, const char *p, size_t n, bool last, phial_error *err)
{
    enum { STEP = 1 << 20 };
    do {
        size_t piece = n < STEP ? n : STEP;
        bool end = last && piece == n;
        if (XML_Parse(xml->parser, p, (int)piece, end) != XML_STATUS_OK)
            return explain(xml, err);
        p += piece;
        n -= piece;
    } while (n > 0);
    return PHIAL_OK;
}

const char *ph_xml_attr(const char *const *attrs, const char *name)
{
    for (; attrs && attrs[0]; attrs += 2) {
        if (strcmp(local(attrs[0]), name) == 0)
            return attrs[1];
    }
    return NULL;
}
