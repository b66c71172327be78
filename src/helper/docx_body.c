/* Contract in docx_body.h. */
#include "helper/docx_body.h"

#include <stdio.h>
#include <string.h>

void ph_docx_body_init(ph_docx_body *body, ph_flow *flow, const ph_docx_styles *styles)
{
    *body = (ph_docx_body){.flow = flow, .styles = styles, .outline = -1};
}

static bool is(const char *name, const char *other)
{
    return strcmp(name, other) == 0;
}

/* Elements whose text is not the document's: what was deleted or moved, codes of fields, the second
 * form of what Word writes in two; and looks from before a tracked change (17.13.5). */
static bool unread(const char *name)
{
    static const char *const names[] = {
        "del",   "moveFrom", "delText", "instrText", "delInstrText", "Fallback",  "sectPr",
        "tblPr", "tcPr",     "trPr",    "posOffset", "pPrChange",    "rPrChange",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (is(name, names[i]))
            return true;
    }
    return false;
}

/* "<w:b w:val="0"/>" says that it is not so. */
static bool is_on(const char *const *attrs)
{
    const char *value = ph_xml_attr(attrs, "val");
    return !value || !(is(value, "0") || is(value, "false") || is(value, "off"));
}

static unsigned small_number(const char *s, unsigned most)
{
    unsigned n = 0;
    for (; s && *s >= '0' && *s <= '9' && n <= most; s++)
        n = n * 10 + (unsigned)(*s - '0');
    return n > most ? most : n;
}

/* The paragraph's first text: now its properties are known. */
static void begin_paragraph(ph_docx_body *b)
{
    ph_block_kind kind = b->look.kind;
    unsigned level = b->look.level;
    if (b->begun)
        return;
    b->begun = true;
    if (b->rows > 0) {
        if (b->row_text)
            ph_flow_space(b->flow);
        else
            ph_flow_begin(b->flow, PH_BLOCK_TABLE_ROW, 0, false);
        b->row_text = true;
        return;
    }
    if (b->outline >= 0 && b->outline < 9) {
        kind = PH_BLOCK_HEADING;
        level = b->outline > 5 ? 6 : (unsigned)b->outline + 1;
    } else if (b->is_item && kind == PH_BLOCK_PARAGRAPH) {
        kind = PH_BLOCK_LIST_ITEM;
        level = b->item_level + 1;
    }
    if (kind == PH_BLOCK_CODE && b->in_code && b->flow->open && b->flow->kind == PH_BLOCK_CODE) {
        ph_flow_line_break(b->flow);
        return;
    }
    ph_flow_begin(b->flow, kind, level, kind == PH_BLOCK_CODE);
    b->in_code = kind == PH_BLOCK_CODE;
    if (b->note[0]) {
        ph_flow_text(b->flow, b->note, strlen(b->note));
        b->note[0] = '\0';
    }
}

static void add(ph_docx_body *b, const char *text)
{
    if (b->hidden_run)
        return;
    begin_paragraph(b);
    ph_flow_text(b->flow, text, strlen(text));
}

static void start_paragraph(ph_docx_body *b)
{
    /* One inside another, as in a text box, ends it. */
    b->begun = b->is_item = false;
    b->outline = -1;
    b->look = (ph_docx_look){PH_BLOCK_PARAGRAPH, 0};
}

static void end_paragraph(ph_docx_body *b)
{
    if (b->rows > 0)
        ph_flow_space(b->flow);
    else if (!b->begun && b->look.kind == PH_BLOCK_CODE && b->in_code && b->flow->open)
        ph_flow_line_break(b->flow); /* an empty line of code */
    else if (b->look.kind != PH_BLOCK_CODE || !b->in_code)
        ph_flow_end(b->flow);
    b->in_code = b->in_code && b->look.kind == PH_BLOCK_CODE && b->rows == 0;
    b->begun = false;
}

