/* Whole reads, paths, and files written whole or not at all; contract in file.h. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
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

phial_status ph_file_read_regular(ph_buf *out, const char *path, size_t limit, phial_error *err)
{
    /* O_NONBLOCK: opening a FIFO must not wait for a writer; regular files do not care. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return ph_err_errno(err, errno, "%s", path);
    }
    struct stat st;
    phial_status status =
        fstat(fd, &st) == 0 && S_ISREG(st.st_mode)
            ? read_all(out, fd, path, limit, err)
            : ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s: is not a regular file", path);
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

uint64_t ph_file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
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
#define TEMP_TRIES    100

struct ph_writer {
    char *path; /* where the bytes end up; symbolic links followed */
    char *temp; /* NULL: straight into path, which is no regular file */
    int fd;
    uint64_t flushed; /* bytes handed to the system */
    size_t pending;   /* bytes in buffer */
    uint8_t *buffer;
};

/* At an offset of the temporary file; into a pipe or a device, which has none, at its end. */
static ssize_t write_some(const ph_writer *w, uint64_t at, const uint8_t *bytes, size_t n)
{
    return w->temp != NULL ? pwrite(w->fd, bytes, n, (off_t)at) : write(w->fd, bytes, n);
}

static phial_status write_fully(ph_writer *w, uint64_t at, const uint8_t *bytes, size_t n,
                                phial_error *err)
{
    while (n > 0) {
        ssize_t k = write_some(w, at, bytes, n);
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

/* A name nobody has, made with the permissions of any new file. */
static phial_status open_temp(ph_writer *w, phial_error *err)
{
    int dir = (int)(ph_path_base(w->path) - w->path);
    size_t temp_bytes = strlen(w->path) + 32;
    w->temp = ph_alloc(temp_bytes, 1, err);
    if (w->temp == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    for (uint64_t i = 0; i < TEMP_TRIES && w->fd < 0; i++) {
        uint64_t seed[] = {ph_clock_ns(), (uint64_t)getpid(), i};
        /* Of a long name only the beginning: with the rest it could be too long for a folder. */
        snprintf(w->temp, temp_bytes, "%.*s.%.200s.%08x", dir, w->path, w->path + dir,
                 (unsigned)(ph_hash64(seed, sizeof seed, 0) & 0xffffffff));
        w->fd = open(w->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (w->fd < 0 && errno != EEXIST) {
            break;
        }
    }
    return w->fd >= 0 ? PHIAL_OK : ph_err_errno(err, errno, "%s: creating the file", w->path);
}

/* The file behind a symbolic link, so that the link stays one; any other path, and a link that
 * leads nowhere, as it is. */
static char *resolve(const char *path, phial_error *err)
{
    struct stat st;
    char *real = NULL;
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) {
        real = ph_alloc(PATH_MAX, 1, err);
        if (real == NULL || realpath(path, real) != NULL) {
            return real;
        }
    }
    ph_free(real);
    return ph_strdup(path, err);
}

static phial_status open_target(ph_writer *w, phial_error *err)
{
    switch (ph_file_kind_of(w->path)) {
    case PH_FILE_DIRECTORY:
        return ph_err_errno(err, EISDIR, "%s: creating the file", w->path);
    case PH_FILE_OTHER:
        w->fd = open(w->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        return w->fd >= 0 ? PHIAL_OK : ph_err_errno(err, errno, "%s", w->path);
    case PH_FILE_MISSING:
    case PH_FILE_REGULAR:
        break;
    }
    return open_temp(w, err);
}

phial_status ph_writer_open(ph_writer **out, const char *path, phial_error *err)
{
    phial_status status = PHIAL_ERR_NO_MEMORY;
    ph_writer *w = ph_alloc(1, sizeof *w, err);
    if (w == NULL) {
        return status;
    }
    w->fd = -1;
    w->path = resolve(path, err);
    w->buffer = w->path == NULL ? NULL : ph_alloc(WRITER_BUFFER, 1, err);
    if (w->buffer != NULL) {
        status = open_target(w, err);
    }
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
    if (w->temp == NULL) {
        return ph_err_set(err, PHIAL_ERR_IO, "%s: only a regular file will do here", w->path);
    }
    phial_status status = writer_flush(w, err);
    return status == PHIAL_OK ? write_fully(w, offset, bytes, n, err) : status;
}

phial_status ph_writer_flush(ph_writer *w, const char **temp_path, phial_error *err)
{
    if (w->temp == NULL) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "%s: a device or a pipe cannot be read back while it is written",
                          w->path);
    }
    *temp_path = w->temp;
    return writer_flush(w, err);
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
    if (status != PHIAL_OK || w->temp == NULL) {
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
        if (w->temp != NULL) {
            unlink(w->temp);
        }
    }
    ph_free(w->path);
    ph_free(w->temp);
    ph_free(w->buffer);
    ph_free(w);
}
