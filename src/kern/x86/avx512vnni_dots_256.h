/* Products of a few rows of activations with the formats of superblocks of 256.
 *
 * vpmaddubsw multiplies bytes and adds pairs in 16 bits, vpdpwssd multiplies by the sub-block's
 * 16-bit scale and adds to the sums. IQ4_XS, whose numbers plus 128 do not leave 16 bits enough,
 * takes vpdpbusd and a multiplication in 32 bits. Q4_K, Q5_K and Q6_K: avx512vnni_dots_lanes.h. The
 * rest: avx512vnni_dots.h.
 *
 * Bounds, 16 bits: 2 * 127 * 7 = 1778. 32 bits, of a quarter's lane: 16 pairs of pairs * 128 * 1778
 * < 2^22 for Q3_K, offset 4 * 4 * 128 * 2032 < 2^22; 64 * 241 * 127 * 32 < 2^26 for IQ4_XS, offset
 * 128 * 2 * 32 * 4064 < 2^25.
 */
#ifndef PH_KERN_X86_AVX512VNNI_DOTS_256_H
#define PH_KERN_X86_AVX512VNNI_DOTS_256_H

#include "kern/x86/avx512vnni_dots.h"
#include "kern/x86/avx512vnni_dots_32.h"

/* Sums of four rows of weights with m rows of x; min only for formats with minimums. */
typedef struct vnni_sums {
    __m512i s[PH_FAST_DOTS], min[PH_FAST_DOTS];
} vnni_sums;

/* Rows of x in one step. */
typedef struct vnni_x {
    const int8_t *q;      /* [m][PH_FAST_DEPTH] */
    const int16_t *of_16; /* [m][PH_FAST_SUBS] sums of 16 */
    __m512i of_32[PH_FAST_DOTS];
} vnni_x;

typedef struct vnni_super_form {
    /* A superblock each of four rows with m rows of x. */
    void (*super)(vnni_sums *out, const unsigned char *in, size_t apart, const vnni_x *x,
                  const int m);
    size_t d_at, dmin_at;
    bool has_min;
} vnni_super_form;

/* Byte `at` of each quarter as 16-bit numbers all over it; and 16-bit number `at`. */
DOTS_INLINE __m512i vnni_spread_u8(__m512i bytes, const int at)
{
    return _mm512_shuffle_epi8(bytes, _mm512_set1_epi16((short)(0x8000 | at)));
}

DOTS_INLINE __m512i vnni_spread_i16(__m512i numbers, const int at)
{
    return _mm512_shuffle_epi8(numbers, _mm512_set1_epi16((short)((2 * at + 1) << 8 | 2 * at)));
}

DOTS_INLINE void vnni_start(vnni_sums *out, const int m)
{
#pragma GCC unroll 4
    for (int i = 0; i < m; i++) {
        out->s[i] = _mm512_setzero_si512();
    }
}

/* Sums of `of`, 16-bit numbers for each sub-block of 16, eight and eight, with the sums of x. */
DOTS_INLINE __m512i vnni_with_sums(const __m512i of[2], const vnni_x *x, const int i)
{
    __m512i s = _mm512_madd_epi16(of[0], vnni_all_of(x->of_16 + i * PH_FAST_SUBS));
    return _mm512_dpwssd_epi32(s, of[1], vnni_all_of(x->of_16 + i * PH_FAST_SUBS + 8));
}

/* A sub-block of 16. */
DOTS_INLINE void vnni_add_16(vnni_sums *out, __m512i w, __m512i scale, const vnni_x *x, int at,
                             const int m)
{
#pragma GCC unroll 4
    for (int i = 0; i < m; i++) {
        __m512i p = _mm512_maddubs_epi16(w, vnni_all_of(x->q + i * PH_FAST_DEPTH + at));
        out->s[i] = _mm512_dpwssd_epi32(out->s[i], p, scale);
    }
}

/* 16 bytes with a sign in each quarter as 16-bit numbers, eight and eight; and sums begun at
 * -(2^shift) of them for every number of x. */
DOTS_INLINE void vnni_signed_scales(__m512i scales[2], vnni_sums *out, __m512i bytes,
                                    const int shift, const vnni_x *x, const int m)
{
    const __m512i zero = _mm512_setzero_si512();
    scales[0] = _mm512_srai_epi16(_mm512_unpacklo_epi8(zero, bytes), 8);
    scales[1] = _mm512_srai_epi16(_mm512_unpackhi_epi8(zero, bytes), 8);
#pragma GCC unroll 4
    for (int i = 0; i < m; i++) {
        __m512i s = _mm512_slli_epi32(vnni_with_sums(scales, x, i), (unsigned)shift);
        out->s[i] = _mm512_sub_epi32(zero, s);
    }
}

