/* Searching: queries in groups, rows in windows. With several threads either groups of queries or,
 * where there are few, the rows of a window are shared out. Batches over f32 rows go by matrix
 * products (vindex_products.h). Results are the same. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "kern/kern.h"
#include "rag/vindex_cells.h"
#include "rag/vindex_search.h"

#define UNIT_BLOCKS 64 /* a thread's share of a window is handed out in these; a multiple of 8 */

/* Batches over f32 rows are multiplied from so many queries on, for at most so many results, which
 * there has to be room for. */
#define PRODUCTS_FROM   8
#define PRODUCTS_MOST_K 1024

struct ph_vsearcher {
    const ph_vindex *index;
    ph_kern kern;
    ph_vsearch_options options;
    ph_vlane *lanes; /* owned */
    size_t n_lanes;
    size_t slots, k; /* what the lanes have room for */
    ph_vsearch_stats stats;
};

/* One call of ph_vsearcher_run(). */
typedef struct run {
    ph_vsearcher *s;
    const ph_vsearch *search;
    int64_t *ids;
    float *scores;
    size_t *found;
    size_t group;     /* queries together */
    ph_ticket ticket; /* groups, or units of a window */
    atomic_int status;

    ph_vlane *lane; /* of the window that is scanned by all */
    size_t n;       /* queries in it */
    uint64_t first_block;
    size_t n_blocks;
} run;

phial_status ph_vsearcher_new(ph_vsearcher **out, const ph_vindex *index,
                              const ph_vsearch_options *options, phial_error *err)
{
    ph_kern kern;
    phial_status st = ph_kern_init(&kern, options->isa, err);
    if (st != PHIAL_OK) {
        return st;
    }
    if (!index->layout.has_rows && options->fetch == NULL) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "%s: the image has no f32 rows, and no function fetches them",
                          ph_map_path(index->map));
    }
    ph_vsearcher *s = ph_alloc(1, sizeof *s, err);
    if (s == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    s->index = index;
    s->kern = kern;
    s->options = *options;
    s->n_lanes = options->pool != NULL ? (size_t)ph_pool_threads(options->pool) : 1;
    s->lanes = ph_alloc(s->n_lanes, sizeof *s->lanes, err);
    if (s->lanes == NULL) {
        ph_free(s);
        return PHIAL_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < s->n_lanes; i++) {
        s->lanes[i].index = index;
        s->lanes[i].scan = ph_vscan_for(kern.isa);
        s->lanes[i].fetch = index->layout.has_rows ? NULL : options->fetch;
        s->lanes[i].fetch_user = options->fetch_user;
    }
    *out = s;
    return PHIAL_OK;
}

void ph_vsearcher_free(ph_vsearcher *s)
{
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->n_lanes; i++) {
        ph_free(s->lanes[i].room);
        ph_vproducts_close(&s->lanes[i].products);
    }
    ph_free(s->lanes);
    ph_free(s);
}

ph_vsearch_stats ph_vsearcher_stats(const ph_vsearcher *s)
{
    ph_vsearch_stats stats = s->stats;
    for (size_t i = 0; i < s->n_lanes; i++) {
        stats.n_coded += s->lanes[i].n_coded;
        stats.n_rows += s->lanes[i].n_rows;
    }
    return stats;
}

static size_t window_blocks(const ph_vindex *index)
{
    uint64_t blocks = (index->layout.n_rows + PH_VSCAN_ROWS - 1) / PH_VSCAN_ROWS;
    return blocks < PH_VWINDOW_BLOCKS ? (size_t)blocks : PH_VWINDOW_BLOCKS;
}

/* Takes the next bytes of room; with room NULL it only counts them. */
static void *take(unsigned char *room, size_t *used, size_t bytes)
{
    void *p = room != NULL ? room + *used : NULL;
    *used += ph_align_up(bytes, PH_CACHE_LINE);
    return p;
}

/* Lays a lane's arrays into room; returns the bytes they need. */
static size_t lay_out(ph_vlane *lane, unsigned char *room, size_t slots, size_t k)
{
    const ph_vlayout *l = &lane->index->layout;
    size_t p = l->p, blocks = window_blocks(lane->index), used = 0;
    lane->n_seeds = k + k / 2 + 8 < blocks ? k + k / 2 + 8 : blocks;
    for (size_t i = 0; i < slots; i++) {
        ph_vquery *q = &lane->queries[i];
        q->z = take(room, &used, p * sizeof(float));
        q->direct = take(room, &used, p * sizeof(float));
        q->q16 = take(room, &used, p * sizeof(int16_t));
        q->table = take(room, &used, l->kind->table_bytes(p));
        lane->tops[i].at = take(room, &used, k * sizeof(ph_vplace));
        if (l->kind->search != NULL) {
            continue;
        }
        q->scan.score = take(room, &used, blocks * PH_VSCAN_ROWS * sizeof(float));
        q->scan.best = take(room, &used, blocks * sizeof(float));
    }
    lane->seeds = take(room, &used, lane->n_seeds * sizeof(ph_vplace));
    if (l->kind->search != NULL) {
        size_t cells = (size_t)l->n_segments * ph_vcell_mean_blocks(l->segment_rows);
        lane->cell_table = take(room, &used, ph_vscan_nibble_table_bytes(p));
        lane->cell_score = take(room, &used, cells * PH_VSCAN_ROWS * sizeof(float));
    }
    if (lane->fetch != NULL) {
        lane->fetched = take(room, &used, (size_t)PH_VBATCH * l->dim * sizeof(float));
    }
    return used;
}

