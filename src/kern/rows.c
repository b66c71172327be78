/* Row operations split over the threads. Contract: kern/rows.h.
 * Below PARALLEL_MIN numbers waking the team costs more than the work. */
#include "kern/rows.h"

#include "base/dtype.h"

#define PARALLEL_MIN 16384
#define GRAIN        64 /* elements; whole cache lines for each thread */

typedef struct rows_run {
    const ph_kern *kern;
    float *y;
    const float *x, *a, *b;
    const int32_t *index;
    const unsigned char *table;
    size_t ldy, ldx, m, n, n_head, row_bytes;
    float eps;
    ph_dequantize_fn dequantize;
    void (*map)(float *y, const float *x, size_t n);
} rows_run;

static void run_over(const ph_work *work, ph_pool_fn fn, rows_run *run, size_t numbers)
{
    if (numbers < PARALLEL_MIN) {
        fn(run, 0, 1);
    } else {
        ph_pool_run(work->pool, fn, run);
    }
}

static void layernorm(void *arg, int thread, int n_threads)
{
    const rows_run *run = arg;
    size_t begin, end;
    ph_pool_split(run->m, 1, thread, n_threads, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        run->kern->layernorm(run->y + i * run->ldy, run->x + i * run->ldx, run->a, run->b, run->n,
                             run->eps);
    }
}

void ph_layernorm(const ph_work *work, float *y, size_t ldy, const float *x, size_t ldx,
                  const float *weight, const float *bias, size_t m, size_t n, float eps)
{
    rows_run run = {.kern = work->kern,
                    .y = y,
                    .x = x,
                    .a = weight,
                    .b = bias,
                    .ldy = ldy,
                    .ldx = ldx,
                    .m = m,
                    .n = n,
                    .eps = eps};
    run_over(work, layernorm, &run, m > 1 ? m * n : 0);
}

static void map(void *arg, int thread, int n_threads)
{
    const rows_run *run = arg;
    size_t begin, end;
    if (run->m == 1) {
        ph_pool_split(run->n, GRAIN, thread, n_threads, &begin, &end);
        run->map(run->y + begin, run->y + begin, end - begin);
        return;
    }
    ph_pool_split(run->m, 1, thread, n_threads, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        run->map(run->y + i * run->ldy, run->y + i * run->ldy, run->n);
    }
}

void ph_gelu(const ph_work *work, float *x, size_t ldx, size_t m, size_t n)
{
    rows_run run = {.y = x, .ldy = ldx, .m = m, .n = n, .map = work->kern->gelu};
    run_over(work, map, &run, m * n);
}

void ph_gelu_erf(const ph_work *work, float *x, size_t ldx, size_t m, size_t n)
{
    rows_run run = {.y = x, .ldy = ldx, .m = m, .n = n, .map = work->kern->gelu_erf};
    run_over(work, map, &run, m * n);
}

static void residual(void *arg, int thread, int n_threads)
{
    const rows_run *run = arg;
    size_t begin, end;
    ph_pool_split(run->n, GRAIN, thread, n_threads, &begin, &end);
    run->kern->add3(run->y + begin, run->x + begin, run->a + begin, run->b + begin, end - begin);
}

void ph_residual(const ph_work *work, float *y, const float *in, const float *a, const float *b,
                 size_t n)
{
    rows_run run = {.kern = work->kern, .y = y, .x = in, .a = a, .b = b, .n = n};
    run_over(work, residual, &run, n);
}

/* a, b: tables of cosines and sines; ldx: rotary dimensions / 2 */
static void rope(void *arg, int thread, int n_threads)
{
    const rows_run *run = arg;
    size_t begin, end;
    ph_pool_split(run->m, 1, thread, n_threads, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        size_t at = (size_t)run->index[i] * run->ldx;
        for (size_t h = 0; h < run->n_head; h++) {
            run->kern->rope(run->y + i * run->ldy + h * run->n, run->a + at, run->b + at, run->ldx);
        }
    }
}

void ph_rope(const ph_work *work, float *x, size_t ldx, size_t m, size_t n_head, size_t head_dim,
             size_t n_rot, const float *cos, const float *sin, const int32_t *pos)
{
    rows_run run = {.kern = work->kern,
                    .y = x,
                    .a = cos,
                    .b = sin,
                    .index = pos,
                    .ldy = ldx,
                    .ldx = n_rot / 2,
                    .m = m,
                    .n = head_dim,
                    .n_head = n_head};
    run_over(work, rope, &run, m * n_head * n_rot);
}

static void get(void *arg, int thread, int n_threads)
{
    const rows_run *run = arg;
    size_t begin, end;
    ph_pool_split(run->m, 1, thread, n_threads, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        run->dequantize(run->y + i * run->ldy, run->table + (size_t)run->index[i] * run->row_bytes,
                        run->n);
    }
}

void ph_rows_get(const ph_work *work, float *dst, size_t ld, const void *table, ph_dtype type,
                 const int32_t *ids, size_t m, size_t n)
{
    rows_run run = {.kern = work->kern,
                    .y = dst,
                    .index = ids,
                    .table = table,
                    .ldy = ld,
                    .m = m,
                    .n = n,
                    .row_bytes = ph_dtype_row_bytes(type, n),
                    .dequantize = work->kern->dequantize[ph_quant_find(type)->index]};
    run_over(work, get, &run, m * n);
}
