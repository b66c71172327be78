/* Bits of all dimensions, in cells of rows that lie close together, most of which are not looked
 * at: contract and derivation in vindex_cells.h. The cells of most promise give a key to beat; then
 * come, in order, those that may still reach it. */
#include "rag/vindex_cells.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rag/vindex_bits.h"
#include "rag/vindex_search.h"

#define SEED_CELLS 4
#define TOGETHER   2 /* blocks scanned at once */

typedef struct cell_run {
    ph_vharvest h;
    const ph_vindex_mask *mask;
    size_t stride; /* cells of a segment, in scores */
    size_t seed_cells[SEED_CELLS], n_seed_cells;
    ph_vtop seeds; /* then in order of rows */
} cell_run;

static size_t block_bytes(size_t p)
{
    return PH_VSCAN_FACTORS + p / 8 * PH_VSCAN_ROWS;
}

static double encode(unsigned char *block, unsigned char *sift, const ph_vrows *rows)
{
    (void)sift;
    ph_vcode_bits(block, rows, rows->p);
    return 0;
}

static void prepare(ph_vquery *q, size_t p, double largest_root, double recall)
{
    (void)largest_root;
    ph_vquery_bits(q, p, p, ph_vbits_spread(recall));
}

/* Promises of all cells. */
static void score_cells(ph_vlane *lane, const ph_vquery *query, size_t stride)
{
    const ph_vindex *index = lane->index;
    const ph_vlayout *l = &index->layout;
    ph_vquery q = *query;
    float best[65536 / PH_VCELL_ROWS / PH_VSCAN_ROWS];
    q.table = lane->cell_table;
    ph_vquery_nibbles(&q, l->p, index->largest_root);
    q.scan.by_error = q.scan.by_norm = 0;
    q.scan.best = best;
    for (uint64_t s = 0; s < l->n_segments; s++) {
        size_t n = (size_t)ph_vlayout_rows_of(l, s);
        q.scan.score = lane->cell_score + s * stride;
        lane->scan->nibbles(&q.scan, 1,
                            ph_vindex_part(index, s, PH_VPART_CELLS) + ph_vcell_means_at(n),
                            ph_vcell_mean_blocks(n), l->p);
    }
}

/* What a cell's promise may fall short of a key, for a query of length 1. */
static float gain_of(const ph_vindex *index, uint64_t segment, double recall)
{
    size_t n = (size_t)ph_vlayout_rows_of(&index->layout, segment);
    double level = 1 - 0.5 * (1 - recall);
    size_t i = (size_t)ceil(level * (PH_VCELL_GAINS - 1));
    float gain;
    if (!(recall < 1)) {
        return INFINITY;
    }
    memcpy(&gain,
           ph_vindex_part(index, segment, PH_VPART_CELLS) + ph_vcell_gains_at(n, index->layout.p) +
               i * sizeof gain,
           sizeof gain);
    return gain == gain ? gain : INFINITY;
}

static int by_row(const void *a, const void *b)
{
    uint32_t x = ((const ph_vplace *)a)->row, y = ((const ph_vplace *)b)->row;
    return (x > y) - (x < y);
}

/* Once is enough. */
static bool was_seed(const cell_run *r, uint64_t row)
{
    ph_vplace key = {0, (uint32_t)row};
    return bsearch(&key, r->seeds.at, r->seeds.n, sizeof key, by_row) != NULL;
}

static bool allowed(const cell_run *r, uint64_t row)
{
    return r->mask == NULL || (r->mask->words[row / PH_VSCAN_ROWS] >> row % PH_VSCAN_ROWS & 1) != 0;
}

/* Some rows of a cell: seeding, their scores may make them seeds; later those that may be among
 * the best are looked at closer. */
typedef struct piece {
    uint64_t first_row; /* of the segment */
    size_t n, n_segment;
    const unsigned char *block, *order;
    bool seeding, of_seed_cell;
} piece;

static phial_status visit_block(cell_run *r, const piece *c, const float *score)
{
    uint32_t mask = c->n < PH_VSCAN_ROWS ? ((uint32_t)1 << c->n) - 1 : UINT32_MAX;
    if (!c->seeding) {
        mask = ph_vharvest_mask(r->h.q, c->block, score, c->n, ph_vtop_key(r->h.top));
    }
    for (; mask != 0; mask &= mask - 1) {
        size_t i = (size_t)__builtin_ctz(mask);
        uint16_t within;
        memcpy(&within, c->order + i * sizeof within, sizeof within);
        uint64_t row = c->first_row + within;
        phial_status st = PHIAL_OK;
        if (within >= c->n_segment || !allowed(r, row)) {
            continue;
        }
        if (c->seeding) {
            ph_vtop_add(&r->seeds, (ph_vplace){score[i], (uint32_t)row});
        } else if (!c->of_seed_cell || !was_seed(r, row)) {
            st = ph_vharvest_offer(&r->h, row);
        }
        if (st != PHIAL_OK) {
            return st;
        }
    }
    return PHIAL_OK;
}

static bool is_seed_cell(const cell_run *r, size_t at)
{
    for (size_t i = 0; i < r->n_seed_cells; i++) {
        if (r->seed_cells[i] == at) {
            return true;
        }
    }
    return false;
}

