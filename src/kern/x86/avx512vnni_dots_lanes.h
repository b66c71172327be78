/* Products of 1 to 8 rows of activations with Q4_K, Q5_K and Q6_K, AVX-512 with VNNI, in which
 * lanes are rows of weights. Contract: ph_dots_fn in kern/fast.h.
 *
 * Sixteen rows of weights at a time: 16 bytes of each are transposed in registers, so that a lane
 * holds four numbers of its row, as in a panel; but nothing is written down. vpdpbusd multiplies
 * them with four numbers of x and adds them up in 32 bits, until the sum of a sub-block is
 * multiplied by its scale. No sum goes across lanes, and what the transposition costs is paid once
 * for all rows of x. Offsets of numbers with a sign are taken off beforehand: a sum begins with
 * -offset times the sum of x.
 *
 * Bounds: those of avx512vnni_panels.h.
 */
#ifndef PH_KERN_X86_AVX512VNNI_DOTS_LANES_H
#define PH_KERN_X86_AVX512VNNI_DOTS_LANES_H

#include "kern/x86/avx512vnni_dots.h"
#include "kern/x86/avx512vnni_pack.h"

#define VL_ROWS PANEL_ROWS
#define VL_M                                                                                       \
    PH_FAST_DOTS_MAX /* rows of x: a register each for sums of a sub-block and of a superblock */

/* Scales, mins, d and dmin of sixteen superblocks: as in a panel, whose numbers are not used. */
typedef byte_panel vl_head;

/* Sixteen superblocks, the first row's at w, with m rows of x. */
typedef struct vl_super {
    const unsigned char *w, *next; /* next: what to ask for meanwhile */
    size_t row_bytes, step_bytes;
    const int8_t *x;     /* [m][PH_FAST_DEPTH] */
    const int16_t *sums; /* [m][PH_FAST_SUBS] */
    bool far;
} vl_super;

typedef struct vl_form {
    /* Whole numbers: sums of products, and of mins (only of formats with minimums). */
    void (*super)(__m512i all[VL_M], __m512i mins[VL_M], vl_head *head, const vl_super *b,
                  const int m);
    bool has_min;
} vl_form;

/* s[i] += quads of weights times as many of x. */
DOTS_INLINE void vl_multiply(__m512i s[VL_M], const __m512i *quads, const int n, const int8_t *x,
                             const int m)
{
#pragma GCC unroll 8
    for (int q = 0; q < n; q++) {
#pragma GCC unroll 8
        for (int i = 0; i < m; i++) {
            int32_t four;
            memcpy(&four, x + i * PH_FAST_DEPTH + 4 * q, sizeof four);
            s[i] = _mm512_dpbusd_epi32(s[i], quads[q], _mm512_set1_epi32(four));
        }
    }
}

/* all[i] += sums of a sub-block times its scale. */
DOTS_INLINE void vl_scale(__m512i all[VL_M], const __m512i s[VL_M], const void *scale, const int m)
{
    __m512i by = _mm512_load_si512(scale);
#pragma GCC unroll 8
    for (int i = 0; i < m; i++) {
        all[i] = _mm512_add_epi32(all[i], _mm512_mullo_epi32(s[i], by));
        PH_KEEP_512(all[i]); /* or gcc puts additions off and needs registers for them */
    }
}

DOTS_INLINE void vl_zero(__m512i s[VL_M], const int m)
{
#pragma GCC unroll 8
    for (int i = 0; i < m; i++) {
        s[i] = _mm512_setzero_si512();
    }
}

DOTS_INLINE void vl_ask(const vl_super *b, size_t part, const size_t parts)
{
    size_t bytes = VL_ROWS / parts * b->step_bytes;
    vnni_ask(b->next + part * bytes, bytes, b->far);
}

