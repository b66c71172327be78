/* Many prompts answered as one batch: JSON lines in, JSON lines out, in the order of the input. */
#ifndef PH_CLI_GEN_BATCH_H
#define PH_CLI_GEN_BATCH_H

#include "cli/gen_setup.h"

/* Limits. */
#define PH_BATCH_FILE_BYTES ((size_t)256 << 20)
#define PH_BATCH_LINES_MAX  1000000

/* A line is an object with "prompt" (a text) or "ids" (token ids), and as it likes "id" (any value,
 * else the number of the line), "system", "seed", "n", "max_length", "stop" (a text or texts),
 * "samplers", and the sampling numbers by name. A member that is none of these is told once and
 * passed over, so that files made for other purposes will do.
 *
 * Each line's result is the object of COMMANDS with its "id" in front. Without a seed of its own a
 * line has that of the config plus its number, counted from 0. Answers are those that the lines
 * would get alone. A file that is malformed is refused before anything is computed; a line that
 * cannot be answered (too long, NaN) has {"id","error"} as its result, and the status is then that
 * of the first such line.
 *
 * At most config->n_seq sequences run together, fewer where memory is short; a sequence that ends
 * makes room for the next line. path "-" is standard input. */
phial_status ph_gen_batch(const ph_gen *gen, const ph_gen_config *config,
                          const phial_preset *preset, const char *path, size_t kv_bytes,
                          phial_error *err);

/* Ids from JSON or from the command line are checked against the model. */
phial_status ph_gen_check_id(const ph_gen *gen, int64_t id, phial_error *err);

#endif