static phial_status make_room(ph_vsearcher *s, size_t slots, size_t k, phial_error *err)
{
    if (slots <= s->slots && k <= s->k) {
        return PHIAL_OK;
    }
    slots = slots > s->slots ? slots : s->slots;
    k = k > s->k ? k : s->k;
    s->slots = s->k = 0;
    for (size_t i = 0; i < s->n_lanes; i++) {
        ph_vlane *lane = &s->lanes[i];
        ph_free(lane->room);
        lane->room = ph_alloc_large(1, lay_out(lane, NULL, slots, k), err);
        if (lane->room == NULL) {
            return PHIAL_ERR_NO_MEMORY;
        }
        lay_out(lane, lane->room, slots, k);
    }
    s->slots = slots;
    s->k = k;
    return PHIAL_OK;
}

/* Rows that may not be found, and those that fill up the last block, get no score. */
static void apply_mask(const ph_vquery *q, size_t b, uint32_t word)
{
    float *score = q->scan.score + b * PH_VSCAN_ROWS, best = -INFINITY;
    for (size_t r = 0; r < PH_VSCAN_ROWS; r++) {
        score[r] = word >> r & 1 ? score[r] : -INFINITY;
        best = score[r] > best ? score[r] : best;
    }
    q->scan.best[b] = best;
}

static uint32_t word_of(const run *r, uint64_t block)
{
    uint64_t left = r->s->index->layout.n_rows - block * PH_VSCAN_ROWS;
    uint32_t there = left < PH_VSCAN_ROWS ? ((uint32_t)1 << left) - 1 : UINT32_MAX;
    return r->search->mask != NULL ? r->search->mask->words[block] & there : there;
}

/* Scans some blocks of the window, all in one segment, for the lane's queries. */
static void scan_blocks(const run *r, ph_vlane *lane, size_t n, size_t before, size_t n_blocks)
{
    const ph_vlayout *l = &r->s->index->layout;
    uint64_t block = r->first_block + before, row = block * PH_VSCAN_ROWS;
    uint64_t segment = row / l->segment_rows, within = row % l->segment_rows;
    uint64_t left = ph_vlayout_rows_of(l, segment) - within;
    uint32_t any = 0, all = UINT32_MAX;
    for (size_t b = 0; b < n_blocks; b++) {
        uint32_t word = word_of(r, block + b);
        any |= word;
        all &= word;
    }
    if (any != 0) {
        size_t n_rows = n_blocks * PH_VSCAN_ROWS;
        ph_vstretch s = {.scan = ph_vindex_part(r->s->index, segment, PH_VPART_SCAN) +
                                 within / PH_VSCAN_ROWS * l->kind->block_bytes(l->p),
                         .n_blocks = n_blocks,
                         .n_rows = left < n_rows ? (size_t)left : n_rows,
                         .before = before,
                         .dim = l->dim,
                         .p = l->p};
        s.rows = l->has_rows ? ph_vindex_row(r->s->index, row) : NULL;
        l->kind->scan(lane->scan, lane->queries, n, &s);
    }
    for (size_t b = 0; b < n_blocks && all != UINT32_MAX; b++) {
        for (size_t j = 0; j < n; j++) {
            if (any == 0) {
                lane->queries[j].scan.best[before + b] = -INFINITY;
            } else {
                apply_mask(&lane->queries[j], before + b, word_of(r, block + b));
            }
        }
    }
}

static void scan_unit(const run *r, ph_vlane *lane, size_t n, size_t from, size_t to)
{
    const ph_vlayout *l = &r->s->index->layout;
    size_t chunk = l->kind->chunk_blocks;
    if (n == 1 && !l->kind->exact) { /* nothing has to stay in a cache for the next query */
        size_t most = l->segment_rows / PH_VSCAN_ROWS;
        chunk = most < UNIT_BLOCKS ? most : UNIT_BLOCKS;
    }
    for (; from < to; from += chunk) {
        scan_blocks(r, lane, n, from, to - from < chunk ? to - from : chunk);
    }
}

