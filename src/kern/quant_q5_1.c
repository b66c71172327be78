/* Q5_1: blocks of 32, f16 d, f16 min, 32 fifth bits (bit k: number k), 16 bytes of the low four
 * bits as in Q4_0; value = d * q + min. Without importance rounding is ggml's
 * quantize_row_q5_1_ref. */
#include "kern/quant.h"
#include "kern/quant32.h"

#include <string.h>

#define BYTES 24

static const ph_grid grid = {.lo = 0, .hi = 31};

static void pack(unsigned char *out, uint16_t d, uint16_t min, const uint8_t q[PH_BLOCK32])
{
    memset(out, 0, BYTES);
    memcpy(out, &d, 2);
    memcpy(out + 2, &min, 2);
    for (size_t k = 0; k < PH_BLOCK32; k++) {
        out[4 + k / 8] |= (unsigned char)(q[k] >> 4 << (k % 8));
        out[8 + k % 16] |= (unsigned char)((q[k] & 15) << (k / 16 * 4));
    }
}

static void quantize_plain(unsigned char *out, const float *src)
{
    float least = src[0], most = src[0];
    uint8_t q[PH_BLOCK32];
    for (size_t k = 1; k < PH_BLOCK32; k++) {
        least = src[k] < least ? src[k] : least;
        most = src[k] > most ? src[k] : most;
    }
    float d = (most - least) / 31, inverse = d != 0 ? 1.0f / d : 0.0f;
    for (size_t k = 0; k < PH_BLOCK32; k++) {
        float v = (src[k] - least) * inverse + 0.5f;
        q[k] = v >= 31 ? 31 : v >= 0 ? (uint8_t)v : 0;
    }
    pack(out, ph_f16_from_f32(d), ph_f16_from_f32(least), q);
}

void ph_quantize_best_q5_1(void *dst, const float *src, const float *importance, size_t n,
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
        step = ph_row32_next(&v, &row, at, true);
        for (size_t l = 0; l < step; l++, out += BYTES) {
            uint8_t q[PH_BLOCK32];
            for (size_t k = 0; k < PH_BLOCK32; k++) {
                q[k] = (uint8_t)v.q[k][l];
            }
            pack(out, v.d[l], v.min[l], q);
        }
    }
}

void ph_dequantize_q5_1(float *dst, const void *src, size_t n)
{
    const unsigned char *in = src;
    for (size_t i = 0; i < n; i += PH_BLOCK32, in += BYTES) {
        float d = ph_f16_at(in), min = ph_f16_at(in + 2);
        for (size_t k = 0; k < PH_BLOCK32; k++) {
            int q = in[8 + k % 16] >> (k / 16 * 4) & 15;
            q |= (in[4 + k / 8] >> (k % 8) & 1) << 4;
            dst[i + k] = (float)q * d + min;
        }
    }
}
