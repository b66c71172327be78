/* Number formats as whole numbers and scales with AVX2. Contract: kern/fast.h; the scalar truth is
 * kern/split.c. Bytes are widened to 16 bits as they are loaded, so that no format needs shuffles
 * across the register. */
#ifndef PH_KERN_X86_AVX2_SPLIT_H
#define PH_KERN_X86_AVX2_SPLIT_H

#include <immintrin.h>
#include <string.h>

#include "kern/fast.h"

#define SPLIT_INLINE static inline __attribute__((always_inline))

SPLIT_INLINE float split_f16(const unsigned char *p)
{
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return _cvtsh_ss(h);
}

SPLIT_INLINE int split_u16(const unsigned char *p)
{
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return h;
}

/* f16 numbers that lie row_bytes apart, of up to four rows. Stored at once where there are four: a
 * vector load from memory that single numbers were just stored to waits for all of them. */
SPLIT_INLINE void split_scales(float *d, const unsigned char *p, size_t row_bytes, size_t rows)
{
    if (rows == 4) {
        __m128i all = _mm_cvtsi32_si128(split_u16(p));
        all = _mm_insert_epi16(all, split_u16(p + row_bytes), 1);
        all = _mm_insert_epi16(all, split_u16(p + 2 * row_bytes), 2);
        all = _mm_insert_epi16(all, split_u16(p + 3 * row_bytes), 3);
        _mm_storeu_ps(d, _mm_cvtph_ps(all));
        return;
    }
    for (size_t i = 0; i < rows; i++) {
        d[i] = split_f16(p + i * row_bytes);
    }
}

/* The same of any number of rows. */
SPLIT_INLINE void split_scales_of(float *d, const unsigned char *p, size_t row_bytes, size_t rows)
{
    for (size_t r = 0; r < rows; r += 4) {
        split_scales(d + r, p + r * row_bytes, row_bytes, rows - r < 4 ? rows - r : 4);
    }
}

SPLIT_INLINE __m256i split_wide(const unsigned char *p)
{
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)p));
}

SPLIT_INLINE void split_put(int16_t *w, __m256i v)
{
    _mm256_store_si256((__m256i *)(void *)w, v);
}

/* --- groups of 32 ----------------------------------------------------------------------------- */

typedef void (*split_block_fn)(int16_t *w, const unsigned char *q, const unsigned char *bits);

SPLIT_INLINE void split_i8(int16_t *w, const unsigned char *q, const unsigned char *bits)
{
    (void)bits;
    split_put(w, _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)q)));
    split_put(w + 16,
              _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(q + 16))));
}

SPLIT_INLINE void split_nibbles(int16_t *w, const unsigned char *q, const unsigned char *bits,
                                const int minus)
{
    (void)bits;
    __m256i v = split_wide(q), less = _mm256_set1_epi16((short)minus);
    split_put(w, _mm256_sub_epi16(_mm256_and_si256(v, _mm256_set1_epi16(15)), less));
    split_put(w + 16, _mm256_sub_epi16(_mm256_srli_epi16(v, 4), less));
}

SPLIT_INLINE void split_u4(int16_t *w, const unsigned char *q, const unsigned char *bits)
{
    split_nibbles(w, q, bits, 0);
}

SPLIT_INLINE void split_i4(int16_t *w, const unsigned char *q, const unsigned char *bits)
{
    split_nibbles(w, q, bits, 8);
}

/* Lane l is 16 where bit l of the 16 bits is set. */
SPLIT_INLINE __m256i split_fifth(const unsigned char *bits)
{
    uint16_t b;
    memcpy(&b, bits, sizeof b);
    const __m256i each = _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096,
                                           8192, 16384, (short)0x8000);
    __m256i set = _mm256_cmpeq_epi16(_mm256_and_si256(_mm256_set1_epi16((short)b), each), each);
    return _mm256_and_si256(set, _mm256_set1_epi16(16));
}

SPLIT_INLINE void split_5(int16_t *w, const unsigned char *q, const unsigned char *bits,
                          const int minus)
{
    __m256i v = split_wide(q), less = _mm256_set1_epi16((short)minus);
    __m256i low = _mm256_or_si256(_mm256_and_si256(v, _mm256_set1_epi16(15)), split_fifth(bits));
    __m256i high = _mm256_or_si256(_mm256_srli_epi16(v, 4), split_fifth(bits + 2));
    split_put(w, _mm256_sub_epi16(low, less));
    split_put(w + 16, _mm256_sub_epi16(high, less));
}

