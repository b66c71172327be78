/* Vectors looked at as a whole: are they right, and out with them for others. */
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "fmt/npy.h"
#include "rag/collection_dense.h"
#include "rag/collection_rank.h"
#include "rag/collection_vectors_check.h"

/* --- checking --- */

typedef struct checker {
    phial_collection *c;
    void (*event)(void *user, const phial_index_event *event);
    void *user;
    phial_check_result *result;
    ph_vector_set sets[2]; /* in use, and being made; id 0: none */
    int64_t lost[2];       /* those that cannot be read: their vectors are unknown */
    int64_t told;          /* the document that was told last */
    ph_buf name;
} checker;

static phial_status tell(checker *k, int64_t doc, const char *what, phial_error *err)
{
    phial_status st = PHIAL_OK;
    k->result->n_bad_vectors++;
    if (doc > 0 && doc == k->told)
        return st;
    ph_buf_clear(&k->name);
    if (doc > 0)
        st = ph_document_name(k->c, doc, &k->name, err);
    k->told = doc;
    phial_index_event e = {
        .outcome = PHIAL_INDEX_FAILED,
        .path = {k->name.data ? k->name.data : "", k->name.len},
        .reason = {what, strlen(what)}};
    if (st == PHIAL_OK && k->event)
        k->event(k->user, &e);
    return st;
}

static phial_status check_set(checker *k, int which, phial_error *err)
{
    int64_t id = 0;
    phial_error why = {0};
    phial_status st = ph_vector_set_id(k->c, which == 1, &id, &why);
    if (st == PHIAL_OK && id > 0)
        st = ph_vector_set_read(k->c, id, &k->sets[which], &why);
    if (ph_vector_set_lost(st)) {
        k->lost[which] = id;
        return tell(k, 0, why.message, err);
    }
    if (st != PHIAL_OK && err)
        *err = why;
    return st;
}

static phial_status check_rows(checker *k, phial_error *err)
{
    sqlite3_stmt *s;
    bool row = true;
    phial_status st = ph_sql_get(k->c, PH_SQL_VECTORS_WITH_DOC, &s, err);
    while (st == PHIAL_OK && (st = ph_sql_step(k->c, s, &row, err)) == PHIAL_OK && row) {
        int64_t chunk = sqlite3_column_int64(s, 0), embedder = sqlite3_column_int64(s, 1),
                doc = sqlite3_column_int64(s, 3) >> PH_PAGES_BITS;
        const ph_vector_set *set = NULL;
        for (int i = 0; i < 2; i++)
            set = k->sets[i].id > 0 && k->sets[i].id == embedder ? &k->sets[i] : set;
        const char *wrong = NULL;
        k->result->n_vectors++;
        if (sqlite3_column_type(s, 3) == SQLITE_NULL)
            wrong = "there is a vector of a chunk that is not there";
        else if (!set && embedder > 0 && (embedder == k->lost[0] || embedder == k->lost[1]))
            continue;
        else if (!set)
            wrong = "its vector is of an embedder that is not there";
        else
            wrong = ph_vector_fault(chunk, ph_sql_text(s, 2), set->dim);
        if (wrong)
            st = tell(k, doc, wrong, err);
    }
    return st;
}

phial_status ph_vectors_check(phial_collection *c,
                              void (*event)(void *user, const phial_index_event *event), void *user,
                              phial_check_result *result, phial_error *err)
{
    checker k = {.c = c, .event = event, .user = user, .result = result};
    ph_buf_init(&k.name, 0);
    phial_status st = check_set(&k, 0, err);
    if (st == PHIAL_OK)
        st = check_set(&k, 1, err);
    if (st == PHIAL_OK)
        st = check_rows(&k, err);
    for (int i = 0; i < 2; i++)
        ph_vector_set_free(&k.sets[i]);
    ph_buf_free(&k.name);
    return st;
}

/* --- export --- */

typedef struct outlet {
    phial_collection *c;
    const ph_vector_set *set;
    bool whitened;
    ph_npy_writer *npy;
    ph_writer *ids; /* NULL: not wanted */
    ph_buf line, text;
    float *v; /* owned */
} outlet;

