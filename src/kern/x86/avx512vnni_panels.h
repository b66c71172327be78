/* Many rows of activations with AVX-512 and VNNI. Contract: kern/fast.h. A panel is two of the byte
 * panels of AVX2 (avx2_panels.h), whose 16 rows are the lanes of one vector: vpdpbusd multiplies
 * four unsigned numbers of each row with four of x and adds them up in 32 bits. Two panels, because
 * a load of x then serves two products: Zen 5 makes two products a cycle and two loads. A sum
 * begins with -offset times the sum of x, so that the format's sign costs nothing; sub-blocks are
 * multiplied with their integer scale in 32 bits.
 *
 * Bounds: a sub-block's sum is at most 32 * 255 * 127 < 2^20 before and 32 * 128 * 127 < 2^19
 * behind its offset; times a scale (at most 128) and over 256 numbers below 2^29.
 */
#ifndef PH_KERN_X86_AVX512VNNI_PANELS_H
#define PH_KERN_X86_AVX512VNNI_PANELS_H

#include "kern/x86/simd512.h"

#include "base/mem.h"
#include "kern/kern.h"
#include "kern/x86/avx2_panels.h"
#include "kern/x86/avx512vnni_pack.h"
#include "kern/x86/each_tile.h"

#define VP_INLINE static inline __attribute__((always_inline))
#define VP_M      6 /* rows of x: 12 sums of sub-blocks, 12 of superblocks; see PH_EACH_TILE */
#define VP_N      2 /* vectors of rows of weights */
#define VP_ROWS   (VP_N * PANEL_ROWS)
#define VP_X_ROWS 192 /* the panel stays in the first-level cache, x comes from the second */

typedef struct vnni_panel {
    byte_panel of[VP_N];
} vnni_panel;

_Static_assert(sizeof(vnni_panel) <= VP_ROWS * PH_PANEL_ROW_BYTES, "a panel fits its room");

/* Of a format of superblocks. */
typedef struct vp_shape {
    int sub;     /* numbers that share a scale: 16 or 32 */
    bool signs;  /* it has an offset */
    int min_sub; /* numbers that share a min; 0: there are none */
} vp_shape;

VP_INLINE __m512i vp_all_of(const void *p)
{
    int32_t four;
    memcpy(&four, p, sizeof four);
    return _mm512_set1_epi32(four);
}

VP_INLINE __m512i vp_load(const void *p)
{
    return _mm512_loadu_si512(p);
}

/* Part `part` of `parts` of what the tile is to ask for: m rows from `row` on for their share. */
VP_INLINE void vp_ask(const ph_panel_tile *t, size_t row, size_t m, size_t part, const size_t parts)
{
    size_t share = t->m * parts, at = row * parts + m * part;
    size_t i = t->n_ask * at / share, end = t->n_ask * (at + m) / share;
    for (; i < end; i++) {
        _mm_prefetch((const char *)t->ask + i * PH_CACHE_LINE, _MM_HINT_T1);
    }
}

VP_INLINE void vp_start(__m512i s[VP_M][VP_N], const int m)
{
#pragma GCC unroll 8
    for (int i = 0; i < m; i++) {
        s[i][0] = s[i][1] = _mm512_setzero_si512();
    }
}

/* s[i] += products of n quads from the first on, x from there on. */
VP_INLINE void vp_multiply(__m512i s[VP_M][VP_N], const vnni_panel *panel, size_t first,
                           const int8_t *x, const int m, const int n)
{
#pragma GCC unroll 8
    for (int t = 0; t < n; t++) {
        __m512i a = vp_load(panel->of[0].q.v[first + (size_t)t]);
        __m512i b = vp_load(panel->of[1].q.v[first + (size_t)t]);
#pragma GCC unroll 8
        for (int i = 0; i < m; i++) {
            __m512i four = vp_all_of(x + i * PH_FAST_DEPTH + 4 * t);
            s[i][0] = _mm512_dpbusd_epi32(s[i][0], a, four);
            s[i][1] = _mm512_dpbusd_epi32(s[i][1], b, four);
        }
    }
}

VP_INLINE __m512 vp_fma(__m512i s, __m512 d, float scale, __m512 y, const bool minus)
{
    __m512 by = _mm512_mul_ps(d, _mm512_set1_ps(scale)), sum = _mm512_cvtepi32_ps(s);
    return minus ? _mm512_fnmadd_ps(sum, by, y) : _mm512_fmadd_ps(sum, by, y);
}

