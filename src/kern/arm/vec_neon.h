/* NEON, as every aarch64 CPU has it, under the names of kern/vec/vec.h: 4 lanes, 32 registers.
 * Little-endian only (kern/isa.def), so that bytes in memory are lanes in order. */
#ifndef PH_KERN_ARM_VEC_NEON_H
#define PH_KERN_ARM_VEC_NEON_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VL           4
#define VEC_TILE_M   6 /* 24 sums, 6 activations, 1 weight */
#define VEC_TILE_N   4
#define VEC_ATTN_M   6 /* 24 sums, 4 of keys or values, 1 of the query */
#define VEC_ATTN_N   4
#define VEC_ATTN_ONE 8 /* vectors at a time for a single query */

typedef float32x4_t vf;

static inline vf vf_zero(void)
{
    return vdupq_n_f32(0);
}

static inline vf vf_set1(float x)
{
    return vdupq_n_f32(x);
}

static inline vf vf_load(const float *p)
{
    return vld1q_f32(p);
}

static inline void vf_store(float *p, vf a)
{
    vst1q_f32(p, a);
}

/* First n lanes, n <= VL; the others are zero and their memory is not touched. */
static inline vf vf_load_n(const float *p, size_t n)
{
    float room[VL] = {0};
    memcpy(room, p, n * sizeof *room);
    return vld1q_f32(room);
}

static inline void vf_store_n(float *p, vf a, size_t n)
{
    float room[VL];
    vst1q_f32(room, a);
    memcpy(p, room, n * sizeof *room);
}

static inline vf vf_keep(vf a, size_t n)
{
    static const uint32_t lanes[VL] = {0, 1, 2, 3};
    uint32x4_t below = vcltq_u32(vld1q_u32(lanes), vdupq_n_u32((uint32_t)n));
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a), below));
}

static inline vf vf_add(vf a, vf b)
{
    return vaddq_f32(a, b);
}

static inline vf vf_sub(vf a, vf b)
{
    return vsubq_f32(a, b);
}

static inline vf vf_mul(vf a, vf b)
{
    return vmulq_f32(a, b);
}

static inline vf vf_div(vf a, vf b)
{
    return vdivq_f32(a, b);
}

/* a * b + c, rounded once */
static inline vf vf_fma(vf a, vf b, vf c)
{
    return vfmaq_f32(c, a, b);
}

/* b where either is NaN, unlike fmax and fmaxnm */
static inline vf vf_max(vf a, vf b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}

static inline vf vf_min(vf a, vf b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}

/* a * 2^n, n whole and in -252 .. 254, rounded once if the halves are exact */
static inline vf vf_scale(vf a, vf n)
{
    int32x4_t i = vcvtnq_s32_f32(n);
    int32x4_t half = vshrq_n_s32(i, 1);
    int32x4_t bias = vdupq_n_s32(127);
    int32x4_t low = vshlq_n_s32(vaddq_s32(half, bias), 23);
    int32x4_t high = vshlq_n_s32(vaddq_s32(vsubq_s32(i, half), bias), 23);
    return vmulq_f32(vmulq_f32(a, vreinterpretq_f32_s32(low)), vreinterpretq_f32_s32(high));
}

static inline vf vf_from_f16(const void *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}

static inline void vf_to_f16(void *p, vf a)
{
    vst1_u8(p, vreinterpret_u8_f16(vcvt_f16_f32(a)));
}

static inline vf vf_from_bf16(const void *p)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p)), 16));
}

static inline vf vf_from_i8(const void *p)
{
    uint32_t four;
    memcpy(&four, p, sizeof four);
    int16x8_t wide = vmovl_s8(vcreate_s8(four));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
}

static inline float f16_scalar(const void *p)
{
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(h))), 0);
}

/* Four numbers. */
typedef float32x4_t vq;

static inline vq vq_load(const float *p)
{
    return vld1q_f32(p);
}

static inline void vq_store(float *p, vq a)
{
    vst1q_f32(p, a);
}

static inline vq vq_add(vq a, vq b)
{
    return vaddq_f32(a, b);
}

/* Rows become columns. */
static inline void vq_turn4(vq r[4])
{
    float64x2_t a = vreinterpretq_f64_f32(vtrn1q_f32(r[0], r[1]));
    float64x2_t b = vreinterpretq_f64_f32(vtrn2q_f32(r[0], r[1]));
    float64x2_t c = vreinterpretq_f64_f32(vtrn1q_f32(r[2], r[3]));
    float64x2_t d = vreinterpretq_f64_f32(vtrn2q_f32(r[2], r[3]));
    r[0] = vreinterpretq_f32_f64(vtrn1q_f64(a, c));
    r[1] = vreinterpretq_f32_f64(vtrn1q_f64(b, d));
    r[2] = vreinterpretq_f32_f64(vtrn2q_f64(a, c));
    r[3] = vreinterpretq_f32_f64(vtrn2q_f64(b, d));
}

static inline float64x2_t pairs_of(vf a)
{
    return vreinterpretq_f64_f32(a);
}

/* Lanes 0 + 2 and 1 + 3 of a, then of b. */
static inline vf fold_two(vf a, vf b)
{
    return vaddq_f32(vreinterpretq_f32_f64(vzip1q_f64(pairs_of(a), pairs_of(b))),
                     vreinterpretq_f32_f64(vzip2q_f64(pairs_of(a), pairs_of(b))));
}

/* Sums of the lanes of a, b, c, d by halving. */
static inline vq vf_sum4(vf a, vf b, vf c, vf d)
{
    return vpaddq_f32(fold_two(a, b), fold_two(c, d));
}

/* Sum of the lanes by halving. */
static inline float vf_sum(vf a)
{
    float32x2_t s = vadd_f32(vget_low_f32(a), vget_high_f32(a));
    return vget_lane_f32(vpadd_f32(s, s), 0);
}

/* Either no lane is NaN or all are. */
static inline float vf_largest(vf a)
{
    return vmaxvq_f32(a);
}

#endif
