/* Int8 products with weights packed once, AVX2. Contract: kern/int8.h, which also bounds the sums
 * of 16 bits.
 *
 * Three rows with three vectors of columns: nine sums of 32 bits stay in registers over a group;
 * vpmaddubsw multiplies four depths of a row with those of eight columns, PH_I8_FOLD of them are
 * added up in 16 bits, then vpmaddwd widens. Weights are operands in memory, which the first-level
 * cache delivers; so a deep panel is taken in parts of DEPTH, and sums wait in memory in between.
 */
#include <immintrin.h>
#include <string.h>

#include "base/mem.h"
#include "kern/int8.h"
#include "kern/x86/avx2_fast.h"

#define INLINE static inline __attribute__((always_inline))
#define ROWS   3
#define VECS   3
#define N      (8 * VECS)
#define DEPTH  256 /* 6 KiB of a panel and 12 KiB of 48 rows: the first-level cache */
#define BLOCK  64  /* rows whose sums wait */

#define PRODUCTS(at, to) "vpmaddubsw " #at "(%[w]), %[a], %[" #to "]\n\t"
#define QUAD_BEGINS                                                                                \
    "vpbroadcastd (%[q]), %[a]\n\t" PRODUCTS(0, t0) PRODUCTS(32, t1) PRODUCTS(64, t2)
#define ADD_PRODUCTS(at, to) PRODUCTS(at, p) "vpaddw %[p], %[" #to "], %[" #to "]\n\t"
#define QUAD(depth, at, at1, at2)                                                                  \
    "vpbroadcastd " #depth "(%[q]), %[a]\n\t" ADD_PRODUCTS(at, t0) ADD_PRODUCTS(at1, t1)           \
        ADD_PRODUCTS(at2, t2)
#define WIDEN(from, to)                                                                            \
    "vpmaddwd %[ones], %[" #from "], %[" #from "]\n\tvpaddd %[" #from "], %[" #to "], %[" #to      \
    "]\n\t"

/* sums += products of PH_I8_UNIT depths of a row. As assembly: the compiler, left to order this by
 * itself, throws the sums of the loop into memory. */
INLINE void add_unit(__m256i sums[VECS], const uint8_t *q, const int8_t *w, __m256i ones)
{
    __m256i a, p, t0, t1, t2;
    __asm__(QUAD_BEGINS QUAD(4, 96, 128, 160) QUAD(8, 192, 224, 256) QUAD(12, 288, 320, 352)
                WIDEN(t0, s0) WIDEN(t1, s1) WIDEN(t2, s2)
            : [s0] "+x"(sums[0]), [s1] "+x"(sums[1]), [s2] "+x"(sums[2]), [a] "=&x"(a),
              [p] "=&x"(p), [t0] "=&x"(t0), [t1] "=&x"(t1), [t2] "=&x"(t2)
            : [q] "r"(q), [w] "r"(w), [ones] "x"(ones), "m"(*(const uint8_t(*)[PH_I8_UNIT])q),
              "m"(*(const int8_t(*)[PH_I8_UNIT * N]) w));
}

_Static_assert(PH_I8_FOLD == 4 && VECS == 3, "as many as add_unit() has");

/* Asks for the share of the next panel that falls to this tile. */
INLINE void ask(const int8_t *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += PH_CACHE_LINE) {
        _mm_prefetch((const char *)from + i, _MM_HINT_T1);
    }
}

/* Sums of m rows over k depths from w and q on. */
INLINE void sum_up(__m256i sums[ROWS][VECS], const uint8_t *q, size_t ldq, const int8_t *w,
                   size_t k, const int m)
{
    __m256i ones = _mm256_set1_epi16(1);
    for (size_t p = 0; p < k; p += PH_I8_UNIT, w += PH_I8_UNIT * N) {
#pragma GCC unroll 3
        for (int i = 0; i < m; i++) {
            add_unit(sums[i], q + (size_t)i * ldq + p, w, ones);
        }
        if (p % PH_CACHE_LINE == 0) { /* the next rows, which the hardware does not see coming */
#pragma GCC unroll 3
            for (int i = 0; i < m; i++) {
                _mm_prefetch((const char *)(q + (size_t)(m + i) * ldq + p), _MM_HINT_T0);
            }
        }
    }
}

