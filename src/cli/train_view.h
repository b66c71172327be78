/* What the two commands of training show on the way. */
#ifndef PH_CLI_TRAIN_VIEW_H
#define PH_CLI_TRAIN_VIEW_H

#include "cli/cli_io.h"

typedef struct ph_train_stage {
    ph_progress bar;
    const char *name; /* NULL: none yet */
} ph_train_stage;

/* phial_train_progress_fn; user: ph_train_stage. False once Ctrl-C was pressed. */
bool ph_train_stage_step(void *user, const char *stage, uint64_t done, uint64_t total);
/* phial_train_log_fn: a line on standard error. */
void ph_train_say(void *user, int level, const char *line);

#endif
