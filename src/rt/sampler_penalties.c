/* Repetition, presence and frequency penalties over the last repeat_last_n tokens.
 * Keskar et al. 2019 (CTRL): a seen id's logit is divided by repeat_penalty, or multiplied when it
 * is not positive; then OpenAI's two: presence once, frequency for each occurrence. */
#include "rt/sampler_step.h"

/* Far above use, and small enough that no logit becomes infinite. */
#define PENALTY_MAX 1e30

static phial_status check(const phial_sampler_options *o, phial_error *err)
{
    phial_status status =
        ph_sampler_check("repeat_penalty", o->repeat_penalty, 1 / PENALTY_MAX, PENALTY_MAX, err);
    if (status == PHIAL_OK) {
        status = ph_sampler_check("presence_penalty", o->presence_penalty, -PENALTY_MAX,
                                  PENALTY_MAX, err);
    }
    if (status == PHIAL_OK) {
        status = ph_sampler_check("frequency_penalty", o->frequency_penalty, -PENALTY_MAX,
                                  PENALTY_MAX, err);
    }
    if (status == PHIAL_OK) {
        status =
            ph_sampler_check("repeat_last_n", o->repeat_last_n, -1, PHIAL_SAMPLER_WINDOW_MAX, err);
    }
    return status;
}

static bool is_on(const phial_sampler_options *o)
{
    return o->repeat_last_n != 0 &&
           (o->repeat_penalty != 1 || o->presence_penalty != 0 || o->frequency_penalty != 0);
}

static void apply(phial_sampler *s, ph_candidates *c)
{
    if (s->history.total == 0) {
        return;
    }
    const phial_sampler_options *o = &s->opt;
    for (size_t i = 0; i < c->n; i++) {
        uint32_t count = s->history.count[c->at[i].id];
        if (count > 0) {
            double x = c->at[i].logit;
            x = x > 0 ? x / o->repeat_penalty : x * o->repeat_penalty;
            c->at[i].logit = x - o->presence_penalty - count * o->frequency_penalty;
        }
    }
    c->n_sorted = 0;
}

const ph_sampler_step ph_sampler_penalties = {PH_STEP_ADJUST, check, is_on, apply};
