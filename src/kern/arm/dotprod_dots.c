/* Few rows of activations with SDOT. */
#include <arm_neon.h>

static inline int32x4_t dot_16(int32x4_t s, int8x16_t w, int8x16_t x)
{
    return vdotq_s32(s, w, x);
}

#include "kern/arm/arm_dots.h"
#include "kern/arm/arm_fast.h"

void ph_dotprod_fill_dots(ph_kern *kern)
{
    fill_dots(kern);
}
