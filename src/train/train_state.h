/* The checkpoint of a run: one safetensors file, whole or not at all.
 *
 * Tensors: each parameter under its name, its moments as "m.<name>" and "v.<name>" (F32), and the
 * log as "history" (F64). The rest is in __metadata__, as text: the optimizer's step, the position
 * in the data, what was best, the identity of the examples, and a hash of all tensors, by which a
 * damaged file is known. The random numbers need no state: they are a function of seed and
 * position.
 */
#ifndef PH_TRAIN_TRAIN_STATE_H
#define PH_TRAIN_TRAIN_STATE_H

#include "train/train_log.h"
#include "train/trainee.h"

typedef struct ph_train_state {
    uint64_t epoch, index; /* of the next example */
    uint64_t n_tokens;     /* seen so far */
    uint64_t n_steps;      /* of the whole run */
    uint64_t corpus;       /* ph_corpus_hash() */
    double best_loss;      /* NaN: not looked yet */
    uint64_t best_step;
    uint64_t n_worse; /* looks since the best one */
} ph_train_state;

phial_status ph_train_state_save(const char *path, const ph_trainee *trainee,
                                 const ph_train_state *state, const ph_train_log *history,
                                 phial_error *err);
/* Into a trainee of the same shape: BAD_INPUT, with the tensor, where the file is of another one,
 * damaged, or no checkpoint; the trainee is worthless then. history: empty before. */
phial_status ph_train_state_load(const char *path, ph_trainee *trainee, ph_train_state *state,
                                 ph_train_log *history, phial_error *err);

#endif
