/* Merging pairs, short pieces and long ones; contract in tok/bpe.h. */
#include "tok/bpe.h"

#include <string.h>

#define EMPTY   UINT64_MAX
#define NO_NODE UINT32_MAX

static inline uint64_t pair_key(uint32_t left, uint32_t right)
{
    return (uint64_t)left << 44 | (uint64_t)right << 24;
}

static inline uint32_t slot_of(const ph_bpe *bpe, uint64_t key)
{
    /* Fibonacci hashing: the high bits of the product depend on all bits of the key. */
    return (uint32_t)((key * 0x9E3779B97F4A7C15u) >> bpe->shift);
}

static inline uint32_t rank_of(const ph_bpe *bpe, uint32_t left, uint32_t right)
{
    uint64_t key = pair_key(left, right);
    for (uint32_t i = slot_of(bpe, key);; i = (i + 1) & bpe->mask) {
        uint64_t slot = bpe->pairs[i];
        if ((slot ^ key) <= PH_RANK_NONE)
            return (uint32_t)(slot & PH_RANK_NONE);
        if (slot == EMPTY)
            return PH_RANK_NONE;
    }
}

/* The last of two merges of one pair counts, as for the `tokenizers` package. */
static bool put_pair(ph_bpe *bpe, uint32_t left, uint32_t right, uint32_t rank)
{
    uint64_t key = pair_key(left, right);
    uint32_t i = slot_of(bpe, key);
    uint32_t n = 0;
    for (; bpe->pairs[i] != EMPTY && (bpe->pairs[i] ^ key) > PH_RANK_NONE; n++)
        i = (i + 1) & bpe->mask;
    bpe->pairs[i] = key | rank;
    return n < PH_VOCAB_MAX_PROBES;
}

/* Ranks of pairs of single bytes, for the first round. */
static void fill_byte_ranks(ph_bpe *bpe, const ph_vocab *v)
{
    for (size_t i = 0; i < 256 * 256; i++)
        bpe->byte_rank[i] = PH_RANK_NONE;
    for (uint32_t i = 0; i < v->n_merges; i++) {
        ph_str left = v->tokens[v->merges[i].left].text;
        ph_str right = v->tokens[v->merges[i].right].text;
        if (left.n == 1 && right.n == 1)
            bpe->byte_rank[(unsigned)(uint8_t)left.p[0] << 8 | (uint8_t)right.p[0]] = i;
    }
}

static phial_status build_pairs(ph_bpe *bpe, const ph_vocab *v, phial_error *err)
{
    size_t n = 64;
    bpe->shift = 64 - 6;
    while (n < (size_t)v->n_merges * 2 + 1) {
        n *= 2;
        bpe->shift--;
    }
    bpe->mask = (uint32_t)(n - 1);
    bpe->n_merges = v->n_merges;
    bpe->pairs = ph_alloc(n, sizeof *bpe->pairs, err);
    bpe->result = ph_alloc(v->n_merges, sizeof *bpe->result, err);
    bpe->byte_rank = ph_alloc(256 * 256, sizeof *bpe->byte_rank, err);
    if (bpe->pairs == NULL || bpe->result == NULL || bpe->byte_rank == NULL)
        return PHIAL_ERR_NO_MEMORY;
    memset(bpe->pairs, 0xFF, n * sizeof *bpe->pairs);
    for (uint32_t i = 0; i < v->n_merges; i++) {
        if (!put_pair(bpe, v->merges[i].left, v->merges[i].right, i))
            return ph_err_set(err, PHIAL_ERR_LIMIT, "merge %u: too many merges with the same hash",
                              (unsigned)i);
        bpe->result[i] = v->merges[i].result;
    }
    fill_byte_ranks(bpe, v);
    return PHIAL_OK;
}

static phial_status find_bytes(ph_bpe *bpe, const ph_vocab *v, phial_error *err)
{
    for (unsigned b = 0; b < 256; b++) {
        char c = (char)b;
        bpe->byte_id[b] = ph_vocab_find(v, (ph_str){&c, 1});
        if (bpe->byte_id[b] == PHIAL_TOKEN_NONE)
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                              "there is no token for the byte 0x%02X: not every text could be "
                              "encoded",
                              b);
    }
    return PHIAL_OK;
}

/* The order that the long algorithm rests on: no merge uses a token that this or a later merge
 * makes. A merge that a later one of the same pair replaces does not count. */
