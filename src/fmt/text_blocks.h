/* Lines of plain text and of source code, as blocks. The text of the pages is the text of the file.
 *
 * Plain text: paragraphs end at empty lines. A line of its own that is underlined with "===" or the
 * like, or that says "Chapter 3", is a heading.
 * Source code: a block goes as far as one would read it as one thing, that is to an empty line
 * before a line that is not indented, or, where that is too far, to an empty line or the end of a
 * line.
 */
#ifndef PH_FMT_TEXT_BLOCKS_H
#define PH_FMT_TEXT_BLOCKS_H

#include "fmt/flow.h"
#include "fmt/line_reader.h"

/* All lines; ends block and page. */
phial_status ph_text_paragraphs(ph_flow *flow, ph_line_reader *lines, phial_error *err);
phial_status ph_text_code(ph_flow *flow, ph_line_reader *lines, phial_error *err);

#endif
