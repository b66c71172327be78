/* HTML, by gumbo: parsed as a browser would, so that no document is malformed. */
#include <gumbo.h>
#include <setjmp.h>
#include <string.h>

#include "base/mem.h"
#include "helper/formats.h"
#include "helper/html_depth.h"
#include "helper/html_document.h"
#include "helper/html_walk.h"
#include "helper/text_input.h"

enum { CHARSET_WITHIN = 4096 };

static const char *attribute(const void *element, const char *name)
{
    const GumboAttribute *found =
        gumbo_get_attribute(&((const GumboElement *)element)->attributes, name);
    return found ? found->value : NULL;
}

/* Elements that HTML does not know have no name of their own, but one in the source. */
static const char *tag_of(const GumboElement *element, char buf[32])
{
    if (element->tag != GUMBO_TAG_UNKNOWN)
        return gumbo_normalized_tagname(element->tag);
    GumboStringPiece piece = element->original_tag;
    gumbo_tag_from_original_text(&piece);
    size_t n = piece.length < 31 ? piece.length : 31;
    if (n > 0)
        memcpy(buf, piece.data, n);
    buf[n] = '\0';
    return buf;
}

/* Depth first without recursion: documents may be nested as deep as they are long. */
static void walk_tree(ph_html_walk *walk, const GumboNode *root)
{
    const GumboNode *node = root;
    char buf[32];
    while (node && walk->flow->status == PHIAL_OK) {
        bool element = node->type == GUMBO_NODE_ELEMENT || node->type == GUMBO_NODE_TEMPLATE;
        if (element)
            ph_html_start(walk, tag_of(&node->v.element, buf), attribute, &node->v.element);
        else if (node->type == GUMBO_NODE_TEXT || node->type == GUMBO_NODE_WHITESPACE ||
                 node->type == GUMBO_NODE_CDATA)
            ph_html_text(walk, node->v.text.text, strlen(node->v.text.text));
        if (element && node->v.element.children.length > 0) {
            node = node->v.element.children.data[0];
            continue;
        }
        if (element)
            ph_html_end(walk, buf);
        for (;;) {
            if (node == root)
                return;
            const GumboNode *parent = node->parent;
            size_t next = node->index_within_parent + 1;
            if (next < parent->v.element.children.length) {
                node = parent->v.element.children.data[next];
                break;
            }
            node = parent;
            ph_html_end(walk, buf);
        }
    }
}

/* gumbo's memory: freed all at once, because gumbo frees a tree by recursion, and left by longjmp()
 * when there is no more, because gumbo does not look whether it got some. */
typedef struct tree_memory {
    ph_arena arena;
    jmp_buf out_of_memory;
} tree_memory;

static void *tree_alloc(void *user, size_t size)
{
    tree_memory *memory = user;
    void *p = ph_arena_alloc(&memory->arena, size, 1, NULL);
    if (!p)
        longjmp(memory->out_of_memory, 1);
    return p;
}

static void tree_free(void *user, void *p)
{
    (void)user;
    (void)p;
}

phial_status ph_html_read_text(ph_html_walk *walk, ph_str text, phial_error *err)
{
    tree_memory memory;
    ph_buf shallow;
    ph_buf_init(&shallow, 0);
    phial_status st = ph_html_limit_depth(&text, &shallow, err);
    if (st != PHIAL_OK) {
        ph_buf_free(&shallow);
        return st;
    }
    ph_arena_init(&memory.arena, 0);
    if (setjmp(memory.out_of_memory)) {
        ph_arena_free(&memory.arena);
        ph_buf_free(&shallow);
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (HTML)");
    }
    GumboOptions options = kGumboDefaultOptions;
    options.allocator = tree_alloc;
    options.deallocator = tree_free;
    options.userdata = &memory;
    options.max_errors = 0;
    const GumboOutput *parsed = gumbo_parse_with_options(&options, text.p, text.n);
    walk_tree(walk, parsed->root);
    ph_arena_free(&memory.arena);
    ph_buf_free(&shallow);
    return PHIAL_OK;
}

/* What the document says of its charset: charset=NAME in a meta element or an XML declaration
 * (encoding=NAME), near its beginning. */
void ph_html_said_charset(char out[64], ph_str text)
{
    static const char *const keys[] = {"charset=", "encoding="};
    size_t n = text.n < CHARSET_WITHIN ? text.n : CHARSET_WITHIN;
    out[0] = '\0';
    for (size_t i = 0; i + 10 < n && !out[0]; i++) {
        for (size_t k = 0; k < 2; k++) {
            size_t n_key = strlen(keys[k]);
            if (strncasecmp(text.p + i, keys[k], n_key) != 0)
                continue;
            size_t at = i + n_key, len = 0;
            at += text.p[at] == '"' || text.p[at] == '\'';
            while (at + len < n && len < 63 && text.p[at + len] > ' ' &&
                   !strchr("\"';>?", text.p[at + len]))
                len++;
            memcpy(out, text.p + at, len);
            out[len] = '\0';
            break;
        }
    }
}

phial_status ph_html_load(ph_buf *out, ph_text_input **input, ph_buf *raw, phial_error *err)
{
    char said[64];
    ph_html_said_charset(said, (ph_str){raw->data ? raw->data : "", raw->len});
    phial_status status = ph_text_open_bytes(input, raw->data, raw->len, said, err);
    if (status == PHIAL_OK)
        status = ph_text_all(*input, out, PH_HTML_BYTES_MAX, err);
    return status;
}

phial_status ph_html_read_document(ph_helper *helper, ph_html_read_fn read, phial_error *err)
{
    ph_text_input *input = NULL;
    ph_html_walk walk;
    ph_flow flow;
    ph_buf raw, text;
    ph_flow_init(&flow, &helper->out);
    ph_html_walk_init(&walk, &flow);
    ph_buf_init(&raw, 0);
    ph_buf_init(&text, 0);
    phial_status status = ph_document_read(&raw, helper->doc, PH_HTML_BYTES_MAX, err);
    if (status == PHIAL_OK)
        status = ph_html_load(&text, &input, &raw, err);
    ph_buf_free(&raw);
    if (status == PHIAL_OK)
        status = read(&walk, (ph_str){text.data ? text.data : "", text.len}, err);
    if (status == PHIAL_OK)
        status = ph_flow_finish(&flow, err);
    if (status == PHIAL_OK)
        status = ph_html_report(&walk, &helper->out, err);
    if (status == PHIAL_OK)
        status = ph_text_report(input, &helper->out, err);
    ph_text_close(input);
    ph_html_walk_free(&walk);
    ph_flow_free(&flow);
    ph_buf_free(&text);
    return status;
}

phial_status ph_format_html_read(ph_helper *helper, phial_error *err)
{
    return ph_html_read_document(helper, ph_html_read_text, err);
}
