/* Locally typical sampling (Meister et al. 2022): in the order of |surprise - entropy|, equal ones
 * by lower id, keeps the shortest beginning whose probability exceeds typical_p, and at least the
 * first. The kept ones stay in their place. */
#include <math.h>

#include "rt/sampler_step.h"

static phial_status check(const phial_sampler_options *o, phial_error *err)
{
    return ph_sampler_check("typical_p", o->typical_p, 0, 1, err);
}

static bool is_on(const phial_sampler_options *o)
{
    return o->typical_p < 1;
}

typedef struct surprise {
    double max, total, log_total, entropy;
} surprise;

/* Larger is more typical. */
static double typicality(const surprise *t, double logit)
{
    return -fabs(t->log_total - (logit - t->max) - t->entropy);
}

/* The least typical candidate to keep. */
static ph_candidate last_kept(phial_sampler *s, const ph_candidates *c, const surprise *t)
{
    ph_candidates *r = &s->rank;
    r->n = c->n;
    r->n_sorted = 0;
    for (size_t i = 0; i < c->n; i++) {
        r->at[i] = (ph_candidate){typicality(t, c->at[i].logit), c->at[i].id};
        r->p[c->at[i].id] = exp(c->at[i].logit - t->max);
    }
    ph_candidates_cut(r, r->p, s->opt.typical_p * t->total, true);
    return r->at[r->n - 1];
}

static void apply(phial_sampler *s, ph_candidates *c)
{
    surprise t = {.max = ph_candidates_max(c)};
    t.total = ph_candidates_total(c, t.max);
    t.log_total = log(t.total);
    t.entropy = ph_candidates_entropy(c, t.max, t.total);
    ph_candidate last = last_kept(s, c, &t);
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        double x = typicality(&t, c->at[i].logit);
        if (x > last.logit || (x == last.logit && c->at[i].id <= last.id)) {
            c->at[n++] = c->at[i];
        }
    }
    c->n = n;
    c->n_sorted = 0;
}

const ph_sampler_step ph_sampler_typ_p = {PH_STEP_CUT, check, is_on, apply};
