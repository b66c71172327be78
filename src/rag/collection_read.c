/* Looking into a collection: documents, pages, numbers; and taking a document out. */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "rag/collection_lex.h"
#include "rag/collection_search.h"
#include "rag/collection_write.h"

static phial_text text_of(ph_str s)
{
    return (phial_text){s.p, s.n};
}

phial_status phial_collection_documents(phial_collection *c, const char *doc_glob,
                                        bool (*fn)(void *user, const phial_document *document),
                                        void *user, phial_error *err)
{
    sqlite3_stmt *s;
    bool row = true, going = true;
    phial_status st = ph_sql_get(c, PH_SQL_DOC_ROWS, &s, err);
    while (st == PHIAL_OK && going && (st = ph_sql_step(c, s, &row, err)) == PHIAL_OK && row) {
        ph_doc_row r;
        st = ph_doc_row_read(c, s, &r, err);
        if (st != PHIAL_OK || (doc_glob && !ph_glob_match(doc_glob, r.facts.name)))
            continue;
        const ph_doc_facts *f = &r.facts;
        phial_document d = {
            .name = text_of(f->name),
            .source = text_of(f->source.n ? f->source : f->origin),
            .format = text_of(f->format),
            .title = text_of(f->title),
            .author = text_of(f->author),
            .language = text_of(f->language),
            .notes = text_of(f->notes),
            .metadata = text_of(f->metadata),
            .bytes = f->bytes,
            .mtime_ns = f->mtime_ns,
            .n_pages = r.counts.n_pages,
            .n_chunks = r.counts.n_chunks,
            .n_tokens = r.counts.n_tokens,
        };
        ph_hash128_hex(f->hash, d.hash);
        going = fn(user, &d);
    }
    if (s)
        sqlite3_reset(s);
    return st;
}

static phial_status find_document(phial_collection *c, phial_text doc, int64_t *id,
                                  phial_error *err)
{
    sqlite3_stmt *s;
    bool row = false;
    phial_status st = ph_sql_get(c, PH_SQL_DOC_FIND, &s, err);
    if (st != PHIAL_OK)
        return st;
    ph_sql_bind_blob(s, 1, (ph_str){doc.p, doc.n});
    st = ph_sql_step(c, s, &row, err);
    *id = row ? sqlite3_column_int64(s, 0) : 0;
    sqlite3_reset(s);
    if (st == PHIAL_OK && !row)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: has no document '%.*s'", c->path,
                          (int)(doc.n < 500 ? doc.n : 500), doc.p);
    if (st == PHIAL_OK && (*id < 1 || *id > PH_DOC_ID_MAX))
        st = ph_damaged(c, "the row of a document", err);
    return st;
}

static phial_status copy_page(phial_collection *c, int64_t id, uint32_t page, phial_text doc,
                              char **text, size_t *n, phial_error *err)
{
    sqlite3_stmt *s;
    bool row = false;
    phial_status st = ph_sql_get(c, PH_SQL_PAGE_TEXT, &s, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(s, 1, ph_page_id(id, page));
    st = ph_sql_step(c, s, &row, err);
    if (st == PHIAL_OK && !row)
        st = ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: document '%.*s' has no page %u", c->path,
                        (int)(doc.n < 500 ? doc.n : 500), doc.p, (unsigned)page);
    if (st == PHIAL_OK) {
        ph_str bytes = ph_sql_text(s, 0);
        if (!ph_utf8_valid((const uint8_t *)bytes.p, bytes.n))
            st = ph_damaged(c, "the text of a page is not UTF-8", err);
        else if (!(*text = ph_strndup(bytes.p, bytes.n, err)))
            st = PHIAL_ERR_NO_MEMORY;
        *n = bytes.n;
    }
    sqlite3_reset(s);
    return st;
}

phial_status phial_collection_page(phial_collection *c, phial_text doc, uint32_t page, char **text,
                                   size_t *n, phial_error *err)
{
    int64_t id;
    *text = NULL;
    *n = 0;
    if (page == 0 || page >= 1u << PH_PAGES_BITS)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "there is no page %u", (unsigned)page);
    phial_status st = ph_tx_begin(c, false, err);
    if (st == PHIAL_OK)
        st = find_document(c, doc, &id, err);
    if (st == PHIAL_OK)
        st = copy_page(c, id, page, doc, text, n, err);
    ph_tx_rollback(c);
    return st;
}

void phial_text_free(char *text)
{
    ph_free(text);
}

phial_status phial_collection_remove(phial_collection *c, phial_text doc, phial_error *err)
{
    int64_t id = 0;
    bool merged = false;
    phial_status st = ph_collection_begin_writing(c, err);
    if (st == PHIAL_OK)
        st = ph_tx_begin(c, true, err);
    if (st != PHIAL_OK)
        return st;
    st = find_document(c, doc, &id, err);
    if (st == PHIAL_OK)
        st = ph_doc_delete(c, id, err);
    if (st == PHIAL_OK)
        st = ph_lex_merge_due(c, true, &merged, err);
    if (st == PHIAL_OK)
        st = ph_lex_changed(c, err);
    if (st == PHIAL_OK)
        st = ph_tx_commit(c, err);
    if (st != PHIAL_OK)
        ph_tx_rollback(c);
    return st;
}

phial_status phial_collection_get_info(phial_collection *c, phial_collection_info *info,
                                       phial_error *err)
{
    phial_collection_info own = {.size = info->size};
    int64_t v[8] = {0}, tokens = 0, overlap = 0, version = 0;
    static const char *const questions[] = {
        "SELECT count(*) FROM documents",
        "SELECT coalesce(sum(n_pages), 0) FROM documents",
        "SELECT coalesce(sum(n_chunks), 0) FROM documents",
        "SELECT coalesce(sum(n_tokens), 0) FROM documents",
        "SELECT count(*) FROM vectors",
        "SELECT (SELECT coalesce(sum(length(term) + length(block)), 0) FROM postings) +"
        " (SELECT coalesce(sum(length(chunks)), 0) FROM segments)",
        "PRAGMA page_count",
        "PRAGMA page_size",
    };
    phial_status st = ph_tx_begin(c, false, err);
    for (size_t i = 0; st == PHIAL_OK && i < sizeof questions / sizeof questions[0]; i++)
        st = ph_sql_pragma(c, questions[i], &v[i], err);
    if (st == PHIAL_OK)
        st = ph_sql_pragma(c, "PRAGMA user_version", &version, err);
    if (st == PHIAL_OK)
        st = ph_setting_get(c, "chunk_tokens", &tokens, 0, err);
    if (st == PHIAL_OK)
        st = ph_setting_get(c, "chunk_overlap", &overlap, 0, err);
    ph_tx_rollback(c);
    if (st != PHIAL_OK)
        return st;
    own.n_documents = (uint64_t)v[0];
    own.n_pages = (uint64_t)v[1];
    own.n_chunks = (uint64_t)v[2];
    own.n_tokens = (uint64_t)v[3];
    own.n_vectors = (uint64_t)v[4];
    own.index_bytes = (uint64_t)v[5];
    own.file_bytes = (uint64_t)v[6] * (uint64_t)v[7];
    own.chunk_tokens = (uint32_t)tokens;
    own.chunk_overlap = (uint32_t)overlap;
    own.format = (uint32_t)version;
    memcpy(info, &own, info->size < sizeof own ? info->size : sizeof own);
    return PHIAL_OK;
}
