/* Fast products with AVX2: activations, and few rows of them. Contract: kern/fast.h, which also
 * bounds the sums. Many rows: avx2_panels.c.
 *
 * Weights and activations are multiplied as 16-bit numbers: vpmaddwd takes 16 products, the same 32
 * per pair of multiplier slots as vpmaddubsw with vpmaddwd behind it, without the saturation and
 * sign repair of the 8-bit instruction, and with room for the integer scales of the K formats in
 * the weights. So one kernel serves every format, and a superblock of 256 is summed without any
 * scaling in between.
 */
#include "kern/x86/avx2_fast.h"

#include "kern/x86/avx2_split.h"

#define INLINE   static inline __attribute__((always_inline))
#define ROWS     4 /* of weights, in `few` */
#define MIN_LIVE 1e-30f

/* --- activations ------------------------------------------------------------------------------ */

INLINE float largest_magnitude(const float *x, size_t n)
{
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
    __m256i most = _mm256_setzero_si256();
    for (size_t i = 0; i < n; i += 8) { /* as integers, so that NaN is above all */
        __m256i bits = _mm256_castps_si256(_mm256_loadu_ps(x + i));
        most = _mm256_max_epi32(most, _mm256_and_si256(bits, magnitude));
    }
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
    return _mm_cvtss_f32(_mm_castsi128_ps(m));
}

INLINE __m256i round_8(const float *x, __m256 inverse)
{
    __m256 v = _mm256_mul_ps(_mm256_loadu_ps(x), inverse);
    v = _mm256_max_ps(v, _mm256_set1_ps(-127.0f)); /* -127 where v is NaN */
    return _mm256_cvtps_epi32(_mm256_min_ps(v, _mm256_set1_ps(127.0f)));
}

void ph_avx2_quantize_x(int16_t *q, int8_t *q8, float *scale, int16_t *sums, const float *x,
                        size_t n, size_t group)
{
    for (size_t i = 0; i < n; i += group) {
        float amax = largest_magnitude(x + i, group);
        __m256 inverse = _mm256_set1_ps(amax >= MIN_LIVE ? 127.0f / amax : 0.0f);
        scale[i / group] = amax / 127.0f;
        for (size_t j = i; j < i + group; j += 16) {
            __m256i v = _mm256_packs_epi32(round_8(x + j, inverse), round_8(x + j + 8, inverse));
            v = _mm256_permute4x64_epi64(v, 0xd8);
            _mm256_storeu_si256((__m256i *)(void *)(q + j), v);
            __m128i bytes =
                _mm_packs_epi16(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
            _mm_storeu_si128((__m128i *)(void *)(q8 + j), bytes);
            __m256i s = _mm256_madd_epi16(v, _mm256_set1_epi16(1));
            __m128i t = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
            t = _mm_add_epi32(t, _mm_shuffle_epi32(t, 0x4e));
            t = _mm_add_epi32(t, _mm_shuffle_epi32(t, 0xb1));
            sums[j / PH_FAST_SUB] = (int16_t)_mm_cvtsi128_si32(t);
        }
    }
}

/* --- few rows of activations ------------------------------------------------------------------ */

/* Sums of the lanes of a, b, c and d. */
INLINE __m128i sum_4(const __m256i v[ROWS])
{
    __m256i ab = _mm256_add_epi32(_mm256_permute2x128_si256(v[0], v[1], 0x20),
                                  _mm256_permute2x128_si256(v[0], v[1], 0x31));
    __m256i cd = _mm256_add_epi32(_mm256_permute2x128_si256(v[2], v[3], 0x20),
                                  _mm256_permute2x128_si256(v[2], v[3], 0x31));
    __m256i pairs = _mm256_add_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
    __m256i sums = _mm256_add_epi32(pairs, _mm256_shuffle_epi32(pairs, 0xb1));
    /* lanes: a a c c | b b d d */
    return _mm_blend_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1), 0xa);
}

INLINE __m256i load_16(const int16_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

/* One depth step of one row of x: lanes of y are the four rows of weights. */
INLINE __m128 add_step(__m128 y, const ph_ints *ints, const int16_t *q, const float *scale,
                       const int16_t *sums, size_t n, const size_t group, const bool has_min)
{
    for (size_t g = 0; g < n / group; g++) {
        __m256i s[ROWS];
        const int16_t *w = ints->w + g * group;
#pragma GCC unroll 4
        for (int r = 0; r < ROWS; r++) {
            s[r] = _mm256_madd_epi16(load_16(q + g * group), load_16(w + r * PH_FAST_DEPTH));
        }
#pragma GCC unroll 16
        for (size_t k = 16; k < group; k += 16) {
            __m256i x = load_16(q + g * group + k);
#pragma GCC unroll 4
            for (int r = 0; r < ROWS; r++) {
                __m256i p = _mm256_madd_epi16(x, load_16(w + r * PH_FAST_DEPTH + k));
                s[r] = _mm256_add_epi32(s[r], p);
            }
        }
        __m128 dx = _mm_set1_ps(scale[g]);
        __m128 d = _mm_mul_ps(_mm_loadu_ps(ints->d + g * ROWS), dx);
        y = _mm_fmadd_ps(_mm_cvtepi32_ps(sum_4(s)), d, y);
        if (!has_min) {
            continue;
        }
        __m128i m;
        if (group == PH_FAST_DEPTH) {
            __m256i x = load_16(sums);
#pragma GCC unroll 4
            for (int r = 0; r < ROWS; r++) {
                s[r] = _mm256_madd_epi16(x, load_16(ints->min + r * PH_FAST_SUBS));
            }
            m = sum_4(s);
        } else {
            m = _mm_set1_epi32(sums[2 * g] + sums[2 * g + 1]);
        }
        d = _mm_mul_ps(_mm_loadu_ps(ints->dmin + g * ROWS), dx);
        y = _mm_fnmadd_ps(_mm_cvtepi32_ps(m), d, y);
    }
    return y;
}

/* Asks for a share of what the next rows need: one ascending stream, whatever the rows' order. */
INLINE void ask_ahead(const unsigned char *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64) {
        _mm_prefetch((const char *)p + i, _MM_HINT_T0);
    }
}