static phial_status check_order(const ph_bpe *bpe, const ph_vocab *v, phial_error *err)
{
    uint32_t *used_from = ph_alloc(v->n_tokens, sizeof *used_from, err);
    if (used_from == NULL)
        return PHIAL_ERR_NO_MEMORY;
    memset(used_from, 0xFF, v->n_tokens * sizeof *used_from);
    phial_status st = PHIAL_OK;
    for (uint32_t i = 0; i < v->n_merges && st == PHIAL_OK; i++) {
        const ph_vocab_merge *m = &v->merges[i];
        if (rank_of(bpe, m->left, m->right) != i)
            continue;
        uint32_t *result = &used_from[m->result];
        if (*result != UINT32_MAX)
            st = ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                            "merge %u makes token %u, which merge %u has used already: merges in "
                            "this order are not supported",
                            i, m->result, *result);
        if (used_from[m->left] == UINT32_MAX)
            used_from[m->left] = i;
        if (used_from[m->right] == UINT32_MAX)
            used_from[m->right] = i;
    }
    ph_free(used_from);
    return st;
}

/* Whether the tokens left and right stay apart until rank `limit`, when they stand side by side and
 * are both what BPE makes of their bytes. Goes back in time: of the two tokens the one that was
 * made last is taken apart, and the parts that met then must not have been joined before. made:
 * rank of the merge that makes a token, plus 1; 0 for a byte.
 *
 * Source: github/rust-gems, crates/bpe, is_valid_token_pair(). */
static bool stay_apart(const ph_bpe *bpe, const ph_vocab *v, const uint32_t *made, uint32_t left,
                       uint32_t right, uint32_t limit)
{
    for (;;) {
        if (rank_of(bpe, left, right) < limit)
            return false;
        if (made[left] > made[right]) {
            limit = made[left] - 1;
            left = v->merges[limit].right;
        } else if (made[right] > 0) {
            /* Of equal ranks the leftmost is joined first. */
            limit = made[right];
            right = v->merges[limit - 1].left;
        } else {
            return true;
        }
    }
}

/* Whether BPE makes m's result of its bytes, by doing it. */
static bool encodes_itself(const ph_bpe *bpe, const ph_vocab *v, const ph_vocab_merge *m)
{
    uint32_t ids[PH_BPE_SHORT];
    ph_str text = v->tokens[m->result].text;
    return text.n <= PH_BPE_SHORT &&
           ph_bpe_encode(ids, bpe, NULL, (const uint8_t *)text.p, text.n, NULL) == 1 &&
           ids[0] == m->result;
}

/* Marks the tokens that are what their own bytes encode to. */
static phial_status mark_whole(const ph_bpe *bpe, ph_vocab *v, phial_error *err)
{
    uint32_t *made = ph_alloc(v->n_tokens, sizeof *made, err);
    bool *whole = ph_alloc(v->n_tokens, sizeof *whole, err);
    phial_status st = PHIAL_ERR_NO_MEMORY;
    if (!made || !whole)
        goto done;
    bool unique = true;
    for (uint32_t i = 0; i < v->n_merges; i++) {
        uint32_t *m = &made[v->merges[i].result];
        unique = unique && *m == 0;
        *m = i + 1;
    }
    for (unsigned b = 0; b < 256; b++)
        whole[bpe->byte_id[b]] = true;
    for (uint32_t i = 0; i < v->n_merges; i++) {
        const ph_vocab_merge *m = &v->merges[i];
        /* With one way to make each token its parts tell; otherwise it has to be tried. */
        whole[m->result] = unique ? whole[m->left] && whole[m->right] &&
                                        stay_apart(bpe, v, made, m->left, m->right, i)
                                  : encodes_itself(bpe, v, m);
    }
    for (size_t i = 0; i <= v->slot_mask; i++)
        v->slots[i].whole = whole[v->slots[i].id];
    st = PHIAL_OK;

done:
    ph_free(whole);
    ph_free(made);
    return st;
}

phial_status ph_bpe_build(ph_bpe *bpe, ph_vocab *v, phial_error *err)
{
    memset(bpe, 0, sizeof *bpe);
    phial_status st = build_pairs(bpe, v, err);
    if (st == PHIAL_OK)
        st = find_bytes(bpe, v, err);
    if (st == PHIAL_OK)
        st = check_order(bpe, v, err);
    if (st == PHIAL_OK)
        st = mark_whole(bpe, v, err);
    if (st != PHIAL_OK)
        ph_bpe_free(bpe);
    return st;
}

