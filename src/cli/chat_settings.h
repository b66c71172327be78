/* What can be set and shown inside a chat. */
#ifndef PH_CLI_CHAT_SETTINGS_H
#define PH_CLI_CHAT_SETTINGS_H

#include "base/str.h"
#include "cli/conversation.h"

/* Sets one; the value "default" takes back what was set. On failure nothing has changed. */
phial_status ph_chat_set(ph_chat *chat, ph_str name, ph_str value, phial_error *err);
void ph_chat_list_settings(const ph_chat *chat);

/* what: "settings" (also nothing), "history", "prompt", "preset", "model". */
phial_status ph_chat_show(const ph_chat *chat, ph_str what, phial_error *err);

#endif
