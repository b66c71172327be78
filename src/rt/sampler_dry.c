/* DRY: "don't repeat yourself" (p-e-w, text-generation-webui pull request 5677).
 *
 * If the last n tokens occurred before and id x followed them there, then x would make the
 * repetition n + 1 long; for the greatest such n >= allowed_length its logit is lowered by
 * multiplier * base^(n - allowed_length). A repetition does not reach back over a sequence breaker,
 * and an id that holds a breaker is never lowered. As in llama.cpp, except that breakers are looked
 * for in the text itself and not in guessed tokenizations of it.
 */
#include <float.h>
#include <math.h>

#include "rt/sampler_step.h"

static phial_status check(const phial_sampler_options *o, phial_error *err)
{
    phial_status status = ph_sampler_check("dry_multiplier", o->dry_multiplier, 0, 1e30, err);
    if (status == PHIAL_OK) {
        status = ph_sampler_check("dry_base", o->dry_base, 1, 1e30, err);
    }
    if (status == PHIAL_OK) {
        status = ph_sampler_check("dry_allowed_length", o->dry_allowed_length, 1,
                                  PHIAL_SAMPLER_WINDOW_MAX, err);
    }
    if (status == PHIAL_OK) {
        status = ph_sampler_check("dry_penalty_last_n", o->dry_penalty_last_n, -1,
                                  PHIAL_SAMPLER_WINDOW_MAX, err);
    }
    return status;
}

static bool is_on(const phial_sampler_options *o)
{
    return o->dry_multiplier > 0 && o->dry_penalty_last_n != 0;
}

/* z[i]: how many tokens, going backwards, the end of the history and the end of the history without
 * its last i tokens have in common (the Z algorithm on the reversed tokens; Gusfield 1997). */
static void fill_z(const ph_history *h, uint32_t *z, size_t n)
{
    size_t left = 0, right = 0; /* the match that reaches farthest: [left, right) */
    z[0] = (uint32_t)n;
    for (size_t i = 1; i < n; i++) {
        size_t k = 0;
        if (i < right) {
            k = z[i - left] < right - i ? z[i - left] : right - i;
        }
        while (i + k < n && ph_history_id(h, k) == ph_history_id(h, i + k)) {
            k++;
        }
        if (i + k > right) {
            left = i;
            right = i + k;
        }
        z[i] = (uint32_t)k;
    }
}

/* Tokens behind the last breaker. */
static size_t unbroken(const ph_history *h, size_t n)
{
    size_t i = 0;
    while (i < n && (ph_history_breaks(h, i) & PH_BREAK_ENDS) == 0) {
        i++;
    }
    return i;
}

static void apply(phial_sampler *s, ph_candidates *c)
{
    const phial_sampler_options *o = &s->opt;
    const ph_history *h = &s->history;
    size_t n = ph_history_n(h, ph_sampler_window(o->dry_penalty_last_n, o->n_ctx));
    size_t allowed = (size_t)o->dry_allowed_length;
    size_t limit = unbroken(h, n);
    if (limit < allowed) {
        return;
    }
    fill_z(h, s->z, n);
    for (size_t i = 1; i < n; i++) {
        size_t len = s->z[i] < limit ? s->z[i] : limit;
        uint32_t *most = &s->repeat[ph_history_id(h, i - 1)];
        if (len >= allowed && len > *most && (ph_history_breaks(h, i - 1) & PH_BREAK_INSIDE) == 0) {
            *most = (uint32_t)len;
        }
    }
    for (size_t i = 0; i < c->n; i++) {
        uint32_t len = s->repeat[c->at[i].id];
        if (len > 0) {
            double penalty = o->dry_multiplier * pow(o->dry_base, (double)(len - allowed));
            c->at[i].logit -= penalty < FLT_MAX ? penalty : FLT_MAX;
        }
    }
    for (size_t i = 0; i < n; i++) {
        s->repeat[ph_history_id(h, i)] = 0;
    }
    c->n_sorted = 0;
}

const ph_sampler_step ph_sampler_dry = {PH_STEP_ADJUST, check, is_on, apply};
