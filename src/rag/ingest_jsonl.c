/* Contract in ingest_jsonl.h. */
#include "rag/ingest_jsonl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"

#define READ_BYTES (256u << 10)

struct ph_jsonl {
    int fd;
    char *path;
    ph_buf bytes; /* read and not yet handed out: from `at` on */
    size_t at;
    uint64_t number, size;
    bool ended;
};

phial_status ph_jsonl_open(ph_jsonl **out, const char *path, phial_error *err)
{
    struct stat st;
    ph_jsonl *j = ph_alloc(1, sizeof *j, err);
    if (!j)
        return PHIAL_ERR_NO_MEMORY;
    ph_buf_init(&j->bytes, PH_JSONL_LINE_MAX + 2 * READ_BYTES);
    j->fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    phial_status status = j->fd >= 0 ? PHIAL_OK : ph_err_errno(err, errno, "%s", path);
    j->path = ph_strdup(j->fd == STDIN_FILENO ? "standard input" : path, err);
    if (!j->path)
        status = PHIAL_ERR_NO_MEMORY;
    if (status == PHIAL_OK && fstat(j->fd, &st) == 0 && S_ISREG(st.st_mode))
        j->size = (uint64_t)st.st_size;
    if (status == PHIAL_OK && fstat(j->fd, &st) == 0 && S_ISDIR(st.st_mode))
        status = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s: is a folder, not a JSONL file", path);
    if (status == PHIAL_OK)
        *out = j;
    else
        ph_jsonl_close(j);
    return status;
}

void ph_jsonl_close(ph_jsonl *j)
{
    if (!j)
        return;
    if (j->fd > STDIN_FILENO)
        close(j->fd);
    ph_buf_free(&j->bytes);
    ph_free(j->path);
    ph_free(j);
}

uint64_t ph_jsonl_size(const ph_jsonl *j)
{
    return j->size;
}

static phial_status read_more(ph_jsonl *j, phial_error *err)
{
    if (j->at > 0) {
        memmove(j->bytes.data, j->bytes.data + j->at, j->bytes.len - j->at);
        j->bytes.len -= j->at;
        j->at = 0;
    }
    if (!ph_buf_reserve(&j->bytes, READ_BYTES))
        return ph_buf_status(&j->bytes, err);
    ssize_t n;
    do
        n = read(j->fd, j->bytes.data + j->bytes.len, READ_BYTES);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return ph_err_errno(err, errno, "%s: reading", j->path);
    j->ended = n == 0;
    j->bytes.len += (size_t)n;
    j->bytes.data[j->bytes.len] = 0;
    return PHIAL_OK;
}

static bool blank(ph_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != ' ' && s.p[i] != '\t' && s.p[i] != '\r')
            return false;
    }
    return true;
}

static phial_status next_line(ph_jsonl *j, ph_str *line, bool *more, phial_error *err)
{
    size_t searched = 0;
    for (;;) {
        const char *from = j->bytes.data ? j->bytes.data + j->at : "";
        size_t have = j->bytes.len - j->at;
        const char *end = memchr(from + searched, '\n', have - searched);
        if (end || (j->ended && have > 0)) {
            *line = (ph_str){from, end ? (size_t)(end - from) : have};
            j->at += line->n + (end != NULL);
            *more = true;
            return PHIAL_OK;
        }
        *more = false;
        if (j->ended)
            return PHIAL_OK;
        if (have > PH_JSONL_LINE_MAX)
            return ph_err_set(err, PHIAL_ERR_LIMIT, "%s:%llu: a line of more than %zu bytes",
                              j->path, (unsigned long long)j->number + 1, PH_JSONL_LINE_MAX);
        searched = have;
        phial_status st = read_more(j, err);
        if (st != PHIAL_OK)
            return st;
    }
}

