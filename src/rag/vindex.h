/* Vector index: the rows nearest to a query, from a memory-mapped image in a file.
 *
 * An image is derived data. It is built from a stream of (id, row), says whose vectors it holds by
 * a hash that the caller gives, and is thrown away and built again when it is missing, damaged or
 * of something else; ph_vindex_open() tells these apart. Nothing of it is believed before its
 * checksums agree.
 *
 * Structures (vindex.def):
 *   flat  f32 rows, all of them compared
 *   int8  the same results to the last bit, at a fraction of the memory traffic: a scan of 4-bit
 *         codes with a proven bound on its error, what could be among the best by 8-bit codes
 *         likewise, what still could be by its f32 row
 *   bits  one bit a dimension, with the error's distribution instead of a bound: as many rows are
 *         looked at closer as the wanted recall asks for
 *   cells bits, of the rows that lie near the query: the rows are parted by k-means
 * The f32 rows are in the image, or the caller fetches them from where they are.
 *
 * Scores are FAISS's: squared L2 distance, inner product, inner product of both at length 1 (0 with
 * a vector of zeros). They are f32 sums in one fixed order of additions, whatever the structure,
 * the threads and the batch; equal scores are in order of ids.
 *
 * Threads: an open index is immutable, any number of threads may use it. Builders and searchers
 * serve one caller at a time.
 */
#ifndef PH_RAG_VINDEX_H
#define PH_RAG_VINDEX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/pool.h"

#define PH_VINDEX_MAX_DIM   16384
#define PH_VINDEX_FLAT_DIM  65536 /* of flat, which has no codes whose sums could overflow */
#define PH_VINDEX_MAX_ROWS  ((uint64_t)1 << 31)
#define PH_VINDEX_MAX_K     100000
#define PH_VINDEX_MAX_VALUE 1e15f /* largest magnitude of an element: squares sum up in f32 */

typedef enum ph_vindex_metric {
    PH_VINDEX_L2 = 0,     /* squared distance, smallest first */
    PH_VINDEX_IP = 1,     /* inner product, largest first */
    PH_VINDEX_COSINE = 2, /* largest first */
    PH_VINDEX_N_METRICS
} ph_vindex_metric;

const char *ph_vindex_metric_name(ph_vindex_metric metric); /* "l2", "ip", "cosine" */

/* Name and one-line description of structure i; NULL behind the last. */
const char *ph_vindex_kind_name(size_t i);
const char *ph_vindex_kind_about(size_t i);

/* --- building --- */

typedef struct ph_vindex_options {
    const char *kind; /* "flat", "int8", "bits", "cells" */
    ph_vindex_metric metric;
    uint32_t dim;      /* 1 .. PH_VINDEX_MAX_DIM; flat: PH_VINDEX_FLAT_DIM */
    bool keep_rows;    /* f32 rows in the image; flat always has them */
    ph_hash128 source; /* of what the vectors come from */
    uint64_t seed;     /* of the rotation */
    const char *isa;   /* kernels, as in kern/kern.h; NULL: the best here. Images are the same. */
    ph_pool *pool;     /* borrowed; NULL: one thread */
    const atomic_bool *cancel; /* may be NULL */
    uint32_t segment_rows;     /* rows coded and written together, a power of 2 from 256 on; 0: what
                                  fits 64 MiB. The centre that codes are relative to is that of the
                                  first of them. */
} ph_vindex_options;

void ph_vindex_options_default(ph_vindex_options *options);

typedef struct ph_vindex_builder ph_vindex_builder;

/* What is at path stays until commit, which replaces it at once. */
phial_status ph_vindex_builder_open(ph_vindex_builder **out, const char *path,
                                    const ph_vindex_options *options, phial_error *err);
/* The next n rows [n][dim]; copied. Ids ascend. PHIAL_ERR_NUMERIC names the id with a NaN, an
 * infinity or an element beyond PH_VINDEX_MAX_VALUE; the builder goes on as if it had not been
 * offered rows from that one on. */
phial_status ph_vindex_builder_add(ph_vindex_builder *b, const int64_t *ids, const float *rows,
                                   size_t n, phial_error *err);
phial_status ph_vindex_builder_commit(ph_vindex_builder *b, phial_error *err);
void ph_vindex_builder_close(ph_vindex_builder *b); /* without commit nothing stays behind */

