/* Who computes what in the matrix products of training. Contract: kern/sgemm.h.
 *
 * B is packed by all threads into shared room, as many blocks of the depth as fit; then blocks of
 * rows of C are taken off a ticket, and whoever takes one packs its rows of A block by block (they
 * stay in the second-level cache, a panel of B in the first) and adds up their products. */
#include "kern/sgemm.h"

#include <string.h>

#include "base/mem.h"

#define BLOCK_ROWS 96                /* of A in a thread's room: 96 KiB */
#define ROWS_MIN   24                /* below, packing B is not worth sharing */
#define B_FLOATS   ((size_t)2 << 20) /* 8 MiB: a few blocks of the depth at common widths */
#define PACK_COLS  128               /* of B, packed together */

_Static_assert(BLOCK_ROWS >= PH_GEMM_N_MAX, "a panel's rows of B are rounded in A's room");

typedef struct gemm_run {
    ph_ticket ticket;
    const ph_gemm_room *room;
    const ph_sgemm *g;
    size_t n0, n, n_padded; /* columns of B in the room */
    size_t k0, k;           /* depths of B in the room */
    bool pairs;             /* operands are packed as pairs of bf16 numbers */
    size_t depth;           /* of a block */
} gemm_run;

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t block_rows_max(const ph_kern *kern)
{
    return round_up(BLOCK_ROWS, kern->gemm_m);
}

/* Numbers of a room that k depths of a column take. */
static size_t places(const gemm_run *run, size_t k)
{
    return run->pairs ? (k + 1) / 2 : k;
}

phial_status ph_gemm_room_open(ph_gemm_room *room, const ph_kern *kern, ph_pool *pool, bool bf16,
                               size_t wide_n, phial_error *err)
{
    *room = (ph_gemm_room){.kern = kern, .pool = pool, .bf16 = bf16};
    size_t need;
    if (wide_n > SIZE_MAX / 2 ||
        !ph_mul_size(&need, round_up(wide_n, kern->gemm_n), PH_GEMM_DEPTH)) {
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "a matrix of %zu columns", wide_n);
    }
    room->b_floats = need > B_FLOATS ? need : B_FLOATS;
    /* A's panels, the rows of one before they are packed, and a row of f32 before it is rounded. */
    room->a_floats = (block_rows_max(kern) + kern->gemm_m + 2) * PH_GEMM_DEPTH;
    room->b = ph_alloc_large(room->b_floats, sizeof *room->b, err);
    room->a = room->b == NULL ? NULL
                              : ph_alloc_large((size_t)ph_pool_threads(pool),
                                               room->a_floats * sizeof *room->a, err);
    if (room->a == NULL) {
        ph_gemm_room_close(room);
        return PHIAL_ERR_NO_MEMORY;
    }
    return PHIAL_OK;
}

void ph_gemm_room_close(ph_gemm_room *room)
{
    ph_free(room->a);
    ph_free(room->b);
    *room = (ph_gemm_room){0};
}

/* --- packing ---------------------------------------------------------------------------------- */

/* Rows of depths to panels of pairs: n columns, k of each from src, after `map` if there is one.
 * rows: room for w rows of PH_GEMM_DEPTH pairs, and for a row of f32. */
static void pair_rows(const ph_kern *kern, float *dst, float *rows, const float *src, size_t ld,
                      size_t n, size_t k, size_t w, void (*map)(float *y, const float *x, size_t n))
{
    float *mapped = rows + w * PH_GEMM_DEPTH;
    for (size_t j = 0; j < n; j += w, dst += w * ((k + 1) / 2)) {
        size_t left = least(n - j, w);
        for (size_t r = 0; r < left; r++) {
            const float *from = src + (j + r) * ld;
            if (map != NULL) {
                map(mapped, from, k);
                from = mapped;
            }
            kern->bf16_round((uint16_t *)(void *)(rows + r * PH_GEMM_DEPTH), from, k);
        }
        ph_pack_rows(dst, rows, PH_GEMM_DEPTH, left, (k + 1) / 2, w);
    }
}

static void pack_b_at(const gemm_run *run, float *dst, const float *src, size_t n, size_t k,
                      float *rows)
{
    const ph_sgemm *g = run->g;
    const ph_kern *kern = run->room->kern;
    size_t w = kern->gemm_n;
    if (run->pairs && g->b_t) {
        pair_rows(kern, dst, rows, src, g->ldb, n, k, w, NULL);
    } else if (run->pairs) {
        kern->gemm_bf16_cols(dst, src, g->ldb, n, k, w);
    } else if (g->b_t) {
        ph_pack_rows(dst, src, g->ldb, n, k, w);
    } else {
        ph_pack_cols(dst, src, g->ldb, n, k, w);
    }
    if (run->room->bf16 && !run->pairs) {
        ph_round_bf16(dst, round_up(n, w) * k);
    }
}

