/* Products of a few rows of activations with the formats of blocks of 32: two vpdpbusd for a block
 * of four rows, sums in 32 bits. Bounds: 32 * 255 * 127 < 2^20; offset 128 * 32 * 127 < 2^19.
 * The rest: avx512vnni_dots.h. */
#ifndef PH_KERN_X86_AVX512VNNI_DOTS_32_H
#define PH_KERN_X86_AVX512VNNI_DOTS_32_H

#include "kern/x86/avx512vnni_dots.h"

#define VNNI_AHEAD 384 /* bytes, in each row */

typedef struct vnni_block_form {
    /* Numbers 0..15 (w[0]) and 16..31 (w[1]) of the blocks of four rows as unsigned bytes. */
    void (*bytes)(__m512i w[2], const unsigned char *in, size_t apart);
    int offset; /* less than each unsigned number */
    bool has_min;
    size_t block_bytes;
} vnni_block_form;

DOTS_INLINE void vnni_bytes_q8_0(__m512i w[2], const unsigned char *in, size_t apart)
{
    const __m512i sign = _mm512_set1_epi8((char)0x80);
    w[0] = _mm512_xor_si512(vnni_of_four(in + 2, apart), sign);
    w[1] = _mm512_xor_si512(vnni_of_four(in + 18, apart), sign);
}

DOTS_INLINE void vnni_nibbles(__m512i w[2], const unsigned char *in, size_t apart)
{
    const __m512i low = _mm512_set1_epi8(15);
    __m512i v = vnni_of_four(in, apart);
    w[0] = _mm512_and_si512(v, low);
    w[1] = _mm512_and_si512(_mm512_srli_epi16(v, 4), low);
}

DOTS_INLINE void vnni_bytes_q4_0(__m512i w[2], const unsigned char *in, size_t apart)
{
    vnni_nibbles(w, in + 2, apart);
}

DOTS_INLINE void vnni_bytes_q4_1(__m512i w[2], const unsigned char *in, size_t apart)
{
    vnni_nibbles(w, in + 4, apart);
}

/* Fifth bits of 16 numbers of four rows. */
DOTS_INLINE __mmask64 vnni_fifth(const unsigned char *bits, size_t apart)
{
    return (uint64_t)dots_u16(bits) | (uint64_t)dots_u16(bits + apart) << 16 |
           (uint64_t)dots_u16(bits + 2 * apart) << 32 | (uint64_t)dots_u16(bits + 3 * apart) << 48;
}

/* Four bytes of fifth bits, then the nibbles. */
DOTS_INLINE void vnni_fives(__m512i w[2], const unsigned char *in, size_t apart)
{
    const __m512i fifth = _mm512_set1_epi8(16);
    vnni_nibbles(w, in + 4, apart);
    w[0] = _mm512_mask_add_epi8(w[0], vnni_fifth(in, apart), w[0], fifth);
    w[1] = _mm512_mask_add_epi8(w[1], vnni_fifth(in + 2, apart), w[1], fifth);
}

DOTS_INLINE void vnni_bytes_q5_0(__m512i w[2], const unsigned char *in, size_t apart)
{
    vnni_fives(w, in + 2, apart);
}

DOTS_INLINE void vnni_bytes_q5_1(__m512i w[2], const unsigned char *in, size_t apart)
{
    vnni_fives(w, in + 4, apart);
}

/* The 16 values of IQ4 formats, plus 128. */
DOTS_INLINE __m512i vnni_iq4_values(void)
{
    return vnni_all(_mm_setr_epi8(1, 24, 45, 63, 79, 93, 106, 118, (char)129, (char)141, (char)153,
                                  (char)166, (char)181, (char)197, (char)217, (char)241));
}

DOTS_INLINE void vnni_bytes_iq4_nl(__m512i w[2], const unsigned char *in, size_t apart)
{
    vnni_nibbles(w, in + 2, apart);
    w[0] = _mm512_shuffle_epi8(vnni_iq4_values(), w[0]);
    w[1] = _mm512_shuffle_epi8(vnni_iq4_values(), w[1]);
}

