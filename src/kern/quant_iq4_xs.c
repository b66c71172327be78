/* IQ4_XS: superblocks of 256 in 8 blocks of 32; value = d * scale * one of 16 values (kern/iq4.h),
 * scale in -32..31. Bytes: f16 d, 2 of the upper two bits of scale + 32 (block b at bit 2 b), 4 of
 * the lower four (block b at bit 4 b), 128 of indices; byte l of each 16 holds numbers l (low half)
 * and l + 16 of its block. */
#include "kern/iq4.h"
#include "kern/kquant.h"
#include "kern/quant.h"

#include <string.h>

#define BYTES   136
#define INDICES 8

static const ph_kq_spec spec = {
    .n_blocks = 8,
    .grid = {.lo = -127, .hi = 113, .curve = ph_iq4_values, .thresholds = ph_iq4_thresholds},
    .scale_lo = -32,
    .scale_hi = 31,
    .weighting = PH_WEIGHT_SQUARE};

void ph_quantize_best_iq4_xs(void *dst, const float *src, const float *importance, size_t n,
                             const ph_search *search)
{
    unsigned char *out = dst;
    for (size_t i = 0; i < n; i += PH_SUPER, out += BYTES) {
        ph_kq_linear v;
        ph_kquant_linear(&v, src + i, importance != NULL ? importance + i : NULL, &spec, search);
        memset(out, 0, BYTES);
        memcpy(out, &v.d, 2);
        for (size_t b = 0; b < 8; b++) {
            unsigned s = (unsigned)(v.scale[b] + 32);
            out[2 + b / 4] |= (unsigned char)(s >> 4 << (b % 4 * 2));
            out[4 + b / 2] |= (unsigned char)((s & 15) << (b % 2 * 4));
        }
        for (size_t k = 0; k < PH_SUPER; k++) {
            unsigned index = ph_iq4_index(v.q[k]);
            out[INDICES + k / 32 * 16 + k % 16] |= (unsigned char)(index << (k % 32 / 16 * 4));
        }
    }
}

void ph_dequantize_iq4_xs(float *dst, const void *src, size_t n)
{
    const unsigned char *in = src;
    for (size_t i = 0; i < n; i += PH_SUPER, in += BYTES) {
        float d = ph_f16_at(in);
        for (size_t b = 0; b < 8; b++) {
            int s = in[4 + b / 2] >> (b % 2 * 4) & 15;
            s |= (in[2 + b / 4] >> (b % 4 * 2) & 3) << 4;
            float scale = d * (float)(s - 32);
            for (size_t l = 0; l < 32; l++) {
                int index = in[INDICES + b * 16 + l % 16] >> (l / 16 * 4) & 15;
                dst[i + b * 32 + l] = scale * ph_iq4_values[index];
            }
        }
    }
}
