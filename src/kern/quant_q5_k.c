/* Q5_K: as Q4_K (quant_q4_k.c) with q in 0..31. Bytes: f16 d, f16 dmin, 12 of scales and mins, 32
 * of fifth bits (bit b of byte l: number l of block b), 128 of the low four bits. */
#include "kern/kquant.h"
#include "kern/quant.h"
#include "kern/scales6.h"

#include <string.h>

#define BYTES 176
#define HIGH  16 /* where the fifth bits are */
#define LOW   48

static const ph_kq_spec spec = {
    .n_blocks = 8, .grid = {.lo = 0, .hi = 31}, .scale_hi = 63, .weighting = PH_WEIGHT_MEAN_ABS};

void ph_quantize_best_q5_k(void *dst, const float *src, const float *importance, size_t n,
                           const ph_search *search)
{
    unsigned char *out = dst;
    for (size_t i = 0; i < n; i += PH_SUPER, out += BYTES) {
        ph_kq_affine v;
        ph_kquant_affine(&v, src + i, importance != NULL ? importance + i : NULL, &spec, search);
        memset(out, 0, BYTES);
        memcpy(out, &v.d, 2);
        memcpy(out + 2, &v.dmin, 2);
        ph_scales6_pack(out + 4, v.scale, v.min);
        for (size_t k = 0; k < PH_SUPER; k++) {
            size_t b = k / 32, l = k % 32;
            out[HIGH + l] |= (unsigned char)(v.q[k] >> 4 << b);
            out[LOW + b / 2 * 32 + l] |= (unsigned char)((v.q[k] & 15) << (b % 2 * 4));
        }
    }
}

void ph_dequantize_q5_k(float *dst, const void *src, size_t n)
{
    const unsigned char *in = src;
    for (size_t i = 0; i < n; i += PH_SUPER, in += BYTES) {
        uint8_t scale[8], min[8];
        float d = ph_f16_at(in), dmin = ph_f16_at(in + 2);
        ph_scales6_unpack(scale, min, in + 4);
        for (size_t k = 0; k < PH_SUPER; k++) {
            size_t b = k / 32, l = k % 32;
            int q = in[LOW + b / 2 * 32 + l] >> (b % 2 * 4) & 15;
            q |= (in[HIGH + l] >> b & 1) << 4;
            dst[i + k] = d * scale[b] * (float)q - dmin * min[b];
        }
    }
}
