/* Sessions: bringing a KV cache in line with a list of tokens; contract in phial/session.h. */
#include <string.h>

#include "base/mem.h"
#include "rt/engine.h"

phial_status phial_session_new(phial_session **out, phial_engine *engine, uint32_t n_ctx,
                               phial_error *err)
{
    const ph_hparams *hp = ph_model_hparams(engine->model);
    if (n_ctx > hp->n_ctx_max) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "a context of %u tokens: this model was made for %u", (unsigned)n_ctx,
                          (unsigned)hp->n_ctx_max);
    }
    phial_session *s = ph_alloc(1, sizeof *s, err);
    if (s == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    s->engine = engine;
    atomic_init(&s->cancel, false);
    phial_status status =
        ph_kvcache_init(&s->kv, &engine->layout, n_ctx != 0 ? n_ctx : hp->n_ctx_max, err);
    if (status != PHIAL_OK) {
        goto done;
    }
    status = PHIAL_ERR_NO_MEMORY;
    s->ids = ph_alloc(s->kv.n_ctx, sizeof *s->ids, err);
    s->logits = s->ids == NULL ? NULL : ph_alloc(hp->n_vocab, sizeof *s->logits, err);
    if (s->logits != NULL) {
        status = PHIAL_OK;
    }
done:
    if (status == PHIAL_OK) {
        *out = s;
    } else {
        phial_session_free(s);
    }
    return status;
}

void phial_session_free(phial_session *s)
{
    if (s == NULL) {
        return;
    }
    ph_kvcache_free(&s->kv);
    ph_free(s->ids);
    ph_free(s->logits);
    ph_free(s);
}

uint32_t phial_session_n_ctx(const phial_session *s)
{
    return (uint32_t)s->kv.n_ctx;
}

const float *phial_session_logits(const phial_session *s)
{
    return s->has_logits ? s->logits : NULL;
}

phial_tokens phial_session_tokens(const phial_session *s)
{
    return (phial_tokens){s->ids, s->n_held};
}

size_t phial_session_n_reused(const phial_session *s)
{
    return s->n_reused;
}

void phial_session_truncate(phial_session *s, size_t n)
{
    if (n < s->n_held) {
        s->n_held = n;
        s->has_logits = false;
    }
}

void phial_session_cancel(phial_session *s)
{
    atomic_store(&s->cancel, true);
}

void phial_session_on_logits(phial_session *s, phial_logits_fn fn, void *user)
{
    s->on_logits = fn;
    s->logits_user = user;
}

phial_status phial_session_on_activation(phial_session *s, uint32_t which, phial_tap_fn fn,
                                         void *user, phial_error *err)
{
    uint32_t taps = fn != NULL ? which : 0;
    if ((taps & ~PHIAL_ACT_ALL) != 0) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "a set of activations has unknown members");
    }
    phial_status status =
        ph_workspace_reserve_taps(s->engine->ws, s->engine->model, taps, s->kv.n_ctx, err);
    if (status == PHIAL_OK) {
        s->tap = fn;
        s->taps = taps;
        s->tap_user = user;
    }
    return status;
}

const char *phial_activation_name(phial_activation what)
{
    static const char *const NAMES[] = {
        "embed",   "ln",      "q_proj",     "k_proj",     "v_proj",   "q_ln",
        "k_ln",    "k_cache", "v_cache",    "attn_probs", "attn_out", "fc1",
        "mlp_out", "out",     "final_norm", "attn",       "gelu",
    };
    size_t i = (size_t)what;
    return i < sizeof NAMES / sizeof *NAMES ? NAMES[i] : NULL;
}

/* --- sync ------------------------------------------------------------------------------------- */

static phial_status check_list(const phial_session *s, const phial_tokens *list, phial_error *err)
{
    uint32_t n_vocab = ph_model_hparams(s->engine->model)->n_vocab;
    if (list->n == 0) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "an empty list of tokens");
    }
    if (list->n > s->kv.n_ctx) {
        return ph_err_set(err, PHIAL_ERR_CONTEXT_FULL, "%zu tokens do not fit the context of %zu",
                          list->n, s->kv.n_ctx);
    }
    for (size_t i = 0; i < list->n; i++) {
        if (list->ids[i] >= n_vocab) {
            return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                              "token %zu is %u; this model has the ids 0 to %u", i,
                              (unsigned)list->ids[i], (unsigned)(n_vocab - 1));
        }
    }
    return PHIAL_OK;
}

/* Keeps the common beginning. At least the last token is computed unless its logits are held. */
static void begin_sync(phial_session *s, const phial_tokens *list)
{
    size_t common = 0;
    while (common < s->n_held && common < list->n && s->ids[common] == list->ids[common]) {
        common++;
    }
    bool complete = common == list->n && s->n_held == list->n && s->has_logits;
    if (common == list->n && !complete) {
        common--;
    }
    s->target = *list;
    s->n_reused = common;
    if (!complete) {
        s->n_held = common;
        s->has_logits = false;
    }
}

