/* The tables of a collection, and whether a file has exactly these: docs/RAG.md, "The file".
 *
 * The version is application data in the database's header (user_version): thousands are the
 * generation, what is below counts additions. A file of this generation can be read whatever its
 * number: a higher one has further tables, which are ignored, and is not written to. A file of a
 * later generation is refused. Triggers and views are never there; a file that has one is refused.
 */
#include <stdio.h>
#include <string.h>

#include "rag/collection_db.h"

typedef struct table {
    const char *name, *sql;
    int since; /* the first version that has it */
} table;

static const table tables[] = {
    {"settings",
     "CREATE TABLE settings(name TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL)"
     " STRICT, WITHOUT ROWID",
     1000},
    {"documents",
     "CREATE TABLE documents(id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE,"
     " source BLOB UNIQUE, origin BLOB, bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,"
     " hash BLOB NOT NULL, recipe INTEGER NOT NULL, format TEXT NOT NULL, title TEXT NOT NULL,"
     " author TEXT NOT NULL, language TEXT NOT NULL, notes TEXT NOT NULL, metadata TEXT NOT NULL,"
     " n_pages INTEGER NOT NULL, n_chunks INTEGER NOT NULL, n_tokens INTEGER NOT NULL,"
     " first_chunk INTEGER NOT NULL, checksum BLOB NOT NULL) STRICT",
     1000},
    {"pages",
     "CREATE TABLE pages(id INTEGER PRIMARY KEY, label TEXT NOT NULL, text TEXT NOT NULL)"
     " STRICT",
     1000},
    {"chunks",
     "CREATE TABLE chunks(id INTEGER PRIMARY KEY, page INTEGER NOT NULL,"
     " start INTEGER NOT NULL, end INTEGER NOT NULL, n_tokens INTEGER NOT NULL,"
     " kind INTEGER NOT NULL, context TEXT NOT NULL) STRICT",
     1000},
    {"segments",
     "CREATE TABLE segments(id INTEGER PRIMARY KEY, level INTEGER NOT NULL,"
     " n_chunks INTEGER NOT NULL, chunks BLOB NOT NULL) STRICT",
     1000},
    {"postings",
     "CREATE TABLE postings(segment INTEGER NOT NULL, term BLOB NOT NULL,"
     " block BLOB NOT NULL, PRIMARY KEY(segment, term)) STRICT, WITHOUT ROWID",
     1000},
    {"tombstones",
     "CREATE TABLE tombstones(first_chunk INTEGER PRIMARY KEY,"
     " n_chunks INTEGER NOT NULL) STRICT",
     1000},
    {"embedders",
     "CREATE TABLE embedders(id INTEGER PRIMARY KEY, name TEXT NOT NULL,"
     " hash BLOB NOT NULL, pooling TEXT NOT NULL, query_prefix TEXT NOT NULL,"
     " document_prefix TEXT NOT NULL, dimensions INTEGER NOT NULL,"
     " type TEXT NOT NULL, normalized INTEGER NOT NULL) STRICT",
     1000},
    {"vectors",
     "CREATE TABLE vectors(chunk INTEGER NOT NULL, embedder INTEGER NOT NULL,"
     " vector BLOB NOT NULL, PRIMARY KEY(chunk, embedder)) STRICT, WITHOUT ROWID",
     1000},
    {"embedder_facts",
     "CREATE TABLE embedder_facts(embedder INTEGER NOT NULL, name TEXT NOT NULL,"
     " value BLOB NOT NULL, PRIMARY KEY(embedder, name)) STRICT, WITHOUT ROWID",
     1001},
};

#define N_TABLES (sizeof tables / sizeof tables[0])

static phial_status set_version(phial_collection *c, phial_error *err)
{
    char text[96];
    snprintf(text, sizeof text, "PRAGMA application_id=%d; PRAGMA user_version=%d",
             PH_COLLECTION_APP_ID, PH_COLLECTION_VERSION);
    return ph_sql_exec(c, text, err);
}

phial_status ph_schema_make(phial_collection *c, phial_error *err)
{
    phial_status st = ph_tx_begin(c, true, err);
    int64_t n = 0;
    if (st == PHIAL_OK) /* another program may have been faster */
        st = ph_sql_pragma(c, "SELECT count(*) FROM sqlite_schema", &n, err);
    for (size_t i = 0; st == PHIAL_OK && n == 0 && i < N_TABLES; i++)
        st = ph_sql_exec(c, tables[i].sql, err);
    if (st == PHIAL_OK && n == 0)
        st = set_version(c, err);
    if (st == PHIAL_OK)
        st = ph_tx_commit(c, err);
    if (st != PHIAL_OK)
        ph_tx_rollback(c);
    return st;
}

