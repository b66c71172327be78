/* Running a helper program over one document, with limits.
 *
 * The helper gets four descriptors: 0 its input (a few bytes from the caller, such as passwords), 1
 * a pipe for its result, 2 a pipe for complaints, of which the end is kept, 3 the document.
 * Nothing else is inherited, neither environment nor signal settings. It has limits on memory, CPU
 * time, open files, processes and file size, leaves no core dump, cannot gain privileges, has a
 * process group of its own, and dies when the thread that started it dies. The helper itself goes
 * into the sandbox (proc/sandbox.h) before it reads the document.
 *
 * However it ends, ph_child_finish() has a sentence for it.
 *
 * Threads: a child belongs to the thread that started it (the system kills it with that thread);
 * any number of threads may have one each.
 */
#ifndef PH_PROC_SPAWN_H
#define PH_PROC_SPAWN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define PH_CHILD_INPUT_MAX    4096u /* what every pipe holds that nobody reads yet */
#define PH_CHILD_BYTES_PER_MS 1000u /* output that earns a millisecond more on the clock */
#define PH_CHILD_WORDS_MAX    1024  /* bytes of its complaints that are kept */

typedef struct ph_child_options {
    const char *const *argv;   /* [0] is the program's path; ends with NULL */
    int document;              /* descriptor that becomes 3; borrowed. -1: none */
    ph_str input;              /* at most PH_CHILD_INPUT_MAX bytes */
    uint64_t max_memory;       /* bytes of address space; 0: no limit */
    uint64_t max_cpu_s;        /* 0: no limit */
    uint64_t max_wall_ms;      /* of waiting for it, on the clock, not of what the caller does with
                                  its output in between; 0: no limit */
    uint64_t max_output;       /* bytes; 0: no limit */
    const atomic_bool *cancel; /* may be NULL; borrowed until it is freed */
} ph_child_options;

typedef struct ph_child ph_child;

/* Errors: IO (no such program, no descriptors left), NO_MEMORY. */
phial_status ph_child_start(ph_child **out, const ph_child_options *options, phial_error *err);

/* Waits for output and reads some of it; *n = 0 when there will be no more. When a limit of ours is
 * reached (wall clock, output) the child is killed, and this fails with BAD_INPUT and the limit's
 * name; CANCELLED when the flag was raised. */
phial_status ph_child_read(ph_child *child, void *buf, size_t cap, size_t *n, phial_error *err);

/* Waits for its end, within the limits. OK if it ended with exit code 0, otherwise BAD_INPUT with
 * how it ended: "crashed (SIGSEGV)", "used more than 120 s of CPU time", ... and what it last said.
 */
phial_status ph_child_finish(ph_child *child, phial_error *err);

/* Kills it if it still runs, with all of its process group, and reaps it. */
void ph_child_free(ph_child *child);

/* True where a limit on address space cannot be set because a sanitizer needs all of it. */
bool ph_child_memory_unlimited(void);

#endif
