/* Contract in html_walk.h. */
#include "helper/html_walk.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/utf8.h"

enum {
    SKIP = 1,  /* nothing below is text */
    PRE = 2,   /* white space counts */
    ROW = 4,   /* below a row: blocks are parts of it */
    BLOCK = 8, /* its begin and end end a block */
    TITLE = 16,
    OPAQUE = 32, /* below a heading or a caption: blocks are part of it */
};

enum { LONG_ROW = 2000 /* bytes; a longer one is no row but a page laid out by a table */ };

typedef enum role {
    INLINE,
    SKIPPED,
    PLAIN_BLOCK,
    HEADING,
    LIST,
    ITEM,
    QUOTE,
    PREFORMATTED,
    TABLE_ROW,
    CELL,
    CAPTION,
    BREAK,
    RULE,
    DOCUMENT_TITLE,
    ROOT,
} role;

static const struct {
    const char *tags;
    role is;
} elements[] = {
    {"script style template noscript nav svg iframe object select button textarea canvas audio "
     "video datalist annotation annotation-xml rt rp head",
     SKIPPED},
    {"p div section article main aside header footer address center figure form fieldset legend "
     "details summary dialog hgroup dl dt dd body table thead tbody tfoot colgroup",
     PLAIN_BLOCK},
    {"h1 h2 h3 h4 h5 h6", HEADING},
    {"ul ol menu dir", LIST},
    {"li", ITEM},
    {"blockquote", QUOTE},
    {"pre listing xmp plaintext", PREFORMATTED},
    {"tr", TABLE_ROW},
    {"td th", CELL},
    {"caption figcaption", CAPTION},
    {"br", BREAK},
    {"hr", RULE},
    {"title", DOCUMENT_TITLE},
    {"html", ROOT},
};

static role role_of(const char *tag)
{
    size_t n = strlen(tag);
    for (size_t i = 0; i < sizeof elements / sizeof elements[0]; i++) {
        for (const char *p = elements[i].tags; *p;) {
            size_t len = strcspn(p, " ");
            if (len == n && strncasecmp(p, tag, n) == 0)
                return elements[i].is;
            p += len + (p[len] == ' ');
        }
    }
    return INLINE;
}

void ph_html_walk_init(ph_html_walk *walk, ph_flow *flow)
{
    *walk = (ph_html_walk){.flow = flow};
    ph_buf_init(&walk->title, 0);
}

void ph_html_walk_free(ph_html_walk *walk)
{
    ph_free(walk->frames);
    ph_buf_free(&walk->title);
}

static ph_html_frame top(const ph_html_walk *walk)
{
    static const ph_html_frame none = {PH_BLOCK_PARAGRAPH, 0, 0, 0};
    return walk->n_frames ? walk->frames[walk->n_frames - 1] : none;
}

static void push(ph_html_walk *walk, ph_html_frame frame)
{
    if (walk->n_frames >= PH_HTML_DEPTH_MAX) {
        walk->too_deep++;
        return;
    }
    if (walk->n_frames == walk->cap_frames) {
        size_t cap = walk->cap_frames ? 2 * walk->cap_frames : 64;
        ph_html_frame *frames = ph_realloc(walk->frames, cap, sizeof *frames, NULL);
        if (!frames) {
            ph_flow_fail(walk->flow, PHIAL_ERR_NO_MEMORY, "out of memory");
            walk->too_deep++;
            return;
        }
        walk->frames = frames;
        walk->cap_frames = cap;
    }
    walk->frames[walk->n_frames++] = frame;
}

/* The end of a block and the beginning of another: below a row or a heading only a blank. */
static void boundary(ph_html_walk *walk, ph_html_frame frame)
{
    if (frame.flags & (ROW | OPAQUE))
        ph_flow_space(walk->flow);
    else
        ph_flow_end(walk->flow);
}

static bool hidden(ph_html_attr_fn attr, const void *element)
{
    const char *aria = attr(element, "aria-hidden"), *style = attr(element, "style");
    const char *none = style ? strcasestr(style, "display") : NULL;
    if (none) {
        none += strlen("display");
        none += strspn(none, " :");
    }
    return attr(element, "hidden") || (aria && strcasecmp(aria, "true") == 0) ||
           (none && strncasecmp(none, "none", 4) == 0);
}

/* A block that no row can hold, or a row that is none: what follows are blocks of their own. */
static ph_html_frame leave_row(ph_html_walk *walk, ph_html_frame frame)
{
    if (!(frame.flags & ROW))
        return frame;
    for (size_t i = walk->n_frames; i > 0 && (walk->frames[i - 1].flags & ROW); i--) {
        walk->frames[i - 1].flags &= (uint8_t)~ROW;
        walk->frames[i - 1].kind = PH_BLOCK_PARAGRAPH;
    }
    ph_flow_end(walk->flow);
    frame.flags &= (uint8_t)~ROW;
    frame.kind = PH_BLOCK_PARAGRAPH;
    return frame;
}

static void start_cell(ph_html_walk *walk, ph_html_frame *frame)
{
    if (!(frame->flags & ROW)) {
        ph_flow_end(walk->flow);
        frame->flags |= BLOCK;
        return;
    }
    if (walk->flow->block.len > LONG_ROW) {
        *frame = leave_row(walk, *frame);
        frame->flags |= BLOCK;
    } else if (walk->row_open) {
        ph_flow_cell(walk->flow);
    } else {
        ph_flow_begin(walk->flow, PH_BLOCK_TABLE_ROW, 0, false);
        walk->row_open = true;
    }
}