static void start_property(ph_docx_body *b, const char *name, const char *const *attrs)
{
    const char *value = ph_xml_attr(attrs, "val");
    if (is(name, "pStyle")) {
        b->look = ph_docx_look_of(b->styles, value);
    } else if (is(name, "numId")) {
        b->is_item = value && !is(value, "0");
    } else if (is(name, "ilvl")) {
        b->item_level = small_number(value, 8);
    } else if (is(name, "outlineLvl")) {
        b->outline = value && value[0] >= '0' && value[0] <= '9' ? value[0] - '0' : -1;
    }
}

/* A mark in the text, "[3]", and later in front of the note itself. */
static void add_mark(ph_docx_body *b, const char *id, const char *kind)
{
    char mark[24];
    snprintf(mark, sizeof mark, "[%s%.10s]", kind, id ? id : "?");
    add(b, mark);
}

static void start_note(ph_docx_body *b, const char *name, const char *const *attrs)
{
    const char *type = ph_xml_attr(attrs, "type"), *id = ph_xml_attr(attrs, "id");
    if (type && !is(type, "normal")) { /* the line above the notes */
        b->skip++;
        return;
    }
    snprintf(b->note, sizeof b->note, "[%s%.10s] ", is(name, "endnote") ? "e" : "", id ? id : "?");
}

static void start_in_run(ph_docx_body *b, const char *name, const char *const *attrs)
{
    if (is(name, "vanish")) {
        b->hidden_run = b->in_run && is_on(attrs);
    } else if (is(name, "tab")) {
        add(b, b->look.kind == PH_BLOCK_CODE ? "\t" : " ");
    } else if (is(name, "br") || is(name, "cr")) {
        if (!b->hidden_run && b->begun)
            ph_flow_line_break(b->flow);
    } else if (is(name, "noBreakHyphen")) {
        add(b, "\xe2\x80\x91");
    } else if (is(name, "footnoteReference")) {
        add_mark(b, ph_xml_attr(attrs, "id"), "");
    } else if (is(name, "endnoteReference")) {
        add_mark(b, ph_xml_attr(attrs, "id"), "e");
    }
}

static void on_start(void *user, const char *name, const char *const *attrs)
{
    ph_docx_body *b = user;
    if (b->skip > 0 || unread(name)) {
        b->skip++;
    } else if (is(name, "p")) {
        start_paragraph(b);
    } else if (is(name, "pPr")) {
        b->in_properties = true;
    } else if (b->in_properties) {
        start_property(b, name, attrs);
    } else if (is(name, "r")) {
        b->in_run = true;
        b->hidden_run = false;
    } else if (is(name, "t")) {
        b->in_text = true;
    } else if (is(name, "tr")) {
        ph_flow_end(b->flow);
        b->rows++;
        b->cells = 0;
        b->row_text = false;
    } else if (is(name, "tc")) {
        if (b->cells++ > 0 && !b->row_text) {
            ph_flow_begin(b->flow, PH_BLOCK_TABLE_ROW, 0, false);
            b->row_text = true;
        }
        if (b->cells > 1)
            ph_flow_cell(b->flow);
    } else if (is(name, "footnote") || is(name, "endnote")) {
        start_note(b, name, attrs);
    } else {
        start_in_run(b, name, attrs);
    }
}

static void on_end(void *user, const char *name)
{
    ph_docx_body *b = user;
    if (b->skip > 0) {
        b->skip--;
    } else if (is(name, "p")) {
        end_paragraph(b);
    } else if (is(name, "pPr")) {
        b->in_properties = false;
    } else if (is(name, "r")) {
        b->in_run = b->hidden_run = false;
    } else if (is(name, "t")) {
        b->in_text = false;
    } else if (is(name, "tr")) {
        ph_flow_end(b->flow);
        b->rows -= b->rows > 0;
        b->row_text = false;
        b->cells = 0;
    }
}

static void on_text(void *user, const char *p, size_t n)
{
    ph_docx_body *b = user;
    if (b->skip > 0 || !b->in_text || b->hidden_run || n == 0)
        return;
    begin_paragraph(b);
    ph_flow_text(b->flow, p, n);
}

ph_xml_events ph_docx_body_events(ph_docx_body *body)
{
    return (ph_xml_events){body, on_start, on_end, on_text, NULL};
}
