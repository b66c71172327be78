/* Statements and their errors; contract in collection_db.h. */
#include <string.h>

#include "base/mem.h"
#include "rag/collection_db.h"

static const char *const texts[] = {
#define PH_SQL(name, text) text,
#include "rag/collection_sql.def"
#undef PH_SQL
};

phial_status ph_sql_error(phial_collection *c, int code, const char *what, phial_error *err)
{
    const char *said = c->db ? sqlite3_errmsg(c->db) : sqlite3_errstr(code);
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "%s: %s: out of memory", c->path, what);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ph_err_set(err, PHIAL_ERR_BUSY,
                          "%s: %s: another program is writing to it; waited for %d s", c->path,
                          what, PH_BUSY_MS / 1000);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s: %s: the collection is damaged (%s)",
                          c->path, what, said);
    case SQLITE_FULL:
        return ph_err_set(err, PHIAL_ERR_IO, "%s: %s: the disk is full", c->path, what);
    case SQLITE_READONLY:
        return ph_err_set(err, PHIAL_ERR_IO, "%s: %s: it cannot be written to (%s)", c->path, what,
                          said);
    case SQLITE_TOOBIG:
        return ph_err_set(err, PHIAL_ERR_LIMIT, "%s: %s: a value is too large", c->path, what);
    case SQLITE_INTERRUPT:
        return ph_err_set(err, PHIAL_ERR_CANCELLED, "%s: %s: interrupted", c->path, what);
    case SQLITE_CONSTRAINT:
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s: %s: the collection is damaged (%s)",
                          c->path, what, said);
    default:
        return ph_err_set(err, PHIAL_ERR_IO, "%s: %s: %s", c->path, what, said);
    }
}

phial_status ph_damaged(phial_collection *c, const char *what, phial_error *err)
{
    return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s: the collection is damaged: %s", c->path, what);
}

phial_status ph_sql_get(phial_collection *c, ph_sql which, sqlite3_stmt **out, phial_error *err)
{
    if (!c->statements[which]) {
        int code = sqlite3_prepare_v3(c->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT,
                                      &c->statements[which], NULL);
        if (code != SQLITE_OK)
            return ph_sql_error(c, code, "preparing", err);
    }
    *out = c->statements[which];
    sqlite3_reset(*out);
    sqlite3_clear_bindings(*out);
    return PHIAL_OK;
}

phial_status ph_sql_step(phial_collection *c, sqlite3_stmt *s, bool *row, phial_error *err)
{
    int code = sqlite3_step(s);
    *row = code == SQLITE_ROW;
    if (code == SQLITE_ROW)
        return PHIAL_OK;
    phial_status st = PHIAL_OK;
    if (code != SQLITE_DONE)
        st = ph_sql_error(c, code, sqlite3_stmt_readonly(s) ? "reading" : "writing", err);
    sqlite3_reset(s);
    return st;
}

phial_status ph_sql_run(phial_collection *c, sqlite3_stmt *s, phial_error *err)
{
    bool row = true;
    phial_status st = PHIAL_OK;
    while (st == PHIAL_OK && row)
        st = ph_sql_step(c, s, &row, err);
    return st;
}

phial_status ph_sql_do(phial_collection *c, ph_sql which, int64_t a, int64_t b, phial_error *err)
{
    sqlite3_stmt *s;
    phial_status st = ph_sql_get(c, which, &s, err);
    if (st != PHIAL_OK)
        return st;
    int n = sqlite3_bind_parameter_count(s);
    if (n > 0)
        sqlite3_bind_int64(s, 1, a);
    if (n > 1)
        sqlite3_bind_int64(s, 2, b);
    return ph_sql_run(c, s, err);
}

phial_status ph_sql_number(phial_collection *c, ph_sql which, int64_t *out, int64_t fallback,
                           phial_error *err)
{
    sqlite3_stmt *s;
    bool row = false;
    phial_status st = ph_sql_get(c, which, &s, err);
    if (st == PHIAL_OK)
        st = ph_sql_step(c, s, &row, err);
    if (st != PHIAL_OK)
        return st;
    *out = row ? sqlite3_column_int64(s, 0) : fallback;
    sqlite3_reset(s);
    return PHIAL_OK;
}

phial_status ph_sql_exec(phial_collection *c, const char *text, phial_error *err)
{
    int code = sqlite3_exec(c->db, text, NULL, NULL, NULL);
    return code == SQLITE_OK ? PHIAL_OK : ph_sql_error(c, code, "preparing", err);
}

phial_status ph_sql_pragma(phial_collection *c, const char *text, int64_t *out, phial_error *err)
{
    sqlite3_stmt *s = NULL;
    int code = sqlite3_prepare_v2(c->db, text, -1, &s, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(s);
    if (code == SQLITE_ROW && out)
        *out = sqlite3_column_int64(s, 0);
    phial_status st = code == SQLITE_ROW || code == SQLITE_DONE
                          ? PHIAL_OK
                          : ph_sql_error(c, code, "opening", err);
    sqlite3_finalize(s);
    return st;
}

void ph_sql_bind_text(sqlite3_stmt *s, int at, ph_str text)
{
    sqlite3_bind_text64(s, at, text.p ? text.p : "", text.n, SQLITE_STATIC, SQLITE_UTF8);
}

void ph_sql_bind_blob(sqlite3_stmt *s, int at, ph_str bytes)
{
    sqlite3_bind_blob64(s, at, bytes.p ? bytes.p : "", bytes.n, SQLITE_STATIC);
}

ph_str ph_sql_text(sqlite3_stmt *s, int at)
{
    const char *p = sqlite3_column_blob(s, at);
    int n = sqlite3_column_bytes(s, at);
    return p && n > 0 ? (ph_str){p, (size_t)n} : (ph_str){"", 0};
}

phial_status ph_tx_begin(phial_collection *c, bool write, phial_error *err)
{
    return ph_sql_do(c, write ? PH_SQL_BEGIN_WRITE : PH_SQL_BEGIN, 0, 0, err);
}

phial_status ph_tx_commit(phial_collection *c, phial_error *err)
{
    return ph_sql_do(c, PH_SQL_COMMIT, 0, 0, err);
}

void ph_tx_rollback(phial_collection *c)
{
    for (int i = 0; i < PH_SQL_N; i++) {
        if (c->statements[i])
            sqlite3_reset(c->statements[i]);
    }
    if (!sqlite3_get_autocommit(c->db))
        ph_sql_do(c, PH_SQL_ROLLBACK, 0, 0, NULL);
}

phial_status ph_setting_get(phial_collection *c, const char *name, int64_t *value, int64_t fallback,
                            phial_error *err)
{
    sqlite3_stmt *s;
    bool row = false;
    phial_status st = ph_sql_get(c, PH_SQL_SETTING_GET, &s, err);
    if (st != PHIAL_OK)
        return st;
    ph_sql_bind_text(s, 1, ph_str_from(name));
    st = ph_sql_step(c, s, &row, err);
    if (st == PHIAL_OK)
        *value = row ? sqlite3_column_int64(s, 0) : fallback;
    sqlite3_reset(s);
    return st;
}

phial_status ph_setting_put(phial_collection *c, const char *name, int64_t value, phial_error *err)
{
    sqlite3_stmt *s;
    phial_status st = ph_sql_get(c, PH_SQL_SETTING_PUT, &s, err);
    if (st != PHIAL_OK)
        return st;
    ph_sql_bind_text(s, 1, ph_str_from(name));
    sqlite3_bind_int64(s, 2, value);
    return ph_sql_run(c, s, err);
}
