/* Where images of vectors are kept: $XDG_CACHE_HOME/phial, otherwise ~/.cache/phial. An image that
 * nobody has used for PH_VECTOR_CACHE_DAYS goes when another one is made. */
#ifndef PH_RAG_VECTOR_CACHE_H
#define PH_RAG_VECTOR_CACHE_H

#include "base/file.h"
#include "base/hash.h"

#define PH_VECTOR_CACHE_DAYS   60
#define PH_VECTOR_CACHE_SUFFIX ".vindex"

/* The folder, made if it is not there; owned. NULL with an error where there can be none. */
char *ph_vector_cache_folder(phial_error *err);
/* "folder/<name>-<metric>-<kind>.vindex"; owned. */
char *ph_vector_cache_path(const char *folder, uint64_t name, const char *metric, const char *kind,
                           phial_error *err);
/* A path nobody else uses, in $TMPDIR or /tmp; owned. */
char *ph_vector_cache_temporary(uint64_t random, phial_error *err);
/* The image is in use. */
void ph_vector_cache_touch(const char *path);
/* Waits for whoever else makes an image in the folder, and removes what killed makers left and what
 * is too old. PHIAL_ERR_IO if there can be no lock. */
phial_status ph_vector_cache_lock(ph_lock **out, const char *folder, phial_error *err);

#endif
