/* Markdown (CommonMark with tables, strikethrough, task lists), by md4c; raw HTML in it by gumbo. A
 * front matter between "---" lines gives title, author and language and is no text. */
#include <md4c.h>
#include <string.h>

#include "helper/entity.h"
#include "helper/formats.h"
#include "helper/html_document.h"

#define MARKDOWN_MAX ((size_t)64 << 20)

typedef struct reader {
    ph_flow flow;
    unsigned lists, quotes, items; /* how many are around */
    unsigned cells;                /* of the row so far */
    bool in_html;
    ph_buf html; /* of the raw block */
    ph_buf entity;
} reader;

static void begin_text_block(reader *r)
{
    if (r->items)
        ph_flow_begin(&r->flow, PH_BLOCK_LIST_ITEM, r->lists, false);
    else if (r->quotes)
        ph_flow_begin(&r->flow, PH_BLOCK_QUOTE, r->quotes, false);
    else
        ph_flow_begin(&r->flow, PH_BLOCK_PARAGRAPH, 0, false);
}

static int failed(reader *r)
{
    return r->flow.status != PHIAL_OK;
}

static int enter_block(MD_BLOCKTYPE type, void *detail, void *user)
{
    reader *r = user;
    switch (type) {
    case MD_BLOCK_QUOTE:
        r->quotes++;
        break;
    case MD_BLOCK_UL:
    case MD_BLOCK_OL:
        r->lists++;
        break;
    case MD_BLOCK_LI:
        r->items++;
        begin_text_block(r);
        break;
    case MD_BLOCK_H:
        ph_flow_begin(&r->flow, PH_BLOCK_HEADING, ((MD_BLOCK_H_DETAIL *)detail)->level, false);
        break;
    case MD_BLOCK_CODE:
        ph_flow_begin(&r->flow, PH_BLOCK_CODE, 0, true);
        break;
    case MD_BLOCK_HTML:
        ph_buf_clear(&r->html);
        r->in_html = true;
        break;
    case MD_BLOCK_P:
        begin_text_block(r);
        break;
    case MD_BLOCK_TR:
        ph_flow_begin(&r->flow, PH_BLOCK_TABLE_ROW, 0, false);
        r->cells = 0;
        break;
    case MD_BLOCK_TH:
    case MD_BLOCK_TD:
        if (r->cells++ > 0)
            ph_flow_cell(&r->flow);
        break;
    default:
        break;
    }
    return failed(r);
}

/* A block of raw HTML; what is an element of its own in it stays balanced by gumbo. */
static void read_html(reader *r)
{
    ph_html_walk walk;
    phial_error err = {0};
    ph_html_walk_init(&walk, &r->flow);
    phial_status status =
        ph_html_read_text(&walk, (ph_str){r->html.data ? r->html.data : "", r->html.len}, &err);
    if (status != PHIAL_OK)
        ph_flow_fail(&r->flow, status, err.message);
    ph_flow_end(&r->flow);
    ph_html_walk_free(&walk);
    ph_buf_clear(&r->html);
    r->in_html = false;
}

static int leave_block(MD_BLOCKTYPE type, void *detail, void *user)
{
    reader *r = user;
    (void)detail;
    switch (type) {
    case MD_BLOCK_QUOTE:
        r->quotes--;
        break;
    case MD_BLOCK_UL:
    case MD_BLOCK_OL:
        r->lists--;
        break;
    case MD_BLOCK_LI:
        r->items--;
        ph_flow_end(&r->flow);
        break;
    case MD_BLOCK_HTML:
        read_html(r);
        break;
    case MD_BLOCK_H:
    case MD_BLOCK_CODE:
    case MD_BLOCK_P:
    case MD_BLOCK_TR:
        ph_flow_end(&r->flow);
        break;
    default:
        break;
    }
    return failed(r);
}

static int span(MD_SPANTYPE type, void *detail, void *user)
{
    (void)type;
    (void)detail;
    return failed(user);
}

/* Text that is not in a paragraph (a tight list's) begins its block. */
static void add(reader *r, const char *p, size_t n)
{
    if (!r->flow.open)
        begin_text_block(r);
    ph_flow_text(&r->flow, p, n);
}

static int on_text(MD_TEXTTYPE type, const MD_CHAR *text, MD_SIZE size, void *user)
{
    reader *r = user;
    switch (type) {
    case MD_TEXT_NULLCHAR:
        add(r, "\xef\xbf\xbd", 3);
        break;
    case MD_TEXT_BR:
        ph_flow_line_break(&r->flow);
        break;
    case MD_TEXT_SOFTBR:
        add(r, " ", 1);
        break;
    case MD_TEXT_ENTITY:
        ph_buf_clear(&r->entity);
        ph_entity_add(&r->entity, (ph_str){text, size});
        add(r, r->entity.data ? r->entity.data : "", r->entity.len);
        break;
    case MD_TEXT_HTML:
        if (r->in_html)
            ph_buf_add(&r->html, text, size);
        else if (size >= 3 && strncasecmp(text, "<br", 3) == 0)
            ph_flow_line_break(&r->flow);
        break;
    default:
        add(r, text, size);
    }
    if (r->html.failed || r->entity.failed)
        ph_flow_fail(&r->flow, PHIAL_ERR_NO_MEMORY, "out of memory");
    return failed(r);
}

