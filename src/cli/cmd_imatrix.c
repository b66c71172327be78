/* phial imatrix: how strongly each column of each matrix is used by a text. */
#include <inttypes.h>

#include "cli/args.h"
#include "cli/cli_io.h"
#include "cli/engine_opts.h"
#include "quant/imatrix.h"

static bool step(void *user, uint64_t done, uint64_t total)
{
    ph_progress_step(user, done, total);
    return !ph_interrupted();
}

static phial_status run(const ph_args *args, phial_error *err)
{
    ph_progress progress;
    uint64_t n_chunks;
    ph_imatrix_options options = {
        .model = ph_args_str(args, "model"),
        .text = ph_args_positional(args, 0),
        .n_ctx = (uint32_t)ph_args_int(args, "ctx"),
        .max_chunks = (uint64_t)ph_args_int(args, "chunks"),
        .n_threads = (int)ph_args_int(args, "threads"),
        .overwrite = ph_args_flag(args, "force"),
        .progress = step,
        .progress_user = &progress,
    };
    ph_progress_start(&progress, "collecting");
    ph_interrupt_watch();
    phial_status status = ph_imatrix_collect(ph_args_positional(args, 1), &options, &n_chunks, err);
    ph_progress_end(&progress);
    if (status == PHIAL_OK)
        ph_say("%" PRIu64 " chunks", n_chunks);
    return status;
}

static const ph_opt opts[] = {
    PH_OPT_ROW_MODEL,
    {.name = "ctx",
     .kind = PH_OPT_INT,
     .arg = "N",
     .min_int = 1,
     .max_int = 1 << 17,
     .help = "tokens of a chunk; otherwise 512"},
    {.name = "chunks",
     .kind = PH_OPT_INT,
     .arg = "N",
     .min_int = 1,
     .max_int = 1 << 30,
     .help = "read at most so many chunks; otherwise the whole text"},
    PH_OPT_ROW_THREADS,
    {.name = "force", .kind = PH_OPT_FLAG, .help = "replace what is at DST"},
    {0},
};

static const ph_positional positionals[] = {
    {.name = "TEXT", .help = "a file of text like what the model will be used for"},
    {.name = "DST", .help = "the file to write"},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial imatrix -m phi-2.gguf notes.txt phi-2.imatrix",
     "then: phial quantize --imatrix phi-2.imatrix ..."},
    {0},
};

const ph_cmd ph_cmd_imatrix = {
    .details = "For each matrix, the mean square of what each of its columns is multiplied with. "
               "quantize then spends its accuracy where it counts. The file is GGUF in llama.cpp's "
               "layout; either program reads the other's. Best of the model as it was "
               "before it was quantized.",
    .opts = opts,
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
