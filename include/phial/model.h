/* Models: opening the weights of a language model or an embedding model.
 *
 * A model is opened once and shared by any number of engines (phial/session.h). Opening maps the
 * files and checks everything they claim; the weights stay in the mapping and are read from there.
 * Accepted: a GGUF file (v2, v3; architecture "phi2" or "bert"), or a Hugging Face folder with
 * config.json and model.safetensors, single or sharded (model_type "phi", and the two older layouts
 * with fused Wqkv; "bert", which only phial/embed.h runs).
 *
 * Files must not change while a model is open. If one becomes shorter, computing ends with
 * PHIAL_ERR_FILE_CHANGED: the library then has a SIGBUS handler installed (for as long as a model
 * is open) that passes on whatever is not about its own files.
 *
 * Ownership: phial_model_open() gives an owned handle; close it after every engine made from it.
 * Threads: a model is immutable; any thread may use it at any time.
 */
#ifndef PHIAL_MODEL_H
#define PHIAL_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "phial/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct phial_model phial_model;

typedef struct phial_model_options {
    size_t size; /* sizeof(phial_model_options), set by phial_model_options_default() */
    /* Lines worth telling (a missing optional value, ...), level 0 debug, 1 info, 2 warning; may be
     * NULL. Called on the opening thread. */
    void (*log)(void *user, int level, const char *line);
    void *log_user;
} phial_model_options;

PHIAL_API void phial_model_options_default(phial_model_options *options);

/* path: a file or a folder. options may be NULL. Errors: IO, BAD_INPUT (the message names file,
 * place and fault), UNSUPPORTED (a tensor type or an architecture that cannot be computed),
 * NO_MEMORY. */
PHIAL_API phial_status phial_model_open(phial_model **out, const char *path,
                                        const phial_model_options *options, phial_error *err);
PHIAL_API void phial_model_close(phial_model *model); /* NULL is fine */

/* What a model is. Counts are elements, not bytes. Strings are borrowed from the model. */
typedef struct phial_model_info {
    size_t size; /* sizeof(phial_model_info), set by the caller */
    const char *path;
    const char *arch;        /* "phi2", "bert" */
    const char *weight_type; /* type of most of the weights: "F16", "Q8_0", ... */
    uint32_t n_vocab;
    uint32_t n_embd;
    uint32_t n_layer;
    uint32_t n_head;
    uint32_t n_head_kv;
    uint32_t head_dim;
    uint32_t n_rot;     /* rotated dimensions of each head; 0: positions are learned */
    uint32_t n_ff;      /* width of the feed-forward layer */
    uint32_t n_ctx_max; /* positions the model was made for */
    uint64_t n_params;
    double bits_per_weight;
    double norm_epsilon;
    double rope_theta;
} phial_model_info;

PHIAL_API phial_status phial_model_get_info(const phial_model *model, phial_model_info *info,
                                            phial_error *err);

/* 32 lower-case hexadecimal digits and a NUL that identify the weights: a hash over shapes, types
 * and a sample of every tensor's bytes (not over all of them, which would take seconds). */
#define PHIAL_FINGERPRINT_BYTES 33
PHIAL_API phial_status phial_model_fingerprint(const phial_model *model,
                                               char out[PHIAL_FINGERPRINT_BYTES], phial_error *err);

#ifdef __cplusplus
}
#endif

#endif
