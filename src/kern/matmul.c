/* Matrix products: who computes what, in which order. Contract: kern/matmul.h; the arithmetic is in
 * the table's gemv, tile and wide, which agree to the bit.
 *
 * One row of x: each thread walks its share of the weights' rows once, ascending, with the fused
 * gemv; this is bound by memory. A thread that gets less of its core gives up a part of its share.
 *
 * Many rows: the weights' rows are taken in chunks off a shared ticket; a chunk is dequantized and
 * packed into panels once per depth block, in the thread's room, and multiplied with all rows of x,
 * a few at a time so that they stay in the first-level cache, asked for ahead of time, and copied
 * together where their distance in memory would make them evict each other. Some rows of x do not
 * pay for the packing: their chunks are only dequantized.
 */
#include "kern/matmul.h"

#include "base/dtype.h"
#include "base/mem.h"
#include "kern/bf16_matmul.h"
#include "kern/fast_matmul.h"
#include "kern/matmul_parts.h"

#include <string.h>

#define STRIDE_MAX (PH_DOT_BLOCK + 16)
#define PANEL_ROWS 96   /* of weights, at most: 192 KiB, half of a small second-level cache */
#define CHUNK_MIN  48   /* of weights, for many rows of x */
#define FEW_ROWS   12   /* chunk for few rows of x, to keep the reading of weights in order */
#define WIDE_ROWS  12   /* of x together, at most */
#define CHUNK_ROWS 96   /* chunk for some rows of x */
#define FEW_X      8    /* up to so many rows of x are not worth copying */
#define X_ROWS     6    /* rows of x multiplied with a chunk together, then */
#define COLUMNS    16   /* of y computed together, then */
#define WIDE_MIN   64   /* rows of x from which on panels are worth their making */
#define COLLIDE    4096 /* bytes; rows so far apart share the same sets of the first-level cache */
#define GEMV_GRAIN 4
#define GEMV_BYTES (128 << 10) /* of weights handed out at once: some 10 microseconds */

typedef struct gemm_room {
    float panels[PH_WIDE_PANEL(PH_WIDE_PACK) / PH_WIDE_PACK * PANEL_ROWS];
    float rows[PH_WIDE_PACK * STRIDE_MAX];
    float x[WIDE_ROWS * STRIDE_MAX];
} gemm_room;

_Static_assert(sizeof(gemm_room) <= PH_WORK_BYTES, "a chunk and its activations fit a room");
_Static_assert((CHUNK_ROWS + X_ROWS) * STRIDE_MAX * sizeof(float) <= PH_WORK_BYTES,
               "so do its rows as f32");

typedef struct matmul_run {
    ph_ticket ticket;
    const ph_work *work;
    const ph_matmul *jobs;
    const float *x;
    size_t n_jobs, ldx, m, k, chunk_rows;
    bool wide;
} matmul_run;

/* Whether products with weights of this type are not in fast arithmetic. */
static bool is_exact(const ph_work *work, ph_dtype type)
{
    return !ph_fast_applies(work, type) && !ph_bf16_applies(work, type);
}

/* Copies rows of one depth block, filled up with zeros to whole rounds of the lanes. */
static void copy_rows(float *dst, const float *x, size_t ldx, size_t rows, size_t k)
{
    size_t whole = ph_align_up(k, PH_DOT_LANES);
    for (size_t r = 0; r < rows; r++) {
        memcpy(dst + r * STRIDE_MAX, x + r * ldx, k * sizeof(float));
        memset(dst + r * STRIDE_MAX + k, 0, (whole - k) * sizeof(float));
    }
}

/* One depth block of a chunk whose n columns are packed into panels. */
static void multiply_panels(const matmul_run *run, const ph_tile *block, const float *panels,
                            float *x_room)
{
    const ph_kern *kern = run->work->kern;
    size_t columns = kern->wide_columns;
    size_t n_panels = (block->n + columns - 1) / columns;
    bool copy = block->k % PH_DOT_LANES != 0 || run->ldx * sizeof(float) % COLLIDE == 0;
    for (size_t i = 0; i < run->m; i += kern->wide_rows) {
        const float *x = block->x + i * run->ldx;
        size_t left = run->m - i;
        size_t rows = left < kern->wide_rows ? left : kern->wide_rows;
        size_t next = left - rows < kern->wide_rows ? left - rows : kern->wide_rows;
        if (copy) {
            copy_rows(x_room, x, run->ldx, rows, block->k);
        }
        ph_wide t = {.x = copy ? x_room : x,
                     .ldx = copy ? STRIDE_MAX : run->ldx,
                     .ldy = block->ldy,
                     .m = rows,
                     .steps = (block->k + PH_DOT_LANES - 1) / PH_DOT_LANES,
                     .ld_ahead = run->ldx,
                     .first = block->first};
        for (size_t p = 0; p < n_panels; p++) {
            size_t j = p * columns;
            size_t fetched = next * p / n_panels;
            t.ahead = x + (rows + fetched) * run->ldx;
            t.n_ahead = next * (p + 1) / n_panels - fetched;
            t.n = block->n - j < columns ? block->n - j : columns;
            t.y = block->y + i * block->ldy + j;
            t.w = panels + p * PH_WIDE_PANEL(columns);
            t.bias = block->bias ? block->bias + j : NULL;
            kern->wide(&t);
        }
    }
}

/* Asks for a share of what the next rows of x and y need, while the current ones are computed. */
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

