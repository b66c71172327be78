/* The options of a run: kept in a copy, written to run.json and read back, checked. */
#ifndef PH_TRAIN_TRAINING_OPTS_H
#define PH_TRAIN_TRAINING_OPTS_H

#include "base/mem.h"
#include "phial/train.h"

#define PH_TRAINING_MAX_PATHS 65536
#define PH_TRAINING_MAX_RUN   ((size_t)16 << 20) /* bytes of run.json */

/* *out: a copy whose texts lie in the arena. */
phial_status ph_training_opts_copy(phial_training_options *out, const phial_training_options *from,
                                   ph_arena *arena, phial_error *err);
/* ARGUMENT, with a sentence, where the options contradict each other or a number is out of range.
 */
phial_status ph_training_opts_check(const phial_training_options *o, phial_error *err);

phial_status ph_training_opts_write(const phial_training_options *o, const char *path,
                                    phial_error *err);
/* Replaces what a run.json keeps; texts go to the arena. */
phial_status ph_training_opts_read(phial_training_options *o, const char *path, ph_arena *arena,
                                   phial_error *err);

#endif
