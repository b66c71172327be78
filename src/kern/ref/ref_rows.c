/* Row operations, scalar, with the C library's functions. */
#include "kern/ref/ref.h"

#include <math.h>

void ph_ref_layernorm(float *y, const float *x, const float *weight, const float *bias, size_t n,
                      float eps)
{
    float lanes[PH_DOT_LANES] = {0};
    for (size_t i = 0; i < n; i++) {
        lanes[i % PH_DOT_LANES] += x[i];
    }
    float mean = ph_ref_halve(lanes) / (float)n;
    for (size_t l = 0; l < PH_DOT_LANES; l++) {
        lanes[l] = 0;
    }
    for (size_t i = 0; i < n; i++) {
        float centred = x[i] - mean;
        lanes[i % PH_DOT_LANES] += centred * centred;
    }
    float variance = ph_ref_halve(lanes) / (float)n;
    float scale = 1.0f / sqrtf(variance + eps);
    for (size_t i = 0; i < n; i++) {
        y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
    }
}

void ph_ref_gelu(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float u = 0.7978845608028654f * (x[i] + 0.044715f * x[i] * x[i] * x[i]);
        y[i] = 0.5f * x[i] * (1.0f + tanhf(u));
    }
}

void ph_ref_gelu_erf(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = 0.5f * x[i] * erfcf(-0.70710678f * x[i]);
    }
}

void ph_ref_add3(float *y, const float *a, const float *b, const float *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = (a[i] + b[i]) + c[i];
    }
}

void ph_ref_rope(float *x, const float *cos, const float *sin, size_t half)
{
    for (size_t i = 0; i < half; i++) {
        float a = x[i];
        float b = x[i + half];
        x[i] = a * cos[i] - b * sin[i];
        x[i + half] = b * cos[i] + a * sin[i];
    }
}

void ph_ref_softmax(float *x, size_t n)
{
    float max = x[0];
    for (size_t i = 1; i < n; i++) {
        max = x[i] > max ? x[i] : max;
    }
    float lanes[PH_DOT_LANES] = {0};
    for (size_t i = 0; i < n; i++) {
        x[i] = expf(x[i] - max);
        lanes[i % PH_DOT_LANES] += x[i];
    }
    float sum = ph_ref_halve(lanes);
    for (size_t i = 0; i < n; i++) {
        x[i] /= sum;
    }
}
