/* Contract in collection_fusion.h. Choosing the fusion is in collection_tune.c. */
#include "rag/collection_fusion.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "rag/fuse.h"

static bool is_blank(phial_text t)
{
    for (size_t i = 0; i < t.n; i++) {
        if (!memchr(" \t\r\n", t.p[i], 4))
            return false;
    }
    return true;
}

static phial_status resolve(ph_ranking *r, phial_collection *c, const phial_search_options *o,
                            phial_error *err)
{
    const ph_vector_set *set = NULL;
    r->mode = o->mode;
    if (o->mode == PHIAL_SEARCH_LEXICAL)
        return PHIAL_OK;
    phial_status st = ph_dense_set(c, &set, err);
    if (st == PHIAL_OK && o->mode == PHIAL_SEARCH_HYBRID && (!set || !o->embedder))
        r->mode = PHIAL_SEARCH_LEXICAL;
    r->fusion = set ? set->fusion : PH_FUSION_DEFAULT;
    if (o->dense_share >= 0)
        r->fusion.dense = o->dense_share;
    return st;
}

phial_status ph_ranking_make(ph_ranking *r, phial_collection *c, phial_text query,
                             const phial_search_options *o, const ph_chunk_ranges *ranges,
                             phial_error *err)
{
    *r = (ph_ranking){.ranges = ranges, .metric = o->metric, .exact = o->exact};
    phial_status st = resolve(r, c, o, err);
    if (st == PHIAL_OK && r->mode != PHIAL_SEARCH_DENSE) {
        r->lexical = ph_alloc(1, sizeof *r->lexical, err);
        if (r->lexical)
            ph_lex_query_make(r->lexical, (ph_str){query.p, query.n});
        else
            st = PHIAL_ERR_NO_MEMORY;
    }
    /* Nothing is asked for: there is nothing to find. */
    if (st == PHIAL_OK && r->mode != PHIAL_SEARCH_LEXICAL && !is_blank(query))
        st = ph_dense_query(c, o->embedder, query, &r->vector, err);
    if (st != PHIAL_OK)
        ph_ranking_free(r);
    return st;
}

void ph_ranking_free(ph_ranking *r)
{
    ph_free(r->lexical);
    ph_free(r->vector);
    r->lexical = NULL;
    r->vector = NULL;
}

static phial_status fill(ph_ranked *out, int64_t **ids, double **scores, const ph_scored *list,
                         size_t n, double weight, phial_error *err)
{
    *ids = ph_alloc(n, sizeof **ids, err);
    *scores = *ids ? ph_alloc(n, sizeof **scores, err) : NULL;
    if (!*scores)
        return PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        (*ids)[i] = list[i].chunk;
        (*scores)[i] = list[i].score;
    }
    *out = (ph_ranked){*ids, *scores, n, weight};
    return PHIAL_OK;
}

phial_status ph_fusion_join(const ph_fusion *f, const ph_scored *words, size_t n_words,
                            const ph_scored *vectors, size_t n_vectors, ph_scored **out, size_t *n,
                            phial_error *err)
{
    ph_ranked lists[2];
    int64_t *ids[2] = {NULL, NULL};
    double *scores[2] = {NULL, NULL};
    ph_fused *fused = NULL;
    size_t n_fused = 0;
    *out = NULL;
    *n = 0;
    phial_status st = fill(&lists[0], &ids[0], &scores[0], words, n_words, 1 - f->dense, err);
    if (st == PHIAL_OK)
        st = fill(&lists[1], &ids[1], &scores[1], vectors, n_vectors, f->dense, err);
    if (st == PHIAL_OK)
        st = f->rrf ? ph_fuse_rrf(&fused, &n_fused, lists, 2, PH_FUSE_RRF_CONSTANT, err)
                    : ph_fuse_min_max(&fused, &n_fused, lists, 2, err);
    if (st == PHIAL_OK && !(*out = ph_alloc(n_fused, sizeof **out, err)))
        st = PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < n_fused && st == PHIAL_OK; i++)
        (*out)[i] = (ph_scored){.chunk = fused[i].id, .score = fused[i].score};
    *n = st == PHIAL_OK ? n_fused : 0;
    for (int i = 0; i < 2; i++) {
        ph_free(ids[i]);
        ph_free(scores[i]);
    }
    ph_free(fused);
    return st;
}

