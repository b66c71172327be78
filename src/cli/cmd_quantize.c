/* phial quantize: a model in smaller number formats. */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "cli/args.h"
#include "cli/cli_io.h"
#include "cli/engine_opts.h"
#include "kern/quant.h"
#include "quant/quantize.h"

#define MAX_OVERRIDES 256

static void say_line(void *user, int level, const char *line)
{
    (void)user;
    (void)level;
    ph_say("%s", line);
}

typedef struct stage {
    ph_progress bar;
    const char *name;
} stage;

static bool step(void *user, const char *name, uint64_t done, uint64_t total)
{
    stage *s = user;
    if (s->name != name && (!s->name || strcmp(s->name, name) != 0)) {
        ph_progress_end(&s->bar);
        ph_progress_start(&s->bar, name);
        s->name = name;
    }
    ph_progress_step(&s->bar, done, total);
    return !ph_interrupted();
}

static phial_status find_mix(const char *name, const ph_mix **out, phial_error *err)
{
    *out = ph_mix_by_name(ph_str_from(name));
    if (*out)
        return PHIAL_OK;
    ph_buf list;
    ph_buf_init(&list, 0);
    for (size_t i = 0; ph_mix_at(i); i++)
        ph_buf_addf(&list, "%s%s", i ? ", " : "", ph_mix_at(i)->name);
    const ph_mix *near = ph_mix_nearest(ph_str_from(name));
    phial_status status =
        ph_err_set(err, PHIAL_ERR_ARGUMENT, "--type: no mix '%s'%s%s%s; there are %s", name,
                   near ? " (did you mean " : "", near ? near->name : "", near ? "?)" : "",
                   list.data ? list.data : "");
    ph_buf_free(&list);
    return status;
}

/* PATTERN=TYPE; the pattern is cut off in place in a copy. */
static phial_status parse_override(const char *text, ph_quant_override *out, char **copy,
                                   phial_error *err)
{
    const char *equals = strrchr(text, '=');
    if (!equals || equals == text)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "--tensor-type %s: not PATTERN=TYPE", text);
    const ph_dtype_info *type = ph_dtype_by_name(ph_str_from(equals + 1));
    if (!type || !ph_quant_find(type->id)) {
        const ph_mix *near = ph_mix_nearest(ph_str_from(equals + 1));
        const char *hint = near ? ph_dtype_name(near->base) : NULL;
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "--tensor-type %s: '%s' is no number format that can be written%s%s%s",
                          text, equals + 1, hint ? " (did you mean " : "", hint ? hint : "",
                          hint ? "?)" : "");
    }
    *copy = ph_strndup(text, (size_t)(equals - text), err);
    *out = (ph_quant_override){*copy, type->id};
    return *copy ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
}

static phial_status parse_overrides(const ph_args *args, ph_quant_override *list, char **copies,
                                    size_t *n, phial_error *err)
{
    const char *text;
    phial_status status = PHIAL_OK;
    for (*n = 0; status == PHIAL_OK && (text = ph_args_nth(args, "tensor-type", *n)) != NULL;) {
        if (*n == MAX_OVERRIDES)
            return ph_err_set(err, PHIAL_ERR_LIMIT, "more than %d times --tensor-type",
                              MAX_OVERRIDES);
        status = parse_override(text, &list[*n], &copies[*n], err);
        *n += status == PHIAL_OK;
    }
    return status;
}

static ph_json *report_json(const ph_report *r)
{
    ph_json *o = ph_json_object_new();
    ph_json_set(o, "n_tokens", ph_json_int_new((int64_t)r->n_tokens));
    ph_json_set(o, "perplexity_source", ph_json_f64_new(r->perplexity_source));
    ph_json_set(o, "perplexity", ph_json_f64_new(r->perplexity));
    ph_json_set(o, "perplexity_ratio", ph_json_f64_new(r->perplexity_ratio));
    ph_json_set(o, "kl_mean", ph_json_f64_new(r->kl_mean));
    ph_json_set(o, "kl_p99", ph_json_f64_new(r->kl_p99));
    ph_json_set(o, "same_top", ph_json_f64_new(r->same_top));
    return o;
}

static phial_status show_json(const ph_quantize_result *r, phial_error *err)
{
    ph_json *o = ph_json_object_new();
    ph_json_set(o, "source_bytes", ph_json_int_new((int64_t)r->source_bytes));
    ph_json_set(o, "bytes", ph_json_int_new((int64_t)r->bytes));
    ph_json_set(o, "n_params", ph_json_int_new((int64_t)r->n_params));
    ph_json_set(o, "bits_per_weight", ph_json_f64_new(r->bits_per_weight));
    ph_json_set(o, "fallbacks", ph_json_int_new((int64_t)r->n_fallbacks));
    if (r->report.n_tokens)
        ph_json_set(o, "report", report_json(&r->report));
    return ph_out_json(o, err);
}

