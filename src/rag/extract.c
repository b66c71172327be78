/* From a file to its pages, mostly through a helper program; contract in extract.h. */
#include "rag/extract.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "fmt/doc_stream.h"
#include "proc/spawn.h"
#include "rag/extract_format.h"
#include "rag/extract_pages.h"
#include "rag/extract_plain.h"

#define SPOOL_MAX      ((uint64_t)4 << 30) /* bytes of a document that comes through a pipe */
#define DEFAULT_MEMORY ((uint64_t)1 << 30)
#define DEFAULT_TEXT   ((uint64_t)4 << 30)
enum {
    DEFAULT_SECONDS = 120,
    WALL_FACTOR = 5, /* a helper may have to share its core */
    READ_BYTES = 64 << 10,
};

static const char *const helper_names[] = {
    [PH_HELPER_EXTRACT] = "phial-extract",
    [PH_HELPER_PDF] = "phial-pdf",
};

void ph_extract_options_default(ph_extract_options *options)
{
    *options = (ph_extract_options){
        .max_memory = DEFAULT_MEMORY,
        .max_seconds = DEFAULT_SECONDS,
        .max_text = DEFAULT_TEXT,
        .max_pages = PH_DOC_PAGES_LIMIT,
    };
}

static ph_extract_options filled(const ph_extract_options *given)
{
    ph_extract_options o, usual;
    ph_extract_options_default(&usual);
    o = given ? *given : usual;
    o.max_memory = o.max_memory ? o.max_memory : usual.max_memory;
    o.max_seconds = o.max_seconds ? o.max_seconds : usual.max_seconds;
    o.max_text = o.max_text ? o.max_text : usual.max_text;
    o.max_pages = o.max_pages && o.max_pages < usual.max_pages ? o.max_pages : usual.max_pages;
    return o;
}

/* --- the helper's place --- */

/* *path: dir/name, owned, if it can be run, else NULL. */
static phial_status runnable(char **path, const char *dir, const char *name, phial_error *err)
{
    *path = ph_path_join(dir, name, err);
    if (!*path)
        return PHIAL_ERR_NO_MEMORY;
    if (access(*path, X_OK) != 0 || ph_file_kind_of(*path) != PH_FILE_REGULAR) {
        ph_free(*path);
        *path = NULL;
    }
    return PHIAL_OK;
}

/* The folder of the running program, with room for what follows; "" where it cannot be known. */
static void program_folder(char *out, size_t cap)
{
    ssize_t n = readlink("/proc/self/exe", out, cap - 1);
    out[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(out, '/');
    if (slash)
        *slash = '\0';
}

static phial_status find_helper(char **path, const char *name, const char *dir, phial_error *err)
{
    enum { PATH_BYTES = 4096 };
    char own[PATH_BYTES] = "", libexec[PATH_BYTES + 32] = "";
    const char *env = secure_getenv("PHIAL_HELPERS");
    program_folder(own, sizeof own);
    if (own[0])
        snprintf(libexec, sizeof libexec, "%s/../libexec/phial", own);
    const char *const places[] = {env && env[0] ? env : "", own, libexec, PHIAL_LIBEXEC};
    *path = NULL;
    phial_status status = dir ? runnable(path, dir, name, err) : PHIAL_OK;
    for (size_t i = 0; i < sizeof places / sizeof places[0] && !dir && !*path; i++) {
        if (status == PHIAL_OK && places[i][0])
            status = runnable(path, places[i], name, err);
    }
    if (status != PHIAL_OK || *path)
        return status;
    return ph_err_set(err, PHIAL_ERR_IO,
                      "the helper program %s, which reads this kind of file, is not there (looked "
                      "in %s; PHIAL_HELPERS names its folder)",
                      name,
                      dir             ? dir
                      : env && env[0] ? env
                      : own[0]        ? own
                                      : PHIAL_LIBEXEC);
}

/* --- the document --- */

static phial_status copy_all(int to, int from, phial_error *err)
{
    char buf[READ_BYTES];
    uint64_t total = 0;
    for (;;) {
        ssize_t n = read(from, buf, sizeof buf);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ph_err_errno(err, errno, "reading");
        if (n == 0)
            return PHIAL_OK;
        total += (uint64_t)n;
        if (total > SPOOL_MAX)
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "more than %llu bytes through a pipe",
                              (unsigned long long)SPOOL_MAX);
        for (ssize_t done = 0; done < n;) {
            ssize_t m = write(to, buf + done, (size_t)(n - done));
            if (m < 0 && errno != EINTR)
                return ph_err_errno(err, errno, "a temporary file");
            done += m > 0 ? m : 0;
        }
    }
}

