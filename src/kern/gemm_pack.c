/* Copying operands into panels. Contract: kern/sgemm.h.
 *
 * Vectors of four by the compilers' vector extension: every CPU that this is built for has them,
 * and no copy here gains from wider ones. */
#include <string.h>

#include "base/f4.h"
#include "kern/sgemm.h"

#define AHEAD 12 /* rows asked for ahead of time */

/* Calls function(..., w). Widths that are known unroll. */
#define WITH_WIDTH(w, function, ...)                                                               \
    switch (w) {                                                                                   \
    case 6:                                                                                        \
        function(__VA_ARGS__, 6);                                                                  \
        break;                                                                                     \
    case 12:                                                                                       \
        function(__VA_ARGS__, 12);                                                                 \
        break;                                                                                     \
    case 16:                                                                                       \
        function(__VA_ARGS__, 16);                                                                 \
        break;                                                                                     \
    case 32:                                                                                       \
        function(__VA_ARGS__, 32);                                                                 \
        break;                                                                                     \
    default:                                                                                       \
        function(__VA_ARGS__, w);                                                                  \
    }

/* Four rows of n columns to four columns of n rows. */
static inline void transpose4(float *dst, size_t w, const float *src, size_t ld)
{
    ph_f4 a = ph_f4_load(src), b = ph_f4_load(src + ld), c = ph_f4_load(src + 2 * ld),
          d = ph_f4_load(src + 3 * ld);
    ph_f4 ab0 = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    ph_f4 ab1 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    ph_f4 cd0 = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    ph_f4 cd1 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    ph_f4_store(dst, __builtin_shufflevector(ab0, cd0, 0, 1, 4, 5));
    ph_f4_store(dst + w, __builtin_shufflevector(ab0, cd0, 2, 3, 6, 7));
    ph_f4_store(dst + 2 * w, __builtin_shufflevector(ab1, cd1, 0, 1, 4, 5));
    ph_f4_store(dst + 3 * w, __builtin_shufflevector(ab1, cd1, 2, 3, 6, 7));
}

static inline void transpose2(float *dst, size_t w, const float *src, size_t ld)
{
    ph_f4 a = ph_f4_load(src), b = ph_f4_load(src + ld);
    ph_f4 ab0 = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    ph_f4 ab1 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    memcpy(dst, &ab0, 8);
    memcpy(dst + w, (const char *)&ab0 + 8, 8);
    memcpy(dst + 2 * w, &ab1, 8);
    memcpy(dst + 3 * w, (const char *)&ab1 + 8, 8);
}

/* One panel of n <= w columns. */
static inline void panel_rows(float *dst, const float *src, size_t ld, size_t n, size_t k, size_t w)
{
    size_t p = 0;
    for (; n == w && p + 4 <= k; p += 4) {
        size_t j = 0;
        for (; j + 4 <= w; j += 4) {
            transpose4(dst + p * w + j, w, src + j * ld + p, ld);
        }
        if (j + 2 <= w) {
            transpose2(dst + p * w + j, w, src + j * ld + p, ld);
            j += 2;
        }
        for (; j < w; j++) {
            for (size_t i = p; i < p + 4; i++) {
                dst[i * w + j] = src[j * ld + i];
            }
        }
    }
    for (; p < k; p++) {
        for (size_t j = 0; j < w; j++) {
            dst[p * w + j] = j < n ? src[j * ld + p] : 0.0f;
        }
    }
}

void ph_pack_rows(float *dst, const float *src, size_t ld, size_t n, size_t k, size_t w)
{
    for (size_t j = 0; j < n; j += w, dst += w * k, src += w * ld) {
        size_t left = n - j < w ? n - j : w;
        WITH_WIDTH(w, panel_rows, dst, src, ld, left, k);
    }
}

/* Depth outside: a row of the source is read once, in order. Rows are too short and too far apart
 * for the hardware to see the next one coming. */
static inline void whole_cols(float *dst, const float *src, size_t ld, size_t n, size_t k, size_t w)
{
    for (size_t p = 0; p < k; p++) {
        const float *row = src + p * ld;
        float *out = dst + p * w;
        for (size_t j = 0; p + AHEAD < k && j < n; j += 16) {
            __builtin_prefetch(row + AHEAD * ld + j);
        }
        for (size_t j = 0; j + w <= n; j += w, out += w * k) {
            memcpy(out, row + j, w * sizeof *out);
        }
    }
}

void ph_pack_cols(float *dst, const float *src, size_t ld, size_t n, size_t k, size_t w)
{
    WITH_WIDTH(w, whole_cols, dst, src, ld, n, k);
    size_t rest = n % w;
    dst += n / w * w * k;
    for (size_t p = 0; rest > 0 && p < k; p++) {
        for (size_t j = 0; j < w; j++) {
            dst[p * w + j] = j < rest ? src[p * ld + n - rest + j] : 0.0f;
        }
    }
}

void ph_scatter_cols(float *dst, size_t ld, const float *src, size_t ld_src, size_t n, size_t d,
                     bool add)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        size_t c = 0;
        for (; c + 4 <= d; c += 4) {
            float part[16];
            transpose4(part, 4, src + c * ld_src + i, ld_src);
            for (size_t r = 0; r < 4; r++) {
                float *to = dst + (i + r) * ld + c;
                ph_f4 x = ph_f4_load(part + 4 * r);
                ph_f4_store(to, add ? ph_f4_load(to) + x : x);
            }
        }
        for (; c < d; c++) {
            for (size_t r = i; r < i + 4; r++) {
                float *to = dst + r * ld + c, x = src[c * ld_src + r];
                *to = add ? *to + x : x;
            }
        }
    }
    for (; i < n; i++) {
        for (size_t c = 0; c < d; c++) {
            float *to = dst + i * ld + c, x = src[c * ld_src + i];
            *to = add ? *to + x : x;
        }
    }
}

static inline uint32_t round_bits(uint32_t u)
{
    bool is_nan = (u & 0x7fffffffu) > 0x7f800000u;
    return (is_nan ? u | 0x400000u : u + 0x7fffu + (u >> 16 & 1u)) & 0xffff0000u;
}

void ph_round_bf16(float *x, size_t n)
{
    uint32_t u[16];
    for (; n >= 16; n -= 16, x += 16) {
        memcpy(u, x, sizeof u);
        for (int i = 0; i < 16; i++) {
            u[i] = round_bits(u[i]);
        }
        memcpy(x, u, sizeof u);
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(u, x + i, sizeof *u);
        u[0] = round_bits(u[0]);
        memcpy(x + i, u, sizeof *u);
    }
}
