/* Vectors of many kinds, images of them, and searches: shared by the tests of the vector index. */
#ifndef PH_TESTS_VINDEX_UTIL_H
#define PH_TESTS_VINDEX_UTIL_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/rng.h"
#include "rag/vindex.h"

typedef enum vset_kind {
    VSET_RANDOM,
    VSET_CLUSTERED,
    VSET_DUPLICATE, /* few different rows */
    VSET_ZERO,      /* every third row zeros */
    VSET_ALL_ZERO,
    VSET_HUGE,
    VSET_TINY,
    VSET_SUBNORMAL,
    VSET_SCALES, /* lengths from 1e-12 to 1e12 */
    VSET_OFFSET, /* all point the same way */
    VSET_ONE_HOT,
    VSET_N
} vset_kind;

typedef struct vset {
    size_t n, n_queries, dim;
    int64_t *ids;
    float *rows, *queries;
} vset;

static inline double vset_normal(ph_rng *rng)
{
    double u = 1 - ph_rng_f64(rng), v = ph_rng_f64(rng);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

static inline void vset_row(ph_rng *rng, vset_kind kind, size_t i, size_t dim, float *x)
{
    ph_rng shape;
    ph_rng_seed(&shape, 77, kind == VSET_CLUSTERED ? ph_rng_below(rng, 20) : i % 7);
    double scale = kind == VSET_HUGE ? 1e14 : kind == VSET_TINY ? 1e-17 : 1;
    scale = kind == VSET_SUBNORMAL ? 1e-40 : scale;
    scale = kind == VSET_SCALES ? pow(10, 24 * ph_rng_f64(rng) - 12) : scale;
    for (size_t d = 0; d < dim; d++) {
        double v = vset_normal(rng);
        if (kind == VSET_CLUSTERED) {
            v = vset_normal(&shape) + 0.5 * v;
        } else if (kind == VSET_DUPLICATE) {
            v = vset_normal(&shape);
        } else if (kind == VSET_ALL_ZERO || (kind == VSET_ZERO && i % 3 == 0)) {
            v = 0;
        } else if (kind == VSET_OFFSET) {
            v = 10 + 0.01 * v;
        } else if (kind == VSET_ONE_HOT) {
            v = d == i % dim ? 1 : 0;
        }
        v *= scale;
        x[d] = (float)(v > 9e14 ? 9e14 : v < -9e14 ? -9e14 : v);
    }
}

static inline vset vset_new(vset_kind kind, size_t n, size_t n_queries, size_t dim, uint64_t seed)
{
    vset v = {n,
              n_queries,
              dim,
              calloc(n + 1, 8),
              calloc(n * dim + 1, 4),
              calloc(n_queries * dim + 1, 4)};
    ph_rng rng;
    assert_true(v.ids && v.rows && v.queries);
    ph_rng_seed(&rng, seed, (uint64_t)kind);
    for (size_t i = 0; i < n; i++) {
        v.ids[i] = (int64_t)i * 3 - 1000;
        vset_row(&rng, kind, i, dim, v.rows + i * dim);
    }
    for (size_t i = 0; i < n_queries; i++) {
        vset_row(&rng, kind, i + 1, dim, v.queries + i * dim);
    }
    return v;
}

static inline void vset_free(vset *v)
{
    free(v->ids);
    free(v->rows);
    free(v->queries);
}

static inline const char *vset_path(const char *name)
{
    static char path[4][256];
    static int turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "vindex_%ld_%s.image", (long)getpid(), name);
    return p;
}

static inline phial_status vset_build(const vset *v, const char *path, const ph_vindex_options *o,
                                      phial_error *err)
{
    ph_vindex_builder *b = NULL;
    phial_status st = ph_vindex_builder_open(&b, path, o, err);
    for (size_t i = 0; i < v->n && st == PHIAL_OK; i += 1000) {
        size_t n = v->n - i < 1000 ? v->n - i : 1000;
        st = ph_vindex_builder_add(b, v->ids + i, v->rows + i * v->dim, n, err);
    }
    if (st == PHIAL_OK) {
        st = ph_vindex_builder_commit(b, err);
    }
    ph_vindex_builder_close(b);
    return st;
}

static inline ph_vindex *vset_index(const vset *v, const char *kind, ph_vindex_metric metric,
                                    bool keep_rows)
{
    ph_vindex_options o;
    phial_error err = {0};
    ph_vindex *index = NULL;
    const char *path = vset_path(kind);
    ph_vindex_options_default(&o);
    o.kind = kind;
    o.metric = metric;
    o.dim = (uint32_t)v->dim;
    o.keep_rows = keep_rows;
    o.segment_rows = 256;
    if (vset_build(v, path, &o, &err) != PHIAL_OK ||
        ph_vindex_open(&index, path, NULL, NULL, &err) != PHIAL_OK) {
        fail_msg("%s", err.message);
    }
    unlink(path);
    return index;
}

typedef struct vfound {
    size_t n, k;
    int64_t *ids;
    float *scores;
    size_t *found;
} vfound;

static inline vfound vfound_new(size_t n, size_t k)
{
    vfound f = {n, k, calloc(n * k + 1, 8), calloc(n * k + 1, 4), calloc(n + 1, sizeof(size_t))};
    assert_true(f.ids && f.scores && f.found);
    return f;
}

static inline void vfound_free(vfound *f)
{
    free(f->ids);
    free(f->scores);
    free(f->found);
}

static inline vfound vset_search(const vset *v, const ph_vindex *index, size_t k, double recall,
                                 const ph_vindex_mask *mask, const ph_vsearch_options *o)
{
    ph_vsearch_options none = {0};
    ph_vsearcher *s = NULL;
    phial_error err = {0};
    vfound f = vfound_new(v->n_queries, k);
    ph_vsearch search = {v->queries, v->n_queries, k, recall, mask};
    if (ph_vsearcher_new(&s, index, o ? o : &none, &err) != PHIAL_OK ||
        ph_vsearcher_run(s, &search, f.ids, f.scores, f.found, &err) != PHIAL_OK) {
        fail_msg("%s", err.message);
    }
    ph_vsearcher_free(s);
    return f;
}

static inline bool vfound_same(const vfound *a, const vfound *b)
{
    return a->n == b->n && a->k == b->k && memcmp(a->ids, b->ids, a->n * a->k * 8) == 0 &&
           memcmp(a->scores, b->scores, a->n * a->k * 4) == 0 &&
           memcmp(a->found, b->found, a->n * sizeof(size_t)) == 0;
}

#endif
