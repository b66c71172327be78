/* What becomes of a helper's stream: pages of blocks go to the caller as they are, pages of words
 * through rag/layout.h. Whatever the caller's functions return is told apart from faults of the
 * document. */
#ifndef PH_RAG_EXTRACT_PAGES_H
#define PH_RAG_EXTRACT_PAGES_H

#include <stdbool.h>

#include "fmt/doc_stream.h"
#include "rag/extract.h"
#include "rag/extract_format.h"
#include "rag/layout.h"

typedef struct ph_extract_pages {
    ph_extract_sink sink;
    const ph_format *format;
    ph_layout *layout; /* owned; NULL for pages of blocks */
    ph_buf empty;      /* "1-3, 7": pages without text, of those that were made of words */
    uint32_t empty_first, empty_last; /* the run of them that is open; 0: none */
    uint32_t n_pages;
    bool any_text;
    bool sink_failed;
} ph_extract_pages;

phial_status ph_extract_pages_begin(ph_extract_pages *pages, const ph_format *format,
                                    const ph_extract_sink *sink, phial_error *err);
/* Borrow pages. */
ph_doc_events ph_extract_pages_events(ph_extract_pages *pages);
/* The stream is complete. BAD_INPUT: there was no text in it. */
phial_status ph_extract_pages_end(ph_extract_pages *pages, phial_error *err);
void ph_extract_pages_free(ph_extract_pages *pages);

#endif
