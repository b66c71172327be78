/* phial train: a model from examples. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/cli_io.h"
#include "cli/engine_opts.h"
#include "cli/train_view.h"
#include "phial/train.h"

static const char *const formats[] = {"auto", "text", "jsonl", NULL};
static const char *const types[] = {"F16", "BF16", "F32", NULL};
static const char *const maths[] = {"f32", "bf16", NULL};

/* Shapes of models from nothing. */
static const char *const shapes[] = {"nano", "tiny", NULL};
static const struct {
    uint32_t n_embd, n_layer, n_head, n_ff, n_rot, n_ctx;
} shape_rows[] = {{256, 6, 4, 1024, 32, 1024}, {64, 2, 4, 256, 8, 128}};

typedef struct lists {
    const char **paths, **held_out; /* owned */
    size_t n_paths, n_held_out;
} lists;

static void set_u32(const ph_args *args, const char *name, uint32_t *out)
{
    if (ph_args_has(args, name))
        *out = (uint32_t)ph_args_int(args, name);
}

static void set_u64(const ph_args *args, const char *name, uint64_t *out)
{
    if (ph_args_has(args, name))
        *out = (uint64_t)ph_args_int(args, name);
}

static void set_f64(const ph_args *args, const char *name, double *out)
{
    if (ph_args_has(args, name))
        *out = ph_args_double(args, name);
}

static void set_shape(const ph_args *args, phial_training_options *o)
{
    int shape = ph_args_choice(args, "shape");
    o->n_embd = shape_rows[shape].n_embd;
    o->n_layer = shape_rows[shape].n_layer;
    o->n_head = shape_rows[shape].n_head;
    o->n_ff = shape_rows[shape].n_ff;
    o->n_rot = shape_rows[shape].n_rot;
    if (!ph_args_has(args, "from"))
        o->n_ctx = shape_rows[shape].n_ctx;
    set_u32(args, "embd", &o->n_embd);
    set_u32(args, "layers", &o->n_layer);
    set_u32(args, "heads", &o->n_head);
    set_u32(args, "ff", &o->n_ff);
    set_u32(args, "rot", &o->n_rot);
    set_u32(args, "ctx", &o->n_ctx);
}

static void set_recipe(const ph_args *args, phial_training_options *o)
{
    set_u64(args, "steps", &o->n_steps);
    set_u64(args, "epochs", &o->n_epochs);
    o->batch_tokens = o->batch_tokens < o->n_ctx ? o->n_ctx : o->batch_tokens;
    set_u32(args, "batch-tokens", &o->batch_tokens);
    /* Of a model that is there the context may be cut short; of a new one it is a part. */
    if (o->from && !ph_args_has(args, "ctx") && o->n_ctx > o->batch_tokens)
        o->n_ctx = o->batch_tokens;
    set_u32(args, "accumulate", &o->accumulate);
    set_f64(args, "lr", &o->lr);
    o->lr_end = o->lr / 10;
    set_f64(args, "lr-end", &o->lr_end);
    set_u64(args, "warmup", &o->n_warmup);
    set_f64(args, "beta1", &o->beta1);
    set_f64(args, "beta2", &o->beta2);
    set_f64(args, "weight-decay", &o->weight_decay);
    set_f64(args, "clip", &o->clip_norm);
    set_f64(args, "held-out", &o->held_out);
    set_u64(args, "eval-every", &o->eval_every);
    set_u64(args, "eval-tokens", &o->eval_tokens);
    set_u64(args, "save-every", &o->save_every);
    set_u64(args, "patience", &o->patience);
    if (ph_args_has(args, "seed"))
        o->seed = ph_args_u64(args, "seed");
    o->bf16 = ph_args_choice(args, "math") == 1;
    o->recompute = ph_args_flag(args, "recompute");
}

