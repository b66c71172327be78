/* Messages as a person types them or a pipe delivers them. */
#ifndef PH_CLI_CHAT_INPUT_H
#define PH_CLI_CHAT_INPUT_H

#include "base/buf.h"
#include "base/err.h"

/* Bytes of one message. */
#define PH_MESSAGE_BYTES ((size_t)64 << 20)

typedef struct ph_chat_input ph_chat_input;

typedef enum ph_message_kind {
    PH_MESSAGE_TEXT,
    PH_MESSAGE_COMMAND, /* one line that begins with '/' */
    PH_MESSAGE_END
} ph_message_kind;

/* interactive: standard input and output are terminals: lines are edited, and with with_history
 * kept in $XDG_STATE_HOME/phial/history (or ~/.local/state/phial/history). Otherwise lines are read
 * as they are. */
phial_status ph_chat_input_open(ph_chat_input **out, bool interactive, bool with_history,
                                phial_error *err);
void ph_chat_input_close(ph_chat_input *input);

/* The next message, which is never blank. A line, or from """ to """ any number of lines, with what
 * stands behind the closing quotes; "//" at the beginning stands for "/". Errors: LIMIT, IO. */
phial_status ph_chat_input_next(ph_chat_input *input, ph_buf *message, ph_message_kind *kind,
                                phial_error *err);

#endif
