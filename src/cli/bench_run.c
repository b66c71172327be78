/* Slices of work between probes; contract in bench_run.h. */
#include "cli/bench_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "kern/bf16_matmul.h"
#include "kern/fast_matmul.h"
#include "rt/engine.h"

#define SLICE_MS      200.0
#define PROBE_MS      20.0
#define DROP_ABOVE    0.05
#define DECODE_PAIRS  40 /* slices wanted at least */
#define PREFILL_PAIRS 10
#define MAX_ROUNDS    64 /* repetitions at most, to come to that many */

/* The stopwatch of one case: time spent in work, and the slices so far. */
typedef struct watch {
    const ph_bench *b;
    bool memory_bound;
    double bytes, flops; /* of the slice under way */
    double before;       /* the probe in front of it */
    uint64_t begin;
    double work_ns; /* of the repetition, without the probes */
    double *ratios, *limits;
    size_t n_kept, n_dropped;
    /* What prefill's steps between two taps cost. */
    double n_rows;
    double flops_before_attention, flops_of_attention, flops_of_mlp;
} watch;

/* Of the products that most of the work is. */
static ph_probe_kind arithmetic_of(const ph_bench *b)
{
    const ph_work *work = &b->engine->ws->work;
    return ph_fast_applies(work, b->engine->weight_type)   ? PH_PROBE_INT8
           : ph_bf16_applies(work, b->engine->weight_type) ? PH_PROBE_BF16
                                                           : PH_PROBE_FMA;
}

static double arithmetic_peak(const ph_bench *b)
{
    return ph_probe_ops(&b->probe, arithmetic_of(b), PROBE_MS);
}

static double take_probe(const watch *w)
{
    return w->memory_bound ? ph_probe_read(&w->b->probe, w->b->memory, w->b->memory_bytes)
                           : arithmetic_peak(w->b);
}

static void slice_begin(watch *w)
{
    w->bytes = w->flops = 0;
    w->begin = ph_clock_ns();
}

/* Ends the slice with a probe, which also stands in front of the next one. */
static void slice_end(watch *w)
{
    double ns = (double)(ph_clock_ns() - w->begin);
    w->work_ns += ns;
    double after = take_probe(w), limit = (w->before + after) / 2;
    bool steady = fabs(after - w->before) <= DROP_ABOVE * limit;
    if (steady && w->n_kept < PH_BENCH_SLICES) {
        double ideal = (w->memory_bound ? w->bytes : w->flops) / limit; /* G/s are per ns */
        w->ratios[w->n_kept] = ideal / ns;
        w->limits[w->n_kept++] = limit;
    } else if (!steady) {
        w->n_dropped++;
    }
    w->before = after;
    slice_begin(w);
}

static double slice_ms(const watch *w)
{
    return (double)(ph_clock_ns() - w->begin) / 1e6;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, by_value);
    return n == 0 ? 0 : (values[(n - 1) / 2] + values[n / 2]) / 2;
}

/* --- what work costs -------------------------------------------------------------------------- */

/* Bytes of keys and values that one token at this depth reads. */
static double kv_bytes(const ph_bench *b, size_t depth)
{
    return (double)b->engine->layout.page_bytes * (double)depth / PH_KV_PAGE;
}

/* Both products of attention for rows tokens behind `depth` others, in one layer. */
static double attention_flops(const ph_bench *b, double rows, double depth)
{
    const ph_hparams *hp = ph_model_hparams(b->model);
    return 4.0 * hp->n_head * hp->head_dim * rows * (depth + (rows + 1) / 2);
}

static double step_flops(const ph_bench *b, size_t rows, size_t depth)
{
    const phial_model *m = b->model;
    return 2.0 * (double)(m->layer_macs + m->head_macs) * (double)rows +
           attention_flops(b, 1, (double)depth) * (double)rows * m->hp.n_layer;
}

static double step_bytes(const ph_bench *b, size_t rows, size_t depth)
{
    return (double)b->model->step_bytes + kv_bytes(b, depth) * (double)rows;
}

/* Asks the machine which of its two limits is the nearer one. */
static bool is_memory_bound(const ph_bench *b, double bytes, double flops)
{
    double read = ph_probe_read(&b->probe, b->memory, b->memory_bytes);
    return bytes / read > flops / arithmetic_peak(b);
}

/* --- prefill ---------------------------------------------------------------------------------- */

