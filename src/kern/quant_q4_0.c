/* Q4_0: 18 bytes, value = d * (q - 8), q of 4 bits. Layout and rounding: kern/quant32_form.h. */
#include "kern/quant32_form.h"

void ph_quantize_best_q4_0(void *dst, const float *src, const float *importance, size_t n,
                           const ph_search *search)
{
    form32_quantize(dst, src, importance, n, search, 4, false);
}

void ph_dequantize_q4_0(float *dst, const void *src, size_t n)
{
    form32_dequantize(dst, src, n, 4, false);
}
