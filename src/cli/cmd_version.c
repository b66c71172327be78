/* phial version: what was built from what, and what of this CPU it uses. */
#include <string.h>

#include "cli/args.h"
#include "cli/build_info.h"
#include "cli/cli_io.h"
#include "kern/kern.h"

/* The instruction sets whose kernels are in use, weakest first: a stronger one fills in over the
 * weaker ones below it. The scalar reference is no feature. */
static size_t features_in_use(const ph_kern *kern, const char *names[], size_t max)
{
    size_t n = 0;
    const char *isa = ph_kern_isa(0);
    for (size_t i = 0; isa && n < max && strcmp(isa, kern->isa) != 0; n++) {
        isa = ph_kern_isa(++i);
        if (isa)
            names[n] = isa;
    }
    return n;
}

static phial_status show_json(const char *const *features, size_t n, const ph_kern *kern,
                              phial_error *err)
{
    ph_json *root = ph_json_object_new();
    ph_json *list = ph_json_array_new();
    for (size_t i = 0; i < n; i++)
        ph_json_push(list, ph_json_str_new(ph_str_from(features[i])));
    ph_json_set(root, "version", ph_json_str_new(ph_str_from(PH_BUILD_VERSION)));
    ph_json_set(root, "commit", ph_json_str_new(ph_str_from(PH_BUILD_COMMIT)));
    ph_json_set(root, "compiler", ph_json_str_new(ph_str_from(PH_BUILD_COMPILER)));
    ph_json_set(root, "kernels", ph_json_str_new(ph_str_from(kern->isa)));
    ph_json_set(root, "cpu_features", list);
    return ph_out_json(root, err);
}

static phial_status run(const ph_args *args, phial_error *err)
{
    const char *features[16];
    ph_kern kern;
    phial_status st = ph_kern_init(&kern, NULL, err);
    if (st != PHIAL_OK)
        return st;
    size_t n = features_in_use(&kern, features, 16);
    if (ph_args_flag(args, "json"))
        return show_json(features, n, &kern, err);
    ph_outf("phial %s (commit %s)\ncompiler: %s\nkernels: %s\nCPU features:", PH_BUILD_VERSION,
            PH_BUILD_COMMIT, PH_BUILD_COMPILER, kern.isa);
    for (size_t i = 0; i < n; i++)
        ph_outf(" %s", features[i]);
    ph_out_str(n ? "\n" : " none\n");
    return PHIAL_OK;
}

static const ph_opt opts[] = {
    {.name = "json", .kind = PH_OPT_FLAG, .help = "print one JSON document"},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial version", "what to say in a report"},
    {"phial version --json", "the same for programs"},
    {0},
};

const ph_cmd ph_cmd_version = {
    .opts = opts,
    .examples = examples,
    .run = run,
};
