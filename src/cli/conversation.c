/* Contract in conversation.h. */
#include "cli/conversation.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/answer_signal.h"
#include "cli/answer_view.h"
#include "cli/cli_io.h"

void ph_tell(const char *fmt, ...)
{
    char text[4096];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n >= 0)
        ph_tell_text((phial_text){text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1});
}

void ph_tell_text(phial_text text)
{
    ph_out_flush();
    ph_buf shown;
    ph_buf_init(&shown, 0);
    if (isatty(STDERR_FILENO))
        ph_str_escape(&shown, (ph_str){text.p, text.n}, true);
    else
        ph_buf_add(&shown, text.p, text.n);
    if (shown.len > 0)
        fwrite(shown.data, 1, shown.len, stderr);
    fputc('\n', stderr);
    ph_buf_free(&shown);
}

phial_status ph_chat_open(ph_chat *chat, const ph_args *args, const char *model_path,
                          const char *preset, phial_error *err)
{
    *chat = (ph_chat){.args = args, .model_path = model_path};
    ph_arena_init(&chat->words, 0);
    chat->overflow = (ph_overflow)ph_args_choice(args, "overflow");
    phial_status st = ph_gen_config_read(&chat->config, args, err);
    if (st == PHIAL_OK)
        st = phial_preset_open(&chat->preset, preset, NULL, err);
    if (st == PHIAL_OK)
        st = ph_gen_open(&chat->gen, model_path, args, &chat->config, err);
    if (st == PHIAL_OK)
        st = ph_chat_check(chat, err);
    if (st == PHIAL_OK)
        st = ph_gen_session_new(&chat->session, &chat->gen, &chat->config, 0, true, err);
    return st;
}

static void drop_turns(ph_chat *chat, size_t from)
{
    while (chat->n_turns > from)
        ph_free((char *)chat->turns[--chat->n_turns].text.p);
}

void ph_chat_close(ph_chat *chat)
{
    drop_turns(chat, 0);
    ph_free(chat->turns);
    phial_session_free(chat->session);
    phial_preset_free(chat->preset);
    ph_gen_close(&chat->gen);
    ph_gen_config_free(&chat->config);
    ph_arena_free(&chat->words);
}

void ph_chat_clear(ph_chat *chat)
{
    drop_turns(chat, 0);
    chat->first = 0;
    chat->n_drawn = 0;
    chat->alone_preset = NULL;
}

phial_status ph_chat_keep(ph_chat *chat, phial_text *out, const char *p, size_t n, phial_error *err)
{
    const char *copy = ph_arena_strndup(&chat->words, p, n, err);
    if (!copy)
        return PHIAL_ERR_NO_MEMORY;
    *out = (phial_text){copy, n};
    return PHIAL_OK;
}

phial_status ph_chat_add_turn(ph_chat *chat, phial_role role, const char *p, size_t n,
                              phial_error *err)
{
    if (chat->n_turns == PH_CHAT_TURNS_MAX)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "a conversation of more than %d turns",
                          PH_CHAT_TURNS_MAX);
    if (chat->n_turns == chat->cap_turns) {
        size_t cap = chat->cap_turns ? chat->cap_turns * 2 : 16;
        phial_turn *grown = ph_realloc(chat->turns, cap, sizeof *grown, err);
        if (!grown)
            return PHIAL_ERR_NO_MEMORY;
        chat->turns = grown;
        chat->cap_turns = cap;
    }
    char *copy = ph_strndup(p ? p : "", n, err);
    if (!copy)
        return PHIAL_ERR_NO_MEMORY;
    chat->turns[chat->n_turns++] = (phial_turn){role, {copy, n}};
    return PHIAL_OK;
}

phial_status ph_chat_check(const ph_chat *chat, phial_error *err)
{
    phial_sampler *sampler = NULL;
    phial_status st = ph_gen_sampler_new(&sampler, &chat->gen, &chat->config, chat->preset, 0, err);
    phial_sampler_free(sampler);
    return st == PHIAL_OK ? ph_gen_stops_check(&chat->gen, &chat->config, chat->preset, err) : st;
}

phial_status ph_chat_use_preset(ph_chat *chat, phial_preset *preset, phial_error *err)
{
    phial_preset *old = chat->preset;
    chat->preset = preset;
    phial_status st = ph_chat_check(chat, err);
    if (st != PHIAL_OK)
        chat->preset = old;
    phial_preset_free(st == PHIAL_OK ? old : preset);
    return st;
}

phial_status ph_chat_set_preset(ph_chat *chat, const char *name, phial_error *err)
{
    phial_preset *preset = NULL;
    phial_status st = phial_preset_open(&preset, name, NULL, err);
    return st == PHIAL_OK ? ph_chat_use_preset(chat, preset, err) : st;
}

