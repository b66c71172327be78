/* phial collection export: a compact copy, without what was deleted. */
#include "cli/args.h"
#include "cli/cli_io.h"
#include "phial/collection.h"

static phial_status run(const ph_args *args, phial_error *err)
{
    phial_collection *c = NULL;
    phial_status st =
        phial_collection_open(&c, ph_args_positional(args, 0), PHIAL_COLLECTION_READ, err);
    if (st == PHIAL_OK)
        st = phial_collection_export(c, ph_args_positional(args, 1), err);
    phial_collection_close(c);
    return st;
}

static const ph_positional positionals[] = {
    {.name = "COLLECTION", .help = "a file that phial index made"},
    {.name = "FILE", .help = "the copy; it must not be there yet"},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial collection export notes.phial friend.phial", "to give away"},
    {0},
};

const ph_cmd ph_cmd_collection_export = {
    .details = "The copy holds nothing of documents that were removed, which the collection itself "
               "may do until their room is used again.",
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
