/* Products of 1 to PH_FAST_DOTS rows of activations with the formats of superblocks of 256, AVX2,
 * except Q4_K and Q5_K (avx2_dots_lanes.c). Contract: kern/fast.h.
 *
 * Four rows of weights at a time; of each, a superblock is multiplied from the file's bytes in
 * registers: vpmaddubsw with the quanta as they are (unsigned), vpmaddwd with the sub-block's
 * integer scale, sums in 32 bits. What a quantum is less its offset (-32 for Q6_K, -4 for Q3_K) is
 * taken off once, from scales and sums of x. The 32-bit sums of four rows meet in one vector, whose
 * lanes are rows, for the float operations.
 *
 * Bounds, 16 bits: 2 * 127 * 3, 7, 63 for Q2_K, Q3_K, Q6_K, at most 16002; IQ4_XS
 * 2 * 127 * 127. 32 bits: a pair of pairs times a scale of at most 128 in magnitude, 32 times at
 * most: 2 * 32258 * 32 * 8 for IQ4_XS, below 2^24.1; 2 * 16002 * 128 * 8, below 2^25, for Q6_K,
 * and its offset 32 * 2 * 128 * 2032 below 2^24.
 */
#include "kern/x86/avx2_dots.h"

#include "kern/x86/avx2_fast.h"

#define ROWS 4

/* Sums of one row of weights with m rows of x; min only for formats with minimums. */
typedef struct sums {
    __m256i s[PH_FAST_DOTS];
    __m128i min[PH_FAST_DOTS];
} sums;

/* Rows of x in one step. */
typedef struct x_step {
    const int8_t *q;      /* [m][PH_FAST_DEPTH] */
    const int16_t *of_16; /* [m][PH_FAST_SUBS] */
} x_step;

/* A superblock of one row, `in`, with m rows of x. */
typedef void (*super_fn)(sums *out, const unsigned char *in, const x_step *x, const int m);

/* --- parts of the formats --------------------------------------------------------------------- */

/* out->s += unsigned bytes of w, times x, times the 16-bit scales. As assembly, since gcc, left to
 * order additions by itself, puts them off until all products are in memory. */
DOTS_INLINE void add_scaled(sums *out, __m256i w, __m256i scale, const x_step *x, size_t at,
                            const int m)
{
#pragma GCC unroll 4
    for (int i = 0; i < m; i++) {
        __m256i p;
        __asm__("vpmaddubsw %[x], %[w], %[p]\n\t"
                "vpmaddwd %[scale], %[p], %[p]\n\t"
                "vpaddd %[p], %[s], %[s]"
                : [s] "+x"(out->s[i]), [p] "=&x"(p)
                : [w] "x"(w), [scale] "x"(scale),
                  [x] "m"(*(const int8_t(*)[32])(x->q + i * PH_FAST_DEPTH + at)));
    }
}

DOTS_INLINE void start(sums *out, const int m)
{
#pragma GCC unroll 4
    for (int i = 0; i < m; i++) {
        out->s[i] = _mm256_setzero_si256();
    }
}

/* As start(), with -(scale * 2^shift) of every number: the offset of unsigned quanta. */
DOTS_INLINE void start_below(sums *out, __m256i scale_16, const int shift, const x_step *x,
                             const int m)
{
#pragma GCC unroll 4
    for (int i = 0; i < m; i++) {
        __m256i s = _mm256_madd_epi16(scale_16, dots_load(x->of_16 + i * PH_FAST_SUBS));
        out->s[i] = _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_slli_epi32(s, shift));
    }
}

/* Byte `lo` as 16-bit numbers of the lower half, byte `hi` of the upper. */
DOTS_INLINE __m256i spread_u8(__m256i bytes, const int lo, const int hi)
{
    const short a = (short)(0x8000 | lo), b = (short)(0x8000 | hi);
    return _mm256_shuffle_epi8(bytes,
                               _mm256_setr_epi16(a, a, a, a, a, a, a, a, b, b, b, b, b, b, b, b));
}

