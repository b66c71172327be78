/* Rotary tables; contract in rope.h. */
#include "model/rope.h"

#include <math.h>

phial_status ph_rope_tables(const float **cos_table, const float **sin_table, ph_arena *arena,
                            const ph_hparams *hp, phial_error *err)
{
    size_t half = hp->n_rot / 2, n;
    float *cosines = NULL, *sines = NULL;
    if (ph_mul_size(&n, hp->n_ctx_max, half)) {
        cosines = ph_arena_alloc(arena, n, sizeof *cosines, err);
        sines = cosines == NULL ? NULL : ph_arena_alloc(arena, n, sizeof *sines, err);
    }
    if (sines == NULL) {
        return ph_err_context(err, PHIAL_ERR_NO_MEMORY, "rotary tables for %u positions",
                              (unsigned)hp->n_ctx_max);
    }
    for (size_t i = 0; i < half; i++) {
        float exponent = (float)(2 * i) / (float)hp->n_rot;
        float inv_freq = 1.0f / (float)pow(hp->rope_theta, exponent);
        for (size_t pos = 0; pos < hp->n_ctx_max; pos++) {
            float t = (float)pos;
            if (hp->rope_scaling == PH_ROPE_LINEAR) {
                t /= (float)hp->rope_factor;
            }
            double angle = t * inv_freq;
            cosines[pos * half + i] = (float)cos(angle);
            sines[pos * half + i] = (float)sin(angle);
        }
    }
    *cos_table = cosines;
    *sin_table = sines;
    return PHIAL_OK;
}
