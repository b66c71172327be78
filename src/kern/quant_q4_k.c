/* Q4_K: superblocks of 256 in 8 blocks of 32; value = d * scale * q - dmin * min, q in 0..15, scale
 * and min in 0..63. Bytes: f16 d, f16 dmin, 12 of scales and mins (kern/scales6.h), 128 of q, two
 * to a byte: number l of an even block in the low half, of the odd block behind it in the high
 * half. */
#include "kern/kquant.h"
#include "kern/quant.h"
#include "kern/scales6.h"

#include <string.h>

#define BYTES 144

static const ph_kq_spec spec = {
    .n_blocks = 8, .grid = {.lo = 0, .hi = 15}, .scale_hi = 63, .weighting = PH_WEIGHT_MEAN_ABS};

void ph_quantize_best_q4_k(void *dst, const float *src, const float *importance, size_t n,
                           const ph_search *search)
{
    unsigned char *out = dst;
    for (size_t i = 0; i < n; i += PH_SUPER, out += BYTES) {
        ph_kq_affine v;
        ph_kquant_affine(&v, src + i, importance != NULL ? importance + i : NULL, &spec, search);
        memcpy(out, &v.d, 2);
        memcpy(out + 2, &v.dmin, 2);
        ph_scales6_pack(out + 4, v.scale, v.min);
        for (size_t k = 0; k < PH_SUPER / 2; k++) {
            const uint8_t *q = v.q + k / 32 * 64 + k % 32;
            out[16 + k] = (unsigned char)(q[0] | q[32] << 4);
        }
    }
}

void ph_dequantize_q4_k(float *dst, const void *src, size_t n)
{
    const unsigned char *in = src;
    for (size_t i = 0; i < n; i += PH_SUPER, in += BYTES) {
        uint8_t scale[8], min[8];
        float d = ph_f16_at(in), dmin = ph_f16_at(in + 2);
        ph_scales6_unpack(scale, min, in + 4);
        for (size_t k = 0; k < PH_SUPER; k++) {
            size_t b = k / 32;
            int q = in[16 + b / 2 * 32 + k % 32] >> (b % 2 * 4) & 15;
            dst[i + k] = d * scale[b] * (float)q - dmin * min[b];
        }
    }
}
