/* Embeddings: texts to vectors whose directions tell how near their meanings are.
 *
 * Two kinds of model serve: embedding models (BERT: all-MiniLM-L6-v2, bge, e5, gte), which were
 * trained for it, and language models (Phi), whose last hidden state or logits are pooled.
 *
 * Same bits always: on one machine and one set of CPU features a text's vector does not depend on
 * the number of threads, on the texts beside it, or on their order. This holds within an arithmetic
 * mode.
 *
 * Texts that are longer than the model's limit are split into equal parts; the vector is the mean
 * of the parts' vectors, each counted by its tokens, and the caller is told. Special tokens in a
 * text ("[SEP]", "<|endoftext|>") are plain text.
 *
 * Ownership: phial_embedder_open() gives an owned handle with its model, tokenizer and threads.
 * Threads: an embedder belongs to one thread at a time; only phial_embedder_cancel() may be called
 * from any other.
 */
#ifndef PHIAL_EMBED_H
#define PHIAL_EMBED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phial/error.h"
#include "phial/model.h"
#include "phial/session.h"
#include "phial/text.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct phial_embedder phial_embedder;

/* How the vectors of a text's tokens become one. */
typedef enum phial_pooling {
    PHIAL_POOL_AUTO = 0,        /* what the model's files say, otherwise MEAN */
    PHIAL_POOL_MEAN = 1,        /* of the last hidden states */
    PHIAL_POOL_LAST = 2,        /* the last token's */
    PHIAL_POOL_WEIGHTED = 3,    /* their mean, the i-th counted i + 1 times */
    PHIAL_POOL_MEAN_LOGITS = 4, /* the mean of the logits: as wide as the vocabulary */
    PHIAL_POOL_CLS = 5          /* the first token's; embedding models only */
} phial_pooling;

/* "mean", "last", "weighted", "mean-logits", "cls", "auto"; NULL for an unknown one. */
PHIAL_API const char *phial_pooling_name(phial_pooling pooling);

/* Some models were trained with a few words in front of a text that say what it is. */
typedef enum phial_embed_as {
    PHIAL_EMBED_PLAIN = 0, /* nothing in front */
    PHIAL_EMBED_QUERY = 1, /* what the model wants before questions, perhaps nothing */
    PHIAL_EMBED_PASSAGE = 2
} phial_embed_as;

typedef enum phial_normalize {
    PHIAL_NORMALIZE_AUTO = 0, /* what the model's files say, otherwise NO */
    PHIAL_NORMALIZE_NO = 1,
    PHIAL_NORMALIZE_YES = 2 /* to Euclidean length 1; a zero vector is PHIAL_ERR_NUMERIC */
} phial_normalize;

typedef struct phial_embedder_options {
    size_t size;               /* set by phial_embedder_options_default() */
    phial_pooling pooling;     /* default AUTO */
    phial_normalize normalize; /* default AUTO */
    phial_math math;   /* AUTO: FAST if most of the model's bytes are quantized. FAST makes int8 of
                          an embedding model's weights at opening where they are not quantized. */
    int n_threads;     /* 0 (default): what the CPU mask and the cgroup quota allow; at most 512 */
    uint32_t n_ctx;    /* tokens of a text, or of a part of it, special ones counted; 0 (default):
                          the model's limit; for language models at most 2048 of it */
    uint32_t n_batch;  /* tokens run through the model together, 16 .. 16384; default 1024 */
    const char *query; /* stands before queries; NULL (default): the model's own */
    const char *passage; /* before passages */
} phial_embedder_options;

PHIAL_API void phial_embedder_options_default(phial_embedder_options *options);

/* path: a model with its tokenizer, as phial_model_open() takes it. options may be NULL. Errors: as
 * phial_model_open() and phial_tokenizer_open(); ARGUMENT for a pooling that the model does not
 * have. */
PHIAL_API phial_status phial_embedder_open(phial_embedder **out, const char *path,
                                           const phial_embedder_options *options, phial_error *err);
PHIAL_API void phial_embedder_close(phial_embedder *embedder); /* NULL is fine */