static void scan_shared(void *arg, int thread, int n_threads)
{
    run *r = arg;
    (void)thread;
    (void)n_threads;
    for (size_t i; (i = ph_ticket_take(&r->ticket) * UNIT_BLOCKS) < r->n_blocks;) {
        size_t end = i + UNIT_BLOCKS < r->n_blocks ? i + UNIT_BLOCKS : r->n_blocks;
        scan_unit(r, r->lane, r->n, i, end);
    }
}

static double recall_of(const run *r)
{
    return r->search->recall > 0 ? r->search->recall : 0.95;
}

static void prepare(const run *r, ph_vlane *lane, size_t first, size_t n)
{
    const ph_vindex *index = r->s->index;
    for (size_t j = 0; j < n; j++) {
        ph_vquery *q = &lane->queries[j];
        ph_vquery_set(q, &index->space, r->search->queries + (first + j) * index->layout.dim);
        index->layout.kind->prepare(q, index->layout.p, index->largest_root, recall_of(r));
        lane->tops[j].n = 0;
        lane->tops[j].k = r->search->k;
    }
}

static void give(const run *r, ph_vtop *top, size_t query)
{
    const ph_vsearch *search = r->search;
    int64_t *ids = r->ids + query * search->k;
    float *scores = r->scores + query * search->k;
    ph_vtop_sort(top);
    for (size_t i = 0; i < search->k; i++) {
        bool is = i < top->n;
        ids[i] = is ? ph_vindex_id(r->s->index, top->at[i].row) : -1;
        scores[i] = is ? ph_vquery_score(r->s->index->space.metric, top->at[i].key) : 0;
    }
    r->found[query] = top->n;
}

static bool cancelled(const run *r)
{
    const atomic_bool *cancel = r->s->options.cancel;
    return cancel != NULL && atomic_load(cancel);
}

/* Scans all rows for a lane's n queries, window by window; with `shared` every thread scans. */
static phial_status search_windows(const run *r, ph_vlane *lane, size_t n, bool shared,
                                   phial_error *err)
{
    uint64_t blocks = (r->s->index->layout.n_rows + PH_VSCAN_ROWS - 1) / PH_VSCAN_ROWS;
    run own = {.s = r->s, .search = r->search, .lane = lane, .n = n};
    phial_status st = PHIAL_OK;
    for (uint64_t at = 0; at < blocks && st == PHIAL_OK; at += PH_VWINDOW_BLOCKS) {
        if (cancelled(r)) {
            return ph_err_set(err, PHIAL_ERR_CANCELLED, "the search was cancelled");
        }
        own.first_block = at;
        own.n_blocks = blocks - at < PH_VWINDOW_BLOCKS ? (size_t)(blocks - at) : PH_VWINDOW_BLOCKS;
        if (shared) {
            atomic_store(&own.ticket.next, 0);
            ph_pool_run_tickets(r->s->options.pool, scan_shared, &own);
        } else {
            scan_unit(&own, lane, n, 0, own.n_blocks);
        }
        for (size_t j = 0; j < n && st == PHIAL_OK; j++) {
            st = ph_vlane_harvest(lane, j, at * PH_VSCAN_ROWS, own.n_blocks, err);
        }
    }
    return st;
}

/* Of kinds that search by themselves. */
static phial_status search_each(const run *r, ph_vlane *lane, size_t n, phial_error *err)
{
    phial_status st = PHIAL_OK;
    for (size_t j = 0; j < n && st == PHIAL_OK; j++) {
        if (cancelled(r)) {
            return ph_err_set(err, PHIAL_ERR_CANCELLED, "the search was cancelled");
        }
        st = r->s->index->layout.kind->search(lane, j, r->search->mask, recall_of(r), err);
    }
    return st;
}

/* Queries first .. first + n - 1 in a lane. */
static phial_status search_group(run *r, ph_vlane *lane, size_t first, size_t n, bool shared,
                                 phial_error *err)
{
    prepare(r, lane, first, n);
    phial_status st = r->s->index->layout.kind->search != NULL
                          ? search_each(r, lane, n, err)
                          : search_windows(r, lane, n, shared, err);
    for (size_t j = 0; j < n && st == PHIAL_OK; j++) {
        give(r, &lane->tops[j], first + j);
    }
    return st;
}

/* Without fetching, a group fails by being cancelled only. */
static void search_some(void *arg, int thread, int n_threads)
{
    run *r = arg;
    (void)n_threads;
    size_t n = r->search->n;
    for (size_t i; (i = ph_ticket_take(&r->ticket) * r->group) < n;) {
        size_t some = n - i < r->group ? n - i : r->group;
        phial_status st = search_group(r, &r->s->lanes[thread], i, some, false, NULL);
        if (st != PHIAL_OK) {
            atomic_store(&r->status, (int)st);
        }
    }
}

