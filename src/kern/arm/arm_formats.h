/* Quantized formats for NEON: 32 numbers at a time as signed bytes in registers, the offset of
 * unsigned quanta taken off, and the integer scales and mins of superblocks. Layouts: quant_NAME.c
 * and kern/split.c. Nothing behind a block is read.
 */
#ifndef PH_KERN_ARM_ARM_FORMATS_H
#define PH_KERN_ARM_ARM_FORMATS_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kern/fast.h"

#define ARM_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define ARM_UNROLL _Pragma("clang loop unroll(full)")
#else
#define ARM_UNROLL _Pragma("GCC unroll 32")
#endif

/* Of a superblock. */
typedef struct arm_scales {
    int32_t scale[PH_FAST_SUBS]; /* of each `sub` numbers */
    int16x8_t min[2];            /* likewise */
} arm_scales;

typedef struct arm_format {
    /* Numbers 32 b .. 32 b + 31 of the block at `in`. */
    void (*run)(int8x16_t w[2], const unsigned char *in, const int b);
    void (*scales)(arm_scales *out, const unsigned char *in); /* NULL: a block is a group of 32 */
    size_t bytes, d_at, dmin_at;
    int sub; /* numbers that share an integer scale: 16 or 32 */
    bool has_min;
} arm_format;

ARM_INLINE uint8x16_t arm_load(const unsigned char *p)
{
    return vld1q_u8(p);
}

ARM_INLINE int8x16_t arm_signed(uint8x16_t v)
{
    return vreinterpretq_s8_u8(v);
}

/* n > 0: to the left, n < 0: to the right */
ARM_INLINE uint8x16_t arm_shift(uint8x16_t v, const int n)
{
    return vshlq_u8(v, vdupq_n_s8((int8_t)n));
}

ARM_INLINE uint8x16_t arm_bits(uint8x16_t v, const int n, const int mask)
{
    return vandq_u8(arm_shift(v, n), vdupq_n_u8((uint8_t)mask));
}

ARM_INLINE int8x16_t arm_less(uint8x16_t v, const int offset)
{
    return vsubq_s8(arm_signed(v), vdupq_n_s8((int8_t)offset));
}

/* Four f16 numbers that lie row_bytes apart. */
ARM_INLINE float32x4_t arm_f16_4(const unsigned char *const row[4], size_t at)
{
    uint16_t h[4];
    ARM_UNROLL
    for (int r = 0; r < 4; r++) {
        memcpy(&h[r], row[r] + at, sizeof h[r]);
    }
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(h)));
}

/* --- groups of 32 ----------------------------------------------------------------------------- */

ARM_INLINE void arm_run_q8_0(int8x16_t w[2], const unsigned char *in, const int b)
{
    (void)b;
    w[0] = arm_signed(arm_load(in + 2));
    w[1] = arm_signed(arm_load(in + 18));
}

/* Numbers l and l + 16 share byte l. */
ARM_INLINE void arm_nibbles(uint8x16_t v[2], const unsigned char *in)
{
    uint8x16_t both = arm_load(in);
    v[0] = vandq_u8(both, vdupq_n_u8(15));
    v[1] = vshrq_n_u8(both, 4);
}

/* The same with bit l of four bytes at `bits` as number l's fifth. */
ARM_INLINE void arm_fives(uint8x16_t v[2], const unsigned char *in, const unsigned char *bits)
{
    static const uint8_t byte_of[16] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1};
    static const uint8_t each[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint32_t word;
    memcpy(&word, bits, sizeof word);
    uint8x16_t four = vreinterpretq_u8_u32(vdupq_n_u32(word));
    uint8x16_t index = vld1q_u8(byte_of), mask = vld1q_u8(each), fifth = vdupq_n_u8(16);
    arm_nibbles(v, in);
    ARM_UNROLL
    for (int h = 0; h < 2; h++) {
        uint8x16_t set = vtstq_u8(vqtbl1q_u8(four, index), mask);
        v[h] = vorrq_u8(v[h], vandq_u8(set, fifth));
        index = vaddq_u8(index, vdupq_n_u8(2));
    }
}

