/* Samplers; contract in phial/sampler.h, steps in sampler.def. */
#include "rt/sampler_step.h"

#include <math.h>
#include <string.h>

#define RNG_STREAM 1

/* Copies what the options point to. */
static phial_status copy_options(phial_sampler *s, phial_error *err)
{
    phial_sampler_options *o = &s->opt;
    if (o->samplers != NULL) {
        o->samplers = ph_arena_strndup(&s->arena, o->samplers, strlen(o->samplers), err);
        if (o->samplers == NULL) {
            return PHIAL_ERR_NO_MEMORY;
        }
    }
    phial_text *breakers = ph_arena_alloc(&s->arena, o->n_dry_breakers, sizeof *breakers, err);
    if (breakers == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < o->n_dry_breakers; i++) {
        phial_text t = o->dry_breakers[i];
        char *p = ph_arena_strndup(&s->arena, t.p, t.n, err);
        if (p == NULL) {
            return PHIAL_ERR_NO_MEMORY;
        }
        breakers[i] = (phial_text){p, t.n};
    }
    o->dry_breakers = breakers;
    phial_logit_bias *bias = ph_arena_alloc(&s->arena, o->n_logit_bias, sizeof *bias, err);
    if (bias == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < o->n_logit_bias; i++) {
        bias[i] = o->logit_bias[i];
    }
    o->logit_bias = bias;
    return PHIAL_OK;
}

static phial_status make_bias(phial_sampler *s, phial_error *err)
{
    const phial_sampler_options *o = &s->opt;
    if (o->n_logit_bias == 0) {
        return PHIAL_OK;
    }
    s->bias = ph_alloc(s->n_vocab, sizeof *s->bias, err);
    if (s->bias == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < o->n_logit_bias; i++) {
        float *b = &s->bias[o->logit_bias[i].id];
        float sum = *b + o->logit_bias[i].bias;
        *b = isnan(sum) ? -INFINITY : sum; /* never and always: never */
    }
    return PHIAL_OK;
}

/* Leaves only what is on, in its order. */
static void prune_chain(phial_sampler *s)
{
    size_t n = 0;
    bool greedy = s->opt.temperature == 0;
    for (size_t i = 0; i < s->n_chain; i++) {
        ph_step_kind kind = s->chain[i]->kind;
        if (s->chain[i]->is_on(&s->opt) && (!greedy || kind == PH_STEP_ADJUST) &&
            (s->opt.mirostat == 0 || kind != PH_STEP_CUT)) {
            s->chain[n++] = s->chain[i];
        }
    }
    s->n_chain = n;
}

static bool has_step(const phial_sampler *s, const ph_sampler_step *step)
{
    for (size_t i = 0; i < s->n_chain; i++) {
        if (s->chain[i] == step) {
            return true;
        }
    }
    return false;
}

static phial_status init_candidates(ph_candidates *c, uint32_t n_vocab, phial_error *err)
{
    c->at = ph_alloc(n_vocab, sizeof *c->at, err);
    c->p = c->at == NULL ? NULL : ph_alloc(n_vocab, sizeof *c->p, err);
    return c->p != NULL ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
}

static phial_status init_memory(phial_sampler *s, phial_error *err)
{
    const phial_sampler_options *o = &s->opt;
    phial_status status = init_candidates(&s->cand, s->n_vocab, err);
    if (status == PHIAL_OK && has_step(s, &ph_sampler_typ_p)) {
        status = init_candidates(&s->rank, s->n_vocab, err);
    }
    size_t count_window = 0, dry_window = 0;
    if (has_step(s, &ph_sampler_penalties)) {
        count_window = ph_sampler_window(o->repeat_last_n, o->n_ctx);
    }
    if (has_step(s, &ph_sampler_dry)) {
        dry_window = ph_sampler_window(o->dry_penalty_last_n, o->n_ctx);
    }
    if (status == PHIAL_OK && dry_window > 0) {
        s->repeat = ph_alloc(s->n_vocab, sizeof *s->repeat, err);
        s->z = s->repeat == NULL ? NULL : ph_alloc(dry_window, sizeof *s->z, err);
        status = s->z != NULL ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
    }
    if (status == PHIAL_OK) {
        status = ph_history_init(&s->history, o, s->n_vocab, count_window, dry_window, err);
    }
    return status;
}

