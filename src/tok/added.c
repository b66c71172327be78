/* Added tokens by a trie; contract in tok/added.h. */
#include "tok/added.h"

#include <string.h>

/* An edge is node << 8 | byte, + 1 so that 0 is an empty slot. */
static inline uint32_t slot_of(const ph_added *a, uint64_t edge)
{
    return (uint32_t)((edge * 0x9E3779B97F4A7C15u) >> 32) & a->mask;
}

/* The node behind an edge, or 0 (the root, which nothing leads to). */
static inline uint32_t follow(const ph_added *a, uint32_t node, uint8_t byte)
{
    uint64_t edge = ((uint64_t)node << 8 | byte) + 1;
    for (uint32_t i = slot_of(a, edge); a->edges[i] != 0; i = (i + 1) & a->mask)
        if (a->edges[i] == edge)
            return a->targets[i];
    return 0;
}

static bool wanted(const ph_vocab_token *t, bool second_pass, bool with_control)
{
    return t->second_pass == second_pass &&
           (t->type == PH_TOKEN_USER || (t->type == PH_TOKEN_CONTROL && with_control));
}

static void note_prefix(ph_added *a, ph_str text)
{
    uint8_t first = (uint8_t)text.p[0];
    if (a->n_tokens == 0)
        a->only_first = first;
    else if (a->only_first != first)
        a->only_first = -1;
    for (unsigned second = 0; second < 256; second++) {
        if (text.n > 1 && second != (uint8_t)text.p[1])
            continue;
        unsigned k = (unsigned)first << 8 | second;
        a->prefix_bits[k / 64] |= (uint64_t)1 << (k % 64);
    }
}

static phial_status insert(ph_added *a, ph_str text, uint32_t id, phial_error *err)
{
    uint32_t node = 0;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t byte = (uint8_t)text.p[i];
        uint32_t next = follow(a, node, byte);
        if (next == 0) {
            uint64_t edge = ((uint64_t)node << 8 | byte) + 1;
            uint32_t slot = slot_of(a, edge);
            uint32_t n_probes = 0;
            for (; a->edges[slot] != 0; n_probes++)
                slot = (slot + 1) & a->mask;
            if (n_probes >= PH_VOCAB_MAX_PROBES)
                return ph_err_set(err, PHIAL_ERR_LIMIT,
                                  "added token %u: too many tokens with the same hash", id);
            next = a->n_nodes++;
            a->edges[slot] = edge;
            a->targets[slot] = next;
        }
        node = next;
    }
    if (a->node_id[node] != PHIAL_TOKEN_NONE)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "added tokens %u and %u are the same, '%.*s'",
                          a->node_id[node], id, PH_STR_ARG(text));
    a->node_id[node] = id;
    note_prefix(a, text);
    a->n_tokens++;
    return PHIAL_OK;
}

phial_status ph_added_build(ph_added *a, const ph_vocab *v, bool second_pass, bool with_control,
                            phial_error *err)
{
    memset(a, 0, sizeof *a);
    size_t n_edges = 0;
    for (uint32_t id = 0; id < v->n_tokens; id++)
        if (wanted(&v->tokens[id], second_pass, with_control))
            n_edges += v->tokens[id].text.n;
    if (n_edges == 0)
        return PHIAL_OK;
    if (n_edges > PH_ADDED_MAX_BYTES)
        return ph_err_set(err, PHIAL_ERR_LIMIT,
                          "the added tokens have %zu bytes; at most %d are supported", n_edges,
                          PH_ADDED_MAX_BYTES);
    size_t n_slots = 16;
    while (n_slots < 2 * n_edges)
        n_slots *= 2;
    a->mask = (uint32_t)(n_slots - 1);
    a->edges = ph_alloc(n_slots, sizeof *a->edges, err);
    a->targets = ph_alloc(n_slots, sizeof *a->targets, err);
    a->node_id = ph_alloc(n_edges + 1, sizeof *a->node_id, err);
    a->prefix_bits = ph_alloc(65536 / 64, sizeof *a->prefix_bits, err);
    phial_status st = PHIAL_OK;
    if (a->edges == NULL || a->targets == NULL || a->node_id == NULL || a->prefix_bits == NULL) {
        st = PHIAL_ERR_NO_MEMORY;
    } else {
        memset(a->node_id, 0xFF, (n_edges + 1) * sizeof *a->node_id);
        a->n_nodes = 1;
        for (uint32_t id = 0; id < v->n_tokens && st == PHIAL_OK; id++)
            if (wanted(&v->tokens[id], second_pass, with_control))
                st = insert(a, v->tokens[id].text, id, err);
    }
    if (st != PHIAL_OK)
        ph_added_free(a);
    return st;
}

void ph_added_free(ph_added *a)
{
    ph_free(a->edges);
    ph_free(a->targets);
    ph_free(a->node_id);
    ph_free(a->prefix_bits);
    memset(a, 0, sizeof *a);
}

uint32_t ph_added_exact(const ph_added *a, ph_str text)
{
    uint32_t node = 0;
    if (a->n_tokens == 0 || text.n == 0)
        return PHIAL_TOKEN_NONE;
    for (size_t i = 0; i < text.n; i++) {
        node = follow(a, node, (uint8_t)text.p[i]);
        if (node == 0)
            return PHIAL_TOKEN_NONE;
    }
    return a->node_id[node];
}

/* Next place where a token may begin, or end. */
static const uint8_t *candidate(const ph_added *a, const uint8_t *p, const uint8_t *end)
{
    if (a->only_first >= 0) {
        p = memchr(p, a->only_first, (size_t)(end - p));
        return p == NULL ? end : p;
    }
    for (; end - p >= 2; p++) {
        unsigned k = (unsigned)p[0] << 8 | p[1];
        if (a->prefix_bits[k / 64] >> (k % 64) & 1)
            return p;
    }
    return p;
}

const uint8_t *ph_added_find(const ph_added *a, const uint8_t *p, const uint8_t *end, uint32_t *id,
                             size_t *len)
{
    if (a->n_tokens == 0)
        return end;
    for (; p < end; p++) {
        p = candidate(a, p, end);
        uint32_t best = PHIAL_TOKEN_NONE;
        uint32_t node = 0;
        for (const uint8_t *q = p; q < end && (node = follow(a, node, *q)) != 0; q++) {
            if (a->node_id[node] != PHIAL_TOKEN_NONE) {
                best = a->node_id[node];
                *len = (size_t)(q + 1 - p);
            }
        }
        if (best != PHIAL_TOKEN_NONE) {
            *id = best;
            return p;
        }
    }
    return end;
}
