/* Contract in gen_setup.h. */
#include "cli/gen_setup.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/cli_io.h"
#include "cli/warm_up.h"

/* Names of options; phial_sampler_options_set() understands them all. */
static const char *const NUMBERS[] = {
    "temp",
    "dynatemp-range",
    "dynatemp-exponent",
    "top-k",
    "top-p",
    "min-p",
    "typical",
    "top-n-sigma",
    "repeat-penalty",
    "presence-penalty",
    "frequency-penalty",
    "repeat-last-n",
    "dry-multiplier",
    "dry-base",
    "dry-allowed-length",
    "dry-penalty-last-n",
    "xtc-probability",
    "xtc-threshold",
    "mirostat",
    "mirostat-tau",
    "mirostat-eta",
};

enum { N_NUMBERS = sizeof NUMBERS / sizeof NUMBERS[0] };
_Static_assert((int)N_NUMBERS <= PH_GEN_NUMBERS_MAX, "room for all numbers");

const char *ph_gen_number_name(size_t i)
{
    return i < N_NUMBERS ? NUMBERS[i] : NULL;
}

size_t ph_gen_number_find(ph_str name)
{
    char plain[64];
    if (name.n == 0 || name.n >= sizeof plain)
        return SIZE_MAX;
    for (size_t i = 0; i < name.n; i++)
        plain[i] = name.p[i] == '_' ? '-' : name.p[i];
    plain[name.n] = 0;
    if (strcmp(plain, "temperature") == 0)
        return 0;
    if (strcmp(plain, "typical-p") == 0)
        return ph_gen_number_find(ph_str_from("typical"));
    for (size_t i = 0; i < N_NUMBERS; i++) {
        if (strcmp(NUMBERS[i], plain) == 0)
            return i;
    }
    return SIZE_MAX;
}

uint64_t ph_gen_random_seed(void)
{
    uint32_t seed;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = (uint32_t)(ph_clock_ns() ^ (uint64_t)getpid());
    return seed;
}

/* The texts of a repeatable option; *out is an owned list. */
static phial_status read_texts(phial_text **out, size_t *n, const ph_args *args, const char *name,
                               phial_error *err)
{
    size_t count = 0;
    while (ph_args_nth(args, name, count))
        count++;
    *out = ph_alloc(count, sizeof **out, err);
    if (!*out)
        return PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        (*out)[i] = ph_text_of(ph_args_nth(args, name, i));
    *n = count;
    return PHIAL_OK;
}

/* "ID=B", where B is a number or one of -inf, inf, false. */
static phial_status read_bias(phial_logit_bias *out, const char *text, phial_error *err)
{
    size_t n_id = strcspn(text, "=");
    uint64_t id;
    double bias = 0;
    const char *value = text[n_id] ? text + n_id + 1 : "";
    bool ok = ph_str_parse_u64((ph_str){text, n_id}, &id) && id < PHIAL_VOCAB_MAX;
    if (strcmp(value, "-inf") == 0 || strcmp(value, "false") == 0)
        bias = -INFINITY;
    else if (strcmp(value, "inf") == 0)
        bias = INFINITY;
    else
        ok = ok && ph_str_parse_f64(ph_str_from(value), &bias) && fabs(bias) <= FLT_MAX;
    if (!ok)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "option --logit-bias: '%s' will not do, it takes ID=B, a token id and a "
                          "number, like 198=-1.5 or 198=-inf",
                          text);
    *out = (phial_logit_bias){(uint32_t)id, (float)bias};
    return PHIAL_OK;
}

static phial_status read_biases(ph_gen_config *c, const ph_args *args, phial_error *err)
{
    while (ph_args_nth(args, "logit-bias", c->n_bias))
        c->n_bias++;
    c->bias = ph_alloc(c->n_bias, sizeof *c->bias, err);
    if (!c->bias)
        return PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < c->n_bias; i++) {
        phial_status st = read_bias(&c->bias[i], ph_args_nth(args, "logit-bias", i), err);
        if (st != PHIAL_OK)
            return st;
    }
    return PHIAL_OK;
}

static phial_text optional_text(const ph_args *args, const char *name)
{
    const char *text = ph_args_str(args, name);
    return text ? ph_text_of(text) : (phial_text){NULL, 0};
}

