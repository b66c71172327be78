/* Members of a ZIP archive, by libarchive, with limits on what unpacking may become: bytes, and
 * bytes for each byte of the archive. */
#ifndef PH_HELPER_UNZIP_H
#define PH_HELPER_UNZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define PH_UNZIP_BYTES_MAX   ((uint64_t)1 << 30) /* unpacked, of all members that are read */
#define PH_UNZIP_RATIO_MAX   200u                /* unpacked for each byte of the archive ... */
#define PH_UNZIP_RATIO_FROM  (4u << 20)          /* ... once so much is unpacked */
#define PH_UNZIP_MEMBERS_MAX 20000u
#define PH_UNZIP_NAME_MAX    1024u

typedef struct ph_unzip {
    int fd;          /* borrowed, seekable */
    uint64_t n_file; /* bytes of the archive */
    uint64_t n_unpacked;
} ph_unzip;

phial_status ph_unzip_init(ph_unzip *zip, int fd, phial_error *err);

typedef struct ph_unzip_visitor {
    void *user;
    bool (*want)(void *user, const char *name);
    /* A piece of a member that was wanted; n = 0: its end. */
    phial_status (*piece)(void *user, const char *name, const char *p, size_t n, phial_error *err);
} ph_unzip_visitor;

/* One walk over the archive, in its own order. Errors: BAD_INPUT (no ZIP archive, damaged, cut off,
 * encrypted, a limit), what piece returns. */
phial_status ph_unzip_walk(ph_unzip *zip, const ph_unzip_visitor *visitor, phial_error *err);

/* One member, by its exact name, at most limit bytes. *found: whether it is there. */
phial_status ph_unzip_member(ph_unzip *zip, const char *name, ph_buf *out, size_t limit,
                             bool *found, phial_error *err);

#endif
