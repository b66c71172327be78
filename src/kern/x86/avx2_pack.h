/* Weights of all quantized formats into panels for AVX2: transposed, in which a 32-bit lane is a
 * row and holds four consecutive numbers as bytes. Layouts of the formats: quant_NAME.c,
 * kern/split.c.
 *
 * Bytes are transposed as they lie in the file, and taken apart behind that: a shuffle then moves
 * eight numbers of 4 bits.
 */
#ifndef PH_KERN_X86_AVX2_PACK_H
#define PH_KERN_X86_AVX2_PACK_H

#include <immintrin.h>
#include <string.h>

#include "kern/x86/avx2_panels.h"

#define PACK_INLINE static inline __attribute__((always_inline))

/* Where 8 rows begin; rows beyond the last are the last. */
typedef struct pack_from {
    const unsigned char *row[8];
} pack_from;

PACK_INLINE pack_from pack_rows(const unsigned char *src, size_t row_bytes, size_t first, size_t n)
{
    pack_from from;
#pragma GCC unroll 8
    for (size_t r = 0; r < 8; r++) {
        from.row[r] = src + (first + r < n ? first + r : n - 1) * row_bytes;
    }
    return from;
}

/* 16 bytes of each row, `at` bytes behind its beginning: t[i] is bytes 4 i .. 4 i + 3 of all. */
PACK_INLINE void pack_turn(__m256i t[4], const pack_from *from, size_t at)
{
    __m256i v[4];
#pragma GCC unroll 4
    for (int r = 0; r < 4; r++) {
        const void *low = from->row[r] + at, *high = from->row[r + 4] + at;
        v[r] = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)low));
        v[r] = _mm256_inserti128_si256(v[r], _mm_loadu_si128((const __m128i *)high), 1);
    }
    __m256i a = _mm256_unpacklo_epi32(v[0], v[1]), b = _mm256_unpackhi_epi32(v[0], v[1]);
    __m256i c = _mm256_unpacklo_epi32(v[2], v[3]), d = _mm256_unpackhi_epi32(v[2], v[3]);
    t[0] = _mm256_unpacklo_epi64(a, c);
    t[1] = _mm256_unpackhi_epi64(a, c);
    t[2] = _mm256_unpacklo_epi64(b, d);
    t[3] = _mm256_unpackhi_epi64(b, d);
}

PACK_INLINE __m256i pack_load(const void *p)
{
    return _mm256_load_si256((const __m256i *)p);
}

PACK_INLINE void pack_store(void *p, __m256i v)
{
    _mm256_store_si256((__m256i *)p, v);
}

PACK_INLINE __m256i pack_bytes(int b)
{
    return _mm256_set1_epi8((char)b);
}

/* The f16 numbers at `at`, of each row. */
PACK_INLINE __m256 pack_f16(const pack_from *from, size_t at)
{
    uint16_t h[8];
#pragma GCC unroll 8
    for (int r = 0; r < 8; r++) {
        memcpy(&h[r], from->row[r] + at, sizeof h[r]);
    }
    __m128i v = _mm_setr_epi16((short)h[0], (short)h[1], (short)h[2], (short)h[3], (short)h[4],
                               (short)h[5], (short)h[6], (short)h[7]);
    return _mm256_cvtph_ps(v);
}

PACK_INLINE void pack_f16_to(float *out, const pack_from *from, size_t at)
{
    _mm256_store_ps(out, pack_f16(from, at));
}

/* --- groups of 32: block g, whose first byte is `at` ------------------------------------------ */

/* Numbers l and l + 16 of a block share a byte. */
PACK_INLINE void pack_nibbles(panel_quads *q, size_t r, const pack_from *from, size_t at, size_t g)
{
    const __m256i low = pack_bytes(15);
    __m256i t[4];
    pack_turn(t, from, at);
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++) {
        pack_store(q->v[8 * g + i][r], _mm256_and_si256(t[i], low));
        pack_store(q->v[8 * g + 4 + i][r], _mm256_and_si256(_mm256_srli_epi16(t[i], 4), low));
    }
}