/* wait (or 0, if it is the first) and group g, of m rows. */
INLINE void add_group(const ph_i8_tile *t, size_t row, size_t g, __m256i sums[ROWS][VECS],
                      __m256 to[ROWS][VECS], const float *wait, const int m)
{
    const float *wsum = t->sums + g * t->ld_sums;
#pragma GCC unroll 3
    for (int i = 0; i < m; i++) {
        size_t f = (row + (size_t)i) * t->ld_f + g;
        __m256 scale = _mm256_broadcast_ss(t->scale + f),
               offset = _mm256_broadcast_ss(t->offset + f);
#pragma GCC unroll 3
        for (int v = 0; v < VECS; v++) {
            __m256 s = g == 0 ? _mm256_setzero_ps() : _mm256_load_ps(wait + i * N + 8 * v);
            s = _mm256_fmadd_ps(offset, _mm256_loadu_ps(wsum + 8 * v), s);
            to[i][v] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[i][v]), scale, s);
        }
    }
}

INLINE void finish(const ph_i8_tile *t, size_t row, __m256 sums[ROWS][VECS], const int m)
{
#pragma GCC unroll 3
    for (int i = 0; i < m; i++) {
        size_t at = row + (size_t)i;
        float room[N], *y = t->n == N ? t->y + at * t->ldy : room;
        const float *from = t->from != NULL ? t->from + at * t->ld_from : NULL;
#pragma GCC unroll 3
        for (int v = 0; v < VECS; v++) {
            __m256 r = _mm256_fmadd_ps(sums[i][v], _mm256_loadu_ps(t->d + 8 * v),
                                       _mm256_loadu_ps(t->bias + 8 * v));
            if (from != NULL && t->n == N) {
                r = _mm256_add_ps(r, _mm256_loadu_ps(from + 8 * v));
            }
            _mm256_storeu_ps(y + 8 * v, r);
        }
        for (size_t j = 0; t->n < N && j < t->n; j++) {
            t->y[at * t->ldy + j] = from != NULL ? room[j] + from[j] : room[j];
        }
    }
}

/* m rows from `row` on, the groups of depths p .. p + k - 1. wait: sums of the groups before, in
 * and out. */
INLINE void tile(const ph_i8_tile *t, size_t row, size_t p, size_t k, float *wait, const int m)
{
    for (size_t end = p + k; p < end; p += PH_I8_GROUP) {
        size_t here = end - p < PH_I8_GROUP ? end - p : PH_I8_GROUP;
        __m256i sums[ROWS][VECS];
        __m256 all[ROWS][VECS];
#pragma GCC unroll 3
        for (int i = 0; i < m; i++) {
#pragma GCC unroll 3
            for (int v = 0; v < VECS; v++) {
                sums[i][v] = _mm256_setzero_si256();
            }
        }
        sum_up(sums, t->q + row * t->ldq + p, t->ldq, t->w + p * N, here, m);
        add_group(t, row, p / PH_I8_GROUP, sums, all, wait, m);
        if (p + here == t->k) {
            finish(t, row, all, m);
            return;
        }
#pragma GCC unroll 3
        for (int i = 0; i < m; i++) {
#pragma GCC unroll 3
            for (int v = 0; v < VECS; v++) {
                _mm256_store_ps(wait + i * N + 8 * v, all[i][v]);
            }
        }
    }
}

static void rows_block(const ph_i8_tile *t)
{
    _Alignas(32) float wait[BLOCK * N];
    size_t asked = 0, n_calls = (t->m + ROWS - 1) / ROWS * ((t->k + DEPTH - 1) / DEPTH);
    size_t share = ph_align_up((t->k * N + n_calls - 1) / n_calls, PH_CACHE_LINE);
    for (size_t p = 0; p < t->k; p += DEPTH) {
        size_t k = t->k - p < DEPTH ? t->k - p : DEPTH;
        for (size_t i = 0; i < t->m; i += ROWS) {
            if (t->more && asked < t->k * N) {
                ask(t->w + t->k * N + asked, share);
                asked += share;
            }
            switch (t->m - i) {
            case 1:
                tile(t, i, p, k, wait + i * N, 1);
                break;
            case 2:
                tile(t, i, p, k, wait + i * N, 2);
                break;
            default:
                tile(t, i, p, k, wait + i * N, ROWS);
            }
        }
    }
}

