/* Landlock, seccomp and no capabilities; contract in sandbox.h.
 *
 * Landlock's numbers are written out here, because headers know fewer of them than kernels do: the
 * kernel says which ABI it has, and gets no more than that ABI's flags. Source: the kernel's
 * Documentation/userspace-api/landlock.rst and seccomp(2).
 */
#include "proc/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"

const char *const ph_sandbox_library_paths[] = {"/usr/lib/x86_64-linux-gnu/gconv",
                                                "/usr/lib/aarch64-linux-gnu/gconv",
                                                "/usr/lib64/gconv", "/usr/lib/gconv", NULL};

/* --- Landlock --- */

enum {
    SYS_LANDLOCK_CREATE = 444, /* the same on every architecture */
    SYS_LANDLOCK_ADD = 445,
    SYS_LANDLOCK_RESTRICT = 446,
    ASK_VERSION = 1,
    RULE_PATH_BENEATH = 1,
};

enum {
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_ABI_1 = (1 << 13) - 1, /* execute, write, read, make and remove of every kind */
    FS_REFER = 1 << 13,       /* from ABI 2 */
    FS_TRUNCATE = 1 << 14,    /* 3 */
    FS_IOCTL_DEV = 1 << 15,   /* 5 */
    NET_TCP = 3,              /* 4: bind, connect */
    SCOPES = 3,               /* 6: abstract Unix sockets, signals */
};

typedef struct ruleset_attr {
    uint64_t fs, net, scoped;
} ruleset_attr;

typedef struct __attribute__((packed)) path_attr {
    uint64_t access;
    int32_t fd;
} path_attr;

int ph_sandbox_landlock_abi(void)
{
    long abi = syscall(SYS_LANDLOCK_CREATE, NULL, (size_t)0, (unsigned)ASK_VERSION);
    return abi > 0 ? (int)abi : 0;
}

static phial_status allow_reading(int rules, const char *path, phial_error *err)
{
    struct stat st;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return PHIAL_OK; /* what is not there need not be read */
    path_attr attr = {FS_READ_FILE, fd};
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        attr.access |= FS_READ_DIR;
    long failed = syscall(SYS_LANDLOCK_ADD, rules, (unsigned)RULE_PATH_BENEATH, &attr, 0u);
    int code = errno;
    close(fd);
    return failed ? ph_err_errno(err, code, "sandbox: Landlock, %s", path) : PHIAL_OK;
}

static phial_status restrict_files(const ph_sandbox_view *view, int abi, phial_error *err)
{
    ruleset_attr attr = {.fs = FS_ABI_1};
    attr.fs |=
        (abi >= 2 ? FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0) | (abi >= 5 ? FS_IOCTL_DEV : 0);
    attr.net = abi >= 4 ? NET_TCP : 0;
    attr.scoped = abi >= 6 ? SCOPES : 0;
    size_t size = abi >= 6   ? sizeof attr
                  : abi >= 4 ? offsetof(ruleset_attr, scoped)
                             : offsetof(ruleset_attr, net);
    int rules = (int)syscall(SYS_LANDLOCK_CREATE, &attr, size, 0u);
    if (rules < 0)
        return ph_err_errno(err, errno, "sandbox: Landlock");
    phial_status status = PHIAL_OK;
    const char *const *lists[] = {ph_sandbox_library_paths, view->read_paths};
    for (size_t i = 0; i < 2; i++) {
        for (const char *const *path = lists[i]; path && *path && status == PHIAL_OK; path++)
            status = allow_reading(rules, *path, err);
    }
    if (status == PHIAL_OK && syscall(SYS_LANDLOCK_RESTRICT, rules, 0u) != 0)
        status = ph_err_errno(err, errno, "sandbox: Landlock");
    close(rules);
    return status;
}

/* --- capabilities --- */

static phial_status drop_capabilities(phial_error *err)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2];
    memset(none, 0, sizeof none);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
        syscall(SYS_capset, &head, none) != 0)
        return ph_err_errno(err, errno, "sandbox: privileges");
    return PHIAL_OK;
}

/* --- system calls --- */