/* Q2_K and Q3_K: number k has two bits in byte k / 128 * 32 + k % 32; Q3_K a third elsewhere. */
DOTS_INLINE void vnni_super_q2_k(vnni_sums *out, const unsigned char *in, size_t apart,
                                 const vnni_x *x, const int m)
{
    const __m512i two = _mm512_set1_epi8(3), low = _mm512_set1_epi8(15);
    const __m512i zero = _mm512_setzero_si512();
    __m512i both = vnni_of_four(in, apart), scales = _mm512_and_si512(both, low);
    __m512i min = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
    const __m512i mins[2] = {_mm512_unpacklo_epi8(min, zero), _mm512_unpackhi_epi8(min, zero)};
    vnni_start(out, m);
#pragma GCC unroll 4
    for (int i = 0; i < m; i++) {
        out->min[i] = vnni_with_sums(mins, x, i);
    }
#pragma GCC unroll 4
    for (int part = 0; part < 4; part++) {
        const int half = part / 2, h = part % 2;
        __m512i v = vnni_of_four(in + 16 + 32 * half + 16 * h, apart);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            __m512i q = _mm512_and_si512(_mm512_srli_epi16(v, (unsigned)(2 * i)), two);
            int sub = 8 * half + 2 * i + h;
            vnni_add_16(out, q, vnni_spread_u8(scales, sub), x, sub * PH_FAST_SUB, m);
        }
    }
}

/* 16 six-bit scales less 32 as bytes. The load begins before them, as it may not go beyond the
 * superblock. */
DOTS_INLINE __m512i vnni_scales_q3_k(const unsigned char *in, size_t apart)
{
    const __m512i lower =
        vnni_all(_mm_setr_epi8(2, 3, 4, 5, 6, 7, 8, 9, -1, -1, -1, -1, -1, -1, -1, -1));
    const __m512i upper =
        vnni_all(_mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, 2, 3, 4, 5, 6, 7, 8, 9));
    const __m512i tops =
        vnni_all(_mm_setr_epi8(10, 11, 12, 13, 10, 11, 12, 13, 10, 11, 12, 13, 10, 11, 12, 13));
    __m512i v = vnni_of_four(in - 2, apart);
    __m512i l = _mm512_or_si512(_mm512_shuffle_epi8(v, lower),
                                _mm512_shuffle_epi8(_mm512_srli_epi16(v, 4), upper));
    __m512i top =
        _mm512_srlv_epi32(_mm512_shuffle_epi8(v, tops), vnni_all(_mm_setr_epi32(0, 2, 4, 6)));
    top = _mm512_slli_epi16(_mm512_and_si512(top, _mm512_set1_epi8(3)), 4);
    l = _mm512_or_si512(_mm512_and_si512(l, _mm512_set1_epi8(15)), top);
    return _mm512_sub_epi8(l, _mm512_set1_epi8(32));
}

DOTS_INLINE void vnni_super_q3_k(vnni_sums *out, const unsigned char *in, size_t apart,
                                 const vnni_x *x, const int m)
{
    const __m512i two = _mm512_set1_epi8(3), third = _mm512_set1_epi8(4);
    __m512i scales[2];
    vnni_signed_scales(scales, out, vnni_scales_q3_k(in + 96, apart), 2, x, m);
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
        __m512i bits = vnni_of_four(in + 16 * h, apart);
#pragma GCC unroll 2
        for (int half = 0; half < 2; half++) {
            __m512i v = vnni_of_four(in + 32 + 32 * half + 16 * h, apart);
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++) {
                int bit = 4 * half + i;
                __m512i up = bit < 2 ? _mm512_slli_epi16(bits, (unsigned)(2 - bit) & 15)
                                     : _mm512_srli_epi16(bits, (unsigned)(bit - 2) & 15);
                __m512i q = _mm512_and_si512(_mm512_srli_epi16(v, (unsigned)(2 * i)), two);
                q = _mm512_or_si512(q, _mm512_and_si512(up, third));
                vnni_add_16(out, q, vnni_spread_i16(scales[half], 2 * i + h), x,
                            128 * half + 32 * i + 16 * h, m);
            }
        }
    }
}

/* 8 six-bit scales less 32 as 16-bit numbers: bytes 2 and 3 their upper bits, 4..7 their lower. */
DOTS_INLINE __m512i vnni_scales_iq4_xs(const unsigned char *in, size_t apart)
{
    const __m512i lower =
        vnni_all(_mm_setr_epi8(4, -1, 4, -1, 5, -1, 5, -1, 6, -1, 6, -1, 7, -1, 7, -1));
    __m512i v = vnni_of_four(in, apart);
    __m512i l = _mm512_mullo_epi16(_mm512_shuffle_epi8(v, lower),
                                   vnni_all(_mm_setr_epi16(1 << 12, 1 << 8, 1 << 12, 1 << 8,
                                                           1 << 12, 1 << 8, 1 << 12, 1 << 8)));
    __m512i top = _mm512_mullo_epi16(
        _mm512_shuffle_epi8(v, _mm512_set1_epi16(0x0302)),
        vnni_all(_mm_setr_epi16(1 << 14, 1 << 12, 1 << 10, 1 << 8, 64, 16, 4, 1)));
    top = _mm512_slli_epi16(_mm512_srli_epi16(top, 14), 4);
    return _mm512_sub_epi16(_mm512_or_si512(_mm512_srli_epi16(l, 12), top), _mm512_set1_epi16(32));
}

