/* Contract in lex_block.h. */
#include "rag/lex_block.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

#define HASH_BYTES 8

bool ph_varint_add(ph_buf *out, uint64_t v)
{
    uint8_t bytes[10];
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        bytes[n++] = (uint8_t)(v | 0x80);
    bytes[n++] = (uint8_t)v;
    return ph_buf_add(out, bytes, n);
}

bool ph_varint_get(const uint8_t **p, const uint8_t *end, uint64_t *v)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && *p < end; shift += 7) {
        uint8_t byte = *(*p)++;
        if (shift == 63 && byte > 1)
            return false;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *v = value;
            return true;
        }
    }
    return false;
}

static void put_hash(uint8_t *out, const void *bytes, size_t n)
{
    uint64_t h = ph_hash64(bytes, n, 0);
    for (int i = 0; i < HASH_BYTES; i++)
        out[i] = (uint8_t)(h >> (8 * i));
}

/* What is behind the checksum. */
static phial_status open_bytes(ph_str data, const uint8_t **p, const uint8_t **end,
                               phial_error *err)
{
    uint8_t right[HASH_BYTES];
    if (data.n < HASH_BYTES)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "the full-text index is cut short");
    put_hash(right, data.p + HASH_BYTES, data.n - HASH_BYTES);
    if (memcmp(right, data.p, HASH_BYTES) != 0)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "the full-text index is damaged (a checksum is not right)");
    *p = (const uint8_t *)data.p + HASH_BYTES;
    *end = (const uint8_t *)data.p + data.n;
    return PHIAL_OK;
}

static phial_status malformed(phial_error *err)
{
    return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "the full-text index is malformed");
}

/* --- writing --- */

void ph_lex_writer_init(ph_lex_writer *w,
                        phial_status (*emit)(void *user, ph_str first, ph_str block,
                                             phial_error *err),
                        void *user)
{
    memset(w, 0, sizeof *w);
    ph_buf_init(&w->block, PH_LEX_BLOCK_MAX);
    w->emit = emit;
    w->user = user;
}

void ph_lex_writer_free(ph_lex_writer *w)
{
    ph_buf_free(&w->block);
}

phial_status ph_lex_writer_end(ph_lex_writer *w, phial_error *err)
{
    phial_status st = ph_buf_status(&w->block, err);
    if (st != PHIAL_OK || w->block.len == 0)
        return st;
    put_hash((uint8_t *)w->block.data, w->block.data + HASH_BYTES, w->block.len - HASH_BYTES);
    st = w->emit(w->user, (ph_str){w->first, w->n_first}, (ph_str){w->block.data, w->block.len},
                 err);
    ph_buf_clear(&w->block);
    w->n_term = 0;
    return st;
}

phial_status ph_lex_writer_add(ph_lex_writer *w, ph_str term, uint64_t n_postings, ph_str postings,
                               phial_error *err)
{
    phial_status st = PHIAL_OK;
    if (w->block.len > 0 && w->block.len + postings.n > PH_LEX_BLOCK_BYTES)
        st = ph_lex_writer_end(w, err);
    if (st != PHIAL_OK)
        return st;
    if (w->block.len == 0) {
        ph_buf_add_zeros(&w->block, HASH_BYTES);
        memcpy(w->first, term.p, term.n);
        w->n_first = term.n;
    }
    size_t shared = 0;
    while (shared < term.n && shared < w->n_term && term.p[shared] == w->term[shared])
        shared++;
    ph_varint_add(&w->block, shared);
    ph_varint_add(&w->block, term.n - shared);
    ph_buf_add(&w->block, term.p + shared, term.n - shared);
    ph_varint_add(&w->block, n_postings);
    ph_varint_add(&w->block, postings.n);
    ph_buf_add(&w->block, postings.p, postings.n);
    memcpy(w->term, term.p, term.n);
    w->n_term = term.n;
    return ph_buf_status(&w->block, err);
}

bool ph_lex_posting_add(ph_buf *out, uint32_t *next, const ph_lex_posting *posting)
{
    unsigned shape = posting->head > 0 ? 2 : (posting->body == 1 ? 0 : 1);
    bool ok = ph_varint_add(out, ((uint64_t)(posting->chunk - *next) << 2) | shape);
    if (shape > 0)
        ok = ph_varint_add(out, posting->body);
    if (shape > 1)
        ok = ph_varint_add(out, posting->head);
    *next = posting->chunk + 1;
    return ok;
}

phial_status ph_lex_part_emit(void *user, ph_str first, ph_str block, phial_error *err)
{
    ph_buf *out = user;
    ph_varint_add(out, first.n);
    ph_buf_add(out, first.p, first.n);
    ph_varint_add(out, block.n);
    ph_buf_add(out, block.p, block.n);
    return ph_buf_status(out, err);
}

/* --- reading --- */

phial_status ph_lex_reader_init(ph_lex_reader *r, ph_str block, phial_error *err)
{
    memset(r, 0, sizeof *r);
    return open_bytes(block, &r->p, &r->end, err);
}

