/* From scores to keys. A window's most promising rows are compared first, which gives a key to beat
 * from the start; then, in order of rows, what may still reach it: by its scan, then by its 8-bit
 * code, then by itself. Each step is a function of the data alone, not of threads or neighbours. */
#include <stdlib.h>
#include <string.h>

#include "rag/vindex_search.h"

/* Rows of a block up to which their 8-bit codes are cheaper than a sift of the block. */
#define SIFT_FROM 2

#define EIGHT 8

typedef struct harvest {
    ph_vlane *lane;
    ph_vquery *q;
    ph_vtop *top;
    uint64_t first; /* row of the window */
    ph_vplace batch[PH_VBATCH];
    size_t n; /* in the batch, in order of rows */
    phial_error *err;
} harvest;

static void fetch_ahead(const void *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64) {
        __builtin_prefetch((const char *)p + i);
    }
}

static void compare_row(harvest *h, uint32_t row, const float *x)
{
    const ph_vindex *index = h->lane->index;
    float key;
    ph_vquery_keys(h->q, h->lane->scan, &key, x, 1, index->layout.dim);
    ph_vtop_add(h->top, (ph_vplace){key, row});
    h->lane->n_rows++;
}

/* Compares the batch's rows by fetching them. */
static phial_status compare_fetched(harvest *h)
{
    ph_vlane *lane = h->lane;
    size_t dim = lane->index->layout.dim;
    int64_t ids[PH_VBATCH];
    for (size_t i = 0; i < h->n; i++) {
        ids[i] = ph_vindex_id(lane->index, h->batch[i].row);
    }
    phial_status st = lane->fetch(lane->fetch_user, ids, h->n, lane->fetched, h->err);
    for (size_t i = 0; i < h->n && st == PHIAL_OK; i++) {
        float *row = lane->fetched + i * dim;
        size_t bad = ph_vspace_bad_element(row, dim);
        if (bad < dim) {
            return ph_err_set(h->err, PHIAL_ERR_NUMERIC,
                              "element %zu of the vector fetched for id %lld is %g", bad,
                              (long long)ids[i], (double)row[bad]);
        }
        ph_vspace_direct(&lane->index->space, row, row);
        compare_row(h, h->batch[i].row, row);
    }
    return st;
}

/* Of the batch those stay, with their bound as key, that may still get in. */
static void sift_by_codes(harvest *h)
{
    const ph_vindex *index = h->lane->index;
    float key = ph_vtop_key(h->top);
    size_t kept = 0;
    for (size_t i = 0; i < h->n; i++) {
        uint32_t row = h->batch[i].row;
        float bound = (float)ph_vquery_bytes_bound(h->q, h->lane->scan, ph_vindex_codes(index, row),
                                                   index->layout.p);
        if (bound >= key) {
            if (h->lane->fetch == NULL) {
                fetch_ahead(ph_vindex_row(index, row), index->layout.dim * sizeof(float));
            }
            h->batch[kept++] = (ph_vplace){bound, row};
        }
    }
    h->lane->n_coded += h->n;
    h->n = kept;
}

static phial_status look_closer(harvest *h)
{
    phial_status st = PHIAL_OK;
    sift_by_codes(h);
    if (h->lane->fetch != NULL) {
        st = h->n > 0 ? compare_fetched(h) : PHIAL_OK;
    } else {
        ph_vtop order = {h->batch, 0, h->n};
        for (size_t i = 0; i < h->n; i++) {
            ph_vtop_add(&order, h->batch[i]);
        }
        ph_vtop_sort(&order);
        for (size_t i = 0; i < h->n && h->batch[i].key >= ph_vtop_key(h->top); i++) {
            compare_row(h, h->batch[i].row, ph_vindex_row(h->lane->index, h->batch[i].row));
        }
    }
    h->n = 0;
    return st;
}

static phial_status offer(harvest *h, uint64_t row)
{
    const ph_vindex *index = h->lane->index;
    fetch_ahead(ph_vindex_codes(index, row), ph_vcode_row_bytes(index->layout.p));
    h->batch[h->n++].row = (uint32_t)row;
    return h->n == PH_VBATCH ? look_closer(h) : PHIAL_OK;
}

static int by_row(const void *a, const void *b)
{
    uint32_t x = ((const ph_vplace *)a)->row, y = ((const ph_vplace *)b)->row;
    return (x > y) - (x < y);
}

/* The first block from b on whose best score is `least` or more; n_blocks: none. */
static size_t next_block(const float *best, size_t b, size_t n_blocks, float least)
{
    for (; b + EIGHT <= n_blocks; b += EIGHT) {
        int any = 0;
        for (int i = 0; i < EIGHT; i++) {
            any |= best[b + (size_t)i] >= least;
        }
        if (any) {
            break;
        }
    }
    while (b < n_blocks && !(best[b] >= least)) {
        b++;
    }
    return b;
}

