/* Pieces of search that its files share: what a query asks for, scores, the making of hits. */
#ifndef PH_RAG_COLLECTION_SEARCH_H
#define PH_RAG_COLLECTION_SEARCH_H

#include "rag/collection_lex.h"

#define PH_QUERY_TERMS_MAX 256 /* different terms of a query; further ones are left out */
#define PH_HITS_MAX        10000

typedef struct ph_lex_term {
    char text[PH_LEX_TERM_MAX];
    uint8_t n;
    bool stop;
    uint32_t times; /* in the query */
} ph_lex_term;

typedef struct ph_lex_query {
    ph_lex_term terms[PH_QUERY_TERMS_MAX]; /* in order of their bytes */
    size_t n;
} ph_lex_query;

/* Stop words are left out unless there is nothing else. */
void ph_lex_query_make(ph_lex_query *q, ph_str text);

typedef struct ph_scored {
    int64_t chunk;
    double score;
    uint64_t doc; /* what chunks of one document have in common; only for by_doc */
} ph_scored;

/* Which chunks may be found: ranges of ids, in order. n 0 and all true: no restriction. */
typedef struct ph_chunk_ranges {
    struct {
        int64_t first, end;
    } * list; /* owned */
    size_t n;
    bool all;
} ph_chunk_ranges;

/* The best k chunks, best first, equal ones by rising id. *out is owned. Inside a transaction. */
phial_status ph_lex_search(phial_collection *c, const ph_lex_query *q,
                           const ph_chunk_ranges *ranges, size_t k, ph_scored **out, size_t *n,
                           phial_error *err);

/* The hits, to be put in another order. */
phial_hit *ph_hits_list(phial_hits *hits);

/* Does the name match? "*" any bytes, "?" one byte, "[a-z]" and "[!a-z]" one of a set. */
bool ph_glob_match(const char *glob, ph_str name);

#endif
