/* Products of 1 to PH_FAST_DOTS rows of activations with Q4_K and Q5_K, AVX2, in which lanes are
 * rows of weights. Contract: kern/fast.h.
 *
 * Eight rows of weights at a time: 16 bytes of each are transposed in registers, so that a lane
 * holds four numbers of its row, as in a panel; but nothing is written down. Quads are multiplied
 * with four numbers of x and added in 16 bits, until vpmaddwd multiplies the sum of a sub-block by
 * its scale: with 4 bits 18 multiplications for 16 quads where products along a row take 32. No sum
 * goes across lanes. What the transposition costs is paid once for all rows of x.
 *
 * Bounds, 16 bits: Q4_K 8 quads, 8 * 2 * 15 * 127 = 30480; Q5_K 4 quads, 4 * 2 * 31 * 127 = 31496.
 * 32 bits: 256 * 31 * 127 * 63, below 2^26.
 */
#include "kern/x86/avx2_dots.h"
#include "kern/x86/avx2_pack.h"

#define ROWS 8
#define SUBS 8 /* of 32 numbers */

/* Sums of two neighbouring sub-blocks, 16 bits, of each row of x. */
typedef struct pair_sums {
    __m256i s[2][PH_FAST_DOTS];
} pair_sums;

/* s += quads of weights times four numbers of x, or begins with them. As assembly: see
 * avx2_dots_256.c. */
DOTS_INLINE void add_quads(__m256i *s, __m256i w, const int8_t *x, const bool first)
{
    int32_t quad;
    memcpy(&quad, x, sizeof quad);
    __m256i p = _mm256_set1_epi32(quad);
    if (first) {
        *s = _mm256_maddubs_epi16(w, p);
    } else {
        __asm__("vpmaddubsw %[p], %[w], %[p]\n\t"
                "vpaddw %[p], %[s], %[s]"
                : [s] "+x"(*s), [p] "+x"(p)
                : [w] "x"(w));
    }
}

/* all[i] += sums of the sub-blocks times their scales. */
DOTS_INLINE void add_scaled(__m256i *all, const pair_sums *sums, const __m256i *scale,
                            const bool first, const int m)
{
#pragma GCC unroll 4
    for (int i = 0; i < m; i++) {
        __m256i a = _mm256_madd_epi16(sums->s[0][i], scale[0]);
        __m256i b = _mm256_madd_epi16(sums->s[1][i], scale[1]);
        a = _mm256_add_epi32(a, b);
        all[i] = first ? a : _mm256_add_epi32(all[i], a);
    }
}

/* Bytes `first` and `second` of each quad as 16-bit numbers. */
DOTS_INLINE __m256i two_of(__m256i quads, const int first, const int second)
{
    const __m256i from = _mm256_set1_epi32((int)(0x80008000u | (unsigned)second << 16) | first);
    const __m256i lane = _mm256_setr_epi32(0, 0x00040004, 0x00080008, 0x000c000c, 0, 0x00040004,
                                           0x00080008, 0x000c000c);
    return _mm256_shuffle_epi8(quads, _mm256_add_epi32(from, lane));
}

/* Run p of 64 numbers: its 32 bytes hold sub-block 2 p in their low nibbles, 2 p + 1 in the high
 * ones; bits 2 p and 2 p + 1 of `fifths` belong to them. x: number 64 p of the first row. */
DOTS_INLINE void add_run(__m256i *all, const pack_from *from, size_t at, const __m256i *scale,
                         __m256i (*fifths)[4], const int p, const int8_t *x, const bool five,
                         const int m)
{
    const __m256i low = _mm256_set1_epi8(15), fifth = _mm256_set1_epi8(16);
    pair_sums sums;
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
        __m256i t[4];
        pack_turn(t, from, at + (size_t)(32 * p + 16 * h));
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            bool first = i == 0 && (five || h == 0);
            __m256i a = _mm256_and_si256(t[i], low);
            __m256i b = _mm256_and_si256(_mm256_srli_epi16(t[i], 4), low);
            if (five) {
                __m256i f = fifths[h][i];
                a = _mm256_or_si256(a, _mm256_and_si256(_mm256_slli_epi16(f, 4), fifth));
                b = _mm256_or_si256(b, _mm256_and_si256(_mm256_slli_epi16(f, 3), fifth));
                fifths[h][i] = _mm256_srli_epi16(f, 2);
            }
#pragma GCC unroll 4
            for (int r = 0; r < m; r++) {
                const int8_t *quad = x + r * PH_FAST_DEPTH + 16 * h + 4 * i;
                add_quads(&sums.s[0][r], a, quad, first);
                add_quads(&sums.s[1][r], b, quad + 32, first);
            }
        }
        if (five || h == 1) {
            add_scaled(all, &sums, scale, p == 0 && (five ? h == 0 : true), m);
        }
    }
}

