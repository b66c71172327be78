/* Lines typed by a person at a terminal: editing, history, wide characters, pasted text. The only
 * user of libedit.
 *
 * Ctrl-C is a key here, not a signal; a paste of several lines (bracketed paste) becomes one entry
 * with newlines in it, sent by Enter. The user's own ~/.editrc holds.
 */
#ifndef PH_CLI_LINE_EDIT_H
#define PH_CLI_LINE_EDIT_H

#include "base/buf.h"
#include "base/err.h"

typedef struct ph_line_edit ph_line_edit;

typedef enum ph_line_end {
    PH_LINE_TEXT,      /* a line, without its newline */
    PH_LINE_INTERRUPT, /* Ctrl-C: whatever was typed is thrown away */
    PH_LINE_CLOSED     /* Ctrl-D on an empty line, or the terminal is gone */
} ph_line_end;

/* Standard input and output are terminals. history_path: a file that need not exist; NULL: none is
 * kept. A history that cannot be read is no error: *notice (may be NULL) says why, "" if all is
 * well, and the file is then left alone. */
phial_status ph_line_open(ph_line_edit **out, const char *history_path, phial_error *notice,
                          phial_error *err);
/* Saves the history. */
void ph_line_close(ph_line_edit *edit);

/* The line replaces what is in `line`. *had_text (may be NULL): something was typed before Ctrl-C.
 */
ph_line_end ph_line_read(ph_line_edit *edit, const char *prompt, ph_buf *line, bool *had_text);
/* Puts an entry into the history; it may hold newlines. */
void ph_line_remember(ph_line_edit *edit, const char *entry);

#endif
