/* Every activation of one sequence, collected and written as safetensors under the names of the
 * golden data: debug.seq<N>.embed, debug.seq<N>.layer<i>.<tensor>, debug.seq<N>.final_norm.
 * Caches and probabilities are by head there: [heads][n][...]. All of it is kept in memory until it
 * is written. */
#ifndef PH_CLI_ACTIVATION_DUMP_H
#define PH_CLI_ACTIVATION_DUMP_H

#include "phial/session.h"

typedef struct ph_dump ph_dump;

/* The activations that the golden data has names for. */
#define PH_DUMP_ACTIVATIONS (PHIAL_ACT_ALL & ~(1u << PHIAL_ACT_ATTN | 1u << PHIAL_ACT_GELU))

/* n_tokens: length of the whole sequence. */
phial_status ph_dump_new(ph_dump **out, const phial_model *model, size_t n_tokens,
                         phial_error *err);
void ph_dump_free(ph_dump *dump);

/* A phial_tap_fn; user is the ph_dump. A shortage of memory shows in ph_dump_write(). */
void ph_dump_see(void *user, const phial_activation_event *event);

phial_status ph_dump_write(const ph_dump *dump, const char *path, phial_error *err);

#endif
