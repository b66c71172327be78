/* A line that is typed and not shown: a password. */
#ifndef PH_CLI_ASK_SECRET_H
#define PH_CLI_ASK_SECRET_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

/* Somebody is there to be asked: standard input and error are terminals. */
bool ph_can_ask(void);

/* Writes the question to standard error and reads a line from standard input, without its end, into
 * `out`, whose limit holds; nothing is echoed, and the terminal is left as it was. The end of the
 * input is an empty line. Errors: CANCELLED after Ctrl-C (ph_interrupt_watch() must have been
 * called), LIMIT, IO, NO_MEMORY. */
phial_status ph_ask_secret(ph_buf *out, const char *question, phial_error *err);

#endif
