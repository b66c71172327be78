/* Starting a helper program: what happens between fork() and exec, and before. Contract in spawn.h.
 *
 * Between fork() and exec only what is safe in a signal handler may be called, because other
 * threads may have held locks: all memory, paths and limits are prepared before. Whether exec
 * succeeded comes back through a pipe that closes by itself when it did.
 */
#include "proc/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "proc/child_struct.h"
#include "proc/sandbox.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum {
    FIRST_FREE_FD = 16,     /* above every number that the child's descriptors get */
    FILES_MAX = 128,        /* open at once in a helper */
    STACK_BYTES = 8 << 20,  /* of a helper */
    CLOSE_LIMIT = 64 << 10, /* descriptors looked at where there is no close_range() */
    EXEC_FAILED = 127,
};

/* All that the child needs, ready before fork(). */
typedef struct launch {
    const char *const *argv;
    int in, out, err, document, result;
    pid_t parent;
    struct {
        int what;
        rlim_t soft, hard;
    } limits[10];
    size_t n_limits;
} launch;

static const char *const environment[] = {
    "LANG=C.UTF-8",
    "LC_ALL=C.UTF-8",
    "MALLOC_ARENA_MAX=1",
    /* Parsers free what they ask for again at once: 4% of the CPU time of reading a PDF. */
    "GLIBC_TUNABLES=glibc.malloc.tcache_count=4096",
#if SANITIZED
    /* The leak checker starts a thread that traces the process: not in the sandbox. */
    "ASAN_OPTIONS=detect_leaks=0",
#endif
    NULL,
};

bool ph_child_memory_unlimited(void)
{
    return SANITIZED;
}

static void add_limit(launch *l, int what, uint64_t soft, uint64_t hard)
{
    l->limits[l->n_limits].what = what;
    l->limits[l->n_limits].soft = (rlim_t)soft;
    l->limits[l->n_limits++].hard = (rlim_t)hard;
}

static void plan_limits(launch *l, const ph_child_options *o)
{
    if (o->max_memory && !SANITIZED)
        add_limit(l, RLIMIT_AS, o->max_memory, o->max_memory);
    if (o->max_cpu_s) /* SIGXCPU at the soft limit, SIGKILL at the hard one */
        add_limit(l, RLIMIT_CPU, o->max_cpu_s, o->max_cpu_s + 2);
    add_limit(l, RLIMIT_CORE, 0, 0);
    add_limit(l, RLIMIT_FSIZE, 0, 0);
    add_limit(l, RLIMIT_NPROC, 0, 0);
    add_limit(l, RLIMIT_NOFILE, FILES_MAX, FILES_MAX);
    add_limit(l, RLIMIT_STACK, STACK_BYTES, STACK_BYTES);
    add_limit(l, RLIMIT_MEMLOCK, 0, 0);
    add_limit(l, RLIMIT_MSGQUEUE, 0, 0);
}

/* --- in the child --- */

static _Noreturn void give_up(int result)
{
    int code = errno;
    ssize_t ignored = write(result, &code, sizeof code);
    (void)ignored;
    _exit(EXEC_FAILED);
}

