/* Files below some paths, in a fixed order: the paths as given, in a folder names in order of their
 * bytes, a folder's contents where its name comes.
 *
 * Names that begin with a dot are left out below a folder, links to folders are not followed, links
 * to files are. A folder of any size takes the memory of PH_WALK_BATCH names: it is read again for
 * each batch, and what is made or goes away meanwhile may be missed.
 */
#ifndef PH_RAG_INGEST_WALK_H
#define PH_RAG_INGEST_WALK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

#define PH_WALK_BATCH     65536
#define PH_WALK_DEPTH_MAX 512

typedef struct ph_walk ph_walk;

typedef struct ph_walk_item {
    const char *path;   /* borrowed until the next call */
    const char *reason; /* NULL: a file (or what is named and is neither file nor folder);
                           otherwise why this is not read */
    bool named;         /* one of paths itself, not found below one */
    bool missing;       /* not there */
} ph_walk_item;

/* paths are borrowed. batch: names held of one folder; 0: PH_WALK_BATCH. */
phial_status ph_walk_new(ph_walk **out, const char *const *paths, size_t n_paths, size_t batch,
                         phial_error *err);
void ph_walk_free(ph_walk *walk);
/* *more is false behind the last. Errors: NO_MEMORY. */
phial_status ph_walk_next(ph_walk *walk, ph_walk_item *item, bool *more, phial_error *err);

/* "a//b/./c/" becomes "a/b/c"; ".." stays, and nothing stays nothing. */
phial_status ph_walk_clean(ph_buf *out, const char *path, phial_error *err);
/* The absolute path: links in the folder's part resolved, the last name as it is. */
phial_status ph_walk_absolute(ph_buf *out, const char *path, phial_error *err);

#endif
