/* Search results looked at by a language model. */
#ifndef PH_CLI_RERANK_VIEW_H
#define PH_CLI_RERANK_VIEW_H

#include "cli/args.h"
#include "phial/vectors.h"

#define PH_OPT_ROWS_RERANK                                                                         \
    {.name = "rerank",                                                                             \
     .kind = PH_OPT_INT,                                                                           \
     .arg = "N",                                                                                   \
     .min_int = 2,                                                                                 \
     .max_int = 1000,                                                                              \
     .help = "put the first N in order of how well a language model can guess the query from "     \
             "them; tells first what that costs"},                                                 \
        {.name = "model",                                                                          \
         .letter = 'm',                                                                            \
         .kind = PH_OPT_STRING,                                                                    \
         .arg = "MODEL",                                                                           \
         .help = "with --rerank: the model; without it nano, where it is installed",               \
         .env = "PHIAL_MODEL"}

typedef struct ph_reranker ph_reranker;

phial_status ph_reranker_open(ph_reranker **out, const ph_args *args, phial_error *err);
/* The cost is told on standard error, of many queries the first one's. */
phial_status ph_reranker_run(ph_reranker *r, phial_hits *hits, phial_text query, phial_error *err);
void ph_reranker_close(ph_reranker *r); /* NULL is fine */

#endif
