/* Products of bf16 numbers: who computes what, in which order. Contract: kern/bf16_matmul.h; the
 * arithmetic is in the table's bf16, bf16_round and bf16_tile.
 *
 * x is rounded once for all products that share it, laid out by depth blocks. Few rows of x:
 * threads walk their shares of the weights' rows once, ascending, as they lie in the file; this is
 * bound by memory. More rows: a chunk of the weight's rows is rounded into the thread's room, one
 * depth block after the other; it stays in the second-level cache with the chunk's results, X_ROWS
 * rows of x in the first.
 */
#include "kern/bf16_matmul.h"

#include <string.h>

#include "base/dtype.h"
#include "base/mem.h"
#include "kern/matmul_parts.h"

#define CHUNK_ROWS   48 /* of weights, at most: 96 KiB */
#define CHUNK_LEAST  24
#define CHUNK_STEP   8
#define CHUNK_M      512 /* rows of x */
#define X_ROWS       6   /* of x together: 12 KiB */
#define COLUMNS      16  /* of y together: a cache line of results */
#define FEW_GRAIN    8
#define FEW_BYTES    (128 << 10) /* of weights handed out at once: some 10 microseconds */
#define PARALLEL_MIN 16384

typedef struct gemm_room {
    _Alignas(64) uint16_t w[CHUNK_ROWS * PH_BF16_BLOCK];
    float y[CHUNK_M * CHUNK_ROWS]; /* [row of x][row of weights] */
} gemm_room;

_Static_assert(sizeof(gemm_room) <= PH_WORK_BYTES, "a chunk fits a thread's room");
_Static_assert(CHUNK_ROWS % PH_BF16_TILE == 0 && COLUMNS % PH_BF16_TILE == 0, "tiles fill a chunk");

typedef struct bf16_run {
    const ph_work *work;
    const ph_matmul *jobs;
    const float *x;
    size_t n_jobs, ldx, m, k, chunk_rows;
} bf16_run;

/* Rows of one weight, times rows first .. first + m - 1 of x. */
typedef struct chunk {
    const ph_matmul *job;
    const ph_bf16_kind *kind;
    size_t row, n, first, m;
} chunk;

static const ph_bf16_kind *kind_of(const ph_work *work, ph_dtype type)
{
    return work->kern->bf16[ph_quant_find(type)->index];
}

bool ph_bf16_applies(const ph_work *work, ph_dtype type)
{
    return work->bf16 != NULL && kind_of(work, type) != NULL;
}

static size_t row_bytes(const bf16_run *run, const ph_matmul *job)
{
    return (size_t)ph_dtype_row_bytes(job->type, run->k);
}

static size_t block_of(const bf16_run *run, size_t k0)
{
    return run->k - k0 < PH_BF16_BLOCK ? run->k - k0 : PH_BF16_BLOCK;
}

static void round_rows(const bf16_run *run, size_t begin, size_t end)
{
    for (size_t k0 = 0; k0 < run->k; k0 += PH_BF16_BLOCK) {
        for (size_t i = begin; i < end; i++) {
            uint16_t *to = run->work->bf16 + k0 * run->m + i * PH_BF16_BLOCK;
            run->work->kern->bf16_round(to, run->x + i * run->ldx + k0, block_of(run, k0));
        }
    }
}

static void round_x(void *arg, int thread, int n_threads)
{
    size_t begin, end;
    ph_pool_split(((const bf16_run *)arg)->m, 1, thread, n_threads, &begin, &end);
    round_rows(arg, begin, end);
}

/* --- few rows of x ---------------------------------------------------------------------------- */

/* Rows of a weight that are one item. */
static size_t few_rows(const bf16_run *run, const ph_matmul *job)
{
    size_t bytes = row_bytes(run, job), rows = bytes > 0 ? FEW_BYTES / bytes : job->n;
    return rows > FEW_GRAIN ? rows - rows % FEW_GRAIN : FEW_GRAIN;
}

static size_t items_of(const bf16_run *run, const ph_matmul *job, size_t rows)
{
    return ph_bf16_applies(run->work, job->type) ? (job->n + rows - 1) / rows : 0;
}

static void few(void *arg, int thread, int n_threads)
{
    const bf16_run *run = arg;
    size_t item;
    (void)n_threads;
    while (ph_pool_next(run->work->pool, thread, &item)) {
        const ph_matmul *job = run->jobs;
        for (size_t n; item >= (n = items_of(run, job, few_rows(run, job))); job++) {
            item -= n;
        }
        size_t rows = few_rows(run, job), row = item * rows, bytes = row_bytes(run, job);
        ph_bf16_few f = {.w = (const unsigned char *)job->weight + row * bytes,
                         .bias = job->bias ? job->bias + row : NULL,
                         .ldy = job->ldy,
                         .x_rows = run->m,
                         .row_bytes = bytes,
                         .n = job->n - row < rows ? job->n - row : rows,
                         .k = run->k};
        for (size_t i = 0; i < run->m; i += f.m) {
            f.m = run->m - i < PH_BF16_FEW ? run->m - i : PH_BF16_FEW;
            f.x = run->work->bf16 + i * PH_BF16_BLOCK;
            f.y = job->y + i * job->ldy + row;
            kind_of(run->work, job->type)->few(&f);
        }
    }
}

/* --- many rows of x --------------------------------------------------------------------------- */

