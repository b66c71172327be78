/* Dense search: the set of vectors that is in use, its images, nearest chunks. All inside a reading
 * transaction. */
#ifndef PH_RAG_COLLECTION_DENSE_H
#define PH_RAG_COLLECTION_DENSE_H

#include "rag/collection_search.h"
#include "rag/collection_vectors.h"

/* From so many chunks on a search is over bits, unless it must be exact. */
#define PH_DENSE_LARGE 300000

void ph_dense_free(struct ph_dense *dense); /* NULL is fine */

/* The set in use, NULL if there is none; borrowed until the next call. */
phial_status ph_dense_set(phial_collection *c, const ph_vector_set **set, phial_error *err);

/* The query's vector as it is compared; *out [dim] is owned. ARGUMENT if there are no vectors, or
 * the embedder is another. */
phial_status ph_dense_query(phial_collection *c, phial_embedder *e, phial_text query, float **out,
                            phial_error *err);

typedef struct ph_dense_search_for {
    const float *vector; /* as ph_dense_query() gives it */
    size_t k;
    phial_metric metric;
    bool exact;
    const ph_chunk_ranges *ranges;
} ph_dense_search_for;

/* The best k chunks, best first; *out is owned. */
phial_status ph_dense_search(phial_collection *c, const ph_dense_search_for *what, ph_scored **out,
                             size_t *n, phial_error *err);

/* Vectors of chunks as they are compared, [n][dim]; zeros for a chunk that has none. */
phial_status ph_dense_rows(phial_collection *c, const int64_t *chunks, size_t n, float *rows,
                           phial_error *err);

#endif
