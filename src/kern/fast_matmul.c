/* Fast matrix products: who computes what, in which order. Contract: kern/fast_matmul.h; the
 * arithmetic is in the table's quantize_x, few, pack and fast_tile.
 *
 * x is rounded once for all products that share it. Few rows of x: each thread walks its share of
 * each weight's rows once, ascending, straight from the file's layout; this is bound by memory.
 * More rows: the weight's rows are taken in chunks off a shared ticket; a chunk is taken apart once
 * for each depth step and interleaved into panels that stay in the second-level cache, while a
 * block of rows of x stays in the first.
 */
#include "kern/fast_matmul.h"

#include "base/dtype.h"
#include "base/mem.h"

#define STRIPS         6 /* panels of a chunk: 57 KiB */
#define CHUNK_ROWS     (STRIPS * PH_FAST_STRIP)
#define X_ROWS         24 /* rows of x that stay in the first-level cache: 12 KiB */
#define FEW_MAX        2  /* rows of x */
#define FEW_GRAIN      4
#define FEW_CHUNK      64 /* rows of weights, for several blocks of few rows of x */
#define PARALLEL_MIN   16384
#define N_FORMS        2 /* groups of 32, of 256 */
#define FORM_OF(group) ((group) == PH_FAST_DEPTH)

typedef struct gemm_room {
    ph_panel panels[STRIPS];
    _Alignas(64) int16_t w[PH_FAST_STRIP * PH_FAST_DEPTH];
    int16_t min[PH_FAST_STRIP * PH_FAST_SUBS];
} gemm_room;

_Static_assert(sizeof(gemm_room) <= PH_WORK_BYTES, "a chunk fits a thread's room");

typedef struct fast_run {
    ph_ticket ticket;
    const ph_work *work;
    const ph_matmul *jobs;
    const float *x;
    size_t n_jobs, ldx, m, k;
    bool wanted[N_FORMS];
} fast_run;

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
    for (size_t i = 0; i < run->m; i += PH_FAST_FEW) {
        few.m = run->m - i < PH_FAST_FEW ? run->m - i : PH_FAST_FEW;
        few.first = i;
        run->work->kern->few(&few);
        few.y += few.m * few.ldy;
    }
}

static void gemv(void *arg, int thread, int n_threads)
{
    const fast_run *run = arg;
    size_t at_once = run->m > PH_FAST_FEW ? FEW_CHUNK : SIZE_MAX;
    for (size_t j = 0; j < run->n_jobs; j++) {
        const ph_matmul *job = &run->jobs[j];
        size_t begin, end;
        if (!ph_fast_applies(run->work, job->type)) {
            continue;
        }
        ph_pool_split(job->n, FEW_GRAIN, thread, n_threads, &begin, &end);
        for (size_t row = begin; row < end;) {
            size_t n = end - row < at_once ? end - row : at_once;
            few_rows(run, job, row, n);
            row += n;
        }
    }
}

/* Depth step k0 of n rows of the weight into the room's panels. */
static void pack_chunk(const fast_run *run, const ph_matmul *job, size_t row, size_t n, size_t k0,
                       size_t k, gemm_room *room)
{
    const ph_kern *kern = run->work->kern;
    ph_quant_index type = ph_quant_find(job->type)->index;
    const ph_fast_form *form = ph_fast_form_of(type);
    size_t row_bytes = ph_dtype_row_bytes(job->type, run->k);
    const unsigned char *src = (const unsigned char *)job->weight + row * row_bytes +
                               k0 / PH_FAST_DEPTH * ph_dtype_row_bytes(job->type, PH_FAST_DEPTH);
    for (size_t s = 0; s * PH_FAST_STRIP < n; s++) {
        size_t left = n - s * PH_FAST_STRIP;
        ph_panel *panel = &room->panels[s];
        const ph_ints ints = {.w = room->w,
                              .min = room->min,
                              .d = panel->d[0],
                              .dmin = panel->dmin[0],
                              .ld = PH_FAST_STRIP};
        kern->split[type](&ints, src + s * PH_FAST_STRIP * row_bytes, row_bytes,
                          left < PH_FAST_STRIP ? left : PH_FAST_STRIP, k);
        kern->pack(panel, &ints, k, form->group, form->has_min);
    }
}

/* Results lie far apart in memory; the next tile's are fetched while this one is computed. */
static void ask_ahead(const float *y, size_t ldy, size_t rows)
{
    for (size_t i = 0; i < rows; i++) {
        __builtin_prefetch(y + i * ldy, 1);
    }
}

