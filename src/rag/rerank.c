/* Hits put in order by a language model; contract in phial/vectors.h.
 *
 * The prompt is "Passage: ...\nQuestion:" and then the query, whose tokens' log-likelihoods are
 * averaged. Text of documents is encoded without special tokens. The first passage's beginning is
 * read before anything is promised, so that the estimate is this machine's; it is needed anyway.
 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "phial/vectors.h"
#include "rag/collection_search.h"
#include "rt/engine.h"
#include "rt/score.h"

#define N_DEFAULT    10
#define PROBE_TOKENS 64 /* read to see how fast it goes */

static const char before[] = "Passage: ", between[] = "\nQuestion: ";

typedef struct reranker {
    const phial_rerank_options *o;
    phial_encoder *encoder;
    uint32_t *query; /* owned: the query's tokens, with what stands before it */
    size_t n_query, n_between;
    uint32_t n_vocab;
    size_t n_ctx;
    /* prompts, back to back */
    uint32_t *ids; /* owned */
    size_t cap;
    size_t *starts; /* owned [n + 1] */
    double *scores; /* owned [n] */
    /* of the prompt at hand */
    const uint32_t *prompt;
    size_t n_prompt, first; /* the query's tokens begin there */
    double log_p;
} reranker;

void phial_rerank_options_default(phial_rerank_options *options)
{
    *options = (phial_rerank_options){.size = sizeof *options, .n = N_DEFAULT};
}

static phial_status encode(reranker *r, const char *text, size_t n, const uint32_t **ids,
                           size_t *n_ids, phial_error *err)
{
    phial_status st = phial_encoder_run(r->encoder, text, n, 0, err);
    *ids = phial_encoder_ids(r->encoder, n_ids);
    return st;
}

static phial_status encode_query(reranker *r, phial_text query, phial_error *err)
{
    const uint32_t *ids;
    ph_buf b;
    ph_buf_init(&b, 0);
    phial_status st = encode(r, between, sizeof between - 2, &ids, &r->n_between, err);
    ph_buf_add(&b, between, sizeof between - 2); /* the blank goes with the query's first word */
    ph_buf_add_byte(&b, ' ');
    ph_buf_add(&b, query.p, query.n);
    if (st == PHIAL_OK)
        st = ph_buf_status(&b, err);
    if (st == PHIAL_OK)
        st = encode(r, b.data, b.len, &ids, &r->n_query, err);
    if (st == PHIAL_OK && (query.n == 0 || r->n_query <= r->n_between))
        st = ph_err_set(err, PHIAL_ERR_ARGUMENT, "re-ranking: the query has no tokens");
    if (st == PHIAL_OK && r->n_query + 16 > r->n_ctx)
        st = ph_err_set(err, PHIAL_ERR_CONTEXT_FULL,
                        "re-ranking: the query has %zu tokens, and the context has room for %zu",
                        r->n_query, r->n_ctx);
    if (st == PHIAL_OK && !(r->query = ph_alloc(r->n_query, sizeof *r->query, err)))
        st = PHIAL_ERR_NO_MEMORY;
    if (st == PHIAL_OK)
        memcpy(r->query, ids, r->n_query * sizeof *ids);
    ph_buf_free(&b);
    return st;
}

static phial_status add_prompt(reranker *r, size_t i, const phial_hit *hit, phial_error *err)
{
    const uint32_t *ids;
    size_t n, at = r->starts[i], room = r->n_ctx - r->n_query;
    ph_buf b;
    ph_buf_init(&b, 0);
    ph_buf_add_str(&b, before);
    ph_buf_add(&b, hit->title.p, hit->title.n);
    if (hit->title.n > 0)
        ph_buf_add_byte(&b, '\n');
    ph_buf_add(&b, hit->text.p, hit->text.n);
    phial_status st = ph_buf_status(&b, err);
    if (st == PHIAL_OK)
        st = encode(r, b.data, b.len, &ids, &n, err);
    ph_buf_free(&b);
    if (st != PHIAL_OK)
        return st;
    n = n < room ? n : room;
    if (at + n + r->n_query > r->cap) {
        size_t cap = 2 * (at + n + r->n_query);
        uint32_t *more = ph_realloc(r->ids, cap, sizeof *more, err);
        if (!more)
            return PHIAL_ERR_NO_MEMORY;
        r->ids = more;
        r->cap = cap;
    }
    memcpy(r->ids + at, ids, n * sizeof *ids);
    memcpy(r->ids + at + n, r->query, r->n_query * sizeof *ids);
    r->starts[i + 1] = at + n + r->n_query;
    return PHIAL_OK;
}

