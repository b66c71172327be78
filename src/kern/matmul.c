/* Matrix products: who computes what, in which order. Contract: kern/matmul.h; the arithmetic is in
 * the table's gemv and tile.
 *
 * One row of x: each thread walks its share of the weights' rows once, ascending, with the fused
 * gemv; this is bound by memory. A thread that gets less of its core gives up a part of its share.
 * More rows: the weight's rows are taken in chunks off a shared ticket; a chunk is dequantized once
 * per depth block into the thread's room and multiplied with all rows of x, a few at a time so that
 * they stay in the first-level cache, asked for ahead of time, and copied together where their
 * distance in memory would make them evict each other.
 */
#include "kern/matmul.h"

#include "base/dtype.h"
#include "base/mem.h"
#include "kern/fast_matmul.h"

#include <string.h>

#define STRIDE_MAX (PH_DOT_BLOCK + 16)
#define CHUNK_ROWS 96   /* of weights: 192 KiB as f32, half of a small second-level cache */
#define FEW_ROWS   12   /* chunk for few rows of x, to keep the reading of weights in order */
#define X_ROWS     6    /* rows of x copied together: 12 KiB of the first-level cache */
#define COLUMNS    16   /* of y computed together: a cache line */
#define COLLIDE    4096 /* bytes; rows so far apart share the same sets of the first-level cache */
#define FEW_X      8    /* up to so many rows of x are not worth copying */
#define GEMV_GRAIN 4
#define GEMV_BYTES (128 << 10) /* of weights handed out at once: some 10 microseconds */

_Static_assert((CHUNK_ROWS + X_ROWS) * STRIDE_MAX * sizeof(float) <= PH_WORK_BYTES,
               "a chunk and its activations fit a thread's room");

typedef struct matmul_run {
    ph_ticket ticket;
    const ph_work *work;
    const ph_matmul *jobs;
    const float *x;
    size_t n_jobs, ldx, m, k, chunk_rows;
} matmul_run;

/* Asks for a share of what the next rows of x and y need, while the current ones are computed: both
 * lie far apart in memory, and waiting for them costs a third of the time otherwise. */
static void prefetch_share(const float *x, size_t ldx, const float *y, size_t ldy, size_t rows,
                           size_t k, size_t share, size_t n_shares)
{
    size_t begin = k * share / n_shares;
    size_t end = k * (share + 1) / n_shares;
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = begin; i < end; i += PH_CACHE_LINE / sizeof(float)) {
            __builtin_prefetch(x + r * ldx + i);
        }
        __builtin_prefetch(y + r * ldy, 1);
    }
}

/* One depth block of a chunk: w holds its n rows as f32, tile_stride apart. */
static void multiply_block(const matmul_run *run, const ph_tile *block, float *x_room)
{
    const ph_kern *kern = run->work->kern;
    size_t stride = kern->tile_stride;
    size_t n_shares = (block->n + COLUMNS - 1) / COLUMNS;
    for (size_t i = 0; i < run->m; i += X_ROWS) {
        const float *x = block->x + i * run->ldx;
        float *y = block->y + i * block->ldy;
        size_t left = run->m - i;
        size_t rows = left < X_ROWS ? left : X_ROWS;
        size_t next = left - rows < X_ROWS ? left - rows : X_ROWS;
        bool copy = run->m > FEW_X && run->ldx * sizeof(float) % COLLIDE == 0;
        for (size_t r = 0; copy && r < rows; r++) {
            memcpy(x_room + r * stride, x + r * run->ldx, block->k * sizeof(float));
        }
        ph_tile t = *block;
        t.x = copy ? x_room : x;
        t.ldx = copy ? stride : run->ldx;
        t.m = rows;
        for (size_t s = 0; s < n_shares; s++) {
            size_t j = s * COLUMNS;
            if (next > 0) {
                prefetch_share(x + rows * run->ldx, run->ldx, y + rows * block->ldy + j, block->ldy,
                               next, block->k, s, n_shares);
            }
            t.n = block->n - j < COLUMNS ? block->n - j : COLUMNS;
            t.y = y + j;
            t.w = block->w + j * stride;
            t.bias = block->bias ? block->bias + j : NULL;
            kern->tile(&t);
        }
    }
}