/* Block number g of the step, at w in the first row. */
DOTS_INLINE void vnni_one_block(__m512 *y, const ph_few *f, const unsigned char *w, size_t row,
                                size_t g, const int m, const vnni_block_form form)
{
    __m512i q[VNNI_GROUPS][2];
#pragma GCC unroll 4
    for (size_t p = 0; p < VNNI_GROUPS; p++) {
        form.bytes(q[p], w + p * f->row_bytes, 4 * f->row_bytes);
    }
    __m512 d = vnni_scales(w, f->row_bytes), dmin = d;
    if (form.has_min) {
        dmin = vnni_scales(w + 2, f->row_bytes);
    }
#pragma GCC unroll 4
    for (int i = 0; i < m; i++) {
        const int8_t *x = f->x.q8 + (row + (size_t)i) * PH_FAST_DEPTH + 32 * g;
        __m512i lo = vnni_all_of(x), hi = vnni_all_of(x + 16), v[VNNI_GROUPS];
#pragma GCC unroll 4
        for (int p = 0; p < VNNI_GROUPS; p++) {
            v[p] = _mm512_dpbusd_epi32(_mm512_setzero_si512(), q[p][0], lo);
            v[p] = _mm512_dpbusd_epi32(v[p], q[p][1], hi);
        }
        __m512i isum = vnni_sum_16(v), msum = isum;
        if (form.offset != 0 || form.has_min) { /* two sums of 16 in each lane */
            int32_t pair;
            memcpy(&pair, f->x.sums + (row + (size_t)i) * PH_FAST_SUBS + 2 * g, sizeof pair);
            short each = (short)(form.has_min ? 1 : -form.offset);
            msum = _mm512_madd_epi16(_mm512_set1_epi32(pair), _mm512_set1_epi16(each));
        }
        if (form.offset != 0) {
            isum = _mm512_add_epi32(isum, msum);
        }
        __m512 dx = _mm512_set1_ps(f->x.scale[(row + (size_t)i) * PH_FAST_GROUPS + g]);
        y[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(isum), _mm512_mul_ps(d, dx), y[i]);
        if (form.has_min) { /* the file has the negative of dmin, the product the same bits */
            y[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(msum), _mm512_mul_ps(dmin, dx), y[i]);
        }
    }
}

/* Asks for what the rows need soon, half of them at each block; of small blocks all at every other
 * one. */
DOTS_INLINE void vnni_ask_near(const unsigned char *w, size_t row_bytes, size_t g,
                               const size_t block_bytes)
{
    const bool large = block_bytes > PH_CACHE_LINE / 2;
    const size_t n = large ? VNNI_ROWS / 2 : VNNI_ROWS, first = large ? g % 2 * n : 0;
    for (size_t r = 0; (large || g % 2 == 0) && r < n; r++) {
        _mm_prefetch((const char *)w + (first + r) * row_bytes + VNNI_AHEAD, _MM_HINT_T0);
    }
}

DOTS_INLINE void vnni_rows_32(const ph_few *f, size_t j, const int m, const vnni_block_form form)
{
    __m512 y[PH_FAST_DOTS];
    const unsigned char *w = f->w + j * f->row_bytes;
    const unsigned char *next = w + VNNI_ROWS * f->row_bytes;
    const bool near = vnni_long_rows(f);
#pragma GCC unroll 4
    for (int i = 0; i < m; i++) {
        y[i] = _mm512_setzero_ps();
    }
    size_t row = f->first;
    for (size_t k0 = 0; k0 < f->k; k0 += PH_FAST_DEPTH, row += f->x.m) {
        size_t n = (f->k - k0 < PH_FAST_DEPTH ? f->k - k0 : PH_FAST_DEPTH) / 32;
        for (size_t g = 0; g < n; g++, w += form.block_bytes) {
            vnni_ask(next, VNNI_ROWS * form.block_bytes, f->asks_far);
            next += VNNI_ROWS * form.block_bytes;
            if (near) {
                vnni_ask_near(w, f->row_bytes, g, form.block_bytes);
            }
            vnni_one_block(y, f, w, row, g, m, form);
        }
    }
    vnni_store(f, j, y, m);
}

VNNI_DOTS(q8_0, vnni_rows_32, vnni_block_form, vnni_bytes_q8_0, 128, false, 34)
VNNI_DOTS(q4_0, vnni_rows_32, vnni_block_form, vnni_bytes_q4_0, 8, false, 18)
VNNI_DOTS(q4_1, vnni_rows_32, vnni_block_form, vnni_bytes_q4_1, 0, true, 20)
VNNI_DOTS(q5_0, vnni_rows_32, vnni_block_form, vnni_bytes_q5_0, 16, false, 22)
VNNI_DOTS(q5_1, vnni_rows_32, vnni_block_form, vnni_bytes_q5_1, 0, true, 24)
VNNI_DOTS(iq4_nl, vnni_rows_32, vnni_block_form, vnni_bytes_iq4_nl, 128, false, 18)

#endif
