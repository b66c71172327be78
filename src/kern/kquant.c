/* Contract: kern/kquant.h. */
#include "kern/kquant.h"

#include <math.h>
#include <string.h>

#include "kern/quant.h"

#define L          PH_SEARCH_LANES
#define MAX_GROUPS 2
#define ROUNDS     2
#define F16_MAX    65504.0f

/* Part of the mean square in PH_WEIGHT_SQUARE's weights. Without it small numbers are given away
 * for large ones so freely that the plain error gets worse than llama.cpp's; docs/QUANT.md. */
#define SQUARE_FLOOR 0.75f

/* A superblock as the search wants it: blocks side by side. */
typedef struct job {
    const ph_kq_spec *spec;
    const ph_search *search;
    size_t n_groups, len; /* groups of L blocks; numbers in a block */
    float x[PH_SUPER], w[PH_SUPER];
    ph_fit fit[MAX_GROUPS];
} job;

void ph_search_weights(float *w, const float *x, const float *importance, size_t n, float sigma2,
                       ph_weighting weighting)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += x[i] * x[i];
    }
    float rms = sqrtf(sum / (float)n);
    for (size_t i = 0; i < n; i++) {
        if (importance != NULL) {
            w[i] = importance[i] * sqrtf(sigma2 + x[i] * x[i]);
        } else if (weighting == PH_WEIGHT_SQUARE) {
            w[i] = x[i] * x[i] + SQUARE_FLOOR * rms * rms;
        } else {
            w[i] = (weighting == PH_WEIGHT_MEAN_ABS ? rms : 0.0f) + fabsf(x[i]);
        }
    }
}

/* Weights of L blocks side by side; ph_search_weights() for lanes. */
static void weigh(float *w, const float *x, size_t len, ph_weighting weighting)
{
    float base[L] = {0};
    for (size_t k = 0; k < len; k++) {
        for (size_t l = 0; l < L; l++) {
            base[l] += x[k * L + l] * x[k * L + l];
        }
    }
    for (size_t l = 0; l < L; l++) {
        float rms = sqrtf(base[l] / (float)len);
        base[l] = weighting == PH_WEIGHT_SQUARE     ? SQUARE_FLOOR * rms * rms
                  : weighting == PH_WEIGHT_MEAN_ABS ? rms
                                                    : 0.0f;
    }
    for (size_t k = 0; k < len && weighting == PH_WEIGHT_SQUARE; k++) {
        for (size_t l = 0; l < L; l++) {
            w[k * L + l] = x[k * L + l] * x[k * L + l] + base[l];
        }
    }
    for (size_t k = 0; k < len && weighting != PH_WEIGHT_SQUARE; k++) {
        for (size_t l = 0; l < L; l++) {
            w[k * L + l] = base[l] + fabsf(x[k * L + l]);
        }
    }
}

static void weigh_by_importance(float *w, const float *x, const float *importance, size_t len,
                                float sigma2)
{
    for (size_t l = 0; l < L; l++) {
        for (size_t k = 0; k < len; k++) {
            float v = x[k * L + l];
            w[k * L + l] = importance[l * len + k] * sqrtf(sigma2 + v * v);
        }
    }
}

static void job_start(job *j, const float *x, const float *importance, const ph_kq_spec *spec,
                      const ph_search *search)
{
    j->spec = spec;
    j->search = search;
    j->n_groups = spec->n_blocks / L;
    j->len = PH_SUPER / spec->n_blocks;
    float sum = 0;
    for (size_t i = 0; importance != NULL && i < PH_SUPER; i++) {
        sum += x[i] * x[i];
    }
    for (size_t g = 0; g < j->n_groups; g++) {
        size_t at = g * L * j->len;
        for (size_t k = 0; k < j->len; k++) {
            for (size_t l = 0; l < L; l++) {
                j->x[at + k * L + l] = x[at + l * j->len + k];
            }
        }
        if (importance != NULL) {
            weigh_by_importance(j->w + at, j->x + at, importance + at, j->len, 2 * sum / PH_SUPER);
        } else {
            weigh(j->w + at, j->x + at, j->len, spec->weighting);
        }
    }
}

/* The fits of the whole with these scales and mins, [n_blocks], are left in j->fit. */
static void measure(job *j, const float *scale, const float *min, float *q)
{
    for (size_t g = 0; g < j->n_groups; g++) {
        size_t at = g * L * j->len;
        j->search->measure(&j->fit[g], q != NULL ? q + at : NULL, j->x + at, j->w + at, j->len,
                           &j->spec->grid, scale + g * L, min + g * L);
    }
}

static float to_f16(float x)
{
    return ph_f16_to_f32(ph_f16_from_f32(fminf(fmaxf(x, -F16_MAX), F16_MAX)));
}

static float largest(const float *x, size_t n)
{
    float max = 0;
    for (size_t i = 0; i < n; i++) {
        if (fabsf(x[i]) > fabsf(max)) {
            max = x[i];
        }
    }
    return max;
}

/* a / b to the nearest integer; NaN becomes lo. */
static float ratio(float a, float b, int lo, int hi)
{
    float r = rintf(b != 0 ? a / b : 0.0f);
    return r >= (float)hi ? (float)hi : r > (float)lo ? r : (float)lo;
}

/* Integers under the two f16 of the superblock. */
typedef struct levels {
    float d, dmin;
    float scale[16], min[16];
} levels;

