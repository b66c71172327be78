/* Dot products over vectors: number formats to f32, the fused product of one row of activations
 * with encoded weights, and the register tile of the matrix product. All have the order of
 * additions of PH_DOT_BLOCK (kern/kern.h), with fused multiply-add, and hence the same bits on
 * every instruction set that uses this file.
 */
#ifndef PH_KERN_VEC_VEC_DOT_H
#define PH_KERN_VEC_VEC_DOT_H

#include "kern/vec/vec.h"

#include <string.h>

#define GROUP      32 /* numbers a loader decodes at once: a block of Q8_0 */
#define GROUP_VECS (GROUP / VL)
#define GEMV_ROWS  4 /* rows walked together share the loads of x and hide each other's latency */

/* The rows behind those that are walked together are asked for in one ascending stream. */
#ifndef VEC_GEMV_ASK
#define VEC_GEMV_ASK 0
#endif

/* A loader turns one group of GROUP encoded numbers into f32. */
VEC_INLINE void load_f32(vf out[GROUP_VECS], const unsigned char *row, size_t group)
{
    const unsigned char *p = row + group * GROUP * 4;
    VEC_UNROLL
    for (int i = 0; i < GROUP_VECS; i++) {
        memcpy(&out[i], p + i * VL * 4, sizeof out[i]);
    }
}

VEC_INLINE void load_f16(vf out[GROUP_VECS], const unsigned char *row, size_t group)
{
    const unsigned char *p = row + group * GROUP * 2;
    VEC_UNROLL
    for (int i = 0; i < GROUP_VECS; i++) {
        out[i] = vf_from_f16(p + i * VL * 2);
    }
}

VEC_INLINE void load_bf16(vf out[GROUP_VECS], const unsigned char *row, size_t group)
{
    const unsigned char *p = row + group * GROUP * 2;
    VEC_UNROLL
    for (int i = 0; i < GROUP_VECS; i++) {
        out[i] = vf_from_bf16(p + i * VL * 2);
    }
}

VEC_INLINE void load_q8_0(vf out[GROUP_VECS], const unsigned char *row, size_t group)
{
    const unsigned char *p = row + group * 34;
    vf d = vf_set1(f16_scalar(p));
    VEC_UNROLL
    for (int i = 0; i < GROUP_VECS; i++) {
        out[i] = vf_mul(d, vf_from_i8(p + 2 + i * VL));
    }
}

typedef void (*load_fn)(vf out[GROUP_VECS], const unsigned char *row, size_t group);

/* The last, incomplete group: left numbers of `bytes` bytes, the others zero. */
VEC_INLINE void load_rest(vf out[GROUP_VECS], load_fn load, size_t bytes, const unsigned char *row,
                          size_t group, size_t left)
{
    unsigned char room[GROUP * 4] = {0};
    memcpy(room, row + group * GROUP * bytes, left * bytes);
    load(out, room, 0);
}