/* One depth block of a chunk for some rows of x: w holds its n rows as f32, tile_stride apart. */
static void multiply_rows(const matmul_run *run, const ph_tile *block, float *x_room)
{
    const ph_kern *kern = run->work->kern;
    size_t n_shares = (block->n + COLUMNS - 1) / COLUMNS;
    bool copy = run->m > FEW_X && run->ldx * sizeof(float) % COLLIDE == 0;
    for (size_t i = 0; i < run->m; i += X_ROWS) {
        const float *x = block->x + i * run->ldx;
        float *y = block->y + i * block->ldy;
        size_t left = run->m - i;
        size_t rows = left < X_ROWS ? left : X_ROWS;
        size_t next = left - rows < X_ROWS ? left - rows : X_ROWS;
        if (copy) {
            copy_rows(x_room, x, run->ldx, rows, block->k);
        }
        ph_tile t = *block;
        t.x = copy ? x_room : x;
        t.ldx = copy ? STRIDE_MAX : run->ldx;
        t.m = rows;
        for (size_t s = 0; s < n_shares; s++) {
            size_t j = s * COLUMNS;
            prefetch_share(x + rows * run->ldx, run->ldx, y + rows * block->ldy + j, block->ldy,
                           next, block->k, s, n_shares);
            t.n = block->n - j < COLUMNS ? block->n - j : COLUMNS;
            t.y = y + j;
            t.w = block->w + j * kern->tile_stride;
            t.bias = block->bias ? block->bias + j : NULL;
            kern->tile(&t);
        }
    }
}

/* Takes n rows of a depth block apart, into panels. */
static void pack_panels(const matmul_run *run, ph_dequantize_fn dequantize, const unsigned char *w,
                        size_t row_bytes, size_t n, size_t k, gemm_room *room)
{
    const ph_kern *kern = run->work->kern;
    size_t columns = kern->wide_columns;
    size_t whole = ph_align_up(k, PH_DOT_LANES);
    for (size_t r = 0; r < ph_align_up(n, columns); r += PH_WIDE_PACK) {
        for (size_t i = 0; i < PH_WIDE_PACK; i++) {
            float *row = room->rows + i * STRIDE_MAX;
            size_t have = r + i < n ? k : 0;
            if (have > 0) {
                dequantize(row, w + (r + i) * row_bytes, k);
            }
            memset(row + have, 0, (whole - have) * sizeof(float));
        }
        kern->wide_pack(room->panels + r / columns * PH_WIDE_PANEL(columns), room->rows, STRIDE_MAX,
                        r % columns, whole / PH_DOT_LANES);
    }
}

static void multiply_chunk(const matmul_run *run, const ph_matmul *job, size_t first_row,
                           size_t n_rows, void *thread_room)
{
    const ph_kern *kern = run->work->kern;
    ph_dequantize_fn dequantize = kern->dequantize[ph_quant_find(job->type)->index];
    size_t row_bytes = ph_dtype_row_bytes(job->type, run->k);
    size_t block_bytes = ph_dtype_row_bytes(job->type, PH_DOT_BLOCK);
    const unsigned char *weight = (const unsigned char *)job->weight + first_row * row_bytes;
    size_t k0 = 0;
    do {
        size_t k = run->k - k0 < PH_DOT_BLOCK ? run->k - k0 : PH_DOT_BLOCK;
        const unsigned char *w = weight + k0 / PH_DOT_BLOCK * block_bytes;
        bool last = k0 + k == run->k;
        ph_tile block = {.y = job->y + first_row,
                         .x = run->x + k0,
                         .w = thread_room,
                         .bias = last && job->bias ? job->bias + first_row : NULL,
                         .ldy = job->ldy,
                         .ldw = kern->tile_stride,
                         .n = n_rows,
                         .k = k,
                         .first = k0 == 0};
        if (run->wide) {
            gemm_room *room = thread_room;
            pack_panels(run, dequantize, w, row_bytes, n_rows, k, room);
            multiply_panels(run, &block, room->panels, room->x);
        } else {
            for (size_t r = 0; r < n_rows; r++) {
                dequantize((float *)thread_room + r * kern->tile_stride, w + r * row_bytes, k);
            }
            multiply_rows(run, &block, (float *)thread_room + CHUNK_ROWS * STRIDE_MAX);
        }
        k0 += k;
    } while (k0 < run->k);
}

static void gemm(void *arg, int thread, int n_threads)
{
    matmul_run *run = arg;
    void *room = ph_work_at(run->work, thread);
    (void)n_threads;
    size_t index = ph_ticket_take(&run->ticket);
    size_t before = 0; /* chunks of the jobs before j */
    for (size_t j = 0; j < run->n_jobs; j++) {
        const ph_matmul *job = &run->jobs[j];
        if (!is_exact(run->work, job->type)) {
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
    return is_exact(run->work, job->type) ? (job->n + rows - 1) / rows : 0;
}

static void gemv_part(const matmul_run *run, const ph_matmul *job, size_t begin, size_t n,
                      void *room)
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
                      .chunk_rows = m <= FEW_X ? FEW_ROWS : CHUNK_ROWS,
                      .wide = m >= WIDE_MIN && work->kern->wide != NULL};
    if (run.wide) {
        run.chunk_rows =
            ph_matmul_chunk(work, jobs, n_jobs, PANEL_ROWS, CHUNK_MIN, work->kern->wide_columns);
    }
    bool exact = false;
    size_t n_items = 0;
    for (size_t j = 0; j < n_jobs; j++) {
        exact = exact || is_exact(work, jobs[j].type);
        n_items += m == 1 ? gemv_items(&run, &jobs[j]) : 0;
    }
    if (m == 1 && exact) {
        ph_pool_run_items(work->pool, n_items, gemv, &run);
    } else if (m > 0 && exact) {
        ph_pool_run_tickets(work->pool, gemm, &run);
    }
    if (m > 0) {
        ph_fast_matmul_run(work, jobs, n_jobs, x, ldx, m, k);
        ph_bf16_matmul_run(work, jobs, n_jobs, x, ldx, m, k);
    }
}
