/* A folder for one process at a time, and tidying up after one that was killed; contract in
 * file.h. The lock is the system's (flock), so that it is gone with the process that held it,
 * however that ended. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

/* ".%08x" behind a file's name: see open_temp() in file_io.c. */
#define TEMP_DIGITS 8
/* What mkdtemp() fills in. */
#define MARK_DIGITS 6

phial_status ph_file_remove(const char *path, phial_error *err)
{
    return unlink(path) == 0 || errno == ENOENT ? PHIAL_OK
                                                : ph_err_errno(err, errno, "%s: removing", path);
}

struct ph_lock {
    int fd;
};

static phial_status lock_open(ph_lock **out, const char *path, int flags, phial_error *err)
{
    *out = NULL;
    ph_lock *lock = ph_alloc(1, sizeof *lock, err);
    if (!lock)
        return PHIAL_ERR_NO_MEMORY;
    phial_status st = PHIAL_OK;
    lock->fd = open(path, flags | O_CLOEXEC, 0666);
    if (lock->fd < 0)
        st = ph_err_errno(err, errno, "%s", path);
    else if (flock(lock->fd, LOCK_EX | LOCK_NB) != 0)
        st = errno == EWOULDBLOCK
                 ? ph_err_set(err, PHIAL_ERR_IO, "%s: another process holds the lock", path)
                 : ph_err_errno(err, errno, "%s: locking", path);
    if (st == PHIAL_OK)
        *out = lock;
    else
        ph_lock_close(lock);
    return st;
}

phial_status ph_lock_open(ph_lock **out, const char *path, phial_error *err)
{
    return lock_open(out, path, O_RDWR | O_CREAT, err);
}

phial_status ph_lock_open_dir(ph_lock **out, const char *path, phial_error *err)
{
    return lock_open(out, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, err);
}

void ph_lock_close(ph_lock *lock)
{
    if (!lock)
        return;
    if (lock->fd >= 0)
        close(lock->fd);
    ph_free(lock);
}

/* Regular files in a folder for which `wanted` says yes; NULL: all. */
static void remove_files(const char *path, bool (*wanted)(const char *name))
{
    DIR *dir = opendir(path);
    if (!dir)
        return;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        bool take = !wanted || wanted(e->d_name);
        char *file = take ? ph_path_join(path, e->d_name, NULL) : NULL;
        if (file && ph_file_kind_of(file) == PH_FILE_REGULAR)
            unlink(file);
        ph_free(file);
    }
    closedir(dir);
}

static bool is_leftover(const char *name)
{
    size_t n = strlen(name);
    return n > TEMP_DIGITS + 1 && name[n - TEMP_DIGITS - 1] == '.' &&
           strspn(name + n - TEMP_DIGITS, "0123456789abcdef") == TEMP_DIGITS;
}

void ph_dir_sweep(const char *path)
{
    remove_files(path, is_leftover);
}

void ph_dir_sweep_beside(const char *path, const char *mark)
{
    const char *name = ph_path_base(path);
    size_t n = strlen(name), n_mark = strlen(mark);
    char *parent = ph_strndup(path, (size_t)(name - path), NULL);
    DIR *dir = parent ? opendir(parent[0] ? parent : ".") : NULL;
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        if (strlen(e->d_name) != n + n_mark + MARK_DIGITS || memcmp(e->d_name, name, n) != 0 ||
            memcmp(e->d_name + n, mark, n_mark) != 0)
            continue;
        ph_lock *lock = NULL;
        char *left = ph_path_join(parent[0] ? parent : ".", e->d_name, NULL);
        if (left && ph_lock_open_dir(&lock, left, NULL) == PHIAL_OK) {
            remove_files(left, NULL);
            rmdir(left);
        }
        ph_lock_close(lock);
        ph_free(left);
    }
    if (dir)
        closedir(dir);
    ph_free(parent);
}
