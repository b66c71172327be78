/* Opening and closing a collection: the only file, hardened against what strangers put into it.
 *
 * At rest a collection is one file. While it is written to, the journal is a write-ahead log, which
 * readers do not wait for; closing folds it back and removes it. What a killed writer left behind
 * is folded back by whoever opens next, readers too if they may write there.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "rag/collection_db.h"
#include "rag/collection_dense.h"
#include "rag/collection_lex.h"

#define HEADER_BYTES 32
#define WAL_AT       18 /* in the header: 2 means that the journal is a write-ahead log */

char *ph_collection_plain_path(const char *path, phial_error *err)
{
    return path[0] == '/' ? ph_strdup(path, err) : ph_path_join(".", path, err);
}

static phial_status harden(phial_collection *c, phial_error *err)
{
    static const struct {
        int what, value;
    } configs[] =
        {
            {SQLITE_DBCONFIG_DEFENSIVE, 1},
            {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
            {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
            {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
            {SQLITE_DBCONFIG_DQS_DDL, 0},
            {SQLITE_DBCONFIG_DQS_DML, 0},
            {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
        },
      limits[] = {
          {SQLITE_LIMIT_LENGTH, PH_CELL_MAX}, {SQLITE_LIMIT_SQL_LENGTH, 100000},
          {SQLITE_LIMIT_COLUMN, 64},          {SQLITE_LIMIT_EXPR_DEPTH, 50},
          {SQLITE_LIMIT_VDBE_OP, 25000},      {SQLITE_LIMIT_FUNCTION_ARG, 8},
          {SQLITE_LIMIT_ATTACHED, 1},         {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50},
          {SQLITE_LIMIT_TRIGGER_DEPTH, 1},    {SQLITE_LIMIT_WORKER_THREADS, 0},
      };
    for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++)
        sqlite3_db_config(c->db, configs[i].what, configs[i].value, (int *)NULL);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        sqlite3_limit(c->db, limits[i].what, limits[i].value);
    sqlite3_busy_timeout(c->db, PH_BUSY_MS);
    phial_status st = ph_sql_pragma(c, "PRAGMA trusted_schema=OFF", NULL, err);
    if (st == PHIAL_OK)
        st = ph_sql_pragma(c, "PRAGMA cell_size_check=ON", NULL, err);
    if (st == PHIAL_OK)
        st = ph_sql_pragma(c, "PRAGMA mmap_size=0", NULL, err);
    if (st == PHIAL_OK)
        st = ph_sql_pragma(c, "PRAGMA temp_store=MEMORY", NULL, err);
    if (st == PHIAL_OK)
        st = ph_sql_pragma(c, "PRAGMA cache_size=-16000", NULL, err);
    if (st == PHIAL_OK)
        st = ph_sql_pragma(c, "PRAGMA synchronous=FULL", NULL, err);
    return st;
}

static phial_status connect_to(phial_collection *c, const char *name, int flags, phial_error *err)
{
    int code = sqlite3_open_v2(name, &c->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK)
        return harden(c, err);
    phial_status st = ph_sql_error(c, code, "opening", err);
    sqlite3_close(c->db);
    c->db = NULL;
    return st;
}

/* A killed writer leaves these, even empty ones, and so does one that is at it. */
static bool has_beside(const char *path, const char *suffix)
{
    char *name = ph_alloc(strlen(path) + strlen(suffix) + 1, 1, NULL);
    if (!name)
        return false;
    memcpy(name, path, strlen(path));
    memcpy(name + strlen(path), suffix, strlen(suffix));
    bool is = ph_file_kind_of(name) != PH_FILE_MISSING;
    ph_free(name);
    return is;
}

static bool has_leftovers(const char *path)
{
    return has_beside(path, "-wal") || has_beside(path, "-shm") || has_beside(path, "-journal");
}

static bool set_journal(phial_collection *c, const char *text, const char *mode)
{
    sqlite3_stmt *s = NULL;
    bool done = false;
    if (sqlite3_prepare_v2(c->db, text, -1, &s, NULL) == SQLITE_OK)
        done = sqlite3_step(s) == SQLITE_ROW && ph_str_eq_c(ph_sql_text(s, 0), mode);
    sqlite3_finalize(s);
    return done;
}

/* Folds back a log that somebody left; true if the file is by itself afterwards. */
static bool tidy(phial_collection *c, const char *name)
{
    if (access(name, W_OK) != 0 || connect_to(c, name, SQLITE_OPEN_READWRITE, NULL) != PHIAL_OK)
        return false;
    sqlite3_busy_timeout(c->db, 100);
    /* There and back: only SQLite, under its locks, may remove the files of a log. */
    bool done = set_journal(c, "PRAGMA journal_mode=WAL", "wal") &&
                set_journal(c, "PRAGMA journal_mode=DELETE", "delete");
    sqlite3_close(c->db);
    c->db = NULL;
    return done;
}

/* "file:" URI of a path that nobody writes to and whose folder cannot be written to. */
static char *immutable_uri(const char *path, phial_error *err)
{
    static const char tail[] = "?immutable=1";
    char *uri = ph_alloc(3 * strlen(path) + 32, 1, err);
    if (!uri)
        return NULL;
    memcpy(uri, "file:", 5);
    size_t n = 5;
    for (const char *p = path; *p; p++) {
        if (*p == '%' || *p == '?' || *p == '#')
            n += (size_t)snprintf(uri + n, 4, "%%%02x", (unsigned char)*p);
        else
            uri[n++] = *p;
    }
    memcpy(uri + n, tail, sizeof tail);
    return uri;
}

static phial_status open_for_reading(phial_collection *c, const char *name, bool wal_header,
                                     phial_error *err)
{
    if ((wal_header || has_leftovers(name)) && !tidy(c, name) && wal_header &&
        !has_beside(name, "-wal") && access(name, W_OK) != 0) {
        char *uri = immutable_uri(name, err);
        phial_status st = uri ? connect_to(c, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, err)
                              : PHIAL_ERR_NO_MEMORY;
        ph_free(uri);
        return st;
    }
    return connect_to(c, name, SQLITE_OPEN_READONLY, err);
}

/* What can be said before SQLite looks at it. */
static phial_status look(phial_collection *c, const char *name, phial_collection_access access,
                         bool *exists, bool *wal_header, phial_error *err)
{
    char header[HEADER_BYTES] = {0};
    ph_file_kind kind = ph_file_kind_of(name);
    *exists = kind != PH_FILE_MISSING;
    *wal_header = false;
    if (kind == PH_FILE_DIRECTORY)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s: is a folder, not a collection", c->path);
    if (kind == PH_FILE_OTHER)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s: is not a regular file", c->path);
    if (!*exists && access != PHIAL_COLLECTION_CREATE)
        return ph_err_set(err, PHIAL_ERR_IO, "%s: there is no such collection", c->path);
    if (!*exists)
        return PHIAL_OK;
    FILE *f = fopen(name, "rbe");
    if (!f)
        return ph_err_set(err, PHIAL_ERR_IO, "%s: cannot be opened for reading", c->path);
    size_t n = fread(header, 1, sizeof header, f);
    fclose(f);
    *wal_header = n == sizeof header && header[WAL_AT] == 2;
    if (n == 0 && access == PHIAL_COLLECTION_READ)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s: is an empty file, not a collection",
                          c->path);
    if (n > 0 && (n < sizeof header || memcmp(header, "SQLite format 3", 16) != 0))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "%s: is not a collection (not an SQLite database)", c->path);
    return PHIAL_OK;
}

static phial_status open_it(phial_collection *c, phial_collection_access access, phial_error *err)
{
    bool exists, wal_header;
    int64_t pages = 0;
    char *name = ph_collection_plain_path(c->path, err);
    phial_status st = name ? look(c, name, access, &exists, &wal_header, err) : PHIAL_ERR_NO_MEMORY;
    if (st != PHIAL_OK)
        goto done;
    c->writable = access != PHIAL_COLLECTION_READ;
    c->in_wal = c->writable && wal_header; /* a writer was killed, or is at it */
    if (c->writable)
        st = connect_to(c, name, SQLITE_OPEN_READWRITE | (exists ? 0 : SQLITE_OPEN_CREATE), err);
    else
        st = open_for_reading(c, name, wal_header, err);
    if (st == PHIAL_OK && c->writable && sqlite3_db_readonly(c->db, "main") == 1)
        st = ph_err_set(err, PHIAL_ERR_IO, "%s: cannot be written to", c->path);
    if (st == PHIAL_OK)
        st = ph_sql_pragma(c, "PRAGMA page_count", &pages, err);
    if (st == PHIAL_OK && c->writable && pages == 0)
        st = ph_schema_make(c, err);
    if (st == PHIAL_OK)
        st = ph_schema_check(c, err);
    if (st == PHIAL_OK && c->writable && !c->in_wal && has_leftovers(name))
        st = ph_collection_begin_writing(c, err); /* so that closing tidies up */
done:
    ph_free(name);
    return st;
}

phial_status phial_collection_open(phial_collection **out, const char *path,
                                   phial_collection_access access, phial_error *err)
{
    *out = NULL;
    if (access > PHIAL_COLLECTION_CREATE || path[0] == 0)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "a collection needs a path and a way to open");
    phial_status st = PHIAL_ERR_NO_MEMORY;
    phial_collection *c = ph_alloc(1, sizeof *c, err);
    if (!c)
        return st;
    c->path = ph_strdup(path, err);
    if (c->path)
        st = open_it(c, access, err);
    if (st == PHIAL_OK)
        *out = c;
    else
        phial_collection_close(c);
    return st;
}

