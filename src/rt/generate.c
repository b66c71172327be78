/* Answers in the making; contract in phial/generate.h.
 *
 * The way of a token: session -> sampler -> end-of-text? -> bytes -> stopper -> (code cleaner) ->
 * whole UTF-8 characters -> caller. The answer's text lies in one buffer; what of it was handed on
 * already is a number, so that the beginning of a character is held back by simply waiting.
 */
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "phial/generate.h"

/* The engine's own limit of n_seq. */
#define BATCH_MAX 1024

struct phial_generation {
    phial_generation_options o; /* its borrowed arrays are not looked at after _new() */
    phial_stopper *stopper;
    phial_code_cleaner *cleaner; /* NULL: none */
    uint32_t *ids;               /* owned, [cap]: prompt, then answer */
    size_t n_prompt, n_ids, cap;
    uint32_t *ends; /* owned, [n_ends]: tokens that end an answer */
    size_t n_ends;
    ph_buf text;
    size_t n_handed; /* bytes of text */
    phial_finish finish;
    phial_status status;
    phial_error error;
    size_t n_reused, n_decoded;
    uint64_t started_ns, first_ns, prefill_ns, decode_ns;
    bool started;
};

void phial_generation_options_default(phial_generation_options *o)
{
    *o = (phial_generation_options){.size = sizeof *o, .n_new = SIZE_MAX, .max_length = SIZE_MAX};
}

static phial_status check(const phial_generation_options *o, phial_error *err)
{
    if (o->size != sizeof *o) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "generation options of %zu bytes instead of %zu: set them by "
                          "phial_generation_options_default()",
                          o->size, sizeof *o);
    }
    if (o->session == NULL || o->sampler == NULL) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "a generation needs a session and a sampler");
    }
    if (o->prompt.n == 0) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "the prompt has no tokens");
    }
    size_t n_ctx = phial_session_n_ctx(o->session);
    if (o->prompt.n > n_ctx) {
        return ph_err_set(err, PHIAL_ERR_CONTEXT_FULL,
                          "the prompt has %zu tokens and the context holds %zu", o->prompt.n,
                          n_ctx);
    }
    if (o->prompt.n > o->max_length) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "the prompt has %zu tokens and prompt and answer together may have %zu",
                          o->prompt.n, o->max_length);
    }
    return PHIAL_OK;
}

