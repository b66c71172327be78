/* Q8_0: blocks of 32 numbers, an f16 scale d and 32 int8 q; value = d * q.
 * Rounding as ggml's quantize_row_q8_0_ref: d = largest magnitude / 127 in f32, q = round(x / d)
 * with ties away from zero and the unrounded d, d stored as f16. Magnitudes are taken with fmaxf,
 * which passes over NaN; whoever quantizes a model refuses NaN and infinity before. */
#include "kern/quant.h"

#include <math.h>
#include <string.h>

#define BLOCK       32
#define BLOCK_BYTES 34

void ph_quantize_q8_0(void *dst, const float *src, size_t n)
{
    unsigned char *out = dst;
    for (size_t i = 0; i < n; i += BLOCK, out += BLOCK_BYTES) {
        float largest = 0;
        for (size_t j = 0; j < BLOCK; j++) {
            largest = fmaxf(largest, fabsf(src[i + j]));
        }
        float d = largest / 127.0f;
        float inverse = d != 0 ? 1.0f / d : 0.0f;
        uint16_t h = ph_f16_from_f32(d);
        memcpy(out, &h, sizeof h);
        for (size_t j = 0; j < BLOCK; j++) {
            float q = roundf(src[i + j] * inverse);
            /* A subnormal d has an infinite inverse; and NaN has no integer. */
            q = q >= 127.0f ? 127.0f : q >= -127.0f ? q : q < -127.0f ? -127.0f : 0.0f;
            out[2 + j] = (unsigned char)(signed char)q;
        }
    }
}

void ph_dequantize_q8_0(float *dst, const void *src, size_t n)
{
    const unsigned char *in = src;
    for (size_t i = 0; i < n; i += BLOCK, in += BLOCK_BYTES) {
        uint16_t h;
        memcpy(&h, in, sizeof h);
        float d = ph_f16_to_f32(h);
        for (size_t j = 0; j < BLOCK; j++) {
            dst[i + j] = d * (float)(signed char)in[2 + j];
        }
    }
}
