/* Reading and storing segments; contract in collection_lex.h. */
#include "rag/collection_lex.h"

#include <string.h>

#include "base/mem.h"
#include "rag/collection_segment.h"

#define SEGMENTS_MAX 4096

static phial_status named(phial_collection *c, phial_status st, phial_error *err)
{
    return st == PHIAL_OK
               ? st
               : ph_err_context(err, st, "%s (phial collection check --rebuild mends it)", c->path);
}

static phial_status number_sections(ph_lex_segment *s, phial_error *err)
{
    s->section = ph_alloc(s->n, sizeof *s->section, err);
    if (!s->section)
        return PHIAL_ERR_NO_MEMORY;
    for (uint32_t i = 0; i < s->n; i++) {
        s->n_sections += s->chunks[i].begins;
        s->section[i] = s->n_sections - 1;
    }
    return PHIAL_OK;
}

phial_status ph_lex_segment_load(phial_collection *c, ph_lex_segment *s, phial_error *err)
{
    sqlite3_stmt *q;
    bool row = false;
    uint32_t n = 0;
    phial_status st = ph_sql_get(c, PH_SQL_SEGMENT_CHUNKS, &q, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(q, 1, s->id);
    st = ph_sql_step(c, q, &row, err);
    if (st == PHIAL_OK && !row)
        st = ph_damaged(c, "a segment of the full-text index is missing", err);
    if (st == PHIAL_OK)
        st = named(c, ph_lex_chunks_read(&s->chunks, &n, ph_sql_text(q, 0), err), err);
    sqlite3_reset(q);
    if (st == PHIAL_OK && n != s->n)
        st = ph_damaged(c, "a segment of the full-text index has another length", err);
    return st == PHIAL_OK ? number_sections(s, err) : st;
}

void ph_lex_segment_unload(ph_lex_segment *s)
{
    ph_free(s->chunks);
    ph_free(s->section);
    ph_free(s->dead);
    s->chunks = NULL;
    s->section = NULL;
    s->dead = NULL;
    s->n_sections = 0;
}

phial_status ph_lex_segments_list(phial_collection *c, ph_lex_view *view, phial_error *err)
{
    sqlite3_stmt *q;
    bool row = true;
    size_t cap = 0;
    phial_status st = ph_sql_get(c, PH_SQL_SEGMENTS, &q, err);
    while (st == PHIAL_OK && (st = ph_sql_step(c, q, &row, err)) == PHIAL_OK && row) {
        int64_t level = sqlite3_column_int64(q, 1), n = sqlite3_column_int64(q, 2);
        if (view->n_segments >= SEGMENTS_MAX || n < 1 || n > PH_LEX_CHUNKS_MAX || level < 0 ||
            level > 64) {
            st = ph_damaged(c, "the list of segments of the full-text index", err);
            break;
        }
        if (view->n_segments == cap) {
            cap = cap ? 2 * cap : 16;
            ph_lex_segment *more = ph_realloc(view->segments, cap, sizeof *more, err);
            if (!more) {
                st = PHIAL_ERR_NO_MEMORY;
                break;
            }
            view->segments = more;
        }
        view->segments[view->n_segments++] = (ph_lex_segment){
            .id = sqlite3_column_int64(q, 0), .level = (uint32_t)level, .n = (uint32_t)n};
    }
    if (q)
        sqlite3_reset(q);
    return st;
}

/* The first chunk of a segment whose id is at least `id`. */
static uint32_t lower_bound(const ph_lex_segment *s, int64_t id)
{
    uint32_t from = 0, to = s->n;
    while (from < to) {
        uint32_t mid = from + (to - from) / 2;
        if (s->chunks[mid].id < id)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

static phial_status bury(ph_lex_view *view, int64_t first, int64_t n, phial_error *err)
{
    for (size_t i = 0; i < view->n_segments; i++) {
        ph_lex_segment *s = &view->segments[i];
        for (uint32_t k = s->chunks ? lower_bound(s, first) : s->n;
             k < s->n && s->chunks[k].id - first < n; k++) {
            if (!s->dead && !(s->dead = ph_alloc(s->n, sizeof *s->dead, err)))
                return PHIAL_ERR_NO_MEMORY;
            view->n_dead += !s->dead[k];
            s->n_dead += !s->dead[k];
            s->dead[k] = true;
        }
    }
    return PHIAL_OK;
}

phial_status ph_lex_bury_all(phial_collection *c, ph_lex_view *view, phial_error *err)
{
    sqlite3_stmt *q;
    bool row = true;
    phial_status st = ph_sql_get(c, PH_SQL_TOMBSTONES, &q, err);
    while (st == PHIAL_OK && (st = ph_sql_step(c, q, &row, err)) == PHIAL_OK && row) {
        int64_t first = sqlite3_column_int64(q, 0), n = sqlite3_column_int64(q, 1);
        if (first < 1 || n < 1 || first > PH_CHUNK_ID_MAX || n > PH_CHUNK_ID_MAX)
            st = ph_damaged(c, "a tombstone of the full-text index", err);
        else
            st = bury(view, first, n, err);
    }
    if (q)
        sqlite3_reset(q);
    return st;
}

static void add_up(ph_lex_view *view)
{
    for (size_t i = 0; i < view->n_segments; i++) {
        const ph_lex_segment *s = &view->segments[i];
        uint32_t last = UINT32_MAX;
        for (uint32_t k = 0; k < s->n; k++) {
            if (s->dead && s->dead[k])
                continue;
            view->n_chunks++;
            view->body += s->chunks[k].body;
            view->head += s->chunks[k].head;
            view->n_sections += s->section[k] != last;
            last = s->section[k];
        }
    }
}

void ph_lex_view_free(ph_lex_view *view)
{
    if (!view)
        return;
    for (size_t i = 0; i < view->n_segments; i++)
        ph_lex_segment_unload(&view->segments[i]);
    ph_free(view->segments);
    ph_free(view);
}

static phial_status load_view(phial_collection *c, ph_lex_view **out, phial_error *err)
{
    ph_lex_view *view = ph_alloc(1, sizeof *view, err);
    if (!view)
        return PHIAL_ERR_NO_MEMORY;
    phial_status st = ph_lex_segments_list(c, view, err);
    for (size_t i = 0; st == PHIAL_OK && i < view->n_segments; i++)
        st = ph_lex_segment_load(c, &view->segments[i], err);
    if (st == PHIAL_OK)
        st = ph_lex_bury_all(c, view, err);
    if (st == PHIAL_OK) {
        add_up(view);
        *out = view;
    } else {
        ph_lex_view_free(view);
    }
    return st;
}

phial_status ph_lex_view_get(phial_collection *c, ph_lex_view **out, phial_error *err)
{
    int64_t generation = 0, version = PH_LEX_VERSION;
    phial_status st = ph_setting_get(c, "generation", &generation, 0, err);
    if (st == PHIAL_OK)
        st = ph_setting_get(c, "terms", &version, PH_LEX_VERSION, err);
    if (st == PHIAL_OK && version != PH_LEX_VERSION)
        st = ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                        "%s: its full-text index has terms of kind %lld, this Phial makes kind %d; "
                        "phial collection check --rebuild makes it anew",
                        c->path, (long long)version, PH_LEX_VERSION);
    if (st != PHIAL_OK)
        return st;
    if (!c->view || c->view_generation != generation) {
        ph_lex_view_free(c->view);
        c->view = NULL;
        st = load_view(c, &c->view, err);
        c->view_generation = generation;
    }
    *out = c->view;
    return st;
}

phial_status ph_lex_changed(phial_collection *c, phial_error *err)
{
    int64_t generation = 0;
    phial_status st = ph_setting_get(c, "generation", &generation, 0, err);
    if (st == PHIAL_OK && generation == 0)
        st = ph_setting_put(c, "terms", PH_LEX_VERSION, err);
    if (st == PHIAL_OK)
        st = ph_setting_put(c, "generation", generation < 1 ? 1 : generation + 1, err);
    return st;
}

int ph_lex_term_order(ph_str a, ph_str b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

phial_status ph_lex_find(phial_collection *c, const ph_lex_segment *segment, ph_str term,
                         ph_buf *block, ph_lex_entry *entry, bool *found, phial_error *err)
{
    sqlite3_stmt *q;
    bool more = false;
    ph_lex_reader reader;
    *found = false;
    phial_status st = ph_sql_get(c, PH_SQL_POSTINGS_FIND, &q, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(q, 1, segment->id);
    ph_sql_bind_blob(q, 2, term);
    st = ph_sql_step(c, q, &more, err);
    if (st == PHIAL_OK && more) {
        ph_str bytes = ph_sql_text(q, 0);
        ph_buf_clear(block);
        ph_buf_add(block, bytes.p, bytes.n);
        st = ph_buf_status(block, err);
        if (st == PHIAL_OK)
            st = named(c, ph_lex_reader_init(&reader, (ph_str){block->data, block->len}, err), err);
    }
    sqlite3_reset(q);
    while (st == PHIAL_OK && more) {
        st = named(c, ph_lex_reader_next(&reader, entry, &more, err), err);
        int order = st == PHIAL_OK && more ? ph_lex_term_order(entry->term, term) : 1;
        *found = order == 0;
        more = order < 0;
    }
    return st;
}

void ph_lex_scan_init(ph_lex_scan *scan, phial_collection *c, int64_t segment)
{
    memset(scan, 0, sizeof *scan);
    scan->c = c;
    scan->segment = segment;
    ph_buf_init(&scan->block, PH_LEX_BLOCK_MAX);
}

void ph_lex_scan_free(ph_lex_scan *scan)
{
    ph_buf_free(&scan->block);
}

static phial_status next_block(ph_lex_scan *scan, phial_error *err)
{
    sqlite3_stmt *q;
    bool row = false;
    phial_collection *c = scan->c;
    phial_status st =
        ph_sql_get(c, scan->begun ? PH_SQL_POSTINGS_OF : PH_SQL_POSTINGS_FIRST, &q, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(q, 1, scan->segment);
    if (scan->begun)
        ph_sql_bind_blob(q, 2, (ph_str){scan->first, scan->n_first});
    st = ph_sql_step(c, q, &row, err);
    scan->begun = true;
    scan->done = !row;
    if (st == PHIAL_OK && row) {
        ph_str first = ph_sql_text(q, 0), bytes = ph_sql_text(q, 1);
        if (first.n > sizeof scan->first) {
            st = ph_damaged(c, "a term of the full-text index is too long", err);
        } else {
            memcpy(scan->first, first.p, first.n);
            scan->n_first = first.n;
            ph_buf_clear(&scan->block);
            ph_buf_add(&scan->block, bytes.p, bytes.n);
            st = ph_buf_status(&scan->block, err);
        }
    }
    sqlite3_reset(q);
    if (st == PHIAL_OK && row)
        st = named(
            c, ph_lex_reader_init(&scan->reader, (ph_str){scan->block.data, scan->block.len}, err),
            err);
    return st;
}

phial_status ph_lex_scan_next(ph_lex_scan *scan, phial_error *err)
{
    phial_status st = PHIAL_OK;
    bool more = false;
    char last[PH_LEX_TERM_MAX];
    size_t n_last = scan->entry.term.n;
    if (n_last > 0)
        memcpy(last, scan->reader.term, n_last);
    while (st == PHIAL_OK && !scan->done && !more) {
        if (scan->begun)
            st = named(scan->c, ph_lex_reader_next(&scan->reader, &scan->entry, &more, err), err);
        if (st == PHIAL_OK && !more)
            st = next_block(scan, err);
    }
    if (st == PHIAL_OK && !scan->done && n_last > 0 &&
        ph_lex_term_order(scan->entry.term, (ph_str){last, n_last}) <= 0)
        st = ph_damaged(scan->c, "the terms of the full-text index are out of order", err);
    return st;
}

phial_status ph_lex_block_put(phial_collection *c, int64_t segment, ph_str first, ph_str block,
                              phial_error *err)
{
    sqlite3_stmt *q;
    phial_status st = ph_sql_get(c, PH_SQL_POSTINGS_INSERT, &q, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(q, 1, segment);
    ph_sql_bind_blob(q, 2, first);
    ph_sql_bind_blob(q, 3, block);
    return ph_sql_run(c, q, err);
}

phial_status ph_lex_chunks_put(phial_collection *c, int64_t id, uint32_t level,
                               const ph_lex_chunk *chunks, uint32_t n, phial_error *err)
{
    sqlite3_stmt *q;
    int64_t last = 0;
    ph_buf rows, data;
    ph_buf_init(&rows, PH_CELL_MAX);
    ph_buf_init(&data, PH_CELL_MAX);
    for (uint32_t i = 0; i < n; i++)
        ph_lex_chunk_add(&rows, &last, &chunks[i]);
    phial_status st = ph_lex_chunks_end(&data, &rows, n, err);
    if (st == PHIAL_OK)
        st = ph_sql_get(c, PH_SQL_SEGMENT_INSERT, &q, err);
    if (st == PHIAL_OK) {
        sqlite3_bind_int64(q, 1, id);
        sqlite3_bind_int64(q, 2, level);
        sqlite3_bind_int64(q, 3, n);
        ph_sql_bind_blob(q, 4, (ph_str){data.data, data.len});
        st = ph_sql_run(c, q, err);
    }
    ph_buf_free(&rows);
    ph_buf_free(&data);
    return st;
}

phial_status ph_lex_segment_put(phial_collection *c, int64_t first_id, ph_lex_chunk *chunks,
                                uint32_t n, ph_str blocks, phial_error *err)
{
    int64_t id = 0;
    const uint8_t *p = (const uint8_t *)blocks.p, *end = p + blocks.n;
    phial_status st = ph_sql_number(c, PH_SQL_SEGMENT_NEXT_ID, &id, 1, err);
    for (uint32_t i = 0; i < n; i++)
        chunks[i].id = first_id + i;
    if (st == PHIAL_OK)
        st = ph_lex_chunks_put(c, id, 0, chunks, n, err);
    while (st == PHIAL_OK && p < end) {
        uint64_t n_first = 0, n_block = 0;
        ph_varint_get(&p, end, &n_first);
        const char *first = (const char *)p;
        p += n_first;
        ph_varint_get(&p, end, &n_block);
        st = ph_lex_block_put(c, id, (ph_str){first, n_first}, (ph_str){(const char *)p, n_block},
                              err);
        p += n_block;
    }
    return st;
}

phial_status ph_lex_clear(phial_collection *c, phial_error *err)
{
    phial_status st = ph_sql_exec(c, "DELETE FROM postings", err);
    if (st == PHIAL_OK)
        st = ph_sql_exec(c, "DELETE FROM segments", err);
    if (st == PHIAL_OK)
        st = ph_sql_do(c, PH_SQL_TOMBSTONES_CLEAR, 0, 0, err);
    if (st == PHIAL_OK)
        st = ph_setting_put(c, "terms", PH_LEX_VERSION, err);
    return st;
}