/* Number `lo` of eight 16-bit numbers in the lower half, number `hi` in the upper. */
DOTS_INLINE __m256i spread_i16(__m256i numbers, const int lo, const int hi)
{
    const short a = (short)((2 * lo + 1) << 8 | 2 * lo), b = (short)((2 * hi + 1) << 8 | 2 * hi);
    return _mm256_shuffle_epi8(numbers,
                               _mm256_setr_epi16(a, a, a, a, a, a, a, a, b, b, b, b, b, b, b, b));
}

/* --- the formats ------------------------------------------------------------------------------ */

DOTS_INLINE void super_q6_k(sums *out, const unsigned char *in, const x_step *x, const int m)
{
    const __m256i low = _mm256_set1_epi8(15), high = _mm256_set1_epi8(0x30);
    __m256i scales = _mm256_cvtepi8_epi16(dots_load_16(in + 192));
    start_below(out, scales, 5, x, m);
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        __m256i of_half =
            half ? _mm256_permute4x64_epi64(scales, 0xee) : _mm256_permute4x64_epi64(scales, 0x44);
        __m256i a = dots_load(in + 64 * half), b = dots_load(in + 64 * half + 32);
        __m256i bits = dots_load(in + 128 + 32 * half), q[4];
        q[0] = _mm256_or_si256(_mm256_and_si256(a, low),
                               _mm256_and_si256(_mm256_slli_epi16(bits, 4), high));
        q[1] = _mm256_or_si256(_mm256_and_si256(b, low),
                               _mm256_and_si256(_mm256_slli_epi16(bits, 2), high));
        q[2] = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(a, 4), low),
                               _mm256_and_si256(bits, high));
        q[3] = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(b, 4), low),
                               _mm256_and_si256(_mm256_srli_epi16(bits, 2), high));
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            add_scaled(out, q[i], spread_i16(of_half, 2 * i, 2 * i + 1), x,
                       (size_t)(128 * half + 32 * i), m);
        }
    }
}

/* Q2_K and Q3_K: number k has two bits in byte k / 128 * 32 + k % 32; Q3_K a third elsewhere. */
DOTS_INLINE void super_q2_k(sums *out, const unsigned char *in, const x_step *x, const int m)
{
    const __m256i two = _mm256_set1_epi8(3);
    const __m128i low = _mm_set1_epi8(15);
    __m128i both = dots_load_16(in);
    __m256i scales = _mm256_broadcastsi128_si256(_mm_and_si128(both, low));
    __m256i mins = _mm256_cvtepu8_epi16(_mm_and_si128(_mm_srli_epi16(both, 4), low));
    start(out, m);
#pragma GCC unroll 4
    for (int i = 0; i < m; i++) {
        __m256i t = _mm256_madd_epi16(mins, dots_load(x->of_16 + i * PH_FAST_SUBS));
        out->min[i] = _mm_add_epi32(_mm256_castsi256_si128(t), _mm256_extracti128_si256(t, 1));
    }
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        __m256i v = dots_load(in + 16 + 32 * half);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            __m256i q = _mm256_and_si256(_mm256_srli_epi16(v, 2 * i), two);
            int sub = 8 * half + 2 * i;
            add_scaled(out, q, spread_u8(scales, sub, sub + 1), x, (size_t)sub * PH_FAST_SUB, m);
        }
    }
}

/* 16 six-bit scales less 32 as 16-bit numbers. */
DOTS_INLINE __m256i scales_q3_k(const unsigned char *in)
{
    __m128i l = _mm_loadl_epi64((const __m128i *)(const void *)in);
    uint32_t h;
    memcpy(&h, in + 8, sizeof h);
    l = _mm_and_si128(_mm_unpacklo_epi64(l, _mm_srli_epi16(l, 4)), _mm_set1_epi8(15));
    __m128i top = _mm_srlv_epi32(_mm_set1_epi32((int)h), _mm_setr_epi32(0, 2, 4, 6));
    top = _mm_slli_epi16(_mm_and_si128(top, _mm_set1_epi8(3)), 4);
    return _mm256_cvtepi8_epi16(_mm_sub_epi8(_mm_or_si128(l, top), _mm_set1_epi8(32)));
}

