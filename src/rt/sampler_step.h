/* The inside of a sampler: its steps, and what they work on. Contract: phial/sampler.h.
 *
 * A step is one file sampler_<name>.c and one row of sampler.def. Steps keep no state of their own;
 * what they need of the past is in the history. They must leave at least one candidate.
 */
#ifndef PH_RT_SAMPLER_STEP_H
#define PH_RT_SAMPLER_STEP_H

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "phial/sampler.h"
#include "rt/candidates.h"
#include "rt/history.h"

typedef enum ph_step_kind {
    PH_STEP_ADJUST, /* changes single logits: runs always, before greedy and mirostat too */
    PH_STEP_CUT,    /* removes candidates: not before mirostat, not when greedy */
    PH_STEP_SCALE   /* scales all logits: not when greedy */
} ph_step_kind;

typedef struct ph_sampler_step {
    ph_step_kind kind;
    /* Ranges of its options, looked at whether or not it is in the chain. */
    phial_status (*check)(const phial_sampler_options *o, phial_error *err);
    /* Whether the options make it do anything. */
    bool (*is_on)(const phial_sampler_options *o);
    void (*apply)(phial_sampler *s, ph_candidates *c);
} ph_sampler_step;

#define PH_SAMPLER(name) extern const ph_sampler_step ph_sampler_##name;
#include "rt/sampler.def"
#undef PH_SAMPLER

enum {
#define PH_SAMPLER(name) PH_SAMPLER_ROW_##name,
#include "rt/sampler.def"
#undef PH_SAMPLER
    PH_N_SAMPLERS
};

struct phial_sampler {
    phial_sampler_options opt; /* its pointers go to the arena, but for the borrowed ones */
    ph_arena arena;
    uint32_t n_vocab;
    const ph_sampler_step *chain[PH_N_SAMPLERS]; /* those that are on */
    size_t n_chain;
    float *bias; /* [n_vocab] or NULL */
    ph_history history;
    ph_candidates cand;
    ph_candidates rank; /* typ_p's second order, NULL arrays where it is off */
    uint32_t *repeat;   /* [n_vocab] zeros between calls, NULL where DRY is off */
    uint32_t *z;        /* [DRY's window] */
    ph_rng rng;
    double mu;     /* mirostat: the greatest surprise allowed, in bits */
    bool has_pick; /* the last pick, not accepted yet */
    uint32_t picked;
    double picked_bits; /* its surprise */
};

/* ARGUMENT naming the option unless lo <= value <= hi (so NaN is refused). */
phial_status ph_sampler_check(const char *option, double value, double lo, double hi,
                              phial_error *err);

/* The chain of opt->samplers, to s. */
phial_status ph_sampler_parse_chain(phial_sampler *s, const char *names, phial_error *err);

/* Ranges of all options. */
phial_status ph_sampler_check_options(const phial_sampler_options *o, uint32_t n_vocab,
                                      phial_error *err);

/* Tokens a window option stands for. */
size_t ph_sampler_window(int32_t last_n, uint32_t n_ctx);

/* Mirostat 1 and 2: cut the candidates, leave probabilities in c->p. */
void ph_mirostat_cut(phial_sampler *s, ph_candidates *c);
phial_status ph_mirostat_check(const phial_sampler_options *o, phial_error *err);

#endif
