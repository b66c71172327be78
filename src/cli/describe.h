/* Man pages and shell completions, made from the commands' tables. */
#ifndef PH_CLI_DESCRIBE_H
#define PH_CLI_DESCRIBE_H

#include "base/buf.h"
#include "cli/cmd.h"

/* phial(1): what there is. */
void ph_describe_man_overview(ph_buf *out, const char *version);
/* phial-NAME(1). */
void ph_describe_man(ph_buf *out, const ph_cmd_row *row, const char *version);

/* A completion script: "bash", "zsh" or "fish"; false for another shell. */
bool ph_describe_completion(ph_buf *out, const char *shell);

#endif
