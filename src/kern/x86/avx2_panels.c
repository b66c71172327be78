/* Many rows of activations with AVX2. Contract: kern/fast.h.
 *
 * Two kinds of panels, 16 rows of weights each, 6 rows of x at a time:
 *
 * Bytes, where the format's numbers are small whole ones. They are multiplied as they are,
 * unsigned, without scale or offset: vpmaddubsw makes 32 products where vpmaddwd makes 16, and its
 * sums stay in 16 bits for as many steps as they fit; then vpmaddwd multiplies them with the
 * integer scale of the sub-block and adds them up in 32 bits. What the format subtracts from its
 * numbers is subtracted as a product with the sums of x. Bound: a step adds two products to a
 * 16-bit sum, at most 2 * 127 * quantum. Numbers of 4 bits 8 steps: 30,480; 5 bits 4 steps: 31,496;
 * 6 bits 2 steps: 32,004; 2 and 3 bits 4 steps: 7,112. All are below 2^15. Times a scale (at most
 * 128) in pairs and summed over 256 numbers they are below 2^15 * 2 * 128 * 32 = 2^28; the offsets
 * are at most 4096 * 127 * 256 < 2^27.
 *
 * Words of 16 bits for formats that use the whole range of a byte: vpmaddwd, all sums in 32 bits.
 */
#include <immintrin.h>
#include <string.h>

#include "kern/x86/avx2_fast.h"
#include "kern/x86/avx2_panels.h"
#include "kern/x86/each_tile.h"

#define INLINE static inline __attribute__((always_inline))
#define TILE_M 6 /* rows of x: 12 sums, 2 of weights, 1 of x, 1 product */
#define STEPS  8 /* vectors of four numbers in 32 */

/* What a multiplication has to know of a format. */
typedef struct shape {
    int fold;    /* steps whose sums fit 16 bits */
    int sub;     /* numbers that share a scale: 16 or 32; 0: there are none */
    int offset;  /* groups of 32: subtracted from every number */
    bool starts; /* `min` holds -offset * scale of each 16 numbers, which sums begin with */
    int min;     /* `min` holds mins of each 16 or 32 numbers; 1: groups of 32, min is 1 */
} shape;

INLINE __m256i load(const void *p)
{
    return _mm256_load_si256((const __m256i *)p);
}

/* s0 and s1 += products of four numbers of x with two vectors of quads of weights. As assembly,
 * since gcc, left to order loads and products by itself, throws the sums of the loop into memory.
 */
INLINE void multiply_quads(__m256i *s0, __m256i *s1, const int8_t *x, __m256i w0, __m256i w1)
{
    __m256i a, b;
    __asm__("vpbroadcastd %[x], %[a]\n\t"
            "vpmaddubsw %[a], %[w0], %[b]\n\t"
            "vpmaddubsw %[a], %[w1], %[a]\n\t"
            "vpaddw %[b], %[s0], %[s0]\n\t"
            "vpaddw %[a], %[s1], %[s1]"
            : [s0] "+x"(*s0), [s1] "+x"(*s1), [a] "=&x"(a), [b] "=&x"(b)
            : [x] "m"(*(const int8_t(*)[4])x), [w0] "x"(w0), [w1] "x"(w1));
}

/* The first of a sum. */
INLINE void begin_quads(__m256i *s0, __m256i *s1, const int8_t *x, __m256i w0, __m256i w1)
{
    __asm__("vpbroadcastd %[x], %[s1]\n\t"
            "vpmaddubsw %[s1], %[w0], %[s0]\n\t"
            "vpmaddubsw %[s1], %[w1], %[s1]"
            : [s0] "=&x"(*s0), [s1] "=&x"(*s1)
            : [x] "m"(*(const int8_t(*)[4])x), [w0] "x"(w0), [w1] "x"(w1));
}

INLINE void multiply_pairs(__m256i *s0, __m256i *s1, const int16_t *x, __m256i w0, __m256i w1)
{
    __m256i a, b;
    __asm__("vpbroadcastd %[x], %[a]\n\t"
            "vpmaddwd %[w0], %[a], %[b]\n\t"
            "vpmaddwd %[w1], %[a], %[a]\n\t"
            "vpaddd %[b], %[s0], %[s0]\n\t"
            "vpaddd %[a], %[s1], %[s1]"
            : [s0] "+x"(*s0), [s1] "+x"(*s1), [a] "=&x"(a), [b] "=&x"(b)
            : [x] "m"(*(const int16_t(*)[2])x), [w0] "x"(w0), [w1] "x"(w1));
}

