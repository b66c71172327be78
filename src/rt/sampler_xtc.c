/* XTC, "exclude top choices" (p-e-w, text-generation-webui pull request 6335): with the given
 * probability, of all candidates that have at least the threshold only the last in order stays, so
 * that a sensible but less likely word is taken. Acts only where two or more have it. */
#include "rt/sampler_step.h"

static phial_status check(const phial_sampler_options *o, phial_error *err)
{
    phial_status status = ph_sampler_check("xtc_probability", o->xtc_probability, 0, 1, err);
    return status != PHIAL_OK ? status
                              : ph_sampler_check("xtc_threshold", o->xtc_threshold, 0, 1, err);
}

static bool is_on(const phial_sampler_options *o)
{
    return o->xtc_probability > 0 && o->xtc_threshold <= 0.5;
}

static void apply(phial_sampler *s, ph_candidates *c)
{
    if (c->n < 2 || ph_rng_f64(&s->rng) >= s->opt.xtc_probability) {
        return;
    }
    ph_candidates_softmax(c);
    size_t n_above = 0, last = 0, n = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (c->p[i] >= s->opt.xtc_threshold) {
            double x = c->at[i].logit, least = c->at[last].logit;
            if (n_above++ == 0 || x < least || (x == least && c->at[i].id > c->at[last].id)) {
                last = i;
            }
        }
    }
    if (n_above < 2) {
        return;
    }
    for (size_t i = 0; i < c->n; i++) {
        if (i == last || c->p[i] < s->opt.xtc_threshold) {
            c->at[n++] = c->at[i];
        }
    }
    c->n = n;
    c->n_sorted = 0;
}

const ph_sampler_step ph_sampler_xtc = {PH_STEP_CUT, check, is_on, apply};
