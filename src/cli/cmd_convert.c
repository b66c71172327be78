/* phial convert: Hugging Face folder to GGUF file, and back. */
#include "cli/args.h"
#include "cli/cli_io.h"
#include "model/convert.h"

static const char *const types[] = {"f32", "f16", "bf16", NULL};
static const ph_dtype dtypes[] = {PH_DTYPE_F32, PH_DTYPE_F16, PH_DTYPE_BF16};

static void say_line(void *user, int level, const char *line)
{
    (void)user;
    (void)level;
    ph_say("%s", line);
}

static bool step(void *user, uint64_t done, uint64_t total)
{
    ph_progress_step(user, done, total);
    return !ph_interrupted();
}

static phial_status run(const ph_args *args, phial_error *err)
{
    ph_progress progress;
    int type = ph_args_choice(args, "type");
    ph_convert_options options = {
        .has_type = type >= 0,
        .type = type >= 0 ? dtypes[type] : PH_DTYPE_F32,
        .overwrite = ph_args_flag(args, "force"),
        .log = {.fn = say_line},
        .progress = step,
        .progress_user = &progress,
    };
    ph_progress_start(&progress, "converting");
    ph_interrupt_watch();
    phial_status status =
        ph_convert(ph_args_positional(args, 0), ph_args_positional(args, 1), &options, err);
    ph_progress_end(&progress);
    return status;
}

static const ph_opt opts[] = {
    {.name = "type",
     .kind = PH_OPT_CHOICE,
     .arg = "TYPE",
     .choices = types,
     .help = "number format of the weights; otherwise the source's"},
    {.name = "force", .kind = PH_OPT_FLAG, .help = "replace what is at DST"},
    {0},
};

static const ph_positional positionals[] = {
    {.name = "SRC", .help = "folder with config.json and safetensors, or a GGUF file"},
    {.name = "DST", .help = "the GGUF file, or the folder, to write"},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial convert phi-2/ phi-2-f16.gguf", "a folder becomes one file that llama.cpp reads too"},
    {"phial convert phi-2.gguf phi-2-again/", "and back, each tensor byte for byte"},
    {"phial convert --type f32 phi-2/ phi-2-f32.gguf", "in another number format"},
    {0},
};

const ph_cmd ph_cmd_convert = {
    .details =
        "A folder becomes a GGUF file, a GGUF file becomes a folder. Names, number formats, "
        "config.json and the tokenizer's files travel along in the GGUF file's metadata, so that "
        "without --type the way back gives every tensor as it was. What llama.cpp could not read "
        "is said on standard error.",
    .opts = opts,
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
