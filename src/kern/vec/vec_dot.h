/* Dot products over vectors: number formats to f32, the fused product of one row of activations
 * with encoded weights, and the register tile of the matrix product. All have the order of
 * additions of PH_DOT_BLOCK (kern/kern.h), with fused multiply-add, and hence the same bits on
 * every instruction set that uses this file.
 */
#ifndef PH_KERN_VEC_VEC_DOT_H
#define PH_KERN_VEC_VEC_DOT_H

#include "kern/vec/vec.h"

#include <string.h>

#define GROUP PH_DOT_LANES

/* A loader turns one group of GROUP encoded numbers into f32. */
VEC_INLINE void load_f32(vf out[VEC_PARTS], const unsigned char *row, size_t group)
{
    const unsigned char *p = row + group * GROUP * 4;
    VEC_UNROLL
    for (int i = 0; i < VEC_PARTS; i++) {
        memcpy(&out[i], p + i * VL * 4, sizeof out[i]);
    }
}

VEC_INLINE void load_f16(vf out[VEC_PARTS], const unsigned char *row, size_t group)
{
    const unsigned char *p = row + group * GROUP * 2;
    VEC_UNROLL
    for (int i = 0; i < VEC_PARTS; i++) {
        out[i] = vf_from_f16(p + i * VL * 2);
    }
}

VEC_INLINE void load_bf16(vf out[VEC_PARTS], const unsigned char *row, size_t group)
{
    const unsigned char *p = row + group * GROUP * 2;
    VEC_UNROLL
    for (int i = 0; i < VEC_PARTS; i++) {
        out[i] = vf_from_bf16(p + i * VL * 2);
    }
}

VEC_INLINE void load_q8_0(vf out[VEC_PARTS], const unsigned char *row, size_t group)
{
    const unsigned char *p = row + group * 34;
    vf d = vf_set1(f16_scalar(p));
    VEC_UNROLL
    for (int i = 0; i < VEC_PARTS; i++) {
        out[i] = vf_mul(d, vf_from_i8(p + 2 + i * VL));
    }
}

typedef void (*load_fn)(vf out[VEC_PARTS], const unsigned char *row, size_t group);

/* The last, incomplete group: left numbers of `bytes` bytes, the others zero. */
VEC_INLINE void load_rest(vf out[VEC_PARTS], load_fn load, size_t bytes, const unsigned char *row,
                          size_t group, size_t left)
{
    unsigned char room[GROUP * 4] = {0};
    memcpy(room, row + group * GROUP * bytes, left * bytes);
    load(out, room, 0);
}

VEC_INLINE void decode(float *dst, const void *src, size_t n, load_fn load, size_t bytes)
{
    vf v[VEC_PARTS];
    size_t n_groups = n / GROUP;
    for (size_t g = 0; g < n_groups; g++) {
        load(v, src, g);
        VEC_UNROLL
        for (int p = 0; p < VEC_PARTS; p++) {
            vf_store(dst + g * GROUP + p * VL, v[p]);
        }
    }
    size_t left = n % GROUP;
    if (left > 0) {
        load_rest(v, load, bytes, src, n_groups, left);
        for (int p = 0; p < VEC_PARTS; p++) {
            size_t at = (size_t)p * VL;
            vf_store_n(dst + n_groups * GROUP + at, v[p], vec_left(left, at));
        }
    }
}

static void vec_decode_f16(float *dst, const void *src, size_t n)
{
    decode(dst, src, n, load_f16, 2);
}

static void vec_decode_bf16(float *dst, const void *src, size_t n)
{
    decode(dst, src, n, load_bf16, 2);
}

static void vec_decode_q8_0(float *dst, const void *src, size_t n)
{
    decode(dst, src, n, load_q8_0, 0);
}

static void vec_encode_f16(void *dst, const float *src, size_t n)
{
    unsigned char *out = dst;
    size_t i = 0;
    for (; i + VL <= n; i += VL) {
        vf_to_f16(out + 2 * i, vf_load(src + i));
    }
    if (i < n) {
        unsigned char room[2 * VL];
        vf_to_f16(room, vf_load_n(src + i, n - i));
        memcpy(out + 2 * i, room, 2 * (n - i));
    }
}

/* --- one row of activations --------------------------------------------------------------- */