/* One depth step of the packed rows with all rows of x. */
static void multiply_chunk(const fast_run *run, const ph_matmul *job, size_t row, size_t n,
                           size_t k0, size_t k, gemm_room *room)
{
    const ph_fast_form *form = ph_fast_form_of(ph_quant_find(job->type)->index);
    ph_x8 x = rounded(run, form->group);
    bool last = k0 + k == run->k;
    size_t n_strips = (n + PH_FAST_STRIP - 1) / PH_FAST_STRIP;
    for (size_t i = 0; i < run->m; i += X_ROWS) {
        size_t m = run->m - i < X_ROWS ? run->m - i : X_ROWS;
        size_t at = k0 / PH_FAST_DEPTH * run->m + i;
        ph_fast_tile t = {.ldy = job->ldy,
                          .q = x.q + at * PH_FAST_DEPTH,
                          .scale = x.scale + at * PH_FAST_GROUPS,
                          .sums = x.sums + at * PH_FAST_SUBS,
                          .m = m,
                          .k = k,
                          .group = form->group,
                          .has_min = form->has_min,
                          .first = k0 == 0};
        float *y = job->y + i * job->ldy + row;
        for (size_t s = 0; s < n_strips; s++) {
            size_t left = n - s * PH_FAST_STRIP;
            t.n = left < PH_FAST_STRIP ? left : PH_FAST_STRIP;
            t.y = y + s * PH_FAST_STRIP;
            t.panel = &room->panels[s];
            t.bias = last && job->bias ? job->bias + row + s * PH_FAST_STRIP : NULL;
            bool wraps = s + 1 == n_strips;
            if (!wraps || i + X_ROWS < run->m) {
                size_t rows_left = run->m - i - X_ROWS * wraps;
                ask_ahead(wraps ? y + X_ROWS * job->ldy : t.y + PH_FAST_STRIP, job->ldy,
                          rows_left < X_ROWS ? rows_left : X_ROWS);
            }
            run->work->kern->fast_tile(&t);
        }
    }
}

static void gemm(void *arg, int thread, int n_threads)
{
    fast_run *run = arg;
    gemm_room *room = ph_work_at(run->work, thread);
    (void)n_threads;
    size_t index = ph_ticket_take(&run->ticket);
    size_t before = 0; /* chunks of the jobs before j */
    for (size_t j = 0; j < run->n_jobs; j++) {
        const ph_matmul *job = &run->jobs[j];
        if (!ph_fast_applies(run->work, job->type)) {
            continue;
        }
        size_t n_chunks = (job->n + CHUNK_ROWS - 1) / CHUNK_ROWS;
        for (; index < before + n_chunks; index = ph_ticket_take(&run->ticket)) {
            size_t row = (index - before) * CHUNK_ROWS;
            size_t n = job->n - row < CHUNK_ROWS ? job->n - row : CHUNK_ROWS;
            for (size_t k0 = 0; k0 < run->k; k0 += PH_FAST_DEPTH) {
                size_t k = run->k - k0 < PH_FAST_DEPTH ? run->k - k0 : PH_FAST_DEPTH;
                pack_chunk(run, job, row, n, k0, k, room);
                multiply_chunk(run, job, row, n, k0, k, room);
            }
        }
        before += n_chunks;
    }
}

void ph_fast_matmul_run(const ph_work *work, const ph_matmul *jobs, size_t n_jobs, const float *x,
                        size_t ldx, size_t m, size_t k)
{
    fast_run run = {
        .work = work, .jobs = jobs, .x = x, .n_jobs = n_jobs, .ldx = ldx, .m = m, .k = k};
    bool any = false;
    for (size_t j = 0; j < n_jobs; j++) {
        if (ph_fast_applies(work, jobs[j].type)) {
            size_t group = ph_fast_form_of(ph_quant_find(jobs[j].type)->index)->group;
            any = run.wanted[FORM_OF(group)] = true;
        }
    }
    if (!any) {
        return;
    }
    if (m * k < PARALLEL_MIN) {
        quantize_rows(&run, 0, m);
    } else {
        ph_pool_run(work->pool, quantize, &run);
    }
    bool few = m <= FEW_MAX || work->kern->fast_tile == NULL;
    ph_pool_run(work->pool, few ? gemv : gemm, &run);
}