/* y += sums * d * scale of x; or -=, with mins. */
VP_INLINE void vp_add(float *y, __m512i s[VP_M][VP_N], const vnni_panel *panel, const float *scale,
                      const int m, const bool mins)
{
#pragma GCC unroll 2
    for (int v = 0; v < VP_N; v++) {
        __m512 d = _mm512_loadu_ps(mins ? panel->of[v].dmin[0] : panel->of[v].d[0]);
#pragma GCC unroll 8
        for (int i = 0; i < m; i++) {
            float *at = y + i * VP_ROWS + v * PANEL_ROWS;
            _mm512_storeu_ps(
                at, vp_fma(s[i][v], d, scale[i * PH_FAST_GROUPS], _mm512_loadu_ps(at), mins));
        }
    }
}

/* Sums of 32 numbers of a row of x in one step, times `by`. */
VP_INLINE void vp_sums_of_32(int32_t out[PH_FAST_GROUPS], const int16_t *sums, int by)
{
    __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)sums);
    _mm256_storeu_si256((__m256i *)(void *)out, _mm256_madd_epi16(v, _mm256_set1_epi16((short)by)));
}

VP_INLINE void vp_sums_of_16(int32_t out[PH_FAST_SUBS], const int16_t *sums, int by)
{
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(sums + 8 * h));
        __m256i wide = _mm256_mullo_epi32(_mm256_cvtepi16_epi32(v), _mm256_set1_epi32(by));
        _mm256_storeu_si256((__m256i *)(void *)(out + 8 * h), wide);
    }
}

/* Mins times sums of x, of the superblock. */
VP_INLINE void vp_subtract_mins(float *y, const vnni_panel *panel, const int16_t *sums,
                                const float *scale, const int m, const int min_sub)
{
    int16_t of_32[VP_M][PH_FAST_GROUPS];
    __m512i s[VP_M][VP_N];
    vp_start(s, m);
#pragma GCC unroll 8
    for (int i = 0; i < m; i++) {
        const __m128i *from = (const __m128i *)(const void *)(sums + i * PH_FAST_SUBS);
        __m128i v = _mm_hadd_epi16(_mm_loadu_si128(from), _mm_loadu_si128(from + 1));
        _mm_storeu_si128((__m128i *)(void *)of_32[i], v);
    }
    const int n_pairs = PH_FAST_DEPTH / 2 / min_sub;
#pragma GCC unroll 8
    for (int p = 0; p < n_pairs; p++) {
        __m512i a = vp_load(panel->of[0].min[p]), b = vp_load(panel->of[1].min[p]);
#pragma GCC unroll 8
        for (int i = 0; i < m; i++) {
            const int16_t *at = min_sub == 32 ? &of_32[i][2 * p] : sums + i * PH_FAST_SUBS + 2 * p;
            __m512i two = vp_all_of(at);
            s[i][0] = _mm512_dpwssd_epi32(s[i][0], a, two);
            s[i][1] = _mm512_dpwssd_epi32(s[i][1], b, two);
        }
    }
    vp_add(y, s, panel, scale, m, true);
}

VP_INLINE void vp_256(const ph_panel_tile *t, size_t row, const int m, const vp_shape f, int offset)
{
    const vnni_panel *panel = t->panel;
    const int8_t *x = t->q8 + row * PH_FAST_DEPTH;
    const int16_t *sums = t->sums + row * PH_FAST_SUBS;
    const float *scale = t->scale + row * PH_FAST_GROUPS;
    float *y = t->y + row * VP_ROWS;
    int32_t starts[VP_M][PH_FAST_SUBS];
    __m512i s[VP_M][VP_N], all[VP_M][VP_N];
    vp_start(all, m);
#pragma GCC unroll 8
    for (int i = 0; i < m; i++) {
        if (f.signs && f.sub == 32) {
            vp_sums_of_32(starts[i], sums + i * PH_FAST_SUBS, -offset);
        } else if (f.signs) {
            vp_sums_of_16(starts[i], sums + i * PH_FAST_SUBS, -offset);
        }
    }
    for (int b = 0; b < PH_FAST_DEPTH / f.sub; b++) {
        if (t->n_ask > 0) {
            vp_ask(t, row, (size_t)m, (size_t)b, (size_t)(PH_FAST_DEPTH / f.sub));
        }
#pragma GCC unroll 8
        for (int i = 0; i < m; i++) {
            s[i][0] = s[i][1] =
                f.signs ? _mm512_set1_epi32(starts[i][b]) : _mm512_setzero_si512();
        }
        vp_multiply(s, panel, (size_t)(b * f.sub / 4), x + b * f.sub, m, f.sub / 4);
#pragma GCC unroll 2
        for (int v = 0; v < VP_N; v++) {
            __m512i by = _mm512_slli_epi32(vp_load(panel->of[v].scale[b]), 16);
            by = _mm512_srai_epi32(by, 16);
#pragma GCC unroll 8
            for (int i = 0; i < m; i++) {
                all[i][v] = _mm512_add_epi32(all[i][v], _mm512_mullo_epi32(s[i][v], by));
            }
        }
    }
    vp_add(y, all, panel, scale, m, false);
    if (f.min_sub != 0) {
        vp_subtract_mins(y, panel, sums, scale, m, f.min_sub);
    }
}

