/* F16: IEEE 754 binary16, little-endian. Every f16, subnormals included, is exact in f32; the way
 * back rounds once, to nearest even, with the bits a hardware conversion gives (signalling NaN
 * becomes quiet in both directions). */
#include "kern/quant.h"

#include <string.h>

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

float ph_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t exponent = (h >> 10) & 0x1fu;
    uint32_t mantissa = h & 0x3ffu;
    if (exponent == 0x1f) {
        uint32_t quiet = mantissa != 0 ? 0x400000u : 0;
        return float_of(sign | 0x7f800000u | quiet | mantissa << 13);
    }
    if (exponent == 0) {
        float f = (float)mantissa * 0x1p-24f;
        return float_of(sign | bits_of(f));
    }
    return float_of(sign | (exponent + 112) << 23 | mantissa << 13);
}

float ph_f16_at(const void *p)
{
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return ph_f16_to_f32(h);
}

uint16_t ph_f16_from_f32(float f)
{
    uint32_t u = bits_of(f);
    uint32_t sign = u >> 16 & 0x8000u;
    uint32_t magnitude = u & 0x7fffffffu;
    if (magnitude > 0x7f800000u) {
        return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
    }
    if (magnitude >= 0x477ff000u) { /* 65520 and above round to infinity */
        return (uint16_t)(sign | 0x7c00u);
    }
    if (magnitude < 0x38800000u) {
        /* Below the smallest normal: adding 0.5 puts the last place of the subnormals at the last
         * place of the sum, which the addition rounds to nearest even. */
        uint32_t sum = bits_of(float_of(magnitude) + 0.5f);
        return (uint16_t)(sign | (sum - 0x3f000000u));
    }
    uint32_t odd = magnitude >> 13 & 1u;
    return (uint16_t)(sign | (magnitude - 0x38000000u + 0xfffu + odd) >> 13);
}

void ph_quantize_f16(void *dst, const float *src, size_t n)
{
    unsigned char *out = dst;
    for (size_t i = 0; i < n; i++) {
        uint16_t h = ph_f16_from_f32(src[i]);
        memcpy(out + 2 * i, &h, sizeof h);
    }
}

void ph_dequantize_f16(float *dst, const void *src, size_t n)
{
    const unsigned char *in = src;
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, in + 2 * i, sizeof h);
        dst[i] = ph_f16_to_f32(h);
    }
}