DOTS_INLINE void super_q3_k(sums *out, const unsigned char *in, const x_step *x, const int m)
{
    const __m256i two = _mm256_set1_epi8(3), third = _mm256_set1_epi8(4);
    __m256i scales = scales_q3_k(in + 96), bits = dots_load(in);
    start_below(out, scales, 2, x, m);
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        __m256i of_half =
            half ? _mm256_permute4x64_epi64(scales, 0xee) : _mm256_permute4x64_epi64(scales, 0x44);
        __m256i v = dots_load(in + 32 + 32 * half);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            int bit = 4 * half + i;
            __m256i up =
                bit < 2 ? _mm256_slli_epi16(bits, 2 - bit) : _mm256_srli_epi16(bits, bit - 2);
            __m256i q = _mm256_and_si256(_mm256_srli_epi16(v, 2 * i), two);
            q = _mm256_or_si256(q, _mm256_and_si256(up, third));
            add_scaled(out, q, spread_i16(of_half, 2 * i, 2 * i + 1), x,
                       (size_t)(128 * half + 32 * i), m);
        }
    }
}

/* 8 six-bit scales less 32 as 16-bit numbers: in[0..1] their upper bits, in[2..5] their lower. */
DOTS_INLINE __m256i scales_iq4_xs(const unsigned char *in)
{
    uint32_t l;
    memcpy(&l, in + 2, sizeof l);
    __m128i nibbles = _mm_unpacklo_epi8(_mm_cvtsi32_si128((int)(l & 0x0f0f0f0f)),
                                        _mm_cvtsi32_si128((int)(l >> 4 & 0x0f0f0f0f)));
    __m128i top = _mm_mullo_epi16(_mm_set1_epi16((short)dots_u16(in)),
                                  _mm_setr_epi16(1 << 14, 1 << 12, 1 << 10, 1 << 8, 64, 16, 4, 1));
    top = _mm_slli_epi16(_mm_srli_epi16(top, 14), 4);
    __m128i s = _mm_sub_epi16(_mm_or_si128(_mm_cvtepu8_epi16(nibbles), top), _mm_set1_epi16(32));
    return _mm256_broadcastsi128_si256(s);
}

DOTS_INLINE void super_iq4_xs(sums *out, const unsigned char *in, const x_step *x, const int m)
{
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i values =
        _mm256_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
                         -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
    __m256i scales = scales_iq4_xs(in + 2);
    start(out, m);
#pragma GCC unroll 8
    for (int b = 0; b < 8; b++) {
        __m128i v = dots_load_16(in + 8 + 16 * b);
        __m256i index = _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(v, 4), v), low);
        __m256i w = _mm256_shuffle_epi8(values, index), size = _mm256_abs_epi8(w);
        __m256i scale = spread_i16(scales, b, b);
#pragma GCC unroll 4
        for (int i = 0; i < m; i++) {
            __m256i p;
            __asm__("vmovdqu %[x], %[p]\n\t"
                    "vpsignb %[w], %[p], %[p]\n\t"
                    "vpmaddubsw %[p], %[size], %[p]\n\t"
                    "vpmaddwd %[scale], %[p], %[p]\n\t"
                    "vpaddd %[p], %[s], %[s]"
                    : [s] "+x"(out->s[i]), [p] "=&x"(p)
                    : [w] "x"(w), [size] "x"(size), [scale] "x"(scale),
                      [x] "m"(*(const int8_t(*)[32])(x->q + i * PH_FAST_DEPTH + 32 * b)));
        }
    }
}

/* --- rows ------------------------------------------------------------------------------------- */