VP_INLINE void vp_32(const ph_panel_tile *t, size_t row, const int m, const bool has_min,
                     int offset)
{
    const vnni_panel *panel = t->panel;
    const float *scale = t->scale + row * PH_FAST_GROUPS;
    const int8_t *x = t->q8 + row * PH_FAST_DEPTH;
    float *y = t->y + row * VP_ROWS;
    int32_t sums[VP_M][PH_FAST_GROUPS];
    __m512i s[VP_M][VP_N];
    __m512 all[VP_M][VP_N];
#pragma GCC unroll 8
    for (int i = 0; i < m; i++) {
        vp_sums_of_32(sums[i], t->sums + (row + (size_t)i) * PH_FAST_SUBS, has_min ? 1 : -offset);
        all[i][0] = _mm512_loadu_ps(y + i * VP_ROWS);
        all[i][1] = _mm512_loadu_ps(y + i * VP_ROWS + PANEL_ROWS);
    }
    for (size_t g = 0; g < t->k / 32; g++) {
        if (t->n_ask > 0) {
            vp_ask(t, row, (size_t)m, g, t->k / 32);
        }
#pragma GCC unroll 8
        for (int i = 0; i < m; i++) {
            s[i][0] = s[i][1] = has_min ? _mm512_setzero_si512() : _mm512_set1_epi32(sums[i][g]);
        }
        vp_multiply(s, panel, g * 8, x + g * 32, m, 8);
#pragma GCC unroll 2
        for (int v = 0; v < VP_N; v++) {
            __m512 d = _mm512_loadu_ps(panel->of[v].d[g]);
#pragma GCC unroll 8
            for (int i = 0; i < m; i++) {
                float by = scale[(size_t)i * PH_FAST_GROUPS + g];
                all[i][v] = vp_fma(s[i][v], d, by, all[i][v], false);
                if (has_min) {
                    __m512 min = _mm512_loadu_ps(panel->of[v].dmin[g]);
                    all[i][v] = vp_fma(_mm512_set1_epi32(sums[i][g]), min, by, all[i][v], true);
                }
            }
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < m; i++) {
        _mm512_storeu_ps(y + i * VP_ROWS, all[i][0]);
        _mm512_storeu_ps(y + i * VP_ROWS + PANEL_ROWS, all[i][1]);
    }
}

/* Compiled once for formats that differ only in their offset. */
static void vp_blocks(const ph_panel_tile *t, int offset)
{
    PH_EACH_TILE(6, vp_32, t, false, offset);
}

static void vp_subs_of_16(const ph_panel_tile *t, int offset)
{
    const vp_shape f = {.sub = 16, .signs = true};
    PH_EACH_TILE(6, vp_256, t, f, offset);
}

static void vp_multiply_q8_0(const ph_panel_tile *t) /* and IQ4_NL */
{
    vp_blocks(t, 128);
}

static void vp_multiply_q4_0(const ph_panel_tile *t)
{
    vp_blocks(t, 8);
}

static void vp_multiply_q5_0(const ph_panel_tile *t)
{
    vp_blocks(t, 16);
}

static void vp_multiply_q4_1(const ph_panel_tile *t) /* and Q5_1 */
{
    PH_EACH_TILE(6, vp_32, t, true, 0);
}

static void vp_multiply_q2_k(const ph_panel_tile *t)
{
    const vp_shape f = {.sub = 16, .min_sub = 16};
    PH_EACH_TILE(6, vp_256, t, f, 0);
}

static void vp_multiply_q3_k(const ph_panel_tile *t)
{
    vp_subs_of_16(t, 4);
}

static void vp_multiply_q4_k(const ph_panel_tile *t) /* and Q5_K */
{
    const vp_shape f = {.sub = 32, .min_sub = 32};
    PH_EACH_TILE(6, vp_256, t, f, 0);
}

static void vp_multiply_q6_k(const ph_panel_tile *t)
{
    vp_subs_of_16(t, 32);
}

static void vp_multiply_iq4_xs(const ph_panel_tile *t)
{
    const vp_shape f = {.sub = 32, .signs = true};
    PH_EACH_TILE(6, vp_256, t, f, 128);
}

/* Both halves; rows beyond the last are the last. */
VP_INLINE void vp_pack(panel_pack *pack, void *panel, const unsigned char *src, size_t row_bytes,
                       size_t n, size_t k)
{
    vnni_panel *to = panel;
    size_t second = n > PANEL_ROWS ? PANEL_ROWS : n - 1;
    pack(&to->of[0], src, row_bytes, n < PANEL_ROWS ? n : PANEL_ROWS, k);
    pack(&to->of[1], src + second * row_bytes, row_bytes, n - second, k);
}

#define VP_PACK(name, pack)                                                                        \
    static void vp_pack_##name(void *panel, const unsigned char *src, size_t row_bytes, size_t n,  \
                               size_t k)                                                           \
    {                                                                                              \
        vp_pack(pack, panel, src, row_bytes, n, k);                                                \
    }