INLINE void begin_pairs(__m256i *s0, __m256i *s1, const int16_t *x, __m256i w0, __m256i w1)
{
    __asm__("vpbroadcastd %[x], %[s1]\n\t"
            "vpmaddwd %[w0], %[s1], %[s0]\n\t"
            "vpmaddwd %[w1], %[s1], %[s1]"
            : [s0] "=&x"(*s0), [s1] "=&x"(*s1)
            : [x] "m"(*(const int16_t(*)[2])x), [w0] "x"(w0), [w1] "x"(w1));
}

/* Sums of 16 bits of `fold` steps, from q and x on. */
INLINE void sum_bytes(__m256i s[TILE_M][2], const unsigned char (*q)[PANEL_ROWS][4],
                      const int8_t *x, const int m, const int fold)
{
    __m256i w0 = load(q[0][0]), w1 = load(q[0][8]);
#pragma GCC unroll 6
    for (int i = 0; i < m; i++) {
        begin_quads(&s[i][0], &s[i][1], x + i * PH_FAST_DEPTH, w0, w1);
    }
#pragma GCC unroll 8
    for (int t = 1; t < fold; t++) {
        w0 = load(q[t][0]);
        w1 = load(q[t][8]);
#pragma GCC unroll 6
        for (int i = 0; i < m; i++) {
            multiply_quads(&s[i][0], &s[i][1], x + i * PH_FAST_DEPTH + 4 * t, w0, w1);
        }
    }
}

/* Sums of 32 bits of 16 pairs, from w and x on. */
INLINE void sum_words(__m256i s[TILE_M][2], const int16_t (*w)[PANEL_ROWS][2], const int16_t *x,
                      const int m, const bool first)
{
#pragma GCC unroll 16
    for (int p = 0; p < 16; p++) {
        __m256i w0 = load(w[p][0]), w1 = load(w[p][8]);
#pragma GCC unroll 6
        for (int i = 0; i < m; i++) {
            const int16_t *at = x + i * PH_FAST_DEPTH + 2 * p;
            if (first && p == 0) {
                begin_pairs(&s[i][0], &s[i][1], at, w0, w1);
            } else {
                multiply_pairs(&s[i][0], &s[i][1], at, w0, w1);
            }
        }
    }
}

/* s[i] = sum over n pairs of mins and of numbers of x's row i, rows ldx apart. */
INLINE void sum_mins(__m256i s[TILE_M][2], const int16_t (*min)[PANEL_ROWS][2], const int16_t *x,
                     size_t ldx, const int m, const int n)
{
#pragma GCC unroll 8
    for (int p = 0; p < n; p++) {
        __m256i w0 = load(min[p][0]), w1 = load(min[p][8]);
#pragma GCC unroll 6
        for (int i = 0; i < m; i++) {
            const int16_t *at = x + (size_t)i * ldx + 2 * p;
            if (p == 0) {
                begin_pairs(&s[i][0], &s[i][1], at, w0, w1);
            } else {
                multiply_pairs(&s[i][0], &s[i][1], at, w0, w1);
            }
        }
    }
}

/* y[i] += sums * d * scale of x; or -= , with mins. */
INLINE void add_group(float *y, __m256i s[TILE_M][2], const float *d, const float *scale,
                      const int m, const bool minus)
{
#pragma GCC unroll 6
    for (int i = 0; i < m; i++) {
        __m256 dx = _mm256_broadcast_ss(scale + i * PH_FAST_GROUPS);
#pragma GCC unroll 2
        for (int v = 0; v < 2; v++) {
            float *at = y + i * PANEL_ROWS + 8 * v;
            __m256 by = _mm256_mul_ps(_mm256_load_ps(d + 8 * v), dx);
            __m256 sum = _mm256_cvtepi32_ps(s[i][v]), old = _mm256_load_ps(at);
            _mm256_store_ps(at,
                            minus ? _mm256_fnmadd_ps(sum, by, old) : _mm256_fmadd_ps(sum, by, old));
        }
    }
}

