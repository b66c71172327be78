/* Products of 1 to PH_FAST_DOTS rows of activations with the formats of blocks of 32, AVX2.
 * Contract: kern/fast.h.
 *
 * Eight rows of weights at a time. A vector holds 16 numbers each of row r (lower half) and of row
 * r + 4 (upper half), so that four vectors of sums, added up crosswise within their halves, become
 * one with a lane for each row. What an unsigned quantum is less its offset (-8 for Q4_0, -16 for
 * Q5_0) is taken off at the end, from the sums of x.
 *
 * Sums stay in 16 bits as long as the format allows. A product pair is at most 2 * 127 * 15 = 3810
 * for 4 bits: both halves of a block and two rounds of adding up are 8 pairs, 30480. For 5 bits,
 * 7874: one round, 4 pairs, 31496. For signed bytes, 2 * 128 * 127 = 32512: none.
 */
#include "kern/x86/avx2_dots.h"

#include "kern/x86/avx2_fast.h"

#define ROWS    8
#define PAIRS   4 /* vectors for them */
#define IN_STEP (PH_FAST_DEPTH / 32)

/* Rounds of adding up that 16 bits allow. */
typedef enum width { WIDTH_2 = 2, WIDTH_1 = 1, WIDTH_SIGNED = 0 } width;

typedef struct block_form {
    /* Numbers 0..15 (w[0]) and 16..31 (w[1]) of two blocks as bytes, unsigned unless WIDTH_SIGNED;
     * a, b: the blocks. */
    void (*bytes)(__m256i w[2], const unsigned char *a, const unsigned char *b);
    width width;
    int offset; /* less than each unsigned number */
    bool has_min;
    size_t block_bytes;
} block_form;

/* --- the formats ------------------------------------------------------------------------------ */

DOTS_INLINE void bytes_q8_0(__m256i w[2], const unsigned char *a, const unsigned char *b)
{
    w[0] = dots_of_two(a + 2, b + 2);
    w[1] = dots_of_two(a + 18, b + 18);
}

DOTS_INLINE void nibbles(__m256i w[2], const unsigned char *a, const unsigned char *b)
{
    const __m256i low = _mm256_set1_epi8(15);
    __m256i v = dots_of_two(a, b);
    w[0] = _mm256_and_si256(v, low);
    w[1] = _mm256_and_si256(_mm256_srli_epi16(v, 4), low);
}

DOTS_INLINE void bytes_q4_0(__m256i w[2], const unsigned char *a, const unsigned char *b)
{
    nibbles(w, a + 2, b + 2);
}

DOTS_INLINE void bytes_q4_1(__m256i w[2], const unsigned char *a, const unsigned char *b)
{
    nibbles(w, a + 4, b + 4);
}

/* Four bytes of fifth bits, then the nibbles. */
DOTS_INLINE void fives(__m256i w[2], const unsigned char *a, const unsigned char *b)
{
    const __m256i fifth = _mm256_set1_epi8(16);
    const __m256i each = _mm256_set1_epi64x((long long)0x8040201008040201u);
    const __m256i byte_of =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
    __m256i bits = dots_of_two(a, b);
    nibbles(w, a + 4, b + 4);
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
        __m256i set =
            _mm256_shuffle_epi8(bits, h ? _mm256_add_epi8(byte_of, _mm256_set1_epi8(2)) : byte_of);
        set = _mm256_cmpeq_epi8(_mm256_and_si256(set, each), each);
        w[h] = _mm256_or_si256(w[h], _mm256_and_si256(set, fifth));
    }
}

DOTS_INLINE void bytes_q5_0(__m256i w[2], const unsigned char *a, const unsigned char *b)
{
    fives(w, a + 2, b + 2);
}

DOTS_INLINE void bytes_q5_1(__m256i w[2], const unsigned char *a, const unsigned char *b)
{
    fives(w, a + 4, b + 4);
}

DOTS_INLINE void bytes_iq4_nl(__m256i w[2], const unsigned char *a, const unsigned char *b)
{
    const __m256i values = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113));
    nibbles(w, a + 2, b + 2);
    w[0] = _mm256_shuffle_epi8(values, w[0]);
    w[1] = _mm256_shuffle_epi8(values, w[1]);
}

/* --- rows ------------------------------------------------------------------------------------- */

DOTS_INLINE __m256i wide(__m256i v)
{
    return _mm256_madd_epi16(v, _mm256_set1_epi16(1));
}

/* Both halves of two blocks with one row of x. */
DOTS_INLINE __m256i multiply(const __m256i w[2], const __m256i size[2], __m256i lo, __m256i hi,
                             const width bits)
{
    if (bits == WIDTH_SIGNED) {
        lo = _mm256_maddubs_epi16(size[0], _mm256_sign_epi8(lo, w[0]));
        hi = _mm256_maddubs_epi16(size[1], _mm256_sign_epi8(hi, w[1]));
        return _mm256_add_epi32(wide(lo), wide(hi));
    }
    return _mm256_add_epi16(_mm256_maddubs_epi16(w[0], lo), _mm256_maddubs_epi16(w[1], hi));
}

/* Lanes of 32 bits, two of a and two of b in each half, each the sum of two. */
DOTS_INLINE __m256i meet(__m256i a, __m256i b, const bool in_16)
{
    __m256i lo = _mm256_unpacklo_epi32(a, b), hi = _mm256_unpackhi_epi32(a, b);
    return in_16 ? _mm256_add_epi16(lo, hi) : _mm256_add_epi32(lo, hi);
}

