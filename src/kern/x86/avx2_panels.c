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
#include "kern/x86/avx2_fast.h"
#include "kern/x86/avx2_pack.h"

#define INLINE static inline __attribute__((always_inline))
#define TILE_M 6 /* rows of x: 12 sums, 2 of weights, 1 of x, 1 product */
#define STEPS  8 /* vectors of four numbers in 32 */

typedef struct byte_panel {
    pack_quads q;
    int16_t scale[PH_FAST_SUBS][PACK_ROWS][2]; /* by sub-block, each twice */
    int16_t min[PH_FAST_SUBS / 2][PACK_ROWS][2];
    float d[PH_FAST_GROUPS][PACK_ROWS];
    float dmin[PH_FAST_GROUPS][PACK_ROWS];
} byte_panel;

typedef struct word_panel {
    _Alignas(64) int16_t w[PH_FAST_DEPTH / 2][PACK_ROWS][2];
    float d[PH_FAST_GROUPS][PACK_ROWS];
} word_panel;

_Static_assert(sizeof(byte_panel) <= PACK_ROWS * PH_PANEL_ROW_BYTES, "a panel fits its room");
_Static_assert(sizeof(word_panel) <= PACK_ROWS * PH_PANEL_ROW_BYTES, "a panel fits its room");

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
INLINE void sum_bytes(__m256i s[TILE_M][2], const unsigned char (*q)[PACK_ROWS][4], const int8_t *x,
                      const int m, const int fold)
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
INLINE void sum_words(__m256i s[TILE_M][2], const int16_t (*w)[PACK_ROWS][2], const int16_t *x,
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
INLINE void sum_mins(__m256i s[TILE_M][2], const int16_t (*min)[PACK_ROWS][2], const int16_t *x,
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
            float *at = y + i * PACK_ROWS + 8 * v;
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
    float *y = t->y + row * PACK_ROWS;
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
    float *y = t->y + row * PACK_ROWS;
    int32_t sums[TILE_M][PH_FAST_GROUPS]; /* of 32 numbers, times -offset or 1 */
    const __m256i ones = _mm256_set1_epi16(1);
    const __m256i factor = _mm256_set1_epi16((short)(f.min ? 1 : -f.offset));
#pragma GCC unroll 6
    for (int i = 0; i < m; i++) {
        const void *from = t->sums + (row + (size_t)i) * PH_FAST_SUBS;
        __m256i both = _mm256_madd_epi16(_mm256_loadu_si256((const __m256i *)from), factor);
        _mm256_storeu_si256((__m256i *)(void *)sums[i], both);
    }
    for (size_t g = 0; g < t->k / 32; g++) {
        __m256i s[TILE_M][2], all[TILE_M][2];
#pragma GCC unroll 2
        for (int h = 0; h < STEPS / f.fold; h++) {
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
    float *y = t->y + row * PACK_ROWS;
    for (size_t g = 0; g < t->k / group; g++) {
        __m256i s[TILE_M][2];
        sum_words(s, panel->w + g * group / 2, x + g * group, m, true);
        for (size_t p = 16; p < group / 2; p += 16) {
            sum_words(s, panel->w + p, x + 2 * p, m, false);
        }
        add_group(y, s, panel->d[g], t->scale + row * PH_FAST_GROUPS + g, m, false);
    }
}

/* All rows of a tile, in tiles as equal as possible. */
#define EACH_TILE(at, ...)                                                                         \
    do {                                                                                           \
        size_t n_tiles = (t->m + TILE_M - 1) / TILE_M, row = 0;                                    \
        for (size_t i = 0; i < n_tiles; i++) {                                                     \
            size_t m = (t->m - row + n_tiles - i - 1) / (n_tiles - i);                             \
            switch (m) {                                                                           \
            case 6:                                                                                \
                at(t, row, 6, __VA_ARGS__);                                                        \
                break;                                                                             \
            case 5:                                                                                \
                at(t, row, 5, __VA_ARGS__);                                                        \
                break;                                                                             \
            case 4:                                                                                \
                at(t, row, 4, __VA_ARGS__);                                                        \
                break;                                                                             \
            case 3:                                                                                \
                at(t, row, 3, __VA_ARGS__);                                                        \
                break;                                                                             \
            case 2:                                                                                \
                at(t, row, 2, __VA_ARGS__);                                                        \
                break;                                                                             \
            default:                                                                               \
                at(t, row, 1, __VA_ARGS__);                                                        \
                break;                                                                             \
            }                                                                                      \
            row += m;                                                                              \
        }                                                                                          \
    } while (0)

/* --- groups of 32 ----------------------------------------------------------------------------- */

typedef void (*block_fn)(pack_quads *q, size_t r, const pack_from *from, size_t at, size_t g);

INLINE void pack_blocks(byte_panel *panel, const unsigned char *src, size_t row_bytes, size_t n,
                        size_t k, const size_t bytes, const size_t q_at, const size_t fifths_at,
                        const bool has_min)
{
    for (size_t r = 0; r < PACK_ROWS; r += 8) {
        pack_from from = pack_rows(src, row_bytes, r, n);
        for (size_t g = 0; g < k / 32; g++) {
            size_t at = g * bytes;
            pack_nibbles(&panel->q, r, &from, at + q_at, g);
            if (fifths_at > 0) {
                pack_fifths(&panel->q, r, &from, at + fifths_at, g);
            }
            pack_f16_to(&panel->d[g][r], &from, at);
            if (has_min) {
                __m256 min = pack_f16(&from, at + 2);
                _mm256_store_ps(&panel->dmin[g][r], _mm256_xor_ps(min, _mm256_set1_ps(-0.0f)));
            }
        }
    }
}

#define BLOCK_PANEL(name, bytes, q_at, fifths_at, ...)                                             \
    static void pack_##name(void *panel, const unsigned char *src, size_t row_bytes, size_t n,     \
                            size_t k)                                                              \
    {                                                                                              \
        const shape f = {__VA_ARGS__};                                                             \
        pack_blocks(panel, src, row_bytes, n, k, bytes, q_at, fifths_at, f.min != 0);              \
    }                                                                                              \
    static void multiply_##name(const ph_panel_tile *t)                                            \
    {                                                                                              \
        const shape f = {__VA_ARGS__};                                                             \
        EACH_TILE(bytes_32, f);                                                                    \
    }
BLOCK_PANEL(q4_0, 18, 2, 0, .fold = 8, .offset = 8)
BLOCK_PANEL(q4_1, 20, 4, 0, .fold = 8, .min = 1)
BLOCK_PANEL(q5_0, 22, 6, 2, .fold = 4, .offset = 16)
BLOCK_PANEL(q5_1, 24, 8, 4, .fold = 4, .min = 1)

/* --- groups of 256 ---------------------------------------------------------------------------- */

INLINE void pack_q45_k(byte_panel *panel, const unsigned char *src, size_t row_bytes, size_t n,
                       const bool five)
{
    for (size_t r = 0; r < PACK_ROWS; r += 8) {
        pack_from from = pack_rows(src, row_bytes, r, n);
        __m256i t[4], scale[2], min[2];
        pack_turn(t, &from, 0);
        pack_f16_pairs(&panel->d[0][r], &panel->dmin[0][r], t[0]);
        pack_scales6(scale, min, t[1], t[2], t[3]);
        pack_scales(panel->scale, r, scale, 2);
        pack_pairs(panel->min, r, min, 2, 1);
        pack_45_k(&panel->q, r, &from, five ? 48 : 16, 16, five);
    }
}

static void pack_q4_k(void *panel, const unsigned char *src, size_t row_bytes, size_t n, size_t k)
{
    (void)k;
    pack_q45_k(panel, src, row_bytes, n, false);
}

static void pack_q5_k(void *panel, const unsigned char *src, size_t row_bytes, size_t n, size_t k)
{
    (void)k;
    pack_q45_k(panel, src, row_bytes, n, true);
}

static void pack_q6_k(void *to, const unsigned char *src, size_t row_bytes, size_t n, size_t k)
{
    byte_panel *panel = to;
    (void)k;
    for (size_t r = 0; r < PACK_ROWS; r += 8) {
        pack_from from = pack_rows(src, row_bytes, r, n);
        __m256i scale[4];
        pack_turn(scale, &from, 192);
        pack_scales(panel->scale, r, scale, 4);
        pack_pairs(panel->min, r, scale, 4, -32);
        pack_f16_to(&panel->d[0][r], &from, 208);
        pack_6_k(&panel->q, r, &from);
    }
}

static void pack_q3_k(void *to, const unsigned char *src, size_t row_bytes, size_t n, size_t k)
{
    byte_panel *panel = to;
    (void)k;
    for (size_t r = 0; r < PACK_ROWS; r += 8) {
        pack_from from = pack_rows(src, row_bytes, r, n);
        __m256i t[4], scale[4];
        pack_turn(t, &from,
                  92); /* the 12 bytes of scales begin at 96, the superblock ends at 110 */
        pack_scales_3_k(scale, t[1], t[2], t[3]);
        pack_scales(panel->scale, r, scale, 4);
        pack_pairs(panel->min, r, scale, 4, -4);
        pack_f16_to(&panel->d[0][r], &from, 108);
        pack_23_k(&panel->q, r, &from, 32, true);
    }
}

static void pack_q2_k(void *to, const unsigned char *src, size_t row_bytes, size_t n, size_t k)
{
    byte_panel *panel = to;
    const __m256i low = pack_bytes(15);
    (void)k;
    for (size_t r = 0; r < PACK_ROWS; r += 8) {
        pack_from from = pack_rows(src, row_bytes, r, n);
        __m256i t[4], scale[4], min[4];
        pack_turn(t, &from, 0);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            scale[i] = _mm256_and_si256(t[i], low);
            min[i] = _mm256_and_si256(_mm256_srli_epi16(t[i], 4), low);
        }
        pack_scales(panel->scale, r, scale, 4);
        pack_pairs(panel->min, r, min, 4, 1);
        pack_f16_to(&panel->d[0][r], &from, 80);
        pack_f16_to(&panel->dmin[0][r], &from, 82);
        pack_23_k(&panel->q, r, &from, 16, false);
    }
}

#define SUPER_MULTIPLY(name, ...)                                                                  \
    static void multiply_##name(const ph_panel_tile *t)                                            \
    {                                                                                              \
        const shape f = {__VA_ARGS__};                                                             \
        EACH_TILE(bytes_256, f);                                                                   \
    }
SUPER_MULTIPLY(q2_k, .fold = 4, .sub = 16, .min = 16)
SUPER_MULTIPLY(q3_k, .fold = 4, .sub = 16, .starts = true)
SUPER_MULTIPLY(q4_k, .fold = 8, .sub = 32, .min = 32)
SUPER_MULTIPLY(q5_k, .fold = 4, .sub = 32, .min = 32)
SUPER_MULTIPLY(q6_k, .fold = 2, .sub = 16, .starts = true)

/* --- words ------------------------------------------------------------------------------------ */

/* Quads of signed bytes of 32 numbers to pairs of 16-bit numbers, times `by`. */
INLINE void widen(word_panel *panel, const pack_quads *q, size_t r, size_t g, __m256i by,
                  const bool scaled)
{
#pragma GCC unroll 8
    for (size_t i = 8 * g; i < 8 * g + 8; i++) {
        __m256i v = load(q->v[i][r]), a = pack_two(v, 0, 1), b = pack_two(v, 2, 3);
        pack_store(panel->w[2 * i][r], scaled ? _mm256_mullo_epi16(a, by) : a);
        pack_store(panel->w[2 * i + 1][r], scaled ? _mm256_mullo_epi16(b, by) : b);
    }
}

INLINE void pack_word_blocks(word_panel *panel, const unsigned char *src, size_t row_bytes,
                             size_t n, size_t k, const size_t bytes, block_fn block)
{
    pack_quads q;
    for (size_t r = 0; r < PACK_ROWS; r += 8) {
        pack_from from = pack_rows(src, row_bytes, r, n);
        for (size_t g = 0; g < k / 32; g++) {
            block(&q, r, &from, g * bytes + 2, g);
            widen(panel, &q, r, g, _mm256_setzero_si256(), false);
            pack_f16_to(&panel->d[g][r], &from, g * bytes);
        }
    }
}

static void pack_q8_0(void *panel, const unsigned char *src, size_t row_bytes, size_t n, size_t k)
{
    pack_word_blocks(panel, src, row_bytes, n, k, 34, pack_i8);
}

static void pack_iq4_nl(void *panel, const unsigned char *src, size_t row_bytes, size_t n, size_t k)
{
    pack_word_blocks(panel, src, row_bytes, n, k, 18, pack_iq4);
}

/* Scale b of IQ4_XS is nibble b of its low halves, bits 2 b and on of the upper ones, minus 32. */
static void pack_iq4_xs(void *to, const unsigned char *src, size_t row_bytes, size_t n, size_t k)
{
    word_panel *panel = to;
    pack_quads q;
    const __m256i low = _mm256_set1_epi32(15), two = _mm256_set1_epi32(0x30);
    (void)k;
    for (size_t r = 0; r < PACK_ROWS; r += 8) {
        pack_from from = pack_rows(src, row_bytes, r, n);
        uint64_t scales[8];
        uint32_t low_half[8], high_half[8];
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            memcpy(&scales[i], from.row[i], sizeof scales[i]);
            low_half[i] = (uint32_t)(scales[i] >> 32);
            high_half[i] = (uint32_t)(scales[i] >> 16 & 0xffff) << 4;
        }
        __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)low_half);
        __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)high_half);
        pack_f16_to(&panel->d[0][r], &from, 0);
        for (size_t g = 0; g < 8; g++) {
            __m256i s = _mm256_or_si256(_mm256_and_si256(a, low), _mm256_and_si256(b, two));
            s = _mm256_sub_epi32(s, _mm256_set1_epi32(32));
            s = _mm256_blend_epi16(s, _mm256_slli_epi32(s, 16), 0xaa);
            pack_iq4(&q, r, &from, 8 + 16 * g, g);
            widen(panel, &q, r, g, s, true);
            a = _mm256_srli_epi32(a, 4);
            b = _mm256_srli_epi32(b, 2);
        }
    }
}

