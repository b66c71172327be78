/* An extracted document, page by page: text, and what each stretch of it is.
 *
 * A page is the unit that citations name: a page of a PDF, a chapter file of an EPUB, and for
 * formats without pages a part of at most PH_DOC_PAGE_MAX bytes, cut between blocks. Its text is
 * valid UTF-8 in reading order; blocks follow each other without gaps or overlaps and cover the
 * text from the first byte to the last (separators between blocks belong to the block before).
 * Offsets are bytes in the page's text.
 */
#ifndef PH_FMT_DOC_H
#define PH_FMT_DOC_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

#define PH_DOC_PAGE_MAX     (256u << 10) /* bytes of text of a page that has no natural end */
#define PH_DOC_PAGE_LIMIT   (16u << 20)  /* bytes of text of any page */
#define PH_DOC_BLOCKS_LIMIT (1u << 20)   /* of a page */
#define PH_DOC_PAGES_LIMIT  (1u << 20)   /* of a document */

typedef enum ph_block_kind {
    PH_BLOCK_PARAGRAPH = 0,
    PH_BLOCK_HEADING = 1,   /* level 1 .. 6 */
    PH_BLOCK_LIST_ITEM = 2, /* level: depth, from 1 */
    PH_BLOCK_CODE = 3,
    PH_BLOCK_TABLE_ROW = 4, /* cells separated by tabs */
    PH_BLOCK_QUOTE = 5,
    PH_BLOCK_CAPTION = 6,
    PH_BLOCK_SCENE = 7,   /* scene heading of a screenplay */
    PH_BLOCK_SPEAKER = 8, /* name above a speech */
    PH_BLOCK_SPEECH = 9,
    PH_BLOCK_FURNITURE =
        10, /* running heads, page numbers: kept in the text, left out of context */
    PH_BLOCK_N
} ph_block_kind;

typedef struct ph_doc_block {
    size_t start, end;
    uint8_t kind; /* ph_block_kind */
    uint8_t level;
} ph_doc_block;

typedef struct ph_doc_page {
    uint32_t number; /* from 1, rising */
    ph_str label;    /* what the document calls it ("iv", a chapter's title); may be empty */
    ph_str text;
    const ph_doc_block *blocks; /* [n_blocks] */
    size_t n_blocks;
} ph_doc_page;

#endif