VP_PACK(q8_0, vk_pack_q8_0)
VP_PACK(q4_0, vk_pack_q4_0)
VP_PACK(q4_1, ph_avx2_pack_q4_1)
VP_PACK(q5_0, ph_avx2_pack_q5_0)
VP_PACK(q5_1, ph_avx2_pack_q5_1)
VP_PACK(q2_k, ph_avx2_pack_q2_k)
VP_PACK(q3_k, ph_avx2_pack_q3_k)
VP_PACK(q4_k, vk_pack_q4_k)
VP_PACK(q5_k, vk_pack_q5_k)
VP_PACK(q6_k, vk_pack_q6_k)
VP_PACK(iq4_nl, ph_avx2_pack_iq4_nl_bytes)
VP_PACK(iq4_xs, ph_avx2_pack_iq4_xs_bytes)

#define VP_KIND(pack, multiply)                                                                    \
    {                                                                                              \
        VP_ROWS, sizeof(vnni_panel), VP_X_ROWS, true, vp_pack_##pack, multiply                     \
    }

static const ph_panel_kind vp_kinds[PH_N_QUANT] = {
    [PH_QUANT_Q8_0] = VP_KIND(q8_0, vp_multiply_q8_0),
    [PH_QUANT_Q4_0] = VP_KIND(q4_0, vp_multiply_q4_0),
    [PH_QUANT_Q4_1] = VP_KIND(q4_1, vp_multiply_q4_1),
    [PH_QUANT_Q5_0] = VP_KIND(q5_0, vp_multiply_q5_0),
    [PH_QUANT_Q5_1] = VP_KIND(q5_1, vp_multiply_q4_1),
    [PH_QUANT_Q2_K] = VP_KIND(q2_k, vp_multiply_q2_k),
    [PH_QUANT_Q3_K] = VP_KIND(q3_k, vp_multiply_q3_k),
    [PH_QUANT_Q4_K] = VP_KIND(q4_k, vp_multiply_q4_k),
    [PH_QUANT_Q5_K] = VP_KIND(q5_k, vp_multiply_q4_k),
    [PH_QUANT_Q6_K] = VP_KIND(q6_k, vp_multiply_q6_k),
    [PH_QUANT_IQ4_NL] = VP_KIND(iq4_nl, vp_multiply_q8_0),
    [PH_QUANT_IQ4_XS] = VP_KIND(iq4_xs, vp_multiply_iq4_xs),
};

VP_INLINE void vp_fill(ph_kern *kern)
{
    for (int i = 0; i < PH_N_QUANT; i++) {
        if (vp_kinds[i].rows != 0) {
            kern->panels[i] = &vp_kinds[i];
            kern->panels_from[i] = 0;
        }
    }
}

#endif
