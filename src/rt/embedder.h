/* Inside of embedders; contract in include/phial/embed.h. */
#ifndef PH_RT_EMBEDDER_H
#define PH_RT_EMBEDDER_H

#include <stdatomic.h>

#include "model/model_struct.h"
#include "phial/embed.h"
#include "phial/session.h"
#include "phial/tokenizer.h"
#include "rt/embed_hints.h"

/* Texts of a language model that run through it together. */
#define PH_EMBED_SLOTS 64

/* A text, or a part of a long one, as the model gets it. */
typedef struct ph_embed_part {
    size_t text;   /* whose vector it goes into */
    size_t first;  /* its ids in the embedder's list */
    size_t n;      /* ids */
    double weight; /* in the text's vector */
} ph_embed_part;

struct phial_embedder {
    phial_model *model;         /* owned */
    phial_tokenizer *tokenizer; /* owned; NULL only in tests that bring ids */
    phial_encoder *encoder;     /* owned */
    ph_kern kern;
    ph_pool *pool;        /* owned; of an embedding model */
    ph_encode_room *room; /* owned; of an embedding model, else NULL */
    phial_engine *engine; /* owned; of a language model, else NULL */
    phial_math math;
    phial_pooling pooling;
    bool normalize;
    uint32_t dim, n_ctx, n_batch;
    char *prefix[3]; /* owned; by phial_embed_as, "" where there is none */
    atomic_bool cancel;
    char fingerprint[PHIAL_FINGERPRINT_BYTES]; /* once it was asked for; else "" */
    /* Of the running call; kept for the next. */
    uint32_t *ids; /* owned: of the parts that wait, back to back */
    size_t n_ids, cap_ids;
    ph_embed_part *parts; /* owned */
    size_t n_parts, cap_parts;
    ph_encode_text *lists; /* owned, [cap_parts] */
    double *sums;          /* owned: [dim], for a language model [PH_EMBED_SLOTS][dim] */
};

/* As phial_embedder_open(), but a tokenizer need not be there. */
phial_status ph_embedder_open_bare(phial_embedder **out, const char *path,
                                   const phial_embedder_options *options, phial_error *err);

/* 0: exact arithmetic; otherwise the version of the fast one, whose bits differ from those of
 * others. Part of the fingerprint. */
uint32_t ph_embedder_fast_version(const phial_embedder *e);

/* As phial_embed(), for token ids that are complete, special ones included, none longer than
 * n_ctx; phial_embedder_normalizes() holds here too. */
phial_status ph_embed_ids(phial_embedder *e, float *vectors, const phial_tokens *texts, size_t n,
                          phial_error *err);

/* Name of the first tensor with a number that is NaN or infinite; NULL: there is none. The name is
 * borrowed from the model and has no NUL. PHIAL_ERR_NO_MEMORY. */
phial_status ph_model_find_not_finite(const phial_model *model, ph_str *name, phial_error *err);

#endif
