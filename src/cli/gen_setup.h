/* What the commands share that write text with a model: reading the options of gen_opts.def,
 * opening everything a model needs, making a sampler, and sessions no larger than they need to be.
 */
#ifndef PH_CLI_GEN_SETUP_H
#define PH_CLI_GEN_SETUP_H

#include <float.h>

#include "base/json.h"
#include "base/thread.h"
#include "cli/args.h"
#include "phial/generate.h"
#include "phial/model.h"

/* For the rows of gen_opts.def. */
#define PH_GEN_MATH     ((const char *const[]){"exact", "fast", NULL})
#define PH_GEN_KV_TYPES ((const char *const[]){"f32", "f16", "q8", NULL})

/* The sampling numbers that a user may ask for, by the names phial_sampler_options_set() takes. */
#define PH_GEN_NUMBERS_MAX 32
const char *ph_gen_number_name(size_t i); /* NULL behind the last */
/* SIZE_MAX: there is none; '-' is as good as '_', "temperature" as good as "temp". */
size_t ph_gen_number_find(ph_str name);

/* What is asked for, over what the preset suggests. */
typedef struct ph_gen_config {
    double numbers[PH_GEN_NUMBERS_MAX];
    bool given[PH_GEN_NUMBERS_MAX];
    const char *samplers;   /* borrowed; NULL: default or the preset's */
    phial_logit_bias *bias; /* owned */
    size_t n_bias;
    phial_text *breakers; /* owned list of borrowed texts */
    size_t n_breakers;
    bool breakers_given;
    phial_text *stop; /* owned list of borrowed texts: besides the preset's */
    size_t n_stop;
    uint64_t seed;
    bool seed_given;
    size_t n_new, max_length;
    uint32_t n_seq; /* sequences run together; 1 */
    uint32_t n_ctx; /* 0: the model's; ph_gen_open() puts in the real number */
    bool ignore_eos, allow_all_ids, verbose;
    bool ids_only; /* the prompt is ids: a model without a tokenizer will do */
    phial_text system, in_prefix, in_suffix; /* borrowed; p NULL: the preset's */
} ph_gen_config;

/* Without --seed a random one is drawn. */
phial_status ph_gen_config_read(ph_gen_config *config, const ph_args *args, phial_error *err);
void ph_gen_config_free(ph_gen_config *config);
/* For answers that shall say what stands in a text: greedy and without a penalty on words that were
 * there, whatever the preset suggests, unless the user asked for something else. */
void ph_gen_config_plain(ph_gen_config *config);
/* A seed that is different each time. */
uint64_t ph_gen_random_seed(void);

/* A model with all that belongs to it. */
typedef struct ph_gen {
    phial_model *model;
    phial_model_info info;
    phial_tokenizer *tokenizer; /* NULL: it has none; only with config->ids_only */
    phial_encoder *encoder;
    phial_engine *engine;
    uint8_t *masked; /* owned, [info.n_vocab]: never to be chosen */
} ph_gen;

/* Opens the model; a progress bar if it takes long. config->n_ctx is filled in. */
phial_status ph_gen_open(ph_gen *gen, const char *path, const ph_args *args, ph_gen_config *config,
                         phial_error *err);
void ph_gen_close(ph_gen *gen);
/* Anew, after config->ignore_eos or allow_all_ids changed. */
void ph_gen_mask(ph_gen *gen, const ph_gen_config *config);

/* Bytes of keys and values for one token. */
size_t ph_gen_kv_bytes(const ph_gen *gen);

/* A session for a prompt of n_prompt tokens; with whole_context for all of config->n_ctx, otherwise
 * no larger than the answer may become. CONTEXT_FULL with both numbers; when memory is short the
 * sentence says what helps. */
phial_status ph_gen_session_new(phial_session **out, const ph_gen *gen, const ph_gen_config *config,
                                size_t n_prompt, bool whole_context, phial_error *err);
/* Tokens of such a session. */
size_t ph_gen_session_need(const ph_gen_config *config, size_t n_prompt);

phial_status ph_gen_sampler_new(phial_sampler **out, const ph_gen *gen, const ph_gen_config *config,
                                const phial_preset *preset, uint64_t seed, phial_error *err);

/* Stop strings of preset and user, limits, cleaning. *stops is an owned list that must live until
 * phial_generation_new(). */
phial_status ph_gen_options_fill(phial_generation_options *o, phial_text **stops, const ph_gen *gen,
                                 const ph_gen_config *config, const phial_preset *preset,
                                 phial_error *err);

/* Whether an answer can be stopped by the stop strings of preset and user. */
phial_status ph_gen_stops_check(const ph_gen *gen, const ph_gen_config *config,
                                const phial_preset *preset, phial_error *err);

/* The tokens of a conversation; *ids is owned. text (may be NULL): the prompt as text, appended. */
phial_status ph_gen_encode(uint32_t **ids, size_t *n, ph_buf *text, const ph_gen *gen,
                           const ph_gen_config *config, const phial_preset *preset,
                           const phial_turn *turns, size_t n_turns, phial_error *err);

/* A result as the JSON object of COMMANDS, with "id" in front if id (consumed) is not NULL; NULL
 * when memory is short. */
ph_json *ph_gen_result_json(const phial_generation_result *r, uint64_t seed, ph_json *id);
/* As a line of statistics on standard error. */
void ph_gen_result_say(const phial_generation_result *r, uint64_t seed);

static inline phial_text ph_text_of(const char *s)
{
    return (phial_text){s, strlen(s)};
}

#endif
