/* Eight scales and eight mins of six bits in 12 bytes, as Q4_K and Q5_K keep them: numbers 0..3 of
 * both in the low six bits of bytes 0..3 and 4..7; of numbers 4..7 the low halves in bytes 8..11
 * (scale below min), the upper two bits on top of bytes 0..3 and 4..7. */
#ifndef PH_KERN_SCALES6_H
#define PH_KERN_SCALES6_H

#include <stdint.h>

static inline void ph_scales6_pack(unsigned char out[12], const uint8_t scale[8],
                                   const uint8_t min[8])
{
    for (int i = 0; i < 4; i++) {
        out[i] = (unsigned char)(scale[i] | scale[i + 4] >> 4 << 6);
        out[i + 4] = (unsigned char)(min[i] | min[i + 4] >> 4 << 6);
        out[i + 8] = (unsigned char)((scale[i + 4] & 15) | (min[i + 4] & 15) << 4);
    }
}

static inline void ph_scales6_unpack(uint8_t scale[8], uint8_t min[8], const unsigned char in[12])
{
    for (int i = 0; i < 4; i++) {
        scale[i] = in[i] & 63;
        min[i] = in[i + 4] & 63;
        scale[i + 4] = (uint8_t)((in[i + 8] & 15) | in[i] >> 6 << 4);
        min[i + 4] = (uint8_t)(in[i + 8] >> 4 | in[i + 4] >> 6 << 4);
    }
}

#endif
