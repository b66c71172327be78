/* Numbered passages as a request; the form is told in passages.h. */
#include "tok/passages.h"

static bool add_line(ph_buf *out, ph_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        bool line_break = s.p[i] == '\n' || s.p[i] == '\r';
        ph_buf_add_byte(out, line_break ? ' ' : (uint8_t)s.p[i]);
    }
    return !out->failed;
}

bool ph_passages_add_request(ph_buf *out, const ph_str *passages, size_t n, ph_str question)
{
    ph_buf_add_str(out, PH_PASSAGES_INSTRUCTION);
    for (size_t i = 0; i < n; i++) {
        ph_buf_addf(out, "\n[%zu] ", i + 1);
        add_line(out, passages[i]);
    }
    ph_buf_add_str(out, "\n" PH_PASSAGES_QUESTION);
    return add_line(out, question);
}
