/* Min-p (Nguyen et al. 2024): keeps what is at least min_p times as probable as the first. */
#include <math.h>

#include "rt/sampler_step.h"

static phial_status check(const phial_sampler_options *o, phial_error *err)
{
    return ph_sampler_check("min_p", o->min_p, 0, 1, err);
}

static bool is_on(const phial_sampler_options *o)
{
    return o->min_p > 0;
}

static void apply(phial_sampler *s, ph_candidates *c)
{
    ph_candidates_keep(c, ph_candidates_max(c) + log(s->opt.min_p));
}

const ph_sampler_step ph_sampler_min_p = {PH_STEP_CUT, check, is_on, apply};
