/* Q3_K: superblocks of 256 in 16 blocks of 16; value = d * scale * q, q in -4..3, scale in -32..31.
 * Bytes: 32 of third bits (bit j of byte l: number 32 j + l, set for q >= 0), 64 of the low two
 * bits of q + 4 (as Q2_K's), 12 of scale + 32, f16 d. Scales: the low four bits of scale j < 8 in
 * the low half of byte j, of scale j >= 8 in the high half of byte j - 8; the upper two bits of
 * scale j at bit j / 4 * 2 of byte 8 + j % 4. */
#include "kern/kquant.h"
#include "kern/quant.h"

#include <string.h>

#define BYTES  110
#define Q      32
#define SCALES 96
#define D      108

static const ph_kq_spec spec = {.n_blocks = 16,
                                .grid = {.lo = -4, .hi = 3},
                                .scale_lo = -32,
                                .scale_hi = 31,
                                .weighting = PH_WEIGHT_SQUARE};

void ph_quantize_best_q3_k(void *dst, const float *src, const float *importance, size_t n,
                           const ph_search *search)
{
    unsigned char *out = dst;
    for (size_t i = 0; i < n; i += PH_SUPER, out += BYTES) {
        ph_kq_linear v;
        ph_kquant_linear(&v, src + i, importance != NULL ? importance + i : NULL, &spec, search);
        memset(out, 0, BYTES);
        for (size_t k = 0; k < PH_SUPER; k++) {
            unsigned q = (unsigned)(v.q[k] + 4);
            out[k % 32] |= (unsigned char)(q >> 2 << (k / 32));
            out[Q + k / 128 * 32 + k % 32] |= (unsigned char)((q & 3) << (k % 128 / 32 * 2));
        }
        for (size_t b = 0; b < 16; b++) {
            unsigned s = (unsigned)(v.scale[b] + 32);
            out[SCALES + b % 8] |= (unsigned char)((s & 15) << (b / 8 * 4));
            out[SCALES + 8 + b % 4] |= (unsigned char)(s >> 4 << (b / 4 * 2));
        }
        memcpy(out + D, &v.d, 2);
    }
}

void ph_dequantize_q3_k(float *dst, const void *src, size_t n)
{
    const unsigned char *in = src;
    for (size_t i = 0; i < n; i += PH_SUPER, in += BYTES) {
        float d = ph_f16_at(in + D), scale[16];
        for (size_t b = 0; b < 16; b++) {
            int s = in[SCALES + b % 8] >> (b / 8 * 4) & 15;
            s |= (in[SCALES + 8 + b % 4] >> (b / 4 * 2) & 3) << 4;
            scale[b] = d * (float)(s - 32);
        }
        for (size_t k = 0; k < PH_SUPER; k++) {
            int q = in[Q + k / 128 * 32 + k % 32] >> (k % 128 / 32 * 2) & 3;
            q |= (in[k % 32] >> (k / 32) & 1) << 2;
            dst[i + k] = scale[k / 16] * (float)(q - 4);
        }
    }
}