/* Rows row .. row + m - 1 of a tile with groups of 256. */
INLINE void bytes_256(const ph_panel_tile *t, size_t row, const int m, const shape f)
{
    const byte_panel *panel = t->panel;
    const int8_t *x = t->q8 + row * PH_FAST_DEPTH;
    const int16_t *sums = t->sums + row * PH_FAST_SUBS;
    const float *scale = t->scale + row * PH_FAST_GROUPS;
    float *y = t->y + row * PANEL_ROWS;
    __m256i s[TILE_M][2], all[TILE_M][2];
    if (f.starts) {
        sum_mins(all, panel->min, sums, PH_FAST_SUBS, m, PH_FAST_SUBS / 2);
    } else {
#pragma GCC unroll 6
        for (int i = 0; i < m; i++) {
            all[i][0] = all[i][1] = _mm256_setzero_si256();
        }
    }
    const int folds = f.sub / 4 / f.fold; /* of a scale */
    for (int b = 0; b < PH_FAST_DEPTH / f.sub; b++) {
#pragma GCC unroll 2
        for (int h = 0; h < folds; h++) {
            int step = (b * folds + h) * f.fold;
            sum_bytes(s, panel->q.v + step, x + 4 * step, m, f.fold);
#pragma GCC unroll 6
            for (int i = 0; i < m; i++) {
#pragma GCC unroll 2
                for (int v = 0; v < 2; v++) {
                    __m256i p = _mm256_madd_epi16(s[i][v], load(panel->scale[b][8 * v]));
                    all[i][v] = _mm256_add_epi32(all[i][v], p);
                }
            }
        }
    }
    add_group(y, all, panel->d[0], scale, m, false);
    if (f.min == 16) {
        sum_mins(s, panel->min, sums, PH_FAST_SUBS, m, PH_FAST_SUBS / 2);
        add_group(y, s, panel->dmin[0], scale, m, true);
    } else if (f.min == 32) {
        int16_t twice[TILE_M][8];
#pragma GCC unroll 6
        for (int i = 0; i < m; i++) {
            const void *from = sums + i * PH_FAST_SUBS;
            __m256i both = _mm256_loadu_si256((const __m256i *)from);
            __m128i of_32 =
                _mm_hadd_epi16(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
            _mm_storeu_si128((__m128i *)(void *)twice[i], of_32);
        }
        sum_mins(s, panel->min, twice[0], 8, m, PH_FAST_SUBS / 4);
        add_group(y, s, panel->dmin[0], scale, m, true);
    }
}

/* The same with groups of 32. */
INLINE void bytes_32(const ph_panel_tile *t, size_t row, const int m, const shape f)
{
    const byte_panel *panel = t->panel;
    const int8_t *x = t->q8 + row * PH_FAST_DEPTH;
    const float *scale = t->scale + row * PH_FAST_GROUPS;
    float *y = t->y + row * PANEL_ROWS;
    int32_t sums[TILE_M][PH_FAST_GROUPS]; /* of 32 numbers, times -offset or 1 */
    const __m256i ones = _mm256_set1_epi16(1);
    const __m256i factor = _mm256_set1_epi16((short)(f.min ? 1 : -f.offset));
    const int folds = STEPS / f.fold; /* of a group */
#pragma GCC unroll 6
    for (int i = 0; i < m; i++) {
        const void *from = t->sums + (row + (size_t)i) * PH_FAST_SUBS;
        __m256i both = _mm256_madd_epi16(_mm256_loadu_si256((const __m256i *)from), factor);
        _mm256_storeu_si256((__m256i *)(void *)sums[i], both);
    }
    for (size_t g = 0; g < t->k / 32; g++) {
        __m256i s[TILE_M][2], all[TILE_M][2];
#pragma GCC unroll 2
        for (int h = 0; h < folds; h++) {
            size_t step = g * STEPS + (size_t)(h * f.fold);
            sum_bytes(s, panel->q.v + step, x + 4 * step, m, f.fold);
#pragma GCC unroll 6
            for (int i = 0; i < m; i++) {
#pragma GCC unroll 2
                for (int v = 0; v < 2; v++) {
                    __m256i p = _mm256_madd_epi16(s[i][v], ones);
                    __m256i old = h > 0   ? all[i][v]
                                  : f.min ? _mm256_setzero_si256()
                                          : _mm256_set1_epi32(sums[i][g]);
                    all[i][v] = _mm256_add_epi32(old, p);
                }
            }
        }
        add_group(y, all, panel->d[g], scale + g, m, false);
        if (f.min) {
#pragma GCC unroll 6
            for (int i = 0; i < m; i++) {
                s[i][0] = s[i][1] = _mm256_set1_epi32(sums[i][g]);
            }
            add_group(y, s, panel->dmin[g], scale + g, m, true);
        }
    }
}

/* Groups of 256 are summed as a whole, which those of 32 are not. */
INLINE void words_at(const ph_panel_tile *t, size_t row, const int m, const size_t group)
{
    const word_panel *panel = t->panel;
    const int16_t *x = t->q + row * PH_FAST_DEPTH;
    float *y = t->y + row * PANEL_ROWS;
    for (size_t g = 0; g < t->k / group; g++) {
        __m256i s[TILE_M][2];
        sum_words(s, panel->w + g * group / 2, x + g * group, m, true);
        for (size_t p = 16; p < group / 2; p += 16) {
            sum_words(s, panel->w + p, x + 2 * p, m, false);
        }
        add_group(y, s, panel->d[g], t->scale + row * PH_FAST_GROUPS + g, m, false);
    }
}

#define BYTES_MULTIPLY(name, at, ...)                                                              \
    static void multiply_##name(const ph_panel_tile *t)                                            \
    {                                                                                              \
        const shape f = {__VA_ARGS__};                                                             \
        PH_EACH_TILE(6, at, t, f);                                                                 \
    }
BYTES_MULTIPLY(q4_0, bytes_32, .fold = 8, .offset = 8)
BYTES_MULTIPLY(q4_1, bytes_32, .fold = 8, .min = 1)
BYTES_MULTIPLY(q5_0, bytes_32, .fold = 4, .offset = 16)
BYTES_MULTIPLY(q5_1, bytes_32, .fold = 4, .min = 1)
BYTES_MULTIPLY(q2_k, bytes_256, .fold = 4, .sub = 16, .min = 16)
BYTES_MULTIPLY(q3_k, bytes_256, .fold = 4, .sub = 16, .starts = true)
BYTES_MULTIPLY(q4_k, bytes_256, .fold = 8, .sub = 32, .min = 32)
BYTES_MULTIPLY(q5_k, bytes_256, .fold = 4, .sub = 32, .min = 32)
BYTES_MULTIPLY(q6_k, bytes_256, .fold = 2, .sub = 16, .starts = true)

static void multiply_words_32(const ph_panel_tile *t)
{
    PH_EACH_TILE(6, words_at, t, 32);
}

static void multiply_words_256(const ph_panel_tile *t)
{
    PH_EACH_TILE(6, words_at, t, PH_FAST_DEPTH);
}

#define BYTES(name)                                                                                \
    {                                                                                              \
        PANEL_ROWS, sizeof(byte_panel), 0, false, ph_avx2_pack_##name, multiply_##name             \
    }

#define WORDS(name, group)                                                                         \
    {                                                                                              \
        PANEL_ROWS, sizeof(word_panel), 0, false, ph_avx2_pack_##name, multiply_words_##group      \
    }

static const ph_panel_kind kinds[PH_N_QUANT] = {
    [PH_QUANT_Q8_0] = WORDS(q8_0, 32),
    [PH_QUANT_Q4_0] = BYTES(q4_0),
    [PH_QUANT_Q4_1] = BYTES(q4_1),
    [PH_QUANT_Q5_0] = BYTES(q5_0),
    [PH_QUANT_Q5_1] = BYTES(q5_1),
    [PH_QUANT_Q2_K] = BYTES(q2_k),
    [PH_QUANT_Q3_K] = BYTES(q3_k),
    [PH_QUANT_Q4_K] = BYTES(q4_k),
    [PH_QUANT_Q5_K] = BYTES(q5_k),
    [PH_QUANT_Q6_K] = BYTES(q6_k),
    [PH_QUANT_IQ4_NL] = WORDS(iq4_nl, 32),
    [PH_QUANT_IQ4_XS] = WORDS(iq4_xs, 256),
};

void ph_avx2_fill_panels(ph_kern *kern)
{
    for (int i = 0; i < PH_N_QUANT; i++) {
        if (kinds[i].rows != 0) {
            kern->panels[i] = &kinds[i];
        }
    }
    /* Where dots over several rounds are faster for longer: measured. */
    kern->panels_from[PH_QUANT_Q8_0] = 9;
    kern->panels_from[PH_QUANT_IQ4_NL] = 9;
    kern->panels_from[PH_QUANT_Q6_K] = 13;
}
