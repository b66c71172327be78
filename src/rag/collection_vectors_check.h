/* The part of phial_collection_check() that looks at vectors. */
#ifndef PH_RAG_COLLECTION_VECTORS_CHECK_H
#define PH_RAG_COLLECTION_VECTORS_CHECK_H

#include "rag/collection_vectors.h"

/* Inside a reading transaction. Counts n_vectors and n_bad_vectors; what is wrong is told as FAILED
 * events, a document's by its name, once. */
phial_status ph_vectors_check(phial_collection *c,
                              void (*event)(void *user, const phial_index_event *event), void *user,
                              phial_check_result *result, phial_error *err);

#endif
