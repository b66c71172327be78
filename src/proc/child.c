/* Listening to a helper program, and how it ended; contract in spawn.h. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proc/child_struct.h"
#include "proc/sandbox.h"

enum {
    CANCEL_MS = 50, /* how often the flag is looked at */
    LONG_MS = 1000,
    REAP_NS = 200000, /* between two looks at a child that has closed its pipes */
    READS_MAX = 32,   /* of complaints at a time: more than a pipe holds */
};

/* Keeps the end of what it says. */
static void keep_words(ph_child *child, const char *bytes, size_t n)
{
    if (n > sizeof child->words) {
        bytes += n - sizeof child->words;
        n = sizeof child->words;
    }
    size_t room = sizeof child->words - child->n_words;
    if (n > room) {
        size_t drop = n - room;
        memmove(child->words, child->words + drop, child->n_words - drop);
        child->n_words -= drop;
    }
    memcpy(child->words + child->n_words, bytes, n);
    child->n_words += n;
}

/* Reads what there is on its standard error; closes it at its end. What complains without end is
 * left alone until the next look, so that its limits are looked at. */
static void listen_to_words(ph_child *child)
{
    char buf[4096];
    for (int reads = 0; child->err >= 0 && reads < READS_MAX; reads++) {
        ssize_t n = read(child->err, buf, sizeof buf);
        if (n > 0) {
            keep_words(child, buf, (size_t)n);
            if ((size_t)n < sizeof buf)
                return;
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            close(child->err);
            child->err = -1;
        } else {
            return;
        }
    }
}

static void kill_group(ph_child *child)
{
    if (child->pid > 0) {
        kill(-child->pid, SIGKILL);
        kill(child->pid, SIGKILL);
    }
}

/* Cancelled, or over its time: kills it and says so. *wait_ms: how long one may wait now. */
static phial_status check_limits(ph_child *child, int *wait_ms, phial_error *err)
{
    const ph_child_options *limits = &child->limits;
    uint64_t ms = child->waited_ns / 1000000;
    /* Much output takes its time on a busy machine: whoever delivers may go on. */
    uint64_t most = limits->max_wall_ms + child->n_read / PH_CHILD_BYTES_PER_MS;
    if (limits->cancel && atomic_load(limits->cancel)) {
        kill_group(child);
        return ph_err_set(err, PHIAL_ERR_CANCELLED, "cancelled");
    }
    if (limits->max_wall_ms && ms >= most) {
        kill_group(child);
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s took longer than %llu s", child->name,
                          (unsigned long long)(most + 999) / 1000);
    }
    *wait_ms = limits->cancel ? CANCEL_MS : LONG_MS;
    if (limits->max_wall_ms && most - ms < (uint64_t)*wait_ms)
        *wait_ms = (int)(most - ms);
    return PHIAL_OK;
}

/* Waits until one of the two pipes that are open has something, at most wait_ms. */
static bool wait_for(ph_child *child, struct pollfd fds[2], int wait_ms)
{
    /* A descriptor of -1 is left out by poll(). */
    fds[0] = (struct pollfd){.fd = child->out, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = child->err, .events = POLLIN};
    uint64_t before = ph_clock_ns();
    int ready = poll(fds, 2, wait_ms);
    child->waited_ns += ph_clock_ns() - before;
    return ready > 0;
}

phial_status ph_child_read(ph_child *child, void *buf, size_t cap, size_t *n, phial_error *err)
{
    *n = 0;
    while (child->out >= 0) {
        int wait_ms;
        phial_status status = check_limits(child, &wait_ms, err);
        if (status != PHIAL_OK)
            return status;
        struct pollfd fds[2];
        if (!wait_for(child, fds, wait_ms))
            continue;
        if (fds[1].revents)
            listen_to_words(child);
        if (!fds[0].revents)
            continue;
        ssize_t got = read(child->out, buf, cap);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got < 0)
            return ph_err_errno(err, errno, "reading from %s", child->name);
        if (got == 0) {
            close(child->out);
            child->out = -1;
            break;
        }
        child->n_read += (uint64_t)got;
        if (child->limits.max_output && child->n_read > child->limits.max_output) {
            kill_group(child);
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s wrote more than %llu bytes",
                              child->name, (unsigned long long)child->limits.max_output);
        }
        *n = (size_t)got;
        return PHIAL_OK;
    }
    return PHIAL_OK;
}