/* The fifth bits of a block: bit l of 32 bits at `at` is number l's. */
PACK_INLINE void pack_fifths(panel_quads *q, size_t r, const pack_from *from, size_t at, size_t g)
{
    const __m256i each = _mm256_set1_epi32(0x08040201), fifth = pack_bytes(16);
    const __m256i first = _mm256_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12, 0, 0,
                                           0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12);
    uint32_t b[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        memcpy(&b[i], from->row[i] + at, sizeof b[i]);
    }
    __m256i bits = _mm256_setr_epi32((int)b[0], (int)b[1], (int)b[2], (int)b[3], (int)b[4],
                                     (int)b[5], (int)b[6], (int)b[7]);
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++) {
        __m256i four = _mm256_shuffle_epi8(_mm256_srli_epi32(bits, (int)(4 * i)), first);
        __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(four, each), each);
        void *at_q = q->v[8 * g + i][r];
        pack_store(at_q, _mm256_or_si256(pack_load(at_q), _mm256_and_si256(set, fifth)));
    }
}

/* 32 bytes as they are. */
PACK_INLINE void pack_i8(panel_quads *q, size_t r, const pack_from *from, size_t at, size_t g)
{
    __m256i t[4];
#pragma GCC unroll 2
    for (size_t h = 0; h < 2; h++) {
        pack_turn(t, from, at + 16 * h);
#pragma GCC unroll 4
        for (size_t i = 0; i < 4; i++) {
            pack_store(q->v[8 * g + 4 * h + i][r], t[i]);
        }
    }
}

/* Nibbles as the values they stand for (kern/iq4.h). */
PACK_INLINE void pack_iq4(panel_quads *q, size_t r, const pack_from *from, size_t at, size_t g)
{
    const __m256i values = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113));
    pack_nibbles(q, r, from, at, g);
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++) {
        void *at_q = q->v[8 * g + i][r];
        pack_store(at_q, _mm256_shuffle_epi8(values, pack_load(at_q)));
    }
}

/* --- superblocks of 256 ----------------------------------------------------------------------- */

/* Q4_K and Q5_K: run p of 64 numbers has 32 bytes of low and high nibbles; bit b of byte l at
 * `bits_at` belongs to number 32 b + l. */
PACK_INLINE void pack_45_k(panel_quads *q, size_t r, const pack_from *from, size_t at,
                           size_t bits_at, const bool five)
{
    const __m256i low = pack_bytes(15), fifth = pack_bytes(16);
    __m256i bits[4], t[4];
#pragma GCC unroll 2
    for (size_t h = 0; h < 2; h++) {
        if (five) {
            pack_turn(bits, from, bits_at + 16 * h);
        }
#pragma GCC unroll 4
        for (size_t p = 0; p < 4; p++) {
            pack_turn(t, from, at + 32 * p + 16 * h);
#pragma GCC unroll 4
            for (size_t i = 0; i < 4; i++) {
                __m256i a = _mm256_and_si256(t[i], low);
                __m256i b = _mm256_and_si256(_mm256_srli_epi16(t[i], 4), low);
                if (five) { /* bits 2 p and 2 p + 1 to place 4 */
                    __m256i one = p < 2 ? _mm256_slli_epi16(bits[i], (int)(4 - 2 * p))
                                        : _mm256_srli_epi16(bits[i], (int)(2 * p - 4));
                    __m256i two = p < 2 ? _mm256_slli_epi16(bits[i], (int)(3 - 2 * p))
                                        : _mm256_srli_epi16(bits[i], (int)(2 * p - 3));
                    a = _mm256_or_si256(a, _mm256_and_si256(one, fifth));
                    b = _mm256_or_si256(b, _mm256_and_si256(two, fifth));
                }
                pack_store(q->v[16 * p + 4 * h + i][r], a);
                pack_store(q->v[16 * p + 8 + 4 * h + i][r], b);
            }
        }
    }
}

