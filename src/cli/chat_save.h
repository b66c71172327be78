/* Conversations as JSON files: turns, preset and settings, so that the same next answer follows. */
#ifndef PH_CLI_CHAT_SAVE_H
#define PH_CLI_CHAT_SAVE_H

#include "cli/conversation.h"

/* Bytes of a saved conversation. */
#define PH_CHAT_FILE_BYTES ((size_t)256 << 20)

phial_status ph_chat_save(const ph_chat *chat, const char *path, phial_error *err);
/* Replaces conversation, preset and settings; the model, its threads and the size of the context
 * stay. A note is told when the file was made with another model. On failure nothing has changed,
 * unless memory was short for the turns: then there are none.
 */
phial_status ph_chat_load(ph_chat *chat, const char *path, phial_error *err);

#endif
