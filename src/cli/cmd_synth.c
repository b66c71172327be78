/* phial synth: a random model of a real one's shape. */
#include "cli/args.h"
#include "cli/cli_io.h"
#include "cli/engine_opts.h"
#include "model/synth.h"

static const char *const shapes[] = {"phi-2", "phi-1.5", "phi-1", "small", "tiny", NULL};
static const char *const types[] = {"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_K", "Q6_K", NULL};
static const ph_dtype dtypes[] = {PH_DTYPE_F32,  PH_DTYPE_F16,  PH_DTYPE_BF16, PH_DTYPE_Q8_0,
                                  PH_DTYPE_Q4_0, PH_DTYPE_Q4_K, PH_DTYPE_Q6_K};

static bool step(void *user, uint64_t done, uint64_t total)
{
    ph_progress_step(user, done, total);
    return !ph_interrupted();
}

static phial_status run(const ph_args *args, phial_error *err)
{
    ph_progress progress;
    ph_synth_options options = {
        .like = ph_args_str(args, "like"),
        .type = dtypes[ph_args_choice(args, "type")],
        .seed = ph_args_u64(args, "seed"),
        .n_threads = (int)ph_args_int(args, "threads"),
        .overwrite = ph_args_flag(args, "force"),
        .progress = step,
        .progress_user = &progress,
    };
    ph_progress_start(&progress, "writing");
    ph_interrupt_watch();
    phial_status status = ph_synth(ph_args_positional(args, 0), &options, err);
    ph_progress_end(&progress);
    return status;
}

static const ph_opt opts[] = {
    {.name = "like",
     .kind = PH_OPT_CHOICE,
     .arg = "MODEL",
     .choices = shapes,
     .help = "whose shape",
     .required = true},
    {.name = "type",
     .kind = PH_OPT_CHOICE,
     .arg = "TYPE",
     .choices = types,
     .fallback = "F16",
     .help = "number format of the matrices"},
    {.name = "seed",
     .kind = PH_OPT_U64,
     .arg = "N",
     .fallback = "1",
     .help = "another number gives other weights"},
    PH_OPT_ROW_THREADS_SAME,
    {.name = "force", .kind = PH_OPT_FLAG, .help = "replace what is at DST"},
    {0},
};

static const ph_positional positionals[] = {
    {.name = "DST", .help = "the GGUF file to write"},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial synth --like phi-2 --type F16 random.gguf", "5.6 GB, to measure speed without weights"},
    {"phial synth --like tiny --type Q8_0 --seed 7 tiny.gguf", "for a test"},
    {0},
};

const ph_cmd ph_cmd_synth = {
    .details = "Weights are random, around 0 with a deviation of 0.02; there is no tokenizer. The "
               "same shape, type and seed give the same bytes.",
    .opts = opts,
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
