/* The inside of a run; contract for users: phial/train.h. */
#ifndef PH_TRAIN_TRAINING_STRUCT_H
#define PH_TRAIN_TRAINING_STRUCT_H

#include "base/file.h"
#include "train/corpus.h"
#include "train/packing.h"
#include "train/train_state.h"
#include "train/training_opts.h"

struct phial_training {
    phial_training_options o; /* texts in the arena */
    ph_arena arena;
    ph_lock *lock;              /* owned */
    phial_tokenizer *tokenizer; /* owned */
    phial_preset *preset;       /* owned */
    const char *tokenizer_dir;  /* whose files go along with the model */
    ph_corpus corpus;
    ph_trainee *trainee; /* owned */
    uint32_t n_ctx;
    ph_packer train, held; /* held: unused without held-out examples */
    ph_train_state state;
    ph_train_log history;
    uint64_t first_step, last_saved; /* steps done when the run was opened, and saved */
    uint64_t eval_every, save_every, n_warmup;
    phial_training_end end;
    bool failed; /* a number was none: the weights are worthless */
    double tok_s;
};

/* A path below the run's folder, in the arena; NULL: no memory. */
const char *ph_training_path(phial_training *t, const char *name, phial_error *err);

/* After a step, or when a checkpoint was loaded: whether the run is over. */
void ph_training_find_end(phial_training *t);

#endif
