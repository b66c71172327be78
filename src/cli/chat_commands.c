/* Contract in chat_commands.h. One table of commands, one of settings, one of ready-made requests
 * (chat_forms.def); /help is made of them. */
#include "cli/chat_commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/chat_save.h"
#include "cli/chat_settings.h"
#include "cli/cli_io.h"

typedef struct command {
    const char *name;
    const char *arg; /* NULL: none; in brackets: optional */
    const char *help;
    phial_status (*run)(ph_chat *chat, ph_str arg, phial_error *err);
} command;

/* A ready-made request. */
typedef struct form {
    const char *name, *arg, *what, *preset, *request;
} form;

static const form FORMS[] = {
#define PH_FORM(name, arg, what, preset, request) {#name, arg, what, preset, request},
#include "cli/chat_forms.def"
#undef PH_FORM
};

enum { N_FORMS = sizeof FORMS / sizeof FORMS[0] };

static ph_str trimmed(ph_str s)
{
    while (s.n > 0 && strchr(" \t\n", s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && strchr(" \t\n", s.p[s.n - 1]))
        s.n--;
    return s;
}

/* The first word; *rest is what follows. */
static ph_str first_word(ph_str s, ph_str *rest)
{
    size_t n = 0;
    while (n < s.n && !strchr(" \t\n", s.p[n]))
        n++;
    *rest = trimmed((ph_str){s.p + n, s.n - n});
    return (ph_str){s.p, n};
}

/* A path as typed, with the home folder for "~/"; *out is kept by the chat. */
static phial_status take_path(ph_chat *chat, ph_str arg, phial_text *out, phial_error *err)
{
    const char *home = getenv("HOME");
    if (arg.n < 2 || arg.p[0] != '~' || arg.p[1] != '/' || !home)
        return ph_chat_keep(chat, out, arg.p, arg.n, err);
    ph_buf path;
    ph_buf_init(&path, 0);
    ph_buf_add_str(&path, home);
    ph_buf_add(&path, arg.p + 1, arg.n - 1);
    phial_status st = ph_buf_status(&path, err);
    if (st == PHIAL_OK)
        st = ph_chat_keep(chat, out, path.data, path.len, err);
    ph_buf_free(&path);
    return st;
}

/* --- the commands --- */

static phial_status do_help(ph_chat *chat, ph_str arg, phial_error *err);

static phial_status do_show(ph_chat *chat, ph_str arg, phial_error *err)
{
    return ph_chat_show(chat, arg, err);
}

static phial_status do_set(ph_chat *chat, ph_str arg, phial_error *err)
{
    ph_str value, name = first_word(arg, &value);
    if (name.n == 0) {
        ph_chat_list_settings(chat);
        return PHIAL_OK;
    }
    return ph_chat_set(chat, name, value, err);
}

static phial_status do_preset(ph_chat *chat, ph_str arg, phial_error *err)
{
    phial_preset_info info = {.size = sizeof info};
    if (arg.n == 0) {
        phial_status st = phial_preset_get_info(chat->preset, &info, err);
        if (st != PHIAL_OK)
            return st;
        ph_tell("preset: %s; built in are:", info.name);
        for (size_t i = 0; phial_preset_builtin(i); i++) {
            phial_preset *preset = NULL;
            st = phial_preset_open(&preset, phial_preset_builtin(i), "", err);
            if (st == PHIAL_OK)
                st = phial_preset_get_info(preset, &info, err);
            if (st == PHIAL_OK)
                ph_tell("  %-10s %s", info.name, info.description.p);
            phial_preset_free(preset);
        }
        return st;
    }
    phial_text name;
    phial_status st = ph_chat_keep(chat, &name, arg.p, arg.n, err);
    if (st == PHIAL_OK)
        st = ph_chat_set_preset(chat, name.p, err);
    if (st == PHIAL_OK)
        ph_tell("(preset %s; the conversation is written in its form from here on)", name.p);
    return st;
}

static phial_status do_system(ph_chat *chat, ph_str arg, phial_error *err)
{
    phial_preset_info info = {.size = sizeof info};
    phial_status st = phial_preset_get_info(chat->preset, &info, err);
    if (st == PHIAL_OK && arg.n == 0) {
        ph_tell_text(chat->config.system.p ? chat->config.system : info.system);
        return PHIAL_OK;
    }
    if (st == PHIAL_OK && (ph_str_eq_c(arg, "\"\"") || ph_str_eq_c(arg, "none")))
        arg.n = 0;
    return st == PHIAL_OK ? ph_chat_keep(chat, &chat->config.system, arg.p, arg.n, err) : st;
}

static phial_status do_clear(ph_chat *chat, ph_str arg, phial_error *err)
{
    (void)arg;
    (void)err;
    ph_chat_clear(chat);
    ph_tell("(the conversation is forgotten)");
    return PHIAL_OK;
}

static phial_status do_save(ph_chat *chat, ph_str arg, phial_error *err)
{
    phial_text path;
    phial_status st = take_path(chat, arg, &path, err);
    if (st == PHIAL_OK)
        st = ph_chat_save(chat, path.p, err);
    if (st == PHIAL_OK)
        ph_tell("(%zu turns saved)", chat->n_turns);
    return st;
}

static phial_status do_load(ph_chat *chat, ph_str arg, phial_error *err)
{
    phial_text path;
    phial_status st = take_path(chat, arg, &path, err);
    if (st == PHIAL_OK)
        st = ph_chat_load(chat, path.p, err);
    if (st == PHIAL_OK)
        ph_tell("(%zu turns loaded; /show history shows them)", chat->n_turns);
    return st;
}

static phial_status do_retry(ph_chat *chat, ph_str arg, phial_error *err)
{
    (void)arg;
    return ph_chat_retry(chat, err);
}

static phial_status do_stats(ph_chat *chat, ph_str arg, phial_error *err)
{
    (void)arg;
    ph_buf text;
    size_t n = 0;
    ph_buf_init(&text, 0);
    phial_status st = ph_chat_prompt(chat, &text, &n, err);
    ph_buf_free(&text);
    if (st != PHIAL_OK)
        return st;
    const ph_chat_stats *s = &chat->stats;
    ph_tell("answers: %zu", s->n_answers);
    ph_tell("prompt tokens: %zu read, %zu reused", s->n_read, s->n_reused);
    ph_tell("answer tokens: %zu", s->n_generated);
    ph_tell("prefill: %.1f tokens/s",
            s->prefill_ms > 0 ? (double)s->n_read / s->prefill_ms * 1000 : 0);
    ph_tell("decode: %.1f tokens/s",
            s->decode_ms > 0 ? (double)s->n_decoded / s->decode_ms * 1000 : 0);
    ph_tell("conversation: %zu turns, %zu left out; %zu of %u tokens of the context", chat->n_turns,
            chat->first, n, (unsigned)chat->config.n_ctx);
    return PHIAL_OK;
}

static const command COMMANDS[] = {
    {"help", NULL, "show this", do_help},
    {"set", "[NAME VALUE]", "change a setting; alone, list them", do_set},
    {"show", "[WHAT]", "settings, history, prompt, preset or model", do_show},
    {"preset", "[NAME]", "another form of conversation; alone, list them", do_preset},
    {"system", "[TEXT]", "what stands before the conversation; \"\" for nothing", do_system},
    {"clear", NULL, "forget the conversation", do_clear},
    {"save", "FILE", "keep conversation and settings in a file", do_save},
    {"load", "FILE", "go on with a kept conversation", do_load},
    {"retry", NULL, "another answer to the last message", do_retry},
    {"stats", NULL, "tokens read, reused and written, speed", do_stats},
    {"bye", NULL, "leave (so does Ctrl-D)", NULL},
};

enum { N_COMMANDS = sizeof COMMANDS / sizeof COMMANDS[0] };

static void help_line(const char *name, const char *arg, const char *help)
{
    char left[64];
    snprintf(left, sizeof left, "/%s%s%s", name, arg ? " " : "", arg ? arg : "");
    ph_tell("  %-20s %s", left, help);
}

static phial_status do_help(ph_chat *chat, ph_str arg, phial_error *err)
{
    (void)chat;
    (void)arg;
    (void)err;
    ph_tell("What you type is answered. A message of several lines begins and ends with \"\"\"; a "
            "pasted\none is taken whole. Ctrl-C stops an answer. A message that begins with / "
            "begins with //.\n");
    for (size_t i = 0; i < N_COMMANDS; i++)
        help_line(COMMANDS[i].name, COMMANDS[i].arg, COMMANDS[i].help);
    ph_tell("\nReady-made requests, answered on their own:");
    for (size_t i = 0; i < N_FORMS; i++)
        help_line(FORMS[i].name, FORMS[i].arg, FORMS[i].what);
    return PHIAL_OK;
}

/* --- finding and running them --- */

static phial_status run_form(ph_chat *chat, const form *f, ph_str arg, phial_error *err)
{
    if (arg.n == 0)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "/%s takes a %s: /%s %s", f->name,
                          strcmp(f->arg, "TASK") == 0 ? "task" : "topic", f->name, f->arg);
    ph_buf text;
    ph_buf_init(&text, 0);
    const char *at = strchr(f->request, '@');
    ph_buf_add(&text, f->request, (size_t)(at - f->request));
    ph_buf_add(&text, arg.p, arg.n);
    ph_buf_add_str(&text, at + 1);
    phial_status st = ph_buf_status(&text, err);
    if (st == PHIAL_OK)
        st = ph_chat_say_in(chat, f->preset, (phial_text){text.data, text.len}, err);
    ph_buf_free(&text);
    return st;
}

