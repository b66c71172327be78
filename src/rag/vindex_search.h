/* Inside a search: the work space of one thread, and what is done with a scan's scores. */
#ifndef PH_RAG_VINDEX_SEARCH_H
#define PH_RAG_VINDEX_SEARCH_H

#include "rag/vindex_kind.h"
#include "rag/vindex_products.h"
#include "rag/vindex_top.h"

/* Rows whose scores are kept until they are looked at: enough that the key to beat is a good one
 * early, few enough that they stay in a cache. */
#define PH_VWINDOW_BLOCKS 4096
#define PH_VBATCH                                                                                  \
    32 /* rows that are looked at closer together, so that memory is waited for once */

typedef struct ph_vlane {
    const ph_vindex *index;
    const ph_vscan *scan;
    ph_vindex_fetch_fn fetch; /* NULL: rows are in the image */
    void *fetch_user;

    ph_vquery queries[PH_VGROUP];
    ph_vtop tops[PH_VGROUP];
    unsigned char *room; /* owned; the others point into it */
    ph_vplace *seeds;    /* [n_seeds] */
    size_t n_seeds;
    float *fetched;            /* [PH_VBATCH][dim] */
    unsigned char *cell_table; /* of kinds that search by themselves: nibbles of a query, */
    float *cell_score;         /* and promises of all cells */
    size_t n_coded, n_rows;
    ph_vproducts products; /* owned; only where batches of f32 rows were searched */
} ph_vlane;

/* Rows on their way from a promise to a key. */
typedef struct ph_vharvest {
    ph_vlane *lane;
    ph_vquery *q;
    ph_vtop *top;
    uint64_t first; /* row of the window */
    ph_vplace batch[PH_VBATCH];
    size_t n; /* in the batch */
    phial_error *err;
} ph_vharvest;

/* Takes a row into the batch; a full batch is looked at closer: by codes, then by itself. */
phial_status ph_vharvest_offer(ph_vharvest *h, uint64_t row);
/* Looks closer at what is left in the batch. */
phial_status ph_vharvest_rest(ph_vharvest *h);
/* Of the n rows of a block whose scan gave `score`, those that may have a key of at least `key`. */
uint32_t ph_vharvest_mask(const ph_vquery *q, const unsigned char *block, const float *score,
                          size_t n, float key);
/* The first of n numbers from i on that is `least` or more; n: none. */
size_t ph_vharvest_next(const float *best, size_t i, size_t n, float least);

/* Looks closer at what the scores of a query's window promise; rows from `first` on. */
phial_status ph_vlane_harvest(ph_vlane *lane, size_t query, uint64_t first, size_t n_blocks,
                              phial_error *err);

#endif