INLINE void few_rows(const ph_few *f, const ph_ints *ints, size_t j, size_t rows, const size_t m,
                     const size_t group, const bool has_min)
{
    __m128 y[PH_FAST_FEW];
    const unsigned char *w = f->w + j * f->row_bytes;
    size_t next = (f->n - j - rows < ROWS ? f->n - j - rows : ROWS) * f->row_bytes;
    for (size_t i = 0; i < m; i++) {
        y[i] = _mm_setzero_ps();
    }
    for (size_t k0 = 0; k0 < f->k; k0 += PH_FAST_DEPTH) {
        size_t k = f->k - k0 < PH_FAST_DEPTH ? f->k - k0 : PH_FAST_DEPTH;
        size_t at = k0 / PH_FAST_DEPTH * f->step_bytes;
        if (4 * (at + f->step_bytes) <= next) {
            ask_ahead(w + ROWS * f->row_bytes + 4 * at, 4 * f->step_bytes);
        }
        f->split(ints, w + at, f->row_bytes, rows, k);
        for (size_t i = 0; i < m; i++) {
            size_t x = k0 / PH_FAST_DEPTH * f->x.m + f->first + i;
            y[i] = add_step(y[i], ints, f->x.q + x * PH_FAST_DEPTH, f->x.scale + x * PH_FAST_GROUPS,
                            f->x.sums + x * PH_FAST_SUBS, k, group, has_min);
        }
    }
    for (size_t i = 0; i < m; i++) {
        float out[ROWS];
        _mm_storeu_ps(out, y[i]);
        for (size_t r = 0; r < rows; r++) {
            f->y[i * f->ldy + j + r] = f->bias ? out[r] + f->bias[j + r] : out[r];
        }
    }
}

INLINE void few_of(const ph_few *f, const size_t group, const bool has_min)
{
    /* Rows that do not exist are computed from what is there; zeros, lest they be slow or trap. */
    _Alignas(64) int16_t w[ROWS * PH_FAST_DEPTH] = {0};
    _Alignas(64) int16_t min[ROWS * PH_FAST_SUBS] = {0};
    float d[PH_FAST_GROUPS * ROWS] = {0}, dmin[PH_FAST_GROUPS * ROWS] = {0};
    const ph_ints ints = {.w = w, .min = min, .d = d, .dmin = dmin, .ld = ROWS};
    for (size_t j = 0; j < f->n; j += ROWS) {
        size_t rows = f->n - j < ROWS ? f->n - j : ROWS;
        if (f->m == 1) {
            few_rows(f, &ints, j, rows, 1, group, has_min);
        } else {
            few_rows(f, &ints, j, rows, f->m, group, has_min);
        }
    }
}

void ph_avx2_few(const ph_few *f)
{
    if (f->group == PH_FAST_DEPTH) {
        (f->has_min ? few_of(f, PH_FAST_DEPTH, true) : few_of(f, PH_FAST_DEPTH, false));
    } else {
        (f->has_min ? few_of(f, 32, true) : few_of(f, 32, false));
    }
}

void ph_avx2_fill_fast(ph_kern *kern)
{
    kern->split[PH_QUANT_Q8_0] = avx2_split_q8_0;
    kern->split[PH_QUANT_Q4_0] = avx2_split_q4_0;
    kern->split[PH_QUANT_Q4_1] = avx2_split_q4_1;
    kern->split[PH_QUANT_Q5_0] = avx2_split_q5_0;
    kern->split[PH_QUANT_Q5_1] = avx2_split_q5_1;
    kern->split[PH_QUANT_IQ4_NL] = avx2_split_iq4_nl;
    kern->split[PH_QUANT_Q2_K] = avx2_split_q2_k;
    kern->split[PH_QUANT_Q3_K] = avx2_split_q3_k;
    kern->split[PH_QUANT_Q4_K] = avx2_split_q4_k;
    kern->split[PH_QUANT_Q5_K] = avx2_split_q5_k;
    kern->split[PH_QUANT_Q6_K] = avx2_split_q6_k;
    kern->split[PH_QUANT_IQ4_XS] = avx2_split_iq4_xs;
    kern->quantize_x = ph_avx2_quantize_x;
    kern->few = ph_avx2_few;
    ph_avx2_fill_panels(kern);
}
