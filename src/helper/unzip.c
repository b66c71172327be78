/* Contract in unzip.h. */
#include "helper/unzip.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEP = 64 << 10 };

phial_status ph_unzip_init(ph_unzip *zip, int fd, phial_error *err)
{
    struct stat st;
    *zip = (ph_unzip){.fd = fd};
    if (fstat(fd, &st) != 0)
        return ph_err_errno(err, errno, "looking at the document");
    zip->n_file = (uint64_t)st.st_size;
    return PHIAL_OK;
}

static phial_status damaged(struct archive *a, const char *name, phial_error *err)
{
    const char *why = archive_error_string(a);
    if (archive_errno(a) == ENOMEM)
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (ZIP)");
    return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "damaged ZIP archive%s%s: %s", name ? ", " : "",
                      name ? name : "", why ? why : "unreadable");
}

static phial_status count(ph_unzip *zip, size_t n, phial_error *err)
{
    zip->n_unpacked += n;
    if (zip->n_unpacked > PH_UNZIP_BYTES_MAX)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "unpacks to more than %llu MiB",
                          (unsigned long long)PH_UNZIP_BYTES_MAX >> 20);
    if (zip->n_unpacked > PH_UNZIP_RATIO_FROM && zip->n_unpacked / PH_UNZIP_RATIO_MAX > zip->n_file)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "unpacks to more than %u times its size (a ZIP bomb?)",
                          PH_UNZIP_RATIO_MAX);
    return PHIAL_OK;
}

static phial_status read_member(ph_unzip *zip, struct archive *a, const char *name,
                                const ph_unzip_visitor *v, phial_error *err)
{
    char buf[STEP];
    for (;;) {
        la_ssize_t n = archive_read_data(a, buf, sizeof buf);
        if (n == ARCHIVE_RETRY)
            continue;
        if (n < 0)
            return damaged(a, name, err);
        phial_status status = count(zip, (size_t)n, err);
        if (status == PHIAL_OK)
            status = v->piece(v->user, name, buf, (size_t)n, err);
        if (status != PHIAL_OK || n == 0)
            return status;
    }
}

static phial_status visit(ph_unzip *zip, struct archive *a, struct archive_entry *entry,
                          const ph_unzip_visitor *v, phial_error *err)
{
    char name[PH_UNZIP_NAME_MAX];
    const char *path = archive_entry_pathname_utf8(entry);
    path = path ? path : archive_entry_pathname(entry);
    if (!path || strlen(path) >= sizeof name || archive_entry_filetype(entry) != AE_IFREG)
        return PHIAL_OK;
    memcpy(name, path, strlen(path) + 1);
    if (!v->want(v->user, name))
        return PHIAL_OK;
    if (archive_entry_is_encrypted(entry))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s in it is encrypted", name);
    return read_member(zip, a, name, v, err);
}

static phial_status walk(ph_unzip *zip, struct archive *a, const ph_unzip_visitor *v,
                         phial_error *err)
{
    if (lseek(zip->fd, 0, SEEK_SET) != 0)
        return ph_err_errno(err, errno, "reading the document");
    if (archive_read_support_format_zip(a) != ARCHIVE_OK ||
        archive_read_open_fd(a, zip->fd, STEP) != ARCHIVE_OK)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "is no ZIP archive, or a damaged one");
    for (uint32_t i = 0; i <= PH_UNZIP_MEMBERS_MAX; i++) {
        struct archive_entry *entry;
        int got = archive_read_next_header(a, &entry);
        if (got == ARCHIVE_EOF)
            return PHIAL_OK;
        if (got == ARCHIVE_RETRY)
            continue;
        if (got < ARCHIVE_WARN)
            return i == 0
                       ? ph_err_set(err, PHIAL_ERR_BAD_INPUT, "is no ZIP archive, or a damaged one")
                       : damaged(a, NULL, err);
        phial_status status = visit(zip, a, entry, v, err);
        if (status != PHIAL_OK)
            return status;
    }
    return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "a ZIP archive of more than %u members",
                      PH_UNZIP_MEMBERS_MAX);
}

phial_status ph_unzip_walk(ph_unzip *zip, const ph_unzip_visitor *visitor, phial_error *err)
{
    struct archive *a = archive_read_new();
    if (!a)
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (ZIP)");
    phial_status status = walk(zip, a, visitor, err);
    archive_read_free(a);
    return status;
}

/* --- one member --- */

typedef struct search {
    const char *name;
    ph_buf *out;
    size_t limit;
    bool found;
} search;

static bool is_it(void *user, const char *name)
{
    search *s = user;
    return !s->found && strcmp(name, s->name) == 0;
}

static phial_status keep(void *user, const char *name, const char *p, size_t n, phial_error *err)
{
    search *s = user;
    s->found = true;
    if (n > s->limit - s->out->len)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s in it is larger than %zu MiB", name,
                          s->limit >> 20);
    if (!ph_buf_add(s->out, p, n))
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (%s)", name);
    return PHIAL_OK;
}

phial_status ph_unzip_member(ph_unzip *zip, const char *name, ph_buf *out, size_t limit,
                             bool *found, phial_error *err)
{
    search s = {name, out, limit, false};
    const ph_unzip_visitor visitor = {&s, is_it, keep};
    phial_status status = ph_unzip_walk(zip, &visitor, err);
    *found = s.found;
    return status;
}
