/* Dense search; contract in collection_dense.h.
 *
 * An image belongs to one state of the vectors: its source is a hash of collection, embedder and
 * whitening, with the stamp that is drawn anew at each change. Whatever else lies at its path, from
 * another collection or of another day, is not it, and is replaced.
 */
#include "rag/collection_dense.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/pool.h"
#include "rag/vector_cache.h"
#include "rag/vindex.h"

#define N_METRICS   3
#define POOL_FLOATS ((uint64_t)4 << 20) /* rows times dimensions from which threads pay */
#define KEEP_FLOATS                                                                                \
    ((uint64_t)64 << 20) /* up to which an image has the rows too: faster to read than             \
                            the collection's, but as much again on the disk */

typedef struct image {
    ph_vindex *index;
    ph_vsearcher *searcher;
} image;

struct ph_dense {
    bool read; /* what follows is what the file had */
    int64_t id, stamp, collection;
    ph_vector_set set; /* id 0: none */
    image images[N_METRICS][2];
    ph_pool *pool;
    phial_collection *c; /* for fetching */
};

static void close_images(struct ph_dense *d)
{
    for (int m = 0; m < N_METRICS; m++) {
        for (int exact = 0; exact < 2; exact++) {
            image *im = &d->images[m][exact];
            ph_vsearcher_free(im->searcher);
            ph_vindex_close(im->index);
            *im = (image){NULL, NULL};
        }
    }
}

void ph_dense_free(struct ph_dense *d)
{
    if (!d)
        return;
    close_images(d);
    ph_pool_free(d->pool);
    ph_vector_set_free(&d->set);
    ph_free(d);
}

phial_status ph_dense_set(phial_collection *c, const ph_vector_set **set, phial_error *err)
{
    int64_t id = 0, stamp = 0, collection = 0;
    *set = NULL;
    phial_status st = ph_vector_set_id(c, false, &id, err);
    if (st == PHIAL_OK)
        st = ph_setting_get(c, "vector_stamp", &stamp, 0, err);
    if (st == PHIAL_OK)
        st = ph_setting_get(c, "collection", &collection, 0, err);
    if (st == PHIAL_OK && !c->dense && !(c->dense = ph_alloc(1, sizeof *c->dense, err)))
        st = PHIAL_ERR_NO_MEMORY;
    if (st != PHIAL_OK)
        return st;
    struct ph_dense *d = c->dense;
    d->c = c;
    if (!d->read || d->id != id || d->stamp != stamp || d->collection != collection) {
        close_images(d);
        ph_vector_set_free(&d->set);
        d->read = false;
        st = id > 0 ? ph_vector_set_read(c, id, &d->set, err) : PHIAL_OK;
        d->read = st == PHIAL_OK;
        d->id = id;
        d->stamp = stamp;
        d->collection = collection;
    } else if (id > 0) {
        st = ph_vector_set_read_fusion(c, &d->set, err);
    }
    *set = st == PHIAL_OK && d->id > 0 ? &d->set : NULL;
    return st;
}

static phial_status need_set(phial_collection *c, const ph_vector_set **set, phial_error *err)
{
    phial_status st = ph_dense_set(c, set, err);
    if (st == PHIAL_OK && !*set)
        st = ph_err_set(err, PHIAL_ERR_ARGUMENT,
                        "%s: has no vectors; phial index --embedder makes them", c->path);
    return st;
}

