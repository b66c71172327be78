/* Merging segments in tiers; contract in collection_lex.h.
 *
 * Eight segments of a level become one of the next, so that a posting is written again once a
 * level. At the end of a run small ones are merged further until sizes at least double from one to
 * the next. When a fifth of the chunks is dead, segments that have dead ones are written anew;
 * tombstones are dropped when nothing is dead.
 *
 * A merge holds the chunks of its segments and the postings of one term, some 100 bytes a chunk. So
 * it makes no segment of more than PH_LEX_SEGMENT_CHUNKS, and one with more than half of that is
 * left alone, but for its dead. Which segments there are changes nothing in a ranking.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "rag/collection_lex.h"
#include "rag/collection_segment.h"

#define FAN  8
#define GONE UINT32_MAX

typedef struct merge {
    phial_collection *c;
    ph_lex_segment **in; /* [n_in] */
    ph_lex_scan *scans;
    uint32_t **map; /* old to new number of each chunk; GONE */
    size_t n_in;
    ph_lex_chunk *chunks; /* of the new segment */
    uint32_t n;
    int64_t id;
    ph_lex_posting *postings;
    size_t n_postings, cap_postings;
    ph_buf bytes;
    ph_lex_writer writer;
} merge;

static phial_status emit_merged(void *user, ph_str first, ph_str block, phial_error *err)
{
    const merge *m = user;
    return ph_lex_block_put(m->c, m->id, first, block, err);
}

/* All living chunks in order of their ids. */
static phial_status merge_chunks(merge *m, phial_error *err)
{
    size_t total = 0;
    uint32_t *at = ph_alloc(m->n_in, sizeof *at, err);
    for (size_t i = 0; i < m->n_in; i++)
        total += m->in[i]->n;
    m->chunks = at && total <= PH_LEX_CHUNKS_MAX ? ph_alloc(total, sizeof *m->chunks, err) : NULL;
    phial_status st = m->chunks ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; st == PHIAL_OK && i < m->n_in; i++) {
        m->map[i] = ph_alloc(m->in[i]->n, sizeof **m->map, err);
        st = m->map[i] ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
    }
    int64_t last = 0;
    for (size_t left = total; st == PHIAL_OK && left > 0; left--) {
        size_t best = m->n_in;
        for (size_t i = 0; i < m->n_in; i++) {
            if (at[i] < m->in[i]->n &&
                (best == m->n_in || m->in[i]->chunks[at[i]].id < m->in[best]->chunks[at[best]].id))
                best = i;
        }
        const ph_lex_segment *s = m->in[best];
        uint32_t k = at[best]++;
        if (s->chunks[k].id <= last)
            st = ph_damaged(m->c, "a chunk is in two segments of the full-text index", err);
        last = s->chunks[k].id;
        bool dead = s->dead && s->dead[k];
        m->map[best][k] = dead ? GONE : m->n;
        if (!dead)
            m->chunks[m->n++] = s->chunks[k];
    }
    if (st == PHIAL_OK && m->n > 0)
        m->chunks[0].begins = true;
    ph_free(at);
    return st;
}

static phial_status take_postings(merge *m, size_t i, phial_error *err)
{
    ph_lex_cursor cursor;
    ph_lex_posting p;
    int got;
    ph_lex_cursor_init(&cursor, &m->scans[i].entry, m->in[i]->n);
    while ((got = ph_lex_cursor_next(&cursor, &p)) > 0) {
        if (m->map[i][p.chunk] == GONE)
            continue;
        if (m->n_postings == m->cap_postings) {
            size_t cap = m->cap_postings ? 2 * m->cap_postings : 4096;
            ph_lex_posting *more = ph_realloc(m->postings, cap, sizeof *more, err);
            if (!more)
                return PHIAL_ERR_NO_MEMORY;
            m->postings = more;
            m->cap_postings = cap;
        }
        p.chunk = m->map[i][p.chunk];
        m->postings[m->n_postings++] = p;
    }
    return got == 0 ? PHIAL_OK : ph_damaged(m->c, "postings of the full-text index", err);
}

static int by_chunk(const void *a, const void *b)
{
    uint32_t x = ((const ph_lex_posting *)a)->chunk, y = ((const ph_lex_posting *)b)->chunk;
    return (x > y) - (x < y);
}

static phial_status write_term(merge *m, ph_str term, phial_error *err)
{
    uint32_t next = 0;
    bool sorted = true;
    for (size_t i = 1; i < m->n_postings; i++)
        sorted = sorted && m->postings[i - 1].chunk < m->postings[i].chunk;
    if (!sorted)
        qsort(m->postings, m->n_postings, sizeof *m->postings, by_chunk);
    ph_buf_clear(&m->bytes);
    for (size_t i = 0; i < m->n_postings; i++)
        ph_lex_posting_add(&m->bytes, &next, &m->postings[i]);
    phial_status st = ph_buf_status(&m->bytes, err);
    if (st == PHIAL_OK && m->n_postings > 0)
        st = ph_lex_writer_add(&m->writer, term, m->n_postings,
                               (ph_str){m->bytes.data, m->bytes.len}, err);
    return st;
}