/* A run goes on as it began: what would change it is refused, not passed over. */
static phial_status check_resume(const ph_args *args, phial_error *err)
{
    static const char *const free_to_choose[] = {"out", "resume", "threads", "stop-after", "json"};
    if (args->n_positionals > 0)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "--resume takes the files from the run's folder; give none");
    for (const ph_opt *opt = args->cmd->opts; opt->name; opt++) {
        bool ok = !ph_args_given(args, opt->name);
        for (size_t i = 0; i < sizeof free_to_choose / sizeof free_to_choose[0]; i++)
            ok = ok || strcmp(opt->name, free_to_choose[i]) == 0;
        if (!ok)
            return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                              "--resume takes the options from the run's folder; --%s cannot be "
                              "given",
                              opt->name);
    }
    return PHIAL_OK;
}

/* A model that is there has its shape. */
static phial_status check_from(const ph_args *args, phial_error *err)
{
    static const char *const of_shape[] = {"shape", "embd", "layers", "heads", "ff", "rot"};
    for (size_t i = 0; i < sizeof of_shape / sizeof of_shape[0]; i++) {
        if (ph_args_given(args, of_shape[i]))
            return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                              "--%s is for a model from scratch; --from has a shape already",
                              of_shape[i]);
    }
    return PHIAL_OK;
}

static phial_status set_options(const ph_args *args, phial_training_options *o, const lists *l,
                                phial_error *err)
{
    phial_training_options_default(o);
    o->dir = ph_args_str(args, "out");
    o->resume = ph_args_flag(args, "resume");
    o->overwrite = ph_args_flag(args, "force");
    o->paths = l->paths;
    o->n_paths = l->n_paths;
    o->held_out_paths = l->held_out;
    o->n_held_out_paths = l->n_held_out;
    o->from = ph_args_str(args, "from");
    o->tokenizer = ph_args_str(args, "tokenizer");
    o->preset = ph_args_str(args, "preset");
    o->format = (phial_train_format)ph_args_choice(args, "format");
    o->strict = ph_args_flag(args, "strict");
    o->parse_special = ph_args_flag(args, "parse-special");
    o->learn_prompts = ph_args_flag(args, "learn-prompts");
    o->type = (phial_train_type)ph_args_choice(args, "type");
    o->gguf = ph_args_flag(args, "gguf");
    o->n_threads = (int)ph_args_int(args, "threads");
    set_shape(args, o);
    set_recipe(args, o);
    if (o->resume)
        return check_resume(args, err);
    if (!o->resume && !o->from && !ph_args_flag(args, "from-scratch"))
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "either --from MODEL, or --from-scratch with --tokenizer");
    if (o->from && ph_args_flag(args, "from-scratch"))
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "--from and --from-scratch exclude each other");
    if (ph_args_given(args, "steps") && ph_args_given(args, "epochs"))
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "--steps and --epochs exclude each other");
    return o->from ? check_from(args, err) : PHIAL_OK;
}

/* --- what is shown --- */

static phial_status show_start(const phial_training_info *i, bool json, phial_error *err)
{
    if (!json) {
        ph_say("%.2fM weights, %.0f MB; %" PRIu64 " examples, %" PRIu64 " tokens (%" PRIu64
               " to predict); %" PRIu64 " examples held out",
               (double)i->n_weights * 1e-6, (double)i->memory_bytes * 1e-6, i->n_examples,
               i->n_tokens, i->n_targets, i->n_held_out);
        if (i->n_empty + i->n_malformed + i->n_too_long + i->n_cut + i->n_shortened > 0)
            ph_say("%" PRIu64 " lines empty, %" PRIu64 " malformed; %" PRIu64
                   " examples too long and left out, %" PRIu64 " conversations shortened, %" PRIu64
                   " texts cut into several examples",
                   i->n_empty, i->n_malformed, i->n_too_long, i->n_shortened, i->n_cut);
        ph_say(i->first_step ? "%" PRIu64 " steps, from step %" PRIu64 " on" : "%" PRIu64 " steps",
               i->n_steps, i->first_step);
        return PHIAL_OK;
    }
    ph_json *o = ph_json_object_new();
    ph_json_set(o, "event", ph_json_str_new(ph_str_from("start")));
    const struct {
        const char *key;
        uint64_t value;
    } facts[] = {{"n_weights", i->n_weights},     {"memory_bytes", i->memory_bytes},
                 {"n_steps", i->n_steps},         {"first_step", i->first_step},
                 {"n_examples", i->n_examples},   {"n_tokens", i->n_tokens},
                 {"n_targets", i->n_targets},     {"n_held_out", i->n_held_out},
                 {"n_empty", i->n_empty},         {"n_malformed", i->n_malformed},
                 {"n_too_long", i->n_too_long},   {"n_cut", i->n_cut},
                 {"n_shortened", i->n_shortened}, {"n_held_out_targets", i->n_held_out_targets}};
    for (size_t k = 0; k < sizeof facts / sizeof facts[0]; k++)
        ph_json_set(o, facts[k].key, ph_json_int_new((int64_t)facts[k].value));
    return ph_out_json(o, err);
}

