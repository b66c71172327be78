/* Int8 products, scalar. Contract: kern/int8.h. */
#include <math.h>

#include "kern/int8.h"
#include "kern/ref/ref.h"

void ph_ref_i8(const ph_i8_tile *t)
{
    for (size_t i = 0; i < t->m; i++) {
        for (size_t j = 0; j < t->n; j++) {
            float s = 0;
            for (size_t g = 0; g * PH_I8_GROUP < t->k; g++) {
                int32_t sum = 0;
                for (size_t p = g * PH_I8_GROUP; p < t->k && p < (g + 1) * PH_I8_GROUP; p++) {
                    sum += t->q[i * t->ldq + p] * t->w[(p / 4 * PH_REF_I8_N + j) * 4 + p % 4];
                }
                s = fmaf(t->offset[i * t->ld_f + g], t->sums[g * t->ld_sums + j], s);
                s = fmaf((float)sum, t->scale[i * t->ld_f + g], s);
            }
            float y = fmaf(s, t->d[j], t->bias[j]);
            t->y[i * t->ldy + j] = t->from != NULL ? y + t->from[i * t->ld_from + j] : y;
        }
    }
}

void ph_ref_i8_quantize(uint8_t *q, float *scale, float *offset, const float *x, size_t n)
{
    float least = x[0], most = x[0], strange = 0;
    for (size_t i = 0; i < n; i++) {
        least = x[i] < least ? x[i] : least;
        most = x[i] > most ? x[i] : most;
        strange += x[i] * 0;
    }
    float range = most - least, inverse = range > 1e-30f ? PH_I8_MAX / range : 0;
    for (size_t i = 0; i < n; i++) {
        float v = (x[i] - least) * inverse;
        q[i] = (uint8_t)(v > 0 ? rintf(v < PH_I8_MAX ? v : PH_I8_MAX) : 0);
    }
    *scale = range / PH_I8_MAX + strange;
    *offset = least;
}
