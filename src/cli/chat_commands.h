/* The commands inside a chat: lines that begin with '/'. */
#ifndef PH_CLI_CHAT_COMMANDS_H
#define PH_CLI_CHAT_COMMANDS_H

#include "base/str.h"
#include "cli/conversation.h"

/* line begins with '/'. *leave: the user wants to go. Errors: ARGUMENT for an unknown command (near
 * misses are named) or a wrong argument; otherwise what the command itself met. */
phial_status ph_chat_command(ph_chat *chat, ph_str line, bool *leave, phial_error *err);

#endif
