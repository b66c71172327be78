/* Whole reads, paths, and files written whole or not at all; contract in file.h. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

static phial_status read_all(ph_buf *out, int fd, const char *name, size_t limit, phial_error *err)
{
    enum { STEP = 64 << 10 };
    for (;;) {
        if (!ph_buf_reserve(out, STEP)) {
            return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "%s: out of memory after %zu bytes", name,
                              out->len);
        }
        ssize_t n = read(fd, out->data + out->len, STEP);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return ph_err_errno(err, errno, "%s", name);
        }
        if (n == 0) {
            return PHIAL_OK;
        }
        out->len += (size_t)n;
        out->data[out->len] = '\0';
        if (out->len > limit) {
            return ph_err_set(err, PHIAL_ERR_LIMIT, "%s: larger than the limit of %zu bytes", name,
                              limit);
        }
    }
}

phial_status ph_file_read(ph_buf *out, const char *path, size_t limit, phial_error *err)
{
    if (strcmp(path, "-") == 0) {
        return read_all(out, STDIN_FILENO, "standard input", limit, err);
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return ph_err_errno(err, errno, "%s", path);
    }
    phial_status status = read_all(out, fd, path, limit, err);
    close(fd);
    return status;
}

ph_file_kind ph_file_kind_of(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        return PH_FILE_MISSING;
    }
    return S_ISREG(st.st_mode) ? PH_FILE_REGULAR
                               : (S_ISDIR(st.st_mode) ? PH_FILE_DIRECTORY : PH_FILE_OTHER);
}

phial_status ph_dir_make(const char *path, phial_error *err)
{
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        return ph_err_errno(err, errno, "%s: making the folder", path);
    }
    if (ph_file_kind_of(path) != PH_FILE_DIRECTORY) {
        return ph_err_set(err, PHIAL_ERR_IO, "%s: is in the way (not a folder)", path);
    }
    return PHIAL_OK;
}

char *ph_path_join(const char *dir, const char *name, phial_error *err)
{
    size_t n = strlen(dir);
    bool slash = n > 0 && dir[n - 1] != '/';
    char *path = ph_alloc(n + strlen(name) + 2, 1, err);
    if (path != NULL) {
        memcpy(path, dir, n);
        if (slash) {
            path[n++] = '/';
        }
        memcpy(path + n, name, strlen(name) + 1);
    }
    return path;
}

const char *ph_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

#define WRITER_BUFFER (256u << 10)

struct ph_writer {
    char *path;
    char *temp;
    int fd;
    uint64_t flushed; /* bytes handed to the system */
    size_t pending;   /* bytes in buffer */
    uint8_t *buffer;
};

static phial_status write_fully(ph_writer *w, uint64_t at, const uint8_t *bytes, size_t n,
                                phial_error *err)
{
    while (n > 0) {
        ssize_t k = pwrite(w->fd, bytes, n, (off_t)at);
        if (k < 0 && errno == EINTR) {
            continue;
        }
        if (k < 0) {
            return ph_err_errno(err, errno, "%s: writing", w->path);
        }
        bytes += k;
        at += (uint64_t)k;
        n -= (size_t)k;
    }
    return PHIAL_OK;
}

static phial_status writer_flush(ph_writer *w, phial_error *err)
{
    phial_status status = write_fully(w, w->flushed, w->buffer, w->pending, err);
    if (status == PHIAL_OK) {
        w->flushed += w->pending;
        w->pending = 0;
    }
    return status;
}

phial_status ph_writer_open(ph_writer **out, const char *path, phial_error *err)
{
    phial_status status = PHIAL_ERR_NO_MEMORY;
    ph_writer *w = ph_alloc(1, sizeof *w, err);
    if (w == NULL) {
        return status;
    }
    w->fd = -1;
    size_t temp_bytes = strlen(path) + 16;
    w->path = ph_strdup(path, err);
    w->temp = w->path == NULL ? NULL : ph_alloc(temp_bytes, 1, err);
    w->buffer = w->temp == NULL ? NULL : ph_alloc(WRITER_BUFFER, 1, err);
    if (w->buffer == NULL) {
        goto done;
    }
    int dir = (int)(ph_path_base(path) - path);
    snprintf(w->temp, temp_bytes, "%.*s.%s.XXXXXX", dir, path, path + dir);
    w->fd = mkostemp(w->temp, O_CLOEXEC);
    if (w->fd < 0) {
        status = ph_err_errno(err, errno, "%s: creating the file", path);
        goto done;
    }
    mode_t mask = umask(0);
    umask(mask);
    fchmod(w->fd, 0666 & ~mask);
    status = PHIAL_OK;
done:
    if (status == PHIAL_OK) {
        *out = w;
    } else {
        ph_writer_close(w);
    }
    return status;
}

phial_status ph_writer_write(ph_writer *w, const void *bytes, size_t n, phial_error *err)
{
    phial_status status = PHIAL_OK;
    if (n > WRITER_BUFFER - w->pending) {
        status = writer_flush(w, err);
    }
    if (status == PHIAL_OK && n >= WRITER_BUFFER) {
        status = write_fully(w, w->flushed, bytes, n, err);
        w->flushed += status == PHIAL_OK ? n : 0;
    } else if (status == PHIAL_OK && n > 0) {
        memcpy(w->buffer + w->pending, bytes, n);
        w->pending += n;
    }
    return status;
}

phial_status ph_writer_zeros(ph_writer *w, size_t n, phial_error *err)
{
    static const uint8_t ZEROS[256];
    phial_status status = PHIAL_OK;
    while (n > 0 && status == PHIAL_OK) {
        size_t step = n < sizeof ZEROS ? n : sizeof ZEROS;
        status = ph_writer_write(w, ZEROS, step, err);
        n -= step;
    }
    return status;
}

phial_status ph_writer_patch(ph_writer *w, uint64_t offset, const void *bytes, size_t n,
                             phial_error *err)
{
    uint64_t end;
    if (!ph_add_u64(&end, offset, n) || end > ph_writer_offset(w)) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: patching beyond what was written", w->path);
    }
    phial_status status = writer_flush(w, err);
    return status == PHIAL_OK ? write_fully(w, offset, bytes, n, err) : status;
}

uint64_t ph_writer_offset(const ph_writer *w)
{
    return w->flushed + w->pending;
}

static void sync_folder(const char *path)
{
    char *dir = ph_strndup(path, (size_t)(ph_path_base(path) - path), NULL);
    int fd =
        dir == NULL ? -1 : open(dir[0] == '\0' ? "." : dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    ph_free(dir);
}

phial_status ph_writer_commit(ph_writer *w, phial_error *err)
{
    phial_status status = writer_flush(w, err);
    if (status != PHIAL_OK) {
        return status;
    }
    if (fsync(w->fd) != 0) {
        return ph_err_errno(err, errno, "%s: writing to the disk", w->path);
    }
    if (rename(w->temp, w->path) != 0) {
        return ph_err_errno(err, errno, "%s: putting the file in its place", w->path);
    }
    close(w->fd);
    w->fd = -1;
    sync_folder(w->path);
    return PHIAL_OK;
}

void ph_writer_close(ph_writer *w)
{
    if (w == NULL) {
        return;
    }
    if (w->fd >= 0) {
        close(w->fd);
        unlink(w->temp);
    }
    ph_free(w->path);
    ph_free(w->temp);
    ph_free(w->buffer);
    ph_free(w);
}
