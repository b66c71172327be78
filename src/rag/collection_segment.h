/* What the two halves of collection_lex.h share: rows of the tables segments and postings. */
#ifndef PH_RAG_COLLECTION_SEGMENT_H
#define PH_RAG_COLLECTION_SEGMENT_H

#include "rag/collection_lex.h"

/* By bytes, a beginning before what goes on. */
int ph_lex_term_order(ph_str a, ph_str b);

/* The segments without what is in them; then the chunks of one; then who is dead of all that have
 * their chunks. */
phial_status ph_lex_segments_list(phial_collection *c, ph_lex_view *view, phial_error *err);
phial_status ph_lex_segment_load(phial_collection *c, ph_lex_segment *s, phial_error *err);
void ph_lex_segment_unload(ph_lex_segment *s);
phial_status ph_lex_bury_all(phial_collection *c, ph_lex_view *view, phial_error *err);

phial_status ph_lex_block_put(phial_collection *c, int64_t segment, ph_str first, ph_str block,
                              phial_error *err);
phial_status ph_lex_chunks_put(phial_collection *c, int64_t id, uint32_t level,
                               const ph_lex_chunk *chunks, uint32_t n, phial_error *err);

/* PH_LEX_SEGMENT_CHUNKS, or what a test has set. */
uint32_t ph_lex_segment_most(const phial_collection *c);

#endif