/* What a parser needs that has its document open. */
static const char *const allowed[] = {"read",
                                      "readv",
                                      "pread64",
                                      "preadv",
                                      "lseek",
                                      "_llseek",
                                      "close",
                                      "dup",
                                      "fstat",
                                      "fstat64",
                                      "newfstatat",
                                      "fstatat64",
                                      "stat",
                                      "stat64",
                                      "lstat",
                                      "lstat64",
                                      "statx",
                                      "access",
                                      "faccessat",
                                      "faccessat2",
                                      "readlink",
                                      "readlinkat",
                                      "getcwd",
                                      "getdents",
                                      "getdents64",
                                      "fadvise64",
                                      "mmap",
                                      "mmap2",
                                      "munmap",
                                      "mprotect",
                                      "mremap",
                                      "madvise",
                                      "brk",
                                      "exit",
                                      "exit_group",
                                      "rt_sigaction",
                                      "rt_sigprocmask",
                                      "rt_sigreturn",
                                      "sigaltstack",
                                      "restart_syscall",
                                      "futex",
                                      "clock_gettime",
                                      "clock_gettime64",
                                      "clock_getres",
                                      "clock_nanosleep",
                                      "nanosleep",
                                      "gettimeofday",
                                      "time",
                                      "getpid",
                                      "gettid",
                                      "getuid",
                                      "geteuid",
                                      "getgid",
                                      "getegid",
                                      "getrandom",
                                      "getrusage",
                                      "getrlimit",
                                      "ugetrlimit",
                                      "sched_getaffinity",
                                      "sched_yield",
                                      "sysinfo",
                                      "uname",
                                      "set_robust_list",
                                      "set_tid_address",
                                      "rseq",
                                      "arch_prctl",
                                      "poll",
                                      "ppoll",
                                      "membarrier",
                                      NULL};

/* What no parser does; it ends the process, by name. */
static const char *const forbidden[] = {"socket",
                                        "socketpair",
                                        "socketcall",
                                        "connect",
                                        "bind",
                                        "listen",
                                        "accept",
                                        "accept4",
                                        "sendto",
                                        "sendmsg",
                                        "sendmmsg",
                                        "recvfrom",
                                        "recvmsg",
                                        "execve",
                                        "execveat",
                                        "fork",
                                        "vfork",
                                        "clone",
                                        "ptrace",
                                        "process_vm_readv",
                                        "process_vm_writev",
                                        "kill",
                                        "tkill",
                                        "rt_sigqueueinfo",
                                        "rt_tgsigqueueinfo",
                                        "pidfd_open",
                                        "pidfd_getfd",
                                        "pidfd_send_signal",
                                        "setpgid",
                                        "setsid",
                                        "mount",
                                        "umount2",
                                        "pivot_root",
                                        "chroot",
                                        "chdir",
                                        "fchdir",
                                        "unshare",
                                        "setns",
                                        "creat",
                                        "mkdir",
                                        "mkdirat",
                                        "mknod",
                                        "mknodat",
                                        "rmdir",
                                        "unlink",
                                        "unlinkat",
                                        "rename",
                                        "renameat",
                                        "renameat2",
                                        "link",
                                        "linkat",
                                        "symlink",
                                        "symlinkat",
                                        "chmod",
                                        "fchmod",
                                        "fchmodat",
                                        "chown",
                                        "fchown",
                                        "fchownat",
                                        "lchown",
                                        "truncate",
                                        "ftruncate",
                                        "fallocate",
                                        "utimensat",
                                        "setxattr",
                                        "lsetxattr",
                                        "fsetxattr",
                                        "open_by_handle_at",
                                        "name_to_handle_at",
                                        "pwrite64",
                                        "pwritev",
                                        "sendfile",
                                        "splice",
                                        "copy_file_range",
                                        "shmget",
                                        "shmat",
                                        "msgget",
                                        "semget",
                                        "mq_open",
                                        "io_uring_setup",
                                        "io_setup",
                                        "bpf",
                                        "perf_event_open",
                                        "userfaultfd",
                                        "keyctl",
                                        "add_key",
                                        "request_key",
                                        "init_module",
                                        "finit_module",
                                        "kexec_load",
                                        "reboot",
                                        "setuid",
                                        "setgid",
                                        "setresuid",
                                        "setresgid",
                                        "setgroups",
                                        "capset",
                                        "personality",
                                        "setrlimit",
                                        NULL};

/* Each of these bits makes an open one that can change something. */
static const unsigned writing[] = {O_WRONLY, O_RDWR,   O_CREAT,
                                   O_TRUNC,  O_APPEND, O_TMPFILE & ~O_DIRECTORY};

static void say(const char *text)
{
    ssize_t ignored = write(PH_HELPER_FD_ERR, text, strlen(text));
    (void)ignored;
}