/* Q6_K: number l of each half of 128 has 4 bits in byte l % 64 of 64 and 2 in byte l % 32 of 32. */
PACK_INLINE void pack_6_k(panel_quads *q, size_t r, const pack_from *from)
{
    const __m256i low = pack_bytes(15), two = pack_bytes(0x30);
#pragma GCC unroll 2
    for (size_t half = 0; half < 2; half++) {
#pragma GCC unroll 2
        for (size_t h = 0; h < 2; h++) { /* 16 bytes of each run of 32 */
            __m256i bits[4], a[4], b[4];
            pack_turn(bits, from, 128 + 32 * half + 16 * h);
            pack_turn(a, from, 64 * half + 16 * h);
            pack_turn(b, from, 64 * half + 32 + 16 * h);
#pragma GCC unroll 4
            for (size_t i = 0; i < 4; i++) {
                __m256i n0 = _mm256_and_si256(a[i], low), n1 = _mm256_and_si256(b[i], low);
                __m256i n2 = _mm256_and_si256(_mm256_srli_epi16(a[i], 4), low);
                __m256i n3 = _mm256_and_si256(_mm256_srli_epi16(b[i], 4), low);
                __m256i b0 = _mm256_and_si256(_mm256_slli_epi16(bits[i], 4), two);
                __m256i b1 = _mm256_and_si256(_mm256_slli_epi16(bits[i], 2), two);
                __m256i b2 = _mm256_and_si256(bits[i], two);
                __m256i b3 = _mm256_and_si256(_mm256_srli_epi16(bits[i], 2), two);
                size_t at = 32 * half + 4 * h + i;
                pack_store(q->v[at][r], _mm256_or_si256(n0, b0));
                pack_store(q->v[at + 8][r], _mm256_or_si256(n1, b1));
                pack_store(q->v[at + 16][r], _mm256_or_si256(n2, b2));
                pack_store(q->v[at + 24][r], _mm256_or_si256(n3, b3));
            }
        }
    }
}

/* Q2_K and Q3_K: number k has two bits in byte k / 128 * 32 + k % 32 of those at `at`; the third of
 * Q3_K is bit k / 32 of byte k % 32. */
PACK_INLINE void pack_23_k(panel_quads *q, size_t r, const pack_from *from, size_t at,
                           const bool three)
{
    const __m256i two = pack_bytes(3), third = pack_bytes(4);
#pragma GCC unroll 2
    for (size_t h = 0; h < 2; h++) { /* 16 bytes of each run of 32 */
        __m256i top[4], t[4];
        if (three) {
            pack_turn(top, from, 16 * h);
        }
#pragma GCC unroll 2
        for (size_t half = 0; half < 2; half++) {
            pack_turn(t, from, at + 32 * half + 16 * h);
#pragma GCC unroll 4
            for (size_t b = 0; b < 4; b++) {
#pragma GCC unroll 4
                for (size_t i = 0; i < 4; i++) {
                    __m256i v = _mm256_and_si256(_mm256_srli_epi16(t[i], (int)(2 * b)), two);
                    if (three) {
                        int bit = (int)(4 * half + b);
                        __m256i up = bit < 2 ? _mm256_slli_epi16(top[i], 2 - bit)
                                             : _mm256_srli_epi16(top[i], bit - 2);
                        v = _mm256_or_si256(v, _mm256_and_si256(up, third));
                    }
                    pack_store(q->v[32 * half + 8 * b + 4 * h + i][r], v);
                }
            }
        }
    }
}

/* --- numbers of sub-blocks -------------------------------------------------------------------- */

