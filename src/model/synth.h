/* Random models of the exact shape of a real one, so that speed and memory can be measured without
 * its weights. Weights are normally distributed with deviation 0.02, LayerNorm weights lie around
 * 1, so that activations stay as tame as those of a model before training. No tokenizer. The bytes
 * depend on shape, type and seed alone, not on the number of threads.
 */
#ifndef PH_MODEL_SYNTH_H
#define PH_MODEL_SYNTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/err.h"

typedef struct ph_synth_options {
    const char *like; /* a name of ph_synth_name() */
    ph_dtype type;    /* of the matrices: any whose block divides the rows */
    uint64_t seed;
    int n_threads; /* 0: as many as make sense */
    bool overwrite;
    /* May be NULL; false cancels (PHIAL_ERR_CANCELLED). */
    bool (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes);
    void *progress_user;
} ph_synth_options;

/* Names of the shapes; NULL behind the last. */
const char *ph_synth_name(size_t i);

/* Writes a GGUF file. */
phial_status ph_synth(const char *dst, const ph_synth_options *options, phial_error *err);

#endif
