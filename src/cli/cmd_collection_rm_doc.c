/* phial collection rm-doc: takes documents out. */
#include <string.h>

#include "cli/args.h"
#include "cli/cli_io.h"
#include "phial/collection.h"

static phial_status run(const ph_args *args, phial_error *err)
{
    phial_collection *c = NULL;
    phial_status st =
        phial_collection_open(&c, ph_args_positional(args, 0), PHIAL_COLLECTION_WRITE, err);
    const char *name;
    for (size_t i = 1; st == PHIAL_OK && (name = ph_args_positional(args, i)) != NULL; i++)
        st = phial_collection_remove(c, (phial_text){name, strlen(name)}, err);
    phial_collection_close(c);
    return st;
}

static const ph_positional positionals[] = {
    {.name = "COLLECTION", .help = "a file that phial index made"},
    {.name = "DOCUMENT", .help = "names, as list shows them", .many = true},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial collection rm-doc old.phial notes.txt", "forget it"},
    {0},
};

const ph_cmd ph_cmd_collection_rm_doc = {
    .details = "Until their room is used again, the removed bytes can still be in the file; phial "
               "collection export writes a copy without them.",
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