static void close_on_exec_from(int first)
{
#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)first, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */) == 0)
        return;
#endif
    for (int fd = first; fd < CLOSE_LIMIT; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void reset_signals(void)
{
    struct sigaction usual;
    memset(&usual, 0, sizeof usual);
    usual.sa_handler = SIG_DFL;
    for (int sig = 1; sig < NSIG; sig++)
        sigaction(sig, &usual, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* All of them already have numbers from FIRST_FREE_FD on, so that none overwrites another. */
static bool place_descriptors(const launch *l)
{
    const int from[] = {l->in, l->out, l->err, l->document};
    for (int to = 0; to < 4; to++) {
        if (from[to] < 0)
            close(to);
        else if (dup2(from[to], to) < 0)
            return false;
    }
    close_on_exec_from(4);
    return true;
}

static _Noreturn void be_the_child(const launch *l)
{
    setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        give_up(l->result);
    if (getppid() != l->parent) /* it died before we asked to die with it */
        _exit(EXEC_FAILED);
    reset_signals();
    if (!place_descriptors(l) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        give_up(l->result);
    for (size_t i = 0; i < l->n_limits; i++) {
        struct rlimit own, wanted = {l->limits[i].soft, l->limits[i].hard};
        if (getrlimit((__rlimit_resource_t)l->limits[i].what, &own) == 0 &&
            own.rlim_max < wanted.rlim_max) {
            wanted.rlim_max = own.rlim_max;
            wanted.rlim_cur = wanted.rlim_cur < own.rlim_max ? wanted.rlim_cur : own.rlim_max;
        }
        if (setrlimit((__rlimit_resource_t)l->limits[i].what, &wanted) != 0)
            give_up(l->result);
    }
    execve(l->argv[0], (char *const *)(uintptr_t)l->argv, (char *const *)(uintptr_t)environment);
    give_up(l->result);
}

/* --- in the parent --- */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* A copy of fd, out of the way of the child's own numbers; fd is closed. */
static bool move_up(int *fd)
{
    int high = fcntl(*fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
    close(*fd);
    *fd = high;
    return high >= 0;
}

static bool make_pipe(int *read_end, int *write_end)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    *read_end = ends[0];
    *write_end = ends[1];
    bool read_ok = move_up(read_end);
    return move_up(write_end) && read_ok;
}

/* Descriptor with the input behind it. */
static bool make_input(int *in, ph_str input)
{
    if (input.n == 0) {
        *in = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return *in >= 0 && move_up(in);
    }
    int write_end = -1;
    bool ok = make_pipe(in, &write_end) && write(write_end, input.p, input.n) == (ssize_t)input.n;
    close_fd(&write_end);
    return ok;
}

/* The errno with which the child gave up; 0 when its program runs. */
static int exec_result(int result)
{
    int code = 0;
    ssize_t n;
    do
        n = read(result, &code, sizeof code);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof code ? code : 0;
}

static pid_t start(const launch *l)
{
    sigset_t all, before;
    sigfillset(&all);
    /* No handler of the host runs in the child. */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0)
        be_the_child(l);
    int code = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = code;
    return pid;
}

static void name_child(ph_child *child, const char *path)
{
    const char *base = strrchr(path, '/');
    base = base ? base + 1 : path;
    size_t n = strlen(base);
    n = n < sizeof child->name ? n : sizeof child->name - 1;
    memcpy(child->name, base, n);
}

phial_status ph_child_start(ph_child **out, const ph_child_options *options, phial_error *err)
{
    const char *path = options->argv[0];
    launch l = {.argv = options->argv,
                .in = -1,
                .out = -1,
                .err = -1,
                .document = -1,
                .result = -1,
                .parent = getpid()};
    int result = -1;
    phial_status status = PHIAL_OK;
    *out = NULL;
    if (options->input.n > PH_CHILD_INPUT_MAX)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "input of more than %u bytes for a helper",
                          PH_CHILD_INPUT_MAX);
    ph_child *child = ph_alloc(1, sizeof *child, err);
    if (!child)
        return PHIAL_ERR_NO_MEMORY;
    child->out = child->err = -1;
    child->limits = *options;
    name_child(child, path);
    plan_limits(&l, options);
    if (options->document >= 0)
        l.document = fcntl(options->document, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
    if ((options->document >= 0 && l.document < 0) || !make_input(&l.in, options->input) ||
        !make_pipe(&child->out, &l.out) || !make_pipe(&child->err, &l.err) ||
        !make_pipe(&result, &l.result) || fcntl(child->err, F_SETFL, O_NONBLOCK) != 0) {
        status = ph_err_errno(err, errno, "%s: descriptors for it", path);
        goto done;
    }
    child->pid = start(&l);
    if (child->pid < 0) {
        status = ph_err_errno(err, errno, "%s: cannot be started", path);
        child->pid = 0;
        goto done;
    }
    close_fd(&l.result);
    int code = exec_result(result);
    if (code != 0)
        status = ph_err_errno(err, code, "%s: cannot be started", path);
done:
    close_fd(&l.in);
    close_fd(&l.out);
    close_fd(&l.err);
    close_fd(&l.document);
    close_fd(&l.result);
    close_fd(&result);
    if (status != PHIAL_OK) {
        ph_child_free(child);
        child = NULL;
    }
    *out = child;
    return status;
}
