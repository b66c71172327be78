/* Q4_1: 20 bytes, value = d * q + min, q of 4 bits. Layout and rounding: kern/quant32_form.h. */
#include "kern/quant32_form.h"

void ph_quantize_best_q4_1(void *dst, const float *src, const float *importance, size_t n,
                           const ph_search *search)
{
    form32_quantize(dst, src, importance, n, search, 4, true);
}

void ph_dequantize_q4_1(float *dst, const void *src, size_t n)
{
    form32_dequantize(dst, src, n, 4, true);
}
