/* Matrix products: who computes what, in which order. Contract: kern/matmul.h; the arithmetic is in
 * the table's gemv and tile.
 *
 * One row of x: each thread walks its share of each weight's rows once, ascending, with the fused
 * gemv; this is bound by memory. More rows: the weight's rows are taken in chunks off a shared
 * ticket; a chunk is dequantized once per depth block into the thread's room and multiplied with
 * all rows of x, which are copied together a few at a time so that they stay in the first-level
 * cache whatever their distance in memory is.
 */
#include "kern/matmul.h"

#include "base/dtype.h"
#include "base/mem.h"

#include <string.h>

#define STRIDE_MAX (PH_DOT_BLOCK + 16)
#define CHUNK_ROWS 96 /* of weights: 192 KiB as f32, half of a small second-level cache */
#define FEW_ROWS   12 /* chunk for few rows of x, to keep the reading of weights in order */
#define X_ROWS     6  /* rows of x copied together: 12 KiB of the first-level cache */
#define FEW_X      8  /* up to so many rows of x are not worth copying */
#define GEMV_GRAIN 4

_Static_assert((CHUNK_ROWS + X_ROWS) * STRIDE_MAX * sizeof(float) <= PH_WORK_BYTES,
               "a chunk and its activations fit a thread's room");

typedef struct matmul_run {
    ph_ticket ticket;
    const ph_work *work;
    const ph_matmul *jobs;
    const float *x;
    size_t n_jobs, ldx, m, k, chunk_rows;
} matmul_run;

/* One depth block of a chunk: w holds its n rows as f32, tile_stride apart. */
static void multiply_block(const matmul_run *run, ph_tile t, float *x_room)
{
    const float *x = t.x;
    float *y = t.y;
    size_t stride = run->work->kern->tile_stride;
    for (size_t i = 0; i < run->m; i += X_ROWS) {
        t.m = run->m - i < X_ROWS ? run->m - i : X_ROWS;
        t.y = y + i * t.ldy;
        t.x = x + i * run->ldx;
        t.ldx = run->ldx;
        if (run->m > FEW_X) {
            for (size_t r = 0; r < t.m; r++) {
                memcpy(x_room + r * stride, t.x + r * run->ldx, t.k * sizeof(float));
            }
            t.x = x_room;
            t.ldx = stride;
        }
        run->work->kern->tile(&t);
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
                       (ph_tile){.y = job->y + first_row,
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
        size_t n_chunks = (job->n + run->chunk_rows - 1) / run->chunk_rows;
        for (; index < before + n_chunks; index = ph_ticket_take(&run->ticket)) {
            size_t row = (index - before) * run->chunk_rows;
            size_t n = job->n - row < run->chunk_rows ? job->n - row : run->chunk_rows;
            multiply_chunk(run, job, row, n, room);
        }
        before += n_chunks;
    }
}

static void gemv(void *arg, int thread, int n_threads)
{
    matmul_run *run = arg;
    float *room = ph_work_at(run->work, thread);
    for (size_t j = 0; j < run->n_jobs; j++) {
        const ph_matmul *job = &run->jobs[j];
        size_t begin, end;
        ph_pool_split(job->n, GEMV_GRAIN, thread, n_threads, &begin, &end);
        if (begin >= end) {
            continue;
        }
        ph_gemv_fn fused = run->work->kern->gemv[ph_quant_find(job->type)->index];
        if (fused != NULL) {
            size_t row_bytes = ph_dtype_row_bytes(job->type, run->k);
            fused(job->y + begin, run->x, (const unsigned char *)job->weight + begin * row_bytes,
                  row_bytes, end - begin, run->k, job->bias ? job->bias + begin : NULL);
            continue;
        }
        for (size_t row = begin; row < end; row += FEW_ROWS) {
            size_t n = end - row < FEW_ROWS ? end - row : FEW_ROWS;
            multiply_chunk(run, job, row, n, room);
        }
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
    if (m > 0) {
        ph_pool_run(work->pool, m == 1 ? gemv : gemm, &run);
    }
}