static phial_status find_ends(phial_generation *g, const phial_generation_options *o,
                              phial_error *err)
{
    g->ends = ph_alloc(o->n_stop_tokens + 1, sizeof *g->ends, err);
    if (g->ends == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    if (o->tokenizer == NULL) {
        return PHIAL_OK;
    }
    uint32_t eos = phial_tokenizer_eos(o->tokenizer);
    if (!o->ignore_eos && eos != PHIAL_TOKEN_NONE) {
        g->ends[g->n_ends++] = eos;
    }
    for (size_t i = 0; i < o->n_stop_tokens; i++) {
        uint32_t id = phial_tokenizer_find(o->tokenizer, o->stop_tokens[i].p, o->stop_tokens[i].n);
        if (id != PHIAL_TOKEN_NONE && !(o->ignore_eos && id == eos)) {
            g->ends[g->n_ends++] = id;
        }
    }
    return PHIAL_OK;
}

/* Whether a limit is reached with the tokens there are. */
static phial_finish limit_reached(const phial_generation *g)
{
    if (g->n_ids - g->n_prompt >= g->o.n_new || g->n_ids >= g->o.max_length) {
        return PHIAL_FINISH_LENGTH;
    }
    return g->n_ids >= g->cap ? PHIAL_FINISH_CONTEXT : PHIAL_FINISH_NONE;
}

phial_status phial_generation_new(phial_generation **out, const phial_generation_options *o,
                                  phial_error *err)
{
    phial_status status = check(o, err);
    if (status != PHIAL_OK) {
        return status;
    }
    phial_generation *g = ph_alloc(1, sizeof *g, err);
    if (g == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    g->o = *o;
    ph_buf_init(&g->text, 0);
    g->cap = phial_session_n_ctx(o->session);
    g->ids = ph_alloc(g->cap, sizeof *g->ids, err);
    if (g->ids == NULL) {
        status = PHIAL_ERR_NO_MEMORY;
        goto done;
    }
    memcpy(g->ids, o->prompt.ids, o->prompt.n * sizeof *g->ids);
    g->n_prompt = g->n_ids = o->prompt.n;
    status = find_ends(g, o, err);
    if (status == PHIAL_OK) {
        status = phial_stopper_new(&g->stopper, o->stop, o->n_stop, err);
    }
    if (status == PHIAL_OK && o->clean == PHIAL_CLEAN_CODE) {
        status = phial_code_cleaner_new(&g->cleaner, o->clean_after, err);
    }
    if (status == PHIAL_OK) {
        /* So that the text is a C string even while it is empty. */
        ph_buf_add_byte(&g->text, 0);
        status = ph_buf_status(&g->text, err);
        g->text.len = 0;
    }
    if (status == PHIAL_OK) {
        status = phial_sampler_accept(o->sampler, g->ids, g->n_prompt, err);
    }
    if (status == PHIAL_OK) {
        g->finish = limit_reached(g);
        *out = g;
        g = NULL;
    }
done:
    phial_generation_free(g);
    return status;
}

void phial_generation_free(phial_generation *g)
{
    if (g == NULL) {
        return;
    }
    phial_stopper_free(g->stopper);
    phial_code_cleaner_free(g->cleaner);
    ph_buf_free(&g->text);
    ph_free(g->ids);
    ph_free(g->ends);
    ph_free(g);
}

bool phial_generation_done(const phial_generation *g)
{
    return g->finish != PHIAL_FINISH_NONE || g->status != PHIAL_OK;
}

/* Hands on what is whole, or everything. A caller that wants no more ends the answer. */
static void hand_on(phial_generation *g, bool everything)
{
    const char *p = g->text.data + g->n_handed;
    size_t n = g->text.len - g->n_handed;
    if (!everything) {
        n -= ph_utf8_incomplete_tail((const uint8_t *)p, n);
    }
    if (n == 0) {
        return;
    }
    g->n_handed += n;
    if (g->o.on_text != NULL && !g->o.on_text(g->o.user, p, n)) {
        g->finish = PHIAL_FINISH_CANCELLED;
    }
}

/* Behind the stopper. */
static phial_status add_text(phial_generation *g, phial_text shown, phial_error *err)
{
    phial_status status = PHIAL_OK;
    if (g->cleaner != NULL) {
        status = phial_code_cleaner_push(g->cleaner, shown.p, shown.n, &shown, err);
    }
    if (status == PHIAL_OK && shown.n > 0) {
        ph_buf_add(&g->text, shown.p, shown.n);
        status = ph_buf_status(&g->text, err);
    }
    return status;
}

/* What was held back comes out, as far as it belongs to the answer. */
static phial_status finish_with(phial_generation *g, phial_finish finish, phial_error *err)
{
    phial_text shown = {"", 0};
    phial_stopper_flush(g->stopper, &shown);
    phial_status status = add_text(g, shown, err);
    if (status == PHIAL_OK && g->cleaner != NULL) {
        status = phial_code_cleaner_flush(g->cleaner, &shown, err);
        if (status == PHIAL_OK && shown.n > 0) {
            ph_buf_add(&g->text, shown.p, shown.n);
            status = ph_buf_status(&g->text, err);
        }
    }
    if (status == PHIAL_OK) {
        g->finish = finish;
        hand_on(g, true);
    }
    return status;
}

static bool is_end(const phial_generation *g, uint32_t id)
{
    for (size_t i = 0; i < g->n_ends; i++) {
        if (g->ends[i] == id) {
            return true;
        }
    }
    return false;
}

/* The token's text, and what it ends. */
static phial_status take_token(phial_generation *g, uint32_t id, phial_error *err)
{
    g->ids[g->n_ids++] = id;
    size_t n = 0;
    const char *bytes = "";
    if (g->o.tokenizer != NULL && !phial_tokenizer_is_special(g->o.tokenizer, id)) {
        bytes = phial_tokenizer_text(g->o.tokenizer, id, &n);
    }
    phial_text shown = {"", 0};
    phial_status status = phial_stopper_push(g->stopper, bytes, n, &shown, err);
    if (status == PHIAL_OK) {
        status = add_text(g, shown, err);
    }
    if (status != PHIAL_OK) {
        return status;
    }
    if (phial_stopper_stopped(g->stopper, NULL) ||
        (g->cleaner != NULL && phial_code_cleaner_done(g->cleaner))) {
        return finish_with(g, PHIAL_FINISH_STOP_STRING, err);
    }
    phial_finish limit = limit_reached(g);
    if (limit != PHIAL_FINISH_NONE) {
        return finish_with(g, limit, err);
    }
    hand_on(g, false);
    return PHIAL_OK;
}

static phial_status choose(phial_generation *g, phial_error *err)
{
    uint32_t id;
    phial_status status =
        phial_sampler_pick(g->o.sampler, phial_session_logits(g->o.session), &id, err);
    if (status != PHIAL_OK) {
        return ph_err_context(err, status, "token %zu behind a prompt of %zu",
                              g->n_ids - g->n_prompt + 1, g->n_prompt);
    }
    if (is_end(g, id)) {
        return finish_with(g, PHIAL_FINISH_STOP, err);
    }
    status = phial_sampler_accept(g->o.sampler, &id, 1, err);
    return status == PHIAL_OK ? take_token(g, id, err) : status;
}

static void fail(phial_generation *g, phial_status status, const phial_error *error)
{
    g->status = status;
    g->error = *error;
}

static void cancel(phial_generation *g)
{
    phial_error error = {0};
    phial_status status = finish_with(g, PHIAL_FINISH_CANCELLED, &error);
    if (status != PHIAL_OK) {
        fail(g, status, &error);
    }
}

static void note_time(phial_generation *g, uint64_t from_ns, uint64_t to_ns)
{
    if (g->started) {
        g->decode_ns += to_ns - from_ns;
        g->n_decoded++;
        return;
    }
    g->started = true;
    g->prefill_ns = to_ns - from_ns;
    g->n_reused = phial_session_n_reused(g->o.session);
}

static void note_start(phial_generation *g, uint64_t now_ns)
{
    if (!g->started) {
        g->started_ns = now_ns;
    }
}

/* The logits behind everything there is, for all of them; false: they are all over. */
static phial_status compute(phial_generation *const *list, size_t n, phial_error *err)
{
    phial_session *sessions[BATCH_MAX];
    phial_tokens tokens[BATCH_MAX];
    uint64_t from_ns = ph_clock_ns();
    for (size_t i = 0; i < n; i++) {
        sessions[i] = list[i]->o.session;
        tokens[i] = (phial_tokens){list[i]->ids, list[i]->n_ids};
        note_start(list[i], from_ns);
    }
    phial_status status = phial_session_sync_batch(sessions, tokens, n, err);
    uint64_t to_ns = ph_clock_ns();
    for (size_t i = 0; i < n && status == PHIAL_OK; i++) {
        note_time(list[i], from_ns, to_ns);
    }
    return status;
}

phial_status phial_generation_step(phial_generation *const *generations, size_t n, phial_error *err)
{
    phial_generation *live[BATCH_MAX];
    size_t n_live = 0;
    for (size_t i = 0; i < n; i++) {
        if (phial_generation_done(generations[i])) {
            continue;
        }
        if (n_live == BATCH_MAX) {
            return ph_err_set(err, PHIAL_ERR_ARGUMENT, "more than %d generations in one batch",
                              BATCH_MAX);
        }
        live[n_live++] = generations[i];
    }
    if (n_live == 0) {
        return PHIAL_OK;
    }
    phial_error error = {0}, first = {0};
    phial_status all = compute(live, n_live, &error);
    for (size_t i = 0; i < n_live; i++) {
        phial_status status = all;
        if (all == PHIAL_ERR_CANCELLED) {
            cancel(live[i]);
            status = PHIAL_OK;
        } else if (all == PHIAL_OK) {
            error = (phial_error){0};
            status = choose(live[i], &error);
            if (live[i]->first_ns == 0) {
                live[i]->first_ns = ph_clock_ns();
            }
        }
        if (status != PHIAL_OK) {
            fail(live[i], status, &error);
            first = first.status == PHIAL_OK ? error : first;
        }
    }
    if (first.status != PHIAL_OK && err != NULL) {
        *err = first;
    }
    return first.status;
}

phial_status phial_generation_run(phial_generation *g, phial_error *err)
{
    phial_status status = PHIAL_OK;
    while (!phial_generation_done(g) && status == PHIAL_OK) {
        status = phial_generation_step(&g, 1, err);
    }
    return status;
}

phial_status phial_generation_get_result(const phial_generation *g, phial_generation_result *r,
                                         phial_error *err)
{
    if (r->size != sizeof *r) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "a generation result of %zu bytes instead of %zu", r->size, sizeof *r);
    }
    *r = (phial_generation_result){
        .size = sizeof *r,
        .finish = g->finish,
        .status = g->status,
        .message = g->status == PHIAL_OK ? "" : g->error.message,
        .text = {g->text.data, g->text.len},
        .ids = {g->ids + g->n_prompt, g->n_ids - g->n_prompt},
        .n_prompt = g->n_prompt,
        .n_reused = g->n_reused,
        .ttft_ms = g->first_ns != 0 ? (double)(g->first_ns - g->started_ns) / 1e6 : 0,
        .prefill_ms = (double)g->prefill_ns / 1e6,
        .decode_ms = (double)g->decode_ns / 1e6,
        .n_decoded = g->n_decoded,
    };
    return PHIAL_OK;
}
