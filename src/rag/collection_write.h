/* Writing one document: a transaction from begin to end, nothing of it if it does not come to its
 * end. And its checksum, which check computes again from what was read.
 */
#ifndef PH_RAG_COLLECTION_WRITE_H
#define PH_RAG_COLLECTION_WRITE_H

#include "base/hash.h"
#include "rag/collection_db.h"
#include "rag/lex_block.h"

/* What is known of a document beside its text. All borrowed. */
typedef struct ph_doc_facts {
    ph_str name;
    ph_str source; /* absolute path; empty: it is no file */
    ph_str origin; /* absolute path of the JSONL file; empty: none */
    uint64_t bytes;
    int64_t mtime_ns;
    ph_hash128 hash;
    int64_t recipe; /* how the text was made: other recipe, other chunks */
    ph_str format, title, author, language, notes, metadata;
} ph_doc_facts;

typedef struct ph_doc_counts {
    uint64_t n_pages, n_chunks, n_tokens;
} ph_doc_counts;

/* Hash over pages, chunks and facts, each in their order: lengths before texts, little-endian. */
typedef struct ph_doc_sum {
    ph_hasher *pages, *chunks;
} ph_doc_sum;

phial_status ph_doc_sum_new(ph_doc_sum *sum, phial_error *err);
void ph_doc_sum_free(ph_doc_sum *sum);
void ph_doc_sum_page(ph_doc_sum *sum, uint32_t number, ph_str label, ph_str text);
void ph_doc_sum_chunk(ph_doc_sum *sum, uint32_t page, uint64_t start, uint64_t end,
                      uint32_t n_tokens, uint32_t kind, ph_str context);
/* 16 bytes; NO_MEMORY. */
phial_status ph_doc_sum_end(ph_doc_sum *sum, const ph_doc_facts *facts, const ph_doc_counts *counts,
                            uint8_t out[16], phial_error *err);

typedef struct ph_doc_writer {
    phial_collection *c;
    int64_t id, first_chunk;
    ph_doc_counts counts;
    ph_doc_sum sum;
    bool open;
} ph_doc_writer;

phial_status ph_doc_begin(ph_doc_writer *w, phial_collection *c, phial_error *err);
phial_status ph_doc_put_page(ph_doc_writer *w, uint32_t number, ph_str label, ph_str text,
                             phial_error *err);
phial_status ph_doc_put_chunk(ph_doc_writer *w, uint32_t page, uint64_t start, uint64_t end,
                              uint32_t n_tokens, uint32_t kind, ph_str context, phial_error *err);
/* Index of chunks first_in_doc, first_in_doc + 1, ... of the document: ph_lex_segment_put(). */
phial_status ph_doc_put_segment(ph_doc_writer *w, uint64_t first_in_doc, ph_lex_chunk *chunks,
                                uint32_t n, ph_str blocks, phial_error *err);
/* replaces: the document that goes; 0: none. Commits. */
phial_status ph_doc_end(ph_doc_writer *w, const ph_doc_facts *facts, int64_t replaces,
                        phial_error *err);
void ph_doc_abort(ph_doc_writer *w);

/* Inside a writing transaction: the document and all that is its own. */
phial_status ph_doc_delete(phial_collection *c, int64_t id, phial_error *err);

/* A row of DOC_ROW or DOC_ROWS, checked; texts are borrowed from the statement. */
typedef struct ph_doc_row {
    int64_t id, first_chunk;
    ph_doc_facts facts;
    ph_doc_counts counts;
    ph_str checksum;
} ph_doc_row;

phial_status ph_doc_row_read(phial_collection *c, sqlite3_stmt *s, ph_doc_row *row,
                             phial_error *err);
static inline int64_t ph_page_id(int64_t doc, uint32_t number)
{
    return doc << PH_PAGES_BITS | number;
}

/* What stands for the title in the index: title, or name of the file without folder and ending, and
 * both if there are both. */
phial_status ph_doc_heading(ph_buf *out, const ph_doc_facts *facts, phial_error *err);

#endif