phial_status ph_collection_begin_writing(phial_collection *c, phial_error *err)
{
    if (!c->writable)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: the collection is open for reading only",
                          c->path);
    for (int waited = 0; !c->in_wal; waited += 20) {
        sqlite3_stmt *s = NULL;
        int code = sqlite3_prepare_v2(c->db, "PRAGMA journal_mode=WAL", -1, &s, NULL);
        if (code == SQLITE_OK)
            code = sqlite3_step(s);
        c->in_wal = code == SQLITE_ROW && ph_str_eq_c(ph_sql_text(s, 0), "wal");
        phial_status st = PHIAL_OK;
        if (!c->in_wal && (code & 0xff) != SQLITE_BUSY && code != SQLITE_ROW)
            st = ph_sql_error(c, code, "writing", err);
        else if (!c->in_wal && waited >= PH_BUSY_MS)
            st = ph_sql_error(c, SQLITE_BUSY, "writing", err);
        sqlite3_finalize(s);
        if (st != PHIAL_OK)
            return st;
        if (!c->in_wal)
            sqlite3_sleep(20);
    }
    return PHIAL_OK;
}

void phial_collection_close(phial_collection *c)
{
    if (!c)
        return;
    ph_lex_view_free(c->view);
    ph_dense_free(c->dense);
    for (int i = 0; i < PH_SQL_N; i++)
        sqlite3_finalize(c->statements[i]);
    if (c->in_wal) {
        /* Fails while others have it open: the last of them does it. */
        sqlite3_busy_timeout(c->db, 100);
        ph_sql_pragma(c, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL);
        ph_sql_pragma(c, "PRAGMA journal_mode=DELETE", NULL, NULL);
    }
    sqlite3_close(c->db);
    ph_free(c->path);
    ph_free(c);
}
