/* Contract in extract_plain.h. */
#include "rag/extract_plain.h"

#include <string.h>

#include "base/utf8.h"
#include "fmt/text_blocks.h"

static bool is_code(const ph_format *format)
{
    return strcmp(format->name, "code") == 0;
}

bool ph_extract_plain_fits(const ph_format *format, ph_str text)
{
    size_t mark = 0;
    if (!is_code(format) && strcmp(format->name, "text") != 0)
        return false;
    if (ph_text_form_of((const uint8_t *)text.p, text.n, &mark) != PH_TEXT_BYTES || mark > 0)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (memchr("\0\r\x0e\x0f\x1b", text.p[i], 5))
            return false;
    }
    return ph_utf8_valid((const uint8_t *)text.p, text.n);
}

static phial_status give_once(void *user, const char **p, size_t *n, phial_error *err)
{
    ph_str *left = user;
    (void)err;
    *p = left->p;
    *n = left->n;
    left->n = 0;
    return PHIAL_OK;
}

static phial_status write_all(ph_doc_writer *out, const ph_format *format, ph_str text,
                              const char *name, phial_error *err)
{
    char ending[16];
    ph_line_reader lines;
    ph_flow flow;
    phial_status st = PHIAL_OK;
    ph_format_ending(ending, name);
    const char *language = is_code(format) ? ph_format_language(ph_str_from(ending)) : NULL;
    ph_flow_init(&flow, out);
    ph_lines_init(&lines, give_once, &text);
    if (language)
        st = ph_doc_write_info(out, "programming-language", ph_str_from(language), err);
    if (st == PHIAL_OK && is_code(format))
        st = ph_text_code(&flow, &lines, err);
    else if (st == PHIAL_OK)
        st = ph_text_paragraphs(&flow, &lines, err);
    if (st == PHIAL_OK)
        st = ph_doc_write_info(out, "charset", ph_str_from("UTF-8"), err);
    if (st == PHIAL_OK)
        st = ph_doc_write_end(out, err);
    ph_lines_free(&lines);
    ph_flow_free(&flow);
    return st;
}

phial_status ph_extract_plain(const ph_format *format, ph_str text, const char *name,
                              uint64_t max_text, uint32_t max_pages, ph_doc_reader *reader,
                              phial_error *err)
{
    ph_doc_writer out;
    phial_error own = {0};
    phial_status st = ph_doc_writer_init(&out, PH_DOC_IN_MEMORY, &own);
    out.max_text = max_text;
    out.max_pages = max_pages;
    if (st == PHIAL_OK)
        st = write_all(&out, format, text, name, &own);
    if (st != PHIAL_OK && st != PHIAL_ERR_NO_MEMORY)
        st = ph_doc_write_failed(&out, st, own.message);
    if (st == PHIAL_OK)
        st = ph_buf_status(&out.pending, &own);
    if (st != PHIAL_OK && err)
        *err = own;
    if (st == PHIAL_OK)
        st = ph_doc_reader_feed(reader, out.pending.data, out.pending.len, err);
    ph_doc_writer_free(&out);
    return st;
}
