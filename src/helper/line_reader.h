/* Lines of a text input, for the formats that are read line by line. */
#ifndef PH_HELPER_LINE_READER_H
#define PH_HELPER_LINE_READER_H

#include "helper/text_input.h"

#define PH_LINE_MAX (64u << 10) /* what is longer comes in pieces */

typedef struct ph_line_reader {
    ph_text_input *input; /* borrowed */
    const char *p;
    size_t n;
    ph_buf line;
    bool ended;
} ph_line_reader;

void ph_lines_init(ph_line_reader *r, ph_text_input *input);
void ph_lines_free(ph_line_reader *r);

/* The next line with its "\n", which only the last one and the pieces of a long one lack; empty at
 * the end. Borrowed until the next call. */
phial_status ph_lines_next(ph_line_reader *r, ph_str *line, phial_error *err);

/* True if there is nothing but white space in it. */
bool ph_line_blank(ph_str line);

#endif
