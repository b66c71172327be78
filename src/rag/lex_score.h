/* How a chunk's score is made of its terms: docs/RAG.md, "Lexical search", has what was tried.
 *
 * BM25F over two fields, the text of the chunk and its headings, for the chunk itself and for the
 * section of neighbours it stands in. Numbers are added in an order that depends on the query
 * alone.
 */
#ifndef PH_RAG_LEX_SCORE_H
#define PH_RAG_LEX_SCORE_H

#include <stdint.h>

typedef struct ph_lex_params {
    double k1, b;       /* saturation, and how much a long text counts against itself */
    double head_weight; /* of a term in the headings beside one in the text */
    double section;     /* share of the section in the score */
    double section_k1, section_b;
} ph_lex_params;

void ph_lex_params_default(ph_lex_params *params);

#endif
