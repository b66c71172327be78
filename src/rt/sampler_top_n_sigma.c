/* Top-n-sigma (Tang et al. 2024): keeps logits within n standard deviations of the largest. The
 * deviation is that of the present candidates' logits (divided by their number, not one less). */
#include <float.h>
#include <math.h>

#include "rt/sampler_step.h"

static phial_status check(const phial_sampler_options *o, phial_error *err)
{
    return ph_sampler_check("top_n_sigma", o->top_n_sigma, -DBL_MAX, DBL_MAX, err);
}

static bool is_on(const phial_sampler_options *o)
{
    return o->top_n_sigma > 0;
}

static void apply(phial_sampler *s, ph_candidates *c)
{
    double max = ph_candidates_max(c), sum = 0, squares = 0;
    for (size_t i = 0; i < c->n; i++) {
        sum += c->at[i].logit - max;
    }
    double mean = sum / (double)c->n;
    for (size_t i = 0; i < c->n; i++) {
        double d = c->at[i].logit - max - mean;
        squares += d * d;
    }
    double least = max - s->opt.top_n_sigma * sqrt(squares / (double)c->n);
    if (isfinite(least)) {
        ph_candidates_keep(c, least);
    }
}

const ph_sampler_step ph_sampler_top_n_sigma = {PH_STEP_CUT, check, is_on, apply};