static void read_plain(ph_gen_config *c, const ph_args *args)
{
    for (size_t i = 0; i < N_NUMBERS; i++) {
        c->given[i] = ph_args_has(args, NUMBERS[i]);
        /* One of the two is 0, by the option's kind. */
        c->numbers[i] = ph_args_double(args, NUMBERS[i]) + (double)ph_args_int(args, NUMBERS[i]);
    }
    c->samplers = ph_args_str(args, "samplers");
    c->seed_given = ph_args_has(args, "seed");
    c->seed = c->seed_given ? (uint64_t)ph_args_int(args, "seed") : ph_gen_random_seed();
    c->n_new = (size_t)ph_args_int(args, "tokens");
    c->max_length =
        ph_args_has(args, "max-length") ? (size_t)ph_args_int(args, "max-length") : SIZE_MAX;
    c->n_ctx = (uint32_t)ph_args_int(args, "ctx");
    c->ignore_eos = ph_args_flag(args, "ignore-eos");
    c->allow_all_ids = ph_args_flag(args, "allow-all-ids");
    c->verbose = ph_args_flag(args, "verbose");
    c->system = optional_text(args, "system");
    c->in_prefix = optional_text(args, "in-prefix");
    c->in_suffix = optional_text(args, "in-suffix");
}

phial_status ph_gen_config_read(ph_gen_config *c, const ph_args *args, phial_error *err)
{
    *c = (ph_gen_config){0};
    read_plain(c, args);
    c->n_seq = 1;
    phial_status st = read_texts(&c->stop, &c->n_stop, args, "stop", err);
    if (st == PHIAL_OK)
        st = read_texts(&c->breakers, &c->n_breakers, args, "dry-sequence-breaker", err);
    c->breakers_given = c->n_breakers > 0;
    if (st == PHIAL_OK && c->n_breakers == 1 && strcmp(c->breakers[0].p, "none") == 0)
        c->n_breakers = 0;
    if (st == PHIAL_OK)
        st = read_biases(c, args, err);
    if (st != PHIAL_OK)
        ph_gen_config_free(c);
    return st;
}

void ph_gen_config_free(ph_gen_config *c)
{
    ph_free(c->bias);
    ph_free(c->breakers);
    ph_free(c->stop);
    c->bias = NULL;
    c->breakers = c->stop = NULL;
}

void ph_gen_config_plain(ph_gen_config *c)
{
    static const struct {
        const char *name;
        double value;
    } plain[] = {{"temp", 0}, {"repeat-penalty", 1}};
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        size_t n = ph_gen_number_find(ph_str_from(plain[i].name));
        if (!c->given[n]) {
            c->given[n] = true;
            c->numbers[n] = plain[i].value;
        }
    }
}

void ph_gen_mask(ph_gen *gen, const ph_gen_config *config)
{
    memset(gen->masked, 0, gen->info.n_vocab);
    if (!gen->tokenizer)
        return;
    for (uint32_t id = 0; id < gen->info.n_vocab && !config->allow_all_ids; id++)
        gen->masked[id] = !phial_tokenizer_has_text(gen->tokenizer, id);
    uint32_t eos = phial_tokenizer_eos(gen->tokenizer);
    if (config->ignore_eos && eos < gen->info.n_vocab)
        gen->masked[eos] = 1;
}

static phial_status check_path(const char *path, phial_error *err)
{
    ph_file_kind kind = ph_file_kind_of(path);
    if (kind == PH_FILE_MISSING)
        return ph_err_set(err, PHIAL_ERR_IO,
                          "%s: there is no such file or folder; a model is a .gguf file, or a "
                          "folder with config.json, model.safetensors and tokenizer.json",
                          path);
    if (kind != PH_FILE_DIRECTORY)
        return PHIAL_OK;
    char *config = ph_path_join(path, "config.json", err);
    if (!config)
        return PHIAL_ERR_NO_MEMORY;
    kind = ph_file_kind_of(config);
    ph_free(config);
    if (kind == PH_FILE_MISSING)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "%s: no model's folder: it has no config.json; a model is a .gguf file, "
                          "or a folder with config.json, model.safetensors and tokenizer.json",
                          path);
    return PHIAL_OK;
}

