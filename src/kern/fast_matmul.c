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
#define SMALL_M        64 /* rows of x for which a chunk is so small that the next fits beside it */
#define SMALL_ITEMS    2
#define LINE           64
#define X_ROWS         24 /* rows of x that stay in the first-level cache: 6 or 12 KiB */
#define X_ROWS_LAST    48 /* at most, where results are put into y: their lines are asked for */
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
    const unsigned char *w; /* its rows, from their beginning */
    ph_x8 x;
    size_t row, n, first, m;
    size_t row_bytes, step_bytes, n_steps; /* of a row, and of PH_FAST_DEPTH numbers of it */
    size_t n_panels;
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

/* Rows of x that the format's dots take at once. */
static size_t dots_rows(const ph_kern *kern, ph_quant_index type)
{
    return kern->dots_rows[type] != 0 ? kern->dots_rows[type] : PH_FAST_DOTS;
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
                  .split = run->work->kern->split[type],
                  .asks_far = run->work->kern->asks_far};
    ph_dots_fn dots = run->work->kern->dots[type];
    size_t most = dots != NULL ? dots_rows(run->work->kern, type) : PH_FAST_FEW;
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
    size_t few = kern->dots[type] != NULL ? dots_rows(kern, type) : FEW_MAX;
    size_t from = kern->panels_from[type] != 0 ? kern->panels_from[type] : few + 1;
    return run->m < from ? NULL : kern->panels[type];
}

/* Rows of a weight that are one item: about FEW_BYTES, or so few that several rounds over blocks of
 * rows of x find them in the cache. */