static phial_status show_json(const phial_training_report *r, phial_error *err)
{
    ph_json *o = ph_json_object_new();
    ph_json_set(o, "event", ph_json_str_new(ph_str_from("step")));
    ph_json_set(o, "step", ph_json_int_new((int64_t)r->step));
    ph_json_set(o, "n_steps", ph_json_int_new((int64_t)r->n_steps));
    ph_json_set(o, "epoch", ph_json_f64_new(r->epoch));
    ph_json_set(o, "n_tokens", ph_json_int_new((int64_t)r->n_tokens));
    ph_json_set(o, "loss", ph_json_f64_new(r->loss));
    ph_json_set(o, "lr", ph_json_f64_new(r->lr));
    ph_json_set(o, "grad_norm", ph_json_f64_new(r->grad_norm));
    ph_json_set(o, "tok_s", ph_json_f64_new(r->tok_s));
    if (r->has_held_out) {
        ph_json_set(o, "held_out_loss", ph_json_f64_new(r->held_out_loss));
        ph_json_set(o, "best_step", ph_json_int_new((int64_t)r->best_step));
    }
    ph_json_set(o, "saved", ph_json_bool_new(r->saved));
    phial_status st = ph_out_json(o, err);
    ph_out_flush();
    return st;
}

static void add_time(char *out, size_t room, double seconds)
{
    uint64_t s = seconds >= 0 && seconds < 1e9 ? (uint64_t)(seconds + 0.5) : 0;
    if (s >= 3600)
        snprintf(out, room, "%" PRIu64 ":%02u:%02u", s / 3600, (unsigned)(s / 60 % 60),
                 (unsigned)(s % 60));
    else
        snprintf(out, room, "%u:%02u", (unsigned)(s / 60), (unsigned)(s % 60));
}

typedef struct view {
    bool json, bar;
    uint64_t shown_ns;
} view;

static void show_bar(view *v, const phial_training_report *r)
{
    enum { CELLS = 24 };
    uint64_t now = ph_clock_ns();
    char left[32], cells[CELLS + 1];
    if (!v->bar || (now - v->shown_ns < 200000000u && r->end == PHIAL_TRAINING_GOES_ON))
        return;
    v->shown_ns = now;
    for (size_t i = 0; i < CELLS; i++)
        cells[i] = i < r->step * CELLS / r->n_steps ? '#' : '-';
    cells[CELLS] = 0;
    add_time(left, sizeof left, r->left_s);
    fprintf(stderr, "\r[%s] %" PRIu64 "/%" PRIu64 "  loss %.4f  %.0f tokens/s  %s left\033[K",
            cells, r->step, r->n_steps, r->loss, r->tok_s, left);
    fflush(stderr);
}

static phial_status show_step(view *v, const phial_training_report *r, phial_error *err)
{
    if (v->json)
        return show_json(r, err);
    show_bar(v, r);
    if (r->has_held_out) {
        if (v->bar)
            fputs("\r\033[K", stderr);
        ph_say("step %" PRIu64 ", epoch %.2f: loss %.4f, held out %.4f%s, %.0f tokens/s", r->step,
               r->epoch, r->loss, r->held_out_loss, r->best_step == r->step ? " (best)" : "",
               r->tok_s);
    }
    return PHIAL_OK;
}

