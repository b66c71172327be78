/* XML, by expat, with what makes XML dangerous switched off: a document that declares entities is
 * refused, nothing outside is read, depth is limited. Names are handed over without their prefix.
 */
#ifndef PH_HELPER_XML_READER_H
#define PH_HELPER_XML_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define PH_XML_DEPTH_MAX 1024

/* attrs: name, value, name, value, ..., NULL. A function that is NULL is not called. */
typedef struct ph_xml_events {
    void *user;
    void (*start)(void *user, const char *name, const char *const *attrs);
    void (*end)(void *user, const char *name);
    void (*text)(void *user, const char *p, size_t n);
    /* A named reference that the document does not define, without "&" and ";". */
    void (*reference)(void *user, const char *name);
} ph_xml_events;

typedef struct ph_xml ph_xml;

/* charset: NULL: as the document says. events is copied. */
phial_status ph_xml_new(ph_xml **out, const ph_xml_events *events, const char *charset,
                        phial_error *err);
void ph_xml_free(ph_xml *xml);

/* The next n bytes; last: there are no more. Errors: BAD_INPUT (malformed; entities; too deep),
 * NO_MEMORY. */
phial_status ph_xml_feed(ph_xml *xml, const char *p, size_t n, bool last, phial_error *err);

/* True if the document cannot be read because it declares entities or nests too deep, not because
 * it is malformed. */
bool ph_xml_refused(const ph_xml *xml);

/* Value of an attribute by its name without prefix; NULL: none. */
const char *ph_xml_attr(const char *const *attrs, const char *name);

#endif
