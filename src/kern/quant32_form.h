/* Q4_0, Q4_1, Q5_0 and Q5_1, which differ in two constants: bits of a number, and whether there is
 * a min. A block of 32: f16 d; f16 min, if any; of five bits 32 upper ones (bit k: number k); 16
 * bytes of the low four bits of two numbers each (l and l + 16, low half first). With q the bits as
 * an unsigned number, value = d * (q - 2^(bits - 1)), or d * q + min.
 *
 * Without importance rounding is that of ggml's quantize_row_q4_0_ref, q4_1, q5_0, q5_1: d = the
 * number of largest magnitude / -2^(bits - 1), q = x / d + 2^(bits - 1) + 0.5 cut off; with a min
 * (the least number) d = (largest - least) / (2^bits - 1), q rounded by adding a half and cutting
 * off. */
#ifndef PH_KERN_QUANT32_FORM_H
#define PH_KERN_QUANT32_FORM_H

#include <math.h>
#include <string.h>

#include "kern/quant.h"
#include "kern/quant32.h"

#define FORM32_INLINE static inline __attribute__((always_inline))

FORM32_INLINE size_t form32_upper_at(const bool has_min)
{
    return has_min ? 4 : 2;
}

FORM32_INLINE size_t form32_low_at(const int bits, const bool has_min)
{
    return form32_upper_at(has_min) + (bits == 5 ? PH_BLOCK32 / 8 : 0);
}

FORM32_INLINE size_t form32_bytes(const int bits, const bool has_min)
{
    return form32_low_at(bits, has_min) + PH_BLOCK32 / 2;
}

FORM32_INLINE void form32_pack(unsigned char *out, uint16_t d, uint16_t min,
                               const uint8_t q[PH_BLOCK32], const int bits, const bool has_min)
{
    unsigned char *upper = out + form32_upper_at(has_min),
                  *low = out + form32_low_at(bits, has_min);
    memcpy(out, &d, sizeof d);
    if (has_min) {
        memcpy(out + 2, &min, sizeof min);
    }
    for (size_t b = 0; bits == 5 && b < PH_BLOCK32 / 8; b++) {
        unsigned byte = 0;
        for (size_t k = 0; k < 8; k++) {
            byte |= (unsigned)(q[8 * b + k] >> 4) << k;
        }
        upper[b] = (unsigned char)byte;
    }
    for (size_t k = 0; k < 16; k++) {
        low[k] = (unsigned char)((q[k] & 15) | (q[k + 16] & 15) << 4);
    }
}

FORM32_INLINE void form32_quantize_plain(unsigned char *out, const float *src, const int bits,
                                         const bool has_min)
{
    const float top = (float)((1 << bits) - 1), half = (float)(1 << (bits - 1));
    float least = src[0], most = src[0], largest = 0;
    uint8_t q[PH_BLOCK32];
    for (size_t k = 0; k < PH_BLOCK32; k++) {
        if (has_min) {
            least = src[k] < least ? src[k] : least;
            most = src[k] > most ? src[k] : most;
        } else {
            largest = fabsf(src[k]) > fabsf(largest) ? src[k] : largest;
        }
    }
    float d = has_min ? (most - least) / top : largest / -half;
    float inverse = d != 0 ? 1.0f / d : 0.0f;
    for (size_t k = 0; k < PH_BLOCK32; k++) {
        float v = has_min ? (src[k] - least) * inverse + 0.5f : src[k] * inverse + (half + 0.5f);
        q[k] = v >= top ? (uint8_t)top : v >= 0 ? (uint8_t)v : 0;
    }
    form32_pack(out, ph_f16_from_f32(d), ph_f16_from_f32(least), q, bits, has_min);
}

FORM32_INLINE void form32_quantize(void *dst, const float *src, const float *importance, size_t n,
                                   const ph_search *search, const int bits, const bool has_min)
{
    const float lowest = has_min ? 0 : -(float)(1 << (bits - 1));
    const ph_grid grid = {.lo = lowest, .hi = lowest + (float)((1 << bits) - 1)};
    unsigned char *out = dst;
    if (importance == NULL) {
        for (size_t i = 0; i < n; i += PH_BLOCK32, out += form32_bytes(bits, has_min)) {
            form32_quantize_plain(out, src + i, bits, has_min);
        }
        return;
    }
    ph_row32 row = {.src = src, .importance = importance, .n = n, .grid = &grid, .search = search};
    ph_blocks32 v;
    ph_row32_start(&row);
    for (size_t at = 0, step; at < n / PH_BLOCK32; at += step) {
        step = ph_row32_next(&v, &row, at, has_min);
        for (size_t l = 0; l < step; l++, out += form32_bytes(bits, has_min)) {
            uint8_t q[PH_BLOCK32];
            for (size_t k = 0; k < PH_BLOCK32; k++) {
                q[k] = (uint8_t)(v.q[k][l] - lowest);
            }
            form32_pack(out, v.d[l], v.min[l], q, bits, has_min);
        }
    }
}

FORM32_INLINE void form32_dequantize(float *dst, const void *src, size_t n, const int bits,
                                     const bool has_min)
{
    const unsigned char *in = src;
    for (size_t i = 0; i < n; i += PH_BLOCK32, in += form32_bytes(bits, has_min)) {
        const unsigned char *upper = in + form32_upper_at(has_min);
        const unsigned char *low = in + form32_low_at(bits, has_min);
        float d = ph_f16_at(in), min = has_min ? ph_f16_at(in + 2) : 0;
        for (size_t k = 0; k < PH_BLOCK32; k++) {
            int q = low[k % 16] >> (k / 16 * 4) & 15;
            if (bits == 5) {
                q |= (upper[k / 8] >> (k % 8) & 1) << 4;
            }
            dst[i + k] = has_min ? (float)q * d + min : (float)(q - (1 << (bits - 1))) * d;
        }
    }
}

#endif
