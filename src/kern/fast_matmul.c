/* Fast matrix products: who computes what, in which order. Contract: kern/fast_matmul.h; the
 * arithmetic is in the table's quantize_x, dots, few and panels.
 *
 * x is rounded once for all products that share it. Few rows of x: each thread walks its share of
 * the weights' rows once, ascending, straight from the file's layout; this is bound by memory. A
 * thread that gets less of its core gives up a part of its share.
 * More rows: a chunk of the weight's rows is taken into panels for one depth step after the other.
 * The panels and the results stay in the second-level cache, a block of rows of x in the first.
 * Results are collected side by side: rows of y lie so far apart that they would throw each other
 * out of the caches.
 */
#include "kern/fast_matmul.h"

#include <string.h>

#include "base/dtype.h"
#include "base/mem.h"
#include "kern/matmul_parts.h"

#define CHUNK_ITEMS    3 /* at most, of PH_PANEL_ROWS rows of weights */
#define CHUNK_ROWS     (CHUNK_ITEMS * PH_PANEL_ROWS)
#define CHUNK_M        512 /* rows of x */
#define SMALL_M        64 /* rows of x for which a chunk is one item, and the next fits beside it */
#define LINE           64
#define X_ROWS         24 /* rows of x that stay in the first-level cache: 6 or 12 KiB */
#define FEW_MAX        2  /* rows of x that `few` does, where there are no dots */
#define FEW_GRAIN      16
#define FEW_BYTES      (128 << 10) /* of weights handed out at once: some 10 microseconds */
#define FEW_CHUNK      64          /* rows of weights, for several blocks of few rows of x */
#define PARALLEL_MIN   16384
#define N_FORMS        2 /* groups of 32, of 256 */
#define FORM_OF(group) ((group) == PH_FAST_DEPTH)

typedef struct gemm_room {
    _Alignas(64) unsigned char panels[CHUNK_ROWS * PH_PANEL_ROW_BYTES];
    float y[CHUNK_M * CHUNK_ROWS]; /* [panel][row of x][row of the panel] */
} gemm_room;

_Static_assert(sizeof(gemm_room) <= PH_WORK_BYTES, "a chunk fits a thread's room");

typedef struct fast_run {
    const ph_work *work;
    const ph_matmul *jobs;
    const float *x;
    size_t n_jobs, ldx, m, k;
    bool wanted[N_FORMS];
} fast_run;

/* Rows of one weight, times rows first .. first + m - 1 of x. */
typedef struct chunk {
    const ph_matmul *job;
    const ph_panel_kind *kind;
    size_t row, n, first, m;
} chunk;

bool ph_fast_applies(const ph_work *work, ph_dtype type)
{
    return work->x8[0].q != NULL && ph_fast_form_of(ph_quant_find(type)->index) != NULL;
}

static ph_x8 rounded(const fast_run *run, size_t group)
{
    const struct ph_x8_room *room = &run->work->x8[FORM_OF(group)];
    return (ph_x8){
        .q = room->q, .q8 = room->q8, .scale = room->scale, .sums = room->sums, .m = run->m};
}

static void quantize_rows(const fast_run *run, size_t begin, size_t end)
{
    for (size_t form = 0; form < N_FORMS; form++) {
        const struct ph_x8_room *room = &run->work->x8[form];
        size_t group = form ? PH_FAST_DEPTH : 32;
        for (size_t k0 = 0; run->wanted[form] && k0 < run->k; k0 += PH_FAST_DEPTH) {
            size_t k = run->k - k0 < PH_FAST_DEPTH ? run->k - k0 : PH_FAST_DEPTH;
            for (size_t i = begin; i < end; i++) {
                size_t at = k0 / PH_FAST_DEPTH * run->m + i;
                run->work->kern->quantize_x(
                    room->q + at * PH_FAST_DEPTH, room->q8 + at * PH_FAST_DEPTH,
                    room->scale + at * PH_FAST_GROUPS, room->sums + at * PH_FAST_SUBS,
                    run->x + i * run->ldx + k0, k, group);
            }
        }
    }
}

static void quantize(void *arg, int thread, int n_threads)
{
    size_t begin, end;
    ph_pool_split(((const fast_run *)arg)->m, 1, thread, n_threads, &begin, &end);
    quantize_rows(arg, begin, end);
}

/* n rows of the weight from `row` on, all rows of x. */
static void few_rows(const fast_run *run, const ph_matmul *job, size_t row, size_t n)
{
    ph_quant_index type = ph_quant_find(job->type)->index;
    const ph_fast_form *form = ph_fast_form_of(type);
    size_t row_bytes = ph_dtype_row_bytes(job->type, run->k);
    ph_few few = {.y = job->y + row,
                  .ldy = job->ldy,
                  .x = rounded(run, form->group),
                  .w = (const unsigned char *)job->weight + row * row_bytes,
                  .row_bytes = row_bytes,
                  .step_bytes = ph_dtype_row_bytes(job->type, PH_FAST_DEPTH),
                  .n = n,
                  .k = run->k,
                  .bias = job->bias ? job->bias + row : NULL,
                  .group = form->group,
                  .has_min = form->has_min,
                  .split = run->work->kern->split[type]};
    ph_dots_fn dots = run->work->kern->dots[type];
    size_t most = dots != NULL ? PH_FAST_DOTS : PH_FAST_FEW;
    for (size_t i = 0; i < run->m; i += most) {
        few.m = run->m - i < most ? run->m - i : most;
        few.first = i;
        (dots != NULL ? dots : run->work->kern->few)(&few);
        few.y += few.m * few.ldy;
    }
}

