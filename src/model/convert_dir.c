/* Contract: convert_dir.h. */
#include "model/convert_dir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define MARK  ".part-" /* behind the name of an unfinished folder, before six characters */
#define TRIES 3

/* Locked, so that the next writer can tell it from what one that was killed has left. That writer
 * may come between the two steps here: then another folder is made. Where nothing can be locked the
 * folder goes unlocked, and whatever is left there stays. */
static phial_status make_locked(ph_convert_dir *dir, size_t n, phial_error *err)
{
    for (int tries = TRIES; tries > 0; tries--) {
        snprintf(dir->temp, n, "%s" MARK "XXXXXX", dir->path);
        if (!mkdtemp(dir->temp))
            return ph_err_errno(err, errno, "%s: making the folder", dir->path);
        phial_status status = ph_lock_open_dir(&dir->lock, dir->temp, NULL);
        bool there = ph_file_kind_of(dir->temp) == PH_FILE_DIRECTORY;
        if (there && (status == PHIAL_OK || (status == PHIAL_ERR_IO && tries == 1)))
            return PHIAL_OK;
        ph_lock_close(dir->lock);
        dir->lock = NULL;
        rmdir(dir->temp);
        if (status == PHIAL_ERR_NO_MEMORY)
            return ph_err_set(err, status, "%s: locking the folder", dir->path);
    }
    return ph_err_set(err, PHIAL_ERR_IO, "%s: the unfinished folder was removed by others",
                      dir->path);
}

static phial_status make_temp(ph_convert_dir *dir, phial_error *err)
{
    size_t n = strlen(dir->path) + sizeof MARK "XXXXXX";
    dir->temp = ph_alloc(n, 1, err);
    if (!dir->temp)
        return PHIAL_ERR_NO_MEMORY;
    ph_dir_sweep_beside(dir->path, MARK);
    phial_status status = make_locked(dir, n, err);
    if (status != PHIAL_OK) {
        ph_free(dir->temp);
        dir->temp = NULL;
        return status;
    }
    /* mkdtemp is strict; the result shall have the rights of an ordinary folder. */
    mode_t mask = umask(0);
    umask(mask);
    if (chmod(dir->temp, 0777 & ~mask) != 0)
        return ph_err_errno(err, errno, "%s", dir->temp);
    return PHIAL_OK;
}

phial_status ph_convert_dir_open(ph_convert_dir *dir, const char *path, bool overwrite,
                                 phial_error *err)
{
    *dir = (ph_convert_dir){0};
    ph_file_kind kind = ph_file_kind_of(path);
    if (kind != PH_FILE_MISSING && !overwrite)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: is there already", path);
    if (kind != PH_FILE_MISSING && kind != PH_FILE_DIRECTORY)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: is in the way (not a folder)", path);
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    dir->path = ph_strndup(path, n, err);
    if (!dir->path)
        return PHIAL_ERR_NO_MEMORY;
    return kind == PH_FILE_MISSING ? make_temp(dir, err) : PHIAL_OK;
}

phial_status ph_convert_dir_file(ph_convert_dir *dir, const char *name, const char **path,
                                 phial_error *err)
{
    if (dir->n_files == PH_CONVERT_DIR_MAX_FILES)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "%s: more than %d files", dir->path,
                          PH_CONVERT_DIR_MAX_FILES);
    char *full = ph_path_join(dir->temp ? dir->temp : dir->path, name, err);
    if (!full)
        return PHIAL_ERR_NO_MEMORY;
    dir->files[dir->n_files++] = full;
    *path = full;
    return PHIAL_OK;
}

phial_status ph_convert_dir_write(ph_convert_dir *dir, const char *name, ph_str content,
                                  phial_error *err)
{
    const char *path;
    ph_writer *w = NULL;
    phial_status status = ph_convert_dir_file(dir, name, &path, err);
    if (status == PHIAL_OK)
        status = ph_writer_open(&w, path, err);
    if (status == PHIAL_OK)
        status = ph_writer_write(w, content.p, content.n, err);
    if (status == PHIAL_OK)
        status = ph_writer_commit(w, err);
    ph_writer_close(w);
    return status;
}

phial_status ph_convert_dir_commit(ph_convert_dir *dir, phial_error *err)
{
    if (dir->temp && rename(dir->temp, dir->path) != 0)
        return ph_err_errno(err, errno, "%s: renaming the finished folder", dir->path);
    dir->committed = true;
    return PHIAL_OK;
}

void ph_convert_dir_close(ph_convert_dir *dir)
{
    for (size_t i = 0; i < dir->n_files; i++) {
        if (dir->temp && !dir->committed)
            unlink(dir->files[i]);
        ph_free(dir->files[i]);
    }
    if (dir->temp && !dir->committed)
        rmdir(dir->temp);
    ph_lock_close(dir->lock);
    ph_free(dir->temp);
    ph_free(dir->path);
    *dir = (ph_convert_dir){0};
}