static phial_status check_context(const ph_gen *gen, ph_gen_config *config, phial_error *err)
{
    if (config->n_ctx > gen->info.n_ctx_max)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "option --ctx: a context of %u tokens, but this model was made for at "
                          "most %u",
                          (unsigned)config->n_ctx, (unsigned)gen->info.n_ctx_max);
    if (config->n_ctx == 0)
        config->n_ctx = gen->info.n_ctx_max;
    return PHIAL_OK;
}

/* With config->ids_only a model without a tokenizer will do; that is told. */
static phial_status open_tokenizer(ph_gen *gen, const char *path, const ph_gen_config *config,
                                   phial_error *err)
{
    phial_error why = {0};
    phial_status st = phial_tokenizer_open(&gen->tokenizer, path, &why);
    if (st == PHIAL_OK)
        return phial_encoder_new(&gen->encoder, gen->tokenizer, err);
    if (config->ids_only && st != PHIAL_ERR_NO_MEMORY) {
        ph_say("there is no tokenizer, so ids only: %s", why.message);
        return PHIAL_OK;
    }
    if (err)
        *err = why;
    return st;
}

static phial_status check_vocab(const ph_gen *gen, const char *path, phial_error *err)
{
    if (!gen->tokenizer)
        return PHIAL_OK;
    uint32_t n = phial_tokenizer_n_vocab(gen->tokenizer);
    if (n > gen->info.n_vocab)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "%s: the tokenizer has %u ids and the model only %u: they do not belong "
                          "together",
                          path, (unsigned)n, (unsigned)gen->info.n_vocab);
    return PHIAL_OK;
}

phial_status ph_gen_open(ph_gen *gen, const char *path, const ph_args *args, ph_gen_config *config,
                         phial_error *err)
{
    *gen = (ph_gen){.info = {.size = sizeof gen->info}};
    phial_engine_options o;
    phial_engine_options_default(&o);
    o.n_threads = (int)ph_args_int(args, "threads");
    if (ph_args_has(args, "math"))
        o.math = ph_args_choice(args, "math") == 1 ? PHIAL_MATH_FAST : PHIAL_MATH_EXACT;
    if (ph_args_has(args, "kv-type"))
        o.kv_type = (phial_kv_type)ph_args_choice(args, "kv-type");
    o.n_seq = config->n_seq;
    phial_status st = check_path(path, err);
    if (st == PHIAL_OK)
        st = phial_model_open(&gen->model, path, NULL, err);
    if (st == PHIAL_OK)
        st = phial_model_get_info(gen->model, &gen->info, err);
    if (st == PHIAL_OK)
        st = check_context(gen, config, err);
    if (st == PHIAL_OK)
        st = open_tokenizer(gen, path, config, err);
    if (st == PHIAL_OK)
        st = check_vocab(gen, path, err);
    if (st == PHIAL_OK) {
        gen->masked = ph_alloc(gen->info.n_vocab, 1, err);
        st = gen->masked ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
    }
    if (st == PHIAL_OK) {
        ph_gen_mask(gen, config);
        ph_warm_up(path);
        st = phial_engine_new(&gen->engine, gen->model, &o, err);
    }
    if (st != PHIAL_OK)
        ph_gen_close(gen);
    return st;
}

void ph_gen_close(ph_gen *gen)
{
    ph_free(gen->masked);
    phial_engine_free(gen->engine);
    phial_encoder_free(gen->encoder);
    phial_tokenizer_close(gen->tokenizer);
    phial_model_close(gen->model);
    *gen = (ph_gen){0};
}

size_t ph_gen_kv_bytes(const ph_gen *gen)
{
    static const size_t bytes[] = {4, 2, 1};
    const phial_model_info *i = &gen->info;
    return (size_t)2 * i->n_layer * i->n_head_kv * i->head_dim *
           bytes[phial_engine_kv_type(gen->engine)];
}

size_t ph_gen_session_need(const ph_gen_config *config, size_t n_prompt)
{
    size_t need = config->n_ctx;
    if (config->n_new < need && n_prompt + config->n_new < need)
        need = n_prompt + config->n_new;
    if (config->max_length < need)
        need = config->max_length;
    return need < n_prompt ? n_prompt : need;
}