static const char *name_of(int number)
{
    for (size_t i = 0; forbidden[i]; i++) {
        if (seccomp_syscall_resolve_name(forbidden[i]) == number)
            return forbidden[i];
    }
    return seccomp_syscall_resolve_name("open") == number ||
                   seccomp_syscall_resolve_name("openat") == number
               ? "opening a file for writing"
               : "a system call";
}

static void on_forbidden(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    say("forbidden: ");
    say(name_of(info->si_syscall));
    say("\n");
    _exit(PH_SANDBOX_EXIT);
}

/* Adds a rule with at most one condition; calls that this machine does not have are left out. */
static bool add_rule(scmp_filter_ctx filter, uint32_t action, const char *name, unsigned n,
                     struct scmp_arg_cmp condition)
{
    int number = seccomp_syscall_resolve_name(name);
    return number < 0 || seccomp_rule_add_array(filter, action, number, n, &condition) == 0;
}

/* Allowed where argument number `arg` has that value. */
static bool allow_if(scmp_filter_ctx filter, const char *name, unsigned arg, uint64_t value)
{
    return add_rule(filter, SCMP_ACT_ALLOW, name, 1,
                    (struct scmp_arg_cmp){arg, SCMP_CMP_EQ, value, 0});
}

static bool add_opening(scmp_filter_ctx filter, const char *name, unsigned flags_at,
                        bool files_readable)
{
    uint32_t action = files_readable ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EACCES);
    unsigned all = 0;
    bool ok = true;
    for (size_t i = 0; i < sizeof writing / sizeof writing[0]; i++) {
        all |= writing[i];
        ok = ok && add_rule(filter, SCMP_ACT_TRAP, name, 1,
                            SCMP_CMP(flags_at, SCMP_CMP_MASKED_EQ, writing[i], writing[i]));
    }
    return ok && add_rule(filter, action, name, 1, SCMP_CMP(flags_at, SCMP_CMP_MASKED_EQ, all, 0));
}

static bool add_rules(scmp_filter_ctx filter, bool files_readable)
{
    const struct scmp_arg_cmp none = {0};
    static const unsigned fcntls[] = {F_GETFD, F_SETFD, F_GETFL, F_DUPFD, F_DUPFD_CLOEXEC};
    bool ok = true;
    for (size_t i = 0; allowed[i] && ok; i++)
        ok = add_rule(filter, SCMP_ACT_ALLOW, allowed[i], 0, none);
    for (size_t i = 0; forbidden[i] && ok; i++)
        ok = add_rule(filter, SCMP_ACT_TRAP, forbidden[i], 0, none);
    for (unsigned fd = PH_HELPER_FD_OUT; fd <= PH_HELPER_FD_ERR && ok; fd++)
        ok = allow_if(filter, "write", 0, fd) && allow_if(filter, "writev", 0, fd);
    for (size_t i = 0; i < sizeof fcntls / sizeof fcntls[0] && ok; i++)
        ok = allow_if(filter, "fcntl", 1, fcntls[i]);
    /* abort() signals itself; sysconf() and others ask for limits. */
    ok = ok && allow_if(filter, "tgkill", 0, (uint64_t)getpid());
    ok = ok && allow_if(filter, "prlimit64", 2, 0);
    return ok && add_opening(filter, "open", 1, files_readable) &&
           add_opening(filter, "openat", 2, files_readable);
}

static phial_status restrict_calls(bool files_readable, phial_error *err)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_forbidden;
    action.sa_flags = SA_SIGINFO;
    if (sigaction(SIGSYS, &action, NULL) != 0)
        return ph_err_errno(err, errno, "sandbox: SIGSYS");
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    if (!filter)
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "sandbox: out of memory (seccomp)");
    phial_status status = PHIAL_OK;
    /* A tree instead of a list; older versions of the library do without. */
    (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (!add_rules(filter, files_readable)) {
        status = ph_err_set(err, PHIAL_ERR_IO, "sandbox: a seccomp rule was refused");
    } else {
        int failed = seccomp_load(filter);
        if (failed)
            status = ph_err_errno(err, -failed, "sandbox: seccomp cannot be had");
    }
    seccomp_release(filter);
    return status;
}

phial_status ph_sandbox_enter(const ph_sandbox_view *view, bool *files_readable, phial_error *err)
{
    int abi = ph_sandbox_landlock_abi();
    phial_status status = drop_capabilities(err);
    if (status == PHIAL_OK && abi > 0)
        status = restrict_files(view, abi, err);
    if (status == PHIAL_OK)
        status = restrict_calls(abi > 0, err);
    if (files_readable)
        *files_readable = abi > 0;
    return status;
}
