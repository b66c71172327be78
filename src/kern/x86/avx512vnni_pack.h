/* The byte panels of AVX2 (avx2_panels.h), filled 16 rows at a time: for few rows of activations
 * filling costs as much as multiplying. Same panels as avx2_pack.c makes, except that scales are
 * 32-bit numbers, whose lower halves are what the multiplication uses.
 *
 * A vector holds 32 bytes of row r and of row r + 4; eight of them become eight whose lanes are the
 * rows in order, by four shuffles each.
 */
#ifndef PH_KERN_X86_AVX512VNNI_PACK_H
#define PH_KERN_X86_AVX512VNNI_PACK_H

#include "kern/x86/simd512.h"

#include "kern/x86/avx2_dots.h"
#include "kern/x86/avx2_pack.h"

/* Four vectors of four rows' bytes in each quarter to four numbers' in each. */
PACK_INLINE void vk_turn_4(__m512i v[4])
{
    __m512i a = _mm512_unpacklo_epi32(v[0], v[1]), b = _mm512_unpackhi_epi32(v[0], v[1]);
    __m512i c = _mm512_unpacklo_epi32(v[2], v[3]), d = _mm512_unpackhi_epi32(v[2], v[3]);
    v[0] = _mm512_unpacklo_epi64(a, c);
    v[1] = _mm512_unpackhi_epi64(a, c);
    v[2] = _mm512_unpacklo_epi64(b, d);
    v[3] = _mm512_unpackhi_epi64(b, d);
}