static void pack_b(void *arg, int thread, int n_threads)
{
    gemm_run *run = arg;
    const ph_sgemm *g = run->g;
    float *rows = run->room->a + (size_t)thread * run->room->a_floats;
    (void)n_threads;
    size_t step = round_up(PACK_COLS, run->room->kern->gemm_n);
    size_t n_cols = (run->n + step - 1) / step;
    size_t n_units = n_cols * ((run->k + run->depth - 1) / run->depth);
    for (size_t u; (u = ph_ticket_take(&run->ticket)) < n_units;) {
        size_t k0 = u / n_cols * run->depth, j = u % n_cols * step;
        size_t k = least(run->k - k0, run->depth), n = least(run->n - j, step);
        float *dst = run->room->b + places(run, k0) * run->n_padded + j * places(run, k);
        size_t row = run->k0 + k0, col = run->n0 + j;
        pack_b_at(run, dst, g->b + (g->b_t ? col * g->ldb + row : row * g->ldb + col), n, k, rows);
    }
}

static void pack_a(const gemm_run *run, float *dst, size_t row, size_t m, size_t k0, size_t k)
{
    const ph_sgemm *g = run->g;
    const ph_kern *kern = run->room->kern;
    size_t w = kern->gemm_m;
    const float *src = g->a + (g->a_t ? k0 * g->lda + row : row * g->lda + k0);
    float *rows = dst + block_rows_max(kern) * PH_GEMM_DEPTH;
    if (run->pairs && g->a_t) {
        kern->gemm_bf16_cols(dst, src, g->lda, m, k, w);
    } else if (run->pairs) {
        pair_rows(kern, dst, rows, src, g->lda, m, k, w, g->a_map);
    } else if (g->a_t) {
        ph_pack_cols(dst, src, g->lda, m, k, w);
    } else if (g->a_map == NULL) {
        ph_pack_rows(dst, src, g->lda, m, k, w);
    } else {
        for (size_t i = 0; i < m; i += w) {
            size_t n = least(m - i, w);
            for (size_t r = 0; r < n; r++) {
                g->a_map(rows + r * k, src + (i + r) * g->lda, k);
            }
            ph_pack_rows(dst + i * k, rows, k, n, k, w);
        }
    }
    if (g->a_t && g->a_sums != NULL && run->n0 == 0) {
        kern->add_rows(g->a_sums + row, src, g->lda, m, k);
    }
    if (run->room->bf16 && !run->pairs) {
        ph_round_bf16(dst, round_up(m, w) * k);
    }
}

size_t ph_gemm_packed_floats(const ph_kern *kern, size_t n, size_t k)
{
    size_t floats;
    if (n > SIZE_MAX / 2 || !ph_mul_size(&floats, round_up(n, kern->gemm_n), k)) {
        return 0;
    }
    return floats;
}

void ph_gemm_pack_row(const ph_kern *kern, float *packed, size_t n, size_t k, size_t j,
                      const float *row)
{
    size_t w = kern->gemm_n, n_padded = round_up(n, w);
    for (size_t k0 = 0; k0 < k; k0 += PH_GEMM_DEPTH) {
        size_t depth = least(k - k0, PH_GEMM_DEPTH);
        float *dst = packed + k0 * n_padded + j / w * w * depth + j % w;
        for (size_t p = 0; p < depth; p++) {
            dst[p * w] = row[k0 + p];
        }
    }
}

/* --- products --------------------------------------------------------------------------------- */

/* Asks for a share of a panel of B, from the third-level cache into the second: a panel is read
 * by all blocks of rows in turn, and only the first of them would wait. */
static void prefetch_share(const float *panel, size_t n, size_t share, size_t n_shares)
{
    const size_t line = PH_CACHE_LINE / sizeof *panel;
    size_t lines = (n + line - 1) / line;
    for (size_t i = lines * share / n_shares; i < lines * (share + 1) / n_shares; i++) {
        __builtin_prefetch(panel + i * line, 0, 2);
    }
}