SPLIT_INLINE void split_u5(int16_t *w, const unsigned char *q, const unsigned char *bits)
{
    split_5(w, q, bits, 0);
}

SPLIT_INLINE void split_i5(int16_t *w, const unsigned char *q, const unsigned char *bits)
{
    split_5(w, q, bits, 16);
}

/* The 32 values that 16 bytes of two indices each stand for. */
SPLIT_INLINE void split_iq4(__m256i v[2], const unsigned char *q)
{
    const __m128i values =
        _mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
    const __m128i low = _mm_set1_epi8(15);
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)q);
    v[0] = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(values, _mm_and_si128(b, low)));
    v[1] = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(values, _mm_and_si128(_mm_srli_epi16(b, 4), low)));
}

SPLIT_INLINE void split_nl(int16_t *w, const unsigned char *q, const unsigned char *bits)
{
    (void)bits;
    __m256i v[2];
    split_iq4(v, q);
    split_put(w, v[0]);
    split_put(w + 16, v[1]);
}

SPLIT_INLINE void split_blocks(const ph_ints *out, const unsigned char *src, size_t row_bytes,
                               size_t rows, size_t n, split_block_fn block, const size_t bytes,
                               const size_t bits_at, const size_t q_at, const bool has_min)
{
    size_t ld = out->ld;
    for (size_t r = 0; r < rows; r += 4) {
        size_t left = rows - r < 4 ? rows - r : 4;
        const unsigned char *in = src + r * row_bytes;
        int16_t *w = out->w + r * PH_FAST_DEPTH;
        float *d = out->d + r, *dmin = out->dmin + r;
        for (size_t g = 0; g < n / 32; g++, in += bytes, w += 32) {
            split_scales(d + g * ld, in, row_bytes, left);
            if (has_min) {
                split_scales(dmin + g * ld, in + 2, row_bytes, left);
                for (size_t i = 0; i < left; i++) {
                    dmin[g * ld + i] = -dmin[g * ld + i];
                }
            }
            for (size_t i = 0; i < left; i++) {
                const unsigned char *block_in = in + i * row_bytes;
                block(w + i * PH_FAST_DEPTH, block_in + q_at, block_in + bits_at);
            }
        }
    }
}

#define SPLIT_BLOCKS(name, block, bytes, bits_at, q_at, has_min)                                   \
    static void avx2_split_##name(const ph_ints *out, const unsigned char *src, size_t row_bytes,  \
                                  size_t rows, size_t n)                                           \
    {                                                                                              \
        split_blocks(out, src, row_bytes, rows, n, block, bytes, bits_at, q_at, has_min);          \
    }
SPLIT_BLOCKS(q8_0, split_i8, 34, 0, 2, false)
SPLIT_BLOCKS(q4_0, split_i4, 18, 0, 2, false)
SPLIT_BLOCKS(q4_1, split_u4, 20, 0, 4, true)
SPLIT_BLOCKS(q5_0, split_i5, 22, 2, 6, false)
SPLIT_BLOCKS(q5_1, split_u5, 24, 4, 8, true)
SPLIT_BLOCKS(iq4_nl, split_nl, 18, 0, 2, false)

/* --- groups of 256 ---------------------------------------------------------------------------- */

/* 12 bytes of six-bit scales and mins (kern/scales6.h) as 16-bit numbers: scales, then mins. */
SPLIT_INLINE __m256i split_scales6(const unsigned char *in)
{
    uint32_t a, b, c;
    memcpy(&a, in, 4);
    memcpy(&b, in + 4, 4);
    memcpy(&c, in + 8, 4);
    uint32_t scale_hi = (c & 0x0f0f0f0fu) | (a >> 6 & 0x03030303u) << 4;
    uint32_t min_hi = (c >> 4 & 0x0f0f0f0fu) | (b >> 6 & 0x03030303u) << 4;
    __m128i bytes =
        _mm_setr_epi32((int)(a & 0x3f3f3f3fu), (int)scale_hi, (int)(b & 0x3f3f3f3fu), (int)min_hi);
    return _mm256_cvtepu8_epi16(bytes);
}

/* Number `at` of 8 16-bit numbers in every lane; both halves of v hold the same 8. */
SPLIT_INLINE __m256i split_spread(__m256i v, const int at)
{
    return _mm256_shuffle_epi8(v, _mm256_set1_epi16((short)((2 * at + 1) << 8 | 2 * at)));
}