_Static_assert(DEPTH % PH_I8_GROUP == 0, "parts of the depth are whole groups");

static void multiply(const ph_i8_tile *t)
{
    ph_i8_tile part = *t;
    for (size_t i = 0; i < t->m; i += BLOCK) {
        part.m = t->m - i < BLOCK ? t->m - i : BLOCK;
        part.y = t->y + i * t->ldy;
        part.from = t->from != NULL ? t->from + i * t->ld_from : NULL;
        part.q = t->q + i * t->ldq;
        part.scale = t->scale + i * t->ld_f;
        part.offset = t->offset + i * t->ld_f;
        part.more = t->more && i + part.m == t->m;
        rows_block(&part);
    }
}

/* --- activations ------------------------------------------------------------------------------ */

INLINE float across(__m256 v, bool most)
{
    __m128 a = _mm256_castps256_ps128(v), b = _mm256_extractf128_ps(v, 1);
    a = most ? _mm_max_ps(a, b) : _mm_min_ps(a, b);
    b = _mm_movehl_ps(a, a);
    a = most ? _mm_max_ps(a, b) : _mm_min_ps(a, b);
    b = _mm_movehdup_ps(a);
    return _mm_cvtss_f32(most ? _mm_max_ss(a, b) : _mm_min_ss(a, b));
}

INLINE __m256i round_8(const float *x, __m256 least, __m256 inverse)
{
    __m256 v = _mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(x), least), inverse);
    v = _mm256_max_ps(v, _mm256_setzero_ps()); /* 0 where v is NaN */
    return _mm256_cvtps_epi32(_mm256_min_ps(v, _mm256_set1_ps(PH_I8_MAX)));
}

static void quantize(uint8_t *q, float *scale, float *offset, const float *x, size_t n)
{
    __m256 low = _mm256_set1_ps(x[0]), high = low, odd = _mm256_setzero_ps();
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 v = _mm256_loadu_ps(x + i);
        low = _mm256_min_ps(v, low);
        high = _mm256_max_ps(v, high);
        odd = _mm256_fmadd_ps(v, _mm256_setzero_ps(), odd);
    }
    float least = across(low, false), most = across(high, true), strange = 0, odds[8];
    _mm256_storeu_ps(odds, odd);
    for (int j = 0; j < 8; j++) {
        strange += odds[j];
    }
    for (; i < n; i++) {
        least = x[i] < least ? x[i] : least;
        most = x[i] > most ? x[i] : most;
        strange += x[i] * 0;
    }
    float range = most - least, inverse = range > 1e-30f ? PH_I8_MAX / range : 0;
    *scale = range / PH_I8_MAX + strange;
    *offset = least;
    __m256 from = _mm256_set1_ps(least), by = _mm256_set1_ps(inverse);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (i = 0; i + 32 <= n; i += 32) {
        __m256i a = _mm256_packs_epi32(round_8(x + i, from, by), round_8(x + i + 8, from, by));
        __m256i b =
            _mm256_packs_epi32(round_8(x + i + 16, from, by), round_8(x + i + 24, from, by));
        __m256i all = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(a, b), order);
        _mm256_storeu_si256((__m256i *)(void *)(q + i), all);
    }
    for (; i < n; i++) {
        __m128 v = _mm_mul_ss(_mm_sub_ss(_mm_load_ss(x + i), _mm256_castps256_ps128(from)),
                              _mm256_castps256_ps128(by));
        v = _mm_min_ss(_mm_max_ss(v, _mm_setzero_ps()), _mm_set_ss(PH_I8_MAX));
        q[i] = (uint8_t)_mm_cvtss_si32(v);
    }
}

void ph_avx2_fill_int8(ph_kern *kern)
{
    kern->i8_n = N;
    kern->i8 = multiply;
    kern->i8_quantize = quantize;
}
