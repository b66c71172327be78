/* The kernels of kern/vec compiled for NEON, and those of its own, into the table. */
#include "kern/arm/arm_fast.h"
#include "kern/arm/vec_neon.h"

#include "kern/vec/vec_fill.h"

void ph_kern_fill_neon(ph_kern *kern)
{
    vec_fill(kern, "neon", PH_DOT_BLOCK + 16); /* rows a cache line apart in their sets */
    ph_neon_fill_quantize_x(kern);
    ph_neon_fill_dots(kern);
    ph_neon_fill_panels(kern);
    kern->i8 = NULL; /* the reference's is slower than panels of Q8_0 */
}