static phial_status show_end(const phial_training_report *r, const char *dir, bool json,
                             phial_error *err)
{
    bool looked = !isnan(r->best_loss);
    if (json) {
        ph_json *o = ph_json_object_new();
        ph_json_set(o, "event", ph_json_str_new(ph_str_from("end")));
        ph_json_set(o, "reason",
                    ph_json_str_new(ph_str_from(
                        r->end == PHIAL_TRAINING_NO_BETTER ? "no_better" : "steps_done")));
        ph_json_set(o, "step", ph_json_int_new((int64_t)r->step));
        ph_json_set(o, "best_loss", ph_json_f64_new(looked ? r->best_loss : (double)NAN));
        ph_json_set(o, "best_step", ph_json_int_new((int64_t)r->best_step));
        return ph_out_json(o, err);
    }
    if (r->end == PHIAL_TRAINING_NO_BETTER)
        ph_say("stopped early: no improvement since step %" PRIu64, r->best_step);
    ph_outf("%s/model", dir);
    if (looked)
        ph_outf(": held-out loss %.4f, from step %" PRIu64, r->best_loss, r->best_step);
    ph_out_str("\n");
    return PHIAL_OK;
}

/* --- the run --- */

static phial_status interrupted(phial_training *t, const char *dir, phial_error *err)
{
    phial_status st = phial_training_save(t, err);
    if (st != PHIAL_OK)
        return st;
    return ph_err_set(err, PHIAL_ERR_CANCELLED,
                      "stopped and saved; go on with: phial train --resume -o %s", dir);
}

static phial_status steps(phial_training *t, const phial_training_info *info, const ph_args *args,
                          phial_error *err)
{
    const char *dir = ph_args_str(args, "out");
    bool json = ph_args_flag(args, "json"), stopped = false;
    uint64_t stop_after =
        ph_args_has(args, "stop-after") ? (uint64_t)ph_args_int(args, "stop-after") : UINT64_MAX;
    view v = {.json = json, .bar = !json && isatty(STDERR_FILENO)};
    phial_training_report r = {
        .size = sizeof r,
        .step = info->first_step,
        .best_loss = info->best_loss,
        .best_step = info->best_step,
    };
    phial_status st = show_start(info, json, err);
    bool more = !info->ended;
    while (st == PHIAL_OK && more && !stopped) {
        st = phial_training_step(t, &r, err);
        more = r.end == PHIAL_TRAINING_GOES_ON;
        if (st == PHIAL_OK)
            st = show_step(&v, &r, err);
        if (st == PHIAL_OK && more && ph_interrupted())
            st = interrupted(t, dir, err);
        stopped = st == PHIAL_OK && more && r.step >= stop_after;
    }
    if (v.bar)
        fputs("\r\033[K", stderr);
    if (stopped) {
        ph_say("step %" PRIu64 " is done; go on with: phial train --resume -o %s", r.step, dir);
        return phial_training_save(t, err);
    }
    if (st == PHIAL_OK)
        st = phial_training_finish(t, err);
    return st == PHIAL_OK ? show_end(&r, dir, json, err) : st;
}

static phial_status train(const ph_args *args, const lists *l, phial_error *err)
{
    phial_training_options o;
    phial_training *t = NULL;
    ph_train_stage stage = {.name = NULL};
    phial_training_info info = {.size = sizeof info};
    phial_status st = set_options(args, &o, l, err);
    o.progress = ph_train_stage_step;
    o.progress_user = &stage;
    o.log = ph_train_say;
    ph_interrupt_watch();
    if (st == PHIAL_OK)
        st = phial_training_open(&t, &o, err);
    ph_progress_end(&stage.bar);
    if (st == PHIAL_OK)
        st = phial_training_get_info(t, &info, err);
    if (st == PHIAL_OK)
        st = steps(t, &info, args, err);
    phial_training_close(t);
    return st;
}

