/* A page as the chunker sees it: atoms, the smallest stretches it keeps together if it can
 * (sentences, lines of code, rows, headings), with the strength of the boundary before each; and
 * where the page's tokens begin.
 */
#ifndef PH_RAG_CHUNK_ATOMS_H
#define PH_RAG_CHUNK_ATOMS_H

#include "fmt/doc.h"
#include "phial/tokenizer.h"

/* A token of a page counts for so many bytes of its text at most. */
#define PH_TOKEN_BYTES 256u

/* How much a boundary wants to be the end of a chunk, least first. */
typedef enum ph_bound {
    PH_BOUND_GLUE,     /* what belongs together: a heading and its text, a speaker and the speech */
    PH_BOUND_LINE,     /* of code */
    PH_BOUND_SENTENCE, /* also the rows of a table, items of a list */
    PH_BOUND_PART,     /* a blank line in code, the first item of a list */
    PH_BOUND_BLOCK,
    PH_BOUND_SCENE,
    PH_BOUND_SECTION /* + 0 for a heading of level 6, ... + 5 for level 1 */
} ph_bound;

typedef struct ph_atom {
    uint32_t start; /* byte in the page */
    uint32_t token; /* tokens that begin before it */
    uint32_t block;
    uint8_t bound; /* ph_bound, before it */
    uint8_t kind;  /* ph_block_kind */
} ph_atom;

typedef struct ph_page_atoms {
    ph_atom *atoms; /* owned, [n_atoms + 1]: the last one stands at the page's end */
    size_t n_atoms, cap_atoms;
    uint32_t *tokens; /* owned, [n_tokens]: where each begins; ascending, not strictly */
    size_t n_tokens, cap_tokens;
} ph_page_atoms;

void ph_page_atoms_free(ph_page_atoms *p);

/* Replaces what p holds. encoder NULL: tokens are estimated. A page without blocks is one
 * paragraph. Errors: ARGUMENT (blocks that do not cover the text), LIMIT, NO_MEMORY. */
phial_status ph_page_atoms_make(ph_page_atoms *p, const ph_doc_page *page, phial_encoder *encoder,
                                phial_error *err);

/* Tokens of a text by itself. */
phial_status ph_chunk_count(size_t *n, ph_str text, phial_encoder *encoder, phial_error *err);

#endif
