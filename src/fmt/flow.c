/* Contract in flow.h. */
#include "fmt/flow.h"

#include <string.h>

#include "base/utf8.h"

void ph_flow_init(ph_flow *flow, ph_doc_writer *out)
{
    *flow = (ph_flow){.out = out, .page_max = PH_DOC_PAGE_MAX};
    ph_buf_init(&flow->label, 0);
    ph_buf_init(&flow->block, 0);
    ph_buf_init(&flow->held, 0);
    ph_buf_init(&flow->heading, 0);
}

void ph_flow_free(ph_flow *flow)
{
    ph_buf_free(&flow->label);
    ph_buf_free(&flow->block);
    ph_buf_free(&flow->held);
    ph_buf_free(&flow->heading);
}

void ph_flow_fail(ph_flow *flow, phial_status status, const char *sentence)
{
    if (flow->status == PHIAL_OK)
        flow->status = ph_err_set(&flow->err, status, "%s", sentence);
}

static ph_str text_of(const ph_buf *buf)
{
    return (ph_str){buf->data ? buf->data : "", buf->len};
}

static bool failed(ph_flow *flow)
{
    if (flow->block.failed || flow->held.failed || flow->label.failed || flow->heading.failed)
        ph_flow_fail(flow, PHIAL_ERR_NO_MEMORY, "out of memory");
    return flow->status != PHIAL_OK;
}

static void close_page(ph_flow *flow)
{
    if (flow->page_open && !failed(flow))
        flow->status = ph_doc_write_page_end(flow->out, &flow->err);
    flow->page_open = false;
    flow->page_bytes = 0;
}

/* One piece of a block, on this page if there is room, else on the next. */
static void put_piece(ph_flow *flow, ph_block_kind kind, unsigned level, ph_str text)
{
    if (flow->page_open && flow->page_bytes + text.n > flow->page_max)
        close_page(flow);
    if (!flow->page_open && !failed(flow)) {
        flow->status =
            ph_doc_write_page(flow->out, ++flow->page, text_of(&flow->label), &flow->err);
        flow->page_open = true;
    }
    if (failed(flow))
        return;
    flow->status = ph_doc_write_block(flow->out, kind, level, text, &flow->err);
    flow->page_bytes += text.n;
}

/* Where to cut a text that is longer than n: behind a new line, behind a blank, or between two
 * characters. */
static size_t cut_at(ph_str s, size_t n)
{
    const char *at = memrchr(s.p, '\n', n);
    if (!at || (size_t)(at - s.p) < n / 2)
        at = memrchr(s.p, ' ', n);
    if (at && (size_t)(at - s.p) >= n / 2)
        return (size_t)(at - s.p) + 1;
    return ph_utf8_cut(s.p, s.n, n);
}

static void put(ph_flow *flow, ph_block_kind kind, unsigned level, ph_str text)
{
    while (text.n > flow->page_max && !failed(flow)) {
        size_t n = cut_at(text, flow->page_max);
        put_piece(flow, kind, level, (ph_str){text.p, n});
        text.p += n;
        text.n -= n;
    }
    put_piece(flow, kind, level, text);
}

static const char *separator(ph_block_kind before, ph_block_kind behind)
{
    bool close = before == behind && (before == PH_BLOCK_TABLE_ROW || before == PH_BLOCK_LIST_ITEM);
    return close || before == PH_BLOCK_SPEAKER ? "\n" : "\n\n";
}

static void release(ph_flow *flow, const char *behind)
{
    if (flow->held.len == 0)
        return;
    ph_buf_add_str(&flow->held, behind);
    if (!failed(flow))
        put(flow, flow->held_kind, flow->held_level, text_of(&flow->held));
    ph_buf_clear(&flow->held);
}

void ph_flow_page(ph_flow *flow, ph_str label)
{
    ph_flow_end(flow);
    release(flow, "\n");
    close_page(flow);
    flow->page_max = PH_FLOW_CHAPTER_MAX;
    ph_buf_clear(&flow->heading);
    ph_buf_clear(&flow->label);
    ph_buf_add(&flow->label, label.p, ph_utf8_cut(label.p, label.n, PH_DOC_LABEL_LIMIT));
}

