/* Top-p or nucleus (Holtzman et al. 2019): keeps the shortest beginning in order whose probability
 * is at least p, and at least the first. */
#include <math.h>

#include "rt/sampler_step.h"

static phial_status check(const phial_sampler_options *o, phial_error *err)
{
    return ph_sampler_check("top_p", o->top_p, 0, 1, err);
}

static bool is_on(const phial_sampler_options *o)
{
    return o->top_p < 1;
}

static void apply(phial_sampler *s, ph_candidates *c)
{
    double max = ph_candidates_max(c), total = 0;
    double *weight = c->p;
    for (size_t i = 0; i < c->n; i++) {
        total += weight[c->at[i].id] = exp(c->at[i].logit - max);
    }
    ph_candidates_cut(c, weight, s->opt.top_p * total, false);
}

const ph_sampler_step ph_sampler_top_p = {PH_STEP_CUT, check, is_on, apply};
