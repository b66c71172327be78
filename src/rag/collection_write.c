/* Contract in collection_write.h. */
#include "rag/collection_write.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "rag/collection_lex.h"
#include "rag/collection_vectors.h"

/* --- checksum --- */

static void add_number(ph_hasher *h, uint64_t v)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(v >> (8 * i));
    ph_hasher_add(h, bytes, sizeof bytes);
}

static void add_text(ph_hasher *h, ph_str s)
{
    add_number(h, s.n);
    if (s.n > 0)
        ph_hasher_add(h, s.p, s.n);
}

static void add_hash(ph_hasher *h, ph_hash128 x)
{
    add_number(h, x.lo);
    add_number(h, x.hi);
}

phial_status ph_doc_sum_new(ph_doc_sum *sum, phial_error *err)
{
    *sum = (ph_doc_sum){0};
    phial_status st = ph_hasher_new(&sum->pages, err);
    return st == PHIAL_OK ? ph_hasher_new(&sum->chunks, err) : st;
}

void ph_doc_sum_free(ph_doc_sum *sum)
{
    ph_hasher_free(sum->pages);
    ph_hasher_free(sum->chunks);
    *sum = (ph_doc_sum){0};
}

void ph_doc_sum_page(ph_doc_sum *sum, uint32_t number, ph_str label, ph_str text)
{
    add_number(sum->pages, number);
    add_text(sum->pages, label);
    add_text(sum->pages, text);
}

void ph_doc_sum_chunk(ph_doc_sum *sum, uint32_t page, uint64_t start, uint64_t end,
                      uint32_t n_tokens, uint32_t kind, ph_str context)
{
    add_number(sum->chunks, page);
    add_number(sum->chunks, start);
    add_number(sum->chunks, end);
    add_number(sum->chunks, n_tokens);
    add_number(sum->chunks, kind);
    add_text(sum->chunks, context);
}

phial_status ph_doc_sum_end(ph_doc_sum *sum, const ph_doc_facts *facts, const ph_doc_counts *counts,
                            uint8_t out[16], phial_error *err)
{
    const ph_str texts[] = {facts->name,     facts->source, facts->origin,
                            facts->format,   facts->title,  facts->author,
                            facts->language, facts->notes,  facts->metadata};
    ph_hasher *h = NULL;
    phial_status st = ph_hasher_new(&h, err);
    if (st != PHIAL_OK)
        return st;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        add_text(h, texts[i]);
    add_number(h, facts->bytes);
    add_hash(h, facts->hash);
    add_number(h, (uint64_t)facts->recipe);
    add_number(h, counts->n_pages);
    add_number(h, counts->n_chunks);
    add_number(h, counts->n_tokens);
    add_hash(h, ph_hasher_end(sum->pages));
    add_hash(h, ph_hasher_end(sum->chunks));
    ph_hash128 all = ph_hasher_end(h);
    for (int i = 0; i < 8; i++) {
        out[i] = (uint8_t)(all.lo >> (8 * i));
        out[8 + i] = (uint8_t)(all.hi >> (8 * i));
    }
    ph_hasher_free(h);
    return PHIAL_OK;
}

/* --- a document --- */

phial_status ph_doc_begin(ph_doc_writer *w, phial_collection *c, phial_error *err)
{
    *w = (ph_doc_writer){.c = c};
    phial_status st = ph_collection_begin_writing(c, err);
    if (st == PHIAL_OK)
        st = ph_doc_sum_new(&w->sum, err);
    if (st == PHIAL_OK)
        st = ph_tx_begin(c, true, err);
    w->open = st == PHIAL_OK;
    if (st == PHIAL_OK)
        st = ph_sql_number(c, PH_SQL_DOC_NEXT_ID, &w->id, 1, err);
    if (st == PHIAL_OK)
        st = ph_setting_get(c, "next_chunk", &w->first_chunk, 1, err);
    if (st == PHIAL_OK && (w->id < 1 || w->id > PH_DOC_ID_MAX || w->first_chunk < 1 ||
                           w->first_chunk > PH_CHUNK_ID_MAX))
        st = ph_damaged(c, "its counters", err);
    if (st != PHIAL_OK)
        ph_doc_abort(w);
    return st;
}

void ph_doc_abort(ph_doc_writer *w)
{
    if (w->open)
        ph_tx_rollback(w->c);
    ph_doc_sum_free(&w->sum);
    w->open = false;
}

