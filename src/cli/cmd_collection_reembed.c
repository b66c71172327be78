/* phial collection reembed: all vectors anew, by the same embedder or by another. */
#include <stddef.h>

#include "cli/cli_io.h"
#include "cli/vector_opts.h"

static phial_status run(const ph_args *args, phial_error *err)
{
    phial_collection *c = NULL;
    phial_embedder *embedder = NULL;
    ph_json *json = ph_args_flag(args, "json") ? ph_json_object_new() : NULL;
    phial_status st =
        phial_collection_open(&c, ph_args_positional(args, 0), PHIAL_COLLECTION_WRITE, err);
    if (st == PHIAL_OK)
        st = ph_vectors_open_maker(&embedder, c, args, true, err);
    if (st == PHIAL_OK) {
        ph_interrupt_watch();
        st = ph_vectors_make(c, embedder, args, true, json, err);
    }
    if (st == PHIAL_OK && json) {
        st = ph_out_json(json, err);
        json = NULL;
    }
    ph_json_free(json);
    phial_embedder_close(embedder);
    phial_collection_close(c);
    return st;
}

static const ph_opt opts[] = {
    PH_OPT_ROW_EMBEDDER("; without it the one that the collection has"),
    PH_OPT_ROWS_VECTORS,
    {.name = "json", .kind = PH_OPT_FLAG, .help = "print one JSON document"},
    {0},
};

static const ph_positional positionals[] = {
    {.name = "COLLECTION", .help = "a file that phial index made"},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial collection reembed notes.phial --embedder all-MiniLM-L6-v2", "by another embedder"},
    {0},
};

const ph_cmd ph_cmd_collection_reembed = {
    .details = "Searches go on with the old vectors until all new ones are there; then these take "
               "their place. Interrupted, the command goes on where it was when it is called again "
               "in the same way.",
    .opts = opts,
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
