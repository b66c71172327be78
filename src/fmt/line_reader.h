/* Lines of a text that comes in pieces, for the formats that are read line by line. */
#ifndef PH_FMT_LINE_READER_H
#define PH_FMT_LINE_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define PH_LINE_MAX (64u << 10) /* what is longer comes in pieces */

/* The next piece, whole characters of valid UTF-8 with "\n" at the ends of lines; *n = 0 at the
 * end. Borrowed until the next call. */
typedef phial_status (*ph_lines_source)(void *user, const char **p, size_t *n, phial_error *err);

typedef struct ph_line_reader {
    ph_lines_source source;
    void *user; /* borrowed */
    const char *p;
    size_t n;
    ph_buf line;
    bool ended;
} ph_line_reader;

void ph_lines_init(ph_line_reader *r, ph_lines_source source, void *user);
void ph_lines_free(ph_line_reader *r);

/* The next line with its "\n", which only the last one and the pieces of a long one lack; empty at
 * the end. Borrowed until the next call. */
phial_status ph_lines_next(ph_line_reader *r, ph_str *line, phial_error *err);

/* True if there is nothing but white space in it. */
bool ph_line_blank(ph_str line);

#endif
