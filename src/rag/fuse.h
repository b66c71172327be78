/* From several rankings one, and of what is alike only some.
 *
 * Threads: any; plain functions of their arguments.
 */
#ifndef PH_RAG_FUSE_H
#define PH_RAG_FUSE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define PH_FUSE_MAX_IDS 1000000 /* of all lists together */

/* A ranking, best first; scores go down or stay, higher is better. */
typedef struct ph_ranked {
    const int64_t *ids;
    const double *scores;
    size_t n;
    double weight; /* at least 0 */
} ph_ranked;

typedef struct ph_fused {
    int64_t id;
    double score;
} ph_fused;

/* The constant of reciprocal rank fusion in its paper. */
#define PH_FUSE_RRF_CONSTANT 60

/* Reciprocal rank fusion: the sum of weight / (constant + rank), ranks from 1. An id that a list
 * has twice counts once, where it comes first. *out is owned, best first, equal scores in order of
 * ids. PHIAL_ERR_NUMERIC: a weight or score is no number. Source: Cormack, Clarke, Buettcher,
 * "Reciprocal Rank Fusion" (SIGIR 2009). */
phial_status ph_fuse_rrf(ph_fused **out, size_t *n_out, const ph_ranked *lists, size_t n_lists,
                         double constant, phial_error *err);

/* The sum of weight times the score as a share of its list's range, from 0 for the last to 1 for
 * the first (1 where all are equal); 0 where a list does not have the id. Otherwise as above. */
phial_status ph_fuse_min_max(ph_fused **out, size_t *n_out, const ph_ranked *lists, size_t n_lists,
                             phial_error *err);

/* Maximal marginal relevance: which k of n rows [n][dim] to take, one after the other the one with
 * the largest lambda * relevance - (1 - lambda) * (its largest cosine with those taken); equal
 * ones in order of rows. relevance should be in 0 .. 1, lambda is. Writes min(k, n) row numbers.
 * Source: Carbonell and Goldstein (SIGIR 1998). */
phial_status ph_mmr(size_t *order, size_t k, const float *rows, const double *relevance, size_t n,
                    size_t dim, double lambda, phial_error *err);

#endif
