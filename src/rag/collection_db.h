/* The collection as the files collection_*.c share it: the connection, statements, transactions,
 * errors. Nobody else includes sqlite3.h.
 *
 * Values that come out of the file are checked where they are read; texts and blobs of a row are
 * borrowed until the statement goes on.
 */
#ifndef PH_RAG_COLLECTION_DB_H
#define PH_RAG_COLLECTION_DB_H

#include <sqlite3.h>

#include "base/err.h"
#include "base/str.h"
#include "phial/collection.h"

#define PH_PAGES_BITS   21 /* of a page's id; numbers begin at 1 and are below 2^21 */
#define PH_DOC_ID_MAX   ((int64_t)1 << 40)
#define PH_CHUNK_ID_MAX ((int64_t)1 << 60)
#define PH_BUSY_MS      30000
#define PH_NAME_MAX     (64u << 10) /* bytes of a document's name */
#define PH_TEXT_MAX     (1u << 20)  /* of a title, notes, ... */
#define PH_CONTEXT_MAX  (64u << 10) /* of the headings above a chunk */
#define PH_METADATA_MAX (16u << 20)
#define PH_CELL_MAX     (300u << 20) /* bytes of any value in the file */

typedef enum ph_sql {
#define PH_SQL(name, text) PH_SQL_##name,
#include "rag/collection_sql.def"
#undef PH_SQL
    PH_SQL_N
} ph_sql;

struct ph_lex_view;
struct ph_dense;

struct phial_collection {
    sqlite3 *db;
    char *path; /* as the caller named it */
    bool writable;
    bool in_wal; /* this connection has set the journal to WAL */
    sqlite3_stmt *statements[PH_SQL_N];
    struct ph_lex_view *view; /* what search has read of the index; NULL: nothing yet */
    int64_t view_generation;
    uint32_t segment_chunks; /* of the index, at most; 0: PH_LEX_SEGMENT_CHUNKS */
    struct ph_dense *dense;  /* what search has open of the vectors; NULL: nothing yet */
};

/* The sentence "<path>: <what>: <SQLite's words>" with the status that fits. */
phial_status ph_sql_error(phial_collection *c, int code, const char *what, phial_error *err);

/* A statement, ready to be bound and stepped. */
phial_status ph_sql_get(phial_collection *c, ph_sql which, sqlite3_stmt **out, phial_error *err);
/* One row further; *row is false behind the last, and the statement is reset then and on errors. */
phial_status ph_sql_step(phial_collection *c, sqlite3_stmt *s, bool *row, phial_error *err);
/* Steps to the end and resets. */
phial_status ph_sql_run(phial_collection *c, sqlite3_stmt *s, phial_error *err);
/* Statements without results and with up to two numbers. */
phial_status ph_sql_do(phial_collection *c, ph_sql which, int64_t a, int64_t b, phial_error *err);
/* The first column of the first row; fallback if there is none. */
phial_status ph_sql_number(phial_collection *c, ph_sql which, int64_t *out, int64_t fallback,
                           phial_error *err);
/* Any text, once. */
phial_status ph_sql_exec(phial_collection *c, const char *text, phial_error *err);
phial_status ph_sql_pragma(phial_collection *c, const char *text, int64_t *out, phial_error *err);

void ph_sql_bind_text(sqlite3_stmt *s, int at, ph_str text); /* UTF-8, borrowed */
void ph_sql_bind_blob(sqlite3_stmt *s, int at, ph_str bytes);
ph_str ph_sql_text(sqlite3_stmt *s, int at); /* of a text or a blob; NULL gives an empty one */

phial_status ph_tx_begin(phial_collection *c, bool write, phial_error *err);
phial_status ph_tx_commit(phial_collection *c, phial_error *err);
void ph_tx_rollback(phial_collection *c);

phial_status ph_setting_get(phial_collection *c, const char *name, int64_t *value, int64_t fallback,
                            phial_error *err);
phial_status ph_setting_put(phial_collection *c, const char *name, int64_t value, phial_error *err);

/* "<path>: the collection is damaged: <what>", PHIAL_ERR_BAD_INPUT. */
phial_status ph_damaged(phial_collection *c, const char *what, phial_error *err);

/* collection_schema.c */
phial_status ph_schema_make(phial_collection *c, phial_error *err);
phial_status ph_schema_check(phial_collection *c, phial_error *err);
/* Inside a writing transaction: a file of an earlier addition gets the tables it does not have. */
phial_status ph_schema_upgrade(phial_collection *c, phial_error *err);
#define PH_COLLECTION_APP_ID  0x50686961 /* "Phia" */
#define PH_COLLECTION_VERSION 1001

/* Sets the journal to WAL, if this is not done yet. Before the first write. */
phial_status ph_collection_begin_writing(phial_collection *c, phial_error *err);

/* The path with "./" in front unless it begins with "/", so that SQLite takes it as nothing but a
 * path; owned. */
char *ph_collection_plain_path(const char *path, phial_error *err);

#endif