VEC_INLINE void fma_group(vf sums[VEC_PARTS], const vf x[VEC_PARTS], const vf w[VEC_PARTS])
{
    VEC_UNROLL
    for (int p = 0; p < VEC_PARTS; p++) {
        sums[p] = vf_fma(x[p], w[p], sums[p]);
    }
}

/* Dots of one x with `rows` rows. */
VEC_INLINE void dot_rows(float *y, const float *x, const unsigned char *w, size_t row_bytes,
                         size_t k, const float *bias, const int rows, load_fn load, size_t bytes,
                         size_t group_bytes)
{
    float total[4];
    vf xs[VEC_PARTS], ws[VEC_PARTS];
    size_t n_groups = k / GROUP;
    size_t left = k % GROUP;
    size_t g = 0;
    bool first = true;
    do {
        vf sums[4][VEC_PARTS];
        VEC_UNROLL
        for (int r = 0; r < rows; r++) {
            VEC_UNROLL
            for (int p = 0; p < VEC_PARTS; p++) {
                sums[r][p] = vf_zero();
            }
        }
        size_t block_end = (g / (PH_DOT_BLOCK / GROUP) + 1) * (PH_DOT_BLOCK / GROUP);
        size_t end = block_end < n_groups ? block_end : n_groups;
        for (; g < end; g++) {
            load_f32(xs, (const unsigned char *)x, g);
            VEC_UNROLL
            for (int r = 0; r < rows; r++) {
                const unsigned char *row = w + (size_t)r * row_bytes;
                __builtin_prefetch(row + g * group_bytes + VEC_PREFETCH);
                load(ws, row, g);
                fma_group(sums[r], xs, ws);
            }
        }
        if (g == n_groups && g < block_end && left > 0) {
            load_rest(xs, load_f32, 4, (const unsigned char *)x, g, left);
            VEC_UNROLL
            for (int r = 0; r < rows; r++) {
                load_rest(ws, load, bytes, w + (size_t)r * row_bytes, g, left);
                fma_group(sums[r], xs, ws);
            }
            left = 0;
        }
        VEC_UNROLL
        for (int r = 0; r < rows; r++) {
            float s = vf_sum(vf_fold(sums[r]));
            total[r] = first ? s : total[r] + s;
        }
        first = false;
    } while (g < n_groups || left > 0);
    VEC_UNROLL
    for (int r = 0; r < rows; r++) {
        y[r] = bias ? total[r] + bias[r] : total[r];
    }
}

VEC_INLINE void dot_all(float *y, const float *x, const void *w, size_t row_bytes, size_t n,
                        size_t k, const float *bias, load_fn load, size_t bytes, size_t group_bytes)
{
    const unsigned char *row = w;
    size_t i = 0;
    for (; i + VEC_GEMV_ROWS <= n; i += VEC_GEMV_ROWS, row += VEC_GEMV_ROWS * row_bytes) {
        dot_rows(y + i, x, row, row_bytes, k, bias ? bias + i : NULL, VEC_GEMV_ROWS, load, bytes,
                 group_bytes);
    }
    for (; i < n; i++, row += row_bytes) {
        dot_rows(y + i, x, row, row_bytes, k, bias ? bias + i : NULL, 1, load, bytes, group_bytes);
    }
}

static void vec_gemv_f32(float *y, const float *x, const void *w, size_t row_bytes, size_t n,
                         size_t k, const float *bias)
{
    dot_all(y, x, w, row_bytes, n, k, bias, load_f32, 4, GROUP * 4);
}

static void vec_gemv_f16(float *y, const float *x, const void *w, size_t row_bytes, size_t n,
                         size_t k, const float *bias)
{
    dot_all(y, x, w, row_bytes, n, k, bias, load_f16, 2, GROUP * 2);
}

static void vec_gemv_bf16(float *y, const float *x, const void *w, size_t row_bytes, size_t n,
                          size_t k, const float *bias)
{
    dot_all(y, x, w, row_bytes, n, k, bias, load_bf16, 2, GROUP * 2);
}

static void vec_gemv_q8_0(float *y, const float *x, const void *w, size_t row_bytes, size_t n,
                          size_t k, const float *bias)
{
    dot_all(y, x, w, row_bytes, n, k, bias, load_q8_0, 0, 34);
}

/* --- many rows of activations ------------------------------------------------------------- */

/* VEC_TILE_M x VEC_TILE_N sums at a time leave no registers for all lanes, so each part of the
 * lanes has its own walk over the block, which lies in the first-level cache. */
