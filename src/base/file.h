/* Files: read-only mappings, whole reads, atomic writes. The only place that calls mmap.
 *
 * A mapped file that shrinks while it is in use would raise SIGBUS. While at least one mapping is
 * open, a process-wide handler (signals belong to the process; there is no other way) replaces the
 * missing pages by zeros and marks the mapping as lost; whoever computes on it asks ph_map_lost()
 * afterwards and throws the result away. Faults outside our mappings go to the handler that was
 * installed before.
 */
#ifndef PH_BASE_FILE_H
#define PH_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* At most this many mappings at a time in one process; a model has one, a sharded one a few. */
#define PH_MAP_MAX 256

typedef struct ph_map ph_map;

/* Maps a regular file read-only. An empty file gives size 0 and a non-NULL data pointer. */
phial_status ph_map_open(ph_map **out, const char *path, phial_error *err);
void ph_map_close(ph_map *map);

const uint8_t *ph_map_data(const ph_map *map);
size_t ph_map_size(const ph_map *map);
const char *ph_map_path(const ph_map *map);

/* True once a page was found missing. Any thread. */
bool ph_map_lost(const ph_map *map);
/* PHIAL_OK, or PHIAL_ERR_FILE_CHANGED with a sentence. Also notices by fstat that the file is
 * shorter now, before any page of it was touched. */
phial_status ph_map_check(const ph_map *map, phial_error *err);

typedef enum ph_map_advice {
    PH_MAP_NORMAL,
    PH_MAP_SEQUENTIAL,
    PH_MAP_RANDOM,
    PH_MAP_WILLNEED,
    PH_MAP_RELEASE
} ph_map_advice;
/* A hint; failures are ignored. NORMAL, SEQUENTIAL and RANDOM say how much is read beside a page
 * that is touched, and hold until the next of them. WILLNEED begins to read the range now, and no
 * more. RELEASE gives the pages in the range back (they are read again from the file on the next
 * touch). */
void ph_map_advise(const ph_map *map, size_t offset, size_t len, ph_map_advice advice);

/* Reads a whole file (or, path "-", standard input) of at most limit bytes. For what the user
 * names: a pipe or a device will do, and may be waited for. */
phial_status ph_file_read(ph_buf *out, const char *path, size_t limit, phial_error *err);
/* The same for files that are part of something, such as a model's folder: anything but a regular
 * file is PHIAL_ERR_BAD_INPUT, and nothing is waited for. */
phial_status ph_file_read_regular(ph_buf *out, const char *path, size_t limit, phial_error *err);

typedef enum ph_file_kind {
    PH_FILE_MISSING,
    PH_FILE_REGULAR,
    PH_FILE_DIRECTORY,
    PH_FILE_OTHER
} ph_file_kind;
ph_file_kind ph_file_kind_of(const char *path);

/* Bytes of a regular file; 0 for anything else. */
uint64_t ph_file_bytes(const char *path);

phial_status ph_dir_make(const char *path, phial_error *err); /* fine if it is there already */

/* Removes a file; fine if it is not there. */
phial_status ph_file_remove(const char *path, phial_error *err);

/* Takes the lock of a file, which is made if it is not there, and stays; PHIAL_ERR_IO if another
 * process has it. Close gives it back, and so does the end of the process. */
typedef struct ph_lock ph_lock;
phial_status ph_lock_open(ph_lock **out, const char *path, phial_error *err);
void ph_lock_close(ph_lock *lock);
/* The same for a folder that is there already: it is its own lock. */
phial_status ph_lock_open_dir(ph_lock **out, const char *path, phial_error *err);

/* Removes what writers that were killed have left in a folder. Only for who has it for himself. */
void ph_dir_sweep(const char *path);
/* The same for one path: removes folders beside it, with the files in them, whose name is the
 * path's with `mark` and six more characters behind it, and which nobody has locked. */
void ph_dir_sweep_beside(const char *path, const char *mark);

/* "dir" + "/" + "name"; owned. */
char *ph_path_join(const char *dir, const char *name, phial_error *err);
/* Part behind the last '/'; borrowed. */
const char *ph_path_base(const char *path);

/* Writing a file that is there whole or not at all: bytes go to a temporary name in the same
 * folder; commit syncs and renames; close without commit removes it. A symbolic link stays, the
 * file behind it is replaced. What is there and no regular file (a pipe, /dev/null) is never
 * replaced: it gets the bytes as they come, and cannot be patched. */
typedef struct ph_writer ph_writer;
phial_status ph_writer_open(ph_writer **out, const char *path, phial_error *err);
phial_status ph_writer_write(ph_writer *w, const void *bytes, size_t n, phial_error *err);
phial_status ph_writer_zeros(ph_writer *w, size_t n, phial_error *err);
/* Overwrites bytes that were already written (a header whose offsets are known late). */
phial_status ph_writer_patch(ph_writer *w, uint64_t offset, const void *bytes, size_t n,
                             phial_error *err);
uint64_t ph_writer_offset(const ph_writer *w); /* bytes written so far */
/* Everything written so far goes to the system, so that it can be read under the temporary name,
 * which is borrowed. */
phial_status ph_writer_flush(ph_writer *w, const char **temp_path, phial_error *err);
phial_status ph_writer_commit(ph_writer *w, phial_error *err);
void ph_writer_close(ph_writer *w);

#endif