phial_status ph_gen_session_new(phial_session **out, const ph_gen *gen, const ph_gen_config *config,
                                size_t n_prompt, bool whole_context, phial_error *err)
{
    if (n_prompt > config->n_ctx)
        return ph_err_set(err, PHIAL_ERR_CONTEXT_FULL,
                          "the prompt has %zu tokens and the context holds %u%s", n_prompt,
                          (unsigned)config->n_ctx,
                          config->n_ctx < gen->info.n_ctx_max ? "; --ctx makes it larger" : "");
    size_t need = whole_context ? config->n_ctx : ph_gen_session_need(config, n_prompt);
    phial_status st = phial_session_new(out, gen->engine, need > 0 ? (uint32_t)need : 1, err);
    if (st == PHIAL_ERR_NO_MEMORY)
        return ph_err_set(err, st,
                          "there is not enough memory for a context of %zu tokens; a smaller one "
                          "(--ctx) or --kv-type f16 or q8 needs less",
                          need);
    return st;
}

static const char *token_text(void *user, uint32_t id, size_t *n)
{
    *n = 0;
    return user ? phial_tokenizer_text(user, id, n) : "";
}

phial_status ph_gen_sampler_new(phial_sampler **out, const ph_gen *gen, const ph_gen_config *config,
                                const phial_preset *preset, uint64_t seed, phial_error *err)
{
    phial_sampler_options o;
    phial_sampler_options_default(&o);
    phial_status st = phial_sampler_options_preset(&o, preset, err);
    for (size_t i = 0; i < N_NUMBERS && st == PHIAL_OK; i++) {
        if (config->given[i])
            st = phial_sampler_options_set(&o, NUMBERS[i], config->numbers[i], err);
    }
    if (st != PHIAL_OK)
        return st;
    o.seed = seed;
    if (config->samplers)
        o.samplers = config->samplers;
    if (config->breakers_given) {
        o.dry_breakers = config->breakers;
        o.n_dry_breakers = config->n_breakers;
    }
    o.logit_bias = config->bias;
    o.n_logit_bias = config->n_bias;
    o.masked = gen->masked;
    o.n_ctx = config->n_ctx;
    o.token_text = token_text;
    o.token_user = gen->tokenizer;
    return phial_sampler_new(out, gen->info.n_vocab, &o, err);
}

phial_status ph_gen_options_fill(phial_generation_options *o, phial_text **stops, const ph_gen *gen,
                                 const ph_gen_config *config, const phial_preset *preset,
                                 phial_error *err)
{
    phial_preset_info info = {.size = sizeof info};
    phial_status st = phial_preset_get_info(preset, &info, err);
    if (st != PHIAL_OK)
        return st;
    *stops = ph_alloc(info.n_stop + config->n_stop, sizeof **stops, err);
    if (!*stops)
        return PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < info.n_stop; i++)
        (*stops)[i] = info.stop[i];
    for (size_t i = 0; i < config->n_stop; i++)
        (*stops)[info.n_stop + i] = config->stop[i];
    o->stop = *stops;
    o->n_stop = info.n_stop + config->n_stop;
    o->stop_tokens = info.stop_tokens;
    o->n_stop_tokens = info.n_stop_tokens;
    o->clean = info.clean;
    o->tokenizer = gen->tokenizer;
    o->n_new = config->n_new;
    o->max_length = config->max_length;
    o->ignore_eos = config->ignore_eos;
    return PHIAL_OK;
}

phial_status ph_gen_stops_check(const ph_gen *gen, const ph_gen_config *config,
                                const phial_preset *preset, phial_error *err)
{
    phial_generation_options o;
    phial_text *stops = NULL;
    phial_stopper *stopper = NULL;
    phial_status st = ph_gen_options_fill(&o, &stops, gen, config, preset, err);
    if (st == PHIAL_OK)
        st = phial_stopper_new(&stopper, o.stop, o.n_stop, err);
    phial_stopper_free(stopper);
    ph_free(stops);
    return st;
}

