/* Fast products, scalar. Contract: kern/fast.h. */
#include <math.h>
#include <string.h>

#include "kern/ref/ref.h"

#define ROWS 4 /* of weights taken apart together */

static float largest_magnitude(const float *x, size_t n)
{
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        bits &= 0x7fffffffu;
        most = bits > most ? bits : most;
    }
    float f;
    memcpy(&f, &most, sizeof f);
    return f;
}

void ph_ref_quantize_x(int16_t *q, int8_t *q8, float *scale, int16_t *sums, const float *x,
                       size_t n, size_t group)
{
    for (size_t i = 0; i < n; i += group) {
        float amax = largest_magnitude(x + i, group);
        float inverse = amax >= 1e-30f ? 127.0f / amax : 0.0f;
        scale[i / group] = amax / 127.0f;
        for (size_t j = i; j < i + group; j++) {
            float v = x[j] * inverse;
            v = v > -127.0f ? v : -127.0f; /* NaN too */
            v = v < 127.0f ? v : 127.0f;
            q[j] = (int16_t)lrintf(v);
            q8[j] = (int8_t)q[j];
        }
    }
    for (size_t i = 0; i < n; i += PH_FAST_SUB) {
        int sum = 0;
        for (size_t j = i; j < i + PH_FAST_SUB; j++) {
            sum += q[j];
        }
        sums[i / PH_FAST_SUB] = (int16_t)sum;
    }
}

/* One depth step of one row of x with one row of weights, number r of ints. */
static float add_step(float y, const ph_few *f, const ph_ints *ints, size_t r, size_t i, size_t k0,
                      size_t k)
{
    const int16_t *w = ints->w + r * PH_FAST_DEPTH;
    size_t x_row = k0 / PH_FAST_DEPTH * f->x.m + f->first + i;
    const int16_t *q = f->x.q + x_row * PH_FAST_DEPTH;
    const int16_t *sums = f->x.sums + x_row * PH_FAST_SUBS;
    const float *scale = f->x.scale + x_row * PH_FAST_GROUPS;
    for (size_t g = 0; g < k / f->group; g++) {
        int32_t isum = 0, msum = 0;
        for (size_t l = g * f->group; l < (g + 1) * f->group; l++) {
            isum += w[l] * q[l];
        }
        y = fmaf((float)isum, ints->d[g * ints->ld + r] * scale[g], y);
        if (!f->has_min) {
            continue;
        }
        for (size_t b = g * f->group / PH_FAST_SUB; b < (g + 1) * f->group / PH_FAST_SUB; b++) {
            msum += sums[b] * (f->group == PH_FAST_DEPTH ? ints->min[r * PH_FAST_SUBS + b] : 1);
        }
        y = fmaf(-(float)msum, ints->dmin[g * ints->ld + r] * scale[g], y);
    }
    return y;
}

void ph_ref_few(const ph_few *f)
{
    _Alignas(32) int16_t w[ROWS * PH_FAST_DEPTH];
    int16_t min[ROWS * PH_FAST_SUBS];
    float d[PH_FAST_GROUPS * ROWS], dmin[PH_FAST_GROUPS * ROWS];
    const ph_ints ints = {.w = w, .min = min, .d = d, .dmin = dmin, .ld = ROWS};
    for (size_t j = 0; j < f->n; j += ROWS) {
        size_t rows = f->n - j < ROWS ? f->n - j : ROWS;
        float y[PH_FAST_FEW][ROWS] = {{0}};
        for (size_t k0 = 0; k0 < f->k; k0 += PH_FAST_DEPTH) {
            size_t k = f->k - k0 < PH_FAST_DEPTH ? f->k - k0 : PH_FAST_DEPTH;
            f->split(&ints, f->w + j * f->row_bytes + k0 / PH_FAST_DEPTH * f->step_bytes,
                     f->row_bytes, rows, k);
            for (size_t i = 0; i < f->m; i++) {
                for (size_t r = 0; r < rows; r++) {
                    y[i][r] = add_step(y[i][r], f, &ints, r, i, k0, k);
                }
            }
        }
        for (size_t i = 0; i < f->m; i++) {
            for (size_t r = 0; r < rows; r++) {
                f->y[i * f->ldy + j + r] = f->bias ? y[i][r] + f->bias[j + r] : y[i][r];
            }
        }
    }
}
