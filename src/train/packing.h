/* From examples to batches: shuffled anew for each epoch, packed one behind the other until the
 * next would not fit, so that nothing is padded. A batch may go on into the next epoch.
 *
 * Which batch comes is a function of the corpus, the seed and the position (epoch, index in its
 * order) alone: a position is all that a checkpoint has to keep.
 * Threads: one at a time.
 */
#ifndef PH_TRAIN_PACKING_H
#define PH_TRAIN_PACKING_H

#include "train/corpus.h"
#include "train/trainee.h"

typedef struct ph_packer {
    const ph_corpus *corpus;     /* borrowed */
    const ph_examples *examples; /* of the corpus: one of its two parts */
    uint64_t seed;
    bool once; /* a batch ends with the epoch: for looking at all examples and no more */
    size_t max_tokens;
    uint64_t epoch;
    size_t index;    /* next example, in the order of the epoch */
    uint32_t *order; /* owned; of `ordered_epoch` */
    uint64_t ordered_epoch;
    uint32_t *ids, *targets, *starts; /* owned; the batch */
    uint32_t *members;                /* owned; numbers of the batch's examples */
    size_t n_members;
} ph_packer;

/* max_tokens: at least the longest example. Examples: 1 .. 2^32 - 2. */
phial_status ph_packer_init(ph_packer *p, const ph_corpus *corpus, const ph_examples *examples,
                            uint64_t seed, bool once, size_t max_tokens, phial_error *err);
void ph_packer_free(ph_packer *p);

void ph_packer_seek(ph_packer *p, uint64_t epoch, size_t index);
/* The next batch; borrowed until the next call. */
void ph_packer_next(ph_packer *p, ph_train_batch *batch);
/* Moves as ph_packer_next() does, without making the batch. */
void ph_packer_skip(ph_packer *p);

/* Where the batch's examples come from, for messages: "a.jsonl:12, b.jsonl:3, ... (40 examples)".
 * Cut to fit. */
void ph_packer_describe(const ph_packer *p, char *out, size_t out_bytes);

#endif
