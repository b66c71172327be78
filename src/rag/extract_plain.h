/* Small texts without a helper program. Starting one costs 4 ms of CPU time, reading a note 0.01
 * ms; and what a text needs to become blocks (fmt/text_blocks.h) is no third-party parser.
 *
 * What is not plain UTF-8 (a byte order mark, another charset, ends of lines of other systems,
 * escapes, NULs) or not short goes the usual way; both ways give the same stream.
 */
#ifndef PH_RAG_EXTRACT_PLAIN_H
#define PH_RAG_EXTRACT_PLAIN_H

#include "fmt/doc_stream.h"
#include "rag/extract_format.h"

/* text: all of the document. */
bool ph_extract_plain_fits(const ph_format *format, ph_str text);

/* Its stream goes to the reader. Errors: as of ph_doc_reader_feed(). */
phial_status ph_extract_plain(const ph_format *format, ph_str text, const char *name,
                              uint64_t max_text, uint32_t max_pages, ph_doc_reader *reader,
                              phial_error *err);

#endif
