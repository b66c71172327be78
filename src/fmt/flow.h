/* From what a parser tells, piece by piece, to blocks on pages.
 *
 * A block is begun, gets text, and ends; white space is made single blanks unless it is kept; empty
 * blocks are left out; blocks are separated by an empty line, items, rows and a speaker's name from
 * what follows by a new line. A page ends where the format says so, or before it gets too long; a
 * block that is too long for a page is cut.
 *
 * Failures stick: the functions return nothing, ph_flow_finish() returns the first failure.
 */
#ifndef PH_FMT_FLOW_H
#define PH_FMT_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "fmt/doc_stream.h"

#define PH_FLOW_CHAPTER_MAX (4u << 20) /* bytes of text of a page that is a chapter */

typedef struct ph_flow {
    ph_doc_writer *out; /* borrowed */
    phial_status status;
    phial_error err;
    size_t page_max;
    uint32_t page; /* number of the open or last one */
    bool page_open;
    size_t page_bytes;
    ph_buf label; /* of the page to come, and of the open one */
    ph_buf block; /* text of the open block */
    bool open, keep_space;
    bool space; /* white space is due before the next text */
    ph_block_kind kind;
    unsigned level;
    ph_buf held; /* the block before, which waits for its separator */
    ph_block_kind held_kind;
    unsigned held_level;
    ph_buf heading; /* the first one since the last ph_flow_page(), at most a label long */
} ph_flow;

void ph_flow_init(ph_flow *flow, ph_doc_writer *out);
void ph_flow_free(ph_flow *flow);

/* Ends the page, if one is open; the next block begins one with this label. From the first call on
 * pages are chapters: they may be PH_FLOW_CHAPTER_MAX long. */
void ph_flow_page(ph_flow *flow, ph_str label);

/* The label of the open page, or of the one to come, if it has none yet. */
void ph_flow_label(ph_flow *flow, ph_str label);

void ph_flow_begin(ph_flow *flow, ph_block_kind kind, unsigned level, bool keep_space);
/* Outside of a block: begins a paragraph, unless it is all white space. */
void ph_flow_text(ph_flow *flow, const char *p, size_t n);
void ph_flow_line_break(ph_flow *flow);
/* White space that may be dropped, as between two blocks that became one. */
void ph_flow_space(ph_flow *flow);
/* The tab between two cells of a row. */
void ph_flow_cell(ph_flow *flow);
void ph_flow_end(ph_flow *flow);

/* A block with exactly this text, separators included. */
void ph_flow_exact(ph_flow *flow, ph_block_kind kind, unsigned level, ph_str text);

void ph_flow_fail(ph_flow *flow, phial_status status, const char *sentence);
/* Ends block and page. */
phial_status ph_flow_finish(ph_flow *flow, phial_error *err);

#endif
