/* Contract: rt/score.h.
 *
 * Windows are run in pieces of PIECE tokens, so that the first model's logits of a piece can wait
 * in memory for the second's. */
#include "rt/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/model_struct.h"

#define PIECE          64
#define DEFAULT_WINDOW 512

typedef struct side {
    phial_engine *engine;   /* owned */
    phial_session *session; /* owned */
    double log_likelihood;
} side;

typedef struct scorer {
    side first, second; /* without a second model, only first */
    size_t n_vocab;
    size_t n_window;
    const uint32_t *ids; /* of the window */
    size_t n_ids;
    size_t piece; /* position the rows begin at */
    float *rows;  /* owned: [PIECE][n_vocab] logits of first */
    double *kl;   /* owned: [n_predicted] */
    size_t n_predicted;
    size_t n_same_top;
    bool not_finite;
} scorer;

double ph_score_log_prob(const float *logits, size_t n, uint32_t id, double *log_sum)
{
    float max = logits[0];
    double sum = 0;
    for (size_t i = 1; i < n; i++)
        max = logits[i] > max ? logits[i] : max;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)(logits[i] - max));
    double log_all = (double)max + log(sum);
    if (log_sum)
        *log_sum = log_all;
    return (double)logits[id] - log_all;
}

/* Whether the token behind `position` is to be predicted. */
static bool counts(const scorer *s, size_t position)
{
    size_t target = position + 1;
    return target < s->n_ids && target >= s->n_ids / 2;
}

static double add_log_prob(scorer *s, side *of, size_t position, const float *logits)
{
    double log_sum;
    double lp = ph_score_log_prob(logits, s->n_vocab, s->ids[position + 1], &log_sum);
    s->not_finite = s->not_finite || !isfinite(lp);
    of->log_likelihood += lp;
    return log_sum;
}

static void on_first(void *user, size_t position, const float *logits)
{
    scorer *s = user;
    if (!counts(s, position))
        return;
    if (s->rows) {
        memcpy(s->rows + (position - s->piece) * s->n_vocab, logits, s->n_vocab * sizeof *logits);
    } else {
        s->n_predicted++;
        add_log_prob(s, &s->first, position, logits);
    }
}

static void on_second(void *user, size_t position, const float *q)
{
    scorer *s = user;
    if (!counts(s, position))
        return;
    const float *p = s->rows + (position - s->piece) * s->n_vocab;
    double log_p = add_log_prob(s, &s->first, position, p);
    double log_q = add_log_prob(s, &s->second, position, q);
    size_t top_p = 0, top_q = 0;
    double kl = 0;
    for (size_t i = 0; i < s->n_vocab; i++) {
        double lp = (double)p[i] - log_p;
        kl += exp(lp) * (lp - ((double)q[i] - log_q));
        top_p = p[i] > p[top_p] ? i : top_p;
        top_q = q[i] > q[top_q] ? i : top_q;
    }
    s->kl[s->n_predicted++] = kl > 0 ? kl : 0; /* rounding may leave a hair below 0 */
    s->n_same_top += top_p == top_q;
}

static phial_status open_side(side *of, const scorer *s, const phial_model *model, int n_threads,
                              phial_error *err)
{
    phial_engine_options options;
    phial_engine_options_default(&options);
    options.math = PHIAL_MATH_EXACT; /* what is judged are the weights */
    options.n_threads = n_threads;
    options.n_chunk = PIECE;
    options.n_seq = 1;
    phial_status status = phial_engine_new(&of->engine, model, &options, err);
    return status == PHIAL_OK
               ? phial_session_new(&of->session, of->engine, (uint32_t)s->n_window, err)
               : status;
}

static void scorer_close(scorer *s)
{
    phial_session_free(s->first.session);
    phial_session_free(s->second.session);
    phial_engine_free(s->first.engine);
    phial_engine_free(s->second.engine);
    ph_free(s->rows);
    ph_free(s->kl);
}

