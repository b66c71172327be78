/* F32 rows: copied. */
#include "kern/quant.h"

#include <string.h>

void ph_quantize_f32(void *dst, const float *src, size_t n)
{
    if (n > 0) {
        memcpy(dst, src, n * sizeof(float));
    }
}

void ph_dequantize_f32(float *dst, const void *src, size_t n)
{
    if (n > 0) {
        memcpy(dst, src, n * sizeof(float));
    }
}
