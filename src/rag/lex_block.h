/* The bytes of the full-text index: blocks of terms with their postings, and the table of chunks of
 * a segment. Nothing but bytes to numbers and back, every one checked: they come from a file.
 *
 * A block: XXH3-64 of what follows, little-endian; then entries in rising order of their terms:
 *   bytes shared with the term before | further bytes | these | postings | bytes of them | these
 * A posting: (distance to the chunk before) * 4 + shape. Shape 0: once in the text; 1: number of
 * times in the text follows; 2: times in the text and in the headings follow. The first distance
 * counts from -1; so 0 is none.
 * All numbers are LEB128 (7 bits a byte, low ones first). Chunks are numbered from 0 in a segment.
 *
 * A table of chunks: XXH3-64 of what follows; number of chunks; for each chunk: distance of its id
 * to the one before (the first from 0) | length in terms * 2 + (1: it begins a section) | terms in
 * its headings. A section is a run of chunks of one document.
 */
#ifndef PH_RAG_LEX_BLOCK_H
#define PH_RAG_LEX_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "rag/lex_analyze.h"

/* Bytes of a block from which on no further term is added. A page of the database holds a block. */
#define PH_LEX_BLOCK_BYTES 3800
/* Bytes of a block: one entry may be large. */
#define PH_LEX_BLOCK_MAX   (256u << 20)
/* Chunks of a segment. */
#define PH_LEX_CHUNKS_MAX  (1u << 28)
/* Times of a term in a chunk, and terms of a chunk: enough for a chunk of a page. */
#define PH_LEX_COUNT_MAX   (1u << 24)

typedef struct ph_lex_posting {
    uint32_t chunk;      /* in its segment */
    uint32_t body, head; /* times in the text and in the headings; one of them is not 0 */
} ph_lex_posting;

bool ph_varint_add(ph_buf *out, uint64_t v);
/* False at the end of the bytes, or for more than 64 bits. */
bool ph_varint_get(const uint8_t **p, const uint8_t *end, uint64_t *v);

/* --- writing --- */

typedef struct ph_lex_writer {
    ph_buf block; /* what is in it so far, checksum left out */
    char term[PH_LEX_TERM_MAX], first[PH_LEX_TERM_MAX];
    size_t n_term, n_first;
    /* A full block: its first term and its bytes. */
    phial_status (*emit)(void *user, ph_str first, ph_str block, phial_error *err);
    void *user;
} ph_lex_writer;

void ph_lex_writer_init(ph_lex_writer *w,
                        phial_status (*emit)(void *user, ph_str first, ph_str block,
                                             phial_error *err),
                        void *user);
/* Terms come in rising order of their bytes; postings as ph_lex_posting_add() wrote them. */
phial_status ph_lex_writer_add(ph_lex_writer *w, ph_str term, uint64_t n_postings, ph_str postings,
                               phial_error *err);
phial_status ph_lex_writer_end(ph_lex_writer *w, phial_error *err);
void ph_lex_writer_free(ph_lex_writer *w);
/* An emit that gathers blocks in a ph_buf (user): length of the first term, it, length of the
 * block, it. */
phial_status ph_lex_part_emit(void *user, ph_str first, ph_str block, phial_error *err);

/* *next: the chunk behind the last one, at first 0. */
bool ph_lex_posting_add(ph_buf *out, uint32_t *next, const ph_lex_posting *posting);

/* --- reading --- */

typedef struct ph_lex_entry {
    ph_str term; /* borrowed until the next one */
    uint64_t n_postings;
    ph_str postings;
} ph_lex_entry;

typedef struct ph_lex_reader {
    const uint8_t *p, *end;
    char term[PH_LEX_TERM_MAX];
    size_t n_term;
    bool begun;
} ph_lex_reader;

/* PHIAL_ERR_BAD_INPUT if the checksum is not right. block is borrowed while reading. */
phial_status ph_lex_reader_init(ph_lex_reader *r, ph_str block, phial_error *err);
/* *more is false behind the last. */
phial_status ph_lex_reader_next(ph_lex_reader *r, ph_lex_entry *entry, bool *more,
                                phial_error *err);

/* Postings of a segment of n_chunks chunks, one after the other. */
typedef struct ph_lex_cursor {
    const uint8_t *p, *end;
    uint64_t left;
    uint32_t next, n_chunks;
} ph_lex_cursor;

void ph_lex_cursor_init(ph_lex_cursor *c, const ph_lex_entry *entry, uint32_t n_chunks);
/* 1: a posting; 0: the end; -1: malformed. */
int ph_lex_cursor_next(ph_lex_cursor *c, ph_lex_posting *out);

/* --- chunks of a segment --- */

typedef struct ph_lex_chunk {
    int64_t id;
    uint32_t body, head; /* lengths in terms */
    bool begins;         /* a section */
} ph_lex_chunk;

/* Checksum and count go in front at the end. */
bool ph_lex_chunk_add(ph_buf *rows, int64_t *last_id, const ph_lex_chunk *chunk);
phial_status ph_lex_chunks_end(ph_buf *out, const ph_buf *rows, uint32_t n, phial_error *err);
/* *chunks is owned. */
phial_status ph_lex_chunks_read(ph_lex_chunk **chunks, uint32_t *n, ph_str data, phial_error *err);

#endif