phial_status ph_chat_prompt(const ph_chat *chat, ph_buf *text, size_t *n, phial_error *err)
{
    uint32_t *ids = NULL;
    phial_status st = ph_gen_encode(&ids, n, text, &chat->gen, &chat->config, chat->preset,
                                    chat->turns + chat->first, chat->n_turns - chat->first, err);
    ph_free(ids);
    return st;
}

/* What one answer needs. */
typedef struct question {
    const phial_preset *preset;
    size_t first;  /* turn the prompt begins with */
    uint32_t *ids; /* owned, [n] */
    size_t n;
    ph_buf text; /* the prompt */
} question;

static void question_free(question *q)
{
    ph_free(q->ids);
    ph_buf_free(&q->text);
}

static phial_status encode(const ph_chat *chat, question *q, phial_error *err)
{
    ph_free(q->ids);
    q->ids = NULL;
    ph_buf_clear(&q->text);
    return ph_gen_encode(&q->ids, &q->n, &q->text, &chat->gen, &chat->config, q->preset,
                         chat->turns + q->first, chat->n_turns - q->first, err);
}

/* What an answer may need, without taking more than half of the context from the conversation. */
static size_t reserve(const ph_chat *chat)
{
    size_t half = chat->config.n_ctx / 2;
    size_t n = chat->config.n_new < half ? chat->config.n_new : half;
    return n > 0 ? n : 1;
}

static phial_status too_long(const ph_chat *chat, const question *q, phial_error *err)
{
    bool alone = q->first + 1 >= chat->n_turns;
    return ph_err_set(err, PHIAL_ERR_CONTEXT_FULL,
                      "%s has %zu tokens and the context holds %u, the answer included; %s%s",
                      alone ? "the prompt" : "the conversation", q->n, (unsigned)chat->config.n_ctx,
                      alone ? ""
                            : "/clear begins anew, /set overflow shift leaves out oldest turns",
                      chat->config.n_ctx < chat->gen.info.n_ctx_max
                          ? (alone ? "--ctx makes it larger" : ", --ctx makes it larger")
                          : (alone ? "a shorter one is needed" : ""));
}

/* Leaves out oldest turns until the prompt and an answer fit, if that is what the user wants. */
static phial_status fit(ph_chat *chat, question *q, phial_error *err)
{
    phial_status st = encode(chat, q, err);
    size_t room = chat->config.n_ctx, from = q->first;
    if (chat->overflow == PH_OVERFLOW_SHIFT) {
        while (st == PHIAL_OK && q->n + reserve(chat) > room && q->first + 2 < chat->n_turns) {
            q->first += 2;
            st = encode(chat, q, err);
        }
    }
    if (st == PHIAL_OK && q->n >= room)
        st = too_long(chat, q, err);
    if (st == PHIAL_OK && q->first > from)
        ph_tell("(the context is full: the oldest %zu turns are left out from here on, %zu in all; "
                "/show history has them)",
                q->first - from, q->first);
    return st;
}

/* The conversation's seed for the first answer, and others that look unrelated for the rest:
 * splitmix64's step. Below 2^63, because that is what --seed takes. */
static uint64_t answer_seed(const ph_chat *chat)
{
    uint64_t z = chat->config.seed + chat->n_drawn * 0x9e3779b97f4a7c15u;
    if (chat->n_drawn == 0)
        return z;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) >> 1;
}

static void count(ph_chat *chat, const phial_generation_result *r)
{
    ph_chat_stats *s = &chat->stats;
    s->n_answers++;
    s->n_read += r->n_prompt - r->n_reused;
    s->n_reused += r->n_reused;
    s->n_generated += r->ids.n;
    s->prefill_ms += r->prefill_ms;
    s->decode_ms += r->decode_ms;
    s->n_decoded += r->n_decoded;
}

static void tell_end(const ph_chat *chat, const phial_generation_result *r, uint64_t seed)
{
    if (r->finish == PHIAL_FINISH_CONTEXT)
        ph_tell("(the context of %u tokens is full: the answer is cut short; /clear begins anew, "
                "/set overflow shift leaves out oldest turns)",
                (unsigned)chat->config.n_ctx);
    else if (r->finish == PHIAL_FINISH_CANCELLED && ph_answer_interrupted())
        ph_tell("(stopped)");
    else if (r->finish == PHIAL_FINISH_LENGTH && chat->on_terminal)
        ph_tell("(cut at %zu tokens; /set n changes that)", r->ids.n);
    else if (r->text.n == 0 && chat->on_terminal)
        ph_tell("(no answer)");
    if (chat->config.verbose) {
        ph_out_flush();
        ph_gen_result_say(r, seed);
    }
}

