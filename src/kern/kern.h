/* The kernel table: one set of function pointers per instruction set, and what runs them.
 *
 * ph_kern_init() fills a table from the weakest instruction set up to the wanted one, so that an
 * entry nobody made faster stays the scalar reference. The table is plain data, constant from then
 * on. Model code does not call the entries: it calls the functions of kern/matmul.h, kern/rows.h
 * and kern/attn.h, which run them on a pool of threads.
 *
 * Bits. Within one instruction set every output is defined to the last bit by its operands alone:
 * not by thread count, neighbours in the batch, tile position or row count. The order of additions
 * is part of each entry's contract below. Between instruction sets bits may differ (the reference
 * rounds products before adding; the vector ones fuse).
 *
 * Threads: a table is immutable after ph_kern_init(); any number of threads may use it.
 */
#ifndef PH_KERN_KERN_H
#define PH_KERN_KERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"
#include "kern/bf16.h"
#include "kern/fast.h"
#include "kern/quant.h"

/* Dot products. The depth is cut into absolute blocks of PH_DOT_BLOCK. In a block, lane l of
 * PH_DOT_LANES adds x[k]*w[k] for k = l, l + 16, l + 32, ... in this order, beginning with +0; a
 * last incomplete group counts as filled up with zeros. The lanes are summed by halving
 * (lane l + lane l + 8, then + 4, 2, 1), the block sums in ascending order, the bias last.
 * Sixteen lanes are what one row needs to keep up with memory (two vectors of AVX2, one of AVX-512,
 * four of NEON) and few enough for a register tile of the matrix product. */
#define PH_DOT_BLOCK 512
#define PH_DOT_LANES 16

#define PH_KV_PAGE      64  /* keys in a page of the KV cache; also the block of online softmax */
#define PH_HEAD_MAX     256 /* largest head size attention takes */
#define PH_ATTN_QUERIES 192 /* queries of a tile of attention, at most */

#define PH_GEMM_M_MAX 16 /* tiles of the matrix products of training */
#define PH_GEMM_N_MAX 64

#define PH_I8_N_MAX 64

struct ph_kern;

/* y[i] = dot(x, row i of w) + bias[i], i < n; rows of k elements, row_bytes apart. bias may be
 * NULL. x, y, w have no alignment beyond their element's; y overlaps nothing. */
typedef void (*ph_gemv_fn)(float *y, const float *x, const void *w, size_t row_bytes, size_t n,
                           size_t k, const float *bias);

/* One depth block of a matrix product on f32 operands:
 * y[i][j] = (first ? s : y[i][j] + s), then + bias[j] if bias is given, where
 * s = block sum of x[i][0..k) and w[j][0..k), k <= PH_DOT_BLOCK, i < m, j < n.
 * ld in elements. */
typedef struct ph_tile {
    float *y;
    const float *x, *w, *bias;
    size_t ldy, ldx, ldw, m, n, k;
    bool first;
} ph_tile;

/* The same for many rows of x, with weights in a panel: PH_DOT_LANES parts, one for each lane, in
 * which the columns of y that one vector tile computes together lie side by side for each of up to
 * PH_WIDE_STEPS depths. A panel is made by wide_pack, of w rows filled up with zeros to a multiple
 * of PH_DOT_LANES; so are the rows of x. */
#define PH_WIDE_STEPS          (PH_DOT_BLOCK / PH_DOT_LANES)
#define PH_WIDE_PACK           16 /* columns packed together */
#define PH_WIDE_PANEL(columns) (PH_DOT_LANES * ((size_t)PH_WIDE_STEPS * (columns) + 16))
typedef struct ph_wide {
    float *y;
    const float *x, *w, *bias; /* x: [m][ldx], steps * PH_DOT_LANES numbers of each are read */
    size_t ldy, ldx, m, n;     /* n <= wide_columns */
    size_t steps;
    const float *ahead; /* [n_ahead][ld_ahead]: rows of one block of depth to fetch meanwhile */
    size_t n_ahead, ld_ahead;
    bool first;
} ph_wide;

/* One block of keys for a tile of queries of one head: online softmax.
 * s[i][j] = scale * sum over c ascending of q[i][c] * k[c][j]; only the first n_keys + i keys (at
 * most PH_KV_PAGE, at least 0) exist for query i, the others are not looked at. Then for each query
 * that sees a key: m' = max(max, s), f = exp(max - m'), p = exp(s - m'), sum = sum*f + (p summed by
 * halving over lanes), out = out*f, and out[c] += p[j] * v[j][c] for j ascending. Before the first
 * block: max = -inf, sum = 0, out = 0. Scores may be as large as f32: nothing overflows below
 * |s| = 3.4e38. */