static void multiply_words_32(const ph_panel_tile *t)
{
    EACH_TILE(words_at, 32);
}

static void multiply_words_256(const ph_panel_tile *t)
{
    EACH_TILE(words_at, PH_FAST_DEPTH);
}

#define BYTES(name)                                                                                \
    {                                                                                              \
        PACK_ROWS, sizeof(byte_panel), pack_##name, multiply_##name                                \
    }

static const ph_panel_kind kinds[PH_N_QUANT] = {
    [PH_QUANT_Q8_0] = {PACK_ROWS, sizeof(word_panel), pack_q8_0, multiply_words_32},
    [PH_QUANT_Q4_0] = BYTES(q4_0),
    [PH_QUANT_Q4_1] = BYTES(q4_1),
    [PH_QUANT_Q5_0] = BYTES(q5_0),
    [PH_QUANT_Q5_1] = BYTES(q5_1),
    [PH_QUANT_Q2_K] = BYTES(q2_k),
    [PH_QUANT_Q3_K] = BYTES(q3_k),
    [PH_QUANT_Q4_K] = BYTES(q4_k),
    [PH_QUANT_Q5_K] = BYTES(q5_k),
    [PH_QUANT_Q6_K] = BYTES(q6_k),
    [PH_QUANT_IQ4_NL] = {PACK_ROWS, sizeof(word_panel), pack_iq4_nl, multiply_words_32},
    [PH_QUANT_IQ4_XS] = {PACK_ROWS, sizeof(word_panel), pack_iq4_xs, multiply_words_256},
};

void ph_avx2_fill_panels(ph_kern *kern)
{
    for (int i = 0; i < PH_N_QUANT; i++) {
        if (kinds[i].rows != 0) {
            kern->panels[i] = &kinds[i];
        }
    }
}