/* A descriptor at the document's beginning that can seek and is read-only: fd itself, or that of a
 * copy without a name. */
static phial_status seekable(int *out, int fd, phial_error *err)
{
    struct stat st;
    *out = fd;
    if (fstat(fd, &st) != 0)
        return ph_err_errno(err, errno, "looking at it");
    if (S_ISDIR(st.st_mode))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "is a folder");
    if (S_ISREG(st.st_mode) && lseek(fd, 0, SEEK_SET) == 0)
        return PHIAL_OK;
    const char *dir = secure_getenv("TMPDIR");
    char again[64];
    int copy = open(dir && dir[0] ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (copy < 0)
        return ph_err_errno(err, errno, "a temporary file in %s", dir && dir[0] ? dir : "/tmp");
    phial_status status = copy_all(copy, fd, err);
    snprintf(again, sizeof again, "/proc/self/fd/%d", copy);
    int reading = open(again, O_RDONLY | O_CLOEXEC);
    if (reading >= 0) {
        close(copy);
        copy = reading;
    }
    if (status == PHIAL_OK && lseek(copy, 0, SEEK_SET) != 0)
        status = ph_err_errno(err, errno, "a temporary file");
    if (status != PHIAL_OK) {
        close(copy);
        return status;
    }
    *out = copy;
    return PHIAL_OK;
}

/* *head: the document's first bytes, or all of it if it is shorter. */
static phial_status recognise(const ph_format **format, ph_buf *head_buf, int fd, const char *name,
                              phial_error *err)
{
    phial_status status = PHIAL_OK;
    size_t len = 0;
    if (!ph_buf_reserve(head_buf, PH_EXTRACT_HEAD))
        return ph_buf_status(head_buf, err);
    uint8_t *head = (uint8_t *)head_buf->data;
    while (len < PH_EXTRACT_HEAD && status == PHIAL_OK) {
        ssize_t n = pread(fd, head + len, PH_EXTRACT_HEAD - len, (off_t)len);
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            status = ph_err_errno(err, errno, "reading");
        len += n > 0 ? (size_t)n : 0;
    }
    head_buf->len = len;
    *format = status == PHIAL_OK ? ph_format_find(head, len, name) : NULL;
    if (status == PHIAL_OK && len == 0)
        status = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "is empty");
    else if (status == PHIAL_OK && !*format)
        status = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "of no kind that can be read (%s)",
                            ph_format_describe(head, len));
    return status;
}

/* --- running it --- */

static phial_status join_passwords(ph_buf *out, const ph_extract_options *o, phial_error *err)
{
    for (size_t i = 0; i < o->n_passwords; i++)
        ph_buf_add(out, o->passwords[i], strlen(o->passwords[i]) + 1);
    if (out->failed && !out->starved)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "the passwords are longer than %u bytes",
                          PH_CHILD_INPUT_MAX);
    return ph_buf_status(out, err);
}

static phial_status read_stream(ph_child *child, ph_doc_reader *reader, phial_error *err)
{
    phial_status status = PHIAL_OK;
    char buf[READ_BYTES];
    size_t n = 1;
    while (status == PHIAL_OK && n > 0) {
        status = ph_child_read(child, buf, sizeof buf, &n, err);
        if (status == PHIAL_OK && n > 0)
            status = ph_doc_reader_feed(reader, buf, n, err);
    }
    if (status == PHIAL_OK)
        status = ph_child_finish(child, err);
    if (status == PHIAL_OK && !ph_doc_reader_complete(reader))
        status = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "its helper ended too early");
    return status;
}