DOTS_INLINE __m256i sum_rows(const __m256i v[PAIRS], const width bits)
{
    __m256i ab = meet(v[0], v[1], bits != WIDTH_SIGNED);
    __m256i cd = meet(v[2], v[3], bits != WIDTH_SIGNED);
    if (bits == WIDTH_1) {
        ab = wide(ab);
        cd = wide(cd);
    }
    __m256i lo = _mm256_unpacklo_epi64(ab, cd), hi = _mm256_unpackhi_epi64(ab, cd);
    return bits == WIDTH_2 ? wide(_mm256_add_epi16(lo, hi)) : _mm256_add_epi32(lo, hi);
}

/* Block number g of the step, at w in the first row. */
DOTS_INLINE void one_block(__m256 y[PH_FAST_DOTS], const ph_few *f, const unsigned char *w,
                           size_t row, size_t g, const int m, const block_form form)
{
    __m256i q[PAIRS][2], size[PAIRS][2];
    const unsigned char *far = w + 4 * f->row_bytes;
    const int8_t *x = f->x.q8 + row * PH_FAST_DEPTH + 32 * g;
#pragma GCC unroll 4
    for (int p = 0; p < PAIRS; p++) {
        form.bytes(q[p], w + (size_t)p * f->row_bytes, far + (size_t)p * f->row_bytes);
        if (form.width == WIDTH_SIGNED) {
            size[p][0] = _mm256_abs_epi8(q[p][0]);
            size[p][1] = _mm256_abs_epi8(q[p][1]);
        } else {
            size[p][0] = size[p][1] = q[p][0];
        }
    }
    __m256 d = dots_scales_8(w, f->row_bytes), dmin = d;
    if (form.has_min) {
        dmin = dots_scales_8(w + 2, f->row_bytes);
    }
#pragma GCC unroll 4
    for (int i = 0; i < m; i++) {
        __m256i v[PAIRS];
        __m256i lo = dots_twice(x + i * PH_FAST_DEPTH), hi = dots_twice(x + i * PH_FAST_DEPTH + 16);
#pragma GCC unroll 4
        for (int p = 0; p < PAIRS; p++) {
            v[p] = multiply(q[p], size[p], lo, hi, form.width);
        }
        __m256i isum = sum_rows(v, form.width), msum = isum;
        if (form.offset != 0 || form.has_min) { /* two sums of 16 in each lane */
            int32_t pair;
            memcpy(&pair, f->x.sums + (row + (size_t)i) * PH_FAST_SUBS + 2 * g, sizeof pair);
            short each = (short)(form.has_min ? 1 : -form.offset);
            msum = _mm256_madd_epi16(_mm256_set1_epi32(pair), _mm256_set1_epi16(each));
        }
        if (form.offset != 0) {
            isum = _mm256_add_epi32(isum, msum);
        }
        __m256 dx = _mm256_set1_ps(f->x.scale[(row + (size_t)i) * PH_FAST_GROUPS + g]);
        y[i] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(isum), _mm256_mul_ps(d, dx), y[i]);
        if (form.has_min) { /* the file has the negative of dmin, the product the same bits */
            y[i] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(msum), _mm256_mul_ps(dmin, dx), y[i]);
        }
    }
}

DOTS_INLINE void eight_rows(const ph_few *f, size_t j, const int m, const block_form form)
{
    __m256 y[PH_FAST_DOTS];
    const unsigned char *w = f->w + j * f->row_bytes;
    const unsigned char *next = w + ROWS * f->row_bytes;
#pragma GCC unroll 4
    for (int i = 0; i < m; i++) {
        y[i] = _mm256_setzero_ps();
    }
    size_t row = f->first;
    for (size_t k0 = 0; k0 < f->k; k0 += PH_FAST_DEPTH, row += f->x.m) {
        size_t n = f->k - k0 < PH_FAST_DEPTH ? (f->k - k0) / 32 : IN_STEP;
        for (size_t g = 0; g < n; g++, w += form.block_bytes) {
            dots_ask_far(next, ROWS * form.block_bytes);
            next += ROWS * form.block_bytes;
            one_block(y, f, w, row, g, m, form);
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < m; i++) {
        __m256 sum = f->bias ? _mm256_add_ps(y[i], _mm256_loadu_ps(f->bias + j)) : y[i];
        _mm256_storeu_ps(f->y + (size_t)i * f->ldy + j, sum);
    }
}

#define DOTS_32(name, ...)                                                                         \
    DOTS_DEFINE(dots_##name, ROWS, eight_rows, block_form, bytes_##name, __VA_ARGS__)
DOTS_32(q8_0, WIDTH_SIGNED, 0, false, 34)
DOTS_32(q4_0, WIDTH_2, 8, false, 18)
DOTS_32(q4_1, WIDTH_2, 0, true, 20)
DOTS_32(q5_0, WIDTH_1, 16, false, 22)
DOTS_32(q5_1, WIDTH_1, 0, true, 24)
DOTS_32(iq4_nl, WIDTH_SIGNED, 0, false, 18)

void ph_avx2_fill_dots_32(ph_kern *kern)
{
    kern->dots[PH_QUANT_Q8_0] = dots_q8_0;
    kern->dots[PH_QUANT_Q4_0] = dots_q4_0;
    kern->dots[PH_QUANT_Q4_1] = dots_q4_1;
    kern->dots[PH_QUANT_Q5_0] = dots_q5_0;
    kern->dots[PH_QUANT_Q5_1] = dots_q5_1;
    kern->dots[PH_QUANT_IQ4_NL] = dots_iq4_nl;
}
