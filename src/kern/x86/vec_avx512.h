/* AVX-512 (F, BW, DQ, VL) under the names of kern/vec/vec.h: 16 lanes, 32 registers. */
#ifndef PH_KERN_X86_VEC_AVX512_H
#define PH_KERN_X86_VEC_AVX512_H

#include "kern/x86/simd512.h"

#include <stdint.h>
#include <string.h>

#define VL           16
#define VEC_TILE_M   6 /* 24 sums, 6 activations, 1 weight */
#define VEC_TILE_N   4
#define VEC_WIDE_M   6 /* 24 sums, 2 of weights, activations from memory */
#define VEC_WIDE_N   2
#define VEC_ATTN_M   6 /* 24 sums, 4 of keys or values, 1 of the query */
#define VEC_ATTN_N   4
#define VEC_ATTN_ONE 4
#define VEC_GEMV_ASK 1

typedef __m512 vf;

static inline vf vf_zero(void)
{
    return _mm512_setzero_ps();
}

static inline vf vf_set1(float x)
{
    return _mm512_set1_ps(x);
}

static inline vf vf_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static inline void vf_store(float *p, vf a)
{
    _mm512_storeu_ps(p, a);
}

static inline __mmask16 lanes_below(size_t n)
{
    return (__mmask16)((1u << n) - 1u);
}

/* First n lanes, n <= VL; the others are zero and their memory is not touched. */
static inline vf vf_load_n(const float *p, size_t n)
{
    return _mm512_maskz_loadu_ps(lanes_below(n), p);
}

static inline void vf_store_n(float *p, vf a, size_t n)
{
    _mm512_mask_storeu_ps(p, lanes_below(n), a);
}

static inline vf vf_keep(vf a, size_t n)
{
    return _mm512_maskz_mov_ps(lanes_below(n), a);
}

static inline vf vf_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}

static inline vf vf_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}

static inline vf vf_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}

static inline vf vf_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}

/* a * b + c, rounded once */
static inline vf vf_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}

/* b where either is NaN */
static inline vf vf_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}

static inline vf vf_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}

/* a * 2^n, n whole */
static inline vf vf_scale(vf a, vf n)
{
    return _mm512_scalef_ps(a, n);
}

static inline vf vf_from_f16(const void *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

static inline void vf_to_f16(void *p, vf a)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}

static inline vf vf_from_bf16(const void *p)
{
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

static inline vf vf_from_i8(const void *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}

static inline float f16_scalar(const void *p)
{
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return _cvtsh_ss(h);
}

static inline __m256 fold(vf a)
{
    return _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
}

/* Four numbers. */
typedef __m128 vq;

static inline vq vq_load(const float *p)
{
    return _mm_loadu_ps(p);
}

static inline void vq_store(float *p, vq a)
{
    _mm_storeu_ps(p, a);
}

static inline vq vq_add(vq a, vq b)
{
    return _mm_add_ps(a, b);
}

/* Rows become columns. */
static inline void vq_turn4(vq r[4])
{
    _MM_TRANSPOSE4_PS(r[0], r[1], r[2], r[3]);
}

/* Sums of the lanes of a, b, c, d by halving. */
static inline vq vf_sum4(vf a, vf b, vf c, vf d)
{
    __m256 a8 = fold(a), b8 = fold(b), c8 = fold(c), d8 = fold(d);
    __m256 ab =
        _mm256_add_ps(_mm256_permute2f128_ps(a8, b8, 0x20), _mm256_permute2f128_ps(a8, b8, 0x31));
    __m256 cd =
        _mm256_add_ps(_mm256_permute2f128_ps(c8, d8, 0x20), _mm256_permute2f128_ps(c8, d8, 0x31));
    __m256d abd = _mm256_castps_pd(ab);
    __m256d cdd = _mm256_castps_pd(cd);
    __m256 pairs = _mm256_add_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(abd, cdd)),
                                 _mm256_castpd_ps(_mm256_unpackhi_pd(abd, cdd)));
    __m256 sums = _mm256_add_ps(pairs, _mm256_shuffle_ps(pairs, pairs, 0xb1));
    /* lanes: a a c c | b b d d */
    __m128 ac = _mm256_castps256_ps128(sums);
    __m128 bd = _mm256_extractf128_ps(sums, 1);
    return _mm_blend_ps(ac, bd, 0xa);
}

/* Sum of the lanes by halving. */
static inline float vf_sum(vf a)
{
    __m256 h = fold(a);
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

static inline float vf_largest(vf a)
{
    __m256 h = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

#endif