typedef struct lanes_form {
    bool five;
} lanes_form;

DOTS_INLINE void eight_rows(const ph_few *f, size_t j, const int m, const lanes_form form)
{
    const unsigned char *w = f->w + j * f->row_bytes, *next = w + ROWS * f->row_bytes;
    pack_from from = pack_rows(w, f->row_bytes, 0, ROWS);
    __m256 y[PH_FAST_DOTS];
    size_t row = f->first, at = 0;
#pragma GCC unroll 4
    for (int i = 0; i < m; i++) {
        y[i] = _mm256_setzero_ps();
    }
    for (size_t k0 = 0; k0 < f->k; k0 += PH_FAST_DEPTH, row += f->x.m, at += f->step_bytes) {
        const int8_t *x = f->x.q8 + row * PH_FAST_DEPTH;
        __m256i head[4], scales[2], mins[2], scale[SUBS], min[SUBS / 2], fifths[2][4];
        __m256i all[PH_FAST_DOTS];
        _Alignas(32) float d[ROWS], dmin[ROWS];
        pack_turn(head, &from, at);
        pack_f16_pairs(d, dmin, head[0]);
        pack_scales6(scales, mins, head[1], head[2], head[3]);
#pragma GCC unroll 8
        for (int b = 0; b < SUBS; b++) {
            scale[b] = two_of(scales[b / 4], b % 4, b % 4);
        }
#pragma GCC unroll 4
        for (int p = 0; p < SUBS / 2; p++) {
            min[p] = two_of(mins[p / 2], p % 2 * 2, p % 2 * 2 + 1);
        }
        if (form.five) {
            pack_turn(fifths[0], &from, at + 16);
            pack_turn(fifths[1], &from, at + 32);
        }
#pragma GCC unroll 4
        for (int p = 0; p < 4; p++) {
            dots_ask_far(next, 2 * f->step_bytes);
            next += 2 * f->step_bytes;
            add_run(all, &from, at + (form.five ? 48 : 16), scale + 2 * p, fifths, p, x + 64 * p,
                    form.five, m);
        }
#pragma GCC unroll 4
        for (int i = 0; i < m; i++) {
            const int16_t *of_16 = f->x.sums + (row + (size_t)i) * PH_FAST_SUBS;
            __m128i of_32 = _mm_hadd_epi16(dots_load_16(of_16), dots_load_16(of_16 + 8));
            __m256i pairs = _mm256_broadcastsi128_si256(of_32);
            __m256i s = _mm256_madd_epi16(min[0], _mm256_shuffle_epi32(pairs, 0x00));
            s = _mm256_add_epi32(s, _mm256_madd_epi16(min[1], _mm256_shuffle_epi32(pairs, 0x55)));
            s = _mm256_add_epi32(s, _mm256_madd_epi16(min[2], _mm256_shuffle_epi32(pairs, 0xaa)));
            s = _mm256_add_epi32(s, _mm256_madd_epi16(min[3], _mm256_shuffle_epi32(pairs, 0xff)));
            __m256 dx = _mm256_broadcast_ss(f->x.scale + (row + (size_t)i) * PH_FAST_GROUPS);
            __m256 by = _mm256_mul_ps(_mm256_load_ps(d), dx);
            y[i] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(all[i]), by, y[i]);
            by = _mm256_mul_ps(_mm256_load_ps(dmin), dx);
            y[i] = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(s), by, y[i]);
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < m; i++) {
        __m256 sum = f->bias ? _mm256_add_ps(y[i], _mm256_loadu_ps(f->bias + j)) : y[i];
        _mm256_storeu_ps(f->y + (size_t)i * f->ldy + j, sum);
    }
}

DOTS_DEFINE(dots_q4_k, ROWS, eight_rows, lanes_form, .five = false)
DOTS_DEFINE(dots_q5_k, ROWS, eight_rows, lanes_form, .five = true)

void ph_avx2_fill_dots_lanes(ph_kern *kern)
{
    kern->dots[PH_QUANT_Q4_K] = dots_q4_k;
    kern->dots[PH_QUANT_Q5_K] = dots_q5_k;
}
