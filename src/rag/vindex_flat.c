/* All rows compared as they are. */
#include <math.h>

#include "rag/vindex_kind.h"

static size_t block_bytes(size_t p)
{
    (void)p;
    return 0;
}

static double encode(unsigned char *block, unsigned char *sift, const ph_vrows *rows)
{
    (void)block;
    (void)sift;
    (void)rows;
    return 0;
}

static size_t table_bytes(size_t p)
{
    (void)p;
    return 0;
}

static void prepare(ph_vquery *q, size_t p, double largest_root, double recall)
{
    (void)q;
    (void)p;
    (void)largest_root;
    (void)recall;
}

static void scan_one(const ph_vscan *scan, const ph_vquery *q, const ph_vstretch *s, size_t b)
{
    size_t first = b * PH_VSCAN_ROWS, n = s->n_rows - first;
    float *score = q->scan.score + s->before * PH_VSCAN_ROWS + first, best;
    n = n < PH_VSCAN_ROWS ? n : PH_VSCAN_ROWS;
    ph_vquery_keys(q, scan, score, s->rows + first * s->dim, n, s->dim);
    for (size_t r = n; r < PH_VSCAN_ROWS; r++) {
        score[r] = -INFINITY;
    }
    best = score[0];
    for (size_t r = 1; r < PH_VSCAN_ROWS; r++) {
        best = score[r] > best ? score[r] : best;
    }
    q->scan.best[s->before + b] = best;
}

static void scan(const ph_vscan *kernels, const ph_vquery *queries, size_t n, const ph_vstretch *s)
{
    for (size_t b = 0; b < s->n_blocks; b++) {
        for (size_t j = 0; j < n; j++) {
            scan_one(kernels, &queries[j], s, b);
        }
    }
}

const ph_vindex_kind ph_vindex_kind_flat = {
    .name = "flat",
    .about = "every row compared in f32",
    .exact = true,
    .always_rows = true,
    .chunk_blocks = 1,
    .block_bytes = block_bytes,
    .encode = encode,
    .table_bytes = table_bytes,
    .prepare = prepare,
    .scan = scan,
};
