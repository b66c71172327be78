/* Scans of vectors with AVX-512, for files that put them into a table; with VNNI where the file may
 * use it. Contract: kern/vscan.h.
 *
 * bits: a shuffle looks up two groups of 32 rows at once. Four tables give at most 4 * 60 = 240,
 * which fits a byte; bytes are added as 16-bit pairs, once whole and once only the upper ones, and
 * parted at the end: over PH_VSCAN_BIT_DEPTH dimensions at most 128 * 240 < 2^16.
 * nibbles: a vector is 16 rows. Four codes of a row are multiplied with four numbers of the query
 * and added up in 32 bits, by one instruction with VNNI, else by vpmaddubsw (a pair is at most
 * 2 * 15 * 127) and vpmaddwd.
 */
#ifndef PH_KERN_X86_AVX512_VSCAN_H
#define PH_KERN_X86_AVX512_VSCAN_H

#include "kern/x86/vec_avx512.h"

#include <stdbool.h>

#include "kern/kern.h"
#include "kern/vscan.h"

#define VS_INLINE static inline __attribute__((always_inline))

#if defined(__clang__)
#define VS_UNROLL _Pragma("clang loop unroll(full)")
#else
#define VS_UNROLL _Pragma("GCC unroll 16")
#endif

#define VS_AHEAD  8192 /* bytes from the code in use to the one fetched */
#define VS_TABLES 32   /* pairs of groups whose tables are kept side by side for a whole call */

VS_INLINE __m512i vs_load(const void *p)
{
    return _mm512_loadu_si512(p);
}

VS_INLINE void vs_ask(const unsigned char *p)
{
    _mm_prefetch((const char *)p + VS_AHEAD, _MM_HINT_T0);
}

VS_INLINE __m512 vs_factors(const unsigned char *block, int which, int half)
{
    return _mm512_loadu_ps((const float *)(const void *)block + which * PH_VSCAN_ROWS + half * 16);
}

/* Scores of the block's rows from twice sixteen sums. */
VS_INLINE void vs_finish(const ph_vscan_query *q, const unsigned char *block, size_t b,
                         const __m512i sums[2])
{
    __m512 best = _mm512_setzero_ps();
    VS_UNROLL
    for (int i = 0; i < 2; i++) {
        __m512 norm = vs_factors(block, 2, i);
        __m512 s = _mm512_mul_ps(vs_factors(block, 0, i), _mm512_set1_ps(q->by_code));
        s = _mm512_mul_ps(s, _mm512_add_ps(_mm512_cvtepi32_ps(sums[i]), _mm512_set1_ps(q->offset)));
        s = _mm512_add_ps(s, _mm512_mul_ps(vs_factors(block, 1, i), _mm512_set1_ps(q->by_error)));
        s = _mm512_add_ps(s, _mm512_mul_ps(norm, _mm512_set1_ps(q->by_norm)));
        s = _mm512_add_ps(s,
                          _mm512_mul_ps(_mm512_mul_ps(norm, norm), _mm512_set1_ps(q->by_square)));
        s = _mm512_add_ps(s, _mm512_set1_ps(q->constant));
        _mm512_storeu_ps(q->score + b * PH_VSCAN_ROWS + i * 16, s);
        best = i == 0 ? s : _mm512_max_ps(s, best);
    }
    q->best[b] = vf_largest(best);
}

/* --- bits ------------------------------------------------------------------------------------- */

/* Tables of a pair of groups g, h: [g0 g0 h0 h0] and [g1 g1 h1 h1]. */
VS_INLINE void vs_pair(__m512i t[2], const unsigned char *table)
{
    __m512i v = vs_load(table);
    t[0] = _mm512_shuffle_i64x2(v, v, 0xa0);
    t[1] = _mm512_shuffle_i64x2(v, v, 0xf5);
}