phial_status ph_dense_query(phial_collection *c, phial_embedder *e, phial_text query, float **out,
                            phial_error *err)
{
    const ph_vector_set *set;
    *out = NULL;
    phial_status st = need_set(c, &set, err);
    if (st == PHIAL_OK && !e)
        st = ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: searching its vectors needs its embedder",
                        c->path);
    if (st == PHIAL_OK)
        st = ph_vector_set_same(c, set, e, err);
    if (st != PHIAL_OK)
        return st;
    float *v = ph_alloc(set->dim, sizeof *v, err);
    if (!v)
        return PHIAL_ERR_NO_MEMORY;
    st = phial_embed(e, v, NULL, &query, 1, PHIAL_EMBED_QUERY, NULL, err);
    if (st != PHIAL_OK)
        ph_err_context(err, st, "the query");
    if (st == PHIAL_OK && set->whitening)
        st = phial_whitening_apply(set->whitening, v, 1, set->dim, err);
    if (st == PHIAL_OK)
        *out = v;
    else
        ph_free(v);
    return st;
}

/* --- images --- */

static ph_vindex_metric metric_of(phial_metric metric)
{
    return metric == PHIAL_METRIC_L2   ? PH_VINDEX_L2
           : metric == PHIAL_METRIC_IP ? PH_VINDEX_IP
                                       : PH_VINDEX_COSINE;
}

static phial_status choose_kind(phial_collection *c, bool exact, const char **kind,
                                phial_error *err)
{
    int64_t next = 0;
    phial_status st = ph_setting_get(c, "next_chunk", &next, 1, err);
    *kind = c->dense->set.dim > PH_VINDEX_MAX_DIM ? "flat"
            : exact || next <= PH_DENSE_LARGE     ? "int8"
                                                  : "bits";
    return st;
}

static ph_hash128 source_of(const struct ph_dense *d)
{
    uint64_t numbers[] = {(uint64_t)d->collection, (uint64_t)d->id, d->set.whitening_sum};
    return (ph_hash128){
        ph_hash64(numbers, sizeof numbers, ph_hash64(d->set.hash, sizeof d->set.hash, 0)),
        (uint64_t)d->stamp};
}

static phial_status add_rows(phial_collection *c, ph_vindex_builder *b, phial_error *err)
{
    const ph_vector_set *set = &c->dense->set;
    sqlite3_stmt *s = NULL;
    bool row = true;
    float *v = ph_alloc(set->dim, sizeof *v, err);
    phial_status st = v ? ph_sql_get(c, PH_SQL_VECTORS_ALL, &s, err) : PHIAL_ERR_NO_MEMORY;
    if (st == PHIAL_OK)
        sqlite3_bind_int64(s, 1, set->id);
    while (st == PHIAL_OK && (st = ph_sql_step(c, s, &row, err)) == PHIAL_OK && row) {
        int64_t chunk = sqlite3_column_int64(s, 0);
        st = ph_vector_decode(c, chunk, ph_sql_text(s, 1), v, set->dim, err);
        if (st == PHIAL_OK && set->whitening)
            st = phial_whitening_apply(set->whitening, v, 1, set->dim, err);
        if (st == PHIAL_OK)
            st = ph_vindex_builder_add(b, &chunk, v, 1, err);
    }
    if (s)
        sqlite3_reset(s);
    ph_free(v);
    return st;
}

static phial_status build(phial_collection *c, const char *path, const ph_vindex_options *o,
                          phial_error *err)
{
    ph_vindex_builder *b = NULL;
    phial_status st = ph_vindex_builder_open(&b, path, o, err);
    if (st == PHIAL_OK)
        st = add_rows(c, b, err);
    if (st == PHIAL_OK)
        st = ph_vindex_builder_commit(b, err);
    ph_vindex_builder_close(b);
    return st;
}

static phial_status use_cached(phial_collection *c, const char *folder, const char *path,
                               const ph_vindex_options *o, ph_vindex **out, phial_error *err)
{
    const ph_vindex_expect expect = {o->kind, &o->metric, o->dim, &o->source};
    ph_vindex_state state;
    ph_lock *lock = NULL;
    phial_status st = ph_vindex_open(out, path, &expect, &state, err);
    if (st == PHIAL_OK)
        ph_vector_cache_touch(path);
    if (st == PHIAL_OK || st == PHIAL_ERR_NO_MEMORY)
        return st;
    st = ph_vector_cache_lock(&lock, folder, err);
    if (st == PHIAL_OK) /* somebody else may just have made it */
        st = ph_vindex_open(out, path, &expect, &state, err);
    if (lock && st != PHIAL_OK && st != PHIAL_ERR_NO_MEMORY) {
        st = build(c, path, o, err);
        if (st == PHIAL_OK)
            st = ph_vindex_open(out, path, &expect, &state, err);
    }
    ph_lock_close(lock);
    return st;
}

