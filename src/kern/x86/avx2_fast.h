/* The AVX2 entries of fast arithmetic, into the table. */
#ifndef PH_KERN_X86_AVX2_FAST_H
#define PH_KERN_X86_AVX2_FAST_H

#include "kern/kern.h"

void ph_avx2_fill_fast(ph_kern *kern);
void ph_avx2_few(const ph_few *f);
void ph_avx2_quantize_x(int16_t *q, int8_t *q8, float *scale, int16_t *sums, const float *x,
                        size_t n, size_t group);
void ph_avx2_fill_panels(ph_kern *kern);
void ph_avx2_fill_int8(ph_kern *kern);

#endif
