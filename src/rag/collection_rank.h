/* Ranking with any numbers, for search and for measurements, and reading the chunks it finds. */
#ifndef PH_RAG_COLLECTION_RANK_H
#define PH_RAG_COLLECTION_RANK_H

#include "rag/collection_search.h"
#include "rag/lex_score.h"

phial_status ph_lex_rank(phial_collection *c, const ph_lex_query *q, const ph_lex_params *params,
                         const ph_chunk_ranges *ranges, size_t k, ph_scored **out, size_t *n,
                         phial_error *err);

/* The text of a chunk, its document and place; texts are copied into `out` one after the other. */
typedef struct ph_chunk_place {
    int64_t doc;
    uint32_t page;
    uint64_t start, end;
    size_t context, n_context, text, n_text; /* in out */
} ph_chunk_place;

/* with_context: the headings too. */
phial_status ph_chunk_read(phial_collection *c, int64_t id, bool with_context, ph_buf *out,
                           ph_chunk_place *place, phial_error *err);

/* Appends the name of a document. */
phial_status ph_document_name(phial_collection *c, int64_t doc, ph_buf *out, phial_error *err);

#endif
