/* Vectors of a collection: made by an embedder, kept in the collection, searched beside words.
 *
 * A collection remembers which embedder made its vectors (hash over weights, pooling,
 * normalization, arithmetic with its version, limit, prefixes) and refuses another. Vectors are
 * written while the embedder goes on; a process that is killed loses at most some seconds of work,
 * and the next call goes on where it was.
 *
 * phial_search_options has the embedder for queries, the metric and what else belongs to a search.
 * What is scanned is derived from the vectors: an image in the user's cache folder
 * ($XDG_CACHE_HOME/phial, otherwise ~/.cache/phial), which is made again when it is missing, of
 * other vectors, or damaged. Where no image can be written, one is made in $TMPDIR (or /tmp) for
 * the time the collection is open.
 *
 * Threads: as collection.h; an embedder belongs to one thread at a time, too.
 */
#ifndef PHIAL_VECTORS_H
#define PHIAL_VECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phial/collection.h"
#include "phial/embed.h"
#include "phial/error.h"
#include "phial/session.h"
#include "phial/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is done to vectors before they are compared, fitted on the collection. The vectors that are
 * kept stay as the embedder made them. */
typedef enum phial_whiten {
    PHIAL_WHITEN_AS_IT_WAS = 0, /* at first none */
    PHIAL_WHITEN_NONE = 1,
    PHIAL_WHITEN_MEAN = 2, /* their mean is taken away */
    PHIAL_WHITEN_ALL = 3   /* and their coordinates are made uncorrelated and of equal spread; for
                              at most PHIAL_WHITENING_DIM_MAX dimensions */
} phial_whiten;

/* "none", "centre", "full"; NULL for anything else. */
PHIAL_API const char *phial_whiten_name(phial_whiten whiten);

typedef struct phial_vectors_info {
    size_t size;     /* set by the caller: sizeof */
    bool count;      /* set by the caller: n_vectors is wanted, for which all are gone through */
    bool present;    /* the collection has an embedder; else all below is 0 or empty */
    phial_text name; /* the embedder's file or folder; any bytes; borrowed until the collection is
                        used again */
    phial_text path; /* where it was */
    char hash[PHIAL_FINGERPRINT_BYTES]; /* phial_embedder_fingerprint() */
    phial_pooling pooling;
    phial_math math;
    bool normalized;
    phial_text query, passage; /* prefixes */
    uint32_t dim, n_ctx;
    phial_whiten whiten;
    bool fusion_by_ranks; /* hybrid: by ranks, or by scores as shares of their range */
    double dense_share;   /* hybrid: weight of vectors, 0 .. 1 */
    bool fusion_measured; /* these were chosen by measurement on this collection */
    uint64_t n_vectors;   /* of this embedder; 0 unless they were to be counted */
    uint64_t n_waiting;   /* chunks that no call of phial_collection_embed() has come to */
    bool remaking;        /* vectors that shall take the place of these are half made */
} phial_vectors_info;

PHIAL_API phial_status phial_collection_get_vectors(phial_collection *collection,
                                                    phial_vectors_info *info, phial_error *err);

/* Opens the collection's embedder for queries or further documents, as it was when the vectors were
 * made: at path, or (NULL) where it was, or by its name beside the collection or in the working
 * folder. options may be NULL; what is AUTO, 0 or NULL in them is as the collection has it. Errors:
 * ARGUMENT if the collection has no vectors, if the embedder is not found, or if it is another one
 * than that which made the vectors; the sentence says what differs. */
PHIAL_API phial_status phial_collection_open_embedder(phial_collection *collection,
                                                      phial_embedder **out, const char *path,
                                                      const phial_embedder_options *options,
                                                      phial_error *err);

/* The same for making all vectors anew (phial_vectors_options.again): whatever is there now is
 * opened, also if it is no longer what made the vectors. */
PHIAL_API phial_status phial_collection_open_embedder_anew(phial_collection *collection,
                                                           phial_embedder **out, const char *path,
                                                           const phial_embedder_options *options,
                                                           phial_error *err);

typedef struct phial_vectors_progress {
    uint64_t done, total; /* chunks of this call */
    uint64_t n_split;
} phial_vectors_progress;

typedef struct phial_vectors_options {
    size_t size; /* set by phial_vectors_options_default() */
    bool again; /* make all vectors anew, by this embedder, which may be another; the old ones serve
                   searches until all are there. A call that was interrupted is gone on with. */
    phial_whiten whiten;
    /* Both may be NULL. event: chunks that have no vector, by their document's name, and why.
     * progress: false stops (PHIAL_ERR_CANCELLED); what is done stays. */
    void (*event)(void *user, const phial_index_event *event);
    bool (*progress)(void *user, const phial_vectors_progress *progress);
    void *user;
} phial_vectors_options;

typedef struct phial_vectors_result {
    size_t size;         /* set by the caller: sizeof */
    uint64_t n_embedded; /* chunks */
    uint64_t n_split;    /* of these, longer than the embedder's limit: mean of their parts */
    uint64_t n_failed;   /* chunks that have no vector: no tokens, or a vector of zeros that was to
                            be normalized */
    uint64_t n_tokens;
} phial_vectors_result;

PHIAL_API void phial_vectors_options_default(phial_vectors_options *options);

/* Every chunk that no call has come to gets its vector; then whitening is fitted and the fusion of
 * hybrid search chosen, if enough is new. The first call fixes the embedder. Errors: those of the
 * collection and of phial_embed(), ARGUMENT for another embedder (with the reason), NUMERIC if the
 * embedder gives NaN or infinity, CANCELLED. */
PHIAL_API phial_status phial_collection_embed(phial_collection *collection,
                                              phial_embedder *embedder,
                                              const phial_vectors_options *options,
                                              phial_vectors_result *result, phial_error *err);

/* All vectors as NumPy float32 [n][dim] in rising order of their chunks; ids_path (NULL: none) gets
 * a line of JSON for each: {"chunk","doc","page","start","end"}. whitened: as they are compared,
 * otherwise as the embedder made them. ARGUMENT if there are none. */
PHIAL_API phial_status phial_collection_export_vectors(phial_collection *collection,
                                                       const char *npy_path, const char *ids_path,
                                                       bool whitened, phial_error *err);

/* --- re-ranking by a language model
 * ---------------------------------------------------------------
 */

typedef struct phial_rerank_cost {
    size_t n_hits;
    size_t n_tokens;    /* to be read */
    double est_seconds; /* by what the first of them took */
} phial_rerank_cost;

typedef struct phial_rerank_options {
    size_t size;                      /* set by phial_rerank_options_default() */
    size_t n;                         /* the first n hits are put in order; default 10 */
    phial_session *session;           /* needed: its context holds a passage and the query */
    const phial_tokenizer *tokenizer; /* needed */
    /* Told before it is paid; false: the hits stay as they are (PHIAL_ERR_CANCELLED). May be NULL.
     */
    bool (*cost)(void *user, const phial_rerank_cost *cost);
    void *user;
} phial_rerank_options;

PHIAL_API void phial_rerank_options_default(phial_rerank_options *options);

/* Puts the first hits in order of how probable the model finds the query behind each passage (mean
 * log-likelihood of the query's tokens; Sachan et al. 2022, "Improving passage retrieval with
 * zero-shot question generation"). Their scores become that; those behind them keep theirs.
 * Passages that are too long for the context are cut. Errors: ARGUMENT, CANCELLED, what the session
 * returns. */
PHIAL_API phial_status phial_hits_rerank(phial_hits *hits, phial_text query,
                                         const phial_rerank_options *options, phial_error *err);

#ifdef __cplusplus
}
#endif

#endif