/* 32 bytes of each of 16 rows: t[i] is bytes 4 i .. 4 i + 3 of all. */
PACK_INLINE void vk_turn(__m512i t[8], const unsigned char *src, size_t row_bytes)
{
    __m512i v[2][4];
#pragma GCC unroll 2
    for (size_t half = 0; half < 2; half++) {
#pragma GCC unroll 4
        for (size_t r = 0; r < 4; r++) {
            const unsigned char *p = src + (8 * half + r) * row_bytes;
            v[half][r] = _mm512_inserti64x4(_mm512_castsi256_si512(dots_load(p)),
                                            dots_load(p + 4 * row_bytes), 1);
        }
        vk_turn_4(v[half]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(v[0][i], v[1][i], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(v[0][i], v[1][i], 0xdd);
    }
}

/* The same of 16 bytes. */
PACK_INLINE void vk_turn_16(__m512i t[4], const unsigned char *src, size_t row_bytes)
{
#pragma GCC unroll 4
    for (size_t r = 0; r < 4; r++) {
        const unsigned char *p = src + r * row_bytes;
        __m512i v = _mm512_castsi128_si512(dots_load_16(p));
        v = _mm512_inserti32x4(v, dots_load_16(p + 4 * row_bytes), 1);
        v = _mm512_inserti32x4(v, dots_load_16(p + 8 * row_bytes), 2);
        t[r] = _mm512_inserti32x4(v, dots_load_16(p + 12 * row_bytes), 3);
    }
    vk_turn_4(t);
}

PACK_INLINE __m512i vk_bytes(int b)
{
    return _mm512_set1_epi8((char)b);
}

PACK_INLINE void vk_store(void *p, __m512i v)
{
    _mm512_storeu_si512(p, v);
}

/* (v shifted left by `left`, or right if that is negative) and mask. */
PACK_INLINE __m512i vk_bits(__m512i v, const int left, __m512i mask)
{
    __m512i moved = left < 0 ? _mm512_srli_epi16(v, (unsigned)-left & 15)
                             : _mm512_slli_epi16(v, (unsigned)left & 15);
    return _mm512_and_si512(left == 0 ? v : moved, mask);
}

/* f16 numbers of 16 rows. */
PACK_INLINE void vk_f16(float *out, const unsigned char *src, size_t row_bytes)
{
    _mm256_storeu_ps(out, dots_scales_8(src, row_bytes));
    _mm256_storeu_ps(out + 8, dots_scales_8(src + 8 * row_bytes, row_bytes));
}

/* --- groups of 32 ----------------------------------------------------------------------------- */

PACK_INLINE void vk_q8_0(byte_panel *panel, const unsigned char *src, size_t row_bytes, size_t k)
{
    __m512i t[8];
    for (size_t g = 0; g < k / 32; g++, src += 34) {
        vk_turn(t, src + 2, row_bytes);
#pragma GCC unroll 8
        for (size_t i = 0; i < 8; i++) {
            vk_store(panel->q.v[8 * g + i], _mm512_xor_si512(t[i], vk_bytes(0x80)));
        }
        vk_f16(panel->d[g], src, row_bytes);
    }
}

PACK_INLINE void vk_q4_0(byte_panel *panel, const unsigned char *src, size_t row_bytes, size_t k)
{
    __m512i t[4];
    for (size_t g = 0; g < k / 32; g++, src += 18) {
        vk_turn_16(t, src + 2, row_bytes);
#pragma GCC unroll 4
        for (size_t i = 0; i < 4; i++) {
            vk_store(panel->q.v[8 * g + i], vk_bits(t[i], 0, vk_bytes(15)));
            vk_store(panel->q.v[8 * g + 4 + i], vk_bits(t[i], -4, vk_bytes(15)));
        }
        vk_f16(panel->d[g], src, row_bytes);
    }
}

/* --- groups of 256 ---------------------------------------------------------------------------- */

/* Byte `at` of each quad as a 32-bit number, without or with its sign. */
PACK_INLINE __m512i vk_byte(__m512i quads, const int at, const bool sign)
{
    __m512i up = _mm512_slli_epi32(quads, (unsigned)(24 - 8 * at));
    return sign ? _mm512_srai_epi32(up, 24) : _mm512_srli_epi32(up, 24);
}

/* d and dmin, scales and mins of Q4_K and Q5_K (kern/scales6.h). */
PACK_INLINE void vk_head_45(byte_panel *panel, const unsigned char *src, size_t row_bytes)
{
    const __m512i low = vk_bytes(15), six = vk_bytes(63), two = vk_bytes(0x30);
    const __m512i pairs[2] = {_mm512_broadcast_i32x4(_mm_setr_epi8(0, -1, 1, -1, 4, -1, 5, -1, 8,
                                                                   -1, 9, -1, 12, -1, 13, -1)),
                              _mm512_broadcast_i32x4(_mm_setr_epi8(2, -1, 3, -1, 6, -1, 7, -1, 10,
                                                                   -1, 11, -1, 14, -1, 15, -1))};
    __m512i t[4], scale[2], min[2];
    vk_turn_16(t, src, row_bytes);
    __m256i d[2];
    memcpy(d, &t[0], sizeof d);
    pack_f16_pairs(panel->d[0], panel->dmin[0], d[0]);
    pack_f16_pairs(panel->d[0] + 8, panel->dmin[0] + 8, d[1]);
    scale[0] = _mm512_and_si512(t[1], six);
    min[0] = _mm512_and_si512(t[2], six);
    scale[1] = _mm512_or_si512(_mm512_and_si512(t[3], low), vk_bits(t[1], -2, two));
    min[1] = _mm512_or_si512(vk_bits(t[3], -4, low), vk_bits(t[2], -2, two));
#pragma GCC unroll 8
    for (int b = 0; b < 8; b++) {
        vk_store(panel->scale[b], vk_byte(scale[b / 4], b % 4, false));
    }
#pragma GCC unroll 4
    for (int p = 0; p < 4; p++) {
        vk_store(panel->min[p], _mm512_shuffle_epi8(min[p / 2], pairs[p % 2]));
    }
}

PACK_INLINE void vk_45(byte_panel *panel, const unsigned char *src, size_t row_bytes,
                       const bool five)
{
    const __m512i low = vk_bytes(15), fifth = vk_bytes(16);
    __m512i bits[8], t[8];
    vk_head_45(panel, src, row_bytes);
    if (five) {
        vk_turn(bits, src + 16, row_bytes);
    }
#pragma GCC unroll 4
    for (int p = 0; p < 4; p++) {
        vk_turn(t, src + (five ? 48 : 16) + 32 * p, row_bytes);
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            __m512i a = vk_bits(t[i], 0, low), b = vk_bits(t[i], -4, low);
            if (five) { /* bits 2 p and 2 p + 1 to place 4 */
                a = _mm512_or_si512(a, vk_bits(bits[i], 4 - 2 * p, fifth));
                b = _mm512_or_si512(b, vk_bits(bits[i], 3 - 2 * p, fifth));
            }
            vk_store(panel->q.v[16 * p + i], a);
            vk_store(panel->q.v[16 * p + 8 + i], b);
        }
    }
}

PACK_INLINE void vk_q4_k(byte_panel *panel, const unsigned char *src, size_t row_bytes, size_t k)
{
    (void)k;
    vk_45(panel, src, row_bytes, false);
}

PACK_INLINE void vk_q5_k(byte_panel *panel, const unsigned char *src, size_t row_bytes, size_t k)
{
    (void)k;
    vk_45(panel, src, row_bytes, true);
}

/* d and scales of Q6_K. */
PACK_INLINE void vk_head_q6_k(byte_panel *panel, const unsigned char *src, size_t row_bytes)
{
    __m512i scale[4];
    vk_turn_16(scale, src + 192, row_bytes);
#pragma GCC unroll 16
    for (int s = 0; s < 16; s++) {
        vk_store(panel->scale[s], vk_byte(scale[s / 4], s % 4, true));
    }
    vk_f16(panel->d[0], src + 208, row_bytes);
}

PACK_INLINE void vk_q6_k(byte_panel *panel, const unsigned char *src, size_t row_bytes, size_t k)
{
    const __m512i low = vk_bytes(15), two = vk_bytes(0x30);
    __m512i a[8], b[8], bits[8];
    (void)k;
    vk_head_q6_k(panel, src, row_bytes);
    for (size_t half = 0; half < 2; half++) {
        unsigned char(*out)[PANEL_ROWS][4] = panel->q.v + 32 * half;
        vk_turn(a, src + 64 * half, row_bytes);
        vk_turn(b, src + 64 * half + 32, row_bytes);
        vk_turn(bits, src + 128 + 32 * half, row_bytes);
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            vk_store(out[i], _mm512_or_si512(vk_bits(a[i], 0, low), vk_bits(bits[i], 4, two)));
            vk_store(out[i + 8], _mm512_or_si512(vk_bits(b[i], 0, low), vk_bits(bits[i], 2, two)));
            vk_store(out[i + 16],
                     _mm512_or_si512(vk_bits(a[i], -4, low), vk_bits(bits[i], 0, two)));
            vk_store(out[i + 24],
                     _mm512_or_si512(vk_bits(b[i], -4, low), vk_bits(bits[i], -2, two)));
        }
    }
}

/* As panel_pack; fewer than 16 rows are left to AVX2. */
#define VK_PACK(name, weaker)                                                                      \
    static void vk_pack_##name(void *panel, const unsigned char *src, size_t row_bytes, size_t n,  \
                               size_t k)                                                           \
    {                                                                                              \
        if (n < PANEL_ROWS) {                                                                      \
            weaker(panel, src, row_bytes, n, k);                                                   \
        } else {                                                                                   \
            vk_##name(panel, src, row_bytes, k);                                                   \
        }                                                                                          \
    }
VK_PACK(q8_0, ph_avx2_pack_q8_0_bytes)
VK_PACK(q4_0, ph_avx2_pack_q4_0)
VK_PACK(q4_k, ph_avx2_pack_q4_k)
VK_PACK(q5_k, ph_avx2_pack_q5_k)
VK_PACK(q6_k, ph_avx2_pack_q6_k)

#endif
