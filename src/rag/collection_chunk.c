/* Contract in collection_rank.h: one chunk, read from its page without reading the page;
 * the name of its document. */
#include "rag/collection_rank.h"

#include <string.h>

#include "base/mem.h"

static phial_status read_slice(phial_collection *c, int64_t page, ph_chunk_place *place,
                               ph_buf *out, phial_error *err)
{
    sqlite3_blob *blob = NULL;
    int code = sqlite3_blob_open(c->db, "main", "pages", "text", page, 0, &blob);
    if (code != SQLITE_OK) {
        sqlite3_blob_close(blob);
        return code == SQLITE_ERROR ? ph_damaged(c, "the page of a chunk is missing", err)
                                    : ph_sql_error(c, code, "reading", err);
    }
    phial_status st = PHIAL_OK;
    uint64_t size = (uint64_t)sqlite3_blob_bytes(blob);
    place->text = out->len;
    place->n_text = (size_t)(place->end - place->start);
    if (place->end > size)
        st = ph_damaged(c, "a chunk reaches over the end of its page", err);
    else if (!ph_buf_reserve(out, place->n_text + 1))
        st = ph_buf_status(out, err);
    if (st == PHIAL_OK && place->n_text > 0) {
        code = sqlite3_blob_read(blob, out->data + out->len, (int)place->n_text, (int)place->start);
        if (code != SQLITE_OK)
            st = ph_sql_error(c, code, "reading", err);
    }
    if (st == PHIAL_OK) {
        out->len += place->n_text;
        out->data[out->len] = 0;
        ph_buf_add_byte(out, 0);
        st = ph_buf_status(out, err);
    }
    sqlite3_blob_close(blob);
    return st;
}

phial_status ph_chunk_read(phial_collection *c, int64_t id, bool with_context, ph_buf *out,
                           ph_chunk_place *place, phial_error *err)
{
    sqlite3_stmt *s;
    bool row = false;
    int64_t page = 0;
    phial_status st = ph_sql_get(c, PH_SQL_CHUNK, &s, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(s, 1, id);
    st = ph_sql_step(c, s, &row, err);
    if (st == PHIAL_OK && !row)
        st = ph_damaged(c, "an index names a chunk that is not there", err);
    if (st == PHIAL_OK) {
        int64_t start = sqlite3_column_int64(s, 1), end = sqlite3_column_int64(s, 2);
        ph_str context = with_context ? ph_sql_text(s, 3) : (ph_str){"", 0};
        page = sqlite3_column_int64(s, 0);
        *place = (ph_chunk_place){.doc = page >> PH_PAGES_BITS,
                                  .page = (uint32_t)(page & ((1 << PH_PAGES_BITS) - 1)),
                                  .start = (uint64_t)start,
                                  .end = (uint64_t)end,
                                  .context = out->len,
                                  .n_context = context.n};
        if (page <= 0 || start < 0 || end < start || end > PH_CELL_MAX ||
            context.n > PH_CONTEXT_MAX)
            st = ph_damaged(c, "the place of a chunk", err);
        ph_buf_add(out, context.p, context.n);
        ph_buf_add_byte(out, 0);
    }
    sqlite3_reset(s);
    return st == PHIAL_OK ? read_slice(c, page, place, out, err) : st;
}

phial_status ph_document_name(phial_collection *c, int64_t doc, ph_buf *out, phial_error *err)
{
    sqlite3_stmt *s;
    bool row = false;
    phial_status st = ph_sql_get(c, PH_SQL_DOC_NAMED, &s, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(s, 1, doc);
    st = ph_sql_step(c, s, &row, err);
    if (st == PHIAL_OK && row) {
        ph_str name = ph_sql_text(s, 0);
        ph_buf_add(out, name.p, name.n);
        st = ph_buf_status(out, err);
    }
    sqlite3_reset(s);
    return st;
}
