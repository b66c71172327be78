/* Vectors as a collection keeps them: which embedder made them, and each with its checksum.
 *
 * `embedders` and `embedder_facts` say what made them. The setting "embedder" names the one that is
 * searched, "embedder_next" one whose vectors are being made to take its place; "vectors_through"
 * and "vectors_through_next" are ids of chunks: what lies below has been embedded. "collection" is
 * a random number that a collection is known by, "vector_stamp" one that is drawn anew whenever a
 * vector comes or goes. The fact "fast" is 0 for exact arithmetic, otherwise the version of the
 * fast one (ph_embedder_fast_version()), which is part of the embedder's hash too. A vector is
 * little-endian f32, then XXH3-64 of these bytes, seeded with its chunk's id.
 */
#ifndef PH_RAG_COLLECTION_VECTORS_H
#define PH_RAG_COLLECTION_VECTORS_H

#include "base/hash.h"
#include "phial/vectors.h"
#include "rag/collection_db.h"

#define PH_VECTOR_DIM_MAX  65536
#define PH_VECTOR_SUM      8 /* bytes of checksum behind a vector */
#define PH_VECTOR_RECIPE   1 /* what of a chunk is embedded: ph_vector_text() */
#define PH_VECTOR_PATH_MAX (64u << 10)

/* How the two rankings of hybrid search become one. */
typedef struct ph_fusion {
    bool rrf;     /* by ranks; otherwise by scores as shares of their range */
    double dense; /* weight of vectors, 0 .. 1; words have the rest */
} ph_fusion;

#define PH_FUSION_DEFAULT ((ph_fusion){.rrf = false, .dense = 0.5})

/* An embedder's row with its facts, checked. */
typedef struct ph_vector_set {
    int64_t id;
    char *name, *path, *query, *passage; /* owned */
    phial_pooling pooling;
    char hash[PHIAL_FINGERPRINT_BYTES];
    uint32_t dim, n_ctx;
    bool normalized;
    uint32_t fast;              /* 0: exact arithmetic; otherwise which version of the fast one */
    phial_whiten whiten;        /* what is wanted */
    phial_whitening *whitening; /* owned; NULL: none, or not fitted yet */
    uint64_t whitening_sum;     /* its checksum; 0 without one */
    uint64_t whitening_n;       /* vectors there were when it was fitted */
    ph_fusion fusion;
    bool fusion_chosen;
    uint64_t fusion_n; /* vectors there were then */
} ph_vector_set;

/* The id in the setting: 0 if there is none. next: the one that is being made. */
phial_status ph_vector_set_id(phial_collection *c, bool next, int64_t *id, phial_error *err);
/* Inside a transaction. PHIAL_ERR_BAD_INPUT if the row is missing or cannot be,
 * PHIAL_ERR_UNSUPPORTED if its vectors are of other texts than this program's: it is lost then.
 */
phial_status ph_vector_set_read(phial_collection *c, int64_t id, ph_vector_set *set,
                                phial_error *err);
/* Only the fusion, which changes without the vectors. */
phial_status ph_vector_set_read_fusion(phial_collection *c, ph_vector_set *set, phial_error *err);
void ph_vector_set_free(ph_vector_set *set);
/* Whether reading a set failed by what it says, which making all vectors anew mends. */
static inline bool ph_vector_set_lost(phial_status status)
{
    return status == PHIAL_ERR_BAD_INPUT || status == PHIAL_ERR_UNSUPPORTED;
}
/* Inside a writing transaction: a new row for the embedder, with where its model is. */
phial_status ph_vector_set_add(phial_collection *c, phial_embedder *e, phial_whiten whiten,
                               int64_t *id, phial_error *err);
/* Inside a writing transaction: the row, its facts, its vectors. */
phial_status ph_vector_set_drop(phial_collection *c, int64_t id, phial_error *err);
/* Likewise of every other set, those that nothing names any more included. */
phial_status ph_vector_set_drop_others(phial_collection *c, int64_t id, phial_error *err);
/* PHIAL_ERR_ARGUMENT with the reason if the embedder is another than the set's. */
phial_status ph_vector_set_same(phial_collection *c, const ph_vector_set *set, phial_embedder *e,
                                phial_error *err);

/* Facts: named bytes of an embedder. Missing ones are empty; a file of before they were there has
 * none. */
phial_status ph_fact_get(phial_collection *c, int64_t embedder, const char *name, ph_buf *out,
                         phial_error *err);
phial_status ph_fact_put(phial_collection *c, int64_t embedder, const char *name, ph_str value,
                         phial_error *err);

/* Inside a writing transaction: a new "vector_stamp". */
phial_status ph_vectors_changed(phial_collection *c, phial_error *err);
/* A random number above 0. */
int64_t ph_vector_random(void);

/* The cell's numbers [dim]; PHIAL_ERR_BAD_INPUT names the chunk whose length or checksum is wrong,
 * or which has a NaN or an infinity. */
phial_status ph_vector_decode(phial_collection *c, int64_t chunk, ph_str cell, float *out,
                              uint32_t dim, phial_error *err);
/* Why a cell is no vector of dim numbers; NULL if it is one. */
const char *ph_vector_fault(int64_t chunk, ph_str cell, uint32_t dim);
/* Inside a writing transaction. Nothing happens if the chunk is no longer there. */
phial_status ph_vector_put(phial_collection *c, int64_t chunk, int64_t embedder, const float *v,
                           uint32_t dim, ph_buf *scratch, phial_error *err);
/* *there is false if the chunk has none. */
phial_status ph_vector_get(phial_collection *c, int64_t chunk, const ph_vector_set *set, float *out,
                           bool *there, phial_error *err);

/* Chunks from the one on that the setting `mark` names. */
phial_status ph_vectors_waiting(phial_collection *c, const char *mark, uint64_t *n,
                                phial_error *err);
phial_status ph_vectors_count(phial_collection *c, int64_t embedder, int64_t *n, phial_error *err);

/* Appends what of a chunk is embedded: title, headings, text, a line each. */
phial_status ph_vector_text(phial_collection *c, int64_t chunk, ph_buf *out, phial_error *err);

#endif