/* Two bytes of each quad as 16-bit numbers. */
PACK_INLINE __m256i pack_two(__m256i quads, const int first, const int second)
{
    const __m256i high = _mm256_setr_epi8(
        -1, (char)first, -1, (char)second, -1, (char)(first + 4), -1, (char)(second + 4), -1,
        (char)(first + 8), -1, (char)(second + 8), -1, (char)(first + 12), -1, (char)(second + 12),
        -1, (char)first, -1, (char)second, -1, (char)(first + 4), -1, (char)(second + 4), -1,
        (char)(first + 8), -1, (char)(second + 8), -1, (char)(first + 12), -1, (char)(second + 12));
    return _mm256_srai_epi16(_mm256_shuffle_epi8(quads, high), 8);
}

/* Scales of the sub-blocks, four to a quad, each twice: a pair of sums is multiplied with it. */
PACK_INLINE void pack_scales(int16_t (*out)[PANEL_ROWS][2], size_t r, const __m256i *quads,
                             const size_t n)
{
#pragma GCC unroll 16
    for (size_t b = 0; b < 4 * n; b++) {
        pack_store(out[b][r], pack_two(quads[b / 4], (int)(b % 4), (int)(b % 4)));
    }
}

/* The same numbers times `factor`, in pairs of neighbours. */
PACK_INLINE void pack_pairs(int16_t (*out)[PANEL_ROWS][2], size_t r, const __m256i *quads,
                            const size_t n, const int factor)
{
#pragma GCC unroll 8
    for (size_t p = 0; p < 2 * n; p++) {
        __m256i v = pack_two(quads[p / 2], (int)(p % 2 * 2), (int)(p % 2 * 2 + 1));
        if (factor != 1) {
            v = _mm256_mullo_epi16(v, _mm256_set1_epi16((short)factor));
        }
        pack_store(out[p][r], v);
    }
}

/* Pairs of f16 numbers, of 8 rows. */
PACK_INLINE void pack_f16_pairs(float *first, float *second, __m256i pairs)
{
    __m256i low = _mm256_and_si256(pairs, _mm256_set1_epi32(0xffff));
    __m256i v = _mm256_packus_epi32(low, _mm256_srli_epi32(pairs, 16));
    v = _mm256_permute4x64_epi64(v, 0xd8);
    _mm256_store_ps(first, _mm256_cvtph_ps(_mm256_castsi256_si128(v)));
    _mm256_store_ps(second, _mm256_cvtph_ps(_mm256_extracti128_si256(v, 1)));
}

/* Scales and mins of Q4_K and Q5_K (kern/scales6.h) from the 12 bytes behind d and dmin. */
PACK_INLINE void pack_scales6(__m256i scale[2], __m256i min[2], __m256i a, __m256i b, __m256i c)
{
    const __m256i low = pack_bytes(15), six = pack_bytes(63), two = pack_bytes(0x30);
    scale[0] = _mm256_and_si256(a, six);
    min[0] = _mm256_and_si256(b, six);
    scale[1] =
        _mm256_or_si256(_mm256_and_si256(c, low), _mm256_and_si256(_mm256_srli_epi16(a, 2), two));
    min[1] = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(c, 4), low),
                             _mm256_and_si256(_mm256_srli_epi16(b, 2), two));
}

/* Scales of Q3_K: low halves in a and b, the upper two bits of all 16 in c. */
PACK_INLINE void pack_scales_3_k(__m256i scale[4], __m256i a, __m256i b, __m256i c)
{
    const __m256i low = pack_bytes(15), two = pack_bytes(0x30), middle = pack_bytes(32);
    scale[0] = _mm256_and_si256(a, low);
    scale[1] = _mm256_and_si256(b, low);
    scale[2] = _mm256_and_si256(_mm256_srli_epi16(a, 4), low);
    scale[3] = _mm256_and_si256(_mm256_srli_epi16(b, 4), low);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __m256i up = i < 2 ? _mm256_slli_epi16(c, 4 - 2 * i) : _mm256_srli_epi16(c, 2 * i - 4);
        scale[i] = _mm256_or_si256(scale[i], _mm256_and_si256(up, two));
        scale[i] = _mm256_sub_epi8(scale[i], middle);
    }
}

#endif