/* How the job's weight is multiplied: NULL is by dots or `few`. */
static const ph_panel_kind *kind_of(const fast_run *run, const ph_matmul *job)
{
    ph_quant_index type = ph_quant_find(job->type)->index;
    const ph_kern *kern = run->work->kern;
    size_t few = kern->dots[type] != NULL ? PH_FAST_DOTS : FEW_MAX;
    size_t from = kern->panels_from[type] != 0 ? kern->panels_from[type] : few + 1;
    return run->m < from ? NULL : kern->panels[type];
}

/* Rows of a weight that are one item: about FEW_BYTES, or so few that several rounds over blocks of
 * rows of x find them in the cache. */
static size_t few_chunk(const fast_run *run, const ph_matmul *job)
{
    size_t row_bytes = ph_dtype_row_bytes(job->type, run->k);
    size_t rows = row_bytes > 0 ? FEW_BYTES / row_bytes : job->n;
    rows = run->m > PH_FAST_DOTS && rows > FEW_CHUNK ? FEW_CHUNK : rows;
    return rows > FEW_GRAIN ? rows - rows % FEW_GRAIN : FEW_GRAIN;
}

static size_t few_items(const fast_run *run, const ph_matmul *job)
{
    size_t rows = few_chunk(run, job);
    bool mine = ph_fast_applies(run->work, job->type) && kind_of(run, job) == NULL;
    return mine ? (job->n + rows - 1) / rows : 0;
}

static void gemv(void *arg, int thread, int n_threads)
{
    const fast_run *run = arg;
    size_t item;
    (void)n_threads;
    while (ph_pool_next(run->work->pool, thread, &item)) {
        const ph_matmul *job = run->jobs;
        for (size_t n; item >= (n = few_items(run, job)); job++) {
            item -= n;
        }
        size_t rows = few_chunk(run, job), row = item * rows;
        few_rows(run, job, row, job->n - row < rows ? job->n - row : rows);
    }
}

static size_t n_panels(const chunk *c)
{
    return (c->n + c->kind->rows - 1) / c->kind->rows;
}

/* k numbers of the depth from k0 on, of all rows of the chunk. */
static void pack_step(const fast_run *run, const chunk *c, size_t k0, size_t k, gemm_room *room)
{
    size_t row_bytes = ph_dtype_row_bytes(c->job->type, run->k), rows = c->kind->rows;
    const unsigned char *src = (const unsigned char *)c->job->weight + c->row * row_bytes +
                               ph_dtype_row_bytes(c->job->type, k0);
    for (size_t p = 0; p < n_panels(c); p++) {
        size_t left = c->n - p * rows;
        c->kind->pack(room->panels + p * c->kind->bytes, src + p * rows * row_bytes, row_bytes,
                      left < rows ? left : rows, k);
    }
}

/* Weights that will be packed next: the rows behind the chunk, which this thread most likely takes.
 * They are asked for as they lie in memory, little by little during the products, so that packing
 * finds them in the cache. */
typedef struct ahead {
    const unsigned char *at;
    size_t bytes, calls; /* still to be asked for, in so many calls */
} ahead;

/* What is to be asked for during a depth step. */
static ahead ahead_of(const fast_run *run, const chunk *c, size_t k0)
{
    size_t row_bytes = ph_dtype_row_bytes(c->job->type, run->k), left = c->job->n - c->row - c->n;
    size_t steps = (run->k + PH_FAST_DEPTH - 1) / PH_FAST_DEPTH, step = k0 / PH_FAST_DEPTH;
    size_t bytes = (left < c->n ? left : c->n) * row_bytes, begin = bytes / steps * step;
    return (ahead){.at =
                       (const unsigned char *)c->job->weight + (c->row + c->n) * row_bytes + begin,
                   .bytes = step + 1 < steps ? bytes / steps : bytes - begin,
                   .calls = (c->m + X_ROWS - 1) / X_ROWS * n_panels(c)};
}

static void ask_ahead(ahead *a)
{
    size_t n = a->bytes / a->calls;
    for (size_t i = 0; i < n; i += LINE) {
        __builtin_prefetch(a->at + i);
    }
    a->at += n;
    a->bytes -= n;
    a->calls -= a->calls > 1;
}

/* Of rows i .. i + m - 1 of x and panel p. */
static ph_results results_of(const chunk *c, size_t i, size_t m, size_t p)
{
    size_t rows = c->kind->rows, left = c->n - p * rows;
    return (ph_results){.job = c->job,
                        .i = c->first + i,
                        .m = m,
                        .j = c->row + p * rows,
                        .n = left < rows ? left : rows};
}