/* Logits behind `position` tell of the next token. */
static void see_logits(void *user, size_t position, const float *logits)
{
    reranker *r = user;
    size_t next = position + 1;
    if (next >= r->first && next < r->n_prompt)
        r->log_p += ph_score_log_prob(logits, r->n_vocab, r->prompt[next], NULL);
}

static phial_status score(reranker *r, size_t i, phial_error *err)
{
    phial_session *s = r->o->session;
    r->prompt = r->ids + r->starts[i];
    r->n_prompt = r->starts[i + 1] - r->starts[i];
    r->first = r->n_prompt - (r->n_query - r->n_between);
    r->log_p = 0;
    /* Logits are wanted, and computed, from the token before the query's first on. */
    phial_status st = r->first > 1 ? phial_session_sync(s, r->prompt, r->first - 1, err) : PHIAL_OK;
    if (st == PHIAL_OK) {
        phial_session_on_logits(s, see_logits, r);
        st = phial_session_sync(s, r->prompt, r->n_prompt, err);
        phial_session_on_logits(s, NULL, NULL);
    }
    r->scores[i] = r->log_p / (double)(r->n_prompt - r->first);
    if (st == PHIAL_OK && !isfinite(r->scores[i]))
        st = ph_err_set(err, PHIAL_ERR_NUMERIC, "re-ranking: the model's logits are not finite");
    return st;
}

/* What it will take, by how long the beginning of the first passage does. */
static phial_status tell_cost(reranker *r, size_t n, phial_error *err)
{
    phial_rerank_cost cost = {.n_hits = n, .n_tokens = r->starts[n]};
    size_t probe = r->starts[1] - r->n_query;
    probe = probe < PROBE_TOKENS ? probe : PROBE_TOKENS;
    uint64_t began = ph_clock_ns();
    phial_status st = probe > 0 ? phial_session_sync(r->o->session, r->ids, probe, err) : PHIAL_OK;
    if (st != PHIAL_OK)
        return st;
    size_t fresh = probe - phial_session_n_reused(r->o->session);
    cost.est_seconds =
        fresh > 0 ? (double)(ph_clock_ns() - began) * 1e-9 / (double)fresh * (double)cost.n_tokens
                  : 0;
    if (r->o->cost && !r->o->cost(r->o->user, &cost))
        return ph_err_set(err, PHIAL_ERR_CANCELLED, "re-ranking was not wanted");
    return PHIAL_OK;
}

/* Best first; equal ones stay as they were. */
static void sort_hits(phial_hit *hits, const double *scores, size_t n)
{
    for (size_t i = 0; i < n; i++)
        hits[i].score = scores[i];
    for (size_t i = 1; i < n; i++) {
        phial_hit moved = hits[i];
        size_t at = i;
        for (; at > 0 && hits[at - 1].score < moved.score; at--)
            hits[at] = hits[at - 1];
        hits[at] = moved;
    }
}

static phial_status rerank(reranker *r, phial_hit *hits, size_t n, phial_text query,
                           phial_error *err)
{
    phial_model_info info = {.size = sizeof info};
    r->n_ctx = phial_session_n_ctx(r->o->session);
    phial_status st = phial_model_get_info(r->o->session->engine->model, &info, err);
    r->n_vocab = info.n_vocab;
    if (st == PHIAL_OK)
        st = phial_encoder_new(&r->encoder, r->o->tokenizer, err);
    if (st == PHIAL_OK)
        st = encode_query(r, query, err);
    r->starts = ph_alloc(n + 1, sizeof *r->starts, err);
    r->scores = ph_alloc(n, sizeof *r->scores, err);
    if (st == PHIAL_OK && (!r->starts || !r->scores))
        st = PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < n && st == PHIAL_OK; i++)
        st = add_prompt(r, i, &hits[i], err);
    if (st == PHIAL_OK)
        st = tell_cost(r, n, err);
    for (size_t i = 0; i < n && st == PHIAL_OK; i++)
        st = score(r, i, err);
    if (st == PHIAL_OK)
        sort_hits(hits, r->scores, n);
    return st;
}

phial_status phial_hits_rerank(phial_hits *hits, phial_text query,
                               const phial_rerank_options *options, phial_error *err)
{
    reranker r = {.o = options};
    size_t n = phial_hits_count(hits);
    n = n < options->n ? n : options->n;
    if (options->size != sizeof *options || !options->session || !options->tokenizer)
        return ph_err_set(
            err, PHIAL_ERR_ARGUMENT,
            "re-ranking needs options that phial_rerank_options_default() has filled, "
            "with a session and a tokenizer");
    phial_status st = n > 1 ? rerank(&r, ph_hits_list(hits), n, query, err) : PHIAL_OK;
    phial_encoder_free(r.encoder);
    ph_free(r.query);
    ph_free(r.ids);
    ph_free(r.starts);
    ph_free(r.scores);
    return st;
}
