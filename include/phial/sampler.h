/* Samplers: from logits to the next token.
 *
 * A sampler is a chain of small steps over the candidates (the ids that may come next). Its order
 * is that of llama.cpp unless `samplers` says otherwise; each step that its options leave off does
 * nothing. First of all masked ids and ids with logit -inf are dropped and logit biases added; last
 * comes the draw.
 *
 * Definitions that do not depend on the machine: all arithmetic in f64, sums in a fixed order,
 * equal logits ordered by lower id, draws from xoshiro256**. The same options, seed, tokens and
 * logits give the same id (as far as two C libraries agree on the last bit of exp()).
 *
 * Greedy: with temperature 0 the id of the largest logit is taken (after penalties, DRY and bias;
 * of equal ones the lowest) and no random number is used; all other steps are passed over.
 * Mirostat: steps that cut the tail (top_n_sigma, top_k, typ_p, top_p, min_p, xtc) are passed over.
 *
 * All memory is taken by phial_sampler_new() and phial_sampler_clone().
 * Threads: a sampler belongs to one thread at a time.
 */
#ifndef PHIAL_SAMPLER_H
#define PHIAL_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

#include "phial/error.h"
#include "phial/prompt.h"
#include "phial/text.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct phial_sampler phial_sampler;

typedef struct phial_logit_bias {
    uint32_t id;
    float bias; /* -INFINITY: never; INFINITY: only ids like this one */
} phial_logit_bias;

/* Limits. */
#define PHIAL_SAMPLER_VOCAB_MAX   (1u << 24)
#define PHIAL_SAMPLER_WINDOW_MAX  (1 << 20) /* tokens that penalties look back */
#define PHIAL_SAMPLER_BIAS_MAX    (1u << 20)
#define PHIAL_SAMPLER_BREAKER_MAX 256 /* DRY's sequence breakers, and bytes of each */

typedef struct phial_sampler_options {
    size_t size; /* set by phial_sampler_options_default() */

    uint64_t seed; /* default 0; a different one each time is the caller's business */

    /* Names, separated by ';', in the order of application; each at most once; '-' is as good as
     * '_'. NULL (default): "penalties;dry;top_n_sigma;top_k;typ_p;top_p;min_p;xtc;temperature".
     * What is not named is not done. */
    const char *samplers;

    double temperature;         /* default 0.8; 0: greedy; any finite number >= 0 */
    double dynatemp_range;      /* default 0: off; else the temperature is between temperature -
                                 * range (at least 0) and temperature + range, by the entropy */
    double dynatemp_exponent;   /* default 1; >= 0 */
    int32_t top_k;              /* default 40; 0 and -1: off */
    double top_p;               /* default 0.95; 0 .. 1; 1: off, 0: only the first */
    double min_p;               /* default 0.05; 0 .. 1; 0: off; relative to the most probable */
    double typical_p;           /* default 1: off; 0 .. 1 */
    double top_n_sigma;         /* default -1; <= 0: off */
    double repeat_penalty;      /* default 1: off; > 0; logits are divided by it (negative ones
                                 * multiplied) */
    double presence_penalty;    /* default 0: off; subtracted once */
    double frequency_penalty;   /* default 0: off; subtracted for each occurrence */
    int32_t repeat_last_n;      /* default 64: tokens these three look back; 0: none, -1: n_ctx */
    double dry_multiplier;      /* default 0: off; >= 0 */
    double dry_base;            /* default 1.75; >= 1 */
    int32_t dry_allowed_length; /* default 2; >= 1 */
    int32_t dry_penalty_last_n; /* default -1: n_ctx; 0: none */
    const phial_text *dry_breakers; /* copied; default "\n", ":", "\"", "*" */
    size_t n_dry_breakers;
    double xtc_probability; /* default 0: off; 0 .. 1 */
    double xtc_threshold;   /* default 0.1; 0 .. 1; above 0.5 it never acts */
    int32_t mirostat;       /* default 0: off; 1 or 2: the version */
    double mirostat_tau;    /* default 5: wanted surprise in bits; 0 .. 100 */
    double mirostat_eta;    /* default 0.1: learning rate; 0 .. 10 */

    const phial_logit_bias *logit_bias; /* copied; of an id named twice the sum counts */
    size_t n_logit_bias;

    /* [n_vocab], not 0: never picked (ids without text, say); borrowed; NULL: none. */
    const uint8_t *masked;

    /* What -1 stands for in the windows. Default 0: -1 is refused where it matters. */
    uint32_t n_ctx;

    /* The bytes of a token, for DRY's breakers; borrowed with its user pointer. Needed when DRY is
     * on and there are breakers. */
    const char *(*token_text)(void *user, uint32_t id, size_t *n);
    void *token_user;
} phial_sampler_options;

