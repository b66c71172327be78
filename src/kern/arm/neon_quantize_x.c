/* Activations rounded to bytes, NEON. Contract: ph_quantize_x_fn in kern/fast.h. */
#include <arm_neon.h>

#include "kern/arm/arm_fast.h"

#define MIN_LIVE 1e-30f

static float largest_magnitude(const float *x, size_t n)
{
    uint32x4_t most = vdupq_n_u32(0);
    for (size_t i = 0; i < n; i += 4) { /* as integers, so that NaN is above all */
        uint32x4_t bits = vreinterpretq_u32_f32(vld1q_f32(x + i));
        most = vmaxq_u32(most, vandq_u32(bits, vdupq_n_u32(0x7fffffff)));
    }
    return vget_lane_f32(vreinterpret_f32_u32(vdup_n_u32(vmaxvq_u32(most))), 0);
}

static int32x4_t round_4(const float *x, float inverse)
{
    const float32x4_t lo = vdupq_n_f32(-127.0f), hi = vdupq_n_f32(127.0f);
    float32x4_t v = vmulq_n_f32(vld1q_f32(x), inverse);
    v = vbslq_f32(vcgtq_f32(v, lo), v, lo); /* -127 where v is NaN */
    return vcvtnq_s32_f32(vminq_f32(v, hi));
}

static int16x8_t round_8(const float *x, float inverse)
{
    return vcombine_s16(vmovn_s32(round_4(x, inverse)), vmovn_s32(round_4(x + 4, inverse)));
}

static void quantize_x(int16_t *q, int8_t *q8, float *scale, int16_t *sums, const float *x,
                       size_t n, size_t group)
{
    for (size_t i = 0; i < n; i += group) {
        float amax = largest_magnitude(x + i, group);
        float inverse = amax >= MIN_LIVE ? 127.0f / amax : 0.0f;
        scale[i / group] = amax / 127.0f;
        for (size_t j = i; j < i + group; j += PH_FAST_SUB) {
            int16x8_t a = round_8(x + j, inverse), b = round_8(x + j + 8, inverse);
            vst1q_s16(q + j, a);
            vst1q_s16(q + j + 8, b);
            vst1q_s8(q8 + j, vcombine_s8(vmovn_s16(a), vmovn_s16(b)));
            sums[j / PH_FAST_SUB] = vaddvq_s16(vaddq_s16(a, b));
        }
    }
}

void ph_neon_fill_quantize_x(ph_kern *kern)
{
    kern->quantize_x = quantize_x;
}
