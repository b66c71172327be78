/* Help texts, made from the commands' tables. */
#ifndef PH_CLI_USAGE_H
#define PH_CLI_USAGE_H

#include "base/buf.h"
#include "cli/cmd.h"

/* All commands, one line each. */
void ph_usage_overview(ph_buf *out);

/* The commands whose first word this is, one line each. */
void ph_usage_family(ph_buf *out, const char *family);

/* "phial tokenize -m MODEL [options] [TEXT]" */
void ph_usage_line(ph_buf *out, const ph_cmd_row *row);

/* An option's phrase, what its value may be, and what it is when not given. */
void ph_usage_option(ph_buf *out, const ph_opt *opt);

/* Everything about one command. */
void ph_usage_command(ph_buf *out, const ph_cmd_row *row);

#endif
