/* Contract in chat_settings.h. Sampling numbers are found by the table of gen_setup.c, the others
 * by the one here. */
#include "cli/chat_settings.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/cli_io.h"

typedef struct setting {
    const char *name, *help;
    phial_status (*set)(ph_chat *chat, ph_str value, phial_error *err);
    void (*show)(const ph_chat *chat, char *out, size_t room);
} setting;

static bool is_default(ph_str value)
{
    return ph_str_eq_c(value, "default");
}

static phial_status refuse(const char *name, const char *takes, ph_str value, phial_error *err)
{
    return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: '%.*s' will not do, it takes %s", name,
                      PH_STR_ARG(value), takes);
}

static phial_status set_seed(ph_chat *chat, ph_str value, phial_error *err)
{
    int64_t seed = (int64_t)ph_gen_random_seed();
    if (!is_default(value) && (!ph_str_parse_i64(value, &seed) || seed < 0))
        return refuse("seed", "a whole number of at least 0", value, err);
    chat->config.seed = (uint64_t)seed;
    chat->n_drawn = 0;
    return PHIAL_OK;
}

static void show_seed(const ph_chat *chat, char *out, size_t room)
{
    snprintf(out, room, "%" PRIu64, chat->config.seed);
}

static phial_status set_n(ph_chat *chat, ph_str value, phial_error *err)
{
    int64_t n = 512;
    if (!is_default(value) && (!ph_str_parse_i64(value, &n) || n < 1 || n > INT32_MAX))
        return refuse("n", "a whole number from 1 to 2147483647", value, err);
    chat->config.n_new = (size_t)n;
    return PHIAL_OK;
}

static void show_n(const ph_chat *chat, char *out, size_t room)
{
    snprintf(out, room, "%zu", chat->config.n_new);
}

static phial_status set_overflow(ph_chat *chat, ph_str value, phial_error *err)
{
    if (ph_str_eq_c(value, "shift"))
        chat->overflow = PH_OVERFLOW_SHIFT;
    else if (ph_str_eq_c(value, "stop") || is_default(value))
        chat->overflow = PH_OVERFLOW_STOP;
    else
        return refuse("overflow", "stop or shift", value, err);
    return PHIAL_OK;
}

static void show_overflow(const ph_chat *chat, char *out, size_t room)
{
    snprintf(out, room, "%s", chat->overflow == PH_OVERFLOW_SHIFT ? "shift" : "stop");
}

static phial_status set_verbose(ph_chat *chat, ph_str value, phial_error *err)
{
    bool on = ph_str_eq_c(value, "on");
    if (!on && !ph_str_eq_c(value, "off") && !is_default(value))
        return refuse("verbose", "on or off", value, err);
    chat->config.verbose = on;
    return PHIAL_OK;
}

static void show_verbose(const ph_chat *chat, char *out, size_t room)
{
    snprintf(out, room, "%s", chat->config.verbose ? "on" : "off");
}

/* One more stop string; "default" takes all of the user's away. */
static phial_status set_stop(ph_chat *chat, ph_str value, phial_error *err)
{
    ph_gen_config *c = &chat->config;
    if (is_default(value)) {
        c->n_stop = 0;
        return PHIAL_OK;
    }
    phial_text *grown = ph_realloc(c->stop, c->n_stop + 1, sizeof *grown, err);
    if (!grown)
        return PHIAL_ERR_NO_MEMORY;
    c->stop = grown;
    phial_status st = ph_chat_keep(chat, &c->stop[c->n_stop], value.p, value.n, err);
    c->n_stop += st == PHIAL_OK;
    return st;
}

static void show_stop(const ph_chat *chat, char *out, size_t room)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    for (size_t i = 0; i < chat->config.n_stop; i++) {
        ph_buf_add_str(&text, i > 0 ? ", \"" : "\"");
        ph_str_escape(&text, (ph_str){chat->config.stop[i].p, chat->config.stop[i].n}, false);
        ph_buf_add_str(&text, "\"");
    }
    snprintf(out, room, "%s", text.data ? text.data : "the preset's");
    ph_buf_free(&text);
}

static phial_status set_samplers(ph_chat *chat, ph_str value, phial_error *err)
{
    phial_text kept = {NULL, 0};
    phial_status st =
        is_default(value) ? PHIAL_OK : ph_chat_keep(chat, &kept, value.p, value.n, err);
    if (st == PHIAL_OK)
        chat->config.samplers = kept.p;
    return st;
}

static void show_samplers(const ph_chat *chat, char *out, size_t room)
{
    snprintf(out, room, "%s", chat->config.samplers ? chat->config.samplers : "default");
}

static const setting SETTINGS[] = {
    {"seed", "where chance begins", set_seed, show_seed},
    {"n", "tokens of an answer at most", set_n, show_n},
    {"overflow", "stop or shift", set_overflow, show_overflow},
    {"stop", "one more stop string", set_stop, show_stop},
    {"samplers", "steps in their order", set_samplers, show_samplers},
    {"verbose", "on or off", set_verbose, show_verbose},
};

enum { N_SETTINGS = sizeof SETTINGS / sizeof SETTINGS[0] };