phial_status ph_schema_upgrade(phial_collection *c, phial_error *err)
{
    int64_t version = 0;
    phial_status st = ph_sql_pragma(c, "PRAGMA user_version", &version, err);
    if (st != PHIAL_OK || version >= PH_COLLECTION_VERSION)
        return st;
    for (size_t i = 0; st == PHIAL_OK && i < N_TABLES; i++) {
        if (tables[i].since > version)
            st = ph_sql_exec(c, tables[i].sql, err);
    }
    return st == PHIAL_OK ? set_version(c, err) : st;
}

static const table *find(ph_str name)
{
    for (size_t i = 0; i < N_TABLES; i++) {
        if (ph_str_eq_c(name, tables[i].name))
            return &tables[i];
    }
    return NULL;
}

/* A row of sqlite_schema: fine, or a reason to refuse the file. */
static phial_status check_row(phial_collection *c, sqlite3_stmt *s, bool later, size_t *n_found,
                              phial_error *err)
{
    ph_str type = ph_sql_text(s, 0), name = ph_sql_text(s, 1), owner = ph_sql_text(s, 2),
           sql = ph_sql_text(s, 3);
    bool is_table = ph_str_eq_c(type, "table"), is_index = ph_str_eq_c(type, "index");
    const table *t = is_table ? find(name) : NULL;
    if (t && ph_str_eq_c(sql, t->sql)) {
        ++*n_found;
        return PHIAL_OK;
    }
    /* What UNIQUE makes by itself has no text. */
    if (is_index && sql.n == 0 && ph_str_starts_with(name, "sqlite_autoindex_") &&
        (later || find(owner)))
        return PHIAL_OK;
    if (later && (is_table || is_index) && !t)
        return PHIAL_OK;
    return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                      "%s: is not a collection as Phial makes it: it has a %.*s '%.*s'%s", c->path,
                      PH_STR_ARG(type), PH_STR_ARG(name), t ? " of another shape" : "");
}

static phial_status check_tables(phial_collection *c, int64_t version, phial_error *err)
{
    sqlite3_stmt *s = NULL;
    size_t n_found = 0, n_wanted = 0;
    bool later = version > PH_COLLECTION_VERSION;
    bool row = false;
    int code = sqlite3_prepare_v2(c->db, "SELECT type, name, tbl_name, sql FROM sqlite_schema", -1,
                                  &s, NULL);
    phial_status st = code == SQLITE_OK ? PHIAL_OK : ph_sql_error(c, code, "opening", err);
    while (st == PHIAL_OK && (st = ph_sql_step(c, s, &row, err)) == PHIAL_OK && row)
        st = check_row(c, s, later, &n_found, err);
    sqlite3_finalize(s);
    for (size_t i = 0; i < N_TABLES; i++)
        n_wanted += tables[i].since <= version;
    if (st == PHIAL_OK && n_found != n_wanted)
        st = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s: a table of the collection is missing",
                        c->path);
    return st;
}

static phial_status check_encoding(phial_collection *c, phial_error *err)
{
    sqlite3_stmt *s = NULL;
    int code = sqlite3_prepare_v2(c->db, "PRAGMA encoding", -1, &s, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(s);
    bool fine = code == SQLITE_ROW && ph_str_eq_c(ph_sql_text(s, 0), "UTF-8");
    phial_status st = fine                 ? PHIAL_OK
                      : code == SQLITE_ROW ? ph_damaged(c, "its text is not UTF-8", err)
                                           : ph_sql_error(c, code, "opening", err);
    sqlite3_finalize(s);
    return st;
}

phial_status ph_schema_check(phial_collection *c, phial_error *err)
{
    int64_t app = 0, version = 0;
    phial_status st = ph_sql_pragma(c, "PRAGMA application_id", &app, err);
    if (st == PHIAL_OK)
        st = ph_sql_pragma(c, "PRAGMA user_version", &version, err);
    if (st != PHIAL_OK)
        return st;
    if (app != PH_COLLECTION_APP_ID)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "%s: is an SQLite database, but not a collection of Phial", c->path);
    if (version / 1000 > PH_COLLECTION_VERSION / 1000 || version < 1000)
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                          "%s: was made by a later Phial (format %lld.%lld; this one reads up to "
                          "%d)",
                          c->path, (long long)(version / 1000), (long long)(version % 1000),
                          PH_COLLECTION_VERSION / 1000);
    bool later = version > PH_COLLECTION_VERSION;
    if (later && c->writable)
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                          "%s: was made by a later Phial (format %lld.%lld) and can only be read",
                          c->path, (long long)(version / 1000), (long long)(version % 1000));
    st = check_encoding(c, err);
    return st == PHIAL_OK ? check_tables(c, version, err) : st;
}
