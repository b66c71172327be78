/* The headings above a place in a document: their path goes on over pages. */
#ifndef PH_RAG_CHUNK_HEADINGS_H
#define PH_RAG_CHUNK_HEADINGS_H

#include "base/buf.h"
#include "fmt/doc.h"

/* Six levels of headings, the scene of a screenplay, and who speaks. */
#define PH_HEADING_LEVELS 8
/* Bytes of one heading, and of a path. */
#define PH_HEADING_BYTES  200
#define PH_CONTEXT_BYTES  1024

typedef struct ph_headings {
    ph_buf level[PH_HEADING_LEVELS]; /* empty: none */
} ph_headings;

void ph_headings_init(ph_headings *h);
void ph_headings_free(ph_headings *h);
void ph_headings_clear(ph_headings *h);

/* The block begins here: a heading replaces those of its level and below. */
phial_status ph_headings_pass(ph_headings *h, ph_str text, const ph_doc_block *block,
                              phial_error *err);

/* The path of what stands above the block, which was not passed yet or is the last one passed by;
 * block NULL: above everything that may follow. Replaces out. */
phial_status ph_headings_path(const ph_headings *h, ph_buf *out, const ph_doc_block *block,
                              phial_error *err);

#endif