/* Adds the entries of two pairs of groups; t: their tables, code: low and high halves. */
VS_INLINE void vs_look_up(__m512i *all, __m512i *high, const __m512i t[4], const __m512i code[4])
{
    __m512i v =
        _mm512_add_epi8(_mm512_shuffle_epi8(t[0], code[0]), _mm512_shuffle_epi8(t[1], code[1]));
    __m512i w =
        _mm512_add_epi8(_mm512_shuffle_epi8(t[2], code[2]), _mm512_shuffle_epi8(t[3], code[3]));
    v = _mm512_add_epi8(v, w);
    *all = _mm512_add_epi16(*all, v);
    *high = _mm512_add_epi16(*high, _mm512_srli_epi16(v, 8));
}

/* Adds the sums of groups from .. to - 1, a multiple of 4 of at most PH_VSCAN_BIT_DEPTH dimensions.
 * ready: tables of all pairs, [n_q][VS_TABLES][2], or NULL. */
VS_INLINE void vs_bit_depth(__m512i sums[][2], const ph_vscan_query *q, const int n_q,
                            const __m512i *ready, const unsigned char *codes, size_t from,
                            size_t to)
{
    __m512i all[PH_VSCAN_TOGETHER], high[PH_VSCAN_TOGETHER];
    const __m512i low_half = _mm512_set1_epi8(15);
    VS_UNROLL
    for (int j = 0; j < n_q; j++) {
        all[j] = high[j] = _mm512_setzero_si512();
    }
    for (size_t at = from * 32; at < to * 32; at += 128) {
        __m512i c = vs_load(codes + at), d = vs_load(codes + at + 64);
        const __m512i code[4] = {
            _mm512_and_si512(c, low_half), _mm512_and_si512(_mm512_srli_epi16(c, 4), low_half),
            _mm512_and_si512(d, low_half), _mm512_and_si512(_mm512_srli_epi16(d, 4), low_half)};
        vs_ask(codes + at);
        vs_ask(codes + at + 64);
        VS_UNROLL
        for (int j = 0; j < n_q; j++) {
            __m512i t[4];
            if (ready != NULL) {
                const __m512i *r = ready + ((size_t)j * VS_TABLES + at / 64) * 2;
                t[0] = vs_load(r), t[1] = vs_load(r + 1);
                t[2] = vs_load(r + 2), t[3] = vs_load(r + 3);
            } else {
                vs_pair(t, q[j].table + at);
                vs_pair(t + 2, q[j].table + at + 64);
            }
            vs_look_up(&all[j], &high[j], t, code);
        }
    }
    VS_UNROLL
    for (int j = 0; j < n_q; j++) {
        __m512i low = _mm512_sub_epi16(all[j], _mm512_slli_epi16(high[j], 8));
        __m256i lower =
            _mm256_add_epi16(_mm512_castsi512_si256(low), _mm512_extracti64x4_epi64(low, 1));
        __m256i upper = _mm256_add_epi16(_mm512_castsi512_si256(high[j]),
                                         _mm512_extracti64x4_epi64(high[j], 1));
        sums[j][0] = _mm512_add_epi32(sums[j][0], _mm512_cvtepu16_epi32(lower));
        sums[j][1] = _mm512_add_epi32(sums[j][1], _mm512_cvtepu16_epi32(upper));
    }
}

VS_INLINE void vs_bits(const ph_vscan_query *q, const int n_q, const __m512i *ready,
                       const unsigned char *blocks, size_t n_blocks, size_t p)
{
    size_t groups = p / 8, depth = PH_VSCAN_BIT_DEPTH / 8;
    size_t bytes = PH_VSCAN_FACTORS + groups * PH_VSCAN_ROWS;
    for (size_t b = 0; b < n_blocks; b++) {
        const unsigned char *block = blocks + b * bytes, *codes = block + PH_VSCAN_FACTORS;
        __m512i sums[PH_VSCAN_TOGETHER][2];
        VS_UNROLL
        for (int j = 0; j < n_q; j++) {
            sums[j][0] = sums[j][1] = _mm512_setzero_si512();
        }
        for (size_t i = 0; i < PH_VSCAN_FACTORS; i += 64) {
            vs_ask(block + i);
        }
        for (size_t from = 0; from < groups; from += depth) {
            vs_bit_depth(sums, q, n_q, ready, codes, from,
                         from + depth < groups ? from + depth : groups);
        }
        VS_UNROLL
        for (int j = 0; j < n_q; j++) {
            vs_finish(&q[j], block, b, sums[j]);
        }
    }
}

