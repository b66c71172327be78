/* Number formats as whole numbers and scales, scalar. Contract: kern/fast.h; the layouts are those
 * of each format's own file, quant_NAME.c. */
#include <string.h>

#include "base/dtype.h"
#include "kern/fast.h"
#include "kern/iq4.h"
#include "kern/scales6.h"

#define BLOCK 32

static float f16_at(const unsigned char *p)
{
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return ph_f16_to_f32(h);
}

/* Low or high half of a byte: number l of a block of 32 lies with number l + 16. */
static int nibble(const unsigned char *q, size_t l)
{
    return q[l % 16] >> (l / 16 * 4) & 15;
}

static int fifth_bit(const unsigned char *bits, size_t l)
{
    return (bits[l / 8] >> (l % 8) & 1) << 4;
}

/* --- groups of 32: one block after the other -------------------------------------------------- */

typedef void (*block_fn)(int16_t *w, float *d, float *dmin, const unsigned char *block);

static void block_q8_0(int16_t *w, float *d, float *dmin, const unsigned char *block)
{
    (void)dmin;
    *d = f16_at(block);
    for (size_t l = 0; l < BLOCK; l++) {
        w[l] = (signed char)block[2 + l];
    }
}

static void block_q4_0(int16_t *w, float *d, float *dmin, const unsigned char *block)
{
    (void)dmin;
    *d = f16_at(block);
    for (size_t l = 0; l < BLOCK; l++) {
        w[l] = (int16_t)(nibble(block + 2, l) - 8);
    }
}

static void block_q4_1(int16_t *w, float *d, float *dmin, const unsigned char *block)
{
    *d = f16_at(block);
    *dmin = -f16_at(block + 2);
    for (size_t l = 0; l < BLOCK; l++) {
        w[l] = (int16_t)nibble(block + 4, l);
    }
}

static void block_q5_0(int16_t *w, float *d, float *dmin, const unsigned char *block)
{
    (void)dmin;
    *d = f16_at(block);
    for (size_t l = 0; l < BLOCK; l++) {
        w[l] = (int16_t)((nibble(block + 6, l) | fifth_bit(block + 2, l)) - 16);
    }
}

static void block_q5_1(int16_t *w, float *d, float *dmin, const unsigned char *block)
{
    *d = f16_at(block);
    *dmin = -f16_at(block + 2);
    for (size_t l = 0; l < BLOCK; l++) {
        w[l] = (int16_t)(nibble(block + 8, l) | fifth_bit(block + 4, l));
    }
}

static void block_iq4_nl(int16_t *w, float *d, float *dmin, const unsigned char *block)
{
    (void)dmin;
    *d = f16_at(block);
    for (size_t l = 0; l < BLOCK; l++) {
        w[l] = (int16_t)ph_iq4_values[nibble(block + 2, l)];
    }
}

static void split_blocks(const ph_ints *out, const unsigned char *src, size_t row_bytes,
                         size_t rows, size_t n, block_fn block, size_t block_bytes)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t g = 0; g < n / BLOCK; g++) {
            size_t at = g * out->ld + r;
            block(out->w + r * PH_FAST_DEPTH + g * BLOCK, out->d + at, out->dmin + at,
                  src + r * row_bytes + g * block_bytes);
        }
    }
}