VEC_INLINE void tile_part(vf *sums, const ph_tile *t, const float *x, const float *w,
                          const int part, const int m, const int n)
{
    vf s[VEC_TILE_M][VEC_TILE_N];
    VEC_UNROLL
    for (int i = 0; i < m; i++) {
        VEC_UNROLL
        for (int j = 0; j < n; j++) {
            s[i][j] = vf_zero();
        }
    }
    size_t full = t->k - t->k % GROUP;
    size_t at = (size_t)part * VL;
    for (; at < full; at += GROUP) {
        vf ws[VEC_TILE_N];
        VEC_UNROLL
        for (int j = 0; j < n; j++) {
            ws[j] = vf_load(w + (size_t)j * t->ldw + at);
        }
        VEC_UNROLL
        for (int i = 0; i < m; i++) {
            vf xs = vf_load(x + (size_t)i * t->ldx + at);
            VEC_UNROLL
            for (int j = 0; j < n; j++) {
                s[i][j] = vf_fma(xs, ws[j], s[i][j]);
            }
        }
    }
    if (full < t->k) {
        size_t left = vec_left(t->k, at);
        VEC_UNROLL
        for (int i = 0; i < m; i++) {
            vf xs = vf_load_n(x + (size_t)i * t->ldx + at, left);
            VEC_UNROLL
            for (int j = 0; j < n; j++) {
                s[i][j] = vf_fma(xs, vf_load_n(w + (size_t)j * t->ldw + at, left), s[i][j]);
            }
        }
    }
    VEC_UNROLL
    for (int i = 0; i < m; i++) {
        VEC_UNROLL
        for (int j = 0; j < n; j++) {
            sums[i * n + j] = s[i][j];
        }
    }
}

VEC_INLINE void tile_at(const ph_tile *t, size_t row, size_t column, const int m, const int n)
{
    vf sums[VEC_PARTS][VEC_TILE_M * VEC_TILE_N + 3];
    float s[VEC_TILE_M * VEC_TILE_N + 3];
    const float *x = t->x + row * t->ldx;
    const float *w = t->w + column * t->ldw;
    for (int p = 0; p < VEC_PARTS; p++) {
        tile_part(sums[p], t, x, w, p, m, n);
    }
    for (int i = m * n; i % 4 != 0; i++) {
        for (int p = 0; p < VEC_PARTS; p++) {
            sums[p][i] = vf_zero();
        }
    }
    for (int i = 0; i < m * n; i += 4) {
        vf folded[4];
        VEC_UNROLL
        for (int j = 0; j < 4; j++) {
            vf parts[VEC_PARTS];
            VEC_UNROLL
            for (int p = 0; p < VEC_PARTS; p++) {
                parts[p] = sums[p][i + j];
            }
            folded[j] = vf_fold(parts);
        }
        vf_sum4(s + i, folded[0], folded[1], folded[2], folded[3]);
    }
    float *y = t->y + row * t->ldy + column;
    for (int i = 0; i < m; i++, y += t->ldy) {
        for (int j = 0; j < n; j++) {
            float sum = t->first ? s[i * n + j] : y[j] + s[i * n + j];
            y[j] = t->bias ? sum + t->bias[column + (size_t)j] : sum;
        }
    }
}

static void tile_full(const ph_tile *t, size_t row, size_t column)
{
    tile_at(t, row, column, VEC_TILE_M, VEC_TILE_N);
}

static void tile_row(const ph_tile *t, size_t row, size_t column)
{
    tile_at(t, row, column, 1, VEC_TILE_N);
}

static void tile_column(const ph_tile *t, size_t row, size_t column)
{
    tile_at(t, row, column, VEC_TILE_M, 1);
}

static void tile_one(const ph_tile *t, size_t row, size_t column)
{
    tile_at(t, row, column, 1, 1);
}

static void vec_tile(const ph_tile *t)
{
    for (size_t j = 0; j < t->n;) {
        bool wide = t->n - j >= VEC_TILE_N;
        for (size_t i = 0; i < t->m;) {
            bool high = t->m - i >= VEC_TILE_M;
            (wide ? high ? tile_full : tile_row : high ? tile_column : tile_one)(t, i, j);
            i += high ? VEC_TILE_M : 1;
        }
        j += wide ? VEC_TILE_N : 1;
    }
}

#endif