SPLIT_INLINE void split_mins(const ph_ints *out, size_t r, __m256i scales)
{
    __m128i min = _mm256_extracti128_si256(scales, 1);
    _mm_storeu_si128((__m128i *)(void *)(out->min + r * PH_FAST_SUBS),
                     _mm_unpacklo_epi16(min, min));
    _mm_storeu_si128((__m128i *)(void *)(out->min + r * PH_FAST_SUBS + 8),
                     _mm_unpackhi_epi16(min, min));
}

SPLIT_INLINE void split_45_k(const ph_ints *out, const unsigned char *src, size_t row_bytes,
                             size_t rows, const bool five)
{
    const __m256i low = _mm256_set1_epi16(15), fifth = _mm256_set1_epi16(16);
    split_scales_of(out->d, src, row_bytes, rows);
    split_scales_of(out->dmin, src + 2, row_bytes, rows);
    for (size_t r = 0; r < rows; r++) {
        const unsigned char *in = src + r * row_bytes;
        const unsigned char *q = in + (five ? 48 : 16);
        int16_t *w = out->w + r * PH_FAST_DEPTH;
        __m256i scales = split_scales6(in + 4);
        split_mins(out, r, scales);
        scales = _mm256_permute4x64_epi64(scales, 0x44);
        __m256i bits[2] = {low, low};
        if (five) {
            bits[0] = split_wide(in + 16);
            bits[1] = split_wide(in + 32);
        }
#pragma GCC unroll 4
        for (int p = 0; p < 4; p++) {
            __m256i even = split_spread(scales, 2 * p), odd = split_spread(scales, 2 * p + 1);
#pragma GCC unroll 2
            for (int h = 0; h < 2; h++) {
                __m256i v = split_wide(q + p * 32 + h * 16);
                __m256i a = _mm256_and_si256(v, low), b = _mm256_srli_epi16(v, 4);
                if (five) { /* bit 2p to place 4, and bit 2p + 1 */
                    __m256i up = _mm256_slli_epi16(bits[h], 4);
                    a = _mm256_or_si256(a, _mm256_and_si256(_mm256_srli_epi16(up, 2 * p), fifth));
                    b = _mm256_or_si256(b,
                                        _mm256_and_si256(_mm256_srli_epi16(up, 2 * p + 1), fifth));
                }
                split_put(w + p * 64 + h * 16, _mm256_mullo_epi16(a, even));
                split_put(w + p * 64 + 32 + h * 16, _mm256_mullo_epi16(b, odd));
            }
        }
    }
}

static void avx2_split_q4_k(const ph_ints *out, const unsigned char *src, size_t row_bytes,
                            size_t rows, size_t n)
{
    (void)n;
    split_45_k(out, src, row_bytes, rows, false);
}

static void avx2_split_q5_k(const ph_ints *out, const unsigned char *src, size_t row_bytes,
                            size_t rows, size_t n)
{
    (void)n;
    split_45_k(out, src, row_bytes, rows, true);
}

static void avx2_split_q6_k(const ph_ints *out, const unsigned char *src, size_t row_bytes,
                            size_t rows, size_t n)
{
    const __m256i low = _mm256_set1_epi16(15), high = _mm256_set1_epi16(0x30);
    const __m256i middle = _mm256_set1_epi16(32);
    (void)n;
    split_scales_of(out->d, src + 208, row_bytes, rows);
    for (size_t r = 0; r < rows; r++) {
        const unsigned char *in = src + r * row_bytes;
        int16_t *w = out->w + r * PH_FAST_DEPTH;
#pragma GCC unroll 2
        for (int half = 0; half < 2; half++, w += 128) {
            __m128i s = _mm_loadl_epi64((const __m128i *)(const void *)(in + 192 + half * 8));
            __m256i scales = _mm256_broadcastsi128_si256(_mm_cvtepi8_epi16(s));
#pragma GCC unroll 2
            for (int h = 0; h < 2; h++) { /* 16 numbers of each run of 32 */
                __m256i bits = split_wide(in + 128 + half * 32 + h * 16);
                __m256i a = split_wide(in + half * 64 + h * 16);
                __m256i b = split_wide(in + half * 64 + 32 + h * 16);
                __m256i q[4];
                q[0] = _mm256_or_si256(_mm256_and_si256(a, low),
                                       _mm256_and_si256(_mm256_slli_epi16(bits, 4), high));
                q[1] = _mm256_or_si256(_mm256_and_si256(b, low),
                                       _mm256_and_si256(_mm256_slli_epi16(bits, 2), high));
                q[2] = _mm256_or_si256(_mm256_srli_epi16(a, 4), _mm256_and_si256(bits, high));
                q[3] = _mm256_or_si256(_mm256_srli_epi16(b, 4),
                                       _mm256_and_si256(_mm256_srli_epi16(bits, 2), high));
#pragma GCC unroll 4
                for (int i = 0; i < 4; i++) {
                    __m256i v = _mm256_sub_epi16(q[i], middle);
                    split_put(w + i * 32 + h * 16,
                              _mm256_mullo_epi16(v, split_spread(scales, 2 * i + h)));
                }
            }
        }
    }
}