phial_status phial_sampler_new(phial_sampler **out, uint32_t n_vocab,
                               const phial_sampler_options *options, phial_error *err)
{
    phial_sampler_options defaults;
    phial_sampler_options_default(&defaults);
    options = options != NULL ? options : &defaults;
    phial_status status = ph_sampler_check_options(options, n_vocab, err);
    if (status != PHIAL_OK) {
        return status;
    }
    phial_sampler *s = ph_alloc(1, sizeof *s, err);
    if (s == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    s->opt = *options;
    s->n_vocab = n_vocab;
    ph_arena_init(&s->arena, 0);
    status = ph_sampler_parse_chain(s, options->samplers, err);
    if (status == PHIAL_OK) {
        status = copy_options(s, err);
    }
    if (status == PHIAL_OK) {
        status = make_bias(s, err);
    }
    if (status == PHIAL_OK) {
        prune_chain(s);
        status = init_memory(s, err);
    }
    if (status == PHIAL_OK) {
        phial_sampler_reset(s, s->opt.seed);
        *out = s;
    } else {
        phial_sampler_free(s);
    }
    return status;
}

void phial_sampler_free(phial_sampler *s)
{
    if (s == NULL) {
        return;
    }
    ph_free(s->bias);
    ph_free(s->cand.at);
    ph_free(s->cand.p);
    ph_free(s->rank.at);
    ph_free(s->rank.p);
    ph_free(s->repeat);
    ph_free(s->z);
    ph_history_free(&s->history);
    ph_arena_free(&s->arena);
    ph_free(s);
}

phial_status phial_sampler_clone(phial_sampler **out, const phial_sampler *sampler,
                                 phial_error *err)
{
    phial_sampler *s;
    phial_status status = phial_sampler_new(&s, sampler->n_vocab, &sampler->opt, err);
    if (status != PHIAL_OK) {
        return status;
    }
    ph_history_copy(&s->history, &sampler->history);
    memcpy(s->cand.at, sampler->cand.at, sampler->cand.n * sizeof *s->cand.at);
    memcpy(s->cand.p, sampler->cand.p, sampler->cand.n * sizeof *s->cand.p);
    s->cand.n = sampler->cand.n;
    s->rng = sampler->rng;
    s->mu = sampler->mu;
    s->has_pick = sampler->has_pick;
    s->picked = sampler->picked;
    s->picked_bits = sampler->picked_bits;
    *out = s;
    return PHIAL_OK;
}

void phial_sampler_reset(phial_sampler *s, uint64_t seed)
{
    s->opt.seed = seed;
    ph_rng_seed(&s->rng, seed, RNG_STREAM);
    s->mu = 2 * s->opt.mirostat_tau;
    s->has_pick = false;
    s->cand.n = 0;
    ph_history_clear(&s->history);
}

phial_status phial_sampler_accept(phial_sampler *s, const uint32_t *ids, size_t n, phial_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (ids[i] >= s->n_vocab) {
            return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                              "token %zu is %u; this sampler has the ids 0 to %u", i,
                              (unsigned)ids[i], (unsigned)(s->n_vocab - 1));
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (s->has_pick && s->picked == ids[i] && s->opt.mirostat != 0) {
            s->mu -= s->opt.mirostat_eta * (s->picked_bits - s->opt.mirostat_tau);
        }
        s->has_pick = false;
        ph_history_add(&s->history, ids[i]);
    }
    return PHIAL_OK;
}

phial_status phial_sampler_pick(phial_sampler *s, const float *logits, uint32_t *id,
                                phial_error *err)
{
    ph_candidates *c = &s->cand;
    s->has_pick = false;
    phial_status status = ph_candidates_load(c, logits, s->n_vocab, s->opt.masked, s->bias, err);
    if (status != PHIAL_OK) {
        return status;
    }
    for (size_t i = 0; i < s->n_chain; i++) {
        s->chain[i]->apply(s, c);
    }
    size_t at = 0;
    if (s->opt.temperature == 0) {
        ph_candidates_truncate(c, 1);
        c->p[0] = 1;
    } else if (s->opt.mirostat != 0) {
        ph_mirostat_cut(s, c);
        at = ph_candidates_draw(c, &s->rng);
    } else {
        ph_candidates_softmax(c);
        at = ph_candidates_draw(c, &s->rng);
    }
    *id = s->picked = c->at[at].id;
    s->picked_bits = -log2(c->p[at]);
    s->has_pick = true;
    return PHIAL_OK;
}

size_t phial_sampler_n_candidates(const phial_sampler *s)
{
    return s->cand.n;
}

uint32_t phial_sampler_candidate(const phial_sampler *s, size_t i, double *p)
{
    if (p != NULL) {
        *p = s->cand.p[i];
    }
    return s->cand.at[i].id;
}

void phial_sampler_get_state(const phial_sampler *s, phial_sampler_state *state)
{
    memcpy(state->rng, s->rng.s, sizeof state->rng);
    state->mirostat_mu = s->mu;
}

phial_status phial_sampler_set_state(phial_sampler *s, const phial_sampler_state *state,
                                     phial_error *err)
{
    const uint64_t *r = state->rng;
    if ((r[0] | r[1] | r[2] | r[3]) == 0 || !isfinite(state->mirostat_mu)) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "not the state of a sampler");
    }
    memcpy(s->rng.s, state->rng, sizeof state->rng);
    s->mu = state->mirostat_mu;
    s->has_pick = false;
    return PHIAL_OK;
}