static phial_status run_dense(const ph_ranking *r, phial_collection *c, size_t k, ph_scored **list,
                              size_t *n, phial_error *err)
{
    const ph_dense_search_for what = {r->vector, k, r->metric, r->exact, r->ranges};
    *n = 0;
    *list = NULL;
    return r->vector ? ph_dense_search(c, &what, list, n, err) : PHIAL_OK;
}

phial_status ph_ranking_run(const ph_ranking *r, phial_collection *c, size_t k, ph_scored **list,
                            size_t *n, phial_error *err)
{
    ph_scored *words = NULL, *vectors = NULL;
    size_t n_words = 0, n_vectors = 0, depth = k > PH_FUSION_DEPTH ? k : PH_FUSION_DEPTH;
    *list = NULL;
    *n = 0;
    if (r->mode == PHIAL_SEARCH_LEXICAL)
        return ph_lex_search(c, r->lexical, r->ranges, k, list, n, err);
    if (r->mode == PHIAL_SEARCH_DENSE)
        return run_dense(r, c, k, list, n, err);
    phial_status st = ph_lex_search(c, r->lexical, r->ranges, depth, &words, &n_words, err);
    if (st == PHIAL_OK)
        st = run_dense(r, c, depth, &vectors, &n_vectors, err);
    if (st == PHIAL_OK)
        st = ph_fusion_join(&r->fusion, words, n_words, vectors, n_vectors, list, n, err);
    if (st == PHIAL_OK && *n > k)
        *n = k;
    ph_free(words);
    ph_free(vectors);
    return st;
}

/* --- thinning --- */

static double cosine(const float *x, const float *y, size_t dim)
{
    double xy = 0, xx = 0, yy = 0;
    for (size_t d = 0; d < dim; d++) {
        xy += (double)x[d] * y[d];
        xx += (double)x[d] * x[d];
        yy += (double)y[d] * y[d];
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
}

static void take_order(ph_scored *list, ph_scored *copy, size_t n, const size_t *order, size_t k,
                       const float *rows, const double *relevance, size_t dim, double diversity)
{
    memcpy(copy, list, n * sizeof *copy);
    for (size_t i = 0; i < k; i++) {
        double alike = 0;
        for (size_t j = 0; j < i; j++) {
            double x = cosine(rows + order[i] * dim, rows + order[j] * dim, dim);
            alike = j == 0 || x > alike ? x : alike;
        }
        list[i] = copy[order[i]];
        list[i].score = (1 - diversity) * relevance[order[i]] - diversity * alike;
    }
}

phial_status ph_ranking_thin(phial_collection *c, ph_scored *list, size_t *n, size_t k,
                             double diversity, phial_error *err)
{
    const ph_vector_set *set;
    k = k < *n ? k : *n;
    if (*n == 0)
        return PHIAL_OK;
    phial_status st = ph_dense_set(c, &set, err);
    if (st == PHIAL_OK && !set)
        st = ph_err_set(err, PHIAL_ERR_ARGUMENT,
                        "%s: has no vectors, by which passages are told to be alike", c->path);
    if (st != PHIAL_OK)
        return st;
    int64_t *ids = ph_alloc(*n, sizeof *ids, err);
    size_t *order = ids ? ph_alloc(k, sizeof *order, err) : NULL;
    double *relevance = order ? ph_alloc(*n, sizeof *relevance, err) : NULL;
    float *rows = relevance ? ph_alloc(*n * set->dim, sizeof *rows, err) : NULL;
    ph_scored *copy = rows ? ph_alloc(*n, sizeof *copy, err) : NULL;
    st = copy ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
    if (st == PHIAL_OK) {
        double top = list[0].score, range = top - list[*n - 1].score;
        for (size_t i = 0; i < *n; i++) {
            ids[i] = list[i].chunk;
            relevance[i] = range > 0 ? 1 - (top - list[i].score) / range : 1;
        }
        st = ph_dense_rows(c, ids, *n, rows, err);
    }
    if (st == PHIAL_OK)
        st = ph_mmr(order, k, rows, relevance, *n, set->dim, 1 - diversity, err);
    if (st == PHIAL_OK) {
        take_order(list, copy, *n, order, k, rows, relevance, set->dim, diversity);
        *n = k;
    }
    ph_free(ids);
    ph_free(order);
    ph_free(relevance);
    ph_free(rows);
    ph_free(copy);
    return st;
}
