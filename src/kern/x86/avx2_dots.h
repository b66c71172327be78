/* What the products of a few rows of activations straight from the file's layout share (AVX2).
 * Contract: ph_dots_fn in kern/fast.h.
 *
 * Weights become unsigned bytes in registers; vpmaddubsw multiplies them with signed bytes of x and
 * adds pairs in 16 bits: |w| <= 128 and |x| <= 127, so at most 2 * 128 * 127 = 32512. */
#ifndef PH_KERN_X86_AVX2_DOTS_H
#define PH_KERN_X86_AVX2_DOTS_H

#include <immintrin.h>
#include <string.h>

#include "base/mem.h"
#include "kern/kern.h"
#include "kern/x86/avx2_fast.h"

#if defined(PH_EMULATE_AVX512) /* for tests: all of it inlined takes the compiler minutes */
#define DOTS_INLINE static inline
#else
#define DOTS_INLINE static inline __attribute__((always_inline))
#endif

void ph_avx2_fill_dots_32(ph_kern *kern);
void ph_avx2_fill_dots_256(ph_kern *kern);
void ph_avx2_fill_dots_lanes(ph_kern *kern);

/* Defines the function NAME for one format: rows(f, j, m, form) for every `per` rows of weights,
 * with a constant m. The last rows are taken together with some that were done before, which gives
 * the same again; fewer than `per` are left to the weaker kernel. The other arguments are the
 * form's. */
#define DOTS_EACH(f, per, rows, m, form)                                                           \
    for (size_t j = 0; j < (f)->n; j += (per)) {                                                   \
        rows(f, j + (per) <= (f)->n ? j : (f)->n - (per), m, form);                                \
    }
#define DOTS_DEFINE(name, per, rows, form_type, ...)                                               \
    static void name(const ph_few *f)                                                              \
    {                                                                                              \
        const form_type form = {__VA_ARGS__};                                                      \
        if (f->n < (per)) {                                                                        \
            ph_avx2_few(f);                                                                        \
        } else if (f->m == 1) {                                                                    \
            DOTS_EACH(f, per, rows, 1, form)                                                       \
        } else if (f->m == 2) {                                                                    \
            DOTS_EACH(f, per, rows, 2, form)                                                       \
        } else if (f->m == 3) {                                                                    \
            DOTS_EACH(f, per, rows, 3, form)                                                       \
        } else {                                                                                   \
            DOTS_EACH(f, per, rows, 4, form)                                                       \
        }                                                                                          \
    }

DOTS_INLINE __m256i dots_load(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

DOTS_INLINE __m128i dots_load_16(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

/* The same 16 bytes in both halves. */
DOTS_INLINE __m256i dots_twice(const void *p)
{
    return _mm256_broadcastsi128_si256(dots_load_16(p));
}

DOTS_INLINE int dots_u16(const unsigned char *p)
{
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return h;
}

/* Four f16 numbers that lie row_bytes apart. */
DOTS_INLINE __m128i dots_f16_4(const unsigned char *p, size_t row_bytes)
{
    __m128i v = _mm_cvtsi32_si128(dots_u16(p));
    v = _mm_insert_epi16(v, dots_u16(p + row_bytes), 1);
    v = _mm_insert_epi16(v, dots_u16(p + 2 * row_bytes), 2);
    return _mm_insert_epi16(v, dots_u16(p + 3 * row_bytes), 3);
}

/* The same of eight rows. */
DOTS_INLINE __m256 dots_scales_8(const unsigned char *p, size_t row_bytes)
{
    return _mm256_cvtph_ps(
        _mm_unpacklo_epi64(dots_f16_4(p, row_bytes), dots_f16_4(p + 4 * row_bytes, row_bytes)));
}

/* 16 bytes each of two rows. */
DOTS_INLINE __m256i dots_of_two(const unsigned char *a, const unsigned char *b)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(dots_load_16(a)), dots_load_16(b), 1);
}

/* Asks memory for what the next rows need, a little at each step: as many requests at once as these
 * rows would need wait for each other. */
DOTS_INLINE void dots_ask(const unsigned char *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += PH_CACHE_LINE) {
        _mm_prefetch((const char *)p + i, _MM_HINT_T0);
    }
}

/* The same for AVX2, into the second level and further ahead, which was measured to be faster: of
 * long rows the requests come to more than the first level holds. */
#define DOTS_LEAD 4096
DOTS_INLINE void dots_ask_far(const unsigned char *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += PH_CACHE_LINE) {
        _mm_prefetch((const char *)p + DOTS_LEAD + i, _MM_HINT_T1);
    }
}

#endif
