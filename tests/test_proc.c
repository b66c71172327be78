/* proc: helper programs, their limits and their sandbox. The helper of these tests is this program
 * itself, started as "test_proc probe DEED": it goes into the sandbox, commits the deed, and if it
 * got away with it, writes "got away" and ends with 0.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "proc/sandbox.h"
#include "proc/spawn.h"

static const char *self;

/* --- deeds --- */

static void say(const char *text)
{
    ssize_t n = write(1, text, strlen(text));
    (void)n;
}

static void complain(const char *text)
{
    ssize_t n = write(2, text, strlen(text));
    (void)n;
}

static int opens(const char *path)
{
    int fd = open(path, O_RDONLY);
    if (fd < 0) {
        complain(strerror(errno));
        return 3;
    }
    return 0;
}

static int connects(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(80)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 ? 0 : 3;
}

static int allocates(void)
{
    size_t n = (size_t)4 << 30;
    char *block = malloc(n);
    if (!block) {
        complain("no memory");
        return 3;
    }
    for (size_t i = 0; i < n; i += 4096)
        ((volatile char *)block)[i] = 1;
    return 0;
}

static int prints_for_ever(void)
{
    static char noise[65536];
    while (write(1, noise, sizeof noise) > 0)
        ;
    return 3;
}

static int complains_for_ever(void)
{
    for (int i = 0; i < 100000; i++)
        complain("an idle complaint that goes on and on and on\n");
    complain("the last word\n");
    return 4;
}

static int crashes(void)
{
    volatile int *nowhere = NULL;
    signal(SIGSEGV, SIG_DFL);
    *nowhere = 1;
    return 0;
}

static int reads_document(void)
{
    char text[64], input[64];
    ssize_t n = read(3, text, sizeof text), m = read(0, input, sizeof input);
    if (n <= 0 || m < 0)
        return 3;
    ssize_t ignored = write(1, text, (size_t)n);
    ignored = write(1, input, (size_t)m);
    (void)ignored;
    return 0;
}

/* Nothing but 0 to 3 is open, and no variable of ours is there. */
static int looks_around(void)
{
    for (int fd = 4; fd < 256; fd++) {
        if (fcntl(fd, F_GETFD) != -1)
            return 3;
    }
    return getenv("PHIAL_TEST_SECRET") || getenv("PATH") ? 4 : 0;
}

/* From here on the kernel says that it has never heard of Landlock. */
static bool forget_landlock(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    bool ok = filter != NULL;
    for (int number = 444; number <= 446 && ok; number++)
        ok = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), number, 0) == 0;
    ok = ok && seccomp_load(filter) == 0;
    seccomp_release(filter);
    return ok && ph_sandbox_landlock_abi() == 0;
}

static int probe(const char *deed)
{
    phial_error err = {0};
    static const char *const view[] = {"/usr/share/zoneinfo", "/etc/hostname", NULL};
    const ph_sandbox_view paths = {view};
    bool files;
    if (strcmp(deed, "look") == 0)
        return looks_around();
    if (strncmp(deed, "bare-", 5) == 0 && !forget_landlock())
        return 6;
    if (ph_sandbox_enter(&paths, &files, &err) != PHIAL_OK) {
        complain(err.message);
        return 5;
    }
    int code = 9;
    if (strcmp(deed, "passwd") == 0 || strcmp(deed, "bare-passwd") == 0)
        code = opens("/etc/passwd");
    else if (strcmp(deed, "viewed") == 0)
        code = files ? opens("/etc/hostname") : 0;
    else if (strcmp(deed, "bare-viewed") == 0)
        code = files ? 7 : opens("/etc/hostname");
    else if (strcmp(deed, "bare-connect") == 0)
        code = connects();
    else if (strcmp(deed, "connect") == 0)
        code = connects();
    else if (strcmp(deed, "fork") == 0)
        code = fork() >= 0 ? 0 : 3;
    else if (strcmp(deed, "exec") == 0)
        code = execl("/bin/true", "true", (char *)NULL);
    else if (strcmp(deed, "write") == 0)
        code = open("phial-test-proc-was-here", O_WRONLY | O_CREAT, 0600) >= 0 ? 0 : 3;
    else if (strcmp(deed, "truncate") == 0)
        code = ftruncate(3, 0) == 0 ? 0 : 3;
    else if (strcmp(deed, "overwrite") == 0)
        code = write(3, "x", 1) == 1 ? 0 : 3;
    else if (strcmp(deed, "kill") == 0)
        code = kill(getppid(), 0) == 0 ? 0 : 3;
    else if (strcmp(deed, "memory") == 0)
        code = allocates();
    else if (strcmp(deed, "loop") == 0)
        for (volatile uint64_t i = 0;; i++)
            ;
    else if (strcmp(deed, "sleep") == 0)
        code = (int)sleep(1000);
    else if (strcmp(deed, "print") == 0)
        code = prints_for_ever();
    else if (strcmp(deed, "complain") == 0)
        code = complains_for_ever();
    else if (strcmp(deed, "crash") == 0)
        code = crashes();
    else if (strcmp(deed, "abort") == 0)
        abort();
    else if (strcmp(deed, "read") == 0)
        return reads_document();
    if (code == 0)
        say("got away");
    return code;
}

