/* The space codes are made in: rows relative to a centre, turned by a random rotation.
 *
 * Codes are good where a row's energy is spread evenly over the dimensions and where its error does
 * not point anywhere in particular; the rotation sees to both, whatever an embedding's dimensions
 * are like. Relative to the centre, because embeddings have much in common that says nothing.
 * The rotation is random signs and fast Hadamard transforms, twice: over the first and over the
 * last 2^k of p dimensions, 2^k the largest that fits. All steps are orthogonal; each rounds by at
 * most 2^-24 of the vector's length, and there are at most 56 of them.
 */
#ifndef PH_RAG_VINDEX_SPACE_H
#define PH_RAG_VINDEX_SPACE_H

#include "rag/vindex.h"

typedef struct ph_vspace {
    ph_vindex_metric metric;
    size_t dim;
    size_t p;           /* dim rounded up to 32 */
    float *signs;       /* owned, [2][p] */
    float *centre;      /* owned, [dim] */
    double centre_norm; /* its length */
} ph_vspace;

phial_status ph_vspace_init(ph_vspace *space, ph_vindex_metric metric, size_t dim, uint64_t seed,
                            phial_error *err);
void ph_vspace_free(ph_vspace *space);
void ph_vspace_set_centre(ph_vspace *space, const float *centre);

size_t ph_vspace_padded(size_t dim);

/* Index of the first element that is no finite number of at most PH_VINDEX_MAX_VALUE; dim: none. */
size_t ph_vspace_bad_element(const float *x, size_t dim);

double ph_vspace_length(const float *x, size_t dim);

/* What the metric sees of a row: the row; for cosine that of length 1 (of zeros: zeros). out may be
 * x. */
void ph_vspace_direct(const ph_vspace *space, float *out, const float *x);

/* y[p] = the rotation of x [- centre], which is what ph_vspace_direct() gave, padded with zeros;
 * returns its length before it was turned. */
double ph_vspace_turn(const ph_vspace *space, float *y, const float *x, bool centred);

#endif