DOTS_INLINE void vnni_super_iq4_xs(vnni_sums *out, const unsigned char *in, size_t apart,
                                   const vnni_x *x, const int m)
{
    const __m512i zero = _mm512_setzero_si512();
    __m512i scales = vnni_scales_iq4_xs(in, apart);
#pragma GCC unroll 4
    for (int i = 0; i < m; i++) {
        __m512i s = _mm512_slli_epi32(_mm512_madd_epi16(scales, x->of_32[i]), 7);
        out->s[i] = _mm512_sub_epi32(zero, s);
    }
#pragma GCC unroll 8
    for (int b = 0; b < 8; b++) {
        __m512i w[2];
        vnni_nibbles(w, in + 8 + 16 * b, apart);
        w[0] = _mm512_shuffle_epi8(vnni_iq4_values(), w[0]);
        w[1] = _mm512_shuffle_epi8(vnni_iq4_values(), w[1]);
        __m512i scale = _mm512_srai_epi32(vnni_spread_i16(scales, b), 16);
#pragma GCC unroll 4
        for (int i = 0; i < m; i++) {
            const int8_t *q = x->q + i * PH_FAST_DEPTH + 32 * b;
            __m512i p = _mm512_dpbusd_epi32(zero, w[0], vnni_all_of(q));
            p = _mm512_dpbusd_epi32(p, w[1], vnni_all_of(q + 16));
            out->s[i] = _mm512_add_epi32(out->s[i], _mm512_mullo_epi32(p, scale));
            PH_KEEP_512(out->s[i]); /* or gcc puts all additions off and needs registers for them */
        }
    }
}

DOTS_INLINE void vnni_rows_256(const ph_few *f, size_t j, const int m, const vnni_super_form form)
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
    for (size_t k0 = 0; k0 < f->k; k0 += PH_FAST_DEPTH, row += f->x.m, w += f->step_bytes) {
        vnni_x x = {.q = f->x.q8 + row * PH_FAST_DEPTH, .of_16 = f->x.sums + row * PH_FAST_SUBS};
        vnni_sums s[VNNI_GROUPS];
#pragma GCC unroll 4
        for (int i = 0; i < m; i++) {
            const int16_t *of_16 = x.of_16 + i * PH_FAST_SUBS;
            x.of_32[i] = vnni_all(_mm_hadd_epi16(dots_load_16(of_16), dots_load_16(of_16 + 8)));
        }
        for (size_t p = 0; p < VNNI_GROUPS; p++) {
            vnni_ask(next, 4 * f->step_bytes, f->asks_far);
            next += 4 * f->step_bytes;
            for (size_t r = p; near && r < VNNI_ROWS; r += VNNI_GROUPS) {
                dots_ask(w + r * f->row_bytes + f->step_bytes, f->step_bytes);
            }
            form.super(&s[p], w + p * f->row_bytes, 4 * f->row_bytes, &x, m);
        }
        __m512 d = vnni_scales(w + form.d_at, f->row_bytes), dmin = d;
        if (form.has_min) {
            dmin = vnni_scales(w + form.dmin_at, f->row_bytes);
        }
#pragma GCC unroll 4
        for (int i = 0; i < m; i++) {
            const __m512i v[] = {s[0].s[i], s[1].s[i], s[2].s[i], s[3].s[i]};
            __m512 dx = _mm512_set1_ps(f->x.scale[(row + (size_t)i) * PH_FAST_GROUPS]);
            __m512 isum = _mm512_cvtepi32_ps(vnni_sum_16(v));
            y[i] = _mm512_fmadd_ps(isum, _mm512_mul_ps(d, dx), y[i]);
            if (form.has_min) {
                const __m512i t[] = {s[0].min[i], s[1].min[i], s[2].min[i], s[3].min[i]};
                __m512 msum = _mm512_cvtepi32_ps(vnni_sum_16(t));
                y[i] = _mm512_fnmadd_ps(msum, _mm512_mul_ps(dmin, dx), y[i]);
            }
        }
    }
    vnni_store(f, j, y, m);
}

VNNI_DOTS(q2_k, vnni_rows_256, vnni_super_form, vnni_super_q2_k, 80, 82, true)
VNNI_DOTS(q3_k, vnni_rows_256, vnni_super_form, vnni_super_q3_k, 108, 0, false)
VNNI_DOTS(iq4_xs, vnni_rows_256, vnni_super_form, vnni_super_iq4_xs, 0, 0, false)

#endif