/* The tokens of a prompt; *ids is owned. */
static phial_status prompt_ids(uint32_t **ids, size_t *n, const phial_prompt *prompt,
                               const ph_gen *gen, phial_error *err)
{
    /* Text has at most a token for each byte; one more for bos. */
    size_t cap = phial_prompt_text(prompt).n + 1;
    *ids = ph_alloc(cap, sizeof **ids, err);
    if (!*ids)
        return PHIAL_ERR_NO_MEMORY;
    phial_status st = phial_prompt_encode(prompt, gen->encoder, gen->tokenizer, *ids, cap, n, err);
    if (st != PHIAL_OK) {
        ph_free(*ids);
        *ids = NULL;
    }
    return st;
}

phial_status ph_gen_encode(uint32_t **ids, size_t *n, ph_buf *text, const ph_gen *gen,
                           const ph_gen_config *config, const phial_preset *preset,
                           const phial_turn *turns, size_t n_turns, phial_error *err)
{
    phial_prompt_options o;
    phial_prompt_options_default(&o);
    o.system = config->system.p ? &config->system : NULL;
    o.user_prefix = config->in_prefix.p ? &config->in_prefix : NULL;
    o.user_suffix = config->in_suffix.p ? &config->in_suffix : NULL;
    phial_prompt *prompt = NULL;
    phial_status st = phial_prompt_new(&prompt, preset, turns, n_turns, &o, err);
    if (st == PHIAL_OK)
        st = prompt_ids(ids, n, prompt, gen, err);
    if (st == PHIAL_OK && text) {
        ph_buf_add(text, phial_prompt_text(prompt).p, phial_prompt_text(prompt).n);
        st = ph_buf_status(text, err);
    }
    phial_prompt_free(prompt);
    return st;
}

static double per_second(size_t n, double ms)
{
    return n > 0 && ms > 0 ? (double)n / ms * 1000 : 0;
}

static ph_json *short_number(double v)
{
    return ph_json_f64_new(ph_f32_decimal((float)v));
}

static void add_hex(ph_buf *out, phial_text text)
{
    for (size_t i = 0; i < text.n; i++)
        ph_buf_addf(out, "%02x", (unsigned)(uint8_t)text.p[i]);
}

ph_json *ph_gen_result_json(const phial_generation_result *r, uint64_t seed, ph_json *id)
{
    ph_json *root = ph_json_object_new(), *ids = ph_json_array_new();
    ph_buf hex;
    ph_buf_init(&hex, 0);
    add_hex(&hex, r->text);
    bool ok = !hex.failed && (!id || ph_json_set(root, "id", id));
    for (size_t i = 0; i < r->ids.n && ok; i++)
        ok = ph_json_push(ids, ph_json_int_new(r->ids.ids[i]));
    const struct {
        const char *key;
        ph_json *value;
    } fields[] = {
        {"text", ph_json_str_new((ph_str){r->text.p, r->text.n})},
        {"text_hex", ph_json_str_new((ph_str){hex.data ? hex.data : "", hex.len})},
        {"ids", ids},
        {"n_prompt", ph_json_int_new((int64_t)r->n_prompt)},
        {"n_generated", ph_json_int_new((int64_t)r->ids.n)},
        {"finish_reason", ph_json_str_new(ph_str_from(phial_finish_name(r->finish)))},
        {"seed", ph_json_int_new((int64_t)seed)},
        {"ttft_ms", short_number(r->ttft_ms)},
        {"prefill_tok_s", short_number(per_second(r->n_prompt - r->n_reused, r->prefill_ms))},
        {"decode_tok_s", short_number(per_second(r->n_decoded, r->decode_ms))},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        ok = ph_json_set(root, fields[i].key, fields[i].value) && ok;
    ph_buf_free(&hex);
    if (!ok) {
        ph_json_free(root);
        return NULL;
    }
    return root;
}

void ph_gen_result_say(const phial_generation_result *r, uint64_t seed)
{
    fprintf(stderr,
            "[%zu tokens, first after %.1f ms, %.1f tokens/s; prompt %zu tokens: %zu read, %zu "
            "reused; %s; seed %llu]\n",
            r->ids.n, r->ttft_ms, per_second(r->n_decoded, r->decode_ms), r->n_prompt,
            r->n_prompt - r->n_reused, r->n_reused, phial_finish_name(r->finish),
            (unsigned long long)seed);
}