static void search_products(void *arg, int thread, int n_threads)
{
    run *r = arg;
    ph_vproducts *p = &r->s->lanes[thread].products;
    (void)n_threads;
    size_t n = r->search->n, dim = r->s->index->layout.dim;
    for (size_t i; (i = ph_ticket_take(&r->ticket) * r->group) < n;) {
        size_t some = n - i < r->group ? n - i : r->group;
        if (!ph_vproducts_run(p, r->search->queries + i * dim, some, r->search->k, r->search->mask,
                              r->s->options.cancel)) {
            atomic_store(&r->status, (int)PHIAL_ERR_CANCELLED);
            return;
        }
        for (size_t j = 0; j < some; j++) {
            give(r, &p->tops[j], i + j);
        }
    }
}

/* Batches over f32 rows. */
static phial_status multiply_all(run *r, phial_error *err)
{
    ph_vsearcher *s = r->s;
    size_t share = (r->search->n + s->n_lanes - 1) / s->n_lanes;
    for (size_t i = 0; i < s->n_lanes; i++) {
        ph_vlane *lane = &s->lanes[i];
        phial_status st =
            ph_vproducts_open(&lane->products, &s->kern, lane->scan, s->index, r->search->k, err);
        if (st != PHIAL_OK) {
            return st;
        }
    }
    r->group = share < s->lanes[0].products.together ? share : s->lanes[0].products.together;
    if (s->n_lanes > 1) {
        ph_pool_run_tickets(s->options.pool, search_products, r);
    } else {
        search_products(r, 0, 1);
    }
    phial_status st = (phial_status)atomic_load(&r->status);
    return st == PHIAL_OK ? st : ph_err_set(err, st, "the search was cancelled");
}

static phial_status check_search(const ph_vsearcher *s, const ph_vsearch *search, phial_error *err)
{
    size_t dim = s->index->layout.dim;
    if (search->k == 0 || search->k > PH_VINDEX_MAX_K) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "k is %zu; 1 to %d are possible", search->k,
                          PH_VINDEX_MAX_K);
    }
    if (!(search->recall >= 0 && search->recall <= 1)) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "a recall of %g; 0 to 1 are possible",
                          search->recall);
    }
    if (search->mask != NULL && search->mask->index != s->index) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "the mask is of another index");
    }
    for (size_t i = 0; i < search->n; i++) {
        size_t bad = ph_vspace_bad_element(search->queries + i * dim, dim);
        if (bad < dim) {
            return ph_err_set(err, PHIAL_ERR_NUMERIC,
                              "element %zu of query %zu is %g; numbers up to %g are possible", bad,
                              i, (double)search->queries[i * dim + bad],
                              (double)PH_VINDEX_MAX_VALUE);
        }
    }
    return PHIAL_OK;
}

static phial_status search_all(run *r, phial_error *err)
{
    ph_vsearcher *s = r->s;
    size_t n = r->search->n, threads = s->n_lanes;
    bool fetches = s->lanes[0].fetch != NULL;
    if (threads > 1 && n >= 2 * threads && !fetches) {
        r->group = (n + threads - 1) / threads;
        r->group = r->group < PH_VGROUP ? r->group : PH_VGROUP;
        ph_pool_run_tickets(s->options.pool, search_some, r);
        phial_status st = (phial_status)atomic_load(&r->status);
        return st == PHIAL_OK ? st : ph_err_set(err, st, "the search was cancelled");
    }
    phial_status st = PHIAL_OK;
    for (size_t i = 0; i < n && st == PHIAL_OK; i += PH_VGROUP) {
        size_t some = n - i < PH_VGROUP ? n - i : PH_VGROUP;
        st = search_group(r, &s->lanes[0], i, some, threads > 1, err);
    }
    return st;
}

phial_status ph_vsearcher_run(ph_vsearcher *s, const ph_vsearch *search, int64_t *ids,
                              float *scores, size_t *found, phial_error *err)
{
    phial_status st = check_search(s, search, err);
    run r = {.s = s, .search = search, .ids = ids, .scores = scores, .found = found};
    bool multiply = s->index->layout.kind->exact && search->n >= PRODUCTS_FROM * s->n_lanes &&
                    search->k <= PRODUCTS_MOST_K;
    if (st == PHIAL_OK && !multiply) {
        st = make_room(s, search->n < PH_VGROUP ? search->n : PH_VGROUP, search->k, err);
    }
    if (st != PHIAL_OK) {
        return st;
    }
    st = multiply ? multiply_all(&r, err) : search_all(&r, err);
    s->stats.n_queries += search->n;
    return st == PHIAL_OK ? ph_map_check(s->index->map, err) : st;
}
