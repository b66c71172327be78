/* Scans of vectors for AVX2; contract: kern/vscan.h.
 *
 * bits: a table of 16 sums is one register, and a shuffle looks up 32 rows at once. Four tables
 * give at most 4 * 4 * 15 = 240, which fits a byte; bytes are added as 16-bit pairs, once whole and
 * once only the upper ones, and parted at the end. Over PH_VSCAN_BIT_DEPTH dimensions a sum is at
 * most 256 * 240 < 2^16.
 * nibbles: vpmaddubsw of codes 0..15 and the query gives at most 2 * 15 * 127 = 3810 a pair. The
 * running sum begins at -7.5 times the sum of the query and may wrap; at the end of a depth block
 * it is within PH_VSCAN_NIBBLE_ROOM and hence right again.
 * codes: vpmaddwd, kept below 2^31 by the caller.
 * Source of the lookup: Andre, Kermarrec, Le Scouarnec, "Cache locality is not enough" (2015).
 */
#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#include "kern/kern.h"
#include "kern/vscan.h"

#define INLINE static inline __attribute__((always_inline))

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

#define FOUR  4    /* queries together */
#define AHEAD 2048 /* bytes from the code in use to the one fetched */

INLINE __m256i load(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

INLINE __m256 lanes_of(const unsigned char *factors, int which, int part)
{
    return _mm256_loadu_ps((const float *)(const void *)factors + which * PH_VSCAN_ROWS + part * 8);
}

/* Scores of the block's rows from four times eight sums. */
INLINE void finish(const ph_vscan_query *q, const unsigned char *block, size_t b,
                   const __m256i sums[4])
{
    __m256 best = _mm256_setzero_ps();
    UNROLL
    for (int i = 0; i < 4; i++) {
        __m256 norm = lanes_of(block, 2, i);
        __m256 s = _mm256_mul_ps(lanes_of(block, 0, i), _mm256_set1_ps(q->by_code));
        s = _mm256_mul_ps(s, _mm256_add_ps(_mm256_cvtepi32_ps(sums[i]), _mm256_set1_ps(q->offset)));
        s = _mm256_add_ps(s, _mm256_mul_ps(lanes_of(block, 1, i), _mm256_set1_ps(q->by_error)));
        s = _mm256_add_ps(s, _mm256_mul_ps(norm, _mm256_set1_ps(q->by_norm)));
        s = _mm256_add_ps(s,
                          _mm256_mul_ps(_mm256_mul_ps(norm, norm), _mm256_set1_ps(q->by_square)));
        s = _mm256_add_ps(s, _mm256_set1_ps(q->constant));
        _mm256_storeu_ps(q->score + b * PH_VSCAN_ROWS + i * 8, s);
        best = i == 0 ? s : _mm256_max_ps(s, best);
    }
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(best), _mm256_extractf128_ps(best, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    q->best[b] = _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

INLINE __m256i table16(const unsigned char *p)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)p));
}

/* Adds the sums of up to PH_VSCAN_BIT_DEPTH dimensions, of groups from .. to - 1, an even number.
 */
INLINE void bit_depth(__m256i sums[][4], const ph_vscan_query *q, int n_q,
                      const unsigned char *codes, size_t from, size_t to)
{
    __m256i all[FOUR], high[FOUR];
    const __m256i low_half = _mm256_set1_epi8(15);
    UNROLL
    for (int j = 0; j < n_q; j++) {
        all[j] = high[j] = _mm256_setzero_si256();
    }
    for (size_t at = from * 32; at < to * 32; at += 64) {
        __m256i c = load(codes + at), d = load(codes + at + 32);
        __m256i parts[4] = {
            _mm256_and_si256(c, low_half), _mm256_and_si256(_mm256_srli_epi16(c, 4), low_half),
            _mm256_and_si256(d, low_half), _mm256_and_si256(_mm256_srli_epi16(d, 4), low_half)};
        _mm_prefetch((const char *)codes + at + AHEAD, _MM_HINT_T0);
        UNROLL
        for (int j = 0; j < n_q; j++) {
            const unsigned char *t = q[j].table + at;
            __m256i v = _mm256_add_epi8(_mm256_shuffle_epi8(table16(t), parts[0]),
                                        _mm256_shuffle_epi8(table16(t + 16), parts[1]));
            __m256i w = _mm256_add_epi8(_mm256_shuffle_epi8(table16(t + 32), parts[2]),
                                        _mm256_shuffle_epi8(table16(t + 48), parts[3]));
            v = _mm256_add_epi8(v, w);
            all[j] = _mm256_add_epi16(all[j], v);
            high[j] = _mm256_add_epi16(high[j], _mm256_srli_epi16(v, 8));
        }
    }
    UNROLL
    for (int j = 0; j < n_q; j++) {
        __m256i low = _mm256_sub_epi16(all[j], _mm256_slli_epi16(high[j], 8));
        __m128i parts[4] = {_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1),
                            _mm256_castsi256_si128(high[j]), _mm256_extracti128_si256(high[j], 1)};
        UNROLL
        for (int i = 0; i < 4; i++) {
            sums[j][i] = _mm256_add_epi32(sums[j][i], _mm256_cvtepu16_epi32(parts[i]));
        }
    }
}

