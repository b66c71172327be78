/* The kernels that want AVX-512 with VNNI, into the table. */
#include "kern/x86/avx512vnni_dots_256.h"
#include "kern/x86/avx512vnni_dots_32.h"
#include "kern/x86/avx512vnni_dots_lanes.h"
#include "kern/x86/avx512vnni_int8.h"
#include "kern/x86/avx512vnni_panels.h"
#include "kern/x86/avx512vnni_quantize_x.h"

/* What is asked for into a first level of 32 KiB throws out what these rows still need; one of 48
 * KiB holds it, and is faster (docs/SPEED.md). */
#define NEAR_BYTES (48u << 10)

void ph_kern_fill_avx512vnni(ph_kern *kern)
{
    kern->isa = "avx512vnni";
    kern->dots[PH_QUANT_Q8_0] = vnni_dots_q8_0;
    kern->dots[PH_QUANT_Q4_0] = vnni_dots_q4_0;
    kern->dots[PH_QUANT_Q4_1] = vnni_dots_q4_1;
    kern->dots[PH_QUANT_Q5_0] = vnni_dots_q5_0;
    kern->dots[PH_QUANT_Q5_1] = vnni_dots_q5_1;
    kern->dots[PH_QUANT_IQ4_NL] = vnni_dots_iq4_nl;
    kern->dots[PH_QUANT_Q2_K] = vnni_dots_q2_k;
    kern->dots[PH_QUANT_Q3_K] = vnni_dots_q3_k;
    kern->dots[PH_QUANT_IQ4_XS] = vnni_dots_iq4_xs;
    vl_fill(kern);
    kern->quantize_x = vq_quantize_x;
    kern->asks_far = ph_cpu_first_level() < NEAR_BYTES;
    vp_fill(kern);
    vi_fill(kern);
}