/* Four times a layer, between operators: counts what was done since the last time. */
static void between_operators(void *user, const phial_activation_event *e)
{
    watch *w = user;
    double share = (double)e->n / w->n_rows;
    switch (e->what) {
    case PHIAL_ACT_Q_PROJ:
        w->flops += share * w->flops_before_attention;
        break;
    case PHIAL_ACT_ATTN_OUT:
        w->flops += share * w->flops_of_attention;
        break;
    case PHIAL_ACT_MLP_OUT:
        w->flops += share * w->flops_of_mlp;
        break;
    default:
        break;
    }
    if (slice_ms(w) >= SLICE_MS) {
        slice_end(w);
    }
}

/* A prompt of n tokens behind `depth` held ones. */
static phial_status run_prefill(watch *w, phial_session *s, const uint32_t *ids, size_t depth,
                                size_t n, phial_error *err)
{
    const ph_hparams *hp = ph_model_hparams(w->b->model);
    double rows = (double)n, qd = (double)hp->n_head * hp->head_dim, e = hp->n_embd;
    double kvd = (double)hp->n_head_kv * hp->head_dim;
    phial_session_truncate(s, depth);
    w->n_rows = rows;
    w->flops_before_attention = 2 * rows * e * (qd + 2 * kvd + hp->n_ff);
    w->flops_of_attention = 2 * rows * qd * e + attention_flops(w->b, rows, (double)depth);
    w->flops_of_mlp = 2 * rows * e * hp->n_ff;
    w->work_ns = 0;
    slice_begin(w);
    phial_status status = phial_session_sync(s, ids, depth + n, err);
    w->flops += 2.0 * (double)w->b->model->head_macs;
    slice_end(w);
    return status;
}

/* --- decode ----------------------------------------------------------------------------------- */

static phial_status run_decode(watch *w, phial_session *const *sessions, phial_tokens *lists,
                               const uint32_t *ids, const ph_bench_case *c, phial_error *err)
{
    phial_status status = PHIAL_OK;
    for (size_t i = 0; i < c->n_seq; i++) {
        phial_session_truncate(sessions[i], c->depth);
    }
    w->work_ns = 0;
    slice_begin(w);
    for (size_t t = 0; t < c->n_gen && status == PHIAL_OK; t++) {
        for (size_t i = 0; i < c->n_seq; i++) {
            lists[i] = (phial_tokens){ids, c->depth + t + 1};
        }
        status = phial_session_sync_batch(sessions, lists, c->n_seq, err);
        w->bytes += step_bytes(w->b, c->n_seq, c->depth + t + 1);
        w->flops += step_flops(w->b, c->n_seq, c->depth + t + 1);
        if (slice_ms(w) >= SLICE_MS || t + 1 == c->n_gen) {
            slice_end(w);
        }
        if (w->b->interrupted()) {
            status = ph_err_set(err, PHIAL_ERR_CANCELLED, "interrupted");
        }
    }
    return status;
}

/* --- a case ----------------------------------------------------------------------------------- */

typedef struct bench_case_state {
    phial_session **sessions; /* [n_seq] */
    phial_tokens *lists;      /* [n_seq] */
    uint32_t *ids;            /* [n_ids] */
    size_t n_ids;
    double *tok_s; /* [MAX_ROUNDS] */
    size_t n_rounds;
} bench_case_state;

static void state_free(bench_case_state *st, size_t n_seq, watch *w)
{
    for (size_t i = 0; st->sessions != NULL && i < n_seq; i++) {
        phial_session_free(st->sessions[i]);
    }
    ph_free(st->sessions);
    ph_free(st->lists);
    ph_free(st->ids);
    ph_free(st->tok_s);
    ph_free(w->ratios);
    ph_free(w->limits);
}

static size_t context_of(const ph_bench_case *c)
{
    return c->depth + (c->decode ? c->n_gen : c->n_prompt);
}

phial_status ph_bench_check(const ph_bench *b, const ph_bench_case *c, phial_error *err)
{
    uint32_t n_ctx_max = ph_model_hparams(b->model)->n_ctx_max;
    if (context_of(c) <= n_ctx_max) {
        return PHIAL_OK;
    }
    return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%zu tokens do not fit the context of %u",
                      context_of(c), (unsigned)n_ctx_max);
}

