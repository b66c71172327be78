/* Character references of HTML and Markdown: "&nbsp;", "&#8212;", "&#x2014;". */
#ifndef PH_HELPER_ENTITY_H
#define PH_HELPER_ENTITY_H

#include "base/buf.h"
#include "base/str.h"

/* Appends what the reference (with its "&" and ";") stands for, or the reference itself where it
 * stands for nothing. */
void ph_entity_add(ph_buf *out, ph_str reference);

#endif