INLINE void bits_run(const ph_vscan_query *q, int n_q, const unsigned char *blocks, size_t n_blocks,
                     size_t p)
{
    size_t groups = p / 8, depth = PH_VSCAN_BIT_DEPTH / 8;
    size_t bytes = PH_VSCAN_FACTORS + groups * PH_VSCAN_ROWS;
    for (size_t b = 0; b < n_blocks; b++) {
        const unsigned char *block = blocks + b * bytes, *codes = block + PH_VSCAN_FACTORS;
        __m256i sums[FOUR][4];
        UNROLL
        for (int j = 0; j < n_q; j++) {
            UNROLL
            for (int i = 0; i < 4; i++) {
                sums[j][i] = _mm256_setzero_si256();
            }
        }
        for (size_t from = 0; from < groups; from += depth) {
            bit_depth(sums, q, n_q, codes, from, from + depth < groups ? from + depth : groups);
        }
        UNROLL
        for (int j = 0; j < n_q; j++) {
            finish(&q[j], block, b, sums[j]);
        }
    }
}

static void scan_bits(const ph_vscan_query *q, size_t n_q, const unsigned char *blocks,
                      size_t n_blocks, size_t p)
{
    for (; n_q >= FOUR; n_q -= FOUR, q += FOUR) {
        bits_run(q, FOUR, blocks, n_blocks, p);
    }
    for (; n_q > 0; n_q--, q++) {
        bits_run(q, 1, blocks, n_blocks, p);
    }
}

INLINE __m256i four_bytes(const unsigned char *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm256_set1_epi32(v);
}

/* Two numbers of 32 bits, modulo 2^16, in each lane. */
INLINE __m256i pair_of(const unsigned char *p)
{
    uint32_t v[2];
    memcpy(v, p, sizeof v);
    return _mm256_set1_epi32((int)((v[0] & 0xffff) | v[1] << 16));
}

/* Adds the sums of one depth block for n_v vectors of 8 rows. */
INLINE void nibble_depth(__m256i *sums, const ph_vscan_query *q, int n_q, int n_v,
                         const unsigned char *codes, size_t from, size_t to, size_t init_at)
{
    __m256i acc[8];
    const __m256i low_half = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
    UNROLL
    for (int j = 0; j < n_q; j++) {
        __m256i init = pair_of(q[j].table + init_at);
        UNROLL
        for (int i = 0; i < n_v; i++) {
            acc[j * n_v + i] = init;
        }
    }
    for (size_t g = from; g < to; g++) {
        UNROLL
        for (int i = 0; i < n_v; i++) {
            const unsigned char *at = codes + g * 128 + i * 32;
            __m256i c = load(at);
            __m256i lo = _mm256_and_si256(c, low_half);
            __m256i hi = _mm256_and_si256(_mm256_srli_epi16(c, 4), low_half);
            if (i % 2 == 0) {
                _mm_prefetch((const char *)at + AHEAD, _MM_HINT_T0);
            }
            UNROLL
            for (int j = 0; j < n_q; j++) {
                __m256i a = _mm256_maddubs_epi16(lo, four_bytes(q[j].table + g * 8));
                __m256i b = _mm256_maddubs_epi16(hi, four_bytes(q[j].table + g * 8 + 4));
                acc[j * n_v + i] = _mm256_add_epi16(acc[j * n_v + i], _mm256_add_epi16(a, b));
            }
        }
    }
    UNROLL
    for (int k = 0; k < n_q * n_v; k++) {
        sums[k] = _mm256_add_epi32(sums[k], _mm256_madd_epi16(acc[k], ones));
    }
}

/* Sums of n_v vectors of 8 rows: [n_q][n_v]. */
INLINE void nibble_sums(__m256i *sums, const ph_vscan_query *q, int n_q, int n_v,
                        const unsigned char *codes, size_t p)
{
    size_t groups = p / 8, depth = PH_VSCAN_NIBBLE_DEPTH / 8, init_at = p;
    UNROLL
    for (int k = 0; k < n_q * n_v; k++) {
        sums[k] = _mm256_setzero_si256();
    }
    for (size_t from = 0; from < groups; from += depth, init_at += 8) {
        nibble_depth(sums, q, n_q, n_v, codes, from, from + depth < groups ? from + depth : groups,
                     init_at);
    }
}