static void measure_levels(job *j, const levels *v, float *q)
{
    float scale[16], min[16];
    for (size_t b = 0; b < j->spec->n_blocks; b++) {
        scale[b] = v->d * v->scale[b];
        min[b] = 0.0f - v->dmin * v->min[b];
    }
    measure(j, scale, min, q);
}

/* Each block takes the neighbouring integers with the least error. Returns the error. */
static double step_integers(job *j, levels *v, bool with_min)
{
    double sum = 0;
    ph_levels common = {.d = v->d,
                        .dmin = v->dmin,
                        .lo = (float)j->spec->scale_lo,
                        .hi = (float)j->spec->scale_hi,
                        .with_min = with_min};
    for (size_t g = 0; g < j->n_groups; g++) {
        float error[L];
        size_t at = g * L * j->len;
        j->search->step(error, v->scale + g * L, v->min + g * L, j->x + at, j->w + at, j->len,
                        &j->spec->grid, &common);
        for (size_t l = 0; l < L; l++) {
            sum += (double)error[l];
        }
    }
    return sum;
}

/* Best d and dmin for the integers that v has now: least squares. */
static void solve(job *j, levels *v, bool with_min)
{
    double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;
    measure_levels(j, v, NULL);
    for (size_t b = 0; b < j->spec->n_blocks; b++) {
        const ph_fit *f = &j->fit[b / L];
        double s = (double)v->scale[b], m = (double)v->min[b];
        size_t l = b % L;
        aa += s * s * (double)f->qq[l];
        ab += s * m * (double)f->q[l];
        bb += m * m * (double)f->w[l];
        ax += s * (double)f->xq[l];
        bx += m * (double)f->x[l];
    }
    double det = aa * bb - ab * ab;
    if (with_min && det > 1e-9 * aa * bb) {
        float d = (float)((ax * bb - ab * bx) / det), dmin = (float)((ab * ax - aa * bx) / det);
        if (d > 0 && dmin >= 0) {
            v->d = to_f16(d);
            v->dmin = to_f16(dmin);
        }
    } else if (!with_min && aa > 0) {
        v->d = to_f16((float)(ax / aa));
    }
}

/* Alternates both steps while the error falls; v begins and ends with the best known. */
static void refine(job *j, levels *v, bool with_min)
{
    double best = step_integers(j, v, with_min);
    for (int i = 0; i < ROUNDS; i++) {
        levels next = *v;
        solve(j, &next, with_min);
        double error = step_integers(j, &next, with_min);
        if (!(error < best)) {
            return;
        }
        best = error;
        *v = next;
    }
}

void ph_kquant_affine(ph_kq_affine *out, const float *x, const float *importance,
                      const ph_kq_spec *spec, const ph_search *search)
{
    job j;
    levels v = {0};
    float scale[16], min[16], q[PH_SUPER];
    job_start(&j, x, importance, spec, search);
    for (size_t g = 0; g < j.n_groups; g++) {
        size_t at = g * L * j.len;
        search->affine(scale + g * L, min + g * L, j.x + at, j.w + at, j.len, spec->grid.hi, true);
    }
    v.d = to_f16(largest(scale, spec->n_blocks) / (float)spec->scale_hi);
    v.dmin = to_f16(-largest(min, spec->n_blocks) / (float)spec->scale_hi);
    for (size_t b = 0; b < spec->n_blocks; b++) {
        v.scale[b] = ratio(scale[b], v.d, 0, spec->scale_hi);
        v.min[b] = ratio(-min[b], v.dmin, 0, spec->scale_hi);
    }
    refine(&j, &v, true);
    measure_levels(&j, &v, q);
    out->d = ph_f16_from_f32(v.d);
    out->dmin = ph_f16_from_f32(v.dmin);
    for (size_t b = 0; b < spec->n_blocks; b++) {
        out->scale[b] = (uint8_t)v.scale[b];
        out->min[b] = (uint8_t)v.min[b];
        for (size_t k = 0; k < j.len; k++) {
            out->q[b * j.len + k] = (uint8_t)q[b / L * L * j.len + k * L + b % L];
        }
    }
}

void ph_kquant_linear(ph_kq_linear *out, const float *x, const float *importance,
                      const ph_kq_spec *spec, const ph_search *search)
{
    job j;
    levels v = {0};
    float scale[16], q[PH_SUPER];
    job_start(&j, x, importance, spec, search);
    for (size_t g = 0; g < j.n_groups; g++) {
        size_t at = g * L * j.len;
        search->linear(scale + g * L, j.x + at, j.w + at, j.len, &spec->grid);
    }
    v.d = to_f16(largest(scale, spec->n_blocks) / (float)spec->scale_lo);
    for (size_t b = 0; b < spec->n_blocks; b++) {
        v.scale[b] = ratio(scale[b], v.d, spec->scale_lo, spec->scale_hi);
    }
    refine(&j, &v, false);
    measure_levels(&j, &v, q);
    out->d = ph_f16_from_f32(v.d);
    for (size_t b = 0; b < spec->n_blocks; b++) {
        out->scale[b] = (int8_t)v.scale[b];
        for (size_t k = 0; k < j.len; k++) {
            out->q[b * j.len + k] = (int8_t)q[b / L * L * j.len + k * L + b % L];
        }
    }
}
