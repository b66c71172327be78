/* Quality of rankings against judgements, as trec_eval 9 computes it.
 *
 * A run's documents are ranked by score (as float), equal scores by falling names; the rank column
 * is not looked at. A document of a query counts once, as it comes first in the file. Relevant is a
 * judgement above 0, which is also its gain. Queries in only one of both files are left out of the
 * means, or, with `complete`, judged queries that the run lacks count 0.
 */
#ifndef PH_RAG_RETRIEVAL_METRICS_H
#define PH_RAG_RETRIEVAL_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define PH_METRICS_ROWS_MAX ((size_t)1 << 26)

typedef struct ph_retrieval_scores {
    double ndcg_10, recall_10, recall_100, mrr, map;
} ph_retrieval_scores;

typedef struct ph_retrieval_result {
    ph_retrieval_scores mean;
    size_t n_queries;            /* that the means are of */
    size_t n_unjudged, n_absent; /* only in the run; only judged */
} ph_retrieval_result;

/* run: "query Q0 document rank score tag" a line. qrels: "query 0 document relevance", or BEIR's
 * "query<tab>document<tab>score" with a line of names above. Texts of whole files; names are for
 * messages. each: called for every query of the means, in order of the queries' names; may be NULL.
 * Errors: BAD_INPUT with file and line; LIMIT; NO_MEMORY. */
phial_status ph_retrieval_evaluate(ph_str run, const char *run_name, ph_str qrels,
                                   const char *qrels_name, bool complete,
                                   void (*each)(void *user, ph_str query,
                                                const ph_retrieval_scores *scores),
                                   void *user, ph_retrieval_result *result, phial_error *err);

#endif
