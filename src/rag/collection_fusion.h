/* From a query to a ranking of chunks: by words, by vectors, by both; and thinning out what is
 * alike. All inside a reading transaction. */
#ifndef PH_RAG_COLLECTION_FUSION_H
#define PH_RAG_COLLECTION_FUSION_H

#include "rag/collection_dense.h"

/* Of each ranking so many chunks are fused at least, so that a chunk's score does not depend on how
 * many are asked for. */
#define PH_FUSION_DEPTH 1000

typedef struct ph_ranking {
    phial_search_mode mode; /* what it came to */
    ph_lex_query *lexical;  /* owned; NULL: by vectors only */
    float *vector;          /* owned; NULL: by words only */
    const ph_chunk_ranges *ranges;
    phial_metric metric;
    bool exact;
    ph_fusion fusion;
} ph_ranking;

/* What the options and the collection come to. ranges is borrowed. */
phial_status ph_ranking_make(ph_ranking *r, phial_collection *c, phial_text query,
                             const phial_search_options *o, const ph_chunk_ranges *ranges,
                             phial_error *err);
void ph_ranking_free(ph_ranking *r);

/* The best k, best first; *list is owned. Fewer than k: there are no more. */
phial_status ph_ranking_run(const ph_ranking *r, phial_collection *c, size_t k, ph_scored **list,
                            size_t *n, phial_error *err);

/* Two rankings become one, best first, with scores in 0 .. 1 (for ranks: of 1 / (60 + rank)). */
phial_status ph_fusion_join(const ph_fusion *f, const ph_scored *words, size_t n_words,
                            const ph_scored *vectors, size_t n_vectors, ph_scored **out, size_t *n,
                            phial_error *err);

/* Keeps k of n, one after the other the one that is best and least like those before it; scores
 * become that gain. */
phial_status ph_ranking_thin(phial_collection *c, ph_scored *list, size_t *n, size_t k,
                             double diversity, phial_error *err);

/* Chooses how words and vectors are fused in this collection, and keeps it: sentences of documents
 * are asked, and what should be found are the other chunks of the same documents. n_all: vectors
 * there are. going is asked before each sentence; false: CANCELLED, and nothing is kept. */
phial_status ph_fusion_choose(phial_collection *c, const ph_vector_set *set, phial_embedder *e,
                              uint64_t n_all, bool (*going)(void *user), void *user,
                              phial_error *err);

#endif
