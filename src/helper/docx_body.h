/* The text of a DOCX document: word/document.xml and the notes beside it, as it is fed, to blocks.
 *
 * Paragraphs by their style, items of lists, tables row by row, footnotes behind the text with
 * their marks in it; what tracked changes have deleted or moved away, hidden text and field codes
 * are left out. Source: ECMA-376 part 1, 17.3, 17.4, 17.11, 17.13. */
#ifndef PH_HELPER_DOCX_BODY_H
#define PH_HELPER_DOCX_BODY_H

#include <stdbool.h>
#include <stddef.h>

#include "fmt/flow.h"
#include "helper/docx_styles.h"
#include "helper/xml_reader.h"

typedef struct ph_docx_body {
    ph_flow *flow;                /* borrowed */
    const ph_docx_styles *styles; /* borrowed */
    unsigned skip;                /* elements that hold nothing to read and are open */
    unsigned rows;                /* rows that are open */
    unsigned cells;               /* of the row so far */
    bool row_text;                /* a block of the row is open */
    bool in_properties, in_run, hidden_run, in_text;
    bool begun; /* the paragraph has a block */
    bool is_item;
    unsigned item_level;
    int outline; /* of the paragraph itself; -1: none */
    ph_docx_look look;
    bool in_code;  /* the block before is code, which the next paragraph may go on with */
    char note[24]; /* mark of the note that begins; "" */
} ph_docx_body;

void ph_docx_body_init(ph_docx_body *body, ph_flow *flow, const ph_docx_styles *styles);
/* For ph_xml_new(). */
ph_xml_events ph_docx_body_events(ph_docx_body *body);

#endif
