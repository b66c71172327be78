/* Codes of rows, and what a query has to know to score them.
 *
 * A code is a vector v of small numbers beside which a row y (rag/vindex_space.h) lies: bits v = +1
 * or -1; nibbles v = c - 7.5, c = 0 .. 15; bytes v = c + 0.5, c = -128 .. 127. With rho the cosine
 * of y and v, and for any z,
 *   <y, z> = by_code <v, z> + by_error <w, z>
 *   by_code = |y|^2 / <y, v>,  by_error = |y| sqrt(1 - rho^2) / rho,  |by_code v| = |y| / rho
 * w being of length 1 and orthogonal to y. Three floats a row hold by_code, by_error and |y|.
 * So the error is at most by_error sqrt(|z|^2 - (<y, z> / |y|)^2), and as v comes of a random
 * rotation, w points anywhere in the p - 1 dimensions left: about normal, sqrt(p - 1) times
 * smaller. Source of the second: Gao and Long, "RaBitQ" (2024).
 *
 * z is rounded too, to z' of whole numbers times a step: |by_code <v, z - z'>| is at most
 * (|y| + by_error) |z - z'|.
 *
 * Keys: scores turned so that the largest is best, -distance for L2. Errors of all floating point
 * operations between the row and its key, with the f32 sums of kern/vscan.h, are below
 * PH_VCODE_SLACK times (|y|^2 + |z|^2) for L2, (|y| + |centre|) |q| for the others.
 */
#ifndef PH_RAG_VINDEX_CODE_H
#define PH_RAG_VINDEX_CODE_H

#include "kern/vscan.h"
#include "rag/vindex_space.h"

#define PH_VCODE_SLACK 0x1p-15

typedef struct ph_vcode_factors {
    float by_code, by_error, norm;
} ph_vcode_factors;

/* Rows for a block, at most PH_VSCAN_ROWS. */
typedef struct ph_vrows {
    const float *y;      /* [n][p], turned */
    const double *norms; /* of y */
    size_t n, p;
} ph_vrows;

/* Blocks as in kern/vscan.h; rows from n on are zeros. Bits may be of the `first` dimensions only:
 * v is 0 in the others then, and all that was said holds. Nibbles: returns the largest root that
 * PH_VSCAN_NIBBLE_ROOM speaks of. */
void ph_vcode_bits(unsigned char *block, const ph_vrows *rows, size_t first);
double ph_vcode_nibbles(unsigned char *block, const ph_vrows *rows);

/* A row's code of bytes: factors, int8[p]. */
#define PH_VCODE_BYTES_HEAD 12
static inline size_t ph_vcode_row_bytes(size_t p)
{
    return PH_VCODE_BYTES_HEAD + p;
}
void ph_vcode_bytes(unsigned char *row, const float *y, double norm, size_t p);

/* A query beside rows and codes. */
typedef struct ph_vquery {
    double norm;   /* |z| */
    double base;   /* <centre, q>; 0 for L2 */
    double reach;  /* |q| */
    double centre; /* |centre| */
    double twice;  /* 2 for L2, else 1 */
    ph_vindex_metric metric;
    float *direct; /* [dim], q: what the metric sees; owned by whoever owns the query, and z */
    float *z;      /* [p] */

    ph_vscan_query scan;
    unsigned char *table;
    double share;        /* of scan.by_error, what shrinks with <y, z> */
    ph_vscan_query sift; /* bits of all dimensions, where the scan is of the first */
    double sift_share;

    int16_t *q16;                              /* [p] */
    double step16, half_sum16, miss16, room16; /* z' = step16 q16; half the sum of q16; |z - z'| */
} ph_vquery;

/* Sets all but scan, table and share from x. */
void ph_vquery_set(ph_vquery *q, const ph_vspace *space, const float *x);

/* The scan of bits, of the first dimensions and of all p, or of nibbles. spread: of the error, in
 * standard deviations; 0: its proven bound.
 */
void ph_vquery_bits(ph_vquery *q, size_t p, size_t first, double spread);
void ph_vquery_nibbles(ph_vquery *q, size_t p, double largest_root);

/* No key of the row is larger than this. */
double ph_vquery_bytes_bound(const ph_vquery *q, const ph_vscan *scan, const unsigned char *row,
                             size_t p);

/* False if a row whose scan gave `score` cannot have (or, with a spread, hardly has) a key of at
 * least `key`: had it one, its error would be smaller than what the score allows for. */
bool ph_vquery_may_reach(const ph_vquery *q, double share, const ph_vcode_factors *f, float score,
                         float key);

/* The keys of n rows as the metric sees them. */
void ph_vquery_keys(const ph_vquery *q, const ph_vscan *scan, float *keys, const float *rows,
                    size_t n, size_t dim);

static inline float ph_vquery_score(ph_vindex_metric metric, float key)
{
    return metric == PH_VINDEX_L2 ? 0.0f - key : key;
}

#endif