static void multiply_step(const fast_run *run, const chunk *c, size_t k0, size_t k, gemm_room *room)
{
    const ph_fast_form *form = ph_fast_form_of(ph_quant_find(c->job->type)->index);
    ph_x8 x = rounded(run, form->group);
    ahead next = ahead_of(run, c, k0);
    bool last = k0 + k == run->k;
    for (size_t i = 0; i < c->m; i += X_ROWS) {
        size_t at = k0 / PH_FAST_DEPTH * run->m + c->first + i;
        ph_panel_tile t = {.q = x.q + at * PH_FAST_DEPTH,
                           .q8 = x.q8 + at * PH_FAST_DEPTH,
                           .scale = x.scale + at * PH_FAST_GROUPS,
                           .sums = x.sums + at * PH_FAST_SUBS,
                           .m = c->m - i < X_ROWS ? c->m - i : X_ROWS,
                           .k = k};
        for (size_t p = 0; p < n_panels(c); p++) {
            t.y = room->y + (p * c->m + i) * c->kind->rows;
            t.panel = room->panels + p * c->kind->bytes;
            if (k0 == 0) {
                memset(t.y, 0, t.m * c->kind->rows * sizeof *t.y);
            }
            ph_results results = results_of(c, i, t.m, p);
            ask_ahead(&next);
            if (last) {
                ph_results_ask(&results);
            }
            c->kind->multiply(&t);
            if (last) {
                ph_results_put(&results, t.y, c->kind->rows);
            }
        }
    }
}

static void multiply_chunk(const fast_run *run, const chunk *c, gemm_room *room)
{
    for (size_t k0 = 0; k0 < run->k; k0 += PH_FAST_DEPTH) {
        size_t k = run->k - k0 < PH_FAST_DEPTH ? run->k - k0 : PH_FAST_DEPTH;
        pack_step(run, c, k0, k, room);
        multiply_step(run, c, k0, k, room);
    }
}

/* Rows of weights are items of PH_PANEL_ROWS, counted through the jobs that panels multiply. */
static size_t items_of(const fast_run *run, const ph_matmul *job)
{
    bool mine = ph_fast_applies(run->work, job->type) && kind_of(run, job) != NULL;
    return mine ? (job->n + PH_PANEL_ROWS - 1) / PH_PANEL_ROWS : 0;
}

static void multiply_items(const fast_run *run, size_t item, size_t n, gemm_room *room)
{
    for (size_t j = 0; n > 0; j++) {
        const ph_matmul *job = &run->jobs[j];
        size_t here = items_of(run, job);
        if (item >= here) {
            item -= here;
            continue;
        }
        here = here - item < n ? here - item : n;
        chunk c = {.job = job, .kind = kind_of(run, job), .row = item * PH_PANEL_ROWS};
        size_t left = job->n - c.row, rows = here * PH_PANEL_ROWS;
        c.n = left < rows ? left : rows;
        for (; c.first < run->m; c.first += c.m) {
            c.m = run->m - c.first < CHUNK_M ? run->m - c.first : CHUNK_M;
            multiply_chunk(run, &c, room);
        }
        item = 0;
        n -= here;
    }
}

static void gemm(void *arg, int thread, int n_threads)
{
    const fast_run *run = arg;
    ph_pool *pool = run->work->pool;
    gemm_room *room = ph_work_at(run->work, thread);
    size_t item, begin, most = run->m <= SMALL_M ? 1 : CHUNK_ITEMS;
    (void)n_threads;
    bool more = ph_pool_next(pool, thread, &item);
    while (more) {
        size_t n = 0;
        for (begin = item; more && n < most && item == begin + n; n++) {
            more = ph_pool_next(pool, thread, &item);
        }
        multiply_items(run, begin, n, room);
    }
}

void ph_fast_matmul_run(const ph_work *work, const ph_matmul *jobs, size_t n_jobs, const float *x,
                        size_t ldx, size_t m, size_t k)
{
    fast_run run = {
        .work = work, .jobs = jobs, .x = x, .n_jobs = n_jobs, .ldx = ldx, .m = m, .k = k};
    size_t n_few = 0, n_items = 0;
    for (size_t j = 0; j < n_jobs; j++) {
        if (ph_fast_applies(work, jobs[j].type)) {
            size_t group = ph_fast_form_of(ph_quant_find(jobs[j].type)->index)->group;
            run.wanted[FORM_OF(group)] = true;
            n_few += few_items(&run, &jobs[j]);
            n_items += items_of(&run, &jobs[j]);
        }
    }
    if (n_few + n_items == 0) {
        return;
    }
    if (m * k < PARALLEL_MIN) {
        quantize_rows(&run, 0, m);
    } else {
        ph_pool_run(work->pool, quantize, &run);
    }
    if (n_few > 0) {
        ph_pool_run_items(work->pool, n_few, gemv, &run);
    }
    if (n_items > 0) {
        ph_pool_run_items(work->pool, n_items, gemm, &run);
    }
}