static void avx2_split_iq4_xs(const ph_ints *out, const unsigned char *src, size_t row_bytes,
                              size_t rows, size_t n)
{
    (void)n;
    split_scales_of(out->d, src, row_bytes, rows);
    for (size_t r = 0; r < rows; r++) {
        const unsigned char *in = src + r * row_bytes;
        int16_t *w = out->w + r * PH_FAST_DEPTH;
        for (int b = 0; b < 8; b++) {
            int s = in[4 + b / 2] >> (b % 2 * 4) & 15;
            s = (s | (in[2 + b / 4] >> (b % 4 * 2) & 3) << 4) - 32;
            __m256i v[2], scale = _mm256_set1_epi16((short)s);
            split_iq4(v, in + 8 + b * 16);
            split_put(w + b * 32, _mm256_mullo_epi16(v[0], scale));
            split_put(w + b * 32 + 16, _mm256_mullo_epi16(v[1], scale));
        }
    }
}

/* Q2_K and Q3_K: number k has two bits in byte k / 128 * 32 + k % 32; Q3_K a third elsewhere. */
static void avx2_split_q2_k(const ph_ints *out, const unsigned char *src, size_t row_bytes,
                            size_t rows, size_t n)
{
    const __m256i two = _mm256_set1_epi16(3), low = _mm256_set1_epi16(15);
    (void)n;
    split_scales_of(out->d, src + 80, row_bytes, rows);
    split_scales_of(out->dmin, src + 82, row_bytes, rows);
    for (size_t r = 0; r < rows; r++) {
        const unsigned char *in = src + r * row_bytes;
        int16_t *w = out->w + r * PH_FAST_DEPTH;
        __m256i both = split_wide(in), scales = _mm256_and_si256(both, low);
        _mm256_storeu_si256((__m256i *)(void *)(out->min + r * PH_FAST_SUBS),
                            _mm256_srli_epi16(both, 4));
#pragma GCC unroll 2
        for (int half = 0; half < 2; half++) {
            /* An immediate must be one without unrolling too (-O1). */
            __m256i s = half ? _mm256_permute4x64_epi64(scales, 0xee)
                             : _mm256_permute4x64_epi64(scales, 0x44);
#pragma GCC unroll 8
            for (int i = 0; i < 8; i++) {
                __m256i v = split_wide(in + 16 + half * 32 + i % 2 * 16);
                v = _mm256_and_si256(_mm256_srli_epi16(v, i / 2 * 2), two);
                split_put(w + half * 128 + i * 16, _mm256_mullo_epi16(v, split_spread(s, i)));
            }
        }
    }
}

static void avx2_split_q3_k(const ph_ints *out, const unsigned char *src, size_t row_bytes,
                            size_t rows, size_t n)
{
    const __m256i two = _mm256_set1_epi16(3), third = _mm256_set1_epi16(4);
    (void)n;
    split_scales_of(out->d, src + 108, row_bytes, rows);
    for (size_t r = 0; r < rows; r++) {
        const unsigned char *in = src + r * row_bytes;
        int16_t *w = out->w + r * PH_FAST_DEPTH;
        int16_t scale[16];
        for (int b = 0; b < 16; b++) {
            int s = in[96 + b % 8] >> (b / 8 * 4) & 15;
            scale[b] = (int16_t)((s | (in[104 + b % 4] >> (b / 4 * 2) & 3) << 4) - 32);
        }
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) { /* numbers 16 i and on */
            __m256i v = split_wide(in + 32 + i / 8 * 32 + i % 2 * 16);
            v = _mm256_and_si256(_mm256_srli_epi16(v, i % 8 / 2 * 2), two);
            __m256i top = _mm256_slli_epi16(split_wide(in + i % 2 * 16), 2);
            top = _mm256_and_si256(_mm256_srli_epi16(top, i / 2), third);
            v = _mm256_sub_epi16(_mm256_or_si256(v, top), third);
            split_put(w + i * 16, _mm256_mullo_epi16(v, _mm256_set1_epi16(scale[i])));
        }
    }
}

#endif
