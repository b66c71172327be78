/* AVX-512 intrinsics: the compiler's, or, for tests on CPUs without them (PH_EMULATE_AVX512),
 * SIMDe's on top of AVX2, completed by the few that Debian's SIMDe 0.7.4 lacks. The emulated table
 * is filled by a function of another name so that both can be in one program. */
#ifndef PH_KERN_X86_SIMD512_H
#define PH_KERN_X86_SIMD512_H

#if !defined(PH_EMULATE_AVX512)
#include <immintrin.h>
/* Keeps the compiler from moving what comes after before what gave v. */
#define PH_KEEP_512(v) __asm__("" : "+v"(v))
#else
#define PH_KEEP_512(v) ((void)(v))

#define SIMDE_NO_INLINE
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#include <immintrin.h>
#include <string.h>

#define ph_kern_fill_avx512     ph_kern_fill_avx512_emulated
#define ph_kern_fill_avx512vnni ph_kern_fill_avx512vnni_emulated

static inline __m512 emu_join(__m256 lo, __m256 hi)
{
    __m512 r;
    memcpy(&r, &lo, sizeof lo);
    memcpy((char *)&r + sizeof lo, &hi, sizeof hi);
    return r;
}

static inline __m256 emu_half(__m512 a, int which)
{
    __m256 r;
    memcpy(&r, (const char *)&a + (which ? sizeof r : 0), sizeof r);
    return r;
}

static inline __m512 emu_loadu(__mmask16 mask, const float *p)
{
    float lanes[16];
    for (int l = 0; l < 16; l++) {
        lanes[l] = mask >> l & 1 ? p[l] : 0.0f;
    }
    return emu_join(_mm256_loadu_ps(lanes), _mm256_loadu_ps(lanes + 8));
}

static inline void emu_storeu(float *p, __mmask16 mask, __m512 a)
{
    float lanes[16];
    memcpy(lanes, &a, sizeof lanes);
    for (int l = 0; l < 16; l++) {
        if (mask >> l & 1) {
            p[l] = lanes[l];
        }
    }
}

static inline __m256i emu_bits(__m512i a, int which)
{
    __m256i r;
    memcpy(&r, (const char *)&a + (which ? sizeof r : 0), sizeof r);
    return r;
}

static inline __m512i emu_join_bits(__m256i lo, __m256i hi)
{
    __m512i r;
    memcpy(&r, &lo, sizeof lo);
    memcpy((char *)&r + sizeof lo, &hi, sizeof hi);
    return r;
}

static inline __m256 emu_scale(__m256 a, __m256 n)
{
    __m256i i = _mm256_cvtps_epi32(n);
    __m256i half = _mm256_srai_epi32(i, 1);
    __m256i bias = _mm256_set1_epi32(127);
    __m256i low = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    __m256i high = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(i, half), bias), 23);
    return _mm256_mul_ps(_mm256_mul_ps(a, _mm256_castsi256_ps(low)), _mm256_castsi256_ps(high));
}

#undef _mm512_maskz_loadu_ps
#undef _mm512_mask_storeu_ps
#undef _mm512_cvtph_ps
#undef _mm512_cvtps_ph
#undef _mm512_cvtepu16_epi32
#undef _mm512_cvtepi8_epi32
#undef _mm512_cvtepi32_ps
#undef _mm512_extractf32x8_ps
#undef _mm512_scalef_ps
#undef _mm512_madd_epi16
#undef _mm512_srai_epi32
#define _mm512_madd_epi16(a, b) simde_mm512_madd_epi16(a, b)
#define _mm512_srai_epi32(a, n)                                                                    \
    emu_join_bits(_mm256_srai_epi32(emu_bits(a, 0), n), _mm256_srai_epi32(emu_bits(a, 1), n))
#define _mm512_maskz_loadu_ps(mask, p)    emu_loadu(mask, p)
#define _mm512_mask_storeu_ps(p, mask, a) emu_storeu(p, mask, a)
#define _mm512_extractf32x8_ps(a, which)  emu_half(a, which)
#define _mm512_cvtph_ps(h)                                                                         \
    emu_join(_mm256_cvtph_ps(_mm256_castsi256_si128(h)),                                           \
             _mm256_cvtph_ps(_mm256_extracti128_si256(h, 1)))
#define _mm512_cvtps_ph(a, mode)                                                                   \
    _mm256_set_m128i(_mm256_cvtps_ph(emu_half(a, 1), _MM_FROUND_TO_NEAREST_INT),                   \
                     _mm256_cvtps_ph(emu_half(a, 0), _MM_FROUND_TO_NEAREST_INT))
#define _mm512_cvtepu16_epi32(h)                                                                   \
    emu_join_bits(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(h)),                                \
                  _mm256_cvtepu16_epi32(_mm256_extracti128_si256(h, 1)))
#define _mm512_cvtepi8_epi32(b)                                                                    \
    emu_join_bits(_mm256_cvtepi8_epi32(b), _mm256_cvtepi8_epi32(_mm_srli_si128(b, 8)))
#define _mm512_cvtepi32_ps(i)                                                                      \
    emu_join(_mm256_cvtepi32_ps(emu_bits(i, 0)), _mm256_cvtepi32_ps(emu_bits(i, 1)))
#define _mm512_scalef_ps(a, n)                                                                     \
    emu_join(emu_scale(emu_half(a, 0), emu_half(n, 0)), emu_scale(emu_half(a, 1), emu_half(n, 1)))

#endif
#endif