/* --- the parent --- */

typedef struct outcome {
    phial_status status;
    phial_error err;
    char out[256];
    size_t n_out;
    uint64_t ms;
} outcome;

static ph_child_options usual(const char *const argv[], int document)
{
    return (ph_child_options){.argv = argv,
                              .document = document,
                              .max_memory = (uint64_t)1 << 30,
                              .max_cpu_s = 20,
                              .max_wall_ms = 60000,
                              .max_output = 1 << 20};
}

static outcome run(const ph_child_options *options)
{
    outcome o = {0};
    ph_child *child = NULL;
    uint64_t began = ph_clock_ns();
    o.status = ph_child_start(&child, options, &o.err);
    char buf[8192];
    size_t n = 1;
    while (o.status == PHIAL_OK && n > 0) {
        o.status = ph_child_read(child, buf, sizeof buf, &n, &o.err);
        size_t room = sizeof o.out - 1 - o.n_out;
        memcpy(o.out + o.n_out, buf, n < room ? n : room);
        o.n_out += n < room ? n : room;
    }
    if (o.status == PHIAL_OK)
        o.status = ph_child_finish(child, &o.err);
    ph_child_free(child);
    o.ms = (ph_clock_ns() - began) / 1000000;
    return o;
}

static outcome commit_deed(const char *deed)
{
    const char *const argv[] = {self, "probe", deed, NULL};
    ph_child_options options = usual(argv, -1);
    return run(&options);
}

static void assert_stopped(const char *deed, const char *named)
{
    outcome o = commit_deed(deed);
    if (o.status != PHIAL_ERR_BAD_INPUT || !strstr(o.err.message, named) || o.n_out != 0)
        fail_msg("%s: status %d, '%s', wrote '%s', wanted '%s'", deed, (int)o.status, o.err.message,
                 o.out, named);
}

static void test_forbidden(void **state)
{
    (void)state;
    assert_stopped("passwd", "failed: Permission denied");
    assert_stopped("connect", "tried what the sandbox forbids: forbidden: socket");
    assert_stopped("fork", "forbidden: clone");
    assert_stopped("exec", "forbidden: execve");
    assert_stopped("write", "forbidden: opening a file for writing");
    assert_int_not_equal(access("phial-test-proc-was-here", F_OK), 0);
    assert_stopped("kill", "forbidden: kill");
    assert_stopped("truncate", "forbidden: ftruncate");
    assert_stopped("overwrite", "failed");
}

/* Kernels without Landlock: nothing can be opened at all. */
static void test_without_landlock(void **state)
{
    (void)state;
    assert_stopped("bare-passwd", "failed: Permission denied");
    assert_stopped("bare-viewed", "failed: Permission denied");
    assert_stopped("bare-connect", "forbidden: socket");
}

static void test_view(void **state)
{
    (void)state;
    outcome o = commit_deed("viewed");
    assert_string_equal(o.err.message, "");
    assert_string_equal(o.out, "got away");
}

static void test_crashes(void **state)
{
    (void)state;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_stopped("crash", "crashed (SIGSEGV)");
#endif
    assert_stopped("abort", "crashed (SIGABRT)");
    assert_stopped("complain", "failed: the last word");
}

static void test_memory(void **state)
{
    (void)state;
    if (ph_child_memory_unlimited()) {
        skip();
        return;
    }
    assert_stopped("memory", "failed: no memory");
}

static void test_time(void **state)
{
    (void)state;
    const char *const loop[] = {self, "probe", "loop", NULL};
    ph_child_options options = usual(loop, -1);
    options.max_cpu_s = 1;
    outcome o = run(&options);
    assert_non_null(strstr(o.err.message, "used more than 1 s of CPU time"));
    const char *const slow[] = {self, "probe", "sleep", NULL};
    options = usual(slow, -1);
    options.max_wall_ms = 300;
    o = run(&options);
    assert_int_equal(o.status, PHIAL_ERR_BAD_INPUT);
    assert_non_null(strstr(o.err.message, "took longer than 1 s"));
    assert_true(o.ms >= 300 && o.ms < 30000);
}

static void test_output(void **state)
{
    (void)state;
    outcome o = commit_deed("print");
    assert_int_equal(o.status, PHIAL_ERR_BAD_INPUT);
    assert_non_null(strstr(o.err.message, "wrote more than 1048576 bytes"));
}