static phial_status unknown(ph_str name, phial_error *err)
{
    ph_nearest near = {.name = name};
    for (size_t i = 0; i < N_SETTINGS; i++)
        ph_nearest_try(&near, SETTINGS[i].name);
    for (size_t i = 0; ph_gen_number_name(i); i++)
        ph_nearest_try(&near, ph_gen_number_name(i));
    const char *best = near.best;
    return ph_err_set(err, PHIAL_ERR_ARGUMENT, "nothing is called '%.*s'%s%s%s", PH_STR_ARG(name),
                      best ? "; did you mean " : "; /set lists what there is", best ? best : "",
                      best ? "?" : "");
}

static phial_status set_number(ph_chat *chat, size_t i, ph_str value, phial_error *err)
{
    double number = 0;
    if (!is_default(value) && !ph_str_parse_f64(value, &number))
        return refuse(ph_gen_number_name(i), "a number", value, err);
    chat->config.given[i] = !is_default(value);
    chat->config.numbers[i] = number;
    return PHIAL_OK;
}

phial_status ph_chat_set(ph_chat *chat, ph_str name, ph_str value, phial_error *err)
{
    if (value.n == 0)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "/set %.*s takes a value, or 'default'",
                          PH_STR_ARG(name));
    ph_gen_config old = chat->config;
    phial_status st = PHIAL_OK;
    size_t number = ph_gen_number_find(name), i = 0;
    if (number != SIZE_MAX) {
        st = set_number(chat, number, value, err);
    } else {
        while (i < N_SETTINGS && !ph_str_eq_c(name, SETTINGS[i].name))
            i++;
        st = i < N_SETTINGS ? SETTINGS[i].set(chat, value, err) : unknown(name, err);
    }
    if (st == PHIAL_OK)
        st = ph_chat_check(chat, err);
    if (st != PHIAL_OK) {
        old.stop = chat->config.stop; /* may have moved */
        chat->config = old;
    }
    return st;
}

void ph_chat_list_settings(const ph_chat *chat)
{
    char value[256];
    for (size_t i = 0; i < N_SETTINGS; i++) {
        SETTINGS[i].show(chat, value, sizeof value);
        ph_tell("  %-20s %-12s %s", SETTINGS[i].name, value, SETTINGS[i].help);
    }
    for (size_t i = 0; ph_gen_number_name(i); i++) {
        snprintf(value, sizeof value, "%.6g", chat->config.numbers[i]);
        ph_tell("  %-20s %s", ph_gen_number_name(i), chat->config.given[i] ? value : "default");
    }
}

static void show_history(const ph_chat *chat)
{
    for (size_t i = 0; i < chat->n_turns; i++) {
        const char *who = chat->turns[i].role == PHIAL_ROLE_USER ? "You" : "Model";
        ph_tell("%s:%s", who, i < chat->first ? " (left out)" : "");
        ph_tell_text(chat->turns[i].text);
    }
    ph_tell("(%zu turns)", chat->n_turns);
}

static phial_status show_prompt(const ph_chat *chat, phial_error *err)
{
    size_t n;
    ph_buf text;
    ph_buf_init(&text, 0);
    phial_status st = ph_chat_prompt(chat, &text, &n, err);
    if (st == PHIAL_OK) {
        ph_tell_text((phial_text){text.data, text.len});
        ph_tell("(%zu tokens)", n);
    }
    ph_buf_free(&text);
    return st;
}

static void show_model(const ph_chat *chat)
{
    const phial_model_info *i = &chat->gen.info;
    ph_tell_text(ph_text_of(chat->model_path));
    ph_tell("  %s, %s, %.3g million parameters, %u layers, context %u of %u, %d threads, kernels "
            "%s",
            i->arch, i->weight_type, (double)i->n_params / 1e6, (unsigned)i->n_layer,
            (unsigned)chat->config.n_ctx, (unsigned)i->n_ctx_max,
            phial_engine_n_threads(chat->gen.engine), phial_engine_isa(chat->gen.engine));
}

phial_status ph_chat_show(const ph_chat *chat, ph_str what, phial_error *err)
{
    phial_preset_info info = {.size = sizeof info};
    phial_status st = phial_preset_get_info(chat->preset, &info, err);
    if (st != PHIAL_OK)
        return st;
    if (what.n == 0 || ph_str_eq_c(what, "settings")) {
        show_model(chat);
        ph_tell("  preset %s", info.name);
        ph_chat_list_settings(chat);
    } else if (ph_str_eq_c(what, "history")) {
        show_history(chat);
    } else if (ph_str_eq_c(what, "prompt")) {
        st = show_prompt(chat, err);
    } else if (ph_str_eq_c(what, "preset")) {
        ph_tell_text(ph_text_of(info.json));
    } else if (ph_str_eq_c(what, "model")) {
        show_model(chat);
    } else {
        st = ph_err_set(err, PHIAL_ERR_ARGUMENT,
                        "/show takes settings, history, prompt, preset or model, not '%.*s'",
                        PH_STR_ARG(what));
    }
    return st;
}