/* Runs it with signals watched, and takes back a cancellation that came too late to be seen. */
static phial_status generate(ph_chat *chat, phial_generation *g, phial_error *err)
{
    ph_answer_begin(false);
    ph_answer_add(chat->session);
    phial_status st = phial_generation_run(g, err);
    ph_answer_remove(chat->session);
    ph_answer_end();
    if (ph_answer_interrupted()) {
        phial_tokens held = phial_session_tokens(chat->session);
        if (held.n > 0)
            phial_session_sync(chat->session, held.ids, held.n, NULL);
    }
    return st;
}

/* Streams the answer and makes it a turn. */
static phial_status answer(ph_chat *chat, const question *q, phial_error *err)
{
    phial_text *stops = NULL;
    phial_sampler *sampler = NULL;
    phial_generation *g = NULL;
    phial_generation_result r = {.size = sizeof r};
    ph_answer_view view;
    phial_generation_options o;
    phial_generation_options_default(&o);
    uint64_t seed = answer_seed(chat);
    phial_status st = ph_gen_sampler_new(&sampler, &chat->gen, &chat->config, q->preset, seed, err);
    if (st == PHIAL_OK)
        st = ph_gen_options_fill(&o, &stops, &chat->gen, &chat->config, q->preset, err);
    ph_answer_view_init(&view, o.clean == PHIAL_CLEAN_NONE);
    if (st == PHIAL_OK) {
        o.session = chat->session;
        o.sampler = sampler;
        o.prompt = (phial_tokens){q->ids, q->n};
        o.clean_after = (phial_text){q->text.data, q->text.len};
        o.on_text = ph_answer_view_add;
        o.user = &view;
        st = phial_generation_new(&g, &o, err);
    }
    if (st == PHIAL_OK)
        st = generate(chat, g, err);
    ph_answer_view_end(&view, st == PHIAL_OK);
    if (st == PHIAL_OK)
        st = phial_generation_get_result(g, &r, err);
    if (st == PHIAL_OK && (r.text.n > 0 || r.finish != PHIAL_FINISH_CANCELLED))
        st = ph_chat_add_turn(chat, PHIAL_ROLE_ASSISTANT, r.text.p,
                              ph_trimmed_length(r.text.p, r.text.n), err);
    if (st == PHIAL_OK) {
        chat->n_drawn++;
        count(chat, &r);
        tell_end(chat, &r, seed);
        /* Otherwise nobody reads any more, which the end of the program tells. */
        if (r.finish == PHIAL_FINISH_CANCELLED && ph_answer_interrupted())
            st = ph_err_set(err, PHIAL_ERR_CANCELLED, "interrupted");
    }
    ph_free(stops);
    phial_generation_free(g);
    phial_sampler_free(sampler);
    return st;
}

/* The message is a turn already, the last one. */
static phial_status ask(ph_chat *chat, phial_error *err)
{
    const char *name = chat->alone_preset;
    question q = {.preset = chat->preset, .first = name ? chat->n_turns - 1 : chat->first};
    phial_preset *own = NULL;
    ph_buf_init(&q.text, 0);
    phial_status st = name ? phial_preset_open(&own, name, NULL, err) : PHIAL_OK;
    if (own)
        q.preset = own;
    if (st == PHIAL_OK)
        st = fit(chat, &q, err);
    if (st == PHIAL_OK && !name)
        chat->first = q.first;
    if (st == PHIAL_OK)
        st = answer(chat, &q, err);
    question_free(&q);
    phial_preset_free(own);
    return st;
}

phial_status ph_chat_say_in(ph_chat *chat, const char *preset, phial_text message, phial_error *err)
{
    phial_status st = ph_chat_add_turn(chat, PHIAL_ROLE_USER, message.p, message.n, err);
    if (st != PHIAL_OK)
        return st;
    size_t n_before = chat->n_turns;
    chat->alone_preset = preset;
    st = ask(chat, err);
    if (chat->n_turns == n_before)
        drop_turns(chat, n_before - 1);
    return st;
}

phial_status ph_chat_say(ph_chat *chat, phial_text message, phial_error *err)
{
    return ph_chat_say_in(chat, NULL, message, err);
}

phial_status ph_chat_retry(ph_chat *chat, phial_error *err)
{
    if (chat->n_turns == 0)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "there is no answer yet to be tried again");
    phial_turn last = chat->turns[--chat->n_turns];
    size_t n_before = chat->n_turns;
    phial_status st = ask(chat, err);
    if (chat->n_turns == n_before)
        chat->turns[chat->n_turns++] = last;
    else
        ph_free((char *)last.text.p);
    return st;
}