static void start_block(ph_html_walk *walk, role is, const char *tag, ph_html_frame *frame)
{
    bool plain = is == PLAIN_BLOCK || is == CAPTION;
    if (!plain || (walk->flow->open && walk->flow->block.len > LONG_ROW))
        *frame = leave_row(walk, *frame);
    boundary(walk, *frame);
    frame->flags |= BLOCK;
    if (frame->flags & OPAQUE)
        return;
    switch (is) {
    case HEADING:
        *frame = (ph_html_frame){PH_BLOCK_HEADING, (uint8_t)(tag[1] - '0'), frame->flags | OPAQUE,
                                 frame->lists};
        break;
    case LIST:
        frame->lists += frame->lists < 255;
        break;
    case ITEM:
        frame->kind = PH_BLOCK_LIST_ITEM;
        frame->level = frame->lists ? frame->lists : 1;
        break;
    case QUOTE:
        frame->kind = PH_BLOCK_QUOTE;
        frame->level += frame->level < 255;
        break;
    case PREFORMATTED:
        frame->kind = PH_BLOCK_CODE;
        frame->level = 0;
        frame->flags |= PRE;
        walk->newline_due = true;
        break;
    case CAPTION:
        if (!(frame->flags & ROW))
            frame->kind = PH_BLOCK_CAPTION;
        break;
    default:
        break;
    }
}

void ph_html_start(ph_html_walk *walk, const char *tag, ph_html_attr_fn attr, const void *element)
{
    ph_html_frame frame = top(walk);
    role is = role_of(tag);
    const char *language;
    frame.flags &= (uint8_t)~BLOCK;
    if (is == DOCUMENT_TITLE && walk->title.len == 0) {
        walk->in_title = true;
        frame.flags |= TITLE;
    } else if ((frame.flags & SKIP) || (is == SKIPPED) || is == DOCUMENT_TITLE ||
               (is != ROOT && hidden(attr, element))) {
        frame.flags |= SKIP;
    } else if (is == ROOT) {
        language = attr(element, "lang");
        language = language ? language : attr(element, "xml:lang");
        if (language && !walk->language[0])
            snprintf(walk->language, sizeof walk->language, "%s", language);
    } else if (is == BREAK) {
        ph_flow_line_break(walk->flow);
    } else if (is == RULE) {
        boundary(walk, frame);
    } else if (is == TABLE_ROW) {
        frame = leave_row(walk, frame);
        ph_flow_end(walk->flow);
        walk->row_open = false;
        frame.kind = PH_BLOCK_TABLE_ROW;
        frame.flags = (uint8_t)((frame.flags & ~(PRE | OPAQUE)) | ROW | BLOCK);
    } else if (is == CELL) {
        start_cell(walk, &frame);
    } else if (is != INLINE) {
        start_block(walk, is, tag, &frame);
    }
    push(walk, frame);
}

void ph_html_end(ph_html_walk *walk, const char *tag)
{
    (void)tag;
    if (walk->too_deep > 0) {
        walk->too_deep--;
        return;
    }
    if (walk->n_frames == 0)
        return;
    ph_html_frame frame = walk->frames[--walk->n_frames];
    if (frame.flags & TITLE)
        walk->in_title = walk->n_frames > 0 && (top(walk).flags & TITLE);
    if (!(frame.flags & BLOCK))
        return;
    /* The end of the element itself: what lies around decides whether it ends a block. */
    boundary(walk, top(walk));
}

void ph_html_text(ph_html_walk *walk, const char *p, size_t n)
{
    ph_html_frame frame = top(walk);
    if (frame.flags & TITLE) {
        if (walk->title.len < PH_DOC_LABEL_LIMIT)
            ph_buf_add(&walk->title, p, ph_utf8_cut(p, n, PH_DOC_LABEL_LIMIT - walk->title.len));
        return;
    }
    if (n == 0 || (frame.flags & SKIP))
        return;
    if (walk->newline_due && *p == '\n') {
        p++;
        n--;
    }
    walk->newline_due = false;
    if (!walk->flow->open) {
        size_t i = 0;
        while (i < n && strchr(" \t\n\r\f", p[i]) && p[i])
            i++;
        if (i == n && !(frame.flags & PRE))
            return;
        ph_flow_begin(walk->flow, frame.kind, frame.level, frame.flags & PRE);
    }
    ph_flow_text(walk->flow, p, n);
}

/* White space made single blanks, in place. */
static ph_str squeezed(ph_buf *buf)
{
    size_t n = 0;
    for (size_t i = 0; i < buf->len; i++) {
        bool space = strchr(" \t\n\r\f", buf->data[i]) && buf->data[i];
        if (!space)
            buf->data[n++] = buf->data[i];
        else if (n > 0 && buf->data[n - 1] != ' ')
            buf->data[n++] = ' ';
    }
    buf->len = n > 0 && buf->data[n - 1] == ' ' ? n - 1 : n;
    return (ph_str){buf->data ? buf->data : "", buf->len};
}

ph_str ph_html_title(ph_html_walk *walk)
{
    return squeezed(&walk->title);
}

phial_status ph_html_report(ph_html_walk *walk, ph_doc_writer *out, phial_error *err)
{
    ph_str title = ph_html_title(walk);
    phial_status status = PHIAL_OK;
    if (title.n == 0 && walk->flow->heading.len > 0)
        title = squeezed(&walk->flow->heading);
    if (title.n > 0)
        status = ph_doc_write_info(out, "title", title, err);
    if (status == PHIAL_OK && walk->language[0])
        status = ph_doc_write_info(out, "language", ph_str_from(walk->language), err);
    return status;
}
