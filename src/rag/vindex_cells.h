/* Rows of a segment in cells of rows that lie close together, so that most of them need not be
 * scanned.
 *
 * A segment's rows are parted by k-means; what the kind scans is in the order of cells, each of
 * which begins with a block of its own, while ids, rows and codes stay in theirs. A cell's promise
 * to a query is the key that its mean would have; what a row's key has above the promise of its
 * cell is its gain. A cell is scanned if its promise and the gain that the wanted recall allows for
 * reach the key to beat. How large gains are is measured when a segment is built: those of the
 * nearest neighbours of some of its own rows, as multiples of |z|. That holds as far as queries are
 * like rows; it is no bound. Recall 1 scans all cells.
 *
 * The part, of n rows: ph_vcell entries [cells], uint16 row of each place [blocks of 32], then,
 * aligned to 64 bytes, nibbles of the means (kern/vscan.h) [blocks of 32 cells], float
 * gain[PH_VCELL_GAINS], which are the quantiles 0, 1/63, ... 1.
 */
#ifndef PH_RAG_VINDEX_CELLS_H
#define PH_RAG_VINDEX_CELLS_H

#include "rag/vindex_kind.h"

#define PH_VCELL_ROWS  64 /* of a cell, on average */
#define PH_VCELL_GAINS 64

typedef struct ph_vcell {
    uint32_t block, n; /* the first of the scan, and rows */
} ph_vcell;

static inline size_t ph_vcell_count(size_t n)
{
    return (n + PH_VCELL_ROWS - 1) / PH_VCELL_ROWS;
}

/* Blocks of the scan: at most one of each cell is not full. */
static inline size_t ph_vcell_scan_blocks(size_t n)
{
    return (n + PH_VSCAN_ROWS - 1) / PH_VSCAN_ROWS + ph_vcell_count(n);
}

static inline size_t ph_vcell_mean_bytes(size_t p) /* of 32 cells */
{
    return PH_VSCAN_FACTORS + p / 2 * PH_VSCAN_ROWS;
}

static inline size_t ph_vcell_mean_blocks(size_t n)
{
    return (ph_vcell_count(n) + PH_VSCAN_ROWS - 1) / PH_VSCAN_ROWS;
}

/* Where things are in the part. */
static inline size_t ph_vcell_order_at(size_t n)
{
    return ph_vcell_count(n) * sizeof(ph_vcell);
}

static inline size_t ph_vcell_means_at(size_t n)
{
    size_t end = ph_vcell_order_at(n) + ph_vcell_scan_blocks(n) * PH_VSCAN_ROWS * sizeof(uint16_t);
    return (end + 63) / 64 * 64;
}

static inline size_t ph_vcell_gains_at(size_t n, size_t p)
{
    return ph_vcell_means_at(n) + ph_vcell_mean_blocks(n) * ph_vcell_mean_bytes(p);
}

static inline size_t ph_vcell_part_bytes(size_t n, size_t p)
{
    return ph_vcell_gains_at(n, p) + PH_VCELL_GAINS * sizeof(float);
}

/* A segment that is being built: its rows are coded already. */
typedef struct ph_vcell_job {
    const ph_vindex_kind *kind;
    const ph_vspace *space;
    const ph_vscan *kernels;
    const float *rows;          /* [n][dim] as the metric sees them */
    const unsigned char *codes; /* of bytes, [n] */
    size_t n;                   /* at most 65536 */
    const atomic_bool *cancel;  /* may be NULL */
    unsigned char *scan, *part; /* written; zeroed before */
    double root;                /* set: what PH_VSCAN_NIBBLE_ROOM is about */
} ph_vcell_job;

phial_status ph_vcell_build(ph_vcell_job *job, phial_error *err);

#endif
