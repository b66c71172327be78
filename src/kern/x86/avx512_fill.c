/* The kernels of kern/vec compiled for AVX-512 (F, BW, DQ, VL), into the table. */
#include "kern/x86/vec_avx512.h"

#include "kern/vec/vec_fill.h"

void ph_kern_fill_avx512(ph_kern *kern)
{
    vec_fill(kern, "avx512", PH_DOT_BLOCK + 16);
}
