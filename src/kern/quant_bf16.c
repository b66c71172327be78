/* BF16: the upper half of an f32. Exact on the way to f32; rounded to nearest even on the way back,
 * NaN made quiet so that cutting its payload cannot turn it into infinity. */
#include "kern/quant.h"

#include <string.h>

float ph_bf16_to_f32(uint16_t h)
{
    uint32_t u = (uint32_t)h << 16;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

uint16_t ph_bf16_from_f32(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    if ((u & 0x7fffffffu) > 0x7f800000u) {
        return (uint16_t)(u >> 16 | 0x40u);
    }
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

void ph_quantize_bf16(void *dst, const float *src, size_t n)
{
    unsigned char *out = dst;
    for (size_t i = 0; i < n; i++) {
        uint16_t h = ph_bf16_from_f32(src[i]);
        memcpy(out + 2 * i, &h, sizeof h);
    }
}

void ph_dequantize_bf16(float *dst, const void *src, size_t n)
{
    const unsigned char *in = src;
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, in + 2 * i, sizeof h);
        dst[i] = ph_bf16_to_f32(h);
    }
}
