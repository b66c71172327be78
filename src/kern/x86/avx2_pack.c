/* Weights into panels with AVX2, format by format. Contract: kern/x86/avx2_panels.h; how bytes are
 * transposed and taken apart: avx2_pack.h. */
#include "kern/x86/avx2_pack.h"

/* --- groups of 32 ----------------------------------------------------------------------------- */

typedef void (*block_fn)(panel_quads *q, size_t r, const pack_from *from, size_t at, size_t g);

PACK_INLINE void pack_blocks(byte_panel *panel, const unsigned char *src, size_t row_bytes,
                             size_t n, size_t k, const size_t bytes, const size_t q_at,
                             const size_t fifths_at, const bool has_min)
{
    for (size_t r = 0; r < PANEL_ROWS; r += 8) {
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

#define BLOCK_PANEL(name, bytes, q_at, fifths_at, has_min)                                         \
    void ph_avx2_pack_##name(void *panel, const unsigned char *src, size_t row_bytes, size_t n,    \
                             size_t k)                                                             \
    {                                                                                              \
        pack_blocks(panel, src, row_bytes, n, k, bytes, q_at, fifths_at, has_min);                 \
    }
BLOCK_PANEL(q4_0, 18, 2, 0, false)
BLOCK_PANEL(q4_1, 20, 4, 0, true)
BLOCK_PANEL(q5_0, 22, 6, 2, false)
BLOCK_PANEL(q5_1, 24, 8, 4, true)

/* --- groups of 256 ---------------------------------------------------------------------------- */

PACK_INLINE void pack_q45_k(byte_panel *panel, const unsigned char *src, size_t row_bytes, size_t n,
                            const bool five)
{
    for (size_t r = 0; r < PANEL_ROWS; r += 8) {
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

void ph_avx2_pack_q4_k(void *panel, const unsigned char *src, size_t row_bytes, size_t n, size_t k)
{
    (void)k;
    pack_q45_k(panel, src, row_bytes, n, false);
}

void ph_avx2_pack_q5_k(void *panel, const unsigned char *src, size_t row_bytes, size_t n, size_t k)
{
    (void)k;
    pack_q45_k(panel, src, row_bytes, n, true);
}

void ph_avx2_pack_q6_k(void *to, const unsigned char *src, size_t row_bytes, size_t n, size_t k)
{
    byte_panel *panel = to;
    (void)k;
    for (size_t r = 0; r < PANEL_ROWS; r += 8) {
        pack_from from = pack_rows(src, row_bytes, r, n);
        __m256i scale[4];
        pack_turn(scale, &from, 192);
        pack_scales(panel->scale, r, scale, 4);
        pack_pairs(panel->min, r, scale, 4, -32);
        pack_f16_to(&panel->d[0][r], &from, 208);
        pack_6_k(&panel->q, r, &from);
    }
}

void ph_avx2_pack_q3_k(void *to, const unsigned char *src, size_t row_bytes, size_t n, size_t k)
{
    byte_panel *panel = to;
    (void)k;
    for (size_t r = 0; r < PANEL_ROWS; r += 8) {
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

void ph_avx2_pack_q2_k(void *to, const unsigned char *src, size_t row_bytes, size_t n, size_t k)
{
    byte_panel *panel = to;
    const __m256i low = pack_bytes(15);
    (void)k;
    for (size_t r = 0; r < PANEL_ROWS; r += 8) {
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

/* --- words ------------------------------------------------------------------------------------ */

/* Quads of signed bytes of 32 numbers to pairs of 16-bit numbers, times `by`. */
PACK_INLINE void widen(word_panel *panel, const panel_quads *q, size_t r, size_t g, __m256i by,
                       const bool scaled)
{
#pragma GCC unroll 8
    for (size_t i = 8 * g; i < 8 * g + 8; i++) {
        __m256i v = pack_load(q->v[i][r]), a = pack_two(v, 0, 1), b = pack_two(v, 2, 3);
        pack_store(panel->w[2 * i][r], scaled ? _mm256_mullo_epi16(a, by) : a);
        pack_store(panel->w[2 * i + 1][r], scaled ? _mm256_mullo_epi16(b, by) : b);
    }
}

PACK_INLINE void pack_word_blocks(word_panel *panel, const unsigned char *src, size_t row_bytes,
                                  size_t n, size_t k, const size_t bytes, block_fn block)
{
    panel_quads q;
    for (size_t r = 0; r < PANEL_ROWS; r += 8) {
        pack_from from = pack_rows(src, row_bytes, r, n);
        for (size_t g = 0; g < k / 32; g++) {
            block(&q, r, &from, g * bytes + 2, g);
            widen(panel, &q, r, g, _mm256_setzero_si256(), false);
            pack_f16_to(&panel->d[g][r], &from, g * bytes);
        }
    }
}

void ph_avx2_pack_q8_0(void *panel, const unsigned char *src, size_t row_bytes, size_t n, size_t k)
{
    pack_word_blocks(panel, src, row_bytes, n, k, 34, pack_i8);
}

void ph_avx2_pack_iq4_nl(void *panel, const unsigned char *src, size_t row_bytes, size_t n,
                         size_t k)
{
    pack_word_blocks(panel, src, row_bytes, n, k, 18, pack_iq4);
}

/* Scale b of IQ4_XS is nibble b of its low halves, bits 2 b and on of the upper ones, minus 32;
 * each twice. */
PACK_INLINE void scales_iq4_xs(__m256i scale[8], const pack_from *from)
{
    const __m256i low = _mm256_set1_epi32(15), two = _mm256_set1_epi32(0x30);
    uint32_t low_half[8], high_half[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        uint64_t head;
        memcpy(&head, from->row[i], sizeof head);
        low_half[i] = (uint32_t)(head >> 32);
        high_half[i] = (uint32_t)(head >> 16 & 0xffff) << 4;
    }
    __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)low_half);
    __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)high_half);
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++) {
        __m256i s = _mm256_or_si256(_mm256_and_si256(a, low), _mm256_and_si256(b, two));
        s = _mm256_sub_epi32(s, _mm256_set1_epi32(32));
        scale[g] = _mm256_blend_epi16(s, _mm256_slli_epi32(s, 16), 0xaa);
        a = _mm256_srli_epi32(a, 4);
        b = _mm256_srli_epi32(b, 2);
    }
}

void ph_avx2_pack_iq4_xs(void *to, const unsigned char *src, size_t row_bytes, size_t n, size_t k)
{
    word_panel *panel = to;
    panel_quads q;
    (void)k;
    for (size_t r = 0; r < PANEL_ROWS; r += 8) {
        pack_from from = pack_rows(src, row_bytes, r, n);
        __m256i scale[8];
        scales_iq4_xs(scale, &from);
        pack_f16_to(&panel->d[0][r], &from, 0);
        for (size_t g = 0; g < 8; g++) {
            pack_iq4(&q, r, &from, 8 + 16 * g, g);
            widen(panel, &q, r, g, scale[g], true);
        }
    }
}

/* --- bytes with offset 128 -------------------------------------------------------------------- */

/* Signed bytes of block g, plus 128. */
PACK_INLINE void offset_128(panel_quads *q, size_t r, size_t g)
{
#pragma GCC unroll 8
    for (size_t i = 8 * g; i < 8 * g + 8; i++) {
        pack_store(q->v[i][r], _mm256_xor_si256(pack_load(q->v[i][r]), pack_bytes(0x80)));
    }
}

PACK_INLINE void pack_byte_blocks(byte_panel *panel, const unsigned char *src, size_t row_bytes,
                                  size_t n, size_t k, const size_t bytes, block_fn block)
{
    for (size_t r = 0; r < PANEL_ROWS; r += 8) {
        pack_from from = pack_rows(src, row_bytes, r, n);
        for (size_t g = 0; g < k / 32; g++) {
            block(&panel->q, r, &from, g * bytes + 2, g);
            offset_128(&panel->q, r, g);
            pack_f16_to(&panel->d[g][r], &from, g * bytes);
        }
    }
}

void ph_avx2_pack_q8_0_bytes(void *panel, const unsigned char *src, size_t row_bytes, size_t n,
                             size_t k)
{
    pack_byte_blocks(panel, src, row_bytes, n, k, 34, pack_i8);
}

void ph_avx2_pack_iq4_nl_bytes(void *panel, const unsigned char *src, size_t row_bytes, size_t n,
                               size_t k)
{
    pack_byte_blocks(panel, src, row_bytes, n, k, 18, pack_iq4);
}

void ph_avx2_pack_iq4_xs_bytes(void *to, const unsigned char *src, size_t row_bytes, size_t n,
                               size_t k)
{
    byte_panel *panel = to;
    (void)k;
    for (size_t r = 0; r < PANEL_ROWS; r += 8) {
        pack_from from = pack_rows(src, row_bytes, r, n);
        __m256i scale[8];
        scales_iq4_xs(scale, &from);
        pack_f16_to(&panel->d[0][r], &from, 0);
        for (size_t g = 0; g < 8; g++) {
            pack_iq4(&panel->q, r, &from, 8 + 16 * g, g);
            offset_128(&panel->q, r, g);
            pack_store(panel->scale[g][r], scale[g]);
        }
    }
}