typedef struct ph_attn_tile {
    const float *q; /* [n][ld_q], first d columns */
    const float *k; /* [d][PH_KV_PAGE] */
    const float *v; /* [PH_KV_PAGE][ld_v] */
    float *out;     /* [n][ld_out] */
    float *max;     /* [n] */
    float *sum;     /* [n] */
    float *p;       /* work space [n][PH_KV_PAGE] */
    size_t ld_q, ld_v, ld_out;
    size_t d;         /* head size; ld_v and ld_out are at least d rounded up to 16 */
    size_t n;         /* queries, at most PH_ATTN_QUERIES */
    ptrdiff_t n_keys; /* keys of the block that query 0 sees; may be <= 0 or > PH_KV_PAGE */
    float scale;
    const unsigned char *ahead; /* ahead_bytes of the next block, fetched meanwhile */
    size_t ahead_bytes;
} ph_attn_tile;

typedef enum ph_kv_type {
    PH_KV_F32,
    PH_KV_F16,
    PH_KV_Q8 /* int8, one f32 scale (largest magnitude / 127) for each head row */
} ph_kv_type;

/* The same for one query and a page as the cache holds it, q8 numbers times their scale. */
typedef struct ph_attn_row {
    const float *q;                 /* [d] */
    const unsigned char *k;         /* [d][PH_KV_PAGE] of the type */
    const unsigned char *v;         /* [PH_KV_PAGE][d], behind k in the same memory */
    const float *k_scale, *v_scale; /* [PH_KV_PAGE] for q8, else NULL */
    const unsigned char *next;      /* k of the page that will come next; fetched meanwhile */
    float *out, *max, *sum;
    float *p;      /* work space [PH_KV_PAGE] */
    size_t d;      /* a multiple of 16 */
    size_t n_keys; /* 1 .. PH_KV_PAGE */
    float scale;
} ph_attn_row;

/* A tile of a matrix product in training (kern/sgemm.h), on packed operands:
 * c[i][j] = s + bias[j] + from[i][j], in this order, i < m <= gemm_m, j < n <= gemm_n, where s is
 * the sum over p ascending, beginning with +0, of a(p, i) * b(p, j), p < k; bias and from may be
 * NULL. b is [k][gemm_n]. gemm: a is [k][gemm_m]. gemm_panels: a is what a tile of gemm_n columns
 * writes with ldc = gemm_n, panels of gemm_n depths `panel` elements apart:
 * a(p, i) = a[p / gemm_n * panel + i * gemm_n + p % gemm_n]; k is a multiple of gemm_n. gemm_rows:
 * a is rows as they lie, a(p, i) = a[i * panel + p]. All gemm_m
 * rows and gemm_n columns of a and b are there and finite, whatever m and n. from may be c. */
typedef struct ph_gemm_tile {
    float *c;
    const float *a, *b, *bias, *from;
    size_t ldc, ld_from, panel, m, n, k;
} ph_gemm_tile;

/* One row of LayerNorm backwards: dx += its share of the gradient of x, dweight += dy * x^,
 * dbias += dy, x^ = (x - mean) / sqrt(var + eps). Sums over the row as in layernorm. */
typedef struct ph_layernorm_grad {
    float *dx, *dweight, *dbias;
    const float *dy, *x, *weight;
    size_t n;
    float eps;
} ph_layernorm_grad;

/* A row of scores in panels of gemm_n keys, `panel` elements apart, of which the first n are
 * visible; all up to n_padded (a multiple of gemm_n) are written, those behind n with zeros. */
typedef struct ph_score_row {
    float *s, *ds;
    float *max, *sum;
    size_t panel, n, n_padded;
    float scale;
} ph_score_row;

/* A panel of int8 weights with m rows of activations, kern/int8.h tells what comes out.
 * q: [m][ldq] below 128; w: [k / 4][i8_n][4]; d, bias: [i8_n]; n <= i8_n columns of y are written.
 * k is a multiple of PH_I8_UNIT. from may be y or NULL. */
typedef struct ph_i8_tile {
    float *y;
    const float *from;
    const uint8_t *q;
    const float *scale, *offset; /* [m][ld_f], by group */
    const int8_t *w;
    const float *d, *bias;
    const float *sums; /* [groups][ld_sums] */
    size_t ldy, ld_from, ldq, ld_f, ld_sums, m, n, k;
    bool more; /* the next panel lies behind this one and comes next */
} ph_i8_tile;