PHIAL_API void phial_sampler_options_default(phial_sampler_options *options);

/* Sets a number by its field's name ("top_k"; '-' is as good as '_', and "temp", "typical" are
 * understood). Ranges are looked at by phial_sampler_new(). ARGUMENT: no such option (near misses
 * are named), or a fraction where a whole number is needed. */
PHIAL_API phial_status phial_sampler_options_set(phial_sampler_options *options, const char *name,
                                                 double value, phial_error *err);

/* Takes over what a preset suggests; `samplers` is then borrowed from the preset. */
PHIAL_API phial_status phial_sampler_options_preset(phial_sampler_options *options,
                                                    const phial_preset *preset, phial_error *err);

/* options may be NULL. ARGUMENT: an option out of its range, an unknown name in `samplers`. */
PHIAL_API phial_status phial_sampler_new(phial_sampler **out, uint32_t n_vocab,
                                         const phial_sampler_options *options, phial_error *err);
PHIAL_API void phial_sampler_free(phial_sampler *sampler);

/* A second sampler in the same state; owned. */
PHIAL_API phial_status phial_sampler_clone(phial_sampler **out, const phial_sampler *sampler,
                                           phial_error *err);

/* As if newly made, with this seed: no tokens seen. */
PHIAL_API void phial_sampler_reset(phial_sampler *sampler, uint64_t seed);

/* Tells the sampler that these tokens were appended (prompt tokens too, if penalties shall see
 * them). What mirostat learns from a pick takes effect when the picked id is accepted. */
PHIAL_API phial_status phial_sampler_accept(phial_sampler *sampler, const uint32_t *ids, size_t n,
                                            phial_error *err);

/* The next id, from logits [n_vocab]. Changes only the random state. NUMERIC: a logit is NaN, or no
 * id is left that could be picked. */
PHIAL_API phial_status phial_sampler_pick(phial_sampler *sampler, const float *logits, uint32_t *id,
                                          phial_error *err);

/* What the last pick was drawn from: ids with their probabilities, most of them gone by top-k and
 * its like; greedy: the one id. Valid until the next pick. */
PHIAL_API size_t phial_sampler_n_candidates(const phial_sampler *sampler);
PHIAL_API uint32_t phial_sampler_candidate(const phial_sampler *sampler, size_t i, double *p);

/* All that is not a function of the options and the accepted tokens; to be kept beside a saved
 * conversation. */
typedef struct phial_sampler_state {
    uint64_t rng[4];
    double mirostat_mu;
} phial_sampler_state;

PHIAL_API void phial_sampler_get_state(const phial_sampler *sampler, phial_sampler_state *state);
/* ARGUMENT: all of rng is 0, or mirostat_mu is not finite. */
PHIAL_API phial_status phial_sampler_set_state(phial_sampler *sampler,
                                               const phial_sampler_state *state, phial_error *err);

/* The names `samplers` knows, in default order; NULL behind the last. */
PHIAL_API const char *phial_sampler_name(size_t i);

#ifdef __cplusplus
}
#endif

#endif
