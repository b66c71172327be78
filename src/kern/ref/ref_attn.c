/* One page of attention, scalar. */
#include "kern/ref/ref.h"

#include <math.h>

static void one_query(const ph_attn_tile *t, size_t i, size_t n_keys)
{
    float *p = t->p + i * PH_KV_PAGE;
    float *out = t->out + i * t->ld_out;
    float max = t->max[i];
    for (size_t j = 0; j < n_keys; j++) {
        float s = 0;
        for (size_t c = 0; c < t->d; c++) {
            s += t->q[i * t->ld_q + c] * t->k[c * PH_KV_PAGE + j];
        }
        p[j] = s * t->scale;
        max = p[j] > max ? p[j] : max;
    }
    float shrink = expf(t->max[i] - max);
    float lanes[PH_DOT_LANES] = {0};
    for (size_t j = 0; j < n_keys; j++) {
        p[j] = expf(p[j] - max);
        lanes[j % PH_DOT_LANES] += p[j];
    }
    t->max[i] = max;
    t->sum[i] = t->sum[i] * shrink + ph_ref_halve(lanes);
    for (size_t c = 0; c < t->d; c++) {
        float sum = out[c] * shrink;
        for (size_t j = 0; j < n_keys; j++) {
            sum += p[j] * t->v[j * t->ld_v + c];
        }
        out[c] = sum;
    }
}

void ph_ref_attn(const ph_attn_tile *t)
{
    for (size_t i = 0; i < t->n; i++) {
        ptrdiff_t n_keys = t->n_keys + (ptrdiff_t)i;
        if (n_keys > 0) {
            one_query(t, i, n_keys < PH_KV_PAGE ? (size_t)n_keys : PH_KV_PAGE);
        }
    }
}

void ph_ref_divide(float *y, const float *x, float by, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = x[i] / by;
    }
}

void ph_ref_scale_lanes_i8(float *dst, const int8_t *src, const float *scale, size_t rows)
{
    for (size_t i = 0; i < rows * PH_KV_PAGE; i++) {
        dst[i] = (float)src[i] * scale[i % PH_KV_PAGE];
    }
}

void ph_ref_scale_rows_i8(float *dst, size_t ld_dst, const int8_t *src, const float *scale,
                          size_t rows, size_t n)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < n; c++) {
            dst[r * ld_dst + c] = (float)src[r * n + c] * scale[r];
        }
    }
}
