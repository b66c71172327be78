/* The kernels of kern/vec compiled for AVX2, FMA and F16C, and those of its own, into the table. */
#include "kern/x86/avx2_dots.h"
#include "kern/x86/avx2_fast.h"
#include "kern/x86/vec_avx2.h"

#include "kern/vec/vec_fill.h"

void ph_kern_fill_avx2(ph_kern *kern)
{
    /* Rows half a cache line apart: loads of a step that met in one half would wait for each other.
     */
    vec_fill(kern, "avx2", PH_DOT_BLOCK + 8);
    ph_avx2_fill_fast(kern);
    ph_avx2_fill_int8(kern);
    ph_avx2_fill_dots_32(kern);
    ph_avx2_fill_dots_256(kern);
    ph_avx2_fill_dots_lanes(kern);
}