/* --- an image --- */

typedef struct ph_vindex ph_vindex;

typedef enum ph_vindex_state {
    PH_VINDEX_FRESH,   /* and open */
    PH_VINDEX_MISSING, /* no such file */
    PH_VINDEX_FOREIGN, /* no image, or one of another version */
    PH_VINDEX_STALE,   /* of other vectors, or another structure, metric or dimension */
    PH_VINDEX_DAMAGED, /* a checksum or a size is wrong */
    PH_VINDEX_UNKNOWN  /* could not be told: no memory, reading refused */
} ph_vindex_state;

/* What an image must be; NULL and 0 fit anything. */
typedef struct ph_vindex_expect {
    const char *kind;
    const ph_vindex_metric *metric;
    uint32_t dim;
    const ph_hash128 *source;
} ph_vindex_expect;

/* expect and state may be NULL. Every byte of the file is checked. */
phial_status ph_vindex_open(ph_vindex **out, const char *path, const ph_vindex_expect *expect,
                            ph_vindex_state *state, phial_error *err);
void ph_vindex_close(ph_vindex *index);

typedef struct ph_vindex_info {
    const char *kind;
    ph_vindex_metric metric;
    uint32_t dim;
    uint64_t n_rows;
    bool has_rows;
    uint64_t file_bytes;
    uint64_t scan_bytes; /* of these, read by every query */
    ph_hash128 source;
} ph_vindex_info;

ph_vindex_info ph_vindex_describe(const ph_vindex *index);
int64_t ph_vindex_id(const ph_vindex *index, uint64_t row);
/* Where an id is; false: nowhere. */
bool ph_vindex_find(const ph_vindex *index, int64_t id, uint64_t *row);

/* Which rows may be found: filters, and rows deleted since the image was built. */
typedef struct ph_vindex_mask ph_vindex_mask;
phial_status ph_vindex_mask_new(ph_vindex_mask **out, const ph_vindex *index, bool all,
                                phial_error *err);
void ph_vindex_mask_free(ph_vindex_mask *mask);
/* False: the image has no such id. */
bool ph_vindex_mask_set(ph_vindex_mask *mask, int64_t id, bool allowed);
uint64_t ph_vindex_mask_count(const ph_vindex_mask *mask); /* rows allowed */

/* --- searching --- */

/* Fills rows [n][dim] for ids, which ascend. */
typedef phial_status (*ph_vindex_fetch_fn)(void *user, const int64_t *ids, size_t n, float *rows,
                                           phial_error *err);

typedef struct ph_vsearch_options {
    const char *isa; /* as above */
    ph_pool *pool;   /* borrowed; NULL: one thread */
    ph_vindex_fetch_fn
        fetch; /* needed where the image has no rows; called on the caller's thread */
    void *fetch_user;
    const atomic_bool *cancel; /* may be NULL */
} ph_vsearch_options;

typedef struct ph_vsearcher ph_vsearcher; /* work space; index is borrowed */

phial_status ph_vsearcher_new(ph_vsearcher **out, const ph_vindex *index,
                              const ph_vsearch_options *options, phial_error *err);
void ph_vsearcher_free(ph_vsearcher *s);

typedef struct ph_vsearch {
    const float *queries; /* [n][dim] */
    size_t n;
    size_t k;      /* 1 .. PH_VINDEX_MAX_K */
    double recall; /* bits, cells: share of the true best wanted, above 0; 1: all of them, by
                      proof. 0: 0.95. Others are exact anyhow. */
    const ph_vindex_mask *mask; /* may be NULL */
} ph_vsearch;

/* Best first: ids and scores [n][k], found [n] of them; behind those, ids are -1. PHIAL_ERR_NUMERIC
 * names the query with a NaN, an infinity or an element beyond the limit. */
phial_status ph_vsearcher_run(ph_vsearcher *s, const ph_vsearch *search, int64_t *ids,
                              float *scores, size_t *found, phial_error *err);

/* Of all searches of this searcher: rows whose 8-bit code, and whose f32 row was looked at. */
typedef struct ph_vsearch_stats {
    uint64_t n_queries, n_coded, n_rows;
} ph_vsearch_stats;
ph_vsearch_stats ph_vsearcher_stats(const ph_vsearcher *s);

#endif