static void multiply_chunk(const matmul_run *run, const ph_matmul *job, size_t first_row,
                           size_t n_rows, float *room)
{
    ph_quant_index type = ph_quant_find(job->type)->index;
    const ph_kern *kern = run->work->kern;
    size_t row_bytes = ph_dtype_row_bytes(job->type, run->k);
    size_t block_bytes = ph_dtype_row_bytes(job->type, PH_DOT_BLOCK);
    const unsigned char *weight = (const unsigned char *)job->weight + first_row * row_bytes;
    float *x_room = room + CHUNK_ROWS * kern->tile_stride;
    size_t k0 = 0;
    do {
        size_t k = run->k - k0 < PH_DOT_BLOCK ? run->k - k0 : PH_DOT_BLOCK;
        const unsigned char *w = weight + k0 / PH_DOT_BLOCK * block_bytes;
        for (size_t r = 0; r < n_rows; r++) {
            kern->dequantize[type](room + r * kern->tile_stride, w + r * row_bytes, k);
        }
        bool last = k0 + k == run->k;
        multiply_block(run,
                       &(ph_tile){.y = job->y + first_row,
                                  .x = run->x + k0,
                                  .w = room,
                                  .bias = last && job->bias ? job->bias + first_row : NULL,
                                  .ldy = job->ldy,
                                  .ldw = kern->tile_stride,
                                  .n = n_rows,
                                  .k = k,
                                  .first = k0 == 0},
                       x_room);
        k0 += k;
    } while (k0 < run->k);
}

static void gemm(void *arg, int thread, int n_threads)
{
    matmul_run *run = arg;
    float *room = ph_work_at(run->work, thread);
    (void)n_threads;
    size_t index = ph_ticket_take(&run->ticket);
    size_t before = 0; /* chunks of the jobs before j */
    for (size_t j = 0; j < run->n_jobs; j++) {
        const ph_matmul *job = &run->jobs[j];
        if (ph_fast_applies(run->work, job->type)) {
            continue;
        }
        size_t n_chunks = (job->n + run->chunk_rows - 1) / run->chunk_rows;
        for (; index < before + n_chunks; index = ph_ticket_take(&run->ticket)) {
            size_t row = (index - before) * run->chunk_rows;
            size_t n = job->n - row < run->chunk_rows ? job->n - row : run->chunk_rows;
            multiply_chunk(run, job, row, n, room);
        }
        before += n_chunks;
    }
}

/* Rows of a weight that are one item: about GEMV_BYTES, whole rounds of the fused gemv. */
static size_t gemv_rows(const matmul_run *run, const ph_matmul *job)
{
    size_t row_bytes = ph_dtype_row_bytes(job->type, run->k);
    size_t rows = row_bytes > 0 ? GEMV_BYTES / row_bytes : job->n;
    return rows > GEMV_GRAIN ? rows - rows % GEMV_GRAIN : GEMV_GRAIN;
}

static size_t gemv_items(const matmul_run *run, const ph_matmul *job)
{
    size_t rows = gemv_rows(run, job);
    return ph_fast_applies(run->work, job->type) ? 0 : (job->n + rows - 1) / rows;
}

static void gemv_part(const matmul_run *run, const ph_matmul *job, size_t begin, size_t n,
                      float *room)
{
    size_t row_bytes = ph_dtype_row_bytes(job->type, run->k);
    ph_gemv_fn fused = run->work->kern->gemv[ph_quant_find(job->type)->index];
    if (fused != NULL) {
        fused(job->y + begin, run->x, (const unsigned char *)job->weight + begin * row_bytes,
              row_bytes, n, run->k, job->bias ? job->bias + begin : NULL);
        return;
    }
    for (size_t row = begin; row < begin + n; row += FEW_ROWS) {
        size_t left = begin + n - row;
        multiply_chunk(run, job, row, left < FEW_ROWS ? left : FEW_ROWS, room);
    }
}

static void gemv(void *arg, int thread, int n_threads)
{
    matmul_run *run = arg;
    size_t item;
    (void)n_threads;
    while (ph_pool_next(run->work->pool, thread, &item)) {
        const ph_matmul *job = run->jobs;
        for (size_t n; item >= (n = gemv_items(run, job)); job++) {
            item -= n;
        }
        size_t rows = gemv_rows(run, job);
        size_t begin = item * rows;
        size_t n = job->n - begin < rows ? job->n - begin : rows;
        gemv_part(run, job, begin, n, ph_work_at(run->work, thread));
    }
}

void ph_matmul_run(const ph_work *work, const ph_matmul *jobs, size_t n_jobs, const float *x,
                   size_t ldx, size_t m, size_t k)
{
    matmul_run run = {.work = work,
                      .jobs = jobs,
                      .x = x,
                      .n_jobs = n_jobs,
                      .ldx = ldx,
                      .m = m,
                      .k = k,
                      .chunk_rows = m <= FEW_X ? FEW_ROWS : CHUNK_ROWS};
    bool exact = false;
    size_t n_items = 0;
    for (size_t j = 0; j < n_jobs; j++) {
        exact = exact || !ph_fast_applies(work, jobs[j].type);
        n_items += m == 1 ? gemv_items(&run, &jobs[j]) : 0;
    }
    if (m == 1 && exact) {
        ph_pool_run_items(work->pool, n_items, gemv, &run);
    } else if (m > 0 && exact) {
        ph_pool_run(work->pool, gemm, &run);
    }
    if (m > 0) {
        ph_fast_matmul_run(work, jobs, n_jobs, x, ldx, m, k);
    }
}