/* --- front matter --- */

static phial_status read_pair(ph_str line, bool *titled, ph_doc_writer *out, phial_error *err)
{
    static const char *const keys[] = {"title", "author", "language", "lang"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        size_t n = strlen(keys[i]);
        if (line.n <= n || strncasecmp(line.p, keys[i], n) != 0 ||
            !strchr(":=", line.p[n + strspn(line.p + n, " ")]))
            continue;
        ph_str value = {line.p + n, line.n - n};
        while (value.n > 0 && strchr(" :=\"'", *value.p))
            value.p++, value.n--;
        while (value.n > 0 && strchr(" \"'\r\n", value.p[value.n - 1]))
            value.n--;
        if (value.n == 0)
            return PHIAL_OK;
        *titled = *titled || strcmp(keys[i], "title") == 0;
        return ph_doc_write_info(out, strcmp(keys[i], "lang") == 0 ? "language" : keys[i], value,
                                 err);
    }
    return PHIAL_OK;
}

/* Bytes of the front matter at the beginning; 0: there is none. *titled: it gave a title. */
static phial_status read_front_matter(ph_str text, size_t *used, bool *titled, ph_doc_writer *out,
                                      phial_error *err)
{
    const char *fence = ph_str_starts_with(text, "+++\n") ? "+++" : "---";
    *used = 0;
    *titled = false;
    if (!ph_str_starts_with(text, fence) || text.n < 4 || text.p[3] != '\n')
        return PHIAL_OK;
    size_t at = 4, end = 0;
    while (at < text.n && !end) {
        const char *newline = memchr(text.p + at, '\n', text.n - at);
        size_t next = newline ? (size_t)(newline + 1 - text.p) : text.n;
        ph_str line = {text.p + at, next - at};
        if (ph_str_starts_with(line, fence) && line.n <= 5)
            end = next;
        at = next;
    }
    if (!end)
        return PHIAL_OK;
    *used = end;
    for (at = 4; at < end;) {
        const char *newline = memchr(text.p + at, '\n', end - at);
        size_t next = newline ? (size_t)(newline + 1 - text.p) : end;
        ph_str line = {text.p + at, next - at};
        phial_status status = read_pair(line, titled, out, err);
        if (status != PHIAL_OK)
            return status;
        at = next;
    }
    return PHIAL_OK;
}

/* --- the whole --- */

static phial_status parse(reader *r, ph_str text, phial_error *err)
{
    static const MD_PARSER parser = {
        .flags = MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH | MD_FLAG_TASKLISTS |
                 MD_FLAG_PERMISSIVEAUTOLINKS,
        .enter_block = enter_block,
        .leave_block = leave_block,
        .enter_span = span,
        .leave_span = span,
        .text = on_text,
    };
    if (md_parse(text.p, (MD_SIZE)text.n, &parser, r) != 0 && r->flow.status == PHIAL_OK)
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (Markdown)");
    return ph_flow_finish(&r->flow, err);
}

phial_status ph_format_markdown_read(ph_helper *helper, phial_error *err)
{
    ph_text_input *input = NULL;
    reader r = {0};
    ph_buf text;
    size_t used = 0;
    bool titled = false;
    ph_flow_init(&r.flow, &helper->out);
    ph_buf_init(&r.html, 0);
    ph_buf_init(&r.entity, 0);
    ph_buf_init(&text, 0);
    phial_status status = ph_text_open(&input, helper->doc, err);
    if (status == PHIAL_OK)
        status = ph_text_all(input, &text, MARKDOWN_MAX, err);
    ph_str all = {text.data ? text.data : "", text.len};
    if (status == PHIAL_OK)
        status = read_front_matter(all, &used, &titled, &helper->out, err);
    if (status == PHIAL_OK)
        status = parse(&r, (ph_str){all.p + used, all.n - used}, err);
    if (status == PHIAL_OK && !titled && r.flow.heading.len > 0)
        status = ph_doc_write_info(&helper->out, "title",
                                   (ph_str){r.flow.heading.data, r.flow.heading.len}, err);
    if (status == PHIAL_OK)
        status = ph_text_report(input, &helper->out, err);
    ph_text_close(input);
    ph_flow_free(&r.flow);
    ph_buf_free(&r.html);
    ph_buf_free(&r.entity);
    ph_buf_free(&text);
    return status;
}
