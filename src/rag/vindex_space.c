/* Centre and rotation; contract in vindex_space.h. */
#include "rag/vindex_space.h"

#include <math.h>
#include <string.h>

#include "base/f4.h"
#include "base/mem.h"
#include "base/rng.h"

#define ROUNDS 2

size_t ph_vspace_padded(size_t dim)
{
    return ph_align_up(dim, 32);
}

phial_status ph_vspace_init(ph_vspace *space, ph_vindex_metric metric, size_t dim, uint64_t seed,
                            phial_error *err)
{
    *space = (ph_vspace){.metric = metric, .dim = dim, .p = ph_vspace_padded(dim)};
    space->signs = ph_alloc(space->p, ROUNDS * sizeof(float), err);
    space->centre = ph_alloc(dim, sizeof(float), err);
    if (space->signs == NULL || space->centre == NULL) {
        ph_vspace_free(space);
        return PHIAL_ERR_NO_MEMORY;
    }
    ph_rng rng;
    ph_rng_seed(&rng, seed, 0);
    for (size_t d = 0; d < ROUNDS * space->p; d++) {
        space->signs[d] = ph_rng_u64(&rng) >> 63 ? -1.0f : 1.0f;
    }
    return PHIAL_OK;
}

void ph_vspace_free(ph_vspace *space)
{
    ph_free(space->signs);
    ph_free(space->centre);
    *space = (ph_vspace){0};
}

void ph_vspace_set_centre(ph_vspace *space, const float *centre)
{
    memcpy(space->centre, centre, space->dim * sizeof *centre);
    space->centre_norm = ph_vspace_length(centre, space->dim);
}

size_t ph_vspace_bad_element(const float *x, size_t dim)
{
    size_t bad = 0;
    for (size_t d = 0; d < dim; d++) {
        bad += !(fabsf(x[d]) <= PH_VINDEX_MAX_VALUE);
    }
    for (size_t d = 0; d < dim && bad > 0; d++) {
        if (!(fabsf(x[d]) <= PH_VINDEX_MAX_VALUE)) {
            return d;
        }
    }
    return dim;
}

double ph_vspace_length(const float *x, size_t dim)
{
    double sum[4] = {0}; /* in a fixed order that needs no waiting for the last sum */
    size_t d = 0;
    for (; d + 4 <= dim; d += 4) {
        for (size_t l = 0; l < 4; l++) {
            sum[l] += (double)x[d + l] * x[d + l];
        }
    }
    for (; d < dim; d++) {
        sum[0] += (double)x[d] * x[d];
    }
    return sqrt((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

void ph_vspace_direct(const ph_vspace *space, float *out, const float *x)
{
    if (space->metric != PH_VINDEX_COSINE) {
        memmove(out, x, space->dim * sizeof *x);
        return;
    }
    double length = ph_vspace_length(x, space->dim), by = length > 0 ? 1 / length : 0;
    for (size_t d = 0; d < space->dim; d++) {
        out[d] = (float)(x[d] * by);
    }
}

/* Steps h and 2 h, h a multiple of 4. */
static void two_steps(float *y, size_t n, size_t h)
{
    for (size_t i = 0; i < n; i += 4 * h) {
        for (size_t j = i; j < i + h; j += 4) {
            ph_f4 a = ph_f4_load(y + j), b = ph_f4_load(y + j + h);
            ph_f4 c = ph_f4_load(y + j + 2 * h), d = ph_f4_load(y + j + 3 * h);
            ph_f4 ab = a + b, cd = c + d, a_b = a - b, c_d = c - d;
            ph_f4_store(y + j, ab + cd);
            ph_f4_store(y + j + h, a_b + c_d);
            ph_f4_store(y + j + 2 * h, ab - cd);
            ph_f4_store(y + j + 3 * h, a_b - c_d);
        }
    }
}

static void one_step(float *y, size_t n, size_t h)
{
    for (size_t i = 0; i < n; i += 2 * h) {
        for (size_t j = i; j < i + h; j += 4) {
            ph_f4 a = ph_f4_load(y + j), b = ph_f4_load(y + j + h);
            ph_f4_store(y + j, a + b);
            ph_f4_store(y + j + h, a - b);
        }
    }
}

/* In place, n a power of 2 from 32 on. */
static void hadamard(float *y, size_t n)
{
    for (size_t i = 0; i < n; i += 4) {
        float a = y[i] + y[i + 1], b = y[i] - y[i + 1];
        float c = y[i + 2] + y[i + 3], d = y[i + 2] - y[i + 3];
        y[i] = a + c;
        y[i + 1] = b + d;
        y[i + 2] = a - c;
        y[i + 3] = b - d;
    }
    size_t h = 4;
    for (; 2 * h < n; h *= 4) {
        two_steps(y, n, h);
    }
    if (h < n) {
        one_step(y, n, h);
    }
    float by = (float)(1 / sqrt((double)n));
    for (size_t i = 0; i < n; i += 4) {
        ph_f4_store(y + i, ph_f4_load(y + i) * by);
    }
}

double ph_vspace_turn(const ph_vspace *space, float *y, const float *x, bool centred)
{
    size_t p = space->p, block = 32;
    for (size_t d = 0; d < space->dim; d++) {
        y[d] = centred ? x[d] - space->centre[d] : x[d];
    }
    memset(y + space->dim, 0, (p - space->dim) * sizeof *y);
    double length = ph_vspace_length(y, space->dim);
    while (block * 2 <= p) {
        block *= 2;
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t d = 0; d < p; d++) {
            y[d] *= space->signs[(size_t)round * p + d];
        }
        hadamard(y, block);
        if (block < p) {
            hadamard(y + p - block, block);
        }
    }
    return length;
}
