/* The paragraph styles of a DOCX document (word/styles.xml): which are headings, code, quotes. */
#ifndef PH_HELPER_DOCX_STYLES_H
#define PH_HELPER_DOCX_STYLES_H

#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/str.h"
#include "fmt/doc.h"

#define PH_DOCX_STYLES_MAX 10000u

typedef struct ph_docx_style {
    const char *id, *name, *based_on; /* in the arena; id is "", others may be NULL */
    int outline;                      /* 0 .. 8; -1: none, 9: text */
    size_t at;                        /* in the file */
} ph_docx_style;

typedef struct ph_docx_styles {
    ph_arena arena;
    ph_docx_style *styles; /* owned; by id once they are read */
    size_t n, cap;
} ph_docx_styles;

void ph_docx_styles_init(ph_docx_styles *styles);
void ph_docx_styles_free(ph_docx_styles *styles);

/* Reads styles.xml. Errors: as ph_xml_feed(); LIMIT. */
phial_status ph_docx_styles_read(ph_docx_styles *styles, ph_str xml, phial_error *err);

typedef struct ph_docx_look {
    ph_block_kind kind; /* PARAGRAPH, HEADING, CODE, QUOTE, CAPTION, LIST_ITEM */
    unsigned level;     /* of a heading */
} ph_docx_look;

/* What a paragraph of that style is; id may be NULL. */
ph_docx_look ph_docx_look_of(const ph_docx_styles *styles, const char *id);

#endif