/* Scans a cell. An image that lies about where its rows are gives fewer of them. */
static phial_status visit_cell(cell_run *r, size_t at, bool seeding)
{
    const ph_vindex *index = r->h.lane->index;
    const ph_vlayout *l = &index->layout;
    uint64_t segment = at / r->stride;
    piece c = {.first_row = segment * l->segment_rows,
               .n_segment = (size_t)ph_vlayout_rows_of(l, segment),
               .seeding = seeding,
               .of_seed_cell = is_seed_cell(r, at)};
    const unsigned char *part = ph_vindex_part(index, segment, PH_VPART_CELLS);
    const unsigned char *scan = ph_vindex_part(index, segment, PH_VPART_SCAN);
    size_t most = ph_vcell_scan_blocks(c.n_segment);
    ph_vscan_query q = r->h.q->scan;
    float score[TOGETHER * PH_VSCAN_ROWS], best[TOGETHER];
    phial_status st = PHIAL_OK;
    ph_vcell cell;
    memcpy(&cell, part + at % r->stride * sizeof cell, sizeof cell);
    q.score = score;
    q.best = best;
    for (size_t i = 0; i < cell.n && st == PHIAL_OK; i += PH_VSCAN_ROWS) {
        size_t block = cell.block + i / PH_VSCAN_ROWS, b = i / PH_VSCAN_ROWS % TOGETHER;
        if (block >= most) {
            break;
        }
        c.n = cell.n - i < PH_VSCAN_ROWS ? cell.n - i : PH_VSCAN_ROWS;
        c.block = scan + block * block_bytes(l->p);
        c.order = part + ph_vcell_order_at(c.n_segment) + block * PH_VSCAN_ROWS * sizeof(uint16_t);
        if (b == 0) {
            size_t more = cell.n - i > PH_VSCAN_ROWS && block + 1 < most ? TOGETHER : 1;
            r->h.lane->scan->bits(&q, 1, c.block, more, l->p);
        }
        st = visit_block(r, &c, score + b * PH_VSCAN_ROWS);
    }
    return st;
}

/* The best rows of the cells with most promise, for a key to beat. */
static phial_status take_seeds(cell_run *r)
{
    phial_status st = PHIAL_OK;
    for (size_t i = 0; i < r->n_seed_cells && st == PHIAL_OK; i++) {
        st = visit_cell(r, r->seed_cells[i], true);
    }
    ph_vtop_sort(&r->seeds);
    for (size_t i = 0; i < r->seeds.n && st == PHIAL_OK; i++) {
        st = ph_vharvest_offer(&r->h, r->seeds.at[i].row);
    }
    qsort(r->seeds.at, r->seeds.n, sizeof r->seeds.at[0], by_row);
    return st == PHIAL_OK ? ph_vharvest_rest(&r->h) : st;
}

/* Cells of a segment that may hold a row among the best. */
static phial_status search_segment(cell_run *r, uint64_t segment, double gain)
{
    const ph_vlane *lane = r->h.lane;
    size_t n = ph_vcell_count((size_t)ph_vlayout_rows_of(&lane->index->layout, segment));
    const float *score = lane->cell_score + segment * r->stride;
    phial_status st = PHIAL_OK;
    for (size_t i = 0; st == PHIAL_OK; i++) {
        float least = (float)(ph_vtop_key(r->h.top) - gain);
        i = ph_vharvest_next(score, i, n, least > -FLT_MAX ? least : -FLT_MAX);
        if (i == n) {
            break;
        }
        st = visit_cell(r, segment * r->stride + i, false);
    }
    return st;
}

static phial_status search(ph_vlane *lane, size_t query, const ph_vindex_mask *mask, double recall,
                           phial_error *err)
{
    const ph_vlayout *l = &lane->index->layout;
    cell_run r = {
        .h = {.lane = lane, .q = &lane->queries[query], .top = &lane->tops[query], .err = err},
        .mask = mask,
        .stride = ph_vcell_mean_blocks(l->segment_rows) * PH_VSCAN_ROWS,
        .seeds = {lane->seeds, 0, lane->n_seeds}};
    ph_vplace places[SEED_CELLS];
    ph_vtop best = {places, 0, SEED_CELLS};
    score_cells(lane, r.h.q, r.stride);
    for (uint64_t s = 0; s < l->n_segments; s++) {
        size_t n = ph_vcell_count((size_t)ph_vlayout_rows_of(l, s));
        const float *score = lane->cell_score + s * r.stride;
        for (size_t i = 0; (i = ph_vharvest_next(score, i, n, ph_vtop_key(&best))) < n; i++) {
            ph_vtop_add(&best, (ph_vplace){score[i], (uint32_t)(s * r.stride + i)});
        }
    }
    for (; r.n_seed_cells < best.n; r.n_seed_cells++) {
        r.seed_cells[r.n_seed_cells] = places[r.n_seed_cells].row;
    }
    phial_status st = take_seeds(&r);
    for (uint64_t s = 0; s < l->n_segments && st == PHIAL_OK; s++) {
        st = search_segment(&r, s, gain_of(lane->index, s, recall) * r.h.q->norm);
    }
    return st == PHIAL_OK ? ph_vharvest_rest(&r.h) : st;
}

const ph_vindex_kind ph_vindex_kind_cells = {
    .name = "cells",
    .about = "bits, of the rows that lie where the query does",
    .coded = true,
    .chunk_blocks = 8,
    .block_bytes = block_bytes,
    .encode = encode,
    .table_bytes = ph_vscan_bit_table_bytes,
    .prepare = prepare,
    .arrange = ph_vcell_build,
    .search = search,
};