VEC_INLINE void decode(float *dst, const void *src, size_t n, load_fn load, size_t bytes)
{
    vf v[GROUP_VECS];
    size_t n_groups = n / GROUP;
    for (size_t g = 0; g < n_groups; g++) {
        load(v, src, g);
        VEC_UNROLL
        for (int p = 0; p < GROUP_VECS; p++) {
            vf_store(dst + g * GROUP + p * VL, v[p]);
        }
    }
    size_t left = n % GROUP;
    if (left > 0) {
        load_rest(v, load, bytes, src, n_groups, left);
        for (int p = 0; p < GROUP_VECS; p++) {
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

/* Adds the first n numbers of a group, n rounded up to whole rounds of the lanes. */
VEC_INLINE void fma_group(vf sums[VEC_PARTS], const vf x[GROUP_VECS], const vf w[GROUP_VECS],
                          size_t n)
{
    VEC_UNROLL
    for (int v = 0; v < GROUP_VECS; v++) {
        if (n > (size_t)(v / VEC_PARTS * PH_DOT_LANES)) {
            sums[v % VEC_PARTS] = vf_fma(x[v], w[v], sums[v % VEC_PARTS]);
        }
    }
}

/* Group g's share of the rows behind the GEMV_ROWS at w. */
VEC_INLINE void ask_after(const unsigned char *w, size_t row_bytes, size_t g, size_t n_groups)
{
    size_t share = GEMV_ROWS * row_bytes / n_groups;
    const unsigned char *p = w + GEMV_ROWS * row_bytes + g * share;
    for (size_t i = 0; i < share; i += 64) {
        __builtin_prefetch(p + i);
    }
}

/* Dots of one x with `rows` rows. */
VEC_INLINE void dot_rows(float *y, const float *x, const unsigned char *w, size_t row_bytes,
                         size_t k, const float *bias, const int rows, load_fn load, size_t bytes)
{
    float total[GEMV_ROWS] = {0};
    vf xs[GROUP_VECS], ws[GROUP_VECS];
    size_t n_groups = k / GROUP;
    size_t left = k % GROUP;
    size_t g = 0;
    bool first = true;
    do {
        vf sums[GEMV_ROWS][VEC_PARTS];
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
            if (VEC_GEMV_ASK && rows == GEMV_ROWS) {
                ask_after(w, row_bytes, g, n_groups);
            }
            VEC_UNROLL
            for (int r = 0; r < rows; r++) {
                load(ws, w + (size_t)r * row_bytes, g);
                fma_group(sums[r], xs, ws, GROUP);
            }
        }
        if (g == n_groups && g < block_end && left > 0) {
            load_rest(xs, load_f32, 4, (const unsigned char *)x, g, left);
            VEC_UNROLL
            for (int r = 0; r < rows; r++) {
                load_rest(ws, load, bytes, w + (size_t)r * row_bytes, g, left);
                fma_group(sums[r], xs, ws, left);
            }
            left = 0;
        }
        float s[GEMV_ROWS];
        if (rows == 4) {
            vq_store(
                s, vf_sum4(vf_fold(sums[0]), vf_fold(sums[1]), vf_fold(sums[2]), vf_fold(sums[3])));
        } else {
            VEC_UNROLL
            for (int r = 0; r < rows; r++) {
                s[r] = vf_sum(vf_fold(sums[r]));
            }
        }
        VEC_UNROLL
        for (int r = 0; r < rows; r++) {
            total[r] = first ? s[r] : total[r] + s[r];
        }
        first = false;
    } while (g < n_groups || left > 0);
    VEC_UNROLL
    for (int r = 0; r < rows; r++) {
        y[r] = bias ? total[r] + bias[r] : total[r];
    }
}

VEC_INLINE void dot_all(float *y, const float *x, const void *w, size_t row_bytes, size_t n,
                        size_t k, const float *bias, load_fn load, size_t bytes)
{
    const unsigned char *row = w;
    size_t i = 0;
    for (; i + GEMV_ROWS <= n; i += GEMV_ROWS, row += GEMV_ROWS * row_bytes) {
        dot_rows(y + i, x, row, row_bytes, k, bias ? bias + i : NULL, GEMV_ROWS, load, bytes);
    }
    for (; i < n; i++, row += row_bytes) {
        dot_rows(y + i, x, row, row_bytes, k, bias ? bias + i : NULL, 1, load, bytes);
    }
}

static void vec_gemv_f32(float *y, const float *x, const void *w, size_t row_bytes, size_t n,
                         size_t k, const float *bias)
{
    dot_all(y, x, w, row_bytes, n, k, bias, load_f32, 4);
}

static void vec_gemv_f16(float *y, const float *x, const void *w, size_t row_bytes, size_t n,
                         size_t k, const float *bias)
{
    dot_all(y, x, w, row_bytes, n, k, bias, load_f16, 2);
}

static void vec_gemv_bf16(float *y, const float *x, const void *w, size_t row_bytes, size_t n,
                          size_t k, const float *bias)
{
    dot_all(y, x, w, row_bytes, n, k, bias, load_bf16, 2);
}

static void vec_gemv_q8_0(float *y, const float *x, const void *w, size_t row_bytes, size_t n,
                          size_t k, const float *bias)
{
    dot_all(y, x, w, row_bytes, n, k, bias, load_q8_0, 0);
}

/* --- many rows of activations ------------------------------------------------------------- */

/* VEC_TILE_M x VEC_TILE_N sums fill the registers with one vector each. Where that is a part of the
 * lanes only, each part has its own walk over the block, which lies in the first-level cache. */
VEC_INLINE void tile_part(vf s[VEC_TILE_M][VEC_TILE_N], const ph_tile *t, const float *x,
                          const float *w, const int part, const int m, const int n,
                          const bool whole)
{
    VEC_UNROLL
    for (int i = 0; i < m; i++) {
        VEC_UNROLL
        for (int j = 0; j < n; j++) {
            s[i][j] = vf_zero();
        }
    }
    vf xs[VEC_TILE_M];
    size_t full = whole ? PH_DOT_BLOCK : t->k - t->k % PH_DOT_LANES;
    size_t at = (size_t)part * VL;
    VEC_UNROLL_SOME
    for (; at < full; at += PH_DOT_LANES) {
        VEC_UNROLL
        for (int i = 0; i < m; i++) {
            xs[i] = vf_load(x + (size_t)i * t->ldx + at);
        }
        VEC_UNROLL
        for (int j = 0; j < n; j++) {
            vf ws = vf_load(w + (size_t)j * t->ldw + at);
            VEC_UNROLL
            for (int i = 0; i < m; i++) {
                s[i][j] = vf_fma(xs[i], ws, s[i][j]);
            }
        }
    }
    if (!whole && full < t->k) {
        size_t left = vec_left(t->k, at);
        VEC_UNROLL
        for (int i = 0; i < m; i++) {
            xs[i] = vf_load_n(x + (size_t)i * t->ldx + at, left);
        }
        VEC_UNROLL
        for (int j = 0; j < n; j++) {
            vf ws = vf_load_n(w + (size_t)j * t->ldw + at, left);
            VEC_UNROLL
            for (int i = 0; i < m; i++) {
                s[i][j] = vf_fma(xs[i], ws, s[i][j]);
            }
        }
    }
}

VEC_INLINE void tile_at(const ph_tile *t, size_t row, size_t column, const int m, const int n,
                        const bool whole)
{
    vf parts[VEC_PARTS][VEC_TILE_M][VEC_TILE_N];
    const float *x = t->x + row * t->ldx;
    const float *w = t->w + column * t->ldw;
    VEC_UNROLL
    for (int p = 0; p < VEC_PARTS; p++) {
        tile_part(parts[p], t, x, w, p, m, n, whole);
    }
    float *y = t->y + row * t->ldy + column;
    VEC_UNROLL
    for (int i = 0; i < m; i++) {
        float *yi = y + (size_t)i * t->ldy;
        vf folded[VEC_TILE_N];
        VEC_UNROLL
        for (int j = 0; j < n; j++) {
            vf of_one[VEC_PARTS];
            VEC_UNROLL
            for (int p = 0; p < VEC_PARTS; p++) {
                of_one[p] = parts[p][i][j];
            }
            folded[j] = vf_fold(of_one);
        }
        if (n == VEC_TILE_N) {
            vq s = vf_sum4(folded[0], folded[1], folded[2], folded[3]);
            s = t->first ? s : vq_add(vq_load(yi), s);
            vq_store(yi, t->bias ? vq_add(s, vq_load(t->bias + column)) : s);
        } else {
            float s = vf_sum(folded[0]);
            s = t->first ? s : yi[0] + s;
            yi[0] = t->bias ? s + t->bias[column] : s;
        }
    }
}

_Static_assert(VEC_TILE_N == 4, "vf_sum4 sums a row of the tile");

#define TILE(name, m, n, whole)                                                                    \
    static void name(const ph_tile *t, size_t row, size_t column)                                  \
    {                                                                                              \
        tile_at(t, row, column, m, n, whole);                                                      \
    }
TILE(tile_whole, VEC_TILE_M, VEC_TILE_N, true)
TILE(tile_full, VEC_TILE_M, VEC_TILE_N, false)
TILE(tile_pair, 2, VEC_TILE_N, false)
TILE(tile_row, 1, VEC_TILE_N, false)
TILE(tile_column, VEC_TILE_M, 1, false)
TILE(tile_one, 1, 1, false)
#undef TILE

static void vec_tile(const ph_tile *t)
{
    size_t wide = t->n - t->n % VEC_TILE_N;
    size_t high = t->m - t->m % VEC_TILE_M;
    size_t i, j;
    for (j = 0; j < wide; j += VEC_TILE_N) {
        for (i = 0; i < high; i += VEC_TILE_M) {
            (t->k == PH_DOT_BLOCK ? tile_whole : tile_full)(t, i, j);
        }
        for (; i + 2 <= t->m; i += 2) {
            tile_pair(t, i, j);
        }
        for (; i < t->m; i++) {
            tile_row(t, i, j);
        }
    }
    for (; j < t->n; j++) {
        for (i = 0; i < high; i += VEC_TILE_M) {
            tile_column(t, i, j);
        }
        for (; i < t->m; i++) {
            tile_one(t, i, j);
        }
    }
}

#endif
