/* From scores to keys. A window's most promising rows are compared first, which gives a key to beat
 * from the start; then, in order of rows, what may still reach it: by its scan, then by its 8-bit
 * code, then by itself. Each step is a function of the data alone, not of threads or neighbours. */
#include <stdlib.h>
#include <string.h>

#include "rag/vindex_search.h"

/* Rows of a block up to which their 8-bit codes are cheaper than a sift of the block. */
#define SIFT_FROM 2

#define EIGHT 8

typedef ph_vharvest harvest;

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

static int by_row(const void *a, const void *b)
{
    uint32_t x = ((const ph_vplace *)a)->row, y = ((const ph_vplace *)b)->row;
    return (x > y) - (x < y);
}

static phial_status look_closer(harvest *h)
{
    phial_status st = PHIAL_OK;
    sift_by_codes(h);
    if (h->lane->fetch != NULL) {
        qsort(h->batch, h->n, sizeof h->batch[0], by_row);
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

phial_status ph_vharvest_offer(ph_vharvest *h, uint64_t row)
{
    const ph_vindex *index = h->lane->index;
    fetch_ahead(ph_vindex_codes(index, row), ph_vcode_row_bytes(index->layout.p));
    h->batch[h->n++].row = (uint32_t)row;
    return h->n == PH_VBATCH ? look_closer(h) : PHIAL_OK;
}

phial_status ph_vharvest_rest(ph_vharvest *h)
{
    return h->n > 0 ? look_closer(h) : PHIAL_OK;
}

size_t ph_vharvest_next(const float *best, size_t i, size_t n, float least)
{
    for (; i + EIGHT <= n; i += EIGHT) {
        int any = 0;
        for (size_t j = 0; j < EIGHT; j++) {
            any |= best[i + j] >= least;
        }
        if (any) {
            break;
        }
    }
    while (i < n && !(best[i] >= least)) {
        i++;
    }
    return i;
}

/* The best row of each of the blocks with the best ones. */
static phial_status take_seeds(harvest *h, size_t n_blocks)
{
    ph_vlane *lane = h->lane;
    float *score = h->q->scan.score;
    ph_vtop seeds = {lane->seeds, 0, lane->n_seeds};
    phial_status st = PHIAL_OK;
    const float *best = h->q->scan.best;
    for (size_t b = 0; (b = ph_vharvest_next(best, b, n_blocks, ph_vtop_key(&seeds))) < n_blocks;
         b++) {
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
        st = ph_vharvest_offer(h, h->first + at);
    }
    return st == PHIAL_OK ? ph_vharvest_rest(h) : st;
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

uint32_t ph_vharvest_mask(const ph_vquery *q, const unsigned char *block, const float *score,
                          size_t n, float key)
{
    uint32_t mask = 0;
    for (size_t r = 0; r < n; r++) {
        ph_vcode_factors f;
        if (!(score[r] >= key) || score[r] == -INFINITY) {
            continue;
        }
        f = factors_at(block, r);
        if (ph_vquery_may_reach(q, q->share, &f, score[r], key)) {
            mask |= (uint32_t)1 << r;
        }
    }
    return mask;
}

static phial_status harvest_coded(harvest *h, const float *score, uint64_t row)
{
    const ph_vlayout *l = &h->lane->index->layout;
    const unsigned char *block = block_at(h, row, PH_VPART_SCAN, l->kind->block_bytes(l->p));
    float key = ph_vtop_key(h->top);
    uint32_t mask = ph_vharvest_mask(h->q, block, score, PH_VSCAN_ROWS, key);
    if (__builtin_popcount(mask) > SIFT_FROM && l->kind->sift_bytes != NULL) {
        mask = sift(h, row, mask, key);
    }
    for (; mask != 0; mask &= mask - 1) {
        phial_status st = ph_vharvest_offer(h, row + (size_t)__builtin_ctz(mask));
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
        b = ph_vharvest_next(best, b, n_blocks, ph_vtop_key(h.top));
        if (b == n_blocks) {
            break;
        }
        st = best[b] > -INFINITY ? harvest_block(&h, b) : st;
    }
    return st == PHIAL_OK ? ph_vharvest_rest(&h) : st;
}