/* Sums of x times mins, of which pairs of neighbouring sub-blocks lie together. */
DOTS_INLINE void vl_mins(__m512i mins[VL_M], const vl_head *head, const vl_super *b, const int m)
{
#pragma GCC unroll 8
    for (int i = 0; i < m; i++) {
        const int16_t *of_16 = b->sums + i * PH_FAST_SUBS;
        int32_t pairs[4];
        __m128i of_32 = _mm_hadd_epi16(dots_load_16(of_16), dots_load_16(of_16 + 8));
        memcpy(pairs, &of_32, sizeof pairs);
        mins[i] = _mm512_setzero_si512();
#pragma GCC unroll 4
        for (int p = 0; p < 4; p++) {
            mins[i] = _mm512_dpwssd_epi32(mins[i], _mm512_load_si512(head->min[p]),
                                          _mm512_set1_epi32(pairs[p]));
        }
    }
}

DOTS_INLINE void vl_super_45(__m512i all[VL_M], __m512i mins[VL_M], vl_head *head,
                             const vl_super *b, const int m, const bool five)
{
    const __m512i low = vk_bytes(15), fifth = vk_bytes(16);
    __m512i bits[8], t[8], q[8], s[VL_M];
    vk_head_45(head, b->w, b->row_bytes);
    if (five) {
        vk_turn(bits, b->w + 16, b->row_bytes);
    }
    vl_mins(mins, head, b, m);
    vl_zero(all, m);
    for (int p = 0; p < 4; p++) { /* 64 numbers: their low nibbles, then their high ones */
        vl_ask(b, (size_t)p, 4);
        vk_turn(t, b->w + (five ? 48 : 16) + 32 * p, b->row_bytes);
#pragma GCC unroll 2
        for (int high = 0; high < 2; high++) {
#pragma GCC unroll 8
            for (int i = 0; i < 8; i++) {
                q[i] = vk_bits(t[i], high ? -4 : 0, low);
                if (five) {
                    q[i] = _mm512_or_si512(q[i], vk_bits(bits[i], high ? 3 : 4, fifth));
                    bits[i] = high ? _mm512_srli_epi16(bits[i], 2) : bits[i];
                }
            }
            vl_zero(s, m);
            vl_multiply(s, q, 8, b->x + 64 * p + 32 * high, m);
            vl_scale(all, s, head->scale[2 * p + high], m);
        }
    }
}

DOTS_INLINE void vl_super_q4_k(__m512i all[VL_M], __m512i mins[VL_M], vl_head *head,
                               const vl_super *b, const int m)
{
    vl_super_45(all, mins, head, b, m, false);
}

DOTS_INLINE void vl_super_q5_k(__m512i all[VL_M], __m512i mins[VL_M], vl_head *head,
                               const vl_super *b, const int m)
{
    vl_super_45(all, mins, head, b, m, true);
}

DOTS_INLINE void vl_super_q6_k(__m512i all[VL_M], __m512i mins[VL_M], vl_head *head,
                               const vl_super *b, const int m)
{
    const __m512i low = vk_bytes(15), two = vk_bytes(0x30);
    __m512i lower[2][4], bits[4], q[4], s[VL_M];
    int32_t starts[VL_M][PH_FAST_SUBS];
    (void)mins;
    vk_head_q6_k(head, b->w, b->row_bytes);
    vl_zero(all, m);
#pragma GCC unroll 8
    for (int i = 0; i < m; i++) {
        __m256i sums = dots_load(b->sums + i * PH_FAST_SUBS);
        __m512i wide = _mm512_slli_epi32(_mm512_cvtepi16_epi32(sums), 5); /* offset 32 */
        _mm512_storeu_si512(starts[i], _mm512_sub_epi32(_mm512_setzero_si512(), wide));
    }
    for (int part = 0; part < 4; part++) { /* 16 numbers of each run of 32, of each half */
        const int half = part / 2, h = part % 2;
        vl_ask(b, (size_t)part, 4);
        vk_turn_16(lower[0], b->w + 64 * half + 16 * h, b->row_bytes);
        vk_turn_16(lower[1], b->w + 64 * half + 32 + 16 * h, b->row_bytes);
        vk_turn_16(bits, b->w + 128 + 32 * half + 16 * h, b->row_bytes);
#pragma GCC unroll 4
        for (int run = 0; run < 4; run++) {
            int sub = 8 * half + 2 * run + h;
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++) {
                q[i] = _mm512_or_si512(vk_bits(lower[run % 2][i], run < 2 ? 0 : -4, low),
                                       vk_bits(bits[i], 4 - 2 * run, two));
            }
#pragma GCC unroll 8
            for (int i = 0; i < m; i++) {
                s[i] = _mm512_set1_epi32(starts[i][sub]);
            }
            vl_multiply(s, q, 4, b->x + sub * PH_FAST_SUB, m);
            vl_scale(all, s, head->scale[sub], m);
        }
    }
}

