/* The kernels of training, scalar: products round before they are added, sums over a row are
 * double. */
#include <math.h>

#include "kern/ref/ref.h"

static void finish(const ph_gemm_tile *t, size_t i, size_t j, float s)
{
    s = t->bias != NULL ? s + t->bias[j] : s;
    s = t->from != NULL ? s + t->from[i * t->ld_from + j] : s;
    t->c[i * t->ldc + j] = s;
}

void ph_ref_gemm(const ph_gemm_tile *t)
{
    for (size_t i = 0; i < t->m; i++) {
        for (size_t j = 0; j < t->n; j++) {
            float s = 0;
            for (size_t p = 0; p < t->k; p++) {
                s += t->a[p * PH_REF_GEMM_M + i] * t->b[p * PH_REF_GEMM_N + j];
            }
            finish(t, i, j, s);
        }
    }
}

void ph_ref_gemm_panels(const ph_gemm_tile *t)
{
    const size_t w = PH_REF_GEMM_N;
    for (size_t i = 0; i < t->m; i++) {
        for (size_t j = 0; j < t->n; j++) {
            float s = 0;
            for (size_t p = 0; p < t->k; p++) {
                s += t->a[p / w * t->panel + i * w + p % w] * t->b[p * w + j];
            }
            finish(t, i, j, s);
        }
    }
}

void ph_ref_gemm_rows(const ph_gemm_tile *t)
{
    for (size_t i = 0; i < t->m; i++) {
        for (size_t j = 0; j < t->n; j++) {
            float s = 0;
            for (size_t p = 0; p < t->k; p++) {
                s += t->a[i * t->panel + p] * t->b[p * PH_REF_GEMM_N + j];
            }
            finish(t, i, j, s);
        }
    }
}

void ph_ref_add_rows(float *sums, const float *src, size_t ld, size_t n, size_t k)
{
    for (size_t j = 0; j < n; j++) {
        float s = 0;
        for (size_t p = 0; p < k; p++) {
            s += src[p * ld + j];
        }
        sums[j] += s;
    }
}

void ph_ref_gelu_grad(float *d, float *x, size_t n)
{
    const double c = 0.7978845608028654; /* sqrt(2 / pi) */
    for (size_t i = 0; i < n; i++) {
        double v = x[i];
        double u = c * (v + 0.044715 * v * v * v), du = c * (1 + 3 * 0.044715 * v * v);
        double s = 1 / (1 + exp(-2 * u));
        d[i] = (float)(d[i] * (s + 2 * v * s * (1 - s) * du));
        x[i] = (float)(v * s);
    }
}

void ph_ref_layernorm_grad(const ph_layernorm_grad *g)
{
    double mean = 0, variance = 0, sum = 0, more = 0, n = (double)g->n;
    for (size_t i = 0; i < g->n; i++) {
        mean += g->x[i] / n;
    }
    for (size_t i = 0; i < g->n; i++) {
        variance += (g->x[i] - mean) * (g->x[i] - mean) / n;
    }
    double scale = 1 / sqrt(variance + (double)g->eps);
    for (size_t i = 0; i < g->n; i++) {
        double unit = (g->x[i] - mean) * scale, d = (double)g->dy[i] * g->weight[i];
        sum += d / n;
        more += d * unit / n;
        g->dweight[i] = (float)(g->dweight[i] + g->dy[i] * unit);
        g->dbias[i] += g->dy[i];
    }
    for (size_t i = 0; i < g->n; i++) {
        double unit = (g->x[i] - mean) * scale, d = (double)g->dy[i] * g->weight[i];
        g->dx[i] = (float)(g->dx[i] + (d - sum - unit * more) * scale);
    }
}

float ph_ref_softmax_lse(float *x, size_t n, float scale)
{
    float max = x[0];
    double sum = 0;
    for (size_t i = 1; i < n; i++) {
        max = x[i] > max ? x[i] : max;
    }
    for (size_t i = 0; i < n; i++) {
        x[i] = expf(x[i] - max);
        sum += x[i];
    }
    for (size_t i = 0; i < n; i++) {
        x[i] = (float)(x[i] * ((double)scale / sum));
    }
    return (float)(max + log(sum));
}

static size_t place(const ph_score_row *r, size_t j)
{
    return j / PH_REF_GEMM_N * r->panel + j % PH_REF_GEMM_N;
}

float ph_ref_attn_probs(const ph_score_row *r)
{
    float max = *r->max;
    double sum = 0;
    for (size_t j = 0; j < r->n; j++) {
        float *s = &r->s[place(r, j)];
        *s *= r->scale;
        max = *s > max ? *s : max;
    }
    for (size_t j = 0; j < r->n_padded; j++) {
        float *s = &r->s[place(r, j)];
        *s = j < r->n ? expf(*s - max) : 0.0f;
        sum += *s;
    }
    float factor = expf(*r->max - max);
    *r->sum = (float)(*r->sum * factor + sum);
    *r->max = max;
    return factor;
}

void ph_ref_attn_grad(const ph_score_row *r)
{
    for (size_t j = 0; j < r->n_padded; j++) {
        float *s = &r->s[place(r, j)], *ds = &r->ds[place(r, j)];
        *s = j < r->n ? expf(*s * r->scale - *r->max) : 0.0f;
        *ds = j < r->n ? *s * (*ds - *r->sum) * r->scale : 0.0f;
    }
}
