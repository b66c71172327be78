/* Reading a text that is XHTML. */
#ifndef PH_HELPER_XHTML_H
#define PH_HELPER_XHTML_H

#include "helper/html_walk.h"

/* Tells walk all elements. Errors: BAD_INPUT (it declares entities, nests too deep). */
phial_status ph_xhtml_read_text(ph_html_walk *walk, ph_str text, phial_error *err);

#endif
