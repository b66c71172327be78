/* What the formats that hold HTML share: reading a document whole, its charset, the way through
 * gumbo. */
#ifndef PH_HELPER_HTML_DOCUMENT_H
#define PH_HELPER_HTML_DOCUMENT_H

#include "base/buf.h"
#include "base/str.h"
#include "helper/html_walk.h"
#include "helper/text_input.h"

#define PH_HTML_BYTES_MAX ((size_t)64 << 20)

/* All of a descriptor, at most limit bytes. */
phial_status ph_document_read(ph_buf *out, int fd, size_t limit, phial_error *err);

/* The charset that markup claims to be in; "" if it does not say. */
void ph_html_said_charset(char out[64], ph_str text);

/* Markup as UTF-8. *input says which charset it was in; close it in any case. */
phial_status ph_html_load(ph_buf *out, ph_text_input **input, ph_buf *raw, phial_error *err);

/* Tells walk all elements of a text that is HTML. */
phial_status ph_html_read_text(ph_html_walk *walk, ph_str text, phial_error *err);

/* The whole of a document that is one text of markup: charset, text, what read makes of it. */
typedef phial_status (*ph_html_read_fn)(ph_html_walk *walk, ph_str text, phial_error *err);
phial_status ph_html_read_document(ph_helper *helper, ph_html_read_fn read, phial_error *err);

#endif