static phial_status merge_terms(merge *m, phial_error *err)
{
    phial_status st = PHIAL_OK;
    for (size_t i = 0; st == PHIAL_OK && i < m->n_in; i++)
        st = ph_lex_scan_next(&m->scans[i], err);
    while (st == PHIAL_OK) {
        size_t best = m->n_in;
        char term[PH_LEX_TERM_MAX];
        for (size_t i = 0; i < m->n_in; i++) {
            if (!m->scans[i].done &&
                (best == m->n_in ||
                 ph_lex_term_order(m->scans[i].entry.term, m->scans[best].entry.term) < 0))
                best = i;
        }
        if (best == m->n_in)
            break;
        ph_str name = {term, m->scans[best].entry.term.n};
        memcpy(term, m->scans[best].entry.term.p, name.n);
        m->n_postings = 0;
        for (size_t i = best; st == PHIAL_OK && i < m->n_in; i++) {
            if (m->scans[i].done || !ph_str_eq(m->scans[i].entry.term, name))
                continue;
            st = take_postings(m, i, err);
            if (st == PHIAL_OK)
                st = ph_lex_scan_next(&m->scans[i], err);
        }
        if (st == PHIAL_OK)
            st = write_term(m, name, err);
    }
    return st == PHIAL_OK ? ph_lex_writer_end(&m->writer, err) : st;
}

static phial_status replace_segments(merge *m, uint32_t level, phial_error *err)
{
    phial_status st =
        m->n > 0 ? ph_lex_chunks_put(m->c, m->id, level, m->chunks, m->n, err) : PHIAL_OK;
    for (size_t i = 0; st == PHIAL_OK && i < m->n_in; i++) {
        st = ph_sql_do(m->c, PH_SQL_POSTINGS_DELETE, m->in[i]->id, 0, err);
        if (st == PHIAL_OK)
            st = ph_sql_do(m->c, PH_SQL_SEGMENT_DELETE, m->in[i]->id, 0, err);
    }
    return st;
}

static phial_status merge_segments(phial_collection *c, ph_lex_segment **in, size_t n_in,
                                   uint32_t level, phial_error *err)
{
    merge m = {.c = c, .in = in, .n_in = n_in};
    ph_buf_init(&m.bytes, PH_LEX_BLOCK_MAX / 2);
    ph_lex_writer_init(&m.writer, emit_merged, &m);
    m.map = ph_alloc(n_in, sizeof *m.map, err);
    m.scans = ph_alloc(n_in, sizeof *m.scans, err);
    phial_status st = m.map && m.scans ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; m.scans && i < n_in; i++)
        ph_lex_scan_init(&m.scans[i], c, in[i]->id);
    if (st == PHIAL_OK)
        st = ph_sql_number(c, PH_SQL_SEGMENT_NEXT_ID, &m.id, 1, err);
    if (st == PHIAL_OK)
        st = merge_chunks(&m, err);
    if (st == PHIAL_OK)
        st = merge_terms(&m, err);
    if (st == PHIAL_OK)
        st = replace_segments(&m, level, err);
    for (size_t i = 0; i < n_in; i++) {
        if (m.scans)
            ph_lex_scan_free(&m.scans[i]);
        if (m.map)
            ph_free(m.map[i]);
    }
    ph_free(m.scans);
    ph_free(m.map);
    ph_free(m.chunks);
    ph_free(m.postings);
    ph_buf_free(&m.bytes);
    ph_lex_writer_free(&m.writer);
    return st;
}

static int by_size(const void *a, const void *b)
{
    const ph_lex_segment *x = *(ph_lex_segment *const *)a, *y = *(ph_lex_segment *const *)b;
    if (x->n != y->n)
        return x->n < y->n ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* How many of the segments, which are in order of their sizes, are to be merged: all that are not
 * larger than twice what is before them, so that sizes at least double. */
static size_t not_doubling(ph_lex_segment **in, size_t n)
{
    uint64_t before = 0;
    size_t cut = 0;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && in[i]->n <= 2 * before)
            cut = i + 1;
        before += in[i]->n;
    }
    return cut;
}

/* How many of them, from the front, make a segment of at most `most` chunks; one may be larger. */
static size_t that_fit(ph_lex_segment **in, size_t n, uint64_t most)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += in[i]->n;
        if (i > 0 && sum > most)
            return i;
    }
    return n;
}

/* Segments that still grow, in front, of one level or of all. */
static size_t growing(const ph_lex_view *view, ph_lex_segment **in, uint64_t most, int level)
{
    size_t n = 0;
    for (size_t i = 0; i < view->n_segments; i++) {
        ph_lex_segment *s = &view->segments[i];
        if (s->n <= most / 2 && (level < 0 || s->level == (uint32_t)level))
            in[n++] = s;
    }
    return n;
}