/* Numbers in a vector. */
PHIAL_API uint32_t phial_embedder_dim(const phial_embedder *embedder);
/* What AUTO came to. */
PHIAL_API phial_pooling phial_embedder_pooling(const phial_embedder *embedder);
PHIAL_API bool phial_embedder_normalizes(const phial_embedder *embedder);
PHIAL_API phial_math phial_embedder_math(const phial_embedder *embedder);
PHIAL_API uint32_t phial_embedder_n_ctx(const phial_embedder *embedder);
/* What stands before a text; never NULL. Borrowed. */
PHIAL_API const char *phial_embedder_prefix(const phial_embedder *embedder, phial_embed_as as);
/* The model; borrowed. */
PHIAL_API const phial_model *phial_embedder_model(const phial_embedder *embedder);

/* 32 hexadecimal digits and a NUL that tell which vectors belong together: a hash over the weights,
 * pooling, normalization, arithmetic (exact, or which version of the fast one), limit and prefixes.
 * Threads and batch play no part, nor does the CPU, except that those without int8 panels (ARM's)
 * have another fast arithmetic. The first call reads all weights. */
PHIAL_API phial_status phial_embedder_fingerprint(phial_embedder *embedder,
                                                  char out[PHIAL_FINGERPRINT_BYTES],
                                                  phial_error *err);

/* What a run did. */
typedef struct phial_embed_stats {
    size_t size;       /* sizeof(phial_embed_stats), set by the caller */
    uint64_t n_tokens; /* special ones and prefixes counted */
    uint64_t n_split;  /* texts that were longer than the limit */
} phial_embed_stats;

/* vectors [n_texts][dim]. n_parts [n_texts] may be NULL: in how many parts each text was run, 1
 * unless it was split. stats may be NULL. Errors name the text by its place, from 1 on: BAD_INPUT
 * (a text without tokens, where the model needs one), LIMIT (more than PHIAL_TEXT_MAX bytes),
 * NUMERIC (NaN or infinity, with the weight it comes from if it does; a zero vector that was to be
 * normalized), CANCELLED, FILE_CHANGED, NO_MEMORY. On error the vectors are undefined. */
PHIAL_API phial_status phial_embed(phial_embedder *embedder, float *vectors, uint32_t *n_parts,
                                   const phial_text *texts, size_t n_texts, phial_embed_as as,
                                   phial_embed_stats *stats, phial_error *err);

/* Any thread: the running call (or, if none runs, the next) stops within a layer's time with
 * PHIAL_ERR_CANCELLED. */
PHIAL_API void phial_embedder_cancel(phial_embedder *embedder);

/* --- whitening --------------------------------------------------------------------------------
 *
 * Vectors of a language model nearly all point the same way. Taking away the mean of a collection's
 * vectors, and making their coordinates uncorrelated and of equal spread, lets what is left tell
 * them apart. It is fitted on a set of vectors and then applied to those and to the queries'. */

typedef struct phial_whitening phial_whitening;

typedef enum phial_whitening_kind {
    PHIAL_WHITEN_CENTRE = 0, /* x - mean */
    PHIAL_WHITEN_FULL = 1    /* L^-1 (x - mean), L L^T the covariance (shrunk, see below) */
} phial_whitening_kind;

#define PHIAL_WHITENING_DIM_MAX 4096

/* vectors [n][dim], n >= 2, dim at most PHIAL_WHITENING_DIM_MAX for FULL. shrink in 0 .. 1: how far
 * the covariance is moved towards a multiple of the identity before it is inverted; negative:
 * chosen by n and dim. Errors: ARGUMENT; NUMERIC for NaN and infinity (the vector is named), or a
 * covariance without an inverse. */
PHIAL_API phial_status phial_whitening_fit(phial_whitening **out, phial_whitening_kind kind,
                                           const float *vectors, size_t n, size_t dim,
                                           double shrink, phial_error *err);
PHIAL_API void phial_whitening_free(phial_whitening *whitening);
PHIAL_API size_t phial_whitening_dim(const phial_whitening *whitening);

/* In place on n vectors of dim numbers; ARGUMENT if dim is not the one it was fitted with. */
PHIAL_API phial_status phial_whitening_apply(const phial_whitening *whitening, float *vectors,
                                             size_t n, size_t dim, phial_error *err);

/* As bytes, to be kept wherever the vectors are kept: bytes NULL asks for the size. */
PHIAL_API phial_status phial_whitening_save(const phial_whitening *whitening, void *bytes,
                                            size_t cap, size_t *n_bytes, phial_error *err);
/* Checks length, version and checksum. */
PHIAL_API phial_status phial_whitening_load(phial_whitening **out, const void *bytes,
                                            size_t n_bytes, phial_error *err);

#ifdef __cplusplus
}
#endif

#endif