phial_status ph_jsonl_next(ph_jsonl *j, ph_str *line, uint64_t *number, bool *more,
                           phial_error *err)
{
    phial_status st;
    do {
        st = next_line(j, line, more, err);
        j->number += *more;
    } while (st == PHIAL_OK && *more && blank(*line));
    *number = j->number;
    if (st == PHIAL_OK && *more && j->number == 1 && ph_str_starts_with(*line, "\xef\xbb\xbf"))
        *line = (ph_str){line->p + 3, line->n - 3};
    return st;
}

/* --- a record --- */

void ph_jsonl_record_init(ph_jsonl_record *r)
{
    memset(r, 0, sizeof *r);
}

void ph_jsonl_record_free(ph_jsonl_record *r)
{
    ph_buf_free(&r->id);
    ph_buf_free(&r->title);
    ph_buf_free(&r->text);
    ph_buf_free(&r->metadata);
}

static phial_status take_id(ph_jsonl_record *r, const ph_json *v, phial_error *err)
{
    ph_str s;
    int64_t number;
    if (ph_json_str(v, &s) && s.n > 0)
        ph_buf_add(&r->id, s.p, s.n);
    else if (ph_json_int(v, &number))
        ph_buf_addf(&r->id, "%lld", (long long)number);
    else
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "\"_id\" is %s, not a text",
                          ph_json_is_string(v) ? "empty" : ph_json_type_name(v));
    return ph_buf_status(&r->id, err);
}

static phial_status take_text(ph_buf *out, const ph_json *v, const char *name, bool required,
                              phial_error *err)
{
    ph_str s;
    if (!v && !required)
        return PHIAL_OK;
    if (ph_json_is_null(v) && !required)
        return PHIAL_OK;
    if (!ph_json_str(v, &s))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "\"%s\" is %s, not a text", name,
                          ph_json_type_name(v));
    ph_buf_add(out, s.p, s.n);
    return ph_buf_status(out, err);
}

static phial_status take_rest(ph_buf *out, const ph_json *object, phial_error *err)
{
    phial_status st = PHIAL_OK;
    for (void *it = ph_json_first(object); st == PHIAL_OK && it; it = ph_json_next(object, it)) {
        ph_str key = ph_json_key(it);
        if (ph_str_eq_c(key, "_id") || ph_str_eq_c(key, "title") || ph_str_eq_c(key, "text"))
            continue;
        if (ph_json_is_object(ph_json_value(it)) && ph_json_count(ph_json_value(it)) == 0)
            continue;
        ph_json *name = ph_json_str_new(key);
        ph_buf_add_str(out, out->len ? "," : "{");
        st = ph_json_write(out, name, 0, err);
        ph_json_free(name);
        ph_buf_add_str(out, ":");
        if (st == PHIAL_OK)
            st = ph_json_write(out, ph_json_value(it), 0, err);
    }
    if (out->len > 0)
        ph_buf_add_str(out, "}");
    return st == PHIAL_OK ? ph_buf_status(out, err) : st;
}

phial_status ph_jsonl_parse(ph_jsonl_record *r, ph_str line, phial_error *err)
{
    ph_buf_clear(&r->id);
    ph_buf_clear(&r->title);
    ph_buf_clear(&r->text);
    ph_buf_clear(&r->metadata);
    ph_json *root = ph_json_parse(line.p, line.n, err);
    if (!root)
        return err ? err->status : PHIAL_ERR_BAD_INPUT;
    phial_status st = PHIAL_OK;
    if (!ph_json_is_object(root))
        st = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "is %s, not a record", ph_json_type_name(root));
    if (st == PHIAL_OK)
        st = take_id(r, ph_json_get(root, "_id"), err);
    if (st == PHIAL_OK)
        st = take_text(&r->title, ph_json_get(root, "title"), "title", false, err);
    if (st == PHIAL_OK)
        st = take_text(&r->text, ph_json_get(root, "text"), "text", true, err);
    if (st == PHIAL_OK)
        st = take_rest(&r->metadata, root, err);
    ph_json_free(root);
    return st;
}
