/* Many queries of an index of f32 rows at once, by matrix products.
 *
 * A product of a query and a row, added up in another order than kern/vscan.h adds, is no key, but
 * says what the key is at most; rows that may still be among the best are compared as always. So
 * the results are those of comparing all rows, to the last bit, at the speed of a matrix product.
 *
 * Threads: each its own room.
 */
#ifndef PH_RAG_VINDEX_PRODUCTS_H
#define PH_RAG_VINDEX_PRODUCTS_H

#include "kern/kern.h"
#include "rag/vindex_kind.h"
#include "rag/vindex_top.h"

typedef struct ph_vproducts {
    const ph_kern *kern;
    const ph_vscan *scan;
    const ph_vindex *index;
    size_t together, k;   /* queries, and results of each, that there is room for */
    unsigned char *bytes; /* owned; the others point into it */
    float *queries;       /* [together][dim] as the metric sees them */
    float *packed;        /* panels of gemm_n queries */
    float *bias;          /* [together + gemm_n] what is added to a product, see may_be_in() */
    float *half_norms;    /* [together] of queries */
    float *rows;          /* gemm_m rows, packed */
    float *products;      /* [gemm_m][gemm_n] */
    ph_vtop *tops;        /* [together] */
} ph_vproducts;

/* How many queries of dim numbers are multiplied together. */
size_t ph_vproducts_together(const ph_kern *kern, size_t dim);

/* Room for `together` queries with k results each; p has been zeroed or opened before, and keeps
 * what is large enough. */
phial_status ph_vproducts_open(ph_vproducts *p, const ph_kern *kern, const ph_vscan *scan,
                               const ph_vindex *index, size_t k, phial_error *err);
void ph_vproducts_close(ph_vproducts *p);

/* n <= together queries [n][dim]; results in tops, not sorted. mask may be NULL. False: cancelled.
 */
bool ph_vproducts_run(ph_vproducts *p, const float *queries, size_t n, size_t k,
                      const ph_vindex_mask *mask, const atomic_bool *cancel);

#endif