void ph_bpe_free(ph_bpe *bpe)
{
    ph_free(bpe->pairs);
    ph_free(bpe->result);
    ph_free(bpe->byte_rank);
    memset(bpe, 0, sizeof *bpe);
}

static size_t encode_short(uint32_t *out, const ph_bpe *bpe, const uint8_t *bytes, size_t n)
{
    uint32_t rank[PH_BPE_SHORT];
    for (size_t i = 0; i < n; i++)
        out[i] = bpe->byte_id[bytes[i]];
    for (size_t i = 0; i + 1 < n; i++)
        rank[i] = bpe->byte_rank[(unsigned)bytes[i] << 8 | bytes[i + 1]];
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            best = rank[i] < rank[best] ? i : best;
        if (rank[best] == PH_RANK_NONE)
            break;
        out[best] = bpe->result[rank[best]];
        n--;
        for (size_t i = best + 1; i < n; i++)
            out[i] = out[i + 1];
        for (size_t i = best + 1; i + 1 < n; i++)
            rank[i] = rank[i + 1];
        if (best + 1 < n)
            rank[best] = rank_of(bpe, out[best], out[best + 1]);
        if (best > 0)
            rank[best - 1] = rank_of(bpe, out[best - 1], out[best]);
    }
    return n;
}

/* A token of the piece while it is being joined; nodes are in the order of the text, and the pair
 * of a node is the one with the next node. */
typedef struct ph_bpe_node {
    uint32_t id;
    uint32_t prev, next;    /* neighbours in the text */
    uint32_t rank;          /* of the pair, PH_RANK_NONE if it has none */
    uint32_t before, after; /* neighbours in the list of the rank */
} ph_bpe_node;

static size_t n_words(uint32_t n_bits)
{
    return ((size_t)n_bits + 63) / 64;
}

/* Levels of the bitmap lie behind each other: bits over ranks, over those words, over those. */
typedef struct queue {
    ph_bpe_node *nodes;
    uint32_t *heads;
    uint64_t *level[4];
    uint64_t steps;
} queue;

static void queue_put(queue *q, uint32_t at, uint32_t rank)
{
    ph_bpe_node *node = &q->nodes[at];
    q->steps++;
    node->rank = rank;
    if (rank == PH_RANK_NONE)
        return;
    uint32_t head = q->heads[rank];
    node->before = NO_NODE;
    node->after = head;
    q->heads[rank] = at;
    if (head != NO_NODE) {
        q->nodes[head].before = at;
        return;
    }
    for (int k = 0; k < 4; k++, rank /= 64)
        q->level[k][rank / 64] |= (uint64_t)1 << (rank % 64);
}

static void queue_remove(queue *q, uint32_t at)
{
    ph_bpe_node *node = &q->nodes[at];
    uint32_t rank = node->rank;
    q->steps++;
    if (rank == PH_RANK_NONE)
        return;
    node->rank = PH_RANK_NONE;
    if (node->after != NO_NODE)
        q->nodes[node->after].before = node->before;
    if (node->before != NO_NODE) {
        q->nodes[node->before].after = node->after;
        return;
    }
    q->heads[rank] = node->after;
    for (int k = 0; k < 4 && (k > 0 || node->after == NO_NODE); k++, rank /= 64) {
        q->level[k][rank / 64] &= ~((uint64_t)1 << (rank % 64));
        if (q->level[k][rank / 64] != 0)
            break;
    }
}

/* The lowest rank with a list, or PH_RANK_NONE. */
static uint32_t queue_lowest(const queue *q)
{
    uint32_t at = 0;
    if (q->level[3][0] == 0)
        return PH_RANK_NONE;
    for (int k = 3; k >= 0; k--)
        at = at * 64 + (uint32_t)__builtin_ctzll(q->level[k][at]);
    return at;
}

static void join(queue *q, const ph_bpe *bpe, uint32_t at, uint32_t rank)
{
    ph_bpe_node *node = &q->nodes[at];
    uint32_t gone = node->next;
    queue_remove(q, at);
    queue_remove(q, gone);
    node->id = bpe->result[rank];
    node->next = q->nodes[gone].next;
    if (node->next != NO_NODE) {
        ph_bpe_node *next = &q->nodes[node->next];
        next->prev = at;
        queue_put(q, at, rank_of(bpe, node->id, next->id));
    }
    if (node->prev != NO_NODE) {
        queue_remove(q, node->prev);
        queue_put(q, node->prev, rank_of(bpe, q->nodes[node->prev].id, node->id));
    }
}

