/* Contract in vector_cache.h. */
#include "rag/vector_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/mem.h"
#include "base/str.h"

#define WAIT_STEP_MS 50
#define WAIT_MS      600000
#define DAY_SECONDS  86400

static bool is_absolute(const char *path)
{
    return path && path[0] == '/';
}

/* A folder that may be made; what is in it is nobody else's business. */
static bool make_folder(const char *path)
{
    return mkdir(path, 0700) == 0 || ph_file_kind_of(path) == PH_FILE_DIRECTORY;
}

char *ph_vector_cache_folder(phial_error *err)
{
    const char *cache = secure_getenv("XDG_CACHE_HOME"), *home = secure_getenv("HOME");
    char *base = NULL, *folder = NULL;
    if (is_absolute(cache)) /* others are to be ignored, says the XDG specification */
        base = ph_strdup(cache, err);
    else if (is_absolute(home))
        base = ph_path_join(home, ".cache", err);
    else
        ph_err_set(err, PHIAL_ERR_IO, "neither XDG_CACHE_HOME nor HOME names a folder");
    if (base && make_folder(base))
        folder = ph_path_join(base, "phial", err);
    else if (base)
        ph_err_set(err, PHIAL_ERR_IO, "%s: cannot be made", base);
    if (folder && !make_folder(folder)) {
        ph_err_set(err, PHIAL_ERR_IO, "%s: cannot be made", folder);
        ph_free(folder);
        folder = NULL;
    }
    ph_free(base);
    return folder;
}

static char *joined(const char *folder, ph_buf *name, phial_error *err)
{
    char *path =
        ph_buf_status(name, err) == PHIAL_OK ? ph_path_join(folder, name->data, err) : NULL;
    ph_buf_free(name);
    return path;
}

char *ph_vector_cache_path(const char *folder, uint64_t name, const char *metric, const char *kind,
                           phial_error *err)
{
    ph_buf b;
    ph_buf_init(&b, 0);
    ph_buf_addf(&b, "%016llx-%s-%s" PH_VECTOR_CACHE_SUFFIX, (unsigned long long)name, metric, kind);
    return joined(folder, &b, err);
}

char *ph_vector_cache_temporary(uint64_t random, phial_error *err)
{
    const char *folder = secure_getenv("TMPDIR");
    ph_buf b;
    ph_buf_init(&b, 0);
    ph_buf_addf(&b, "phial-%016llx" PH_VECTOR_CACHE_SUFFIX, (unsigned long long)random);
    return joined(is_absolute(folder) ? folder : "/tmp", &b, err);
}

void ph_vector_cache_touch(const char *path)
{
    struct stat s;
    if (stat(path, &s) == 0 && time(NULL) - s.st_mtime > DAY_SECONDS)
        utimensat(AT_FDCWD, path, NULL, 0);
}

static void remove_old(const char *folder)
{
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        struct stat s;
        if (!ph_str_ends_with(ph_str_from(e->d_name), PH_VECTOR_CACHE_SUFFIX))
            continue;
        char *path = ph_path_join(folder, e->d_name, NULL);
        if (path && lstat(path, &s) == 0 && S_ISREG(s.st_mode) &&
            time(NULL) - s.st_mtime > (time_t)PH_VECTOR_CACHE_DAYS * DAY_SECONDS)
            ph_file_remove(path, NULL);
        ph_free(path);
    }
    if (dir)
        closedir(dir);
}

phial_status ph_vector_cache_lock(ph_lock **out, const char *folder, phial_error *err)
{
    const struct timespec step = {.tv_nsec = WAIT_STEP_MS * 1000000L};
    char *path = ph_path_join(folder, "lock", err);
    phial_status st = path ? PHIAL_ERR_IO : PHIAL_ERR_NO_MEMORY;
    *out = NULL;
    for (int waited = 0; st == PHIAL_ERR_IO && waited <= WAIT_MS; waited += WAIT_STEP_MS) {
        st = ph_lock_open(out, path, err);
        if (st == PHIAL_ERR_IO && ph_file_kind_of(path) != PH_FILE_REGULAR)
            break; /* not held by another, but impossible */
        if (st == PHIAL_ERR_IO)
            nanosleep(&step, NULL);
    }
    ph_free(path);
    if (st == PHIAL_OK) {
        ph_dir_sweep(folder);
        remove_old(folder);
    }
    return st;
}