static phial_status run_command(ph_chat *chat, const command *c, ph_str arg, bool *leave,
                                phial_error *err)
{
    if (arg.n > 0 && !c->arg)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "/%s takes nothing behind it", c->name);
    if (arg.n == 0 && c->arg && c->arg[0] != '[')
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "/%s takes a file: /%s %s", c->name, c->name,
                          c->arg);
    if (!c->run) {
        *leave = true;
        return PHIAL_OK;
    }
    return c->run(chat, arg, err);
}

static phial_status unknown(ph_str name, phial_error *err)
{
    ph_nearest near = {.name = name};
    for (size_t i = 0; i < N_COMMANDS; i++)
        ph_nearest_try(&near, COMMANDS[i].name);
    for (size_t i = 0; i < N_FORMS; i++)
        ph_nearest_try(&near, FORMS[i].name);
    if (near.best)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "unknown command /%.*s; did you mean /%s? (a message that begins with / "
                          "begins with //)",
                          PH_STR_ARG(name), near.best);
    return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                      "unknown command /%.*s; /help lists what there is (a message that begins "
                      "with / begins with //)",
                      PH_STR_ARG(name));
}

phial_status ph_chat_command(ph_chat *chat, ph_str line, bool *leave, phial_error *err)
{
    ph_str arg, name = first_word((ph_str){line.p + 1, line.n - 1}, &arg);
    if (ph_str_eq_c(name, "exit") || ph_str_eq_c(name, "quit"))
        name = ph_str_from("bye");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (ph_str_eq_c(name, COMMANDS[i].name))
            return run_command(chat, &COMMANDS[i], arg, leave, err);
    }
    for (size_t i = 0; i < N_FORMS; i++) {
        if (ph_str_eq_c(name, FORMS[i].name))
            return run_form(chat, &FORMS[i], arg, err);
    }
    return unknown(name, err);
}