VS_INLINE void vs_bits_some(const ph_vscan_query *q, const int n_q, const unsigned char *blocks,
                            size_t n_blocks, size_t p)
{
    __m512i ready[PH_VSCAN_TOGETHER * VS_TABLES * 2];
    if (p / 16 > VS_TABLES || n_blocks < 2) {
        vs_bits(q, n_q, NULL, blocks, n_blocks, p);
        return;
    }
    for (int j = 0; j < n_q; j++) {
        for (size_t i = 0; i < p / 16; i++) {
            vs_pair(ready + ((size_t)j * VS_TABLES + i) * 2, q[j].table + i * 64);
        }
    }
    vs_bits(q, n_q, ready, blocks, n_blocks, p);
}

static void vs_scan_bits(const ph_vscan_query *q, size_t n_q, const unsigned char *blocks,
                         size_t n_blocks, size_t p)
{
    for (; n_q >= 4; n_q -= 4, q += 4) {
        vs_bits_some(q, 4, blocks, n_blocks, p);
    }
    for (; n_q > 0; n_q--, q++) {
        vs_bits_some(q, 1, blocks, n_blocks, p);
    }
}

/* --- nibbles ---------------------------------------------------------------------------------- */

VS_INLINE __m512i vs_four(const unsigned char *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm512_set1_epi32(v);
}

VS_INLINE __m512i vs_dot4(__m512i sum, __m512i codes, __m512i q)
{
#if defined(VS_VNNI)
    return _mm512_dpbusd_epi32(sum, codes, q);
#else
    __m512i pairs = _mm512_maddubs_epi16(codes, q);
    return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
#endif
}

/* Low and high halves of codes in sums of their own, so that few queries have chains enough. */
VS_INLINE void vs_nibbles(const ph_vscan_query *q, const int n_q, const unsigned char *blocks,
                          size_t n_blocks, size_t p)
{
    const int n_chains = n_q > 4 ? 1 : 2;
    size_t bytes = PH_VSCAN_FACTORS + p / 2 * PH_VSCAN_ROWS;
    const __m512i low_half = _mm512_set1_epi8(15);
    int32_t first[PH_VSCAN_TOGETHER];
    for (int j = 0; j < n_q; j++) {
        first[j] = ph_vscan_nibble_start(q[j].table, p);
    }
    for (size_t b = 0; b < n_blocks; b++) {
        const unsigned char *block = blocks + b * bytes, *codes = block + PH_VSCAN_FACTORS;
        __m512i sums[PH_VSCAN_TOGETHER][2], more[PH_VSCAN_TOGETHER][2];
        VS_UNROLL
        for (int j = 0; j < n_q; j++) {
            sums[j][0] = sums[j][1] = _mm512_set1_epi32(first[j]);
            more[j][0] = more[j][1] = _mm512_setzero_si512();
        }
        for (size_t i = 0; i < PH_VSCAN_FACTORS; i += 64) {
            vs_ask(block + i);
        }
        for (size_t d = 0; d < p; d += 8, codes += 128) {
            __m512i c[2] = {vs_load(codes), vs_load(codes + 64)}, lo[2], hi[2];
            vs_ask(codes);
            vs_ask(codes + 64);
            VS_UNROLL
            for (int i = 0; i < 2; i++) {
                lo[i] = _mm512_and_si512(c[i], low_half);
                hi[i] = _mm512_and_si512(_mm512_srli_epi16(c[i], 4), low_half);
            }
            VS_UNROLL
            for (int j = 0; j < n_q; j++) {
                __m512i a = vs_four(q[j].table + d), z = vs_four(q[j].table + d + 4);
                VS_UNROLL
                for (int i = 0; i < 2; i++) {
                    sums[j][i] = vs_dot4(sums[j][i], lo[i], a);
                    if (n_chains == 2) {
                        more[j][i] = vs_dot4(more[j][i], hi[i], z);
                    } else {
                        sums[j][i] = vs_dot4(sums[j][i], hi[i], z);
                    }
                }
            }
        }
        VS_UNROLL
        for (int j = 0; j < n_q; j++) {
            VS_UNROLL
            for (int i = 0; i < 2; i++) {
                sums[j][i] = _mm512_add_epi32(sums[j][i], more[j][i]);
            }
            vs_finish(&q[j], block, b, sums[j]);
        }
    }
}

