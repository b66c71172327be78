/* Source code: the text is the file's; a block goes as far as one would read it as one thing, that
 * is to an empty line before a line that is not indented, or, where that is too far, to an empty
 * line or the end of a line. */
#include <string.h>

#include "helper/flow.h"
#include "helper/formats.h"
#include "helper/line_reader.h"
#include "rag/extract_format.h"

enum { LONG_BLOCK = 4 << 10, LONGEST_BLOCK = 16 << 10 };

static void put_code(ph_flow *flow, ph_buf *text)
{
    ph_flow_exact(flow, PH_BLOCK_CODE, 0, (ph_str){text->data ? text->data : "", text->len});
    ph_buf_clear(text);
}

static phial_status read_blocks(ph_flow *flow, ph_line_reader *lines, ph_buf *text,
                                phial_error *err)
{
    bool gap = false;
    ph_str line;
    for (;;) {
        phial_status status = ph_lines_next(lines, &line, err);
        if (status != PHIAL_OK || line.n == 0)
            return status;
        bool blank = ph_line_blank(line);
        /* A closing bracket at the margin belongs to what it closes. */
        bool outer = !blank && !strchr(" \t)}]", line.p[0]);
        if (text->len > LONGEST_BLOCK ||
            (text->len > 0 && !blank && gap && (outer || text->len > LONG_BLOCK)))
            put_code(flow, text);
        ph_buf_add(text, line.p, line.n);
        gap = blank;
        if (text->failed)
            return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (a block of code)");
        if (flow->status != PHIAL_OK)
            return PHIAL_OK;
    }
}

phial_status ph_format_code_read(ph_helper *helper, phial_error *err)
{
    ph_text_input *input = NULL;
    ph_line_reader lines;
    ph_flow flow;
    ph_buf text;
    const char *language = ph_format_language(ph_str_from(helper->ending));
    ph_flow_init(&flow, &helper->out);
    ph_buf_init(&text, 0);
    phial_status status = ph_text_open(&input, helper->doc, err);
    ph_lines_init(&lines, input);
    if (status == PHIAL_OK && language)
        status =
            ph_doc_write_info(&helper->out, "programming-language", ph_str_from(language), err);
    if (status == PHIAL_OK)
        status = read_blocks(&flow, &lines, &text, err);
    if (status == PHIAL_OK)
        put_code(&flow, &text);
    if (status == PHIAL_OK)
        status = ph_flow_finish(&flow, err);
    if (status == PHIAL_OK)
        status = ph_text_report(input, &helper->out, err);
    ph_lines_free(&lines);
    ph_text_close(input);
    ph_buf_free(&text);
    ph_flow_free(&flow);
    return status;
}
