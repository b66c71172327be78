/* A program under a pseudo-terminal, driven as a person would: type, wait for words, look at what
 * came. Everything waits for words, never for time. */
#ifndef PH_TESTS_PTY_RUN_H
#define PH_TESTS_PTY_RUN_H

#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PTY_BYTES   ((size_t)4 << 20)
#define PTY_SECONDS 60

typedef struct pty_program {
    int fd;
    pid_t pid;
    char *out; /* all that was written, with a NUL behind */
    size_t n;
    size_t mark; /* what lies before it was looked at */
} pty_program;

/* Runs a shell line in a terminal of this size. */
static inline bool pty_start(pty_program *p, const char *line, int columns)
{
    struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};
    *p = (pty_program){.out = calloc(PTY_BYTES + 1, 1)};
    p->pid = p->out ? forkpty(&p->fd, NULL, NULL, &size) : -1;
    if (p->pid == 0) {
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    return p->pid > 0;
}

/* Takes what is there, waiting at most so long; false at the end. */
static inline bool pty_take(pty_program *p, int wait_ms)
{
    struct pollfd poll_fd = {.fd = p->fd, .events = POLLIN};
    if (poll(&poll_fd, 1, wait_ms) <= 0)
        return true;
    ssize_t n = read(p->fd, p->out + p->n, PTY_BYTES - p->n);
    if (n <= 0)
        return false;
    /* The output may hold NULs only by mistake; keep it a C string. */
    for (ssize_t i = 0; i < n; i++)
        p->out[p->n + (size_t)i] = p->out[p->n + (size_t)i] ? p->out[p->n + (size_t)i] : '?';
    p->n += (size_t)n;
    p->out[p->n] = 0;
    return p->n < PTY_BYTES;
}

/* Waits until `words` appear behind the mark, which then stands behind them. */
static inline bool pty_expect(pty_program *p, const char *words)
{
    time_t end = time(NULL) + PTY_SECONDS;
    bool open = true;
    for (;;) {
        const char *at = strstr(p->out + p->mark, words);
        if (at) {
            p->mark = (size_t)(at - p->out) + strlen(words);
            return true;
        }
        if (!open || time(NULL) > end)
            return false;
        open = pty_take(p, 200);
    }
}

/* Waits until so many further bytes were written. */
static inline bool pty_expect_bytes(pty_program *p, size_t n)
{
    time_t end = time(NULL) + PTY_SECONDS;
    while (p->n < p->mark + n) {
        if (time(NULL) > end || !pty_take(p, 200))
            return false;
    }
    return true;
}

static inline void pty_send(pty_program *p, const char *keys)
{
    size_t n = strlen(keys);
    while (n > 0) {
        ssize_t k = write(p->fd, keys, n);
        if (k <= 0)
            return;
        keys += k;
        n -= (size_t)k;
    }
}

static inline void pty_resize(const pty_program *p, int columns)
{
    struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};
    ioctl(p->fd, TIOCSWINSZ, &size);
}

/* Reads to the end and gives the exit code (128 + n for signal n; -1 if it had to be killed). */
static inline int pty_end(pty_program *p)
{
    time_t end = time(NULL) + PTY_SECONDS;
    int status = 0;
    bool killed = false;
    while (pty_take(p, 200)) {
        if (time(NULL) > end) {
            kill(p->pid, SIGKILL);
            killed = true;
            break;
        }
    }
    waitpid(p->pid, &status, 0);
    close(p->fd);
    free(p->out);
    if (killed)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#endif