static phial_status run_helper(int fd, const char *path, const ph_format *format, const char *name,
                               const ph_extract_options *o, ph_extract_pages *pages,
                               phial_error *err)
{
    char ending[16], max_text[24], max_pages[16];
    const char *const argv[] = {path, format->name, ending, max_text, max_pages, NULL};
    ph_child *child = NULL;
    ph_doc_reader *reader = NULL;
    ph_buf passwords;
    const ph_doc_events events = ph_extract_pages_events(pages);
    ph_buf_init(&passwords, PH_CHILD_INPUT_MAX);
    ph_format_ending(ending, name);
    snprintf(max_text, sizeof max_text, "%llu", (unsigned long long)o->max_text);
    snprintf(max_pages, sizeof max_pages, "%u", o->max_pages);
    phial_status status = join_passwords(&passwords, o, err);
    if (status == PHIAL_OK)
        status = ph_doc_reader_new(&reader, &events, o->max_text, o->max_pages, err);
    if (status == PHIAL_OK) {
        const ph_child_options options = {
            .argv = argv,
            .document = fd,
            .input = {passwords.data, passwords.len},
            .max_memory = o->max_memory,
            .max_cpu_s = o->max_seconds,
            .max_wall_ms = o->max_seconds * WALL_FACTOR * 1000,
            .cancel = o->cancel,
        };
        status = ph_child_start(&child, &options, err);
    }
    if (status == PHIAL_OK)
        status = read_stream(child, reader, err);
    ph_child_free(child);
    ph_doc_reader_free(reader);
    ph_buf_free(&passwords);
    return status;
}

/* A small text, without a helper. */
static phial_status run_plain(const ph_format *format, ph_str text, const char *name,
                              const ph_extract_options *o, ph_extract_pages *pages,
                              phial_error *err)
{
    ph_doc_reader *reader = NULL;
    const ph_doc_events events = ph_extract_pages_events(pages);
    if (o->cancel && atomic_load(o->cancel))
        return ph_err_set(err, PHIAL_ERR_CANCELLED, "cancelled");
    phial_status status = ph_doc_reader_new(&reader, &events, o->max_text, o->max_pages, err);
    if (status == PHIAL_OK)
        status = ph_extract_plain(format, text, name, o->max_text, o->max_pages, reader, err);
    ph_doc_reader_free(reader);
    return status;
}

static phial_status run_format(int doc, const ph_format *format, const ph_buf *head,
                               const char *name, const ph_extract_options *o,
                               ph_extract_pages *pages, phial_error *err)
{
    ph_str text = {head->data, head->len};
    char *path = NULL;
    if (text.n < PH_EXTRACT_HEAD && ph_extract_plain_fits(format, text))
        return run_plain(format, text, name, o, pages, err);
    phial_status status = find_helper(&path, helper_names[format->helper], o->helper_dir, err);
    if (status == PHIAL_OK)
        status = run_helper(doc, path, format, name, o, pages, err);
    ph_free(path);
    return status;
}

phial_status ph_extract(int fd, const char *name, const ph_extract_options *options,
                        const ph_extract_sink *sink, phial_error *err)
{
    const ph_extract_options o = filled(options);
    const ph_format *format = NULL;
    ph_extract_pages pages = {0};
    ph_buf head;
    int doc = fd;
    ph_buf_init(&head, PH_EXTRACT_HEAD + 1);
    phial_status status = seekable(&doc, fd, err);
    if (status == PHIAL_OK)
        status = recognise(&format, &head, doc, name, err);
    if (status == PHIAL_OK)
        status = ph_extract_pages_begin(&pages, format, sink, err);
    if (status == PHIAL_OK)
        status = run_format(doc, format, &head, name, &o, &pages, err);
    if (status == PHIAL_OK)
        status = ph_extract_pages_end(&pages, err);
    ph_extract_pages_free(&pages);
    ph_buf_free(&head);
    if (doc != fd)
        close(doc);
    if (status == PHIAL_OK)
        return status;
    /* A limit that the document reached, and a kind of document that its helper cannot read, are
     * faults of the document; what the caller's own functions return passes unchanged. */
    if (!pages.sink_failed && (status == PHIAL_ERR_LIMIT || status == PHIAL_ERR_UNSUPPORTED)) {
        status = PHIAL_ERR_BAD_INPUT;
        if (err)
            err->status = status;
    }
    return pages.sink_failed ? status : ph_err_context(err, status, "%s", name);
}
