/* Products of bf16 numbers with AVX512_BF16. Contract: kern/bf16.h.
 *
 * vdpbf16ps is the pair of multiply-adds of that contract for 16 lanes. A tile is 6 rows of
 * activations by 4 of weights, 24 sums: 10 loads serve 24 products. F16 weights are rounded in
 * registers on their way; conversions and products are done by different units.
 */
#ifndef PH_KERN_X86_AVX512BF16_PRODUCTS_H
#define PH_KERN_X86_AVX512BF16_PRODUCTS_H

#include "kern/x86/vec_avx512.h"

#include "kern/vec/vec.h"
#include "kern/x86/each_tile.h"

#define BF_ROWS    6
#define BF_COLUMNS PH_BF16_TILE
#define BF_NEXT    6144 /* bytes */

_Static_assert(BF_COLUMNS == 4, "vf_sum4 sums a row of the tile");

typedef __m512i vb; /* 32 bf16 numbers */

VEC_INLINE vb vb_load(const void *p)
{
    return _mm512_loadu_si512(p);
}

VEC_INLINE vb vb_round(vf low, vf high)
{
    return (vb)_mm512_cvtne2ps_pbh(high, low);
}

VEC_INLINE vf vb_dot(vf sum, vb a, vb b)
{
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

/* A group of numbers as they lie in memory. */
typedef vb (*bf_load_fn)(const unsigned char *p);

VEC_INLINE vb bf_load_f32(const unsigned char *p)
{
    return vb_round((vf)vb_load(p), (vf)vb_load(p + 64));
}

VEC_INLINE vb bf_load_f16(const unsigned char *p)
{
    return vb_round(vf_from_f16(p), vf_from_f16(p + 32));
}

VEC_INLINE vb bf_load_bf16(const unsigned char *p)
{
    return vb_load(p);
}

/* n < PH_BF16_GROUP numbers of `bytes` bytes, the others zero. */
VEC_INLINE vb bf_rest(bf_load_fn load, size_t bytes, const unsigned char *p, size_t n)
{
    unsigned char room[PH_BF16_GROUP * 4] = {0};
    memcpy(room, p, n * bytes);
    return load(room);
}

VEC_INLINE void bf_convert(uint16_t *out, const unsigned char *src, size_t n, bf_load_fn load,
                           size_t bytes)
{
    size_t i = 0;
    for (; i + PH_BF16_GROUP <= n; i += PH_BF16_GROUP) {
        _mm512_storeu_si512(out + i, load(src + i * bytes));
    }
    if (i < n) {
        _mm512_storeu_si512(out + i, bf_rest(load, bytes, src + i * bytes, n - i));
    }
}

static void bf_round_f32(uint16_t *out, const void *src, size_t n)
{
    bf_convert(out, src, n, bf_load_f32, 4);
}

static void bf_pack_f16(uint16_t *out, const void *src, size_t n)
{
    bf_convert(out, src, n, bf_load_f16, 2);
}

static void bf_pack_bf16(uint16_t *out, const void *src, size_t n)
{
    bf_convert(out, src, n, bf_load_bf16, 2);
}

/* The operands of a depth block: k numbers of rows of x, PH_BF16_BLOCK apart, and of w. */
typedef struct bf_block {
    const uint16_t *x;
    const unsigned char *w;
    size_t row_bytes, k;
    const unsigned char *ask; /* what is wanted after these rows, as it lies in memory; or NULL */
} bf_block;

VEC_INLINE void bf_step(vf s[BF_ROWS][BF_COLUMNS], const uint16_t *x, const vb w[BF_COLUMNS],
                        const int m, const int n)
{
    VEC_UNROLL
    for (int i = 0; i < m; i++) {
        vb xs = vb_load(x + (size_t)i * PH_BF16_BLOCK);
        VEC_UNROLL
        for (int j = 0; j < n; j++) {
            s[i][j] = vb_dot(s[i][j], xs, w[j]);
        }
    }
}

/* y[i][j] += block sums of m rows of x and n of w; whole: k is a multiple of a group. */
VEC_INLINE void bf_tile_at(float *y, size_t ldy, const bf_block *b, const int m, const int n,
                           bf_load_fn load, const bool whole)
{
    vf s[BF_ROWS][BF_COLUMNS];
    vb w[BF_COLUMNS];
    VEC_UNROLL
    for (int i = 0; i < m; i++) {
        VEC_UNROLL
        for (int j = 0; j < n; j++) {
            s[i][j] = vf_zero();
        }
    }
    size_t at = 0;
    for (; at + PH_BF16_GROUP <= b->k; at += PH_BF16_GROUP) {
        VEC_UNROLL
        for (int j = 0; !whole && j < n; j++) {
            _mm_prefetch((const char *)b->ask + (2 * at * (size_t)n + 64 * (size_t)j), _MM_HINT_T0);
        }
        VEC_UNROLL
        for (int j = 0; j < n; j++) {
            w[j] = load(b->w + (size_t)j * b->row_bytes + 2 * at);
        }
        bf_step(s, b->x + at, w, m, n);
    }
    if (!whole && at < b->k) {
        VEC_UNROLL
        for (int j = 0; j < n; j++) {
            w[j] = bf_rest(load, 2, b->w + (size_t)j * b->row_bytes + 2 * at, b->k - at);
        }
        bf_step(s, b->x + at, w, m, n);
    }
    VEC_UNROLL
    for (int i = 0; i < m; i++) {
        float *yi = y + (size_t)i * ldy;
        if (n == BF_COLUMNS) {
            vq_store(yi, vq_add(vq_load(yi), vf_sum4(s[i][0], s[i][1], s[i][2], s[i][3])));
        } else {
            yi[0] += vf_sum(s[i][0]);
        }
    }
}

/* Rows of x outside: they stay in the first-level cache, weights come from the second. */
VEC_INLINE void bf_tile_rows(const ph_bf16_tile *t, size_t row, const int m, const int columns)
{
    for (size_t j = 0; j < t->n; j += (size_t)columns) {
        const bf_block b = {.x = t->x + row * PH_BF16_BLOCK,
                            .w = (const unsigned char *)(t->w + j * PH_BF16_BLOCK),
                            .row_bytes = PH_BF16_BLOCK * sizeof *t->w,
                            .k = t->k};
        bf_tile_at(t->y + row * t->ldy + j, t->ldy, &b, m, columns, bf_load_bf16, true);
    }
}

static void bf_tile(const ph_bf16_tile *t)
{
    PH_EACH_TILE(6, bf_tile_rows, t, BF_COLUMNS);
}

VEC_INLINE void bf_few_tile(const ph_bf16_few *f, size_t row, const int m, float *total,
                            const bf_block *all, const int n, bf_load_fn load)
{
    bf_block b = *all;
    (void)f;
    b.x += row * PH_BF16_BLOCK;
    bf_tile_at(total + row * BF_COLUMNS, BF_COLUMNS, &b, m, n, load, false);
}

/* n rows of weights from the j-th on, which are read once: blocks outside. What comes next is asked
 * for in one ascending stream, which four rows side by side are not; a single row is one. */
VEC_INLINE void bf_few_rows(const ph_bf16_few *f, size_t j, const int n, bf_load_fn load)
{
    float total[PH_BF16_FEW * BF_COLUMNS] = {0};
    for (size_t k0 = 0; k0 < f->k; k0 += PH_BF16_BLOCK) {
        const bf_block b = {.x = f->x + k0 * f->x_rows,
                            .w = f->w + j * f->row_bytes + 2 * k0,
                            .row_bytes = f->row_bytes,
                            .ask = f->w + j * f->row_bytes + 2 * k0 * (size_t)n +
                                   (n == 1 ? BF_NEXT : (size_t)n * f->row_bytes),
                            .k = f->k - k0 < PH_BF16_BLOCK ? f->k - k0 : PH_BF16_BLOCK};
        PH_EACH_TILE(6, bf_few_tile, f, total, &b, n, load);
    }
    for (size_t i = 0; i < f->m; i++) {
        for (size_t c = 0; c < (size_t)n; c++) {
            float sum = total[i * BF_COLUMNS + c];
            f->y[i * f->ldy + j + c] = f->bias ? sum + f->bias[j + c] : sum;
        }
    }
}

VEC_INLINE void bf_few(const ph_bf16_few *f, bf_load_fn load)
{
    size_t j = 0;
    for (; f->m > 1 && j + BF_COLUMNS <= f->n; j += BF_COLUMNS) {
        bf_few_rows(f, j, BF_COLUMNS, load);
    }
    for (; j < f->n; j++) {
        bf_few_rows(f, j, 1, load);
    }
}

static void bf_few_f16(const ph_bf16_few *f)
{
    bf_few(f, bf_load_f16);
}

static void bf_few_bf16(const ph_bf16_few *f)
{
    bf_few(f, bf_load_bf16);
}

#endif