#define SPLIT_BLOCKS(name, block_bytes)                                                            \
    static void split_##name(const ph_ints *out, const unsigned char *src, size_t row_bytes,       \
                             size_t rows, size_t n)                                                \
    {                                                                                              \
        split_blocks(out, src, row_bytes, rows, n, block_##name, block_bytes);                     \
    }
SPLIT_BLOCKS(q8_0, 34)
SPLIT_BLOCKS(q4_0, 18)
SPLIT_BLOCKS(q4_1, 20)
SPLIT_BLOCKS(q5_0, 22)
SPLIT_BLOCKS(q5_1, 24)
SPLIT_BLOCKS(iq4_nl, 18)

/* --- groups of 256: one superblock a row ------------------------------------------------------ */

/* One row; min as in ph_ints. */
typedef void (*super_fn)(int16_t *w, int16_t *min, float *d, float *dmin, const unsigned char *in);

static void super_q2_k(int16_t *w, int16_t *min, float *d, float *dmin, const unsigned char *in)
{
    *d = f16_at(in + 80);
    *dmin = f16_at(in + 82);
    for (size_t b = 0; b < PH_FAST_SUBS; b++) {
        min[b] = (int16_t)(in[b] >> 4);
    }
    for (size_t k = 0; k < PH_FAST_DEPTH; k++) {
        int q = in[16 + k / 128 * 32 + k % 32] >> (k % 128 / 32 * 2) & 3;
        w[k] = (int16_t)((in[k / 16] & 15) * q);
    }
}

static void super_q3_k(int16_t *w, int16_t *min, float *d, float *dmin, const unsigned char *in)
{
    int scale[16];
    (void)min;
    (void)dmin;
    *d = f16_at(in + 108);
    for (size_t b = 0; b < 16; b++) {
        int s = in[96 + b % 8] >> (b / 8 * 4) & 15;
        scale[b] = (s | (in[104 + b % 4] >> (b / 4 * 2) & 3) << 4) - 32;
    }
    for (size_t k = 0; k < PH_FAST_DEPTH; k++) {
        int q = in[32 + k / 128 * 32 + k % 32] >> (k % 128 / 32 * 2) & 3;
        q |= (in[k % 32] >> (k / 32) & 1) << 2;
        w[k] = (int16_t)(scale[k / 16] * (q - 4));
    }
}

/* Scales and mins of Q4_K and Q5_K. */
static void scales_k(uint8_t scale[8], int16_t *min, float *d, float *dmin, const unsigned char *in)
{
    uint8_t of_32[8];
    *d = f16_at(in);
    *dmin = f16_at(in + 2);
    ph_scales6_unpack(scale, of_32, in + 4);
    for (size_t b = 0; b < PH_FAST_SUBS; b++) {
        min[b] = of_32[b / 2];
    }
}

static void super_q4_k(int16_t *w, int16_t *min, float *d, float *dmin, const unsigned char *in)
{
    uint8_t scale[8];
    scales_k(scale, min, d, dmin, in);
    for (size_t k = 0; k < PH_FAST_DEPTH; k++) {
        size_t b = k / 32;
        w[k] = (int16_t)(scale[b] * (in[16 + b / 2 * 32 + k % 32] >> (b % 2 * 4) & 15));
    }
}

static void super_q5_k(int16_t *w, int16_t *min, float *d, float *dmin, const unsigned char *in)
{
    uint8_t scale[8];
    scales_k(scale, min, d, dmin, in);
    for (size_t k = 0; k < PH_FAST_DEPTH; k++) {
        size_t b = k / 32, l = k % 32;
        int q = in[48 + b / 2 * 32 + l] >> (b % 2 * 4) & 15;
        w[k] = (int16_t)(scale[b] * (q | (in[16 + l] >> b & 1) << 4));
    }
}

static void super_q6_k(int16_t *w, int16_t *min, float *d, float *dmin, const unsigned char *in)
{
    (void)min;
    (void)dmin;
    *d = f16_at(in + 208);
    for (size_t k = 0; k < PH_FAST_DEPTH; k++) {
        size_t half = k / 128, l = k % 128;
        int q = in[half * 64 + l % 64] >> (l / 64 * 4) & 15;
        q |= (in[128 + half * 32 + l % 32] >> (l / 32 * 2) & 3) << 4;
        w[k] = (int16_t)((signed char)in[192 + k / 16] * (q - 32));
    }
}

static void super_iq4_xs(int16_t *w, int16_t *min, float *d, float *dmin, const unsigned char *in)
{
    (void)min;
    (void)dmin;
    *d = f16_at(in);
    for (size_t b = 0; b < 8; b++) {
        int s = in[4 + b / 2] >> (b % 2 * 4) & 15;
        s = (s | (in[2 + b / 4] >> (b % 4 * 2) & 3) << 4) - 32;
        for (size_t l = 0; l < 32; l++) {
            w[b * 32 + l] = (int16_t)(s * (int)ph_iq4_values[nibble(in + 8 + b * 16, l)]);
        }
    }
}

static void split_supers(const ph_ints *out, const unsigned char *src, size_t row_bytes,
                         size_t rows, super_fn super)
{
    for (size_t r = 0; r < rows; r++) {
        super(out->w + r * PH_FAST_DEPTH, out->min + r * PH_FAST_SUBS, out->d + r, out->dmin + r,
              src + r * row_bytes);
    }
}

#define SPLIT_SUPERS(name)                                                                         \
    static void split_##name(const ph_ints *out, const unsigned char *src, size_t row_bytes,       \
                             size_t rows, size_t n)                                                \
    {                                                                                              \
        (void)n;                                                                                   \
        split_supers(out, src, row_bytes, rows, super_##name);                                     \
    }
SPLIT_SUPERS(q2_k)
SPLIT_SUPERS(q3_k)
SPLIT_SUPERS(q4_k)
SPLIT_SUPERS(q5_k)
SPLIT_SUPERS(q6_k)
SPLIT_SUPERS(iq4_xs)

static const ph_fast_form forms[PH_N_QUANT] = {
    [PH_QUANT_Q8_0] = {BLOCK, false, split_q8_0},
    [PH_QUANT_Q4_0] = {BLOCK, false, split_q4_0},
    [PH_QUANT_Q4_1] = {BLOCK, true, split_q4_1},
    [PH_QUANT_Q5_0] = {BLOCK, false, split_q5_0},
    [PH_QUANT_Q5_1] = {BLOCK, true, split_q5_1},
    [PH_QUANT_IQ4_NL] = {BLOCK, false, split_iq4_nl},
    [PH_QUANT_Q2_K] = {PH_FAST_DEPTH, true, split_q2_k},
    [PH_QUANT_Q3_K] = {PH_FAST_DEPTH, false, split_q3_k},
    [PH_QUANT_Q4_K] = {PH_FAST_DEPTH, true, split_q4_k},
    [PH_QUANT_Q5_K] = {PH_FAST_DEPTH, true, split_q5_k},
    [PH_QUANT_Q6_K] = {PH_FAST_DEPTH, false, split_q6_k},
    [PH_QUANT_IQ4_XS] = {PH_FAST_DEPTH, false, split_iq4_xs},
};

const ph_fast_form *ph_fast_form_of(ph_quant_index index)
{
    return forms[index].group != 0 ? &forms[index] : NULL;
}
