/* Top-p or nucleus (Holtzman et al. 2019): keeps the shortest beginning in order whose probability
 * is at least p, and at least the first. */
#include <math.h>

#include "rt/sampler.h"

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
    double max = ph_candidates_max(c);
    double wanted = s->opt.top_p * ph_candidates_total(c, max);
    double sum = 0;
    for (size_t i = 0, ready = 32; i < c->n; i++) {
        if (i >= c->n_sorted) { /* usually few are needed, so order eight times as many each time */
            ready *= 8;
            ph_candidates_top(c, ready);
        }
        sum += exp(c->at[i].logit - max);
        if (sum >= wanted) {
            ph_candidates_truncate(c, i + 1);
            return;
        }
    }
}

const ph_sampler_step ph_sampler_top_p = {PH_STEP_CUT, check, is_on, apply};