static void test_cancel(void **state)
{
    (void)state;
    const char *const slow[] = {self, "probe", "sleep", NULL};
    ph_child_options options = usual(slow, -1);
    atomic_bool cancel;
    atomic_init(&cancel, true);
    options.cancel = &cancel;
    outcome o = run(&options);
    assert_int_equal(o.status, PHIAL_ERR_CANCELLED);
}

static void test_document(void **state)
{
    (void)state;
    const char *const argv[] = {self, "probe", "read", NULL};
    FILE *f = tmpfile();
    assert_non_null(f);
    fputs("document", f);
    rewind(f);
    ph_child_options options = usual(argv, fileno(f));
    options.input = (ph_str){" and\0word", 9};
    outcome o = run(&options);
    assert_string_equal(o.err.message, "");
    assert_int_equal(o.n_out, 17);
    assert_memory_equal(o.out, "document and\0word", 17);
    fclose(f);
}

/* The same when the parent's own 0 to 3 are closed and when it has many more open. */
static void test_descriptors(void **state)
{
    (void)state;
    const char *const argv[] = {self, "probe", "look", NULL};
    setenv("PHIAL_TEST_SECRET", "1", 1);
    int many[64];
    for (size_t i = 0; i < 64; i++)
        many[i] = open("/dev/null", O_RDONLY);
    FILE *f = tmpfile();
    ph_child_options options = usual(argv, fileno(f));
    outcome o = run(&options);
    fclose(f);
    for (size_t i = 0; i < 64; i++)
        close(many[i]);
    assert_string_equal(o.err.message, "");
    assert_int_equal(o.status, PHIAL_OK);
}

static void test_start_fails(void **state)
{
    (void)state;
    const char *const missing[] = {"/nonexistent/phial-helper", NULL};
    ph_child_options options = usual(missing, -1);
    outcome o = run(&options);
    assert_int_equal(o.status, PHIAL_ERR_IO);
    assert_string_equal(o.err.message, "/nonexistent/phial-helper: cannot be started: No such "
                                       "file or directory");
    const char *const folder[] = {"/", NULL};
    options = usual(folder, -1);
    o = run(&options);
    assert_int_equal(o.status, PHIAL_ERR_IO);
    static char big[PH_CHILD_INPUT_MAX + 1];
    options.input = (ph_str){big, sizeof big};
    assert_int_equal(run(&options).status, PHIAL_ERR_ARGUMENT);
}

/* A parent that dies takes its helper along: a process of ours starts one that sleeps, tells its
 * number, and dies. */
static void test_parent_dies(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t parent = fork();
    if (parent == 0) {
        const char *const argv[] = {self, "probe", "sleep", NULL};
        ph_child_options options = usual(argv, -1);
        ph_child *child;
        ssize_t ignored = 0;
        pid_t pid = 0;
        if (ph_child_start(&child, &options, NULL) == PHIAL_OK)
            memcpy(&pid, child, sizeof pid); /* the struct begins with it */
        ignored = write(ends[1], &pid, sizeof pid);
        (void)ignored;
        _exit(0);
    }
    pid_t helper = 0;
    assert_int_equal(read(ends[0], &helper, sizeof helper), sizeof helper);
    assert_true(helper > 0);
    int status;
    while (waitpid(parent, &status, 0) < 0 && errno == EINTR)
        ;
    bool gone = false;
    for (int i = 0; i < 500 && !gone; i++) {
        char path[64], text[64] = "";
        snprintf(path, sizeof path, "/proc/%d/stat", (int)helper);
        FILE *f = fopen(path, "r");
        /* A zombie that nobody reaps is gone too. */
        gone = !f || !fgets(text, sizeof text, f) || strstr(text, ") Z ") || strstr(text, ") X ");
        if (f)
            fclose(f);
        if (!gone)
            usleep(10000);
    }
    close(ends[0]);
    close(ends[1]);
    assert_true(gone);
}

#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER 1
#endif
#endif

#ifdef THREAD_SANITIZER
/* The helper is this program, and ThreadSanitizer's runtime in it opens files and starts a thread
 * when it likes, which the sandbox forbids. */
static void test_not_with_this_sanitizer(void **state)
{
    (void)state;
    skip();
}
#endif

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "probe") == 0)
        _exit(probe(argv[2]));
    static char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        return 1;
    self = path;
#ifdef THREAD_SANITIZER
    const struct CMUnitTest none[] = {cmocka_unit_test(test_not_with_this_sanitizer)};
    return cmocka_run_group_tests(none, NULL, NULL);
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forbidden),   cmocka_unit_test(test_without_landlock),
        cmocka_unit_test(test_view),        cmocka_unit_test(test_crashes),
        cmocka_unit_test(test_memory),      cmocka_unit_test(test_time),
        cmocka_unit_test(test_output),      cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_document),    cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_start_fails), cmocka_unit_test(test_parent_dies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