static void show_text(const ph_quantize_result *r)
{
    const ph_report *c = &r->report;
    ph_outf("%.2f bits per weight, %.1f MB instead of %.1f MB\n", r->bits_per_weight,
            (double)r->bytes * 1e-6, (double)r->source_bytes * 1e-6);
    if (r->n_fallbacks)
        ph_outf("%zu matrices in another format than the mix asks for\n", r->n_fallbacks);
    if (c->n_tokens)
        ph_outf("over %" PRIu64 " tokens, beside the source:\n"
                "  perplexity ratio     %.5f  (%.4f / %.4f)\n"
                "  KL divergence, mean  %.6f\n"
                "  KL divergence, 99%%   %.6f\n"
                "  same top token       %.2f%%\n",
                c->n_tokens, c->perplexity_ratio, c->perplexity, c->perplexity_source, c->kl_mean,
                c->kl_p99, 100 * c->same_top);
}

static phial_status quantize(const ph_args *args, ph_quantize_options *options, phial_error *err)
{
    stage s = {.name = NULL};
    ph_quantize_result result;
    options->progress = step;
    options->progress_user = &s;
    ph_interrupt_watch();
    phial_status status = ph_quantize(ph_args_positional(args, 0), ph_args_positional(args, 1),
                                      options, &result, err);
    ph_progress_end(&s.bar);
    if (status != PHIAL_OK)
        return status;
    if (ph_args_flag(args, "json"))
        return show_json(&result, err);
    show_text(&result);
    return PHIAL_OK;
}

static phial_status run(const ph_args *args, phial_error *err)
{
    ph_quant_override overrides[MAX_OVERRIDES];
    char *copies[MAX_OVERRIDES] = {NULL};
    ph_imatrix *imatrix = NULL;
    ph_quantize_options options = {
        .overrides = overrides,
        .report_text = ph_args_str(args, "report"),
        .n_threads = (int)ph_args_int(args, "threads"),
        .overwrite = ph_args_flag(args, "force"),
        .requantize = ph_args_flag(args, "requantize"),
        .allow_nonfinite = ph_args_flag(args, "allow-nonfinite"),
        .log = {.fn = say_line},
    };
    phial_status status = find_mix(ph_args_str(args, "type"), &options.mix, err);
    if (status == PHIAL_OK)
        status = parse_overrides(args, overrides, copies, &options.n_overrides, err);
    if (status == PHIAL_OK && ph_args_given(args, "imatrix"))
        status = ph_imatrix_open(&imatrix, ph_args_str(args, "imatrix"), err);
    options.imatrix = imatrix;
    if (status == PHIAL_OK)
        status = quantize(args, &options, err);
    ph_imatrix_close(imatrix);
    for (size_t i = 0; i < MAX_OVERRIDES; i++)
        ph_free(copies[i]);
    return status;
}

static const ph_opt opts[] = {
    {.name = "type",
     .kind = PH_OPT_STRING,
     .arg = "NAME",
     .help = "mix of number formats: Q4_K_M, Q8_0, ...; see below",
     .required = true},
    {.name = "tensor-type",
     .kind = PH_OPT_STRINGS,
     .arg = "PATTERN=TYPE",
     .help = "another format for the matrices whose GGUF name matches; * and ? as in a shell; may "
             "be given again, the first match counts"},
    {.name = "imatrix",
     .kind = PH_OPT_STRING,
     .arg = "FILE",
     .help = "which columns matter, from phial imatrix or llama-imatrix"},
    {.name = "report",
     .kind = PH_OPT_STRING,
     .arg = "TEXT",
     .help = "compare the result with the source on this text file, print it and keep it in the "
             "file"},
    {.name = "requantize", .kind = PH_OPT_FLAG, .help = "take a source that is quantized already"},
    {.name = "allow-nonfinite",
     .kind = PH_OPT_FLAG,
     .help = "take NaN for 0 and infinity for 65504 instead of refusing them"},
    PH_OPT_ROW_THREADS_SAME,
    {.name = "force", .kind = PH_OPT_FLAG, .help = "replace what is at DST"},
    {.name = "json", .kind = PH_OPT_FLAG, .help = "print one JSON document"},
    {0},
};

static const ph_positional positionals[] = {
    {.name = "SRC", .help = "a GGUF file, or a folder with config.json and safetensors"},
    {.name = "DST", .help = "the GGUF file to write"},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial quantize phi-2.gguf phi-2-Q4_K_M.gguf --type Q4_K_M",
     "a third of the size, nearly as good"},
    {"phial quantize phi-2/ phi-2-Q8_0.gguf --type Q8_0", "from a folder, half the size"},
    {"phial quantize phi-2.gguf phi-2-Q3_K_M.gguf --type Q3_K_M --imatrix phi-2.imatrix "
     "--report notes.txt",
     "with importance, and a report card"},
    {0},
};

const ph_cmd ph_cmd_quantize = {
    .details =
        "Mixes, from large to small: F32, F16, BF16, Q8_0, Q6_K, Q5_K_M, Q5_K_S, Q5_1, Q5_0, "
        "Q4_K_M, Q4_K_S, Q4_1, Q4_0, IQ4_NL, IQ4_XS, Q3_K_L, Q3_K_M, Q3_K_S, Q2_K. They choose "
        "for each matrix as llama-quantize does. Vectors stay F32. Where a row's length does not "
        "fit a format, the nearest that fits is taken and named on standard error.\n\n"
        "The same input gives the same bytes on any number of threads. DST appears when it is "
        "whole.",
    .opts = opts,
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