void ph_flow_begin(ph_flow *flow, ph_block_kind kind, unsigned level, bool keep_space)
{
    ph_flow_end(flow);
    flow->open = true;
    flow->kind = kind;
    flow->level = level;
    flow->keep_space = keep_space;
    flow->space = false;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* A block that would not fit into a page goes on as another one. */
static void limit_block(ph_flow *flow)
{
    if (flow->block.len < PH_FLOW_CHAPTER_MAX)
        return;
    ph_block_kind kind = flow->kind;
    unsigned level = flow->level;
    bool keep_space = flow->keep_space;
    ph_flow_begin(flow, kind, level, keep_space);
}

static void add_collapsed(ph_flow *flow, const char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t from = i;
        while (i < n && is_space(p[i]))
            i++;
        if (i > from)
            flow->space = true;
        from = i;
        while (i < n && !is_space(p[i]))
            i++;
        if (i == from)
            continue;
        size_t len = flow->block.len;
        bool at_start =
            len == 0 || flow->block.data[len - 1] == '\n' || flow->block.data[len - 1] == '\t';
        if (flow->space && !at_start)
            ph_buf_add_byte(&flow->block, ' ');
        flow->space = false;
        ph_buf_add(&flow->block, p + from, i - from);
    }
}

void ph_flow_text(ph_flow *flow, const char *p, size_t n)
{
    if (failed(flow))
        return;
    if (!flow->open) {
        size_t i = 0;
        while (i < n && is_space(p[i]))
            i++;
        if (i == n)
            return;
        ph_flow_begin(flow, PH_BLOCK_PARAGRAPH, 0, false);
    }
    if (flow->keep_space)
        ph_buf_add(&flow->block, p, n);
    else
        add_collapsed(flow, p, n);
    limit_block(flow);
}

static void trim(ph_buf *buf)
{
    while (buf->len > 0 && is_space(buf->data[buf->len - 1]))
        buf->data[--buf->len] = '\0';
}

void ph_flow_line_break(ph_flow *flow)
{
    if (!flow->open || failed(flow))
        return;
    bool row = flow->kind == PH_BLOCK_TABLE_ROW;
    if (row)
        flow->space = true;
    else if (flow->block.len > 0 || flow->keep_space)
        ph_buf_add_byte(&flow->block, '\n');
    flow->space = row && flow->space;
}

void ph_flow_space(ph_flow *flow)
{
    flow->space = true;
}

void ph_flow_cell(ph_flow *flow)
{
    if (flow->open && !failed(flow)) {
        ph_buf_add_byte(&flow->block, '\t');
        flow->space = false;
    }
}

void ph_flow_label(ph_flow *flow, ph_str label)
{
    if (flow->label.len > 0)
        return;
    ph_buf_add(&flow->label, label.p, ph_utf8_cut(label.p, label.n, PH_DOC_LABEL_LIMIT));
    for (size_t i = 0; i < flow->label.len; i++) {
        if (is_space(flow->label.data[i]))
            flow->label.data[i] = ' ';
    }
    if (flow->page_open && !failed(flow))
        flow->status = ph_doc_write_label(flow->out, text_of(&flow->label), &flow->err);
}

static void note_heading(ph_flow *flow)
{
    ph_str text = text_of(&flow->block);
    if (flow->heading.len == 0)
        ph_buf_add(&flow->heading, text.p, ph_utf8_cut(text.p, text.n, PH_DOC_LABEL_LIMIT));
}

void ph_flow_end(ph_flow *flow)
{
    if (!flow->open)
        return;
    flow->open = false;
    flow->space = false;
    trim(&flow->block);
    /* Lines of nothing at the beginning go; the indentation of the first line stays. */
    size_t from = 0;
    for (size_t i = 0; flow->keep_space && i < flow->block.len && is_space(flow->block.data[i]);
         i++)
        from = flow->block.data[i] == '\n' ? i + 1 : from;
    bool only_tabs = flow->block.len == 0;
    if (!only_tabs && !failed(flow)) {
        if (flow->kind == PH_BLOCK_HEADING)
            note_heading(flow);
        release(flow, separator(flow->held_kind, flow->kind));
        ph_buf_add(&flow->held, flow->block.data + from, flow->block.len - from);
        flow->held_kind = flow->kind;
        flow->held_level = flow->level;
    }
    ph_buf_clear(&flow->block);
}

void ph_flow_exact(ph_flow *flow, ph_block_kind kind, unsigned level, ph_str text)
{
    ph_flow_end(flow);
    release(flow, "\n\n");
    if (text.n > 0 && !failed(flow))
        put(flow, kind, level, text);
}

phial_status ph_flow_finish(ph_flow *flow, phial_error *err)
{
    ph_flow_end(flow);
    release(flow, "\n");
    close_page(flow);
    if (failed(flow))
        return ph_err_set(err, flow->status, "%s", flow->err.message);
    return PHIAL_OK;
}