static void vs_scan_nibbles(const ph_vscan_query *q, size_t n_q, const unsigned char *blocks,
                            size_t n_blocks, size_t p)
{
    for (; n_q >= 8; n_q -= 8, q += 8) {
        vs_nibbles(q, 8, blocks, n_blocks, p);
    }
    for (; n_q >= 4; n_q -= 4, q += 4) {
        vs_nibbles(q, 4, blocks, n_blocks, p);
    }
    for (; n_q > 0; n_q--, q++) {
        vs_nibbles(q, 1, blocks, n_blocks, p);
    }
}

/* --- rows: one after the other, a single ascending stream is what memory likes -----------------
 */

static int32_t vs_sum_codes(const int8_t *codes, const int16_t *q, size_t p)
{
    __m512i sum = _mm512_setzero_si512();
    for (size_t d = 0; d < p; d += 32) {
        __m256i c = _mm256_loadu_si256((const __m256i *)(const void *)(codes + d));
        __m512i wide = _mm512_cvtepi8_epi16(c);
        sum = _mm512_add_epi32(sum, _mm512_madd_epi16(wide, vs_load(q + d)));
    }
    __m256i both = _mm256_add_epi32(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64(sum, 1));
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

/* Sixteen numbers of a row. */
VS_INLINE __m512 vs_step(__m512 sum, __m512 x, __m512 q, const bool l2)
{
    if (l2) {
        __m512 away = _mm512_sub_ps(x, q);
        return _mm512_fmadd_ps(away, away, sum);
    }
    return _mm512_fmadd_ps(x, q, sum);
}

VS_INLINE float vs_row(const float *q, const float *row, size_t dim, const bool l2, bool more)
{
    float total = 0;
    for (size_t from = 0; from < dim; from += PH_DOT_BLOCK) {
        size_t end = dim - from < PH_DOT_BLOCK ? dim : from + PH_DOT_BLOCK, d = from;
        __m512 s = _mm512_setzero_ps();
        for (; d + 16 <= end; d += 16) {
            if (more) {
                vs_ask((const unsigned char *)(row + d));
            }
            s = vs_step(s, _mm512_loadu_ps(row + d), _mm512_loadu_ps(q + d), l2);
        }
        if (d < end) {
            s = vs_step(s, vf_load_n(row + d, end - d), vf_load_n(q + d, end - d), l2);
        }
        total = from == 0 ? vf_sum(s) : total + vf_sum(s);
    }
    return total;
}

VS_INLINE void vs_rows(float *y, const float *q, const float *rows, size_t n, size_t dim,
                       const bool l2)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = vs_row(q, rows + i * dim, dim, l2, n > 1);
    }
}

static void vs_rows_dot(float *y, const float *q, const float *rows, size_t n, size_t dim)
{
    vs_rows(y, q, rows, n, dim, false);
}

static void vs_rows_l2(float *y, const float *q, const float *rows, size_t n, size_t dim)
{
    vs_rows(y, q, rows, n, dim, true);
}

#define VS_TABLE                                                                                   \
    {                                                                                              \
        vs_scan_bits, vs_scan_nibbles, vs_sum_codes, vs_rows_dot, vs_rows_l2                       \
    }

#endif