phial_status ph_lex_reader_next(ph_lex_reader *r, ph_lex_entry *entry, bool *more, phial_error *err)
{
    uint64_t shared, further, n, bytes;
    *more = r->p < r->end;
    if (!*more)
        return PHIAL_OK;
    if (!ph_varint_get(&r->p, r->end, &shared) || !ph_varint_get(&r->p, r->end, &further) ||
        shared > r->n_term || further > PH_LEX_TERM_MAX - shared ||
        further > (size_t)(r->end - r->p))
        return malformed(err);
    /* Rising: the new term goes on where the old one ends, or is greater at the first byte that
     * differs. */
    bool rises =
        shared == r->n_term ? further > 0 : further > 0 && r->p[0] > (uint8_t)r->term[shared];
    if (r->begun && !rises)
        return malformed(err);
    r->begun = true;
    memcpy(r->term + shared, r->p, further);
    r->n_term = shared + further;
    r->p += further;
    if (!ph_varint_get(&r->p, r->end, &n) || !ph_varint_get(&r->p, r->end, &bytes) ||
        bytes > (size_t)(r->end - r->p) || n > bytes)
        return malformed(err);
    *entry = (ph_lex_entry){{r->term, r->n_term}, n, {(const char *)r->p, bytes}};
    r->p += bytes;
    return PHIAL_OK;
}

void ph_lex_cursor_init(ph_lex_cursor *c, const ph_lex_entry *entry, uint32_t n_chunks)
{
    c->p = (const uint8_t *)entry->postings.p;
    c->end = c->p + entry->postings.n;
    c->left = entry->n_postings;
    c->next = 0;
    c->n_chunks = n_chunks;
}

int ph_lex_cursor_next(ph_lex_cursor *c, ph_lex_posting *out)
{
    uint64_t v, body = 1, head = 0;
    if (c->left == 0)
        return c->p == c->end ? 0 : -1;
    c->left--;
    if (!ph_varint_get(&c->p, c->end, &v))
        return -1;
    unsigned shape = v & 3;
    if (shape > 2 || (v >> 2) >= c->n_chunks - c->next)
        return -1;
    if (shape > 0 && !ph_varint_get(&c->p, c->end, &body))
        return -1;
    if (shape > 1 && !ph_varint_get(&c->p, c->end, &head))
        return -1;
    if (body > PH_LEX_COUNT_MAX || head > PH_LEX_COUNT_MAX || body + head == 0)
        return -1;
    *out = (ph_lex_posting){c->next + (uint32_t)(v >> 2), (uint32_t)body, (uint32_t)head};
    c->next = out->chunk + 1;
    return 1;
}

/* --- chunks of a segment --- */

bool ph_lex_chunk_add(ph_buf *rows, int64_t *last_id, const ph_lex_chunk *chunk)
{
    ph_varint_add(rows, (uint64_t)(chunk->id - *last_id));
    ph_varint_add(rows, (uint64_t)chunk->body << 1 | (chunk->begins ? 1 : 0));
    *last_id = chunk->id;
    return ph_varint_add(rows, chunk->head);
}

phial_status ph_lex_chunks_end(ph_buf *out, const ph_buf *rows, uint32_t n, phial_error *err)
{
    ph_buf_clear(out);
    ph_buf_add_zeros(out, HASH_BYTES);
    ph_varint_add(out, n);
    ph_buf_add(out, rows->data, rows->len);
    phial_status st = ph_buf_status(rows, err);
    if (st == PHIAL_OK)
        st = ph_buf_status(out, err);
    if (st == PHIAL_OK)
        put_hash((uint8_t *)out->data, out->data + HASH_BYTES, out->len - HASH_BYTES);
    return st;
}

static bool read_chunk(const uint8_t **p, const uint8_t *end, int64_t last, ph_lex_chunk *out)
{
    uint64_t step, body, head;
    if (!ph_varint_get(p, end, &step) || !ph_varint_get(p, end, &body) ||
        !ph_varint_get(p, end, &head))
        return false;
    if (step == 0 || step > (uint64_t)(INT64_MAX - last) || body >> 1 > PH_LEX_COUNT_MAX ||
        head > PH_LEX_COUNT_MAX)
        return false;
    *out = (ph_lex_chunk){last + (int64_t)step, (uint32_t)(body >> 1), (uint32_t)head,
                          (body & 1) != 0};
    return true;
}

phial_status ph_lex_chunks_read(ph_lex_chunk **chunks, uint32_t *n, ph_str data, phial_error *err)
{
    const uint8_t *p, *end;
    uint64_t count;
    *chunks = NULL;
    *n = 0;
    phial_status st = open_bytes(data, &p, &end, err);
    if (st != PHIAL_OK)
        return st;
    if (!ph_varint_get(&p, end, &count) || count > PH_LEX_CHUNKS_MAX ||
        count > (size_t)(end - p) / 3)
        return malformed(err);
    ph_lex_chunk *list = ph_alloc((size_t)count, sizeof *list, err);
    if (!list)
        return PHIAL_ERR_NO_MEMORY;
    int64_t last = 0;
    for (size_t i = 0; i < count; i++) {
        if (!read_chunk(&p, end, last, &list[i]) || (i == 0 && !list[i].begins)) {
            ph_free(list);
            return malformed(err);
        }
        last = list[i].id;
    }
    if (p != end) {
        ph_free(list);
        return malformed(err);
    }
    *chunks = list;
    *n = (uint32_t)count;
    return PHIAL_OK;
}
