/* Mirostat 1 and 2 (Basu et al. 2020): keep the surprise of the text, in bits, near tau, by
 * learning from each token how many candidates to leave. In place of the steps that cut.
 *
 * Version 1 estimates the exponent of a Zipf law from the 100 first and leaves k of them; version 2
 * leaves those with a surprise of at most mu. The surprise learnt from is the picked id's among
 * those left, as in llama.cpp. */
#include <math.h>

#include "rt/sampler_step.h"

#define ZIPF_CANDIDATES 100

phial_status ph_mirostat_check(const phial_sampler_options *o, phial_error *err)
{
    phial_status status = ph_sampler_check("mirostat", o->mirostat, 0, 2, err);
    if (status == PHIAL_OK) {
        status = ph_sampler_check("mirostat_tau", o->mirostat_tau, 0, 100, err);
    }
    if (status == PHIAL_OK) {
        status = ph_sampler_check("mirostat_eta", o->mirostat_eta, 0, 10, err);
    }
    return status;
}

static void cut_by_zipf(phial_sampler *s, ph_candidates *c)
{
    ph_candidates_top(c, ZIPF_CANDIDATES);
    size_t m = c->n < ZIPF_CANDIDATES ? c->n : ZIPF_CANDIDATES;
    double tb = 0, tt = 0;
    for (size_t i = 0; i + 1 < m; i++) {
        double t = log((double)(i + 2) / (double)(i + 1));
        tb += t * (c->at[i].logit - c->at[i + 1].logit);
        tt += t * t;
    }
    if (tt == 0) {
        return;
    }
    double exponent = tb / tt, over = exponent - 1, log_n = log((double)s->n_vocab);
    /* over / (1 - N^-over), which tends to 1 / ln N */
    double factor = over == 0 ? 1 / log_n : over / -expm1(-over * log_n);
    double k = pow(factor * exp2(s->mu), 1 / exponent);
    if (k < (double)c->n) { /* not if it is NaN */
        ph_candidates_truncate(c, k < 1 ? 1 : (size_t)k);
    }
}

static void cut_by_surprise(phial_sampler *s, ph_candidates *c)
{
    double max = ph_candidates_max(c);
    double log_total = log(ph_candidates_total(c, max));
    /* -log2(p) <= mu */
    ph_candidates_keep(c, max + log_total - s->mu * log(2));
}

void ph_mirostat_cut(phial_sampler *s, ph_candidates *c)
{
    if (s->opt.mirostat == 1) {
        cut_by_zipf(s, c);
    } else {
        cut_by_surprise(s, c);
    }
    ph_candidates_softmax(c);
}