typedef struct sync_call {
    phial_engine *engine;
    phial_session *const *sessions;
    size_t n_sessions;
    size_t n_parts;
} sync_call;

static void take_logits(void *user, size_t part, size_t position, const float *logits)
{
    const phial_engine *e = ((sync_call *)user)->engine;
    phial_session *s = e->part_of[part];
    if (s->on_logits != NULL) {
        s->on_logits(s->logits_user, position, logits);
    }
    if (position + 1 == s->target.n) {
        memcpy(s->logits, logits, ph_model_hparams(e->model)->n_vocab * sizeof *logits);
    }
}

static void pass_activation(void *user, size_t part, const phial_activation_event *event)
{
    phial_session *s = ((sync_call *)user)->engine->part_of[part];
    s->tap(s->tap_user, event);
}

/* Those that have no rows in the running step count too: their sync is running. */
static bool any_cancelled(void *user)
{
    const sync_call *call = user;
    for (size_t i = 0; i < call->n_sessions; i++) {
        if (atomic_load_explicit(&call->sessions[i]->cancel, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

/* Fills the engine's parts with what is still to be computed; returns the number of rows. */
static size_t next_batch(sync_call *call)
{
    phial_engine *e = call->engine;
    size_t rows = 0;
    call->n_parts = 0;
    memset(e->part_of, 0, e->n_parts * sizeof *e->part_of);
    for (size_t i = 0; i < call->n_sessions; i++) {
        phial_session *s = call->sessions[i];
        size_t left = s->target.n - s->n_held;
        size_t room = e->n_chunk - rows;
        if (s->has_logits || left == 0) {
            continue;
        }
        if (room == 0 || call->n_parts == e->n_parts) {
            break;
        }
        size_t n = left < room ? left : room;
        e->part_of[call->n_parts] = s;
        e->parts[call->n_parts++] = (ph_part){
            .ids = s->target.ids + s->n_held,
            .n = n,
            .pos0 = s->n_held,
            .pages = s->kv.pages,
            .last_logits = n == left,
            .all_logits = s->on_logits != NULL,
            .taps = s->taps,
        };
        rows += n;
    }
    return rows;
}

static void commit_batch(sync_call *call)
{
    phial_engine *e = call->engine;
    for (size_t i = 0; i < call->n_parts; i++) {
        phial_session *s = e->part_of[i];
        memcpy(s->ids + s->n_held, e->parts[i].ids, e->parts[i].n * sizeof *s->ids);
        s->n_held += e->parts[i].n;
        s->has_logits = s->n_held == s->target.n;
    }
}

static phial_status run_sync(sync_call *call, phial_error *err)
{
    phial_engine *e = call->engine;
    for (;;) {
        size_t rows = next_batch(call);
        if (rows == 0) {
            return PHIAL_OK;
        }
        ph_batch batch = {
            .parts = e->parts,
            .n_parts = call->n_parts,
            .n_rows = rows,
            .user = call,
            .on_logits = take_logits,
            .on_activation = pass_activation,
            .cancelled = any_cancelled,
        };
        phial_status status = ph_forward(e->model, e->ws, &e->layout, &batch, err);
        if (status != PHIAL_OK) {
            return status;
        }
        commit_batch(call);
    }
}

phial_status phial_session_sync_batch(phial_session *const *sessions, const phial_tokens *tokens,
                                      size_t n_sessions, phial_error *err)
{
    if (n_sessions == 0) {
        return PHIAL_OK;
    }
    phial_status status = PHIAL_OK;
    size_t n_checked = 0;
    for (; n_checked < n_sessions && status == PHIAL_OK; n_checked++) {
        phial_session *s = sessions[n_checked];
        if (s->engine != sessions[0]->engine || s->in_call) {
            status = ph_err_set(err, PHIAL_ERR_ARGUMENT, "session %zu of the batch %s", n_checked,
                                s->in_call ? "is in it twice" : "belongs to another engine");
            break;
        }
        s->in_call = true;
        status = check_list(s, &tokens[n_checked], err);
        if (status != PHIAL_OK && n_sessions > 1) {
            ph_err_context(err, status, "sequence %zu", n_checked);
        }
    }
    if (status == PHIAL_OK) {
        for (size_t i = 0; i < n_sessions; i++) {
            begin_sync(sessions[i], &tokens[i]);
        }
        sync_call call = {
            .engine = sessions[0]->engine, .sessions = sessions, .n_sessions = n_sessions};
        status = run_sync(&call, err);
        for (size_t i = 0; i < n_sessions; i++) {
            atomic_store(&sessions[i]->cancel, false);
        }
    }
    for (size_t i = 0; i < n_checked; i++) {
        sessions[i]->in_call = false;
    }
    return status;
}

phial_status phial_session_sync(phial_session *s, const uint32_t *ids, size_t n, phial_error *err)
{
    phial_tokens tokens = {ids, n};
    return phial_session_sync_batch(&s, &tokens, 1, err);
}
