/* Mappings with a SIGBUS guard; contract in file.h.
 *
 * The guard: a table of open mappings that the signal handler reads without locks. A slot is
 * published by storing its start address last and withdrawn by clearing it first.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

struct ph_map {
    uint8_t *data;
    size_t size;
    char *path;
    int fd;
    int slot; /* in the guard's table; -1: nothing is mapped */
};

/* Process-wide because signal handlers are: see file.h. */
static struct guard_slot {
    atomic_uintptr_t start; /* 0: free, 1: being filled */
    atomic_size_t size;
    atomic_bool lost;
} guard_slots[PH_MAP_MAX];
static atomic_size_t guard_page_bytes; /* asked once: the handler must not */
static int guard_users;                /* under the lock, like the handler itself */
static atomic_flag guard_lock = ATOMIC_FLAG_INIT;
static struct sigaction guard_previous;

static const uint8_t EMPTY[1];

static void pass_on(int sig, siginfo_t *info, void *context)
{
    if (guard_previous.sa_flags & SA_SIGINFO) {
        guard_previous.sa_sigaction(sig, info, context);
    } else if (guard_previous.sa_handler == SIG_DFL || guard_previous.sa_handler == SIG_IGN) {
        signal(sig, SIG_DFL); /* the fault repeats on return and ends the process as usual */
    } else {
        guard_previous.sa_handler(sig);
    }
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
    uintptr_t at = (uintptr_t)info->si_addr;
    for (int i = 0; i < PH_MAP_MAX; i++) {
        struct guard_slot *slot = &guard_slots[i];
        uintptr_t start = atomic_load(&slot->start);
        size_t size = atomic_load(&slot->size);
        if (start <= 1 || at < start || at - start >= size) {
            continue;
        }
        /* Zeros from the missing page to the end, so that one fault settles it. */
        uintptr_t page = at & ~(uintptr_t)(atomic_load(&guard_page_bytes) - 1);
        int saved = errno;
        void *p = mmap((void *)page, start + size - page, PROT_READ,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
        errno = saved;
        if (p != MAP_FAILED) {
            atomic_store(&slot->lost, true);
            return;
        }
    }
    pass_on(sig, info, context);
}

static bool guard_installed(void)
{
    struct sigaction now;
    return sigaction(SIGBUS, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) &&
           now.sa_sigaction == on_sigbus;
}

static void guard_take_lock(void)
{
    while (atomic_flag_test_and_set_explicit(&guard_lock, memory_order_acquire)) {
    }
}

/* Every new mapping makes sure of the handler: somebody else may have replaced it meanwhile. */
static void guard_enter(void)
{
    guard_take_lock();
    guard_users++;
    atomic_store(&guard_page_bytes, (size_t)sysconf(_SC_PAGESIZE));
    if (!guard_installed()) {
        /* On the signal stack, if the thread has one: runtimes such as Go's rely on that. */
        struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        sigemptyset(&action.sa_mask);
        sigaction(SIGBUS, &action, &guard_previous);
    }
    atomic_flag_clear_explicit(&guard_lock, memory_order_release);
}

static void guard_leave(void)
{
    guard_take_lock();
    guard_users--;
    if (guard_users == 0 && guard_installed()) {
        sigaction(SIGBUS, &guard_previous, NULL);
    }
    atomic_flag_clear_explicit(&guard_lock, memory_order_release);
}

static int guard_add(const uint8_t *data, size_t size)
{
    for (int i = 0; i < PH_MAP_MAX; i++) {
        uintptr_t empty = 0;
        if (atomic_compare_exchange_strong(&guard_slots[i].start, &empty, 1)) {
            atomic_store(&guard_slots[i].size, size);
            atomic_store(&guard_slots[i].lost, false);
            atomic_store(&guard_slots[i].start, (uintptr_t)data);
            guard_enter();
            return i;
        }
    }
    return -1;
}

static phial_status map_fd(ph_map *m, phial_error *err)
{
    struct stat st;
    if (fstat(m->fd, &st) != 0) {
        return ph_err_errno(err, errno, "%s", m->path);
    }
    if (S_ISDIR(st.st_mode)) {
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s: is a directory, not a file", m->path);
    }
    if (!S_ISREG(st.st_mode)) {
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s: is not a regular file", m->path);
    }
    m->size = (size_t)st.st_size;
    if (m->size == 0) {
        return PHIAL_OK;
    }
    void *p = mmap(NULL, m->size, PROT_READ, MAP_SHARED, m->fd, 0);
    if (p == MAP_FAILED) {
        return ph_err_errno(err, errno, "%s: mapping %zu bytes", m->path, m->size);
    }
    m->data = p;
    m->slot = guard_add(m->data, m->size);
    if (m->slot < 0) {
        return ph_err_set(err, PHIAL_ERR_LIMIT, "%s: more than %d files mapped at once", m->path,
                          PH_MAP_MAX);
    }
    return PHIAL_OK;
}

phial_status ph_map_open(ph_map **out, const char *path, phial_error *err)
{
    phial_status status = PHIAL_ERR_NO_MEMORY;
    ph_map *m = ph_alloc(1, sizeof *m, err);
    if (m == NULL) {
        return status;
    }
    m->fd = -1;
    m->slot = -1;
    m->path = ph_strdup(path, err);
    if (m->path == NULL) {
        goto done;
    }
    /* O_NONBLOCK: opening a FIFO must not wait for a writer; regular files do not care. */
    m->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (m->fd < 0) {
        status = ph_err_errno(err, errno, "%s", path);
        goto done;
    }
    status = map_fd(m, err);
done:
    if (status == PHIAL_OK) {
        *out = m;
    } else {
        ph_map_close(m);
    }
    return status;
}

void ph_map_close(ph_map *m)
{
    if (m == NULL) {
        return;
    }
    /* The slot first: the address may belong to another thread's mapping as soon as it is free. */
    if (m->slot >= 0) {
        atomic_store(&guard_slots[m->slot].start, 0);
        guard_leave();
    }
    if (m->data != NULL) {
        munmap(m->data, m->size);
    }
    if (m->fd >= 0) {
        close(m->fd);
    }
    ph_free(m->path);
    ph_free(m);
}

const uint8_t *ph_map_data(const ph_map *m)
{
    return m->data != NULL ? m->data : EMPTY;
}

size_t ph_map_size(const ph_map *m)
{
    return m->size;
}

const char *ph_map_path(const ph_map *m)
{
    return m->path;
}

bool ph_map_lost(const ph_map *m)
{
    return m->slot >= 0 && atomic_load(&guard_slots[m->slot].lost);
}

phial_status ph_map_check(const ph_map *m, phial_error *err)
{
    struct stat st;
    if (ph_map_lost(m) || (fstat(m->fd, &st) == 0 && (uint64_t)st.st_size < m->size)) {
        return ph_err_set(err, PHIAL_ERR_FILE_CHANGED,
                          "%s: the file became shorter than its %zu bytes while it was in use",
                          m->path, m->size);
    }
    return PHIAL_OK;
}

void ph_map_advise(const ph_map *m, size_t offset, size_t len, ph_map_advice advice)
{
    static const int NATIVE[] = {MADV_NORMAL, MADV_SEQUENTIAL, MADV_RANDOM, MADV_WILLNEED,
                                 MADV_DONTNEED};
    if (m->data == NULL || offset >= m->size) {
        return;
    }
    size_t begin = offset & ~((size_t)sysconf(_SC_PAGESIZE) - 1);
    size_t end = len > m->size - offset ? m->size : offset + len;
    madvise(m->data + begin, end - begin, NATIVE[advice]);
}
