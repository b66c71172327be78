/* Few rows of activations with baseline NEON. Two products of bytes are added in 16 bits:
 * 2 * 128 * 127 = 32512. */
#include <arm_neon.h>

static inline int32x4_t dot_16(int32x4_t s, int8x16_t w, int8x16_t x)
{
    int16x8_t p = vmull_s8(vget_low_s8(w), vget_low_s8(x));
    return vpadalq_s16(s, vmlal_high_s8(p, w, x));
}

#include "kern/arm/arm_dots.h"
#include "kern/arm/arm_fast.h"

void ph_neon_fill_dots(ph_kern *kern)
{
    fill_dots(kern);
}
