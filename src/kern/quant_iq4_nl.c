/* IQ4_NL: blocks of 32, f16 d, 16 bytes of two indices each (numbers l and l + 16, low half first);
 * value = d * one of 16 values (kern/iq4.h). */
#include "kern/iq4.h"
#include "kern/quant.h"
#include "kern/quant32.h"

#include <string.h>

#define BYTES 18

static const ph_grid grid = {
    .lo = -127, .hi = 113, .curve = ph_iq4_values, .thresholds = ph_iq4_thresholds};

void ph_quantize_best_iq4_nl(void *dst, const float *src, const float *importance, size_t n,
                             const ph_search *search)
{
    unsigned char *out = dst;
    ph_row32 row = {.src = src,
                    .importance = importance,
                    .n = n,
                    .weighting = PH_WEIGHT_SQUARE,
                    .grid = &grid,
                    .search = search};
    ph_blocks32 v;
    ph_row32_start(&row);
    for (size_t at = 0, step; at < n / PH_BLOCK32; at += step) {
        step = ph_row32_next(&v, &row, at, false);
        for (size_t l = 0; l < step; l++, out += BYTES) {
            memcpy(out, &v.d[l], 2);
            for (size_t k = 0; k < 16; k++) {
                out[2 + k] =
                    (unsigned char)(ph_iq4_index(v.q[k][l]) | ph_iq4_index(v.q[k + 16][l]) << 4);
            }
        }
    }
}

void ph_dequantize_iq4_nl(float *dst, const void *src, size_t n)
{
    const unsigned char *in = src;
    for (size_t i = 0; i < n; i += PH_BLOCK32, in += BYTES) {
        float d = ph_f16_at(in);
        for (size_t k = 0; k < PH_BLOCK32; k++) {
            dst[i + k] = d * ph_iq4_values[in[2 + k % 16] >> (k / 16 * 4) & 15];
        }
    }
}
