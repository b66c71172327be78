/* Contract in cli_io.h. The program may have state for its process (a stream's first error, the
 * interrupt flag); the library has none. */
#include "cli/cli_io.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/utf8.h"

static int out_errno;
static volatile sig_atomic_t interrupted;

int ph_exit_code(phial_status status)
{
    switch (status) {
    case PHIAL_OK:
        return PH_EXIT_DONE;
    case PHIAL_ERR_ARGUMENT:
        return PH_EXIT_USAGE;
    case PHIAL_ERR_BAD_INPUT:
    case PHIAL_ERR_UNSUPPORTED:
    case PHIAL_ERR_LOCKED:
    case PHIAL_ERR_LIMIT: /* what exceeds a named limit here came from a file or the caller */
        return PH_EXIT_BAD_INPUT;
    case PHIAL_ERR_NO_MEMORY:
    case PHIAL_ERR_CONTEXT_FULL:
        return PH_EXIT_RESOURCES;
    case PHIAL_ERR_CANCELLED:
        return PH_EXIT_INTERRUPTED;
    case PHIAL_ERR_IO:
    case PHIAL_ERR_BUSY:
    case PHIAL_ERR_FILE_CHANGED:
    case PHIAL_ERR_NUMERIC:
        return PH_EXIT_FAILED;
    }
    return PH_EXIT_FAILED;
}

static bool out_note(bool ok)
{
    if (!ok && out_errno == 0)
        out_errno = errno ? errno : EIO;
    return ok;
}

bool ph_out_bytes(const void *bytes, size_t n)
{
    if (out_errno)
        return false;
    errno = 0;
    return n == 0 || out_note(fwrite(bytes, 1, n, stdout) == n);
}

bool ph_out_str(const char *s)
{
    return ph_out_bytes(s, strlen(s));
}

bool ph_outf(const char *fmt, ...)
{
    if (out_errno)
        return false;
    va_list ap;
    va_start(ap, fmt);
    errno = 0;
    int n = vprintf(fmt, ap);
    va_end(ap);
    return out_note(n >= 0);
}

bool ph_out_foreign(ph_str s, bool keep_layout)
{
    if (!isatty(STDOUT_FILENO))
        return ph_out_bytes(s.p, s.n);
    ph_buf buf;
    ph_buf_init(&buf, 0);
    bool ok = ph_str_escape(&buf, s, keep_layout) && ph_out_bytes(buf.data, buf.len);
    ph_buf_free(&buf);
    return ok;
}

/* JSON may hold DEL and U+0080..U+009F as they are, and a terminal would obey some of them. They
 * only occur inside strings, where they can be written as numbers. */
static void escape_controls(ph_buf *out, ph_str json)
{
    for (size_t i = 0; i < json.n;) {
        size_t len;
        uint32_t c = ph_utf8_decode((const uint8_t *)json.p + i, json.n - i, &len);
        if (c >= 0x7f && c <= 0x9f)
            ph_buf_addf(out, "\\u%04x", (unsigned)c);
        else
            ph_buf_add(out, json.p + i, len);
        i += len;
    }
}

phial_status ph_out_json(ph_json *root, phial_error *err)
{
    ph_buf buf, shown;
    ph_buf_init(&buf, 0);
    ph_buf_init(&shown, 0);
    phial_status st = ph_json_write(&buf, root, 0, err);
    if (st == PHIAL_OK && isatty(STDOUT_FILENO)) {
        escape_controls(&shown, (ph_str){buf.data, buf.len});
        st = ph_buf_status(&shown, err);
    }
    if (st == PHIAL_OK) {
        const ph_buf *text = shown.len > 0 ? &shown : &buf;
        ph_out_bytes(text->data, text->len);
        ph_out_str("\n");
    }
    ph_buf_free(&shown);
    ph_buf_free(&buf);
    ph_json_free(root);
    return st;
}

bool ph_out_flush(void)
{
    errno = 0;
    return out_errno == 0 && out_note(fflush(stdout) == 0);
}

phial_status ph_out_finish(bool *closed_pipe, phial_error *err)
{
    ph_out_flush();
    errno = 0;
    /* A closed descriptor that nothing was written to is nobody's loss. */
    if (fclose(stdout) != 0 && errno != EBADF)
        out_note(false);
    *closed_pipe = out_errno == EPIPE;
    if (out_errno == 0)
        return PHIAL_OK;
    ph_err_errno(err, out_errno, "writing to standard output");
    return PHIAL_ERR_IO;
}

void ph_say(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("phial: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

phial_status ph_in_text(ph_buf *out, const char *arg, phial_error *err)
{
    if (!arg)
        return ph_file_read(out, "-", SIZE_MAX, err);
    ph_buf_add_str(out, arg);
    return ph_buf_status(out, err);
}

void ph_progress_start(ph_progress *progress, const char *what)
{
    *progress = (ph_progress){.what = what, .started_ns = ph_clock_ns()};
}

void ph_progress_step(ph_progress *progress, uint64_t done, uint64_t total)
{
    if (!isatty(STDERR_FILENO))
        return;
    uint64_t now = ph_clock_ns();
    if (progress->shown && now - progress->shown_ns < 100000000u && done < total)
        return;
    progress->shown = true;
    progress->shown_ns = now;
    ph_buf line;
    ph_buf_init(&line, 0);
    ph_str_escape(&line, ph_str_from(progress->what), false);
    double part = total ? 100.0 * (double)done / (double)total : 100.0;
    fprintf(stderr, "\r%s %3.0f%%", line.data ? line.data : "", part);
    double spent = (double)(now - progress->started_ns) * 1e-9;
    if (spent > 1 && part > 0) {
        unsigned left = (unsigned)(spent * (100 - part) / part + 0.5);
        fprintf(stderr, "  %u:%02u left", left / 60, left % 60);
    }
    fputs("\033[K", stderr);
    fflush(stderr);
    ph_buf_free(&line);
}

void ph_progress_end(ph_progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
    progress->shown = false;
}

static void on_interrupt(int sig)
{
    interrupted = 1;
    signal(sig, SIG_DFL);
}

void ph_interrupt_watch(void)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool ph_interrupted(void)
{
    return interrupted != 0;
}