phial_status ph_doc_put_page(ph_doc_writer *w, uint32_t number, ph_str label, ph_str text,
                             phial_error *err)
{
    sqlite3_stmt *s;
    phial_status st = ph_sql_get(w->c, PH_SQL_PAGE_INSERT, &s, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(s, 1, ph_page_id(w->id, number));
    ph_sql_bind_text(s, 2, label);
    ph_sql_bind_text(s, 3, text);
    ph_doc_sum_page(&w->sum, number, label, text);
    w->counts.n_pages++;
    return ph_sql_run(w->c, s, err);
}

phial_status ph_doc_put_chunk(ph_doc_writer *w, uint32_t page, uint64_t start, uint64_t end,
                              uint32_t n_tokens, uint32_t kind, ph_str context, phial_error *err)
{
    sqlite3_stmt *s;
    phial_status st = ph_sql_get(w->c, PH_SQL_CHUNK_INSERT, &s, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(s, 1, w->first_chunk + (int64_t)w->counts.n_chunks);
    sqlite3_bind_int64(s, 2, ph_page_id(w->id, page));
    sqlite3_bind_int64(s, 3, (int64_t)start);
    sqlite3_bind_int64(s, 4, (int64_t)end);
    sqlite3_bind_int64(s, 5, n_tokens);
    sqlite3_bind_int64(s, 6, kind);
    ph_sql_bind_text(s, 7, context);
    ph_doc_sum_chunk(&w->sum, page, start, end, n_tokens, kind, context);
    w->counts.n_chunks++;
    w->counts.n_tokens += n_tokens;
    return ph_sql_run(w->c, s, err);
}

phial_status ph_doc_put_segment(ph_doc_writer *w, uint64_t first_in_doc, ph_lex_chunk *chunks,
                                uint32_t n, ph_str blocks, phial_error *err)
{
    return n == 0 ? PHIAL_OK
                  : ph_lex_segment_put(w->c, w->first_chunk + (int64_t)first_in_doc, chunks, n,
                                       blocks, err);
}

static void bind_optional(sqlite3_stmt *s, int at, ph_str bytes)
{
    if (bytes.n > 0)
        ph_sql_bind_blob(s, at, bytes);
}

static phial_status insert_row(ph_doc_writer *w, const ph_doc_facts *f, const uint8_t sum[16],
                               phial_error *err)
{
    sqlite3_stmt *s;
    const ph_str texts[] = {f->format, f->title, f->author, f->language, f->notes, f->metadata};
    uint8_t hash[16];
    phial_status st = ph_sql_get(w->c, PH_SQL_DOC_INSERT, &s, err);
    if (st != PHIAL_OK)
        return st;
    for (int i = 0; i < 8; i++) {
        hash[i] = (uint8_t)(f->hash.lo >> (8 * i));
        hash[8 + i] = (uint8_t)(f->hash.hi >> (8 * i));
    }
    sqlite3_bind_int64(s, 1, w->id);
    ph_sql_bind_blob(s, 2, f->name);
    bind_optional(s, 3, f->source);
    bind_optional(s, 4, f->origin);
    sqlite3_bind_int64(s, 5, (int64_t)f->bytes);
    sqlite3_bind_int64(s, 6, f->mtime_ns);
    ph_sql_bind_blob(s, 7, (ph_str){(const char *)hash, sizeof hash});
    sqlite3_bind_int64(s, 8, f->recipe);
    for (int i = 0; i < 6; i++)
        ph_sql_bind_text(s, 9 + i, texts[i]);
    sqlite3_bind_int64(s, 15, (int64_t)w->counts.n_pages);
    sqlite3_bind_int64(s, 16, (int64_t)w->counts.n_chunks);
    sqlite3_bind_int64(s, 17, (int64_t)w->counts.n_tokens);
    sqlite3_bind_int64(s, 18, w->first_chunk);
    ph_sql_bind_blob(s, 19, (ph_str){(const char *)sum, 16});
    return ph_sql_run(w->c, s, err);
}

phial_status ph_doc_end(ph_doc_writer *w, const ph_doc_facts *facts, int64_t replaces,
                        phial_error *err)
{
    uint8_t sum[16];
    bool merged = false;
    phial_status st = replaces ? ph_doc_delete(w->c, replaces, err) : PHIAL_OK;
    if (st == PHIAL_OK)
        st = ph_doc_sum_end(&w->sum, facts, &w->counts, sum, err);
    if (st == PHIAL_OK)
        st = insert_row(w, facts, sum, err);
    if (st == PHIAL_OK)
        st = ph_setting_put(w->c, "next_chunk", w->first_chunk + (int64_t)w->counts.n_chunks, err);
    if (st == PHIAL_OK)
        st = ph_lex_merge_due(w->c, false, &merged, err);
    if (st == PHIAL_OK)
        st = ph_lex_changed(w->c, err);
    if (st == PHIAL_OK)
        st = ph_tx_commit(w->c, err);
    w->open = st != PHIAL_OK;
    ph_doc_abort(w);
    return st;
}

phial_status ph_doc_delete(phial_collection *c, int64_t id, phial_error *err)
{
    sqlite3_stmt *s;
    bool row = false;
    int64_t first = 0, n = 0;
    phial_status st = ph_sql_get(c, PH_SQL_DOC_RANGE, &s, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(s, 1, id);
    st = ph_sql_step(c, s, &row, err);
    if (st == PHIAL_OK && row) {
        first = sqlite3_column_int64(s, 0);
        n = sqlite3_column_int64(s, 1);
    }
    sqlite3_reset(s);
    if (st != PHIAL_OK || !row)
        return st;
    if (id > PH_DOC_ID_MAX || first < 1 || n < 0 || first > PH_CHUNK_ID_MAX || n > PH_CHUNK_ID_MAX)
        return ph_damaged(c, "the chunks of a document", err);
    st = ph_sql_do(c, PH_SQL_PAGES_DELETE, ph_page_id(id, 0),
                   ph_page_id(id, (1u << PH_PAGES_BITS) - 1), err);
    if (st == PHIAL_OK)
        st = ph_sql_do(c, PH_SQL_CHUNKS_DELETE, first, first + n, err);
    if (st == PHIAL_OK)
        st = ph_sql_do(c, PH_SQL_VECTORS_DELETE, first, first + n, err);
    if (st == PHIAL_OK && sqlite3_changes(c->db) > 0)
        st = ph_vectors_changed(c, err);
    if (st == PHIAL_OK && n > 0)
        st = ph_sql_do(c, PH_SQL_TOMBSTONE_INSERT, first, n, err);
    if (st == PHIAL_OK)
        st = ph_sql_do(c, PH_SQL_DOC_DELETE, id, 0, err);
    return st;
}

/* --- reading it back --- */

phial_status ph_doc_row_read(phial_collection *c, sqlite3_stmt *s, ph_doc_row *row,
                             phial_error *err)
{
    ph_str hash = ph_sql_text(s, 6);
    *row = (ph_doc_row){.id = sqlite3_column_int64(s, 0),
                        .first_chunk = sqlite3_column_int64(s, 17),
                        .checksum = ph_sql_text(s, 18)};
    row->facts = (ph_doc_facts){
        .name = ph_sql_text(s, 1),
        .source = ph_sql_text(s, 2),
        .origin = ph_sql_text(s, 3),
        .bytes = (uint64_t)sqlite3_column_int64(s, 4),
        .mtime_ns = sqlite3_column_int64(s, 5),
        .recipe = sqlite3_column_int64(s, 7),
        .format = ph_sql_text(s, 8),
        .title = ph_sql_text(s, 9),
        .author = ph_sql_text(s, 10),
        .language = ph_sql_text(s, 11),
        .notes = ph_sql_text(s, 12),
        .metadata = ph_sql_text(s, 13),
    };
    int64_t pages = sqlite3_column_int64(s, 14), chunks = sqlite3_column_int64(s, 15),
            tokens = sqlite3_column_int64(s, 16);
    row->counts = (ph_doc_counts){(uint64_t)pages, (uint64_t)chunks, (uint64_t)tokens};
    for (size_t i = 0; i < 8 && hash.n == 16; i++) {
        row->facts.hash.lo |= (uint64_t)(uint8_t)hash.p[i] << (8 * i);
        row->facts.hash.hi |= (uint64_t)(uint8_t)hash.p[8 + i] << (8 * i);
    }
    const ph_str texts[] = {row->facts.format, row->facts.title,    row->facts.author,
                            row->facts.notes,  row->facts.language, row->facts.metadata};
    bool fine = hash.n == 16 && row->checksum.n == 16 && row->id >= 1 && row->id <= PH_DOC_ID_MAX &&
                row->first_chunk >= 1 && row->first_chunk <= PH_CHUNK_ID_MAX && pages >= 0 &&
                pages < 1 << PH_PAGES_BITS && chunks >= 0 && chunks <= PH_CHUNK_ID_MAX &&
                tokens >= 0 && row->facts.name.n <= PH_NAME_MAX;
    for (size_t i = 0; fine && i < sizeof texts / sizeof texts[0]; i++)
        fine =
            texts[i].n <= PH_METADATA_MAX && ph_utf8_valid((const uint8_t *)texts[i].p, texts[i].n);
    return fine ? PHIAL_OK : ph_damaged(c, "the row of a document", err);
}

phial_status ph_doc_heading(ph_buf *out, const ph_doc_facts *facts, phial_error *err)
{
    ph_buf_clear(out);
    ph_buf_add(out, facts->title.p, facts->title.n);
    if (facts->source.n > 0) {
        const char *base = facts->source.p, *end = base + facts->source.n;
        for (const char *p = base; p < end; p++) {
            if (*p == '/')
                base = p + 1;
        }
        for (const char *p = end - 1; p > base; p--) {
            if (*p == '.') {
                end = p;
                break;
            }
        }
        ph_buf_add_str(out, "\n");
        ph_buf_add(out, base, (size_t)(end - base));
    }
    return ph_buf_status(out, err);
}
