/* The entries of fast arithmetic (kern/fast.h) for the instruction sets of ARM, into the table. */
#ifndef PH_KERN_ARM_ARM_FAST_H
#define PH_KERN_ARM_ARM_FAST_H

#include "kern/kern.h"

void ph_neon_fill_quantize_x(ph_kern *kern);
void ph_neon_fill_dots(ph_kern *kern);
void ph_neon_fill_panels(ph_kern *kern);
void ph_dotprod_fill_dots(ph_kern *kern);
void ph_dotprod_fill_panels(ph_kern *kern);
void ph_i8mm_fill_panels(ph_kern *kern);

#endif
