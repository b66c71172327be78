/* phial bench: how fast a model runs here, and how near that is to what the machine allows. */
#include <stdio.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/bench_run.h"
#include "cli/cli_io.h"
#include "cli/engine_opts.h"
#include "rt/engine.h"

/* Far larger than any cache, and small beside a model. */
#define PROBE_BYTES ((size_t)256 << 20)

#define MAX_CASES 64

static double peak_rss(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss * 1024;
}

typedef struct cases {
    ph_bench_case all[MAX_CASES];
    size_t n;
} cases;

static phial_status add_case(cases *list, ph_bench_case c, phial_error *err)
{
    if (list->n == MAX_CASES) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "more than %d combinations", MAX_CASES);
    }
    list->all[list->n++] = c;
    return PHIAL_OK;
}

/* Prefill at every depth; decoding at every depth for every number of sequences. */
static phial_status plan(cases *list, const ph_args *args, phial_error *err)
{
    size_t n_prompts, n_depths, n_batches;
    const int64_t *prompts = ph_args_list(args, "prompt", &n_prompts);
    const int64_t *depths = ph_args_list(args, "depth", &n_depths);
    const int64_t *batches = ph_args_list(args, "sequences", &n_batches);
    size_t n_gen = (size_t)ph_args_int(args, "generate");
    int repetitions = (int)ph_args_int(args, "repetitions");
    phial_status status = PHIAL_OK;
    for (size_t d = 0; d < n_depths && status == PHIAL_OK; d++) {
        size_t depth = (size_t)depths[d];
        for (size_t p = 0; p < n_prompts && status == PHIAL_OK; p++) {
            if (prompts[p] > 0) {
                status = add_case(list,
                                  (ph_bench_case){.n_prompt = (size_t)prompts[p],
                                                  .n_seq = 1,
                                                  .depth = depth,
                                                  .repetitions = repetitions},
                                  err);
            }
        }
        for (size_t b = 0; b < n_batches && n_gen > 0 && status == PHIAL_OK; b++) {
            status = add_case(list,
                              (ph_bench_case){.decode = true,
                                              .n_gen = n_gen,
                                              .n_seq = (size_t)batches[b],
                                              .depth = depth,
                                              .repetitions = repetitions},
                              err);
        }
    }
    if (status == PHIAL_OK && list->n == 0) {
        status = ph_err_set(err, PHIAL_ERR_ARGUMENT, "nothing to measure: -p and -n are both 0");
    }
    return status;
}

static ph_json *as_json(const ph_bench_case *c, const ph_bench_result *r)
{
    ph_json *o = ph_json_object_new();
    ph_json_set(o, "kind", ph_json_str_new(ph_str_from(c->decode ? "decode" : "prefill")));
    ph_json_set(o, "n_prompt", ph_json_int_new((int64_t)c->n_prompt));
    ph_json_set(o, "n_gen", ph_json_int_new((int64_t)c->n_gen));
    ph_json_set(o, "n_seq", ph_json_int_new((int64_t)c->n_seq));
    ph_json_set(o, "depth", ph_json_int_new((int64_t)c->depth));
    ph_json_set(o, "tok_s", ph_json_f64_new(r->tok_s));
    ph_json_set(o, "spread", ph_json_f64_new(r->spread));
    ph_json_set(o, "roofline_ratio",
                r->n_kept > 0 ? ph_json_f64_new(r->roofline_ratio) : ph_json_null_new());
    ph_json_set(o, "bound",
                ph_json_str_new(ph_str_from(r->bound == PH_PROBE_READ ? "memory" : "arithmetic")));
    ph_json_set(o, "limit", ph_json_f64_new(r->limit));
    ph_json_set(o, "pairs_kept", ph_json_int_new((int64_t)r->n_kept));
    ph_json_set(o, "pairs_dropped", ph_json_int_new((int64_t)r->n_dropped));
    return o;
}

static void print_row(const ph_bench_case *c, const ph_bench_result *r)
{
    char ratio[32] = "?";
    if (r->n_kept > 0) {
        snprintf(ratio, sizeof ratio, "%.2f", r->roofline_ratio);
    }
    ph_outf("%-8s %8zu %5zu %6zu %10.2f %6.0f%% %8s of %6.1f %-12s %5zu kept %4zu dropped\n",
            c->decode ? "decode" : "prefill", c->decode ? c->n_gen : c->n_prompt, c->n_seq,
            c->depth, r->tok_s, 100 * r->spread, ratio, r->limit, ph_probe_unit(r->bound),
            r->n_kept, r->n_dropped);
    ph_out_flush();
}

