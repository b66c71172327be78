/* AVX-512 intrinsics: the compiler's, or, for tests on CPUs without them (PH_EMULATE_AVX512),
 * SIMDe's on top of AVX2, completed by the few that Debian's SIMDe 0.7.4 lacks. The emulated table
 * is filled by a function of another name so that both can be in one program. */
#ifndef PH_KERN_X86_SIMD512_H
#define PH_KERN_X86_SIMD512_H

#if !defined(PH_EMULATE_AVX512)
#include <immintrin.h>
/* Keeps the compiler from moving what comes after before what gave v. */
#define PH_KEEP_512(v)     __asm__("" : "+v"(v))
/* s += products of unsigned bytes of a with signed ones of b, four in each lane. As assembly: of
 * the intrinsic gcc 12 copies the sums to another register and back, each time. */
#define PH_DPBUSD(s, a, b) __asm__("vpdpbusd %2, %1, %0" : "+v"(s) : "v"(a), "v"(b))
#else
#define PH_KEEP_512(v)     ((void)(v))
#define PH_DPBUSD(s, a, b) ((s) = _mm512_dpbusd_epi32(s, a, b))

#define SIMDE_NO_INLINE
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define ph_kern_fill_avx512     ph_kern_fill_avx512_emulated
#define ph_kern_fill_avx512vnni ph_kern_fill_avx512vnni_emulated
#define ph_kern_fill_avx512bf16 ph_kern_fill_avx512bf16_emulated

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

/* Numbers below the normal ones as zeros of their sign: what the bf16 instructions do whatever the
 * control register says. */
static inline __m256 emu_normal(__m256 a)
{
    __m256 sign = _mm256_and_ps(a, _mm256_set1_ps(-0.0f));
    __m256 size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
    __m256 small = _mm256_cmp_ps(size, _mm256_set1_ps(0x1p-126f), _CMP_LT_OQ);
    return _mm256_blendv_ps(a, sign, small);
}

static inline __m256 emu_dot_half(__m256 s, __m256i a, __m256i b)
{
    const __m256i upper = _mm256_set1_epi32((int)0xffff0000u);
    __m256 a1 = _mm256_castsi256_ps(_mm256_and_si256(a, upper));
    __m256 b1 = _mm256_castsi256_ps(_mm256_and_si256(b, upper));
    __m256 a0 = _mm256_castsi256_ps(_mm256_slli_epi32(a, 16));
    __m256 b0 = _mm256_castsi256_ps(_mm256_slli_epi32(b, 16));
    s = emu_normal(_mm256_fmadd_ps(emu_normal(a1), emu_normal(b1), emu_normal(s)));
    return emu_normal(_mm256_fmadd_ps(emu_normal(a0), emu_normal(b0), s));
}

static inline __m512 emu_dpbf16(__m512 s, __m512i a, __m512i b)
{
    return emu_join(emu_dot_half(emu_half(s, 0), emu_bits(a, 0), emu_bits(b, 0)),
                    emu_dot_half(emu_half(s, 1), emu_bits(a, 1), emu_bits(b, 1)));
}

/* Low half from b. */
static inline __m512i emu_to_bf16(__m512 a, __m512 b)
{
    float in[32];
    uint16_t out[32];
    memcpy(in, &b, sizeof b);
    memcpy(in + 16, &a, sizeof a);
    for (int l = 0; l < 32; l++) {
        uint32_t u;
        memcpy(&u, &in[l], sizeof u);
        uint32_t size = u & 0x7fffffffu;
        uint32_t rounded = u + 0x7fffu + (u >> 16 & 1u);
        out[l] = (uint16_t)(size < 0x800000u     ? u >> 16 & 0x8000u
                            : size > 0x7f800000u ? u >> 16 | 0x40u
                                                 : rounded >> 16);
    }
    __m512i r;
    memcpy(&r, out, sizeof r);
    return r;
}

static inline __m512i emu_permute_16(__m512i index, __m512i a)
{
    uint16_t i[32], in[32], out[32];
    memcpy(i, &index, sizeof i);
    memcpy(in, &a, sizeof in);
    for (int l = 0; l < 32; l++) {
        out[l] = in[i[l] & 31];
    }
    __m512i r;
    memcpy(&r, out, sizeof r);
    return r;
}

#undef _mm512_permutexvar_epi16
#define _mm512_permutexvar_epi16(index, a) emu_permute_16(index, a)
#undef _mm512_dpbf16_ps
#undef _mm512_cvtne2ps_pbh
#define _mm512_dpbf16_ps(s, a, b) emu_dpbf16(s, (__m512i)(a), (__m512i)(b))
#define _mm512_cvtne2ps_pbh(a, b) emu_to_bf16(a, b)
#undef _mm512_maskz_loadu_ps
#undef _mm512_mask_storeu_ps
#undef _mm512_cvtph_ps
#undef _mm512_cvtps_ph
#undef _mm512_cvtepu16_epi32
#undef _mm512_cvtepi8_epi32
#undef _mm512_cvtepi32_ps
#undef _mm512_cvtps_epi32
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
#define _mm512_cvtps_epi32(a)                                                                      \
    emu_join_bits(_mm256_cvtps_epi32(emu_half(a, 0)), _mm256_cvtps_epi32(emu_half(a, 1)))
#define _mm512_scalef_ps(a, n)                                                                     \
    emu_join(emu_scale(emu_half(a, 0), emu_half(n, 0)), emu_scale(emu_half(a, 1), emu_half(n, 1)))

#endif
#endif