ARM_INLINE void arm_iq4(int8x16_t w[2], const unsigned char *in)
{
    static const int8_t values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113};
    int8x16_t table = vld1q_s8(values);
    uint8x16_t v[2];
    arm_nibbles(v, in);
    w[0] = vqtbl1q_s8(table, v[0]);
    w[1] = vqtbl1q_s8(table, v[1]);
}

ARM_INLINE void arm_take_off(int8x16_t w[2], const uint8x16_t v[2], const int offset)
{
    w[0] = arm_less(v[0], offset);
    w[1] = arm_less(v[1], offset);
}

ARM_INLINE void arm_run_q4_0(int8x16_t w[2], const unsigned char *in, const int b)
{
    uint8x16_t v[2];
    (void)b;
    arm_nibbles(v, in + 2);
    arm_take_off(w, v, 8);
}

ARM_INLINE void arm_run_q4_1(int8x16_t w[2], const unsigned char *in, const int b)
{
    uint8x16_t v[2];
    (void)b;
    arm_nibbles(v, in + 4);
    arm_take_off(w, v, 0);
}

ARM_INLINE void arm_run_q5_0(int8x16_t w[2], const unsigned char *in, const int b)
{
    uint8x16_t v[2];
    (void)b;
    arm_fives(v, in + 6, in + 2);
    arm_take_off(w, v, 16);
}

ARM_INLINE void arm_run_q5_1(int8x16_t w[2], const unsigned char *in, const int b)
{
    uint8x16_t v[2];
    (void)b;
    arm_fives(v, in + 8, in + 4);
    arm_take_off(w, v, 0);
}

ARM_INLINE void arm_run_iq4_nl(int8x16_t w[2], const unsigned char *in, const int b)
{
    (void)b;
    arm_iq4(w, in + 2);
}

/* --- superblocks of 256 ----------------------------------------------------------------------- */

ARM_INLINE void arm_put_scales(arm_scales *out, int8x16_t s)
{
    int16x8_t lo = vmovl_s8(vget_low_s8(s)), hi = vmovl_s8(vget_high_s8(s));
    vst1q_s32(out->scale, vmovl_s16(vget_low_s16(lo)));
    vst1q_s32(out->scale + 4, vmovl_s16(vget_high_s16(lo)));
    vst1q_s32(out->scale + 8, vmovl_s16(vget_low_s16(hi)));
    vst1q_s32(out->scale + 12, vmovl_s16(vget_high_s16(hi)));
}

ARM_INLINE uint32_t arm_u32(const unsigned char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

ARM_INLINE uint8x16_t arm_words(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    return vcombine_u8(vcreate_u8(a | (uint64_t)b << 32), vcreate_u8(c | (uint64_t)d << 32));
}

/* Two runs of 32 are the low and the high halves of 32 bytes. */
ARM_INLINE void arm_halves(uint8x16_t v[2], const unsigned char *in, const int b)
{
    const unsigned char *q = in + b / 2 * 32;
    const int right = -(b % 2) * 4;
    v[0] = arm_bits(arm_load(q), right, 15);
    v[1] = arm_bits(arm_load(q + 16), right, 15);
}

ARM_INLINE void arm_run_q4_k(int8x16_t w[2], const unsigned char *in, const int b)
{
    uint8x16_t v[2];
    arm_halves(v, in + 16, b);
    arm_take_off(w, v, 0);
}

ARM_INLINE void arm_run_q5_k(int8x16_t w[2], const unsigned char *in, const int b)
{
    uint8x16_t v[2];
    arm_halves(v, in + 48, b);
    v[0] = vorrq_u8(v[0], arm_bits(arm_load(in + 16), 4 - b, 16));
    v[1] = vorrq_u8(v[1], arm_bits(arm_load(in + 32), 4 - b, 16));
    arm_take_off(w, v, 0);
}

/* kern/scales6.h, four at a time: scales in bytes 0 .. 7, mins in 8 .. 15. */
ARM_INLINE void arm_scales_q45_k(arm_scales *out, const unsigned char *in)
{
    uint32_t a = arm_u32(in + 4), b = arm_u32(in + 8), c = arm_u32(in + 12);
    uint8x16_t v = arm_words(a & 0x3f3f3f3f, (c & 0x0f0f0f0f) | (a >> 2 & 0x30303030),
                             b & 0x3f3f3f3f, (c >> 4 & 0x0f0f0f0f) | (b >> 2 & 0x30303030));
    arm_put_scales(out, arm_signed(v));
    out->min[0] = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(v)));
    out->min[1] = vdupq_n_s16(0);
}

