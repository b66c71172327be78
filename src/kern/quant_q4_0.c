/* Q4_0: blocks of 32, f16 d and 16 bytes of two q each (numbers l and l + 16, low half first);
 * value = d * (q - 8). Without importance rounding is ggml's quantize_row_q4_0_ref: d = the number
 * of largest magnitude / -8, q = x / d + 8.5 cut off. */
#include "kern/quant.h"
#include "kern/quant32.h"

#include <math.h>
#include <string.h>

#define BYTES 18

static const ph_grid grid = {.lo = -8, .hi = 7};

static void pack(unsigned char *out, uint16_t d, const uint8_t q[PH_BLOCK32])
{
    memcpy(out, &d, 2);
    for (size_t k = 0; k < 16; k++) {
        out[2 + k] = (unsigned char)(q[k] | q[k + 16] << 4);
    }
}

static void quantize_plain(unsigned char *out, const float *src)
{
    float max = 0;
    uint8_t q[PH_BLOCK32];
    for (size_t k = 0; k < PH_BLOCK32; k++) {
        max = fabsf(src[k]) > fabsf(max) ? src[k] : max;
    }
    float d = max / -8, inverse = d != 0 ? 1.0f / d : 0.0f;
    for (size_t k = 0; k < PH_BLOCK32; k++) {
        float v = src[k] * inverse + 8.5f;
        q[k] = v >= 15 ? 15 : v >= 0 ? (uint8_t)v : 0;
    }
    pack(out, ph_f16_from_f32(d), q);
}

void ph_quantize_best_q4_0(void *dst, const float *src, const float *importance, size_t n,
                           const ph_search *search)
{
    unsigned char *out = dst;
    if (importance == NULL) {
        for (size_t i = 0; i < n; i += PH_BLOCK32, out += BYTES) {
            quantize_plain(out, src + i);
        }
        return;
    }
    ph_row32 row = {.src = src, .importance = importance, .n = n, .grid = &grid, .search = search};
    ph_blocks32 v;
    ph_row32_start(&row);
    for (size_t at = 0, step; at < n / PH_BLOCK32; at += step) {
        step = ph_row32_next(&v, &row, at, false);
        for (size_t l = 0; l < step; l++, out += BYTES) {
            uint8_t q[PH_BLOCK32];
            for (size_t k = 0; k < PH_BLOCK32; k++) {
                q[k] = (uint8_t)(v.q[k][l] + 8);
            }
            pack(out, v.d[l], q);
        }
    }
}

void ph_dequantize_q4_0(float *dst, const void *src, size_t n)
{
    const unsigned char *in = src;
    for (size_t i = 0; i < n; i += PH_BLOCK32, in += BYTES) {
        float d = ph_f16_at(in);
        for (size_t k = 0; k < PH_BLOCK32; k++) {
            int q = in[2 + k % 16] >> (k / 16 * 4) & 15;
            dst[i + k] = (float)(q - 8) * d;
        }
    }
}