/* For as long as it is open. */
static phial_status use_temporary(phial_collection *c, const ph_vindex_options *o, ph_vindex **out,
                                  phial_error *err)
{
    char *path = ph_vector_cache_temporary((uint64_t)ph_vector_random(), err);
    phial_status st = path ? build(c, path, o, err) : PHIAL_ERR_NO_MEMORY;
    if (st == PHIAL_OK) {
        st = ph_vindex_open(out, path, NULL, NULL, err);
        unlink(path);
    }
    ph_free(path);
    return st;
}

/* By the path of the collection, so that copies do not take turns at one image. */
static uint64_t image_name(const phial_collection *c)
{
    char real[PATH_MAX];
    const char *path = realpath(c->path, real) ? real : c->path;
    return ph_hash64(path, strlen(path), (uint64_t)c->dense->collection);
}

static phial_status open_index(phial_collection *c, const ph_vindex_options *o, ph_vindex **out,
                               phial_error *err)
{
    phial_error why = {0};
    char *folder = ph_vector_cache_folder(&why);
    char *path = folder ? ph_vector_cache_path(folder, image_name(c),
                                               ph_vindex_metric_name(o->metric), o->kind, &why)
                        : NULL;
    phial_status st = path ? use_cached(c, folder, path, o, out, &why) : why.status;
    if (st == PHIAL_ERR_IO && (st = use_temporary(c, o, out, err)) == PHIAL_ERR_IO)
        ph_err_context(err, st, "%s", why.message);
    else if (st != PHIAL_OK && why.status == st && err)
        *err = why;
    ph_free(path);
    ph_free(folder);
    return st;
}

static phial_status fetch(void *user, const int64_t *ids, size_t n, float *rows, phial_error *err)
{
    struct ph_dense *d = user;
    phial_status st = PHIAL_OK;
    for (size_t i = 0; i < n && st == PHIAL_OK; i++) {
        bool there;
        st = ph_vector_get(d->c, ids[i], &d->set, rows + i * d->set.dim, &there, err);
        if (st == PHIAL_OK && !there)
            st = ph_damaged(d->c, "a vector is missing", err);
    }
    return st;
}

static phial_status open_image(phial_collection *c, phial_metric metric, bool exact, image **out,
                               phial_error *err)
{
    struct ph_dense *d = c->dense;
    image *im = *out = &d->images[metric][exact];
    int64_t next = 0;
    if (im->searcher)
        return PHIAL_OK;
    ph_vindex_options o;
    ph_vindex_options_default(&o);
    phial_status st = choose_kind(c, exact, &o.kind, err);
    if (st == PHIAL_OK)
        st = ph_setting_get(c, "next_chunk", &next, 1, err);
    if (st == PHIAL_OK && !d->pool && next > 0 && (uint64_t)next > POOL_FLOATS / d->set.dim)
        st = ph_pool_new(&d->pool, 0, err);
    o.metric = metric_of(metric);
    o.dim = d->set.dim;
    /* Whitened rows are nowhere else. */
    o.keep_rows = d->set.whitening || (next > 0 && (uint64_t)next <= KEEP_FLOATS / d->set.dim);
    o.source = source_of(d);
    o.pool = d->pool;
    if (st == PHIAL_OK)
        st = open_index(c, &o, &im->index, err);
    const ph_vsearch_options so = {.pool = d->pool, .fetch = fetch, .fetch_user = d};
    if (st == PHIAL_OK)
        st = ph_vsearcher_new(&im->searcher, im->index, &so, err);
    if (st != PHIAL_OK) {
        ph_vindex_close(im->index);
        *im = (image){NULL, NULL};
    }
    return st;
}

