/* Products of 1 to PH_FAST_DOTS rows of activations straight from the file's layout, AVX-512 with
 * VNNI: what the formats share. Contract: ph_dots_fn in kern/fast.h.
 *
 * Sixteen rows of weights at a time, in four vectors: vector p holds 16 numbers each of the rows p,
 * p + 4, p + 8 and p + 12, one row in each quarter. So the whole block or sub-block of a row is
 * summed within its quarter, and four vectors of sums, added up crosswise within their quarters,
 * become one whose lanes are the rows in order. Weights are unsigned bytes, with an offset that is
 * taken off from the sums of x where the format's numbers have a sign.
 */
#ifndef PH_KERN_X86_AVX512VNNI_DOTS_H
#define PH_KERN_X86_AVX512VNNI_DOTS_H

#include "kern/x86/simd512.h"

#include "kern/x86/avx2_dots.h"
#include "kern/x86/avx2_fast.h"

#define VNNI_ROWS   16
#define VNNI_NEAR   (32 << 10) /* sixteen rows of more bytes do not stay in the first-level cache */
#define VNNI_GROUPS 4          /* vectors for them */

/* Rows so long that, when their turn comes, they are in the second-level cache, although the first
 * was asked to take them: what they need next is asked for once more. For shorter ones that only
 * costs (docs/SPEED.md). */
DOTS_INLINE bool vnni_long_rows(const ph_few *f)
{
    return !f->asks_far && VNNI_ROWS * f->row_bytes > VNNI_NEAR;
}

/* What the next rows need. */
DOTS_INLINE void vnni_ask(const unsigned char *p, size_t bytes, bool far)
{
    if (far) {
        dots_ask_far(p, bytes);
    } else {
        dots_ask(p, bytes);
    }
}

/* 16 bytes each of four rows that lie `apart`. */
DOTS_INLINE __m512i vnni_of_four(const unsigned char *p, size_t apart)
{
    __m512i v = _mm512_castsi128_si512(dots_load_16(p));
    v = _mm512_inserti32x4(v, dots_load_16(p + apart), 1);
    v = _mm512_inserti32x4(v, dots_load_16(p + 2 * apart), 2);
    return _mm512_inserti32x4(v, dots_load_16(p + 3 * apart), 3);
}

/* The same 16 bytes in every quarter. */
DOTS_INLINE __m512i vnni_all(__m128i v)
{
    return _mm512_broadcast_i32x4(v);
}

DOTS_INLINE __m512i vnni_all_of(const void *p)
{
    return vnni_all(dots_load_16(p));
}

DOTS_INLINE __m512i vnni_sum_16(const __m512i v[VNNI_GROUPS])
{
    __m512i ab =
        _mm512_add_epi32(_mm512_unpacklo_epi32(v[0], v[1]), _mm512_unpackhi_epi32(v[0], v[1]));
    __m512i cd =
        _mm512_add_epi32(_mm512_unpacklo_epi32(v[2], v[3]), _mm512_unpackhi_epi32(v[2], v[3]));
    return _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
}

/* f16 numbers of the sixteen rows. */
DOTS_INLINE __m512 vnni_scales(const unsigned char *p, size_t row_bytes)
{
    __m128i a =
        _mm_unpacklo_epi64(dots_f16_4(p, row_bytes), dots_f16_4(p + 4 * row_bytes, row_bytes));
    p += 8 * row_bytes;
    __m128i b =
        _mm_unpacklo_epi64(dots_f16_4(p, row_bytes), dots_f16_4(p + 4 * row_bytes, row_bytes));
    return _mm512_cvtph_ps(_mm256_set_m128i(b, a));
}

/* y of sixteen rows from the j-th on. */
DOTS_INLINE void vnni_store(const ph_few *f, size_t j, const __m512 *y, const int m)
{
#pragma GCC unroll 4
    for (int i = 0; i < m; i++) {
        __m512 sum = f->bias ? _mm512_add_ps(y[i], _mm512_loadu_ps(f->bias + j)) : y[i];
        _mm512_storeu_ps(f->y + (size_t)i * f->ldy + j, sum);
    }
}

#define VNNI_DOTS(name, rows, form_type, ...)                                                      \
    DOTS_DEFINE(vnni_dots_##name, VNNI_ROWS, rows, form_type, __VA_ARGS__)

#endif