static phial_status scorer_open(scorer *s, const phial_model *first, const phial_model *second,
                                size_t n_ids, const ph_score_options *o, phial_error *err)
{
    const ph_hparams *a = ph_model_hparams(first), *b = second ? ph_model_hparams(second) : a;
    if (a->n_vocab != b->n_vocab)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "vocabularies of %u and %u tokens", a->n_vocab,
                          b->n_vocab);
    if (n_ids < 2)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "the text has %zu tokens; scoring needs at least 2", n_ids);
    size_t most = a->n_ctx_max < b->n_ctx_max ? a->n_ctx_max : b->n_ctx_max;
    s->n_vocab = a->n_vocab;
    s->n_window = o->n_ctx ? o->n_ctx : DEFAULT_WINDOW;
    s->n_window = s->n_window < most ? s->n_window : most;
    s->n_window = s->n_window < n_ids ? s->n_window : n_ids;
    phial_status status = open_side(&s->first, s, first, o->n_threads, err);
    if (status == PHIAL_OK && second) {
        status = open_side(&s->second, s, second, o->n_threads, err);
        s->rows = ph_alloc(PIECE, s->n_vocab * sizeof(float), err);
        s->kl = s->rows ? ph_alloc(n_ids, sizeof *s->kl, err) : NULL;
        if (status == PHIAL_OK && !s->kl)
            status = PHIAL_ERR_NO_MEMORY;
    }
    if (status == PHIAL_OK)
        phial_session_on_logits(s->first.session, on_first, s);
    if (status == PHIAL_OK && second)
        phial_session_on_logits(s->second.session, on_second, s);
    return status;
}

static phial_status run_window(scorer *s, phial_error *err)
{
    phial_status status = PHIAL_OK;
    for (s->piece = 0; s->piece < s->n_ids && status == PHIAL_OK; s->piece += PIECE) {
        size_t end = s->piece + PIECE < s->n_ids ? s->piece + PIECE : s->n_ids;
        if (s->piece == 0) {
            phial_session_truncate(s->first.session, 0);
            if (s->second.session)
                phial_session_truncate(s->second.session, 0);
        }
        status = phial_session_sync(s->first.session, s->ids, end, err);
        if (status == PHIAL_OK && s->second.session)
            status = phial_session_sync(s->second.session, s->ids, end, err);
        if (status == PHIAL_OK && s->not_finite)
            status = ph_err_set(err, PHIAL_ERR_NUMERIC, "logits are not finite");
    }
    return status;
}

/* Whole windows; the rest of the text behind the last one is left out. */
static phial_status run_all(scorer *s, const uint32_t *ids, size_t n_ids, const ph_score_options *o,
                            phial_error *err)
{
    size_t total = n_ids / s->n_window * s->n_window;
    phial_status status = PHIAL_OK;
    for (size_t at = 0; at < total && status == PHIAL_OK; at += s->n_window) {
        s->ids = ids + at;
        s->n_ids = s->n_window;
        status = run_window(s, err);
        if (status == PHIAL_OK && o->progress &&
            !o->progress(o->progress_user, at + s->n_window, total))
            status = ph_err_set(err, PHIAL_ERR_CANCELLED, "interrupted");
    }
    return status;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void summarize(ph_comparison *out, scorer *s)
{
    double n = (double)s->n_predicted, sum = 0;
    qsort(s->kl, s->n_predicted, sizeof *s->kl, ascending);
    for (size_t i = 0; i < s->n_predicted; i++)
        sum += s->kl[i];
    size_t rank = (size_t)ceil(0.99 * n);
    *out = (ph_comparison){
        .n_tokens = s->n_predicted,
        .perplexity_source = exp(-s->first.log_likelihood / n),
        .perplexity = exp(-s->second.log_likelihood / n),
        .perplexity_ratio = exp((s->first.log_likelihood - s->second.log_likelihood) / n),
        .kl_mean = sum / n,
        .kl_p99 = s->kl[rank > 0 ? rank - 1 : 0],
        .same_top = (double)s->n_same_top / n,
    };
}

phial_status ph_score_compare(ph_comparison *out, const phial_model *first,
                              const phial_model *second, const uint32_t *ids, size_t n_ids,
                              const ph_score_options *options, phial_error *err)
{
    scorer s = {0};
    phial_status status = scorer_open(&s, first, second, n_ids, options, err);
    if (status == PHIAL_OK)
        status = run_all(&s, ids, n_ids, options, err);
    if (status == PHIAL_OK)
        summarize(out, &s);
    scorer_close(&s);
    return status;
}

phial_status ph_score_perplexity(double *out, uint64_t *n_tokens, const phial_model *model,
                                 const uint32_t *ids, size_t n_ids, const ph_score_options *options,
                                 phial_error *err)
{
    scorer s = {0};
    phial_status status = scorer_open(&s, model, NULL, n_ids, options, err);
    if (status == PHIAL_OK)
        status = run_all(&s, ids, n_ids, options, err);
    if (status == PHIAL_OK) {
        *out = exp(-s.first.log_likelihood / (double)s.n_predicted);
        *n_tokens = s.n_predicted;
    }
    scorer_close(&s);
    return status;
}
