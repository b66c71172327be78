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

/* ".%08x" behind a file's name: see open_temp() in file_io.c. */
#define TEMP_DIGITS 8

phial_status ph_file_remove(const char *path, phial_error *err)
{
    return unlink(path) == 0 || errno == ENOENT ? PHIAL_OK
                                                : ph_err_errno(err, errno, "%s: removing", path);
}

struct ph_lock {
    int fd;
};

phial_status ph_lock_open(ph_lock **out, const char *path, phial_error *err)
{
    *out = NULL;
    ph_lock *lock = ph_alloc(1, sizeof *lock, err);
    if (!lock)
        return PHIAL_ERR_NO_MEMORY;
    phial_status st = PHIAL_OK;
    lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
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

void ph_lock_close(ph_lock *lock)
{
    if (!lock)
        return;
    if (lock->fd >= 0)
        close(lock->fd);
    ph_free(lock);
}

static bool is_leftover(const char *name)
{
    size_t n = strlen(name);
    return n > TEMP_DIGITS + 1 && name[n - TEMP_DIGITS - 1] == '.' &&
           strspn(name + n - TEMP_DIGITS, "0123456789abcdef") == TEMP_DIGITS;
}

void ph_dir_sweep(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir)
        return;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char *file = is_leftover(e->d_name) ? ph_path_join(path, e->d_name, NULL) : NULL;
        if (file && ph_file_kind_of(file) == PH_FILE_REGULAR)
            unlink(file);
        ph_free(file);
    }
    closedir(dir);
}
