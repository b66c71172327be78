/* phial help [COMMAND] */
#include "cli/args.h"
#include "cli/cli_io.h"
#include "cli/usage.h"

static phial_status run(const ph_args *args, phial_error *err)
{
    const char *name = ph_args_positional(args, 0);
    const char *second = ph_args_positional(args, 1);
    const ph_cmd_row *row = name ? ph_cmd_find_pair(name, second) : NULL;
    if (name && second && !row)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "there is no command '%s %s'", name, second);
    if (name && !row)
        row = ph_cmd_find(name);
    bool family = name && !row && ph_cmd_is_family(name);
    if (name && !row && !family) {
        const ph_cmd_row *near = ph_cmd_nearest(name);
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "unknown command '%s'%s%s%s", name,
                          near ? "; did you mean '" : "", near ? near->name : "",
                          near ? "'?" : "; 'phial help' lists what there is");
    }
    ph_buf text;
    ph_buf_init(&text, 0);
    if (row)
        ph_usage_command(&text, row);
    else if (family)
        ph_usage_family(&text, name);
    else
        ph_usage_overview(&text);
    phial_status st = ph_buf_status(&text, err);
    if (st == PHIAL_OK)
        ph_out_bytes(text.data, text.len);
    ph_buf_free(&text);
    return st;
}

static const ph_positional positionals[] = {
    {.name = "COMMAND",
     .help = "the command to explain; without it, all are listed",
     .optional = true},
    {.name = "WORD", .help = "its second word, if it has two", .optional = true},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial help version", "explain the command 'version'"},
    {0},
};

const ph_cmd ph_cmd_help = {
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
