/* Q2_K: superblocks of 256 in 16 blocks of 16; value = d * scale * q - dmin * min, q in 0..3, scale
 * and min in 0..15. Bytes: 16 of scale (low half) and min (high half), 64 of q, f16 d, f16 dmin.
 * Byte l of each 32 of q holds numbers l, l + 32, l + 64, l + 96 of its half, low bits first. */
#include "kern/kquant.h"
#include "kern/quant.h"

#include <string.h>

#define BYTES 84
#define Q     16
#define D     80

static const ph_kq_spec spec = {
    .n_blocks = 16, .grid = {.lo = 0, .hi = 3}, .scale_hi = 15, .weighting = PH_WEIGHT_ABS};

void ph_quantize_best_q2_k(void *dst, const float *src, const float *importance, size_t n,
                           const ph_search *search)
{
    unsigned char *out = dst;
    for (size_t i = 0; i < n; i += PH_SUPER, out += BYTES) {
        ph_kq_affine v;
        ph_kquant_affine(&v, src + i, importance != NULL ? importance + i : NULL, &spec, search);
        for (size_t b = 0; b < 16; b++) {
            out[b] = (unsigned char)(v.scale[b] | v.min[b] << 4);
        }
        for (size_t k = 0; k < 64; k++) {
            const uint8_t *q = v.q + k / 32 * 128 + k % 32;
            out[Q + k] = (unsigned char)(q[0] | q[32] << 2 | q[64] << 4 | q[96] << 6);
        }
        memcpy(out + D, &v.d, 2);
        memcpy(out + D + 2, &v.dmin, 2);
    }
}

void ph_dequantize_q2_k(float *dst, const void *src, size_t n)
{
    const unsigned char *in = src;
    for (size_t i = 0; i < n; i += PH_SUPER, in += BYTES) {
        float d = ph_f16_at(in + D), dmin = ph_f16_at(in + D + 2);
        for (size_t k = 0; k < PH_SUPER; k++) {
            int q = in[Q + k / 128 * 32 + k % 32] >> (k % 128 / 32 * 2) & 3;
            unsigned char s = in[k / 16];
            dst[i + k] = d * (float)(s & 15) * (float)q - dmin * (float)(s >> 4);
        }
    }
}