/* Sums of the lanes of four vectors. */
DOTS_INLINE __m128i sum_mins(__m128i a, __m128i b, __m128i c, __m128i d)
{
    __m128i ab = _mm_add_epi32(_mm_unpacklo_epi32(a, b), _mm_unpackhi_epi32(a, b));
    __m128i cd = _mm_add_epi32(_mm_unpacklo_epi32(c, d), _mm_unpackhi_epi32(c, d));
    return _mm_add_epi32(_mm_unpacklo_epi64(ab, cd), _mm_unpackhi_epi64(ab, cd));
}

DOTS_INLINE __m128i sum_rows(__m256i a, __m256i b, __m256i c, __m256i d)
{
    __m256i ab = _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    __m256i cd = _mm256_add_epi32(_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
    __m256i all = _mm256_add_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
    return _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}

typedef struct super_form {
    super_fn super;
    size_t d_at, dmin_at;
    bool has_min;
} super_form;

DOTS_INLINE void four_rows(const ph_few *f, size_t j, const int m, const super_form form)
{
    __m128 y[PH_FAST_DOTS];
    const unsigned char *w = f->w + j * f->row_bytes;
    const unsigned char *next = w + ROWS * f->row_bytes;
#pragma GCC unroll 4
    for (int i = 0; i < m; i++) {
        y[i] = _mm_setzero_ps();
    }
    size_t row = f->first;
    for (size_t k0 = 0; k0 < f->k; k0 += PH_FAST_DEPTH, row += f->x.m, w += f->step_bytes) {
        x_step x = {.q = f->x.q8 + row * PH_FAST_DEPTH, .of_16 = f->x.sums + row * PH_FAST_SUBS};
        sums s[ROWS];
#pragma GCC unroll 4
        for (int r = 0; r < ROWS; r++) {
            dots_ask_far(next, f->step_bytes);
            next += f->step_bytes;
            form.super(&s[r], w + (size_t)r * f->row_bytes, &x, m);
        }
        __m128 d = _mm_cvtph_ps(dots_f16_4(w + form.d_at, f->row_bytes)), dmin = d;
        if (form.has_min) {
            dmin = _mm_cvtph_ps(dots_f16_4(w + form.dmin_at, f->row_bytes));
        }
#pragma GCC unroll 4
        for (int i = 0; i < m; i++) {
            __m128 dx = _mm_set1_ps(f->x.scale[(row + (size_t)i) * PH_FAST_GROUPS]);
            __m128i isum = sum_rows(s[0].s[i], s[1].s[i], s[2].s[i], s[3].s[i]);
            y[i] = _mm_fmadd_ps(_mm_cvtepi32_ps(isum), _mm_mul_ps(d, dx), y[i]);
            if (form.has_min) {
                __m128i msum = sum_mins(s[0].min[i], s[1].min[i], s[2].min[i], s[3].min[i]);
                y[i] = _mm_fnmadd_ps(_mm_cvtepi32_ps(msum), _mm_mul_ps(dmin, dx), y[i]);
            }
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < m; i++) {
        __m128 sum = f->bias ? _mm_add_ps(y[i], _mm_loadu_ps(f->bias + j)) : y[i];
        _mm_storeu_ps(f->y + (size_t)i * f->ldy + j, sum);
    }
}

#define DOTS_256(name, ...)                                                                        \
    DOTS_DEFINE(dots_##name, ROWS, four_rows, super_form, super_##name, __VA_ARGS__)
DOTS_256(q2_k, 80, 82, true)
DOTS_256(q3_k, 108, 0, false)
DOTS_256(q6_k, 208, 0, false)
DOTS_256(iq4_xs, 0, 0, false)

void ph_avx2_fill_dots_256(ph_kern *kern)
{
    kern->dots[PH_QUANT_Q2_K] = dots_q2_k;
    kern->dots[PH_QUANT_Q3_K] = dots_q3_k;
    kern->dots[PH_QUANT_Q6_K] = dots_q6_k;
    kern->dots[PH_QUANT_IQ4_XS] = dots_iq4_xs;
}
