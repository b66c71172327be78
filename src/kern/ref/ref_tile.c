/* Matrix products, scalar. Rounds each product before it is added. */
#include "kern/ref/ref.h"

float ph_ref_halve(float lanes[PH_DOT_LANES])
{
    for (size_t half = PH_DOT_LANES / 2; half > 0; half /= 2) {
        for (size_t l = 0; l < half; l++) {
            lanes[l] += lanes[l + half];
        }
    }
    return lanes[0];
}

static float block_sum(const float *x, const float *w, size_t k)
{
    float lanes[PH_DOT_LANES] = {0};
    size_t full = k - k % PH_DOT_LANES;
    for (size_t i = 0; i < full; i += PH_DOT_LANES) {
        for (size_t l = 0; l < PH_DOT_LANES; l++) {
            lanes[l] += x[i + l] * w[i + l];
        }
    }
    for (size_t l = 0; full < k && l < PH_DOT_LANES; l++) {
        lanes[l] += full + l < k ? x[full + l] * w[full + l] : 0.0f;
    }
    return ph_ref_halve(lanes);
}

void ph_ref_tile(const ph_tile *t)
{
    for (size_t i = 0; i < t->m; i++) {
        for (size_t j = 0; j < t->n; j++) {
            float s = block_sum(t->x + i * t->ldx, t->w + j * t->ldw, t->k);
            float *y = &t->y[i * t->ldy + j];
            s = t->first ? s : *y + s;
            *y = t->bias ? s + t->bias[j] : s;
        }
    }
}
