/* What commands share with the world: results to standard output, everything else to standard
 * error, text in, progress, interruption, exit codes.
 *
 * Writes to standard output that fail are remembered; the functions return false from then on, so
 * that long output can stop, and main ends with exit code 1 and a sentence (none for a closed pipe:
 * whoever closed it knows).
 */
#ifndef PH_CLI_CLI_IO_H
#define PH_CLI_CLI_IO_H

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

enum {
    PH_EXIT_DONE = 0,
    PH_EXIT_FAILED = 1,
    PH_EXIT_USAGE = 2,
    PH_EXIT_BAD_INPUT = 3,
    PH_EXIT_RESOURCES = 4,
    PH_EXIT_INTERRUPTED = 130
};

int ph_exit_code(phial_status status);

bool ph_out_bytes(const void *bytes, size_t n);
bool ph_out_str(const char *s);
bool ph_outf(const char *fmt, ...) PH_PRINTF(1, 2);
/* Text that is not ours: on a terminal with control characters escaped (newline and tab stay if
 * keep_layout), elsewhere byte for byte. */
bool ph_out_foreign(ph_str s, bool keep_layout);
/* The document and a newline; consumes the value. NULL is a document that memory was short for. */
phial_status ph_out_json(ph_json *root, phial_error *err);
bool ph_out_flush(void);
/* PHIAL_OK, or PHIAL_ERR_IO with a sentence; *closed_pipe tells the case that wants none. Closes
 * standard output. */
phial_status ph_out_finish(bool *closed_pipe, phial_error *err);

/* "phial: <sentence>" on standard error. */
void ph_say(const char *fmt, ...) PH_PRINTF(1, 2);

/* arg itself, or for NULL all of standard input, byte for byte. */
phial_status ph_in_text(ph_buf *out, const char *arg, phial_error *err);

/* One line on standard error that is rewritten in place, on a terminal only: how much is done, and
 * how long the rest will take at the pace so far. */
typedef struct ph_progress {
    const char *what; /* "writing phi-2.gguf" */
    uint64_t started_ns, shown_ns;
    bool shown;
} ph_progress;
void ph_progress_start(ph_progress *progress, const char *what);
void ph_progress_step(ph_progress *progress, uint64_t done, uint64_t total);
void ph_progress_end(ph_progress *progress);

/* From here on the first Ctrl-C (or SIGTERM) only sets a flag, which the command looks at between
 * steps, to return PHIAL_ERR_CANCELLED with everything tidied up; the second one kills. */
void ph_interrupt_watch(void);
bool ph_interrupted(void);

#endif