/* True once it is reaped, or nobody knows any more what became of it. */
static bool reap(ph_child *child, int flags)
{
    if (child->ended)
        return true;
    pid_t pid;
    do
        pid = waitpid(child->pid, &child->status, flags);
    while (pid < 0 && errno == EINTR);
    if (pid == 0)
        return false;
    child->status_lost = pid < 0; /* a host that ignores SIGCHLD */
    child->ended = true;
    child->pid = 0;
    return true;
}

/* What it said last, on one line, without blanks at the end. */
static ph_str last_line(const ph_child *child)
{
    ph_str s = {child->words, child->n_words};
    while (s.n > 0 && strchr(" \n\r\t", s.p[s.n - 1]))
        s.n--;
    const char *newline = s.n ? memrchr(s.p, '\n', s.n) : NULL;
    if (newline) {
        s.n -= (size_t)(newline + 1 - s.p);
        s.p = newline + 1;
    }
    return s;
}

static phial_status say_end(const ph_child *child, phial_error *err, const char *how)
{
    ph_str last = last_line(child);
    if (last.n == 0)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s %s", child->name, how);
    return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s %s: %.*s", child->name, how, PH_STR_ARG(last));
}

static phial_status describe_signal(const ph_child *child, int sig, phial_error *err)
{
    char how[128];
    switch (sig) {
    case SIGXCPU:
        snprintf(how, sizeof how, "used more than %llu s of CPU time",
                 (unsigned long long)child->limits.max_cpu_s);
        break;
    case SIGSYS:
        snprintf(how, sizeof how, "tried what the sandbox forbids");
        break;
    case SIGXFSZ:
        snprintf(how, sizeof how, "tried to write a file");
        break;
    case SIGKILL:
        snprintf(how, sizeof how, "was killed from outside (SIGKILL)");
        break;
    default:
        snprintf(how, sizeof how, "crashed (SIG%s)", sigabbrev_np(sig) ? sigabbrev_np(sig) : "?");
    }
    return say_end(child, err, how);
}

phial_status ph_child_finish(ph_child *child, phial_error *err)
{
    if (child->out >= 0)
        close(child->out); /* what it still wants to say, nobody wants to read */
    child->out = -1;
    while (!reap(child, WNOHANG)) {
        int wait_ms;
        phial_status status = check_limits(child, &wait_ms, err);
        if (status != PHIAL_OK)
            return status;
        struct pollfd fds[2];
        if (child->err >= 0) {
            wait_for(child, fds, wait_ms < CANCEL_MS ? wait_ms : CANCEL_MS);
        } else {
            nanosleep(&(struct timespec){0, REAP_NS}, NULL);
            child->waited_ns += REAP_NS;
        }
        listen_to_words(child);
    }
    listen_to_words(child);
    if (child->status_lost || (WIFEXITED(child->status) && WEXITSTATUS(child->status) == 0))
        return PHIAL_OK;
    if (WIFSIGNALED(child->status))
        return describe_signal(child, WTERMSIG(child->status), err);
    if (WEXITSTATUS(child->status) == PH_SANDBOX_EXIT)
        return say_end(child, err, "tried what the sandbox forbids");
    return say_end(child, err, "failed");
}

void ph_child_free(ph_child *child)
{
    if (!child)
        return;
    if (!child->ended && child->pid > 0) {
        kill_group(child);
        reap(child, 0);
    }
    if (child->out >= 0)
        close(child->out);
    if (child->err >= 0)
        close(child->err);
    ph_free(child);
}
