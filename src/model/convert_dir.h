/* A directory that appears whole or not at all: its files are written into a temporary directory
 * beside it, which is renamed at the end; what writers of the same path that were killed have left
 * goes when the next one begins. Where the directory exists already and may be overwritten, the
 * files go straight into it, each one atomically. Internal to model. */
#ifndef PH_MODEL_CONVERT_DIR_H
#define PH_MODEL_CONVERT_DIR_H

#include <stdbool.h>

#include "base/err.h"
#include "base/file.h"
#include "base/str.h"

#define PH_CONVERT_DIR_MAX_FILES 16

typedef struct ph_convert_dir {
    char *path;                            /* owned: where the directory shall be */
    char *temp;                            /* owned: where it is until commit; NULL: path itself */
    char *files[PH_CONVERT_DIR_MAX_FILES]; /* owned: full paths, to be removed on failure */
    size_t n_files;
    ph_lock *lock; /* owned: on temp */
    bool committed;
} ph_convert_dir;

phial_status ph_convert_dir_open(ph_convert_dir *dir, const char *path, bool overwrite,
                                 phial_error *err);
/* Path for a new file; borrowed until close. */
phial_status ph_convert_dir_file(ph_convert_dir *dir, const char *name, const char **path,
                                 phial_error *err);
phial_status ph_convert_dir_write(ph_convert_dir *dir, const char *name, ph_str content,
                                  phial_error *err);
phial_status ph_convert_dir_commit(ph_convert_dir *dir, phial_error *err);
/* Without commit a temporary directory is removed. */
void ph_convert_dir_close(ph_convert_dir *dir);

#endif
