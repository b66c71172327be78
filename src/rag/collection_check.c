/* phial_collection_check() and export.
 *
 * The index is compared with the texts without building it anew: each side gives the sum of a hash
 * of (chunk, term, counts) over all of its postings, whatever their order.
 */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "rag/collection_lex.h"
#include "rag/collection_vectors_check.h"
#include "rag/collection_write.h"
#include "rag/lex_build.h"

#define REBUILD_BYTES ((size_t)48 << 20)

typedef struct checker {
    phial_collection *c;
    void (*event)(void *user, const phial_index_event *event);
    void *user;
    phial_check_result *result;
    ph_lex_builder *builder;
    ph_buf heading, page, blocks;
    int64_t page_id; /* of what is in `page` */
    uint64_t sum, n_chunks;
    bool rebuilding;
    ph_lex_chunk *lengths;
    size_t n_lengths, cap_lengths;
    int64_t first_id; /* of the segment being made */
} checker;

static void tell(checker *k, ph_str path, const char *what)
{
    phial_index_event e = {
        .outcome = PHIAL_INDEX_FAILED, .path = {path.p, path.n}, .reason = {what, strlen(what)}};
    if (k->event)
        k->event(k->user, &e);
}

/* --- documents --- */

static phial_status sum_pages(checker *k, int64_t doc, ph_doc_sum *sum, uint64_t *n,
                              const char **wrong, phial_error *err)
{
    sqlite3_stmt *s;
    bool row = true;
    phial_status st = ph_sql_get(k->c, PH_SQL_PAGES_OF, &s, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(s, 1, ph_page_id(doc, 0));
    sqlite3_bind_int64(s, 2, ph_page_id(doc, (1u << PH_PAGES_BITS) - 1));
    while ((st = ph_sql_step(k->c, s, &row, err)) == PHIAL_OK && row) {
        ph_str label = ph_sql_text(s, 1), text = ph_sql_text(s, 2);
        uint32_t number = (uint32_t)(sqlite3_column_int64(s, 0) & ((1 << PH_PAGES_BITS) - 1));
        if (!ph_utf8_valid((const uint8_t *)text.p, text.n))
            *wrong = "a page's text is not UTF-8";
        ph_doc_sum_page(sum, number, label, text);
        ++*n;
    }
    return st;
}

static phial_status get_page(checker *k, int64_t id, phial_error *err)
{
    sqlite3_stmt *s;
    bool row = false;
    if (k->page_id == id)
        return PHIAL_OK;
    phial_status st = ph_sql_get(k->c, PH_SQL_PAGE_TEXT, &s, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(s, 1, id);
    st = ph_sql_step(k->c, s, &row, err);
    ph_buf_clear(&k->page);
    if (st == PHIAL_OK && row) {
        ph_str text = ph_sql_text(s, 0);
        ph_buf_add(&k->page, text.p, text.n);
        st = ph_buf_status(&k->page, err);
    }
    sqlite3_reset(s);
    k->page_id = st == PHIAL_OK ? id : 0;
    return st;
}

static phial_status end_segment(checker *k, phial_error *err)
{
    bool merged = false;
    if (!k->rebuilding || k->n_lengths == 0)
        return PHIAL_OK;
    ph_buf_clear(&k->blocks);
    phial_status st = ph_lex_builder_end(k->builder, ph_lex_part_emit, &k->blocks, err);
    if (st == PHIAL_OK)
        st = ph_lex_segment_put(k->c, k->first_id, k->lengths, (uint32_t)k->n_lengths,
                                (ph_str){k->blocks.data, k->blocks.len}, err);
    k->n_lengths = 0;
    return st == PHIAL_OK ? ph_lex_merge_due(k->c, false, &merged, err) : st;
}

/* The chunk's part of the index: into the sum, and when rebuilding into a segment. */
static phial_status index_chunk(checker *k, int64_t id, ph_str text, ph_str context,
                                phial_error *err)
{
    ph_lex_chunk length;
    if (k->n_lengths == 0)
        k->first_id = id;
    phial_status st = ph_lex_builder_add(k->builder, text, context, &length, err);
    if (st != PHIAL_OK)
        return st;
    k->sum += ph_lex_builder_sum(k->builder, id);
    k->n_chunks++;
    if (!k->rebuilding) {
        if (ph_lex_builder_bytes(k->builder) > REBUILD_BYTES) {
            ph_buf_clear(&k->blocks);
            st = ph_lex_builder_end(k->builder, ph_lex_part_emit, &k->blocks, err);
        }
        return st;
    }
    if (k->n_lengths == k->cap_lengths) {
        size_t cap = k->cap_lengths ? 2 * k->cap_lengths : 256;
        ph_lex_chunk *more = ph_realloc(k->lengths, cap, sizeof *more, err);
        if (!more)
            return PHIAL_ERR_NO_MEMORY;
        k->lengths = more;
        k->cap_lengths = cap;
    }
    k->lengths[k->n_lengths++] = length;
    return ph_lex_builder_bytes(k->builder) > REBUILD_BYTES ? end_segment(k, err) : PHIAL_OK;
}

static phial_status sum_chunks(checker *k, const ph_doc_row *doc, ph_doc_sum *sum,
                               ph_doc_counts *counts, const char **wrong, phial_error *err)
{
    sqlite3_stmt *s;
    bool row = true;
    phial_status st = ph_sql_get(k->c, PH_SQL_CHUNKS_OF, &s, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(s, 1, doc->first_chunk);
    sqlite3_bind_int64(s, 2, doc->first_chunk + (int64_t)doc->counts.n_chunks);
    while (st == PHIAL_OK && (st = ph_sql_step(k->c, s, &row, err)) == PHIAL_OK && row) {
        int64_t id = sqlite3_column_int64(s, 0), page = sqlite3_column_int64(s, 1),
                start = sqlite3_column_int64(s, 2), end = sqlite3_column_int64(s, 3);
        ph_str context = ph_sql_text(s, 6), text = {"", 0};
        uint32_t n_tokens = (uint32_t)sqlite3_column_int64(s, 4);
        if (id != doc->first_chunk + (int64_t)counts->n_chunks ||
            page >> PH_PAGES_BITS != doc->id) {
            *wrong = "a chunk is missing or belongs to another document";
            break;
        }
        counts->n_chunks++;
        counts->n_tokens += n_tokens;
        ph_doc_sum_chunk(sum, (uint32_t)(page & ((1 << PH_PAGES_BITS) - 1)), (uint64_t)start,
                         (uint64_t)end, n_tokens, (uint32_t)sqlite3_column_int64(s, 5), context);
        st = get_page(k, page, err);
        if (st == PHIAL_OK && start >= 0 && start <= end && (uint64_t)end <= k->page.len)
            text = (ph_str){k->page.data + start, (size_t)(end - start)};
        else if (st == PHIAL_OK)
            *wrong = "a chunk is not inside its page";
        if (st == PHIAL_OK)
            st = index_chunk(k, id, text, context, err);
    }
    sqlite3_reset(s);
    return st;
}

static phial_status check_document(checker *k, const ph_doc_row *doc, phial_error *err)
{
    ph_doc_sum sum;
    ph_doc_counts counts = {0};
    uint8_t right[16];
    const char *wrong = NULL;
    phial_status st = ph_doc_sum_new(&sum, err);
    if (st == PHIAL_OK)
        st = ph_doc_heading(&k->heading, &doc->facts, err);
    if (st == PHIAL_OK)
        st = ph_lex_builder_title(k->builder, (ph_str){k->heading.data, k->heading.len}, err);
    if (st == PHIAL_OK)
        st = sum_pages(k, doc->id, &sum, &counts.n_pages, &wrong, err);
    if (st == PHIAL_OK)
        st = sum_chunks(k, doc, &sum, &counts, &wrong, err);
    if (st == PHIAL_OK)
        st = end_segment(k, err);
    if (st == PHIAL_OK)
        st = ph_doc_sum_end(&sum, &doc->facts, &counts, right, err);
    if (st == PHIAL_OK && !wrong &&
        (counts.n_pages != doc->counts.n_pages || counts.n_chunks != doc->counts.n_chunks))
        wrong = "pages or chunks are missing";
    if (st == PHIAL_OK && !wrong && memcmp(right, doc->checksum.p, 16) != 0)
        wrong = "its checksum is not right";
    if (st == PHIAL_OK && wrong) {
        tell(k, doc->facts.name, wrong);
        k->result->n_damaged++;
    }
    k->result->n_documents++;
    ph_doc_sum_free(&sum);
    return st;
}

static phial_status check_documents(checker *k, phial_error *err)
{
    sqlite3_stmt *s;
    phial_status st = PHIAL_OK;
    int64_t id = 0;
    for (;;) {
        bool row = false;
        st = ph_sql_get(k->c, PH_SQL_DOC_AFTER, &s, err);
        if (st != PHIAL_OK)
            return st;
        sqlite3_bind_int64(s, 1, id);
        st = ph_sql_step(k->c, s, &row, err);
        if (st != PHIAL_OK || !row)
            return st;
        id = sqlite3_column_int64(s, 0);
        sqlite3_reset(s);
        st = ph_sql_get(k->c, PH_SQL_DOC_ROW, &s, err);
        if (st != PHIAL_OK)
            return st;
        sqlite3_bind_int64(s, 1, id);
        st = ph_sql_step(k->c, s, &row, err);
        ph_doc_row doc;
        if (st == PHIAL_OK && row) {
            phial_error why = {0};
            if (ph_doc_row_read(k->c, s, &doc, &why) == PHIAL_OK) {
                st = check_document(k, &doc, err);
            } else {
                tell(k, ph_sql_text(s, 1), why.message);
                k->result->n_damaged++;
                k->result->n_documents++;
            }
        }
        sqlite3_reset(s);
        if (st != PHIAL_OK)
            return st;
    }
}

/* --- the index --- */

static phial_status sum_entry(const ph_lex_segment *s, const ph_lex_entry *e, uint64_t *sum,
                              phial_error *err)
{
    ph_lex_cursor cursor;
    ph_lex_posting p;
    int got;
    ph_lex_cursor_init(&cursor, e, s->n);
    while ((got = ph_lex_cursor_next(&cursor, &p)) > 0) {
        if (!s->dead || !s->dead[p.chunk])
            *sum += ph_lex_posting_sum(s->chunks[p.chunk].id, e->term, p.body, p.head);
    }
    return got == 0 ? PHIAL_OK
                    : ph_err_set(err, PHIAL_ERR_BAD_INPUT, "the full-text index is malformed");
}

static phial_status sum_index(checker *k, uint64_t *sum, uint64_t *n_chunks, phial_error *err)
{
    ph_lex_view *view;
    *sum = 0;
    phial_status st = ph_lex_view_get(k->c, &view, err);
    *n_chunks = st == PHIAL_OK ? view->n_chunks : 0;
    for (size_t i = 0; st == PHIAL_OK && i < view->n_segments; i++) {
        ph_lex_scan scan;
        ph_lex_scan_init(&scan, k->c, view->segments[i].id);
        st = ph_lex_scan_next(&scan, err);
        while (st == PHIAL_OK && !scan.done) {
            st = sum_entry(&view->segments[i], &scan.entry, sum, err);
            if (st == PHIAL_OK)
                st = ph_lex_scan_next(&scan, err);
        }
        ph_lex_scan_free(&scan);
    }
    return st;
}

static phial_status check_index(checker *k, phial_error *err)
{
    uint64_t sum = 0, n = 0;
    phial_error why = {0};
    phial_status st = sum_index(k, &sum, &n, &why);
    if (st == PHIAL_ERR_NO_MEMORY || st == PHIAL_ERR_IO) {
        if (err)
            *err = why;
        return st;
    }
    k->result->index_fine = st == PHIAL_OK && sum == k->sum && n == k->n_chunks;
    if (st != PHIAL_OK)
        tell(k, (ph_str){"", 0}, why.message);
    else if (!k->result->index_fine)
        tell(k, (ph_str){"", 0}, "the full-text index is not that of the texts");
    return PHIAL_OK;
}

static phial_status check_structure(checker *k, phial_error *err)
{
    sqlite3_stmt *s = NULL;
    bool row = true;
    int code = sqlite3_prepare_v2(k->c->db, "PRAGMA integrity_check(20)", -1, &s, NULL);
    phial_status st = code == SQLITE_OK ? PHIAL_OK : ph_sql_error(k->c, code, "checking", err);
    while (st == PHIAL_OK && (st = ph_sql_step(k->c, s, &row, err)) == PHIAL_OK && row) {
        const char *line = (const char *)sqlite3_column_text(s, 0);
        if (line && strcmp(line, "ok") != 0) {
            tell(k, (ph_str){"", 0}, line);
            k->result->n_damaged++;
        }
    }
    sqlite3_finalize(s);
    return st;
}

/* What SQLite itself cannot read any more is damage that was found, not a failure to look. */
static phial_status note_damage(checker *k, phial_status st, const phial_error *why,
                                phial_error *err)
{
    if (st == PHIAL_ERR_BAD_INPUT) {
        tell(k, (ph_str){"", 0}, why->message);
        k->result->n_damaged++;
        return PHIAL_OK;
    }
    if (st != PHIAL_OK && err)
        *err = *why;
    return st;
}

static phial_status check_all(checker *k, phial_error *err)
{
    phial_error why = {0};
    phial_status st = note_damage(k, check_structure(k, &why), &why, err);
    if (st == PHIAL_OK)
        st = note_damage(k, check_documents(k, &why), &why, err);
    if (st == PHIAL_OK)
        st = note_damage(k, ph_vectors_check(k->c, k->event, k->user, k->result, &why), &why, err);
    return st == PHIAL_OK ? check_index(k, err) : st;
}

static phial_status rebuild_index(checker *k, phial_error *err)
{
    phial_check_result ignored = {0}, *real = k->result;
    bool merged = false;
    phial_status st = ph_collection_begin_writing(k->c, err);
    if (st == PHIAL_OK)
        st = ph_tx_begin(k->c, true, err);
    if (st == PHIAL_OK)
        st = ph_lex_clear(k->c, err);
    k->rebuilding = true;
    k->result = &ignored;
    void (*event)(void *, const phial_index_event *) = k->event;
    k->event = NULL;
    if (st == PHIAL_OK)
        st = check_documents(k, err);
    k->event = event;
    k->result = real;
    if (st == PHIAL_OK)
        st = ph_lex_merge_due(k->c, true, &merged, err);
    if (st == PHIAL_OK)
        st = ph_lex_changed(k->c, err);
    if (st == PHIAL_OK)
        st = ph_tx_commit(k->c, err);
    if (st == PHIAL_OK)
        real->index_rebuilt = real->index_fine = true;
    else
        ph_tx_rollback(k->c);
    return st;
}

phial_status phial_collection_check(phial_collection *c, bool rebuild,
                                    void (*event)(void *user, const phial_index_event *event),
                                    void *user, phial_check_result *result, phial_error *err)
{
    phial_check_result own = {.size = sizeof own};
    checker k = {.c = c, .event = event, .user = user, .result = &own};
    ph_buf_init(&k.page, PH_CELL_MAX);
    ph_lex_view_free(c->view); /* what is in the file is looked at, not what is remembered */
    c->view = NULL;
    phial_status st = ph_lex_builder_new(&k.builder, err);
    if (st == PHIAL_OK)
        st = ph_tx_begin(c, false, err);
    if (st == PHIAL_OK) {
        st = check_all(&k, err);
        ph_tx_rollback(c);
    }
    if (st == PHIAL_OK && rebuild) {
        ph_lex_builder_free(k.builder);
        k.builder = NULL;
        st = ph_lex_builder_new(&k.builder, err);
        if (st == PHIAL_OK)
            st = rebuild_index(&k, err);
    }
    if (result) {
        own.size = result->size;
        memcpy(result, &own, own.size < sizeof own ? own.size : sizeof own);
    }
    ph_lex_builder_free(k.builder);
    ph_buf_free(&k.heading);
    ph_buf_free(&k.page);
    ph_buf_free(&k.blocks);
    ph_free(k.lengths);
    return st;
}

phial_status phial_collection_export(phial_collection *c, const char *path, phial_error *err)
{
    sqlite3_stmt *s = NULL;
    if (ph_file_kind_of(path) != PH_FILE_MISSING)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: is there already", path);
    char *plain = ph_collection_plain_path(path, err);
    if (!plain)
        return PHIAL_ERR_NO_MEMORY;
    int code = sqlite3_prepare_v2(c->db, "VACUUM INTO ?1", -1, &s, NULL);
    if (code == SQLITE_OK) {
        sqlite3_bind_text(s, 1, plain, -1, SQLITE_STATIC);
        code = sqlite3_step(s);
    }
    phial_status st = code == SQLITE_DONE ? PHIAL_OK : ph_sql_error(c, code, "exporting", err);
    sqlite3_finalize(s);
    if (st != PHIAL_OK)
        ph_file_remove(plain, NULL);
    ph_free(plain);
    return st;
}