/* A depth block of the chunk's rows; rows up to a whole number of tiles are zeros. */
static void pack_block(const bf16_run *run, const chunk *c, size_t k0, gemm_room *room)
{
    size_t bytes = row_bytes(run, c->job), k = block_of(run, k0);
    const unsigned char *w = (const unsigned char *)c->job->weight + c->row * bytes +
                             (size_t)ph_dtype_row_bytes(c->job->type, k0);
    for (size_t r = 0; r < c->n; r++) {
        c->kind->pack(room->w + r * PH_BF16_BLOCK, w + r * bytes, k);
    }
    for (size_t r = c->n; r % PH_BF16_TILE != 0; r++) {
        memset(room->w + r * PH_BF16_BLOCK, 0, PH_BF16_BLOCK * sizeof *room->w);
    }
}

/* Weights that will be packed next: the next depth block of the chunk's rows, or the first of those
 * behind them, which this thread most likely takes. They are asked for as they lie in memory, a few
 * rows at each step of the products, so that packing finds them in the cache. */
typedef struct ahead {
    const unsigned char *at; /* the next row */
    size_t apart, bytes;     /* rows of so many bytes */
    size_t n, steps;         /* rows still to be asked for, in so many steps */
} ahead;

static ahead ahead_of(const bf16_run *run, const chunk *c, size_t k0)
{
    size_t bytes = row_bytes(run, c->job), k1 = k0 + PH_BF16_BLOCK;
    size_t left = c->job->n - c->row - c->n, row = c->row;
    ahead a = {.apart = bytes,
               .n = c->n,
               .steps = (c->m + X_ROWS - 1) / X_ROWS * ((c->n + COLUMNS - 1) / COLUMNS)};
    if (k1 >= run->k) {
        a.n = left < c->n ? left : c->n;
        row += c->n;
        k1 = 0;
    }
    a.at = (const unsigned char *)c->job->weight + row * bytes +
           (size_t)ph_dtype_row_bytes(c->job->type, k1);
    a.bytes = (size_t)ph_dtype_row_bytes(c->job->type, block_of(run, k1));
    return a;
}

static void ask_ahead(ahead *a)
{
    size_t n = a->n / a->steps;
    for (size_t r = 0; r < n; r++, a->at += a->apart) {
        for (size_t i = 0; i < a->bytes; i += PH_CACHE_LINE) {
            __builtin_prefetch(a->at + i, 0, 2); /* for the second level */
        }
    }
    a->n -= n;
    a->steps -= a->steps > 1;
}

static void multiply_block(const bf16_run *run, const chunk *c, size_t k0, gemm_room *room)
{
    ahead next = ahead_of(run, c, k0);
    bool last = k0 + PH_BF16_BLOCK >= run->k;
    ph_bf16_tile t = {.ldy = CHUNK_ROWS, .k = ph_align_up(block_of(run, k0), PH_BF16_GROUP)};
    for (size_t i = 0; i < c->m; i += X_ROWS) {
        t.m = c->m - i < X_ROWS ? c->m - i : X_ROWS;
        t.x = run->work->bf16 + k0 * run->m + (c->first + i) * PH_BF16_BLOCK;
        for (size_t j = 0; j < c->n; j += COLUMNS) {
            ph_results results = {.job = c->job,
                                  .i = c->first + i,
                                  .m = t.m,
                                  .j = c->row + j,
                                  .n = c->n - j < COLUMNS ? c->n - j : COLUMNS};
            t.n = ph_align_up(results.n, PH_BF16_TILE);
            t.y = room->y + i * CHUNK_ROWS + j;
            t.w = room->w + j * PH_BF16_BLOCK;
            ask_ahead(&next);
            if (last) {
                ph_results_ask(&results);
            }
            run->work->kern->bf16_tile(&t);
            if (last) {
                ph_results_put(&results, t.y, CHUNK_ROWS);
            }
        }
    }
}

static void gemm(void *arg, int thread, int n_threads)
{
    const bf16_run *run = arg;
    gemm_room *room = ph_work_at(run->work, thread);
    size_t item;
    (void)n_threads;
    while (ph_pool_next(run->work->pool, thread, &item)) {
        const ph_matmul *job = run->jobs;
        for (size_t n; item >= (n = items_of(run, job, run->chunk_rows)); job++) {
            item -= n;
        }
        chunk c = {
            .job = job, .kind = kind_of(run->work, job->type), .row = item * run->chunk_rows};
        c.n = job->n - c.row < run->chunk_rows ? job->n - c.row : run->chunk_rows;
        for (; c.first < run->m; c.first += c.m) {
            c.m = run->m - c.first < CHUNK_M ? run->m - c.first : CHUNK_M;
            memset(room->y, 0, c.m * CHUNK_ROWS * sizeof *room->y);
            for (size_t k0 = 0; k0 < run->k; k0 += PH_BF16_BLOCK) {
                pack_block(run, &c, k0, room);
                multiply_block(run, &c, k0, room);
            }
        }
    }
}

void ph_bf16_matmul_run(const ph_work *work, const ph_matmul *jobs, size_t n_jobs, const float *x,
                        size_t ldx, size_t m, size_t k)
{
    bf16_run run = {
        .work = work, .jobs = jobs, .x = x, .n_jobs = n_jobs, .ldx = ldx, .m = m, .k = k};
    bool is_few = m <= PH_BF16_FEW || k == 0;
    size_t n_items = 0;
    run.chunk_rows = ph_matmul_chunk(work, jobs, n_jobs, CHUNK_ROWS, CHUNK_LEAST, CHUNK_STEP);
    for (size_t j = 0; j < n_jobs; j++) {
        n_items += items_of(&run, &jobs[j], is_few ? few_rows(&run, &jobs[j]) : run.chunk_rows);
    }
    if (n_items == 0) {
        return;
    }
    if (m * k < PARALLEL_MIN) {
        round_rows(&run, 0, m);
    } else {
        ph_pool_run(work->pool, round_x, &run);
    }
    ph_pool_run_items(work->pool, n_items, is_few ? few : gemm, &run);
}