/* --- searching --- */

static phial_status make_mask(ph_vindex_mask **out, const ph_vindex *index,
                              const ph_chunk_ranges *ranges, phial_error *err)
{
    *out = NULL;
    if (!ranges || ranges->all)
        return PHIAL_OK;
    uint64_t n = ph_vindex_describe(index).n_rows, row;
    phial_status st = ph_vindex_mask_new(out, index, false, err);
    for (size_t i = 0; i < ranges->n && st == PHIAL_OK; i++) {
        ph_vindex_find(index, ranges->list[i].first, &row);
        for (int64_t id; row < n && (id = ph_vindex_id(index, row)) < ranges->list[i].end; row++)
            ph_vindex_mask_set(*out, id, true);
    }
    return st;
}

static void take_hits(const int64_t *ids, const float *scores, size_t n, phial_metric metric,
                      ph_scored *list)
{
    for (size_t i = 0; i < n; i++)
        list[i] = (ph_scored){.chunk = ids[i],
                              .score = metric == PHIAL_METRIC_L2 ? -(double)scores[i] : scores[i]};
}

phial_status ph_dense_search(phial_collection *c, const ph_dense_search_for *what, ph_scored **out,
                             size_t *n, phial_error *err)
{
    const ph_vector_set *set;
    image *im;
    ph_vindex_mask *mask = NULL;
    int64_t *ids = NULL;
    float *scores = NULL;
    *out = NULL;
    *n = 0;
    if ((unsigned)what->metric >= N_METRICS)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "there is no such metric");
    phial_status st = need_set(c, &set, err);
    if (st == PHIAL_OK)
        st = open_image(c, what->metric, what->exact, &im, err);
    if (st == PHIAL_OK)
        st = make_mask(&mask, im->index, what->ranges, err);
    uint64_t rows = st == PHIAL_OK ? ph_vindex_describe(im->index).n_rows : 0;
    size_t k = what->k < PH_VINDEX_MAX_K ? what->k : PH_VINDEX_MAX_K;
    k = k < rows ? k : (size_t)rows;
    if (st == PHIAL_OK && k > 0) {
        ids = ph_alloc(k, sizeof *ids, err);
        scores = ids ? ph_alloc(k, sizeof *scores, err) : NULL;
        *out = scores ? ph_alloc(k, sizeof **out, err) : NULL;
        st = *out ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
        const ph_vsearch search = {.queries = what->vector, .n = 1, .k = k, .mask = mask};
        if (st == PHIAL_OK)
            st = ph_vsearcher_run(im->searcher, &search, ids, scores, n, err);
        if (st == PHIAL_OK)
            take_hits(ids, scores, *n, what->metric, *out);
    }
    ph_vindex_mask_free(mask);
    ph_free(ids);
    ph_free(scores);
    if (st != PHIAL_OK) {
        ph_free(*out);
        *out = NULL;
        *n = 0;
    }
    return st;
}

phial_status ph_dense_rows(phial_collection *c, const int64_t *chunks, size_t n, float *rows,
                           phial_error *err)
{
    const ph_vector_set *set;
    phial_status st = need_set(c, &set, err);
    for (size_t i = 0; i < n && st == PHIAL_OK; i++) {
        bool there;
        float *v = rows + i * set->dim;
        st = ph_vector_get(c, chunks[i], set, v, &there, err);
        if (st == PHIAL_OK && there && set->whitening)
            st = phial_whitening_apply(set->whitening, v, 1, set->dim, err);
        if (st == PHIAL_OK && !there)
            memset(v, 0, set->dim * sizeof *v);
    }
    return st;
}
