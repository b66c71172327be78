/* The sandbox that a helper program puts itself into before it looks at a document.
 *
 * ph_sandbox_enter() is called by the helper when it has started (libraries loaded) and before the
 * first byte of the document. From then on the process cannot open anything for writing, opens for
 * reading only what lies below the paths of its view, has no network, cannot start threads or
 * programs, signal others, trace, mount, or load anything into the kernel. Three layers: no
 * capabilities and no new privileges; Landlock, as much of it as the kernel knows; a list of
 * allowed system calls (seccomp, by libseccomp). Where there is no Landlock, nothing at all can be
 * opened any more. What is plainly an attack (a socket, a new process, a file opened for writing)
 * ends the process: its name goes to standard error, and the parent tells it. What is merely
 * unknown fails with ENOSYS, so that a newer C library still finds its way.
 *
 * The limits on memory, time and size are set by the parent (proc/spawn.h). This file is part of
 * the helpers, not of the library: libseccomp is a library of theirs.
 */
#ifndef PH_PROC_SANDBOX_H
#define PH_PROC_SANDBOX_H

#include <stdbool.h>

#include "base/err.h"

/* The descriptors that a helper gets (proc/spawn.h). */
enum { PH_HELPER_FD_IN = 0, PH_HELPER_FD_OUT = 1, PH_HELPER_FD_ERR = 2, PH_HELPER_FD_DOC = 3 };

/* Exit code of a helper that tried what is forbidden. */
#define PH_SANDBOX_EXIT 120

typedef struct ph_sandbox_view {
    const char *const *read_paths; /* files and folders that stay readable; missing ones are left
                                      out. Ends with NULL. */
} ph_sandbox_view;

/* What the C library may want to open later on: the modules of iconv(). Ends with NULL. */
extern const char *const ph_sandbox_library_paths[];

/* *files_readable (may be NULL): false where nothing at all can be opened any more. Fails if
 * seccomp cannot be had: then no document may be read. */
phial_status ph_sandbox_enter(const ph_sandbox_view *view, bool *files_readable, phial_error *err);

/* What the kernel knows of Landlock: its ABI, 0: nothing. */
int ph_sandbox_landlock_abi(void);

#endif
