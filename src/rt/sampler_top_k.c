/* Top-k (Fan et al. 2018): keeps the k first. */
#include "rt/sampler_step.h"

static phial_status check(const phial_sampler_options *o, phial_error *err)
{
    return ph_sampler_check("top_k", o->top_k, -1, INT32_MAX, err);
}

static bool is_on(const phial_sampler_options *o)
{
    return o->top_k > 0;
}

static void apply(phial_sampler *s, ph_candidates *c)
{
    ph_candidates_truncate(c, (size_t)s->opt.top_k);
}

const ph_sampler_step ph_sampler_top_k = {PH_STEP_CUT, check, is_on, apply};
