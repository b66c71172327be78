/* phial collection export: a compact copy, without what was deleted; its vectors for others. */
#include "cli/args.h"
#include "cli/cli_io.h"
#include "phial/vectors.h"

static phial_status run(const ph_args *args, phial_error *err)
{
    phial_collection *c = NULL;
    const char *copy = ph_args_positional(args, 1), *npy = ph_args_str(args, "npy"),
               *ids = ph_args_str(args, "ids");
    if (!copy && !npy)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "name a FILE for the copy, or --npy");
    if (!npy && (ids || ph_args_flag(args, "whitened")))
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "--ids and --whitened go with --npy");
    phial_status st =
        phial_collection_open(&c, ph_args_positional(args, 0), PHIAL_COLLECTION_READ, err);
    if (st == PHIAL_OK && npy)
        st = phial_collection_export_vectors(c, npy, ids, ph_args_flag(args, "whitened"), err);
    if (st == PHIAL_OK && copy)
        st = phial_collection_export(c, copy, err);
    phial_collection_close(c);
    return st;
}

static const ph_opt opts[] = {
    {.name = "npy",
     .kind = PH_OPT_STRING,
     .arg = "FILE",
     .help = "write the vectors as a NumPy array of float32, in order of the passages' numbers"},
    {.name = "ids",
     .kind = PH_OPT_STRING,
     .arg = "FILE",
     .help = "with --npy: a line {\"chunk\",\"doc\",\"page\",\"start\",\"end\"} for each"},
    {.name = "whitened",
     .kind = PH_OPT_FLAG,
     .help = "with --npy: as they are compared, centred or whitened, not as they were made"},
    {0},
};

static const ph_positional positionals[] = {
    {.name = "COLLECTION", .help = "a file that phial index made"},
    {.name = "FILE", .help = "the copy; it must not be there yet", .optional = true},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial collection export notes.phial friend.phial", "to give away"},
    {"phial index notes.phial --embedder all-MiniLM-L6-v2 && phial collection export notes.phial "
     "--npy vectors.npy --ids vectors.jsonl",
     "its vectors, for NumPy or FAISS"},
    {0},
};

const ph_cmd ph_cmd_collection_export = {
    .details = "The copy holds nothing of documents that were removed, which the collection itself "
               "may do until their room is used again.",
    .opts = opts,
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