/* Sessions filled to the depth of the case with random tokens. */
static phial_status state_open(bench_case_state *st, watch *w, const ph_bench *b,
                               const ph_bench_case *c, phial_error *err)
{
    const ph_hparams *hp = ph_model_hparams(b->model);
    st->n_ids = context_of(c);
    st->sessions = ph_alloc(c->n_seq, sizeof *st->sessions, err);
    st->lists = st->sessions == NULL ? NULL : ph_alloc(c->n_seq, sizeof *st->lists, err);
    st->ids = st->lists == NULL ? NULL : ph_alloc(st->n_ids, sizeof *st->ids, err);
    st->tok_s = st->ids == NULL ? NULL : ph_alloc(MAX_ROUNDS, sizeof *st->tok_s, err);
    w->ratios = st->tok_s == NULL ? NULL : ph_alloc(PH_BENCH_SLICES, sizeof *w->ratios, err);
    w->limits = w->ratios == NULL ? NULL : ph_alloc(PH_BENCH_SLICES, sizeof *w->limits, err);
    if (w->limits == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    ph_rng rng;
    ph_rng_seed(&rng, 1, 0);
    for (size_t i = 0; i < st->n_ids; i++) {
        st->ids[i] = (uint32_t)ph_rng_below(&rng, hp->n_vocab);
    }
    phial_status status = PHIAL_OK;
    for (size_t i = 0; i < c->n_seq && status == PHIAL_OK; i++) {
        status = phial_session_new(&st->sessions[i], b->engine, (uint32_t)st->n_ids, err);
        if (status == PHIAL_OK && c->depth > 0) {
            status = phial_session_sync(st->sessions[i], st->ids, c->depth, err);
        }
    }
    return status;
}

static phial_status run_once(watch *w, bench_case_state *st, const ph_bench_case *c,
                             phial_error *err)
{
    if (c->decode) {
        return run_decode(w, st->sessions, st->lists, st->ids, c, err);
    }
    return run_prefill(w, st->sessions[0], st->ids, c->depth, c->n_prompt, err);
}

/* Repetitions until there are enough of them, and enough slices. */
static phial_status repeat(watch *w, bench_case_state *st, const ph_bench_case *c, phial_error *err)
{
    double tokens = c->decode ? (double)(c->n_gen * c->n_seq) : (double)c->n_prompt;
    size_t enough = c->decode ? DECODE_PAIRS : PREFILL_PAIRS;
    phial_status status = run_once(w, st, c, err); /* to warm up: fresh pages, cold caches */
    w->n_kept = w->n_dropped = 0;
    while (status == PHIAL_OK && st->n_rounds < MAX_ROUNDS &&
           (st->n_rounds < (size_t)c->repetitions || w->n_kept + w->n_dropped < enough)) {
        status = run_once(w, st, c, err);
        st->tok_s[st->n_rounds++] = tokens / (w->work_ns / 1e9);
        if (status == PHIAL_OK && w->b->interrupted()) {
            status = ph_err_set(err, PHIAL_ERR_CANCELLED, "interrupted");
        }
    }
    return status;
}

phial_status ph_bench_run(const ph_bench *b, const ph_bench_case *c, ph_bench_result *out,
                          phial_error *err)
{
    bench_case_state st = {0};
    watch w = {.b = b};
    phial_status status = state_open(&st, &w, b, c, err);
    if (status == PHIAL_OK && !c->decode) {
        uint32_t steps =
            1u << PHIAL_ACT_Q_PROJ | 1u << PHIAL_ACT_ATTN_OUT | 1u << PHIAL_ACT_MLP_OUT;
        status = phial_session_on_activation(st.sessions[0], steps, between_operators, &w, err);
    }
    if (status == PHIAL_OK) {
        w.memory_bound = c->decode && is_memory_bound(b, step_bytes(b, c->n_seq, c->depth),
                                                      step_flops(b, c->n_seq, c->depth));
        w.before = take_probe(&w);
        status = repeat(&w, &st, c, err);
    }
    if (status == PHIAL_OK) {
        double middle = median(st.tok_s, st.n_rounds);
        *out = (ph_bench_result){
            .tok_s = middle,
            .spread = (st.tok_s[st.n_rounds - 1] - st.tok_s[0]) / middle,
            .roofline_ratio = median(w.ratios, w.n_kept),
            .n_kept = w.n_kept,
            .n_dropped = w.n_dropped,
            .bound = w.memory_bound ? PH_PROBE_READ : arithmetic_of(b),
            .limit = median(w.limits, w.n_kept),
        };
    }
    state_free(&st, c->n_seq, &w);
    return status;
}