static phial_status open_all(ph_bench *b, phial_model **model, const ph_args *args,
                             phial_error *err)
{
    phial_status status = phial_model_open(model, ph_args_str(args, "model"), NULL, err);
    if (status != PHIAL_OK) {
        return status;
    }
    phial_engine_options o;
    phial_engine_options_default(&o);
    o.n_threads = (int)ph_args_int(args, "threads");
    if (ph_args_has(args, "math")) {
        o.math = ph_args_choice(args, "math") == 1 ? PHIAL_MATH_FAST : PHIAL_MATH_EXACT;
    }
    if (ph_args_has(args, "kv-type")) {
        o.kv_type = (phial_kv_type)ph_args_choice(args, "kv-type");
    }
    b->model = *model;
    status = phial_engine_new(&b->engine, *model, &o, err);
    return status;
}

static phial_status open_probe(ph_bench *b, phial_error *err)
{
    phial_status status = ph_pool_new(&b->pool, phial_engine_n_threads(b->engine), err);
    if (status != PHIAL_OK) {
        return status;
    }
    b->memory = ph_alloc_aligned(PROBE_BYTES, 1, PH_CACHE_LINE, err);
    if (b->memory == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    b->memory_bytes = PROBE_BYTES;
    for (size_t i = 0; i < PROBE_BYTES; i++) { /* pages of its own, not the shared zero page */
        b->memory[i] = (unsigned char)i;
    }
    ph_probe_init(&b->probe, b->pool, b->memory, b->memory_bytes);
    return PHIAL_OK;
}

/* What the model needs to run, before the probe's own memory is there. */
static phial_status run_a_little(ph_bench *b, const cases *list, phial_error *err)
{
    size_t longest = 1;
    for (size_t i = 0; i < list->n; i++) {
        longest = list->all[i].n_prompt > longest ? list->all[i].n_prompt : longest;
    }
    size_t n = longest < b->engine->n_chunk ? longest : b->engine->n_chunk;
    phial_session *s = NULL;
    uint32_t *ids = ph_alloc(n, sizeof *ids, err);
    phial_status status = ids == NULL ? PHIAL_ERR_NO_MEMORY : PHIAL_OK;
    if (status == PHIAL_OK) {
        status = phial_session_new(&s, b->engine, 0, err);
    }
    if (status == PHIAL_OK && n > phial_session_n_ctx(s)) {
        n = phial_session_n_ctx(s);
    }
    if (status == PHIAL_OK) {
        status = phial_session_sync(s, ids, n, err);
    }
    phial_session_free(s);
    ph_free(ids);
    return status;
}

static phial_status measure(ph_bench *b, const cases *list, ph_json *results, phial_error *err)
{
    phial_status status = PHIAL_OK;
    for (size_t i = 0; i < list->n && status == PHIAL_OK; i++) {
        status = ph_bench_check(b, &list->all[i], err);
    }
    if (status == PHIAL_OK && results == NULL) {
        ph_outf("%-8s %8s %5s %6s %10s %7s %8s\n", "work", "tokens", "seqs", "depth", "tokens/s",
                "spread", "ratio");
    }
    for (size_t i = 0; i < list->n && status == PHIAL_OK; i++) {
        ph_bench_result r = {0};
        status = ph_bench_run(b, &list->all[i], &r, err);
        if (status == PHIAL_OK && results != NULL) {
            ph_json_push(results, as_json(&list->all[i], &r));
        } else if (status == PHIAL_OK) {
            print_row(&list->all[i], &r);
        }
    }
    return status;
}

static phial_status run(const ph_args *args, phial_error *err)
{
    cases list = {.n = 0};
    ph_bench b = {.interrupted = ph_interrupted};
    phial_model *model = NULL;
    bool json = ph_args_flag(args, "json");
    ph_json *results = json ? ph_json_array_new() : NULL;
    double load_ms = 0, rss = 0;
    ph_interrupt_watch();
    phial_status status = plan(&list, args, err);
    uint64_t begin = ph_clock_ns();
    if (status == PHIAL_OK) {
        status = open_all(&b, &model, args, err);
        load_ms = (double)(ph_clock_ns() - begin) / 1e6;
    }
    if (status == PHIAL_OK) {
        status = run_a_little(&b, &list, err);
        rss = peak_rss();
    }
    if (status == PHIAL_OK) {
        status = open_probe(&b, err);
    }
    if (status == PHIAL_OK) {
        status = measure(&b, &list, results, err);
    }
    if (status == PHIAL_OK && json) {
        ph_json *root = ph_json_object_new();
        ph_json_set(root, "results", results);
        results = NULL;
        ph_json_set(root, "load_ms", ph_json_f64_new(load_ms));
        ph_json_set(root, "peak_rss_bytes", ph_json_int_new((int64_t)rss));
        ph_json_set(root, "threads", ph_json_int_new(phial_engine_n_threads(b.engine)));
        ph_json_set(root, "math",
                    ph_json_str_new(ph_str_from(
                        phial_engine_math(b.engine) == PHIAL_MATH_FAST ? "fast" : "exact")));
        ph_json_set(root, "kernels", ph_json_str_new(ph_str_from(phial_engine_isa(b.engine))));
        status = ph_out_json(root, err);
    } else if (status == PHIAL_OK) {
        ph_outf("opened in %.0f ms, %.0f MB resident at most\n", load_ms, rss / 1e6);
    }
    ph_json_free(results);
    ph_free(b.memory);
    ph_pool_free(b.pool);
    phial_engine_free(b.engine);
    phial_model_close(model);
    return status;
}

static const char *const MATH[] = {"exact", "fast", NULL};
static const char *const KV_TYPES[] = PH_KV_TYPE_NAMES;

static const ph_opt opts[] = {
    PH_OPT_ROW_MODEL,
    {.name = "prompt",
     .letter = 'p',
     .kind = PH_OPT_LIST,
     .arg = "LIST",
     .help = "lengths of prompts to read; 0: none",
     .fallback = "512",
     .max_int = 1 << 17},
    {.name = "generate",
     .letter = 'n',
     .kind = PH_OPT_INT,
     .arg = "N",
     .help = "tokens to decode in a repetition; 0: none",
     .fallback = "128",
     .max_int = 1 << 17},
    {.name = "sequences",
     .letter = 'b',
     .kind = PH_OPT_LIST,
     .arg = "LIST",
     .help = "numbers of sequences to decode together",
     .fallback = "1",
     .min_int = 1,
     .max_int = 64},
    {.name = "depth",
     .letter = 'd',
     .kind = PH_OPT_LIST,
     .arg = "LIST",
     .help = "tokens that the context holds already",
     .fallback = "0",
     .max_int = 1 << 17},
    PH_OPT_ROW_THREADS,
    {.name = "math",
     .kind = PH_OPT_CHOICE,
     .arg = "MODE",
     .help = "arithmetic; without it fast for quantized models, exact for others",
     .choices = MATH},
    PH_OPT_ROW_KV_TYPE,
    {.name = "repetitions",
     .letter = 'r',
     .kind = PH_OPT_INT,
     .arg = "N",
     .help = "repetitions; decoding goes on until it has 40 slices",
     .fallback = "5",
     .min_int = 1,
     .max_int = 60},
    {.name = "json", .kind = PH_OPT_FLAG, .help = "print one JSON document"},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial bench -m phi-2.gguf -p 32 -n 8 -r 2", "reading a prompt, and decoding"},
    {"phial bench -m phi-2.gguf -p 0 -n 8 -b 1,4 -d 0,64 -r 1 --json",
     "one and four sequences, at two depths"},
    {0},
};

const ph_cmd ph_cmd_bench = {
    .details =
        "Measures tokens per second and, for each figure, its ratio to the limit of the machine "
        "(memory bandwidth, fused multiply-adds, or in fast arithmetic products of int8 or bf16 "
        "numbers), which is measured in the same process "
        "between slices of the work. Slices whose two probes differ by more than 5% are dropped "
        "and counted.",
    .opts = opts,
    .examples = examples,
    .run = run,
};
