/* Options of a sampler: defaults, setting by name, the chain's list of names; contract in
 * phial/sampler.h. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "rt/sampler_step.h"

static const ph_sampler_step *const STEPS[] = {
#define PH_SAMPLER(name) &ph_sampler_##name,
#include "rt/sampler.def"
#undef PH_SAMPLER
};

static const char *const STEP_NAMES[] = {
#define PH_SAMPLER(name) #name,
#include "rt/sampler.def"
#undef PH_SAMPLER
};

typedef struct field {
    const char *name;
    size_t offset;
    bool whole; /* int32_t, else double */
} field;

static const field FIELDS[] = {
#define PH_SAMPLING_F64(name) {#name, offsetof(phial_sampler_options, name), false},
#define PH_SAMPLING_I32(name) {#name, offsetof(phial_sampler_options, name), true},
#include "tok/sampling.def"
#undef PH_SAMPLING_F64
#undef PH_SAMPLING_I32
};
enum { N_FIELDS = sizeof FIELDS / sizeof FIELDS[0] };

static const phial_text DRY_BREAKERS[] = {{"\n", 1}, {":", 1}, {"\"", 1}, {"*", 1}};

void phial_sampler_options_default(phial_sampler_options *options)
{
    *options = (phial_sampler_options){
        .size = sizeof *options,
        .temperature = 0.8,
        .dynatemp_exponent = 1,
        .top_k = 40,
        .top_p = 0.95,
        .min_p = 0.05,
        .typical_p = 1,
        .top_n_sigma = -1,
        .repeat_penalty = 1,
        .repeat_last_n = 64,
        .dry_base = 1.75,
        .dry_allowed_length = 2,
        .dry_penalty_last_n = -1,
        .dry_breakers = DRY_BREAKERS,
        .n_dry_breakers = sizeof DRY_BREAKERS / sizeof DRY_BREAKERS[0],
        .xtc_threshold = 0.1,
        .mirostat_tau = 5,
        .mirostat_eta = 0.1,
    };
}

const char *phial_sampler_name(size_t i)
{
    return i < PH_N_SAMPLERS ? STEP_NAMES[i] : NULL;
}

phial_status ph_sampler_check(const char *option, double value, double lo, double hi,
                              phial_error *err)
{
    if (value >= lo && value <= hi) {
        return PHIAL_OK;
    }
    if (hi >= 1e300) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s is %g; it takes a finite number%s", option,
                          value, lo == 0 ? " of at least 0" : "");
    }
    return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s is %g; it takes numbers from %g to %g", option,
                      value, lo, hi);
}

size_t ph_sampler_window(int32_t last_n, uint32_t n_ctx)
{
    return last_n < 0 ? n_ctx : (size_t)last_n;
}

static phial_status check_window(const char *option, int32_t last_n, uint32_t n_ctx,
                                 phial_error *err)
{
    if (last_n >= 0 || (n_ctx > 0 && n_ctx <= PHIAL_SAMPLER_WINDOW_MAX)) {
        return PHIAL_OK;
    }
    return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                      "%s is -1, the whole context, but n_ctx is %u; it takes 1 to %d", option,
                      (unsigned)n_ctx, PHIAL_SAMPLER_WINDOW_MAX);
}

static phial_status check_bias(const phial_sampler_options *o, uint32_t n_vocab, phial_error *err)
{
    if (o->n_logit_bias > PHIAL_SAMPLER_BIAS_MAX) {
        return ph_err_set(err, PHIAL_ERR_LIMIT, "%zu logit biases (at most %u)", o->n_logit_bias,
                          PHIAL_SAMPLER_BIAS_MAX);
    }
    for (size_t i = 0; i < o->n_logit_bias; i++) {
        const phial_logit_bias *b = &o->logit_bias[i];
        if (b->id >= n_vocab) {
            return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                              "logit bias %zu is for id %u; this model has the ids 0 to %u", i + 1,
                              (unsigned)b->id, (unsigned)(n_vocab - 1));
        }
        if (isnan(b->bias)) {
            return ph_err_set(err, PHIAL_ERR_ARGUMENT, "the logit bias of id %u is not a number",
                              (unsigned)b->id);
        }
    }
    return PHIAL_OK;
}

phial_status ph_sampler_check_options(const phial_sampler_options *o, uint32_t n_vocab,
                                      phial_error *err)
{
    if (o->size != sizeof *o) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "phial_sampler_options.size is not set");
    }
    if (n_vocab == 0 || n_vocab > PHIAL_SAMPLER_VOCAB_MAX) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "a vocabulary of %u ids; it takes 1 to %u",
                          (unsigned)n_vocab, PHIAL_SAMPLER_VOCAB_MAX);
    }
    phial_status status = ph_mirostat_check(o, err);
    for (size_t i = 0; i < PH_N_SAMPLERS && status == PHIAL_OK; i++) {
        status = STEPS[i]->check(o, err);
    }
    if (status == PHIAL_OK && ph_sampler_penalties.is_on(o)) {
        status = check_window("repeat_last_n", o->repeat_last_n, o->n_ctx, err);
    }
    if (status == PHIAL_OK && ph_sampler_dry.is_on(o)) {
        status = check_window("dry_penalty_last_n", o->dry_penalty_last_n, o->n_ctx, err);
    }
    return status == PHIAL_OK ? check_bias(o, n_vocab, err) : status;
}

