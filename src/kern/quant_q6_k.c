/* Q6_K: superblocks of 256 in 16 blocks of 16; value = d * scale * q, q in -32..31, scale an int8.
 * Bytes: 128 of the low four bits of q + 32, 64 of the upper two, 16 scales, f16 d. In each half of
 * 128 numbers, numbers l and l + 64 share byte l of 64 (low half first), and numbers l, l + 32,
 * l + 64, l + 96 share byte l of 32 of upper bits, low bits first. */
#include "kern/kquant.h"
#include "kern/quant.h"

#include <string.h>

#define BYTES  210
#define HIGH   128
#define SCALES 192
#define D      208

static const ph_kq_spec spec = {.n_blocks = 16,
                                .grid = {.lo = -32, .hi = 31},
                                .scale_lo = -128,
                                .scale_hi = 127,
                                .weighting = PH_WEIGHT_SQUARE};

void ph_quantize_best_q6_k(void *dst, const float *src, const float *importance, size_t n,
                           const ph_search *search)
{
    unsigned char *out = dst;
    for (size_t i = 0; i < n; i += PH_SUPER, out += BYTES) {
        ph_kq_linear v;
        ph_kquant_linear(&v, src + i, importance != NULL ? importance + i : NULL, &spec, search);
        memset(out, 0, SCALES);
        for (size_t k = 0; k < PH_SUPER; k++) {
            size_t half = k / 128, l = k % 128;
            unsigned q = (unsigned)(v.q[k] + 32);
            out[half * 64 + l % 64] |= (unsigned char)((q & 15) << (l / 64 * 4));
            out[HIGH + half * 32 + l % 32] |= (unsigned char)(q >> 4 << (l / 32 * 2));
        }
        memcpy(out + SCALES, v.scale, 16);
        memcpy(out + D, &v.d, 2);
    }
}

void ph_dequantize_q6_k(float *dst, const void *src, size_t n)
{
    const unsigned char *in = src;
    for (size_t i = 0; i < n; i += PH_SUPER, in += BYTES) {
        float d = ph_f16_at(in + D);
        for (size_t k = 0; k < PH_SUPER; k++) {
            size_t half = k / 128, l = k % 128;
            int q = in[half * 64 + l % 64] >> (l / 64 * 4) & 15;
            q |= (in[HIGH + half * 32 + l % 32] >> (l / 32 * 2) & 3) << 4;
            dst[i + k] = d * (float)(signed char)in[SCALES + k / 16] * (float)(q - 32);
        }
    }
}