/* A pair of twice the same token overlaps its neighbours in a run of that token: the run is joined
 * as a whole, from its left end, whichever pair of it came first in the list. */
static void join_run(queue *q, const ph_bpe *bpe, uint32_t at, uint32_t rank)
{
    uint32_t id = q->nodes[at].id;
    while (q->nodes[at].prev != NO_NODE && q->nodes[q->nodes[at].prev].id == id) {
        at = q->nodes[at].prev;
        q->steps++;
    }
    while (at != NO_NODE && q->nodes[at].id == id && q->nodes[at].next != NO_NODE &&
           q->nodes[q->nodes[at].next].id == id) {
        join(q, bpe, at, rank);
        at = q->nodes[at].next;
    }
}

static bool prepare(queue *q, const ph_bpe *bpe, ph_bpe_scratch *s, size_t n, phial_error *err)
{
    size_t words[4], total = 0;
    uint32_t bits = bpe->n_merges;
    for (int k = 0; k < 4; k++) {
        words[k] = n_words(bits) + 1;
        bits = (uint32_t)words[k];
        total += words[k];
    }
    if (s->heads == NULL) {
        uint32_t *heads = ph_alloc(bpe->n_merges, sizeof *heads, err);
        uint64_t *level = ph_alloc(total, sizeof *level, err);
        if (heads == NULL || level == NULL) {
            ph_free(heads);
            ph_free(level);
            return false;
        }
        memset(heads, 0xFF, bpe->n_merges * sizeof *heads);
        s->heads = heads;
        s->bits = level;
    }
    if (s->cap_nodes < n) {
        size_t cap = n + n / 4;
        ph_free(s->nodes);
        s->cap_nodes = 0;
        s->nodes = ph_alloc_aligned(cap, sizeof *s->nodes, PH_CACHE_LINE, err);
        if (s->nodes == NULL)
            return false;
        s->cap_nodes = cap;
    }
    q->nodes = s->nodes;
    q->heads = s->heads;
    q->level[0] = s->bits;
    for (int k = 1; k < 4; k++)
        q->level[k] = q->level[k - 1] + words[k - 1];
    q->steps = 0;
    return true;
}

static size_t encode_long(uint32_t *out, const ph_bpe *bpe, ph_bpe_scratch *s, const uint8_t *bytes,
                          size_t n, phial_error *err)
{
    queue q;
    if (!prepare(&q, bpe, s, n, err))
        return 0;
    for (uint32_t i = 0; i < n; i++) {
        q.nodes[i].id = bpe->byte_id[bytes[i]];
        q.nodes[i].prev = i - 1;
        q.nodes[i].next = i + 1 < n ? i + 1 : NO_NODE;
        q.nodes[i].rank = PH_RANK_NONE;
    }
    /* From the right, so that each list begins at the left: memory is walked forwards. */
    for (uint32_t i = (uint32_t)n - 1; i-- > 0;)
        queue_put(&q, i, bpe->byte_rank[(unsigned)bytes[i] << 8 | bytes[i + 1]]);
    uint32_t rank;
    while ((rank = queue_lowest(&q)) != PH_RANK_NONE) {
        uint32_t at = q.heads[rank];
        if (q.nodes[at].id == q.nodes[q.nodes[at].next].id)
            join_run(&q, bpe, at, rank);
        else
            join(&q, bpe, at, rank);
    }
    size_t n_ids = 0;
    for (uint32_t i = 0; i != NO_NODE; i = q.nodes[i].next)
        out[n_ids++] = q.nodes[i].id;
    s->n_steps += q.steps + n;
    return n_ids;
}

void ph_bpe_scratch_free(ph_bpe_scratch *s)
{
    ph_free(s->nodes);
    ph_free(s->heads);
    ph_free(s->bits);
    memset(s, 0, sizeof *s);
}

size_t ph_bpe_encode(uint32_t *out, const ph_bpe *bpe, ph_bpe_scratch *scratch,
                     const uint8_t *bytes, size_t n, phial_error *err)
{
    if (n <= PH_BPE_SHORT)
        return encode_short(out, bpe, bytes, n);
    return encode_long(out, bpe, scratch, bytes, n, err);
}