/* The best row of each of the blocks with the best ones. */
static phial_status take_seeds(harvest *h, size_t n_blocks)
{
    ph_vlane *lane = h->lane;
    float *score = h->q->scan.score;
    ph_vtop seeds = {lane->seeds, 0, lane->n_seeds};
    phial_status st = PHIAL_OK;
    const float *best = h->q->scan.best;
    for (size_t b = 0; (b = next_block(best, b, n_blocks, ph_vtop_key(&seeds))) < n_blocks; b++) {
        if (best[b] > -INFINITY) {
            ph_vtop_add(&seeds, (ph_vplace){best[b], (uint32_t)b});
        }
    }
    if (lane->fetch != NULL) {
        qsort(seeds.at, seeds.n, sizeof *seeds.at, by_row);
    } else {
        ph_vtop_sort(&seeds);
    }
    for (size_t i = 0; i < seeds.n && st == PHIAL_OK; i++) {
        size_t at = (size_t)seeds.at[i].row * PH_VSCAN_ROWS, end = at + PH_VSCAN_ROWS;
        while (at + 1 < end && score[at] != seeds.at[i].key) {
            at++;
        }
        score[at] = -INFINITY; /* once is enough */
        st = offer(h, h->first + at);
    }
    return st == PHIAL_OK && h->n > 0 ? look_closer(h) : st;
}

static ph_vcode_factors factors_at(const unsigned char *block, size_t r)
{
    float f[3];
    for (size_t i = 0; i < 3; i++) {
        memcpy(&f[i], block + (i * PH_VSCAN_ROWS + r) * sizeof f[i], sizeof f[i]);
    }
    return (ph_vcode_factors){f[0], f[1], f[2]};
}

/* Where a block of a part lies. */
static const unsigned char *block_at(const harvest *h, uint64_t row, int part, size_t bytes)
{
    const ph_vlayout *l = &h->lane->index->layout;
    return ph_vindex_part(h->lane->index, row / l->segment_rows, part) +
           row % l->segment_rows / PH_VSCAN_ROWS * bytes;
}

/* Of the rows in `mask` those that the sift leaves. */
static uint32_t sift(const harvest *h, uint64_t row, uint32_t mask, float key)
{
    const ph_vlayout *l = &h->lane->index->layout;
    const unsigned char *block = block_at(h, row, PH_VPART_SIFT, l->kind->sift_bytes(l->p));
    float score[PH_VSCAN_ROWS], best;
    ph_vscan_query q = h->q->sift;
    q.score = score;
    q.best = &best;
    h->lane->scan->bits(&q, 1, block, 1, l->p);
    for (size_t r = 0; r < PH_VSCAN_ROWS; r++) {
        ph_vcode_factors f = factors_at(block, r);
        if (!(mask >> r & 1 && score[r] >= key &&
              ph_vquery_may_reach(h->q, h->q->sift_share, &f, score[r], key))) {
            mask &= ~((uint32_t)1 << r);
        }
    }
    return mask;
}

static phial_status harvest_coded(harvest *h, const float *score, uint64_t row)
{
    const ph_vlayout *l = &h->lane->index->layout;
    const unsigned char *block = block_at(h, row, PH_VPART_SCAN, l->kind->block_bytes(l->p));
    float key = ph_vtop_key(h->top);
    uint32_t mask = 0;
    size_t n = 0;
    for (size_t r = 0; r < PH_VSCAN_ROWS; r++) {
        ph_vcode_factors f;
        if (!(score[r] >= key) || score[r] == -INFINITY) {
            continue;
        }
        f = factors_at(block, r);
        if (ph_vquery_may_reach(h->q, h->q->share, &f, score[r], key)) {
            mask |= (uint32_t)1 << r;
            n++;
        }
    }
    if (n > SIFT_FROM && l->kind->sift_bytes != NULL) {
        mask = sift(h, row, mask, key);
    }
    for (size_t r = 0; r < PH_VSCAN_ROWS; r++) {
        phial_status st = mask >> r & 1 ? offer(h, row + r) : PHIAL_OK;
        if (st != PHIAL_OK) {
            return st;
        }
    }
    return PHIAL_OK;
}

static phial_status harvest_block(harvest *h, size_t b)
{
    const float *score = h->q->scan.score + b * PH_VSCAN_ROWS;
    uint64_t row = h->first + b * PH_VSCAN_ROWS;
    if (!h->lane->index->layout.kind->exact) {
        return harvest_coded(h, score, row);
    }
    for (size_t r = 0; r < PH_VSCAN_ROWS; r++) {
        if (score[r] >= ph_vtop_key(h->top) && score[r] > -INFINITY) {
            ph_vtop_add(h->top, (ph_vplace){score[r], (uint32_t)(row + r)});
        }
    }
    return PHIAL_OK;
}

phial_status ph_vlane_harvest(ph_vlane *lane, size_t query, uint64_t first, size_t n_blocks,
                              phial_error *err)
{
    harvest h = {.lane = lane,
                 .q = &lane->queries[query],
                 .top = &lane->tops[query],
                 .first = first,
                 .err = err};
    phial_status st = PHIAL_OK;
    if (!lane->index->layout.kind->exact && ph_vtop_key(h.top) == -INFINITY) {
        st = take_seeds(&h, n_blocks);
    }
    const float *best = h.q->scan.best;
    for (size_t b = 0; st == PHIAL_OK; b++) {
        b = next_block(best, b, n_blocks, ph_vtop_key(h.top));
        if (b == n_blocks) {
            break;
        }
        st = best[b] > -INFINITY ? harvest_block(&h, b) : st;
    }
    return st == PHIAL_OK && h.n > 0 ? look_closer(&h) : st;
}