static phial_status run(const ph_args *args, phial_error *err)
{
    lists l = {.n_paths = args->n_positionals};
    while (ph_args_nth(args, "held-out-file", l.n_held_out))
        l.n_held_out++;
    l.paths = ph_alloc(l.n_paths, sizeof *l.paths, err);
    l.held_out = l.paths ? ph_alloc(l.n_held_out, sizeof *l.held_out, err) : NULL;
    phial_status st = l.held_out ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < l.n_paths && st == PHIAL_OK; i++)
        l.paths[i] = ph_args_positional(args, i);
    for (size_t i = 0; i < l.n_held_out && st == PHIAL_OK; i++)
        l.held_out[i] = ph_args_nth(args, "held-out-file", i);
    if (st == PHIAL_OK)
        st = train(args, &l, err);
    ph_free(l.paths);
    ph_free(l.held_out);
    return st;
}

#define WHOLE(option, metavar, low, high, text)                                                    \
    {                                                                                              \
        .name = option, .kind = PH_OPT_INT, .arg = metavar, .min_int = low, .max_int = high,       \
        .help = text                                                                               \
    }
#define REAL(option, metavar, high, text)                                                          \
    {                                                                                              \
        .name = option, .kind = PH_OPT_DOUBLE, .arg = metavar, .max_double = high, .help = text    \
    }

static const ph_opt opts[] = {
    {.name = "out",
     .letter = 'o',
     .kind = PH_OPT_STRING,
     .arg = "DIR",
     .help = "folder of the run",
     .required = true},
    {.name = "resume",
     .kind = PH_OPT_FLAG,
     .help = "go on with the run in DIR, with the files and options it began with"},
    {.name = "force", .kind = PH_OPT_FLAG, .help = "begin anew although there is a run in DIR"},
    {.name = "from", .kind = PH_OPT_STRING, .arg = "MODEL", .help = "begin with a model"},
    {.name = "from-scratch", .kind = PH_OPT_FLAG, .help = "begin with random weights"},
    {.name = "shape",
     .kind = PH_OPT_CHOICE,
     .arg = "NAME",
     .choices = shapes,
     .fallback = "nano",
     .help = "of a model from scratch; the next five change it"},
    WHOLE("embd", "N", 1, 1 << 20, "width"),
    WHOLE("layers", "N", 1, 1024, "layers"),
    WHOLE("heads", "N", 1, 1024, "attention heads"),
    WHOLE("ff", "N", 1, 1 << 20, "width of the feed-forward layers"),
    WHOLE("rot", "N", 2, 1 << 20, "rotated dimensions of each head"),
    WHOLE("ctx", "N", 2, 1 << 17,
          "context: the longest example (1024; tiny: 128; at most the model's)"),
    {.name = "tokenizer",
     .kind = PH_OPT_STRING,
     .arg = "DIR",
     .help = "folder or file of the tokenizer; otherwise the one of --from"},
    {.name = "preset",
     .kind = PH_OPT_STRING,
     .arg = "NAME",
     .fallback = "instruct",
     .help = "how messages are written down: instruct, chat, ... (docs/PRESETS.md)"},
    {.name = "format",
     .kind = PH_OPT_CHOICE,
     .arg = "KIND",
     .choices = formats,
     .fallback = "auto",
     .help = "of the files; auto goes by their names"},
    {.name = "strict",
     .kind = PH_OPT_FLAG,
     .help = "refuse bad lines and examples that are longer than the context, instead of skipping "
             "and counting them"},
    {.name = "parse-special",
     .kind = PH_OPT_FLAG,
     .help = "special tokens in the texts are meant; <|endoftext|> ends an example"},
    {.name = "learn-prompts",
     .kind = PH_OPT_FLAG,
     .help = "learn prompts and questions too, not only completions and answers"},
    {.name = "held-out-file",
     .kind = PH_OPT_STRINGS,
     .arg = "FILE",
     .help = "examples that are only looked at, instead of a part of FILEs"},
    REAL("held-out", "PART", 0.5, "part of the examples that is only looked at (0.02)"),
    WHOLE("steps", "N", 1, INT64_MAX, "steps of the optimizer, instead of epochs"),
    WHOLE("stop-after", "N", 1, INT64_MAX,
          "save and leave after this step, for --resume; the rate falls as if all were taken"),
    WHOLE("epochs", "N", 1, 1 << 20, "how often all examples are seen (1)"),
    WHOLE("batch-tokens", "N", 2, 1 << 20, "tokens that are computed together (4096)"),
    WHOLE("accumulate", "N", 1, 1 << 20, "batches in a step (1)"),
    REAL("lr", "RATE", 1e30, "highest learning rate (0.001)"),
    REAL("lr-end", "RATE", 1e30, "learning rate at the end of the cosine (a tenth of --lr)"),
    WHOLE("warmup", "N", 0, INT64_MAX,
          "steps in which the learning rate rises (a 20th of all, at most 500)"),
    REAL("beta1", "B", 0.999999, "of AdamW (0.9)"),
    REAL("beta2", "B", 0.999999, "of AdamW (0.95)"),
    REAL("weight-decay", "W", 10, "of AdamW, on matrices (0.1)"),
    REAL("clip", "NORM", 1e9, "largest norm of a gradient; 0: any (1)"),
    WHOLE("eval-every", "N", 1, INT64_MAX,
          "steps between two looks at the held-out examples (a 20th of all)"),
    WHOLE("eval-tokens", "N", 0, INT64_MAX,
          "tokens of the held-out examples that are looked at; 0: all (65536)"),
    WHOLE("save-every", "N", 1, INT64_MAX, "steps between two checkpoints (as --eval-every)"),
    WHOLE("patience", "N", 0, INT64_MAX,
          "looks without improvement before the run ends early; 0: never (0)"),
    {.name = "seed",
     .kind = PH_OPT_U64,
     .arg = "N",
     .fallback = "1",
     .help = "of the weights and of the order of examples"},
    {.name = "math",
     .kind = PH_OPT_CHOICE,
     .arg = "KIND",
     .choices = maths,
     .fallback = "f32",
     .help = "bf16: the operands of products with weights are rounded; faster on CPUs with "
             "AVX512_BF16"},
    {.name = "recompute",
     .kind = PH_OPT_FLAG,
     .help = "compute activations again in the backward pass: less memory, more time, the same "
             "bits"},
    {.name = "type",
     .kind = PH_OPT_CHOICE,
     .arg = "TYPE",
     .choices = types,
     .fallback = "F16",
     .help = "number format of the model that is written"},
    {.name = "gguf", .kind = PH_OPT_FLAG, .help = "write DIR/model.gguf too, at the end"},
    PH_OPT_ROW_THREADS_SAME,
    {.name = "json", .kind = PH_OPT_FLAG, .help = "print one JSON object a line, for each step"},
    {0},
};

