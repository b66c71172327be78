/* Fusion by sorting what all lists say by id; marginal relevance with each row's largest cosine
 * kept up to date, so that it costs k x n products. Contract: fuse.h. */
#include "rag/fuse.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

typedef struct vote {
    int64_t id;
    size_t list, rank; /* from 0 */
} vote;

static int by_id(const void *a, const void *b)
{
    const vote *x = a, *y = b;
    if (x->id != y->id) {
        return x->id < y->id ? -1 : 1;
    }
    if (x->list != y->list) {
        return x->list < y->list ? -1 : 1;
    }
    return (x->rank > y->rank) - (x->rank < y->rank);
}

static int best_first(const void *a, const void *b)
{
    const ph_fused *x = a, *y = b;
    if (x->score != y->score) {
        return x->score > y->score ? -1 : 1;
    }
    return (x->id > y->id) - (x->id < y->id);
}

static phial_status check_lists(const ph_ranked *lists, size_t n_lists, size_t *total,
                                phial_error *err)
{
    *total = 0;
    for (size_t l = 0; l < n_lists; l++) {
        const ph_ranked *list = &lists[l];
        if (!isfinite(list->weight) || list->weight < 0) {
            return ph_err_set(err, PHIAL_ERR_NUMERIC, "ranking %zu has the weight %g", l,
                              list->weight);
        }
        for (size_t i = 0; i < list->n && list->scores != NULL; i++) {
            if (!isfinite(list->scores[i])) {
                return ph_err_set(err, PHIAL_ERR_NUMERIC, "ranking %zu: score %zu is %g", l, i,
                                  list->scores[i]);
            }
            if (i > 0 && list->scores[i] > list->scores[i - 1]) {
                return ph_err_set(err, PHIAL_ERR_ARGUMENT, "ranking %zu goes up at place %zu", l,
                                  i);
            }
        }
        if (!ph_add_size(total, *total, list->n) || *total > PH_FUSE_MAX_IDS) {
            return ph_err_set(err, PHIAL_ERR_LIMIT, "rankings of more than %d places",
                              PH_FUSE_MAX_IDS);
        }
    }
    return PHIAL_OK;
}

static double share_of(const ph_ranked *list, size_t rank)
{
    double top = list->scores[0], range = top - list->scores[list->n - 1];
    return range > 0 ? 1 - (top - list->scores[rank]) / range : 1;
}

/* constant below 0: by shares of the range. */
static phial_status fuse(ph_fused **out, size_t *n_out, const ph_ranked *lists, size_t n_lists,
                         double constant, phial_error *err)
{
    size_t total, n = 0, at = 0;
    phial_status st = check_lists(lists, n_lists, &total, err);
    if (st != PHIAL_OK) {
        return st;
    }
    vote *votes = ph_alloc(total, sizeof *votes, err);
    ph_fused *fused = votes == NULL ? NULL : ph_alloc(total, sizeof *fused, err);
    if (fused == NULL) {
        ph_free(votes);
        return PHIAL_ERR_NO_MEMORY;
    }
    for (size_t l = 0; l < n_lists; l++) {
        for (size_t i = 0; i < lists[l].n; i++) {
            votes[at++] = (vote){lists[l].ids[i], l, i};
        }
    }
    qsort(votes, total, sizeof *votes, by_id);
    for (size_t i = 0; i < total; i++) {
        const vote *v = &votes[i];
        bool same_id = i > 0 && v[-1].id == v->id;
        if (same_id && v[-1].list == v->list) {
            continue;
        }
        if (!same_id) {
            fused[n++] = (ph_fused){v->id, 0};
        }
        const ph_ranked *list = &lists[v->list];
        fused[n - 1].score += constant >= 0 ? list->weight / (constant + (double)v->rank + 1)
                                            : list->weight * share_of(list, v->rank);
    }
    qsort(fused, n, sizeof *fused, best_first);
    ph_free(votes);
    *out = fused;
    *n_out = n;
    return PHIAL_OK;
}

phial_status ph_fuse_rrf(ph_fused **out, size_t *n_out, const ph_ranked *lists, size_t n_lists,
                         double constant, phial_error *err)
{
    if (!isfinite(constant) || constant < 0) {
        return ph_err_set(err, PHIAL_ERR_NUMERIC, "a rank constant of %g", constant);
    }
    return fuse(out, n_out, lists, n_lists, constant, err);
}

phial_status ph_fuse_min_max(ph_fused **out, size_t *n_out, const ph_ranked *lists, size_t n_lists,
                             phial_error *err)
{
    for (size_t l = 0; l < n_lists; l++) {
        if (lists[l].scores == NULL && lists[l].n > 0) {
            return ph_err_set(err, PHIAL_ERR_ARGUMENT, "ranking %zu has no scores", l);
        }
    }
    return fuse(out, n_out, lists, n_lists, -1, err);
}

static double dot_of(const float *x, const float *y, size_t dim)
{
    double sum = 0;
    for (size_t d = 0; d < dim; d++) {
        sum += (double)x[d] * y[d];
    }
    return sum;
}

/* What ph_mmr() keeps of each row. */
typedef struct candidate {
    double length, alike; /* its largest cosine with those taken; -2: none yet */
    bool taken;
} candidate;

static size_t best_left(const candidate *c, const double *relevance, size_t n, double lambda)
{
    size_t best = n;
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        double alike = c[i].alike < -1 ? 0 : c[i].alike;
        double gain = lambda * relevance[i] - (1 - lambda) * alike;
        if (!c[i].taken && (best == n || gain > most)) {
            best = i;
            most = gain;
        }
    }
    return best;
}

phial_status ph_mmr(size_t *order, size_t k, const float *rows, const double *relevance, size_t n,
                    size_t dim, double lambda, phial_error *err)
{
    if (!(lambda >= 0 && lambda <= 1)) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "lambda is %g; 0 to 1 are possible", lambda);
    }
    candidate *c = ph_alloc(n, sizeof *c, err);
    if (c == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    phial_status st = PHIAL_OK;
    for (size_t i = 0; i < n && st == PHIAL_OK; i++) {
        c[i] = (candidate){sqrt(dot_of(rows + i * dim, rows + i * dim, dim)), -2, false};
        if (!isfinite(c[i].length) || !isfinite(relevance[i])) {
            st = ph_err_set(err, PHIAL_ERR_NUMERIC, "row %zu or its relevance is no number", i);
        }
    }
    for (size_t taken = 0; taken < k && taken < n && st == PHIAL_OK; taken++) {
        size_t best = best_left(c, relevance, n, lambda);
        order[taken] = best;
        c[best].taken = true;
        for (size_t i = 0; i < n && taken + 1 < k; i++) {
            double lengths = c[i].length * c[best].length, alike = 0;
            if (!c[i].taken && lengths > 0) {
                alike = dot_of(rows + i * dim, rows + best * dim, dim) / lengths;
            }
            c[i].alike = alike > c[i].alike ? alike : c[i].alike;
        }
    }
    ph_free(c);
    return st;
}
