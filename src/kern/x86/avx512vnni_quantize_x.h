/* Activations rounded to bytes, AVX-512 with VNNI. Contract: ph_quantize_x_fn in kern/fast.h. A
 * whole step at once: its groups' largest magnitudes, and the sums of all sub-blocks. */
#ifndef PH_KERN_X86_AVX512VNNI_QUANTIZE_X_H
#define PH_KERN_X86_AVX512VNNI_QUANTIZE_X_H

#include "kern/x86/simd512.h"

#include "kern/x86/avx2_fast.h"
#include "kern/x86/avx512vnni_dots.h"

#define VQ_INLINE   static inline __attribute__((always_inline))
#define VQ_VECS     (PH_FAST_DEPTH / 16)
#define VQ_MIN_LIVE 1e-30f

/* Lanes of the largest of 32 numbers each, as integers, so that NaN is above all. */
VQ_INLINE __m256i vq_largest_of_32(const float *x)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    __m512i a = _mm512_and_si512(_mm512_loadu_si512(x), magnitude);
    __m512i b = _mm512_and_si512(_mm512_loadu_si512(x + 16), magnitude);
    __m512i most = _mm512_max_epi32(a, b);
    return _mm256_max_epi32(_mm512_castsi512_si256(most), _mm512_extracti64x4_epi64(most, 1));
}

VQ_INLINE __m256i vq_pair(__m256i a, __m256i b)
{
    return _mm256_max_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
}

VQ_INLINE __m256i vq_pairs(__m256i a, __m256i b)
{
    return _mm256_max_epi32(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
}

/* Largest magnitudes of the eight groups of 32. */
VQ_INLINE __m256i vq_largest(const float *x)
{
    __m256i m[8];
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++) {
        m[g] = vq_largest_of_32(x + 32 * g);
    }
    __m256i low = vq_pairs(vq_pair(m[0], m[1]), vq_pair(m[2], m[3]));
    __m256i high = vq_pairs(vq_pair(m[4], m[5]), vq_pair(m[6], m[7]));
    return _mm256_max_epi32(_mm256_permute2x128_si256(low, high, 0x20),
                            _mm256_permute2x128_si256(low, high, 0x31));
}

/* The largest of eight in all lanes. */
VQ_INLINE __m256i vq_all(__m256i v)
{
    v = _mm256_max_epi32(v, _mm256_permute2x128_si256(v, v, 1));
    v = _mm256_max_epi32(v, _mm256_shuffle_epi32(v, 0x4e));
    return _mm256_max_epi32(v, _mm256_shuffle_epi32(v, 0xb1));
}

VQ_INLINE __m512i vq_round(const float *x, __m512 inverse)
{
    __m512 v = _mm512_mul_ps(_mm512_loadu_ps(x), inverse);
    v = _mm512_max_ps(v, _mm512_set1_ps(-127.0f)); /* -127 where v is NaN */
    return _mm512_cvtps_epi32(_mm512_min_ps(v, _mm512_set1_ps(127.0f)));
}

static void vq_quantize_x(int16_t *q, int8_t *q8, float *scale, int16_t *sums, const float *x,
                          size_t n, size_t group)
{
    if (n != PH_FAST_DEPTH) {
        ph_avx2_quantize_x(q, q8, scale, sums, x, n, group);
        return;
    }
    const __m512i words = _mm512_set_epi64(7, 5, 3, 1, 6, 4, 2, 0);
    const __m512i quads = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    float inverse[PH_FAST_GROUPS];
    __m256i largest = vq_largest(x);
    largest = group == PH_FAST_DEPTH ? vq_all(largest) : largest;
    __m256 amax = _mm256_castsi256_ps(largest), most = _mm256_set1_ps(127.0f);
    __m256 live = _mm256_cmp_ps(amax, _mm256_set1_ps(VQ_MIN_LIVE), _CMP_GE_OQ);
    _mm256_storeu_ps(inverse, _mm256_and_ps(_mm256_div_ps(most, amax), live));
    if (group == PH_FAST_DEPTH) {
        scale[0] = _mm256_cvtss_f32(_mm256_div_ps(amax, most));
    } else {
        _mm256_storeu_ps(scale, _mm256_div_ps(amax, most));
    }
    __m512i of_4[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) { /* 64 numbers */
        __m512 first = _mm512_set1_ps(inverse[2 * i]), second = _mm512_set1_ps(inverse[2 * i + 1]);
        const float *at = x + 64 * i;
        __m512i a = _mm512_packs_epi32(vq_round(at, first), vq_round(at + 16, first));
        __m512i b = _mm512_packs_epi32(vq_round(at + 32, second), vq_round(at + 48, second));
        __m512i bytes = _mm512_permutexvar_epi32(quads, _mm512_packs_epi16(a, b));
        _mm512_storeu_si512(q + 64 * i, _mm512_permutexvar_epi64(words, a));
        _mm512_storeu_si512(q + 64 * i + 32, _mm512_permutexvar_epi64(words, b));
        _mm512_storeu_si512(q8 + 64 * i, bytes);
        of_4[i] = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), bytes);
    }
    __m512i all = _mm512_permutexvar_epi32(quads, vnni_sum_16(of_4));
    __m256i packed = _mm256_packs_epi32(_mm512_castsi512_si256(all),
                                        _mm512_extracti64x4_epi64(all, 1));
    _mm256_storeu_si256((__m256i *)(void *)sums, _mm256_permute4x64_epi64(packed, 0xd8));
}

#endif
