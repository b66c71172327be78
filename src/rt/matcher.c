/* Aho-Corasick; contract in matcher.h. Children are lists, dense at the root only: stop strings are
 * few, and a table of 256 for each byte of a long one would be large. */
#include "rt/matcher.h"

#include <stdbool.h>

#include "base/mem.h"

typedef struct node {
    uint32_t child, sibling; /* 0: none */
    uint32_t fail;           /* the longest shorter end that is a beginning too */
    uint32_t depth;
    uint32_t found; /* length of the longest string that ends here */
    uint32_t which;
    uint8_t byte;
} node;

struct ph_matcher {
    node *nodes; /* [n_nodes], 0 is the root */
    uint32_t n_nodes;
    uint32_t root[256];
    size_t longest;
};

static uint32_t find_child(const ph_matcher *m, uint32_t state, uint8_t byte)
{
    if (state == 0) {
        return m->root[byte];
    }
    uint32_t c = m->nodes[state].child;
    while (c != 0 && m->nodes[c].byte != byte) {
        c = m->nodes[c].sibling;
    }
    return c;
}

static void add_string(ph_matcher *m, phial_text s, uint32_t which)
{
    uint32_t state = 0;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t byte = (uint8_t)s.p[i];
        uint32_t next = find_child(m, state, byte);
        if (next == 0) {
            next = m->n_nodes++;
            m->nodes[next] =
                (node){.sibling = m->nodes[state].child, .depth = (uint32_t)i + 1, .byte = byte};
            m->nodes[state].child = next;
            if (state == 0) {
                m->root[byte] = next;
            }
        }
        state = next;
    }
    if (m->nodes[state].found == 0) {
        m->nodes[state].found = (uint32_t)s.n;
        m->nodes[state].which = which;
    }
    m->longest = s.n > m->longest ? s.n : m->longest;
}

/* Breadth first, so that the shorter end a node falls back to is finished before it. */
static void link_nodes(ph_matcher *m, uint32_t *queue)
{
    size_t head = 0, tail = 0;
    for (uint32_t c = m->nodes[0].child; c != 0; c = m->nodes[c].sibling) {
        queue[tail++] = c;
    }
    while (head < tail) {
        uint32_t at = queue[head++];
        for (uint32_t c = m->nodes[at].child; c != 0; c = m->nodes[c].sibling) {
            node *x = &m->nodes[c];
            x->fail = ph_matcher_step(m, m->nodes[at].fail, x->byte);
            if (x->found == 0) {
                x->found = m->nodes[x->fail].found;
                x->which = m->nodes[x->fail].which;
            }
            queue[tail++] = c;
        }
    }
}

static phial_status check_strings(const phial_text *strings, size_t n, const char *what,
                                  size_t max_n, size_t max_bytes, size_t *total, phial_error *err)
{
    if (n > max_n) {
        return ph_err_set(err, PHIAL_ERR_LIMIT, "%zu %ss (at most %zu)", n, what, max_n);
    }
    *total = 0;
    for (size_t i = 0; i < n; i++) {
        if (strings[i].n == 0) {
            return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s %zu is empty", what, i + 1);
        }
        if (!ph_add_size(total, *total, strings[i].n) || *total > max_bytes) {
            return ph_err_set(err, PHIAL_ERR_LIMIT, "%s %zu: more than %zu bytes of %ss together",
                              what, i + 1, max_bytes, what);
        }
    }
    return PHIAL_OK;
}

phial_status ph_matcher_new(ph_matcher **out, const phial_text *strings, size_t n, const char *what,
                            size_t max_n, size_t max_bytes, phial_error *err)
{
    size_t total;
    phial_status status = check_strings(strings, n, what, max_n, max_bytes, &total, err);
    if (status != PHIAL_OK) {
        return status;
    }
    uint32_t *queue = NULL;
    ph_matcher *m = ph_alloc(1, sizeof *m, err);
    if (m != NULL) {
        m->nodes = ph_alloc(total + 1, sizeof *m->nodes, err);
        queue = ph_alloc(total + 1, sizeof *queue, err);
    }
    if (m == NULL || m->nodes == NULL || queue == NULL) {
        status = PHIAL_ERR_NO_MEMORY;
        goto done;
    }
    m->n_nodes = 1;
    for (size_t i = 0; i < n; i++) {
        add_string(m, strings[i], (uint32_t)i);
    }
    link_nodes(m, queue);
done:
    ph_free(queue);
    if (status == PHIAL_OK) {
        *out = m;
    } else {
        ph_matcher_free(m);
    }
    return status;
}

void ph_matcher_free(ph_matcher *m)
{
    if (m != NULL) {
        ph_free(m->nodes);
        ph_free(m);
    }
}

uint32_t ph_matcher_step(const ph_matcher *m, uint32_t state, uint8_t byte)
{
    for (;;) {
        uint32_t next = find_child(m, state, byte);
        if (next != 0 || state == 0) {
            return next;
        }
        state = m->nodes[state].fail;
    }
}

size_t ph_matcher_depth(const ph_matcher *m, uint32_t state)
{
    return m->nodes[state].depth;
}

size_t ph_matcher_found(const ph_matcher *m, uint32_t state, size_t *which)
{
    *which = m->nodes[state].which;
    return m->nodes[state].found;
}

size_t ph_matcher_longest(const ph_matcher *m)
{
    return m->longest;
}