typedef struct ph_kern {
    const char *isa; /* "ref", "avx2", "avx512" ... */

    /* By ph_quant.index. */
    ph_quantize_fn quantize[PH_N_QUANT];
    ph_dequantize_fn dequantize[PH_N_QUANT];
    ph_gemv_fn gemv[PH_N_QUANT]; /* NULL: dequantize and tile do it; same bits either way */

    void (*tile)(const ph_tile *t);
    size_t tile_stride; /* distance of rows, >= PH_DOT_BLOCK elements, that tile reads fastest */

    /* For many rows of x; NULL: tile does it, with the same bits. */
    void (*wide)(const ph_wide *t);
    /* PH_WIDE_PACK rows of f32 weights into columns `column` and on of a panel; all of a panel's
     * columns are packed, with any finite numbers where there is no row. */
    void (*wide_pack)(float *panel, const float *w, size_t ldw, size_t column, size_t steps);
    size_t wide_columns; /* of a panel, a multiple of PH_WIDE_PACK */
    size_t wide_rows;    /* of x computed together */

    /* Fast arithmetic, kern/fast.h. split is NULL for formats without a fast form; panels where
     * `few` does everything. */
    ph_split_fn split[PH_N_QUANT];
    ph_quantize_x_fn quantize_x;
    void (*few)(const ph_few *f);
    ph_dots_fn dots[PH_N_QUANT];         /* NULL: `few` does it; same bits either way */
    unsigned char dots_rows[PH_N_QUANT]; /* of x, at most PH_FAST_DOTS_MAX; 0: PH_FAST_DOTS */
    bool asks_far; /* dots of AVX-512 ask memory into the second-level cache, as AVX2's do */
    const ph_panel_kind *panels[PH_N_QUANT];
    unsigned char panels_from[PH_N_QUANT]; /* rows of x; 0: as soon as dots do not do it at once */

    /* Fast arithmetic with F16 and BF16, kern/bf16.h. NULL: these weights are multiplied exactly.
     */
    const ph_bf16_kind *bf16[PH_N_QUANT];
    ph_bf16_round_fn bf16_round; /* of activations */
    void (*bf16_tile)(const ph_bf16_tile *t);

    /* Int8 with weights packed once, kern/int8.h; i8 is NULL where the table has none of it. */
    size_t i8_n; /* columns of a panel, at most PH_I8_N_MAX */
    void (*i8)(const ph_i8_tile *t);
    /* A group of n numbers: offset = the least, scale = (largest - least) / 127, q = (x - least) *
     * (127 / (largest - least)) to nearest even, zeros if the range is below 1e-30. NaN or infinity
     * make scale NaN. */
    void (*i8_quantize)(uint8_t *q, float *scale, float *offset, const float *x, size_t n);

    /* One row of n numbers: mean, then biased variance of x - mean, both summed over PH_DOT_LANES
     * lanes by halving; y = (x - mean) / sqrt(var + eps) * weight + bias. y may be x. */
    void (*layernorm)(float *y, const float *x, const float *weight, const float *bias, size_t n,
                      float eps);
    /* y = gelu_new(x), the tanh form; y may be x. For finite x within 2 eps |x|, and above -8
     * within 90 eps |y| in the vector kernels; -inf gives NaN, as the formula does. Elements do
     * not influence each other. */
    void (*gelu)(float *y, const float *x, size_t n);
    /* y = x Phi(x), the form with the error function; y may be x. For finite x within 4 eps |x|;
     * -inf gives NaN or 0. Elements do not influence each other. */
    void (*gelu_erf)(float *y, const float *x, size_t n);
    /* y = (a + b) + c; y may be any of them. */
    void (*add3)(float *y, const float *a, const float *b, const float *c, size_t n);
    /* One head, NeoX halves, half = rotary dimensions / 2, in place:
     * x[i], x[i+half] = x[i]*cos[i] - x[i+half]*sin[i], x[i+half]*cos[i] + x[i]*sin[i]. */
    void (*rope)(float *x, const float *cos, const float *sin, size_t half);
    /* In place, n >= 1; the sum is over PH_DOT_LANES lanes by halving. exp within 2 ulp. */
    void (*softmax)(float *x, size_t n);

    void (*attn)(const ph_attn_tile *t);
    /* By ph_kv_type; NULL: the page becomes f32 and attn does it, with the same bits. */
    void (*attn_row[3])(const ph_attn_row *a);
    /* y = x / by; y may be x. */
    void (*divide)(float *y, const float *x, float by, size_t n);
    /* dst[r][j] = src[r][j] * scale[j], rows of PH_KV_PAGE; and dst[r][c] = src[r][c] * scale[r],
     * rows of n. Rows of dst are ld_dst apart, of src back to back. */
    void (*scale_lanes_i8)(float *dst, const int8_t *src, const float *scale, size_t rows);
    void (*scale_rows_i8)(float *dst, size_t ld_dst, const int8_t *src, const float *scale,
                          size_t rows, size_t n);

    /* Training. */
    size_t gemm_m, gemm_n; /* at most PH_GEMM_M_MAX and PH_GEMM_N_MAX */
    void (*gemm)(const ph_gemm_tile *t);
    void (*gemm_panels)(const ph_gemm_tile *t);
    void (*gemm_rows)(const ph_gemm_tile *t);
    /* gemm on pairs of bf16 numbers, each in the place of one f32 number of a and b: the pair p of
     * column i is depths 2p (low half) and 2p + 1. s takes the products of depth 2p + 1 and then of
     * 2p, each with a fused multiply-add that rounds to nearest even and takes numbers below
     * 2^-126, its result too, for zeros. NULL: nothing here multiplies bf16; kern/sgemm.h tells
     * what then. */
    void (*gemm_bf16)(const ph_gemm_tile *t);
    /* Panels of such pairs from f32 rows, element (p, j) at src[p * ld + j], rounded as bf16_round
     * does: pair (p, j) goes to dst[j / w * w * half + p * w + j % w], half = (k + 1) / 2; zeros
     * where there is no column or depth. w is gemm_m or gemm_n. Where gemm_bf16 is. */
    void (*gemm_bf16_cols)(float *dst, const float *src, size_t ld, size_t n, size_t k, size_t w);
    /* sums[j] += s, where s is the sum over p ascending, beginning with +0, of src[p * ld + j];
     * j < n, p < k. */
    void (*add_rows)(float *sums, const float *src, size_t ld, size_t n, size_t k);
    /* In place: d *= gelu_new'(x), then x = gelu_new(x). */
    void (*gelu_grad)(float *d, float *x, size_t n);
    void (*layernorm_grad)(const ph_layernorm_grad *g);
    /* In place: x = softmax(x) * scale, n >= 1; returns log(sum(exp x)). */
    float (*softmax_lse)(float *x, size_t n, float scale);
    /* Online softmax of the next keys of a row, n >= 1: m = max(max, scale * s), s = exp(scale * s
     * - m); sum = sum * f + the new s, f = exp(max - m), which is returned; max = m. */
    float (*attn_probs)(const ph_score_row *r);
    /* And backwards, with *max the row's log-sum-exp and *sum the dot product of its output and
     * that output's gradient: s = p = exp(scale * s - lse), ds = p * (ds - sum) * scale. */
    void (*attn_grad)(const ph_score_row *r);
} ph_kern;