static void nibbles_one(const ph_vscan_query *q, const unsigned char *blocks, size_t n_blocks,
                        size_t p)
{
    size_t bytes = PH_VSCAN_FACTORS + p / 2 * PH_VSCAN_ROWS;
    for (size_t b = 0; b < n_blocks; b++) {
        const unsigned char *block = blocks + b * bytes;
        __m256i sums[4];
        nibble_sums(sums, q, 1, 4, block + PH_VSCAN_FACTORS, p);
        finish(q, block, b, sums);
    }
}

/* Two vectors of rows and four queries at a time: eight sums, two halves of codes, and the query
 * fit 16 registers. */
static void nibbles_four(const ph_vscan_query *q, const unsigned char *blocks, size_t n_blocks,
                         size_t p)
{
    size_t bytes = PH_VSCAN_FACTORS + p / 2 * PH_VSCAN_ROWS;
    for (size_t b = 0; b < n_blocks; b++) {
        const unsigned char *block = blocks + b * bytes;
        __m256i all[FOUR][4];
        for (int half = 0; half < 2; half++) {
            __m256i sums[8];
            nibble_sums(sums, q, FOUR, 2, block + PH_VSCAN_FACTORS + (size_t)half * 64, p);
            UNROLL
            for (int k = 0; k < 8; k++) {
                all[k / 2][half * 2 + k % 2] = sums[k];
            }
        }
        for (int j = 0; j < FOUR; j++) {
            finish(&q[j], block, b, all[j]);
        }
    }
}

static void scan_nibbles(const ph_vscan_query *q, size_t n_q, const unsigned char *blocks,
                         size_t n_blocks, size_t p)
{
    for (; n_q >= FOUR; n_q -= FOUR, q += FOUR) {
        nibbles_four(q, blocks, n_blocks, p);
    }
    for (; n_q > 0; n_q--, q++) {
        nibbles_one(q, blocks, n_blocks, p);
    }
}

static int32_t sum_codes(const int8_t *codes, const int16_t *q, size_t p)
{
    __m256i sum[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    for (size_t d = 0; d < p; d += 32) {
        UNROLL
        for (int i = 0; i < 2; i++) {
            __m128i c = _mm_loadu_si128((const __m128i *)(const void *)(codes + d + i * 16));
            __m256i m = _mm256_madd_epi16(_mm256_cvtepi8_epi16(c), load(q + d + i * 16));
            sum[i] = _mm256_add_epi32(sum[i], m);
        }
    }
    __m256i both = _mm256_add_epi32(sum[0], sum[1]);
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

/* One vector of eight of the sums of a row. */
INLINE __m256 step(__m256 sum, __m256 x, __m256 q, bool l2)
{
    if (l2) {
        __m256 away = _mm256_sub_ps(x, q);
        return _mm256_fmadd_ps(away, away, sum);
    }
    return _mm256_fmadd_ps(x, q, sum);
}

INLINE __m256i lanes_below(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

INLINE float halve(__m256 even, __m256 odd)
{
    __m256 a = _mm256_add_ps(even, odd);
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

INLINE float row_sum(const float *q, const float *row, size_t dim, bool l2)
{
    float total = 0;
    for (size_t from = 0; from < dim; from += PH_DOT_BLOCK) {
        size_t k = dim - from < PH_DOT_BLOCK ? dim - from : PH_DOT_BLOCK, d = from;
        __m256 even = _mm256_setzero_ps(), odd = _mm256_setzero_ps();
        for (; d + 16 <= from + k; d += 16) {
            even = step(even, _mm256_loadu_ps(row + d), _mm256_loadu_ps(q + d), l2);
            odd = step(odd, _mm256_loadu_ps(row + d + 8), _mm256_loadu_ps(q + d + 8), l2);
        }
        size_t left = from + k - d;
        if (left > 0) {
            __m256i first = lanes_below(left), second = lanes_below(left > 8 ? left - 8 : 0);
            even = step(even, _mm256_maskload_ps(row + d, first), _mm256_maskload_ps(q + d, first),
                        l2);
            if (left > 8) {
                odd = step(odd, _mm256_maskload_ps(row + d + 8, second),
                           _mm256_maskload_ps(q + d + 8, second), l2);
            }
        }
        float s = halve(even, odd);
        total = from == 0 ? s : total + s;
    }
    return total;
}

static void rows_dot(float *y, const float *q, const float *rows, size_t n, size_t dim)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = row_sum(q, rows + i * dim, dim, false);
    }
}

static void rows_l2(float *y, const float *q, const float *rows, size_t n, size_t dim)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = row_sum(q, rows + i * dim, dim, true);
    }
}

const ph_vscan ph_vscan_avx2 = {scan_bits, scan_nibbles, sum_codes, rows_dot, rows_l2};
