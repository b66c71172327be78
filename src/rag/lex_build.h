/* Making the full-text index of some chunks in memory: blocks and the table of lengths.
 *
 * A builder takes chunks one after the other and is then ended: it hands out the blocks and is
 * empty again. Its memory grows with what was put in; ph_lex_builder_bytes() tells when to end it.
 * Threads: a builder belongs to one thread.
 */
#ifndef PH_RAG_LEX_BUILD_H
#define PH_RAG_LEX_BUILD_H

#include "rag/lex_block.h"

/* A run of this many chunks of a document is a section: what stands in the neighbourhood of a chunk
 * counts a little for it. */
#define PH_LEX_SECTION_CHUNKS 16

typedef struct ph_lex_builder ph_lex_builder;

phial_status ph_lex_builder_new(ph_lex_builder **out, phial_error *err);
void ph_lex_builder_free(ph_lex_builder *b);

/* What stands for a document's headings in each of its chunks: title, and the name of its file.
 * Copied. */
phial_status ph_lex_builder_title(ph_lex_builder *b, ph_str title, phial_error *err);
/* The next chunk: its text, and the headings above it. *length gets the lengths; its id is not
 * set. */
phial_status ph_lex_builder_add(ph_lex_builder *b, ph_str text, ph_str context,
                                ph_lex_chunk *length, phial_error *err);
uint32_t ph_lex_builder_count(const ph_lex_builder *b);
size_t ph_lex_builder_bytes(const ph_lex_builder *b);
/* Hands all blocks to emit in order and forgets the chunks, but not the title. */
phial_status ph_lex_builder_end(ph_lex_builder *b,
                                phial_status (*emit)(void *user, ph_str first, ph_str block,
                                                     phial_error *err),
                                void *user, phial_error *err);
/* A number for the terms of the chunk just added, whatever their order: the sum over terms of a
 * hash of (chunk id, term, times). What check compares the index with. */
uint64_t ph_lex_builder_sum(const ph_lex_builder *b, int64_t chunk_id);
uint64_t ph_lex_posting_sum(int64_t chunk_id, ph_str term, uint32_t body, uint32_t head);

#endif