ARM_INLINE void arm_run_q6_k(int8x16_t w[2], const unsigned char *in, const int b)
{
    const int half = b / 4, i = b % 4;
    const unsigned char *low = in + half * 64 + i % 2 * 32, *high = in + 128 + half * 32;
    uint8x16_t v[2];
    ARM_UNROLL
    for (int h = 0; h < 2; h++) {
        v[h] = arm_bits(arm_load(low + 16 * h), -(i / 2) * 4, 15);
        v[h] = vorrq_u8(v[h], arm_bits(arm_load(high + 16 * h), 4 - 2 * i, 0x30));
    }
    arm_take_off(w, v, 32);
}

ARM_INLINE void arm_scales_q6_k(arm_scales *out, const unsigned char *in)
{
    arm_put_scales(out, arm_signed(arm_load(in + 192)));
}

/* Number k has two bits in byte k / 128 * 32 + k % 32. */
ARM_INLINE void arm_twos(uint8x16_t v[2], const unsigned char *in, const int b)
{
    const unsigned char *q = in + b / 4 * 32;
    v[0] = arm_bits(arm_load(q), -(b % 4) * 2, 3);
    v[1] = arm_bits(arm_load(q + 16), -(b % 4) * 2, 3);
}

ARM_INLINE void arm_run_q2_k(int8x16_t w[2], const unsigned char *in, const int b)
{
    uint8x16_t v[2];
    arm_twos(v, in + 16, b);
    arm_take_off(w, v, 0);
}

ARM_INLINE void arm_scales_q2_k(arm_scales *out, const unsigned char *in)
{
    uint8x16_t both = arm_load(in), min = vshrq_n_u8(both, 4);
    arm_put_scales(out, arm_signed(vandq_u8(both, vdupq_n_u8(15))));
    out->min[0] = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(min)));
    out->min[1] = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(min)));
}

ARM_INLINE void arm_run_q3_k(int8x16_t w[2], const unsigned char *in, const int b)
{
    uint8x16_t v[2];
    arm_twos(v, in + 32, b);
    v[0] = vorrq_u8(v[0], arm_bits(arm_load(in), 2 - b, 4));
    v[1] = vorrq_u8(v[1], arm_bits(arm_load(in + 16), 2 - b, 4));
    arm_take_off(w, v, 4);
}

ARM_INLINE void arm_scales_q3_k(arm_scales *out, const unsigned char *in)
{
    uint32_t a = arm_u32(in + 96), b = arm_u32(in + 100), c = arm_u32(in + 104);
    const uint32_t low = 0x0f0f0f0f, top = 0x30303030;
    uint8x16_t v = arm_words((a & low) | (c << 4 & top), (b & low) | (c << 2 & top),
                             (a >> 4 & low) | (c & top), (b >> 4 & low) | (c >> 2 & top));
    arm_put_scales(out, arm_less(v, 32));
}

ARM_INLINE void arm_run_iq4_xs(int8x16_t w[2], const unsigned char *in, const int b)
{
    arm_iq4(w, in + 8 + 16 * b);
}