DOTS_INLINE void vl_rows(const ph_few *f, size_t j, const int m, const vl_form form)
{
    vl_head head;
    _Alignas(64) float y[VL_M][VL_ROWS];
    vl_super b = {.w = f->w + j * f->row_bytes,
                  .row_bytes = f->row_bytes,
                  .step_bytes = f->step_bytes,
                  .far = f->asks_far};
    b.next = b.w + VL_ROWS * f->row_bytes;
    memset(y, 0, sizeof y);
    size_t row = f->first;
    for (size_t k0 = 0; k0 < f->k; k0 += PH_FAST_DEPTH, row += f->x.m) {
        __m512i all[VL_M], mins[VL_M];
        const float *scale = f->x.scale + row * PH_FAST_GROUPS;
        b.x = f->x.q8 + row * PH_FAST_DEPTH;
        b.sums = f->x.sums + row * PH_FAST_SUBS;
        form.super(all, mins, &head, &b, m);
        __m512 d = _mm512_load_ps(head.d[0]), dmin = d;
        if (form.has_min) {
            dmin = _mm512_load_ps(head.dmin[0]);
        }
#pragma GCC unroll 8
        for (int i = 0; i < m; i++) {
            __m512 dx = _mm512_set1_ps(scale[i * PH_FAST_GROUPS]), v = _mm512_load_ps(y[i]);
            v = _mm512_fmadd_ps(_mm512_cvtepi32_ps(all[i]), _mm512_mul_ps(d, dx), v);
            if (form.has_min) {
                v = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(mins[i]), _mm512_mul_ps(dmin, dx), v);
            }
            _mm512_store_ps(y[i], v);
        }
        b.w += f->step_bytes;
        b.next += VL_ROWS * f->step_bytes;
    }
#pragma GCC unroll 8
    for (int i = 0; i < m; i++) {
        __m512 v = _mm512_load_ps(y[i]);
        v = f->bias ? _mm512_add_ps(v, _mm512_loadu_ps(f->bias + j)) : v;
        _mm512_storeu_ps(f->y + (size_t)i * f->ldy + j, v);
    }
}

#define VL_CASE(rows, form)                                                                        \
    case rows:                                                                                     \
        DOTS_EACH(f, VL_ROWS, vl_rows, rows, form)                                                 \
        break;
#define VL_DOTS(name, ...)                                                                         \
    static void vl_dots_##name(const ph_few *f)                                                    \
    {                                                                                              \
        const vl_form form = {vl_super_##name, __VA_ARGS__};                                       \
        if (f->n < VL_ROWS) {                                                                      \
            ph_avx2_few(f);                                                                        \
            return;                                                                                \
        }                                                                                          \
        switch (f->m) {                                                                            \
            VL_CASE(1, form)                                                                       \
            VL_CASE(2, form)                                                                       \
            VL_CASE(3, form)                                                                       \
            VL_CASE(4, form)                                                                       \
            VL_CASE(5, form)                                                                       \
            VL_CASE(6, form)                                                                       \
            VL_CASE(7, form)                                                                       \
        default:                                                                                   \
            DOTS_EACH(f, VL_ROWS, vl_rows, VL_M, form)                                             \
        }                                                                                          \
    }
VL_DOTS(q4_k, true)
VL_DOTS(q5_k, true)
VL_DOTS(q6_k, false)

DOTS_INLINE void vl_fill(ph_kern *kern)
{
    static const struct {
        ph_quant_index type;
        ph_dots_fn dots;
    } all[] = {{PH_QUANT_Q4_K, vl_dots_q4_k},
               {PH_QUANT_Q5_K, vl_dots_q5_k},
               {PH_QUANT_Q6_K, vl_dots_q6_k}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        kern->dots[all[i].type] = all[i].dots;
        kern->dots_rows[all[i].type] = VL_M;
    }
}

#endif
