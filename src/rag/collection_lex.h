/* The full-text index inside the collection: segments of postings, merged in tiers.
 *
 * A document brings a segment of its own; eight of a level are merged into one of the next. What is
 * taken out of the collection leaves a tombstone (a range of chunk ids) until a merge drops it. All
 * of it is derived from chunks and texts and can be rebuilt.
 */
#ifndef PH_RAG_COLLECTION_LEX_H
#define PH_RAG_COLLECTION_LEX_H

#include "rag/collection_db.h"
#include "rag/lex_block.h"

typedef struct ph_lex_segment {
    int64_t id;
    uint32_t level, n;
    ph_lex_chunk *chunks; /* [n], rising ids; owned */
    uint32_t *section;    /* [n]: number in the segment; owned */
    uint32_t n_sections;
    bool *dead; /* [n] or NULL: none; owned */
    uint32_t n_dead;
} ph_lex_segment;

typedef struct ph_lex_view {
    ph_lex_segment *segments; /* owned */
    size_t n_segments;
    uint64_t n_chunks, n_sections, body, head; /* of what lives */
    uint64_t n_dead;
} ph_lex_view;

/* The index as it is in this transaction, kept until it changes; borrowed. */
phial_status ph_lex_view_get(phial_collection *c, ph_lex_view **out, phial_error *err);
void ph_lex_view_free(ph_lex_view *view);

/* The postings of a term in a segment, copied into block. */
phial_status ph_lex_find(phial_collection *c, const ph_lex_segment *segment, ph_str term,
                         ph_buf *block, ph_lex_entry *entry, bool *found, phial_error *err);

/* Blocks of a segment one after the other: for merging and checking. */
typedef struct ph_lex_scan {
    phial_collection *c;
    int64_t segment;
    ph_buf block;
    char first[PH_LEX_TERM_MAX];
    size_t n_first;
    bool begun, done;
    ph_lex_reader reader;
    ph_lex_entry entry; /* the current one */
} ph_lex_scan;

void ph_lex_scan_init(ph_lex_scan *scan, phial_collection *c, int64_t segment);
/* The next entry; scan->done behind the last. */
phial_status ph_lex_scan_next(ph_lex_scan *scan, phial_error *err);
void ph_lex_scan_free(ph_lex_scan *scan);

/* --- inside a writing transaction --- */

/* A segment of n chunks with ids first_id, first_id + 1, ...; blocks: length of the first term, it,
 * length of the block, it, ... as ph_lex_part_emit() writes them. */
phial_status ph_lex_segment_put(phial_collection *c, int64_t first_id, ph_lex_chunk *chunks,
                                uint32_t n, ph_str blocks, phial_error *err);
/* Chunks of a segment that a merge makes, at most: what bounds the memory of merging. */
#define PH_LEX_SEGMENT_CHUNKS (1u << 18)

/* Merges what is due; at the end of a run (finish) until few segments are left. *changed becomes
 * true if there was something. */
phial_status ph_lex_merge_due(phial_collection *c, bool finish, bool *changed, phial_error *err);
/* Segments that are small enough to be merged, and the most of one level. */
phial_status ph_lex_growing(phial_collection *c, int64_t *n, int64_t *of_a_level, phial_error *err);
/* Tells readers that the index is another. */
phial_status ph_lex_changed(phial_collection *c, phial_error *err);
phial_status ph_lex_clear(phial_collection *c, phial_error *err);

#endif