/* Scale b: nibble b of four bytes, bits 2 b and 2 b + 1 of a 16-bit number, less 32. */
ARM_INLINE void arm_scales_iq4_xs(arm_scales *out, const unsigned char *in)
{
    static const int16_t right[8] = {0, -2, -4, -6, -8, -10, -12, -14};
    uint16_t h;
    memcpy(&h, in + 2, sizeof h);
    uint32_t l = arm_u32(in + 4);
    uint8x8_t even = vcreate_u8(l & 0x0f0f0f0f), odd = vcreate_u8(l >> 4 & 0x0f0f0f0f);
    uint16x8_t top = vandq_u16(vshlq_u16(vdupq_n_u16(h), vld1q_s16(right)), vdupq_n_u16(3));
    uint8x8_t v = vorr_u8(vzip1_u8(even, odd), vshl_n_u8(vmovn_u16(top), 4));
    arm_put_scales(out, arm_less(vcombine_u8(v, vdup_n_u8(32)), 32));
}

/* arm_format of each. */
#define ARM_FORMAT_q8_0                                                                            \
    {                                                                                              \
        arm_run_q8_0, NULL, 34, 0, 0, 32, false                                                    \
    }
#define ARM_FORMAT_q4_0                                                                            \
    {                                                                                              \
        arm_run_q4_0, NULL, 18, 0, 0, 32, false                                                    \
    }
#define ARM_FORMAT_q4_1                                                                            \
    {                                                                                              \
        arm_run_q4_1, NULL, 20, 0, 2, 32, true                                                     \
    }
#define ARM_FORMAT_q5_0                                                                            \
    {                                                                                              \
        arm_run_q5_0, NULL, 22, 0, 0, 32, false                                                    \
    }
#define ARM_FORMAT_q5_1                                                                            \
    {                                                                                              \
        arm_run_q5_1, NULL, 24, 0, 2, 32, true                                                     \
    }
#define ARM_FORMAT_iq4_nl                                                                          \
    {                                                                                              \
        arm_run_iq4_nl, NULL, 18, 0, 0, 32, false                                                  \
    }
#define ARM_FORMAT_q2_k                                                                            \
    {                                                                                              \
        arm_run_q2_k, arm_scales_q2_k, 84, 80, 82, 16, true                                        \
    }
#define ARM_FORMAT_q3_k                                                                            \
    {                                                                                              \
        arm_run_q3_k, arm_scales_q3_k, 110, 108, 0, 16, false                                      \
    }
#define ARM_FORMAT_q4_k                                                                            \
    {                                                                                              \
        arm_run_q4_k, arm_scales_q45_k, 144, 0, 2, 32, true                                        \
    }
#define ARM_FORMAT_q5_k                                                                            \
    {                                                                                              \
        arm_run_q5_k, arm_scales_q45_k, 176, 0, 2, 32, true                                        \
    }
#define ARM_FORMAT_q6_k                                                                            \
    {                                                                                              \
        arm_run_q6_k, arm_scales_q6_k, 210, 208, 0, 16, false                                      \
    }
#define ARM_FORMAT_iq4_xs                                                                          \
    {                                                                                              \
        arm_run_iq4_xs, arm_scales_iq4_xs, 136, 0, 0, 32, false                                    \
    }

#define ARM_EACH_FORMAT(X)                                                                         \
    X(Q8_0, q8_0)                                                                                  \
    X(Q4_0, q4_0)                                                                                  \
    X(Q4_1, q4_1)                                                                                  \
    X(Q5_0, q5_0)                                                                                  \
    X(Q5_1, q5_1)                                                                                  \
    X(IQ4_NL, iq4_nl)                                                                              \
    X(Q2_K, q2_k)                                                                                  \
    X(Q3_K, q3_k) X(Q4_K, q4_k) X(Q5_K, q5_k) X(Q6_K, q6_k) X(IQ4_XS, iq4_xs)

#endif
