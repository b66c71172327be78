/* From pages to chunks: stretches of text of about n_tokens tokens that are found, shown to a model
 * and cited.
 *
 * A chunk lies on one page. It ends where the structure ends first that is close enough: heading,
 * block, sentence (Unicode's rules), word, character. Chunks of a page overlap by about n_overlap
 * tokens of whole sentences and together cover every byte of its text. The path of headings above a
 * chunk goes on over pages and is kept beside it, not in it. What has hardly any tokens (a row of
 * blanks, a word of a million letters to a tokenizer of words) is cut by its bytes: a chunk has at
 * most PH_TOKEN_BYTES (chunk_atoms.h) for each token and once more.
 */
#ifndef PH_RAG_CHUNK_H
#define PH_RAG_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "fmt/doc.h"
#include "phial/error.h"
#include "phial/tokenizer.h"

typedef struct ph_chunk_options {
    const phial_tokenizer *tokenizer; /* what tokens are; NULL: an estimate from words, for when no
                                         model is at hand. Borrowed as long as the chunker lives. */
    uint32_t n_tokens;                /* 0: 256 */
    uint32_t n_overlap;               /* at most half of n_tokens; default 32 */
} ph_chunk_options;

void ph_chunk_options_default(ph_chunk_options *options);

typedef struct ph_chunk {
    uint32_t page;     /* number of the page */
    size_t start, end; /* bytes in the page's text, on boundaries of characters */
    uint32_t n_tokens;
    ph_str context; /* headings above it, outermost first, separated by " > "; may be empty */
    uint8_t kind;   /* ph_block_kind of most of it */
} ph_chunk;

typedef phial_status (*ph_chunk_fn)(void *user, const ph_chunk *chunk, phial_error *err);

typedef struct ph_chunker ph_chunker;

phial_status ph_chunker_new(ph_chunker **out, const ph_chunk_options *options, phial_error *err);
void ph_chunker_free(ph_chunker *chunker);

/* The next page of the document: emit is called for each of its chunks, in order of their starts;
 * what it gets is borrowed for the call. */
phial_status ph_chunker_page(ph_chunker *chunker, const ph_doc_page *page, ph_chunk_fn emit,
                             void *user, phial_error *err);

/* Forgets the headings: the next page belongs to another document. */
void ph_chunker_reset(ph_chunker *chunker);

#endif
