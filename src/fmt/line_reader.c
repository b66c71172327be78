/* Contract in line_reader.h. */
#include "fmt/line_reader.h"

#include <string.h>

#include "base/utf8.h"

void ph_lines_init(ph_line_reader *r, ph_lines_source source, void *user)
{
    *r = (ph_line_reader){.source = source, .user = user};
    ph_buf_init(&r->line, 0);
}

void ph_lines_free(ph_line_reader *r)
{
    ph_buf_free(&r->line);
}

phial_status ph_lines_next(ph_line_reader *r, ph_str *line, phial_error *err)
{
    ph_buf_clear(&r->line);
    *line = (ph_str){"", 0};
    for (;;) {
        if (r->n == 0 && !r->ended) {
            phial_status status = r->source(r->user, &r->p, &r->n, err);
            if (status != PHIAL_OK)
                return status;
            r->ended = r->n == 0;
        }
        const char *newline = r->n ? memchr(r->p, '\n', r->n) : NULL;
        size_t take = newline ? (size_t)(newline + 1 - r->p) : r->n;
        size_t room = PH_LINE_MAX - r->line.len;
        bool cut = take > room;
        if (cut)
            take = ph_utf8_cut(r->p, take, room);
        ph_buf_add(&r->line, r->p, take);
        r->p += take;
        r->n -= take;
        if (r->line.failed)
            return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (a line)");
        if (newline || cut || r->ended)
            break;
    }
    *line = (ph_str){r->line.data ? r->line.data : "", r->line.len};
    return PHIAL_OK;
}

bool ph_line_blank(ph_str line)
{
    for (size_t i = 0; i < line.n; i++) {
        if (!strchr(" \t\n\f\v", line.p[i]) || line.p[i] == '\0')
            return false;
    }
    return true;
}