static ph_json *name_json(ph_str name)
{
    if (ph_utf8_valid((const uint8_t *)name.p, name.n))
        return ph_json_str_new(name);
    ph_buf shown;
    ph_buf_init(&shown, 0);
    ph_str_escape(&shown, name, true);
    ph_json *v = ph_json_str_new((ph_str){shown.data ? shown.data : "", shown.len});
    ph_buf_free(&shown);
    return v;
}

static phial_status write_id(outlet *x, int64_t chunk, phial_error *err)
{
    ph_chunk_place place;
    ph_buf_clear(&x->text);
    phial_status st = ph_chunk_read(x->c, chunk, false, &x->text, &place, err);
    ph_buf_clear(&x->text);
    if (st == PHIAL_OK)
        st = ph_document_name(x->c, place.doc, &x->text, err);
    if (st != PHIAL_OK)
        return st;
    ph_json *o = ph_json_object_new();
    ph_json_set(o, "chunk", ph_json_int_new(chunk));
    ph_json_set(o, "doc", name_json((ph_str){x->text.data ? x->text.data : "", x->text.len}));
    ph_json_set(o, "page", ph_json_int_new(place.page));
    ph_json_set(o, "start", ph_json_int_new((int64_t)place.start));
    ph_json_set(o, "end", ph_json_int_new((int64_t)place.end));
    ph_buf_clear(&x->line);
    st = ph_json_write(&x->line, o, 0, err);
    ph_json_free(o);
    ph_buf_add_byte(&x->line, '\n');
    if (st == PHIAL_OK)
        st = ph_buf_status(&x->line, err);
    return st == PHIAL_OK ? ph_writer_write(x->ids, x->line.data, x->line.len, err) : st;
}

static phial_status write_rows(outlet *x, phial_error *err)
{
    sqlite3_stmt *s;
    bool row = true;
    phial_status st = ph_sql_get(x->c, PH_SQL_VECTORS_ALL, &s, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(s, 1, x->set->id);
    while (st == PHIAL_OK && (st = ph_sql_step(x->c, s, &row, err)) == PHIAL_OK && row) {
        int64_t chunk = sqlite3_column_int64(s, 0);
        st = ph_vector_decode(x->c, chunk, ph_sql_text(s, 1), x->v, x->set->dim, err);
        if (st == PHIAL_OK && x->whitened && x->set->whitening)
            st = phial_whitening_apply(x->set->whitening, x->v, 1, x->set->dim, err);
        if (st == PHIAL_OK)
            st = ph_npy_writer_add(x->npy, x->v, x->set->dim, err);
        if (st == PHIAL_OK && x->ids)
            st = write_id(x, chunk, err);
    }
    sqlite3_reset(s);
    return st;
}

static phial_status export_all(outlet *x, const char *npy_path, const char *ids_path,
                               phial_error *err)
{
    int64_t n = 0;
    phial_status st = ph_dense_set(x->c, &x->set, err);
    if (st == PHIAL_OK && !x->set)
        st = ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: has no vectors", x->c->path);
    if (st == PHIAL_OK)
        st = ph_vectors_count(x->c, x->set->id, &n, err);
    if (st == PHIAL_OK && !(x->v = ph_alloc(x->set->dim, sizeof *x->v, err)))
        st = PHIAL_ERR_NO_MEMORY;
    if (st == PHIAL_OK)
        st = ph_npy_writer_open(&x->npy, npy_path, 2, (uint64_t)n, x->set->dim, err);
    if (st == PHIAL_OK && ids_path)
        st = ph_writer_open(&x->ids, ids_path, err);
    if (st == PHIAL_OK)
        st = write_rows(x, err);
    if (st == PHIAL_OK)
        st = ph_npy_writer_commit(x->npy, err);
    return st == PHIAL_OK && x->ids ? ph_writer_commit(x->ids, err) : st;
}

phial_status phial_collection_export_vectors(phial_collection *c, const char *npy_path,
                                             const char *ids_path, bool whitened, phial_error *err)
{
    outlet x = {.c = c, .whitened = whitened};
    ph_buf_init(&x.line, 0);
    ph_buf_init(&x.text, 0);
    phial_status st = ph_tx_begin(c, false, err);
    if (st == PHIAL_OK)
        st = export_all(&x, npy_path, ids_path, err);
    ph_tx_rollback(c);
    ph_npy_writer_close(x.npy);
    ph_writer_close(x.ids);
    ph_buf_free(&x.line);
    ph_buf_free(&x.text);
    ph_free(x.v);
    return st;
}
