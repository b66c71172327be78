/* Contract in entity.h. The list of names is gumbo's, which has no function to ask it: it parses
 * the reference as a document of its own. */
#include "helper/entity.h"

#include <gumbo.h>

enum { REFERENCE_MAX = 64 };

static const GumboNode *first_text(const GumboNode *node)
{
    while (node && (node->type == GUMBO_NODE_DOCUMENT || node->type == GUMBO_NODE_ELEMENT)) {
        const GumboVector *children = node->type == GUMBO_NODE_DOCUMENT ? &node->v.document.children
                                                                        : &node->v.element.children;
        /* The body is the last child of the root. */
        node = children->length ? children->data[children->length - 1] : NULL;
    }
    return node;
}

void ph_entity_add(ph_buf *out, ph_str reference)
{
    if (reference.n < 3 || reference.n > REFERENCE_MAX) {
        ph_buf_add(out, reference.p, reference.n);
        return;
    }
    GumboOutput *parsed = gumbo_parse_with_options(&kGumboDefaultOptions, reference.p, reference.n);
    const GumboNode *node = parsed ? first_text(parsed->document) : NULL;
    if (node && (node->type == GUMBO_NODE_TEXT || node->type == GUMBO_NODE_WHITESPACE))
        ph_buf_add_str(out, node->v.text.text);
    else
        ph_buf_add(out, reference.p, reference.n);
    if (parsed)
        gumbo_destroy_output(&kGumboDefaultOptions, parsed);
}