/* --- names ------------------------------------------------------------------------------------ */

static char underscore(char c)
{
    return c == '-' ? '_' : c;
}

static bool same_name(ph_str a, const char *b)
{
    size_t n = strlen(b);
    for (size_t i = 0; i < n && i < a.n; i++) {
        if (underscore(a.p[i]) != b[i]) {
            return false;
        }
    }
    return a.n == n;
}

/* " (did you mean 'x'?)" or nothing. */
static void suggest(const ph_nearest *near, char out[96])
{
    out[0] = '\0';
    if (near->best != NULL) {
        snprintf(out, 96, " (did you mean '%s'?)", near->best);
    }
}

static phial_status unknown_step(ph_str name, phial_error *err)
{
    ph_nearest near = {.name = name};
    char hint[96], names[256] = "";
    for (size_t i = 0, at = 0; i < PH_N_SAMPLERS && at < sizeof names; i++) {
        ph_nearest_try(&near, STEP_NAMES[i]);
        at += (size_t)snprintf(names + at, sizeof names - at, "%s%s", i == 0 ? "" : ", ",
                               STEP_NAMES[i]);
    }
    suggest(&near, hint);
    return ph_err_set(err, PHIAL_ERR_ARGUMENT, "no sampler is named '%.*s'%s; there are %s",
                      PH_STR_ARG(name), hint, names);
}

phial_status ph_sampler_parse_chain(phial_sampler *s, const char *names, phial_error *err)
{
    bool seen[PH_N_SAMPLERS] = {false};
    s->n_chain = 0;
    if (names == NULL) {
        for (size_t i = 0; i < PH_N_SAMPLERS; i++) {
            s->chain[s->n_chain++] = STEPS[i];
        }
        return PHIAL_OK;
    }
    for (const char *p = names; *p != '\0';) {
        ph_str name = {p, strcspn(p, ";")};
        size_t i = 0;
        while (i < PH_N_SAMPLERS && !same_name(name, STEP_NAMES[i])) {
            i++;
        }
        if (i == PH_N_SAMPLERS) {
            return unknown_step(name, err);
        }
        if (seen[i]) {
            return ph_err_set(err, PHIAL_ERR_ARGUMENT, "sampler '%s' is named twice in '%s'",
                              STEP_NAMES[i], names);
        }
        seen[i] = true;
        s->chain[s->n_chain++] = STEPS[i];
        p += name.n;
        p += *p == ';';
    }
    return PHIAL_OK;
}

static phial_status unknown_option(ph_str name, phial_error *err)
{
    ph_nearest near = {.name = name};
    char hint[96];
    for (size_t i = 0; i < N_FIELDS; i++) {
        ph_nearest_try(&near, FIELDS[i].name);
    }
    suggest(&near, hint);
    return ph_err_set(err, PHIAL_ERR_ARGUMENT, "no sampling option is named '%.*s'%s",
                      PH_STR_ARG(name), hint);
}

phial_status phial_sampler_options_set(phial_sampler_options *options, const char *name,
                                       double value, phial_error *err)
{
    ph_str key = ph_str_from(name);
    if (same_name(key, "temp")) {
        key = ph_str_from("temperature");
    } else if (same_name(key, "typical")) {
        key = ph_str_from("typical_p");
    }
    size_t i = 0;
    while (i < N_FIELDS && !same_name(key, FIELDS[i].name)) {
        i++;
    }
    if (i == N_FIELDS) {
        return unknown_option(key, err);
    }
    char *at = (char *)options + FIELDS[i].offset;
    if (!FIELDS[i].whole) {
        memcpy(at, &value, sizeof value);
        return PHIAL_OK;
    }
    if (!(value >= INT32_MIN && value <= INT32_MAX) || floor(value) != value) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s is %g; it takes a whole number",
                          FIELDS[i].name, value);
    }
    int32_t whole = (int32_t)value;
    memcpy(at, &whole, sizeof whole);
    return PHIAL_OK;
}

phial_status phial_sampler_options_preset(phial_sampler_options *options,
                                          const phial_preset *preset, phial_error *err)
{
    double value;
    const char *name, *text;
    for (size_t i = 0; (name = phial_preset_sampling(preset, i, &value, &text)) != NULL; i++) {
        if (text != NULL) {
            options->samplers = text;
            continue;
        }
        phial_status status = phial_sampler_options_set(options, name, value, err);
        if (status != PHIAL_OK) {
            return status;
        }
    }
    return PHIAL_OK;
}
