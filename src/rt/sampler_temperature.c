/* Temperature, fixed or by entropy ("dynamic temperature", kalomaze, llama.cpp pull request 4972):
 * between temperature - range and temperature + range, as (entropy / greatest entropy)^exponent. */
#include <float.h>
#include <math.h>

#include "rt/sampler_step.h"

/* Below it any difference of logits counts as infinite, and no quotient overflows above it. */
#define TEMPERATURE_TINY 1e-200

static phial_status check(const phial_sampler_options *o, phial_error *err)
{
    phial_status status = ph_sampler_check("temperature", o->temperature, 0, DBL_MAX, err);
    if (status == PHIAL_OK) {
        status = ph_sampler_check("dynatemp_range", o->dynatemp_range, 0, DBL_MAX, err);
    }
    if (status == PHIAL_OK) {
        status = ph_sampler_check("dynatemp_exponent", o->dynatemp_exponent, 0, DBL_MAX, err);
    }
    return status;
}

static bool is_on(const phial_sampler_options *o)
{
    return o->temperature != 1 || o->dynatemp_range > 0;
}

static double dynamic(const phial_sampler_options *o, const ph_candidates *c, double max)
{
    double low = fmax(0, o->temperature - o->dynatemp_range);
    double high = o->temperature + o->dynatemp_range;
    double entropy = ph_candidates_entropy(c, max, ph_candidates_total(c, max));
    double part = fmin(1, entropy / log((double)c->n));
    return low + (high - low) * pow(part, o->dynatemp_exponent);
}

static void apply(phial_sampler *s, ph_candidates *c)
{
    if (c->n == 1) {
        return;
    }
    double max = ph_candidates_max(c);
    double t = s->opt.temperature;
    if (s->opt.dynatemp_range > 0) {
        t = dynamic(&s->opt, c, max);
    }
    if (t <= 0) {
        ph_candidates_truncate(c, 1);
        return;
    }
    if (t < TEMPERATURE_TINY) {
        ph_candidates_keep(c, max);
        return;
    }
    for (size_t i = 0; i < c->n; i++) {
        c->at[i].logit /= t;
    }
    c->n_sorted = 0; /* rounding may have made equals of what was not */
}

const ph_sampler_step ph_sampler_temperature = {PH_STEP_SCALE, check, is_on, apply};