/* Puts those that are to be merged now in front; 0: nothing is due. */
static size_t choose(const ph_lex_view *view, ph_lex_segment **in, uint64_t most, bool finish,
                     bool purge, uint32_t *level)
{
    size_t n = 0;
    for (int l = 0; l < 64; l++) {
        *level = (uint32_t)l + 1;
        if ((n = growing(view, in, most, l)) >= FAN)
            return that_fit(in, n, most);
    }
    for (size_t i = n = 0; purge && i < view->n_segments; i++) {
        if (view->segments[i].n_dead > 0)
            in[n++] = &view->segments[i];
    }
    if (!purge && finish) {
        n = growing(view, in, most, -1);
        qsort(in, n, sizeof(ph_lex_segment *), by_size);
        n = not_doubling(in, n);
    }
    n = that_fit(in, n, most);
    *level = 0;
    for (size_t i = 0; i < n; i++)
        *level = in[i]->level > *level ? in[i]->level : *level;
    return n;
}

/* Who is dead, with the chunks of one segment in memory at a time. *any: there are tombstones. */
static phial_status count_dead(phial_collection *c, ph_lex_view *view, bool *any, phial_error *err)
{
    int64_t n = 0;
    phial_status st = ph_sql_number(c, PH_SQL_TOMBSTONES_COUNT, &n, 0, err);
    *any = n > 0;
    for (size_t i = 0; st == PHIAL_OK && *any && i < view->n_segments; i++) {
        st = ph_lex_segment_load(c, &view->segments[i], err);
        if (st == PHIAL_OK)
            st = ph_lex_bury_all(c, view, err);
        ph_lex_segment_unload(&view->segments[i]);
    }
    return st;
}

typedef struct due {
    ph_lex_view *view;
    ph_lex_segment **in; /* [n_in] of the view's */
    size_t n_in;
    uint32_t level;
    bool purge; /* too much was dead: goes on until nothing is */
    bool swept; /* nothing is dead, but there are tombstones */
} due;

/* What is due now, with its chunks. */
static phial_status look(phial_collection *c, bool finish, due *d, phial_error *err)
{
    uint64_t n_chunks = 0, most = ph_lex_segment_most(c);
    bool tombstones = false;
    ph_lex_view *view = d->view;
    d->n_in = 0;
    phial_status st = ph_lex_segments_list(c, view, err);
    if (st == PHIAL_OK && !(d->in = ph_alloc(view->n_segments, sizeof *d->in, err)))
        st = PHIAL_ERR_NO_MEMORY;
    if (st == PHIAL_OK && finish)
        st = count_dead(c, view, &tombstones, err);
    if (st != PHIAL_OK)
        return st;
    for (size_t i = 0; i < view->n_segments; i++)
        n_chunks += view->segments[i].n;
    d->swept = tombstones && view->n_dead == 0;
    d->purge = view->n_dead > 0 && (d->purge || view->n_dead * 5 > n_chunks);
    d->n_in = choose(view, d->in, most, finish, d->purge, &d->level);
    for (size_t i = 0; st == PHIAL_OK && i < d->n_in; i++)
        st = ph_lex_segment_load(c, d->in[i], err);
    return st == PHIAL_OK && d->n_in > 0 ? ph_lex_bury_all(c, view, err) : st;
}

uint32_t ph_lex_segment_most(const phial_collection *c)
{
    return c->segment_chunks ? c->segment_chunks : PH_LEX_SEGMENT_CHUNKS;
}

phial_status ph_lex_growing(phial_collection *c, int64_t *n, int64_t *of_a_level, phial_error *err)
{
    sqlite3_stmt *q;
    bool row = false;
    phial_status st = ph_sql_get(c, PH_SQL_SEGMENTS_GROWING, &q, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(q, 1, ph_lex_segment_most(c) / 2);
    st = ph_sql_step(c, q, &row, err);
    *n = row ? sqlite3_column_int64(q, 0) : 0;
    *of_a_level = row ? sqlite3_column_int64(q, 1) : 0;
    sqlite3_reset(q);
    return st;
}

phial_status ph_lex_merge_due(phial_collection *c, bool finish, bool *changed, phial_error *err)
{
    phial_status st = PHIAL_OK;
    due d = {0};
    for (bool again = true; st == PHIAL_OK && again;) {
        int64_t n = 0, of_a_level = FAN;
        if (!finish)
            st = ph_lex_growing(c, &n, &of_a_level, err);
        if (st != PHIAL_OK || of_a_level < FAN)
            return st;
        d.in = NULL;
        d.view = ph_alloc(1, sizeof *d.view, err);
        if (!d.view)
            return PHIAL_ERR_NO_MEMORY;
        st = look(c, finish, &d, err);
        again = d.n_in > 0;
        if (st == PHIAL_OK && d.swept)
            st = ph_sql_do(c, PH_SQL_TOMBSTONES_CLEAR, 0, 0, err);
        if (st == PHIAL_OK && again)
            st = merge_segments(c, d.in, d.n_in, d.level, err);
        *changed = *changed || again || d.swept;
        ph_free(d.in);
        ph_lex_view_free(d.view);
    }
    return st;
}
