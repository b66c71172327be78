/* From the elements of an HTML document, told one after the other, to blocks: headings, paragraphs,
 * lists, quotes, tables row by row, preformatted text. Scripts, styles, navigation and what is
 * hidden are left out. The elements come from gumbo (format_html.c) or from expat (format_xhtml.c,
 * format_epub.c). */
#ifndef PH_HELPER_HTML_WALK_H
#define PH_HELPER_HTML_WALK_H

#include "base/buf.h"
#include "base/str.h"
#include "fmt/flow.h"

#define PH_HTML_DEPTH_MAX 2048 /* elements deeper than this count as part of their parent */

typedef struct ph_html_frame {
    uint8_t kind, level; /* of the blocks in it */
    uint8_t flags;
    uint8_t lists; /* how many lists are around it */
} ph_html_frame;

typedef struct ph_html_walk {
    ph_flow *flow; /* borrowed */
    ph_html_frame *frames;
    size_t n_frames, cap_frames;
    size_t too_deep; /* elements beyond PH_HTML_DEPTH_MAX that are open */
    bool in_title;
    bool row_open;    /* a row has had its first cell */
    bool newline_due; /* a new line right behind <pre> is not text */
    ph_buf title;
    char language[36];
} ph_html_walk;

/* Value of an attribute, or NULL. */
typedef const char *(*ph_html_attr_fn)(const void *element, const char *name);

void ph_html_walk_init(ph_html_walk *walk, ph_flow *flow);
void ph_html_walk_free(ph_html_walk *walk);

void ph_html_start(ph_html_walk *walk, const char *tag, ph_html_attr_fn attr, const void *element);
void ph_html_text(ph_html_walk *walk, const char *p, size_t n);
void ph_html_end(ph_html_walk *walk, const char *tag);

/* The document's title with single blanks; empty: it has none. Borrowed from walk. */
ph_str ph_html_title(ph_html_walk *walk);

/* Info "title" and "language", where there are any. The first heading stands in for a title. */
phial_status ph_html_report(ph_html_walk *walk, ph_doc_writer *out, phial_error *err);

#endif