/* Rows row .. row + m - 1, one block of the depth, k0 counted from the room's. */
static void multiply(const gemm_run *run, const float *a, size_t row, size_t m, size_t k0,
                     size_t depths)
{
    const ph_sgemm *g = run->g;
    const ph_kern *kern = run->room->kern;
    size_t k = places(run, depths);
    bool first = run->k0 + k0 == 0;
    const float *from = first ? g->from : g->c;
    size_t ld_from = first ? g->ld_from : g->ldc;
    const float *b =
        (g->b_packed != NULL ? g->b_packed : run->room->b) + places(run, k0) * run->n_padded;
    void (*tile)(const ph_gemm_tile *t) = run->pairs ? kern->gemm_bf16 : kern->gemm;
    size_t n_shares = (m + kern->gemm_m - 1) / kern->gemm_m;
    for (size_t j = 0; j < run->n; j += kern->gemm_n) {
        size_t col = run->n0 + j, next = j + kern->gemm_n;
        for (size_t i = 0; i < m; i += kern->gemm_m) {
            if (next < run->n) {
                prefetch_share(b + next * k, kern->gemm_n * k, i / kern->gemm_m, n_shares);
            }
            ph_gemm_tile t = {
                .c = g->c + (row + i) * g->ldc + col,
                .a = a + i * k,
                .b = b + j * k,
                .bias = first && g->bias != NULL ? g->bias + col : NULL,
                .from = from != NULL ? from + (row + i) * ld_from + col : NULL,
                .ldc = g->ldc,
                .ld_from = ld_from,
                .m = least(m - i, kern->gemm_m),
                .n = least(run->n - j, kern->gemm_n),
                .k = k,
            };
            tile(&t);
        }
    }
}

/* A block of rows of C. */
typedef struct row_block {
    size_t index, row, m;
} row_block;

/* Blocks get smaller towards the end, so that the threads finish together. */
static row_block block_at(const gemm_run *run, size_t index, size_t row)
{
    const ph_kern *kern = run->room->kern;
    size_t left = run->g->m - row, shares = 2 * (size_t)ph_pool_threads(run->room->pool);
    size_t m = round_up((left + shares - 1) / shares, kern->gemm_m);
    size_t m_min = round_up(ROWS_MIN, kern->gemm_m), m_max = block_rows_max(kern);
    m = m < m_min ? m_min : least(m, m_max);
    return (row_block){.index = index, .row = row, .m = least(m, left)};
}

static void compute(void *arg, int thread, int n_threads)
{
    gemm_run *run = arg;
    const ph_sgemm *g = run->g;
    float *a = run->room->a + (size_t)thread * run->room->a_floats;
    row_block b = block_at(run, 0, 0);
    (void)n_threads;
    for (size_t u = ph_ticket_take(&run->ticket);; u = ph_ticket_take(&run->ticket)) {
        while (b.index < u && b.m > 0) {
            b = block_at(run, b.index + 1, b.row + b.m);
        }
        if (b.m == 0) {
            return;
        }
        size_t k0 = 0;
        do {
            size_t k = least(run->k - k0, run->depth);
            pack_a(run, a, b.row, b.m, run->k0 + k0, k);
            multiply(run, a, b.row, b.m, k0, k);
            k0 += run->depth;
        } while (k0 < run->k);
        if (g->after != NULL && run->k0 + run->k == g->k) {
            g->after(g->user, b.row, b.m, run->n0, run->n);
        }
    }
}

void ph_sgemm_run(const ph_gemm_room *room, const ph_sgemm *g)
{
    if (g->m == 0 || g->n == 0) {
        return;
    }
    size_t w = room->kern->gemm_n;
    size_t widest = room->b_floats / PH_GEMM_DEPTH / w * w;
    bool pairs = room->bf16 && room->kern->gemm_bf16 != NULL && g->b_packed == NULL;
    gemm_run run = {
        .room = room, .g = g, .pairs = pairs, .depth = pairs ? 2 * PH_GEMM_DEPTH : PH_GEMM_DEPTH};
    if (g->b_packed != NULL) {
        run.n = g->n;
        run.n_padded = round_up(run.n, w);
        run.k = g->k;
        ph_pool_run_tickets(room->pool, compute, &run);
        return;
    }
    for (run.n0 = 0; run.n0 < g->n; run.n0 += widest) {
        run.n = least(g->n - run.n0, widest);
        run.n_padded = round_up(run.n, w);
        size_t deepest = room->b_floats / run.n_padded / PH_GEMM_DEPTH * run.depth;
        run.k0 = 0;
        do {
            run.k = least(g->k - run.k0, deepest);
            atomic_store(&run.ticket.next, 0);
            ph_pool_run(room->pool, pack_b, &run);
            atomic_store(&run.ticket.next, 0);
            ph_pool_run(room->pool, compute, &run);
            run.k0 += deepest;
        } while (run.k0 < g->k);
    }
}