static const ph_positional positionals[] = {
    {.name = "FILE",
     .help = "text, or JSONL with \"text\", \"prompt\" and \"completion\", or \"messages\"; none "
             "with --resume",
     .optional = true,
     .many = true},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial train notes.txt talks.jsonl --from-scratch --shape tiny --tokenizer words --steps 4 "
     "-o run1",
     "a tiny model from nothing"},
    {"phial train talks.jsonl --from run1/model --steps 2 --lr 1e-4 --held-out 0 -o run2 --gguf",
     "go on with that model on other examples"},
    {"phial train --resume -o run1", "go on with a run that was stopped or killed"},
    {0},
};

const ph_cmd ph_cmd_train = {
    .details =
        "DIR holds run.json (the options), state.safetensors (the last checkpoint), log.csv and "
        "loss.svg, and model/: the best model so far, for phial generate -m DIR/model.\n\n"
        "Each example is seen on its own, packed with others into batches without padding. Of a "
        "completion and of the assistant's messages the answer is learnt and the prompt is not; "
        "both end with the end-of-text token. A text that is longer than the context is cut into "
        "several examples; a completion that is longer is left out and counted.\n\n"
        "Ctrl-C ends after the step and saves. After that, and after a crash, --resume goes on "
        "from the last checkpoint with the same bits as if nothing had happened, on any number of "
        "threads. docs/TRAINING.md tells more.",
    .opts = opts,
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