static size_t few_chunk(const fast_run *run, const ph_matmul *job)
{
    size_t row_bytes = ph_dtype_row_bytes(job->type, run->k);
    size_t at_once = dots_rows(run->work->kern, ph_quant_find(job->type)->index);
    size_t rows = row_bytes > 0 ? FEW_BYTES / row_bytes : job->n;
    rows = run->m > at_once && rows > FEW_CHUNK ? FEW_CHUNK : rows;
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

/* k numbers of all rows of the chunk, at the depth step. */
static void pack_step(const chunk *c, size_t step, size_t k, gemm_room *room)
{
    size_t rows = c->kind->rows;
    const unsigned char *src = c->w + step * c->step_bytes;
    for (size_t p = 0; p < c->n_panels; p++, src += rows * c->row_bytes) {
        size_t left = c->n - p * rows;
        c->kind->pack(room->panels + p * c->kind->bytes, src, c->row_bytes,
                      left < rows ? left : rows, k);
    }
}

static size_t x_rows_of(const chunk *c, bool last)
{
    size_t rows = c->kind->x_rows > 0 ? c->kind->x_rows : X_ROWS;
    return last && rows > X_ROWS_LAST ? X_ROWS_LAST : rows;
}

/* Weights that will be packed next, asked for little by little during the products, so that packing
 * finds them in the cache. Many rows of x: the next depth step of the chunk, which a depth step
 * takes long enough for. Few: the rows behind the chunk, which this thread most likely takes, as
 * they lie in memory. */
typedef struct ahead {
    const unsigned char *at; /* the next piece */
    size_t apart, bytes;     /* pieces of so many bytes */
    size_t n, calls;         /* pieces still to be asked for, in so many calls */
    bool far;                /* into the second-level cache */
} ahead;

/* What is to be asked for during a depth step. */
static ahead ahead_of(const chunk *c, size_t step, size_t x_rows)
{
    size_t left = c->job->n - c->row - c->n, next = left < c->n ? left : c->n;
    bool last = step + 1 == c->n_steps;
    ahead a = {.calls = (c->m + x_rows - 1) / x_rows * c->n_panels};
    if (c->m > SMALL_M) {
        a.at = last ? c->w + c->n * c->row_bytes : c->w + (step + 1) * c->step_bytes;
        a.n = last ? next : c->n;
        a.apart = c->row_bytes;
        a.bytes = c->step_bytes;
        a.far = true;
    } else {
        size_t begin = next * c->step_bytes * step, bytes = next * c->step_bytes;
        a.at = c->w + c->n * c->row_bytes + begin;
        a.n = ((last ? next * c->row_bytes - begin : bytes) + LINE - 1) / LINE;
        a.apart = LINE;
        a.bytes = 1;
    }
    return a;
}

static void ask_ahead(ahead *a, const chunk *c, ph_panel_tile *t)
{
    size_t n = a->n / a->calls;
    t->ask = a->at;
    t->n_ask = c->kind->asks && !a->far ? n : 0;
    for (size_t i = 0; t->n_ask == 0 && i < n; i++) {
        const unsigned char *p = a->at + i * a->apart;
        if (!a->far) {
            __builtin_prefetch(p);
            continue;
        }
        for (size_t j = 0; j < a->bytes; j += LINE) {
            __builtin_prefetch(p + j, 0, 2);
        }
        __builtin_prefetch(p + a->bytes - 1, 0, 2);
    }
    a->at += n * a->apart;
    a->n -= n;
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

static void multiply_step(const chunk *c, size_t step, size_t k, gemm_room *room)
{
    bool last = step + 1 == c->n_steps;
    size_t x_rows = x_rows_of(c, last);
    ahead next = ahead_of(c, step, x_rows);
    for (size_t i = 0; i < c->m; i += x_rows) {
        size_t at = step * c->x.m + c->first + i;
        ph_panel_tile t = {.q = c->x.q + at * PH_FAST_DEPTH,
                           .q8 = c->x.q8 + at * PH_FAST_DEPTH,
                           .scale = c->x.scale + at * PH_FAST_GROUPS,
                           .sums = c->x.sums + at * PH_FAST_SUBS,
                           .m = c->m - i < x_rows ? c->m - i : x_rows,
                           .k = k};
        for (size_t p = 0; p < c->n_panels; p++) {
            t.y = room->y + (p * c->m + i) * c->kind->rows;
            t.panel = room->panels + p * c->kind->bytes;
            if (step == 0) {
                memset(t.y, 0, t.m * c->kind->rows * sizeof *t.y);
            }
            ask_ahead(&next, c, &t);
            if (!last) {
                c->kind->multiply(&t);
                continue;
            }
            ph_results results = results_of(c, i, t.m, p);
            ph_results_ask(&results);
            c->kind->multiply(&t);
            ph_results_put(&results, t.y, c->kind->rows);
        }
    }
}

static void multiply_chunk(const chunk *c, size_t k, gemm_room *room)
{
    for (size_t step = 0; step < c->n_steps; step++, k -= PH_FAST_DEPTH) {
        size_t here = k < PH_FAST_DEPTH ? k : PH_FAST_DEPTH;
        pack_step(c, step, here, room);
        multiply_step(c, step, here, room);
    }
}

static chunk chunk_of(const fast_run *run, const ph_matmul *job, size_t item, size_t n_items)
{
    chunk c = {.job = job,
               .kind = kind_of(run, job),
               .row = item * PH_PANEL_ROWS,
               .row_bytes = ph_dtype_row_bytes(job->type, run->k),
               .step_bytes = ph_dtype_row_bytes(job->type, PH_FAST_DEPTH),
               .n_steps = (run->k + PH_FAST_DEPTH - 1) / PH_FAST_DEPTH};
    size_t left = job->n - c.row, rows = n_items * PH_PANEL_ROWS;
    c.n = left < rows ? left : rows;
    c.w = (const unsigned char *)job->weight + c.row * c.row_bytes;
    c.x = rounded(run, ph_fast_form_of(ph_quant_find(job->type)->index)->group);
    c.n_panels = (c.n + c.kind->rows - 1) / c.kind->rows;
    return c;
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
        chunk c = chunk_of(run, job, item, here);
        for (; c.first < run->m; c.first += c.m) {
            c.m = run->m - c.first < CHUNK_M ? run->m - c.first : CHUNK_M;
            multiply_chunk(&c, run->k, room);
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
    size_t item, begin, most = run->m <= SMALL_M ? SMALL_ITEMS : CHUNK_ITEMS;
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
