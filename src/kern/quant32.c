/* Contract: kern/quant32.h. */
#include "kern/quant32.h"

#include <math.h>

#include "kern/quant.h"

#define L PH_SEARCH_LANES

void ph_row32_start(ph_row32 *row)
{
    float sum = 0;
    for (size_t i = 0; i < row->n; i++) {
        sum += row->src[i] * row->src[i];
    }
    row->sigma2 = row->n > 0 ? sum / (float)row->n : 0;
}

static uint16_t to_f16(float *x)
{
    uint16_t h = ph_f16_from_f32(fminf(fmaxf(*x, -65504.0f), 65504.0f));
    *x = ph_f16_to_f32(h);
    return h;
}

size_t ph_row32_next(ph_blocks32 *out, const ph_row32 *row, size_t at, bool affine)
{
    float x[PH_BLOCK32 * L] = {0}, w[PH_BLOCK32 * L] = {0}, scale[L], min[L] = {0};
    size_t left = row->n / PH_BLOCK32 - at, n = left < L ? left : L;
    ph_fit fit;
    for (size_t l = 0; l < n; l++) {
        size_t from = (at + l) * PH_BLOCK32;
        float weights[PH_BLOCK32];
        ph_search_weights(weights, row->src + from,
                          row->importance != NULL ? row->importance + from : NULL, PH_BLOCK32,
                          row->sigma2, row->weighting);
        for (size_t k = 0; k < PH_BLOCK32; k++) {
            x[k * L + l] = row->src[from + k];
            w[k * L + l] = weights[k];
        }
    }
    if (affine) {
        row->search->affine(scale, min, x, w, PH_BLOCK32, row->grid->hi, false);
    } else {
        row->search->linear(scale, x, w, PH_BLOCK32, row->grid);
    }
    for (size_t l = 0; l < L; l++) {
        out->d[l] = to_f16(&scale[l]);
        out->min[l] = to_f16(&min[l]);
    }
    row->search->measure(&fit, out->q[0], x, w, PH_BLOCK32, row->grid, scale, min);
    return n;
}