#define PH_ISA(name) void ph_kern_fill_##name(ph_kern *kern);
#include "kern/isa.def"
#undef PH_ISA

/* Fills the table for an instruction set by name, or, with isa NULL, for the one the environment
 * variable PHIAL_CPU names, or else the strongest this CPU and system have.
 * PHIAL_ERR_ARGUMENT: unknown name (the message lists the choices).
 * PHIAL_ERR_UNSUPPORTED: the CPU or the system lacks it. */
phial_status ph_kern_init(ph_kern *kern, const char *isa, phial_error *err);

/* Name of instruction set i, weakest first; NULL behind the last. */
const char *ph_kern_isa(size_t i);

#define PH_ISA(name) bool ph_cpu_has_##name(void);
#include "kern/isa.def"
#undef PH_ISA
/* Bytes of a core's first-level cache for data, x86 only; 0: the CPU does not say. */
size_t ph_cpu_first_level(void);

/* What a computation needs to run: table, threads, and work space made once, so that no kernel
 * allocates. Serves one caller at a time. */
typedef struct ph_work {
    const ph_kern *kern;  /* borrowed until ph_work_close() */
    ph_pool *pool;        /* borrowed until ph_work_close() */
    unsigned char *bytes; /* owned: PH_WORK_BYTES for each thread */
    /* Only in fast arithmetic: room for rounded activations, by group size (32, 256). */
    struct ph_x8_room {
        int16_t *q; /* owned; the others point into it. NULL: products are exact */
        float *scale;
        int16_t *sums;
        int8_t *q8;
    } x8[2];
    uint16_t *bf16; /* owned; the same for kern/bf16.h; NULL where the table has none of it */
} ph_work;

/* Room of one thread: 96 rows of weights in panels and some of activations, of one depth block, for
 * an exact product; panels and results of 512 rows of activations for a fast one; for attention K
 * and V of a page, queries, scores and outputs of a tile. */
#define PH_WORK_BYTES ((size_t)256 << 10)

phial_status ph_work_open(ph_work *work, const ph_kern *kern, ph_pool *pool, phial_error *err);
void ph_work_close(ph_work *work);
/* Switches products to fast arithmetic, those with quantized weights (kern/fast.h) and, where the
 * table can, with F16 and BF16 (kern/bf16.h); for at most max_m rows of max_k numbers. */
phial_status ph_work_make_fast(ph_work *work, size_t max_m, size_t max_k, phial_error *err);
/* Start of a thread's room, aligned to PH_CACHE_LINE. */
void *ph_work_at(const ph_work *work, int thread);

#endif
