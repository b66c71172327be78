/* phial version: what was built from what, and what of this CPU it uses. */
#include "cli/args.h"
#include "cli/build_info.h"
#include "cli/cli_io.h"

/* The instruction sets that kernels of this build can choose from, and that this CPU has. */
static size_t cpu_features(const char *names[], size_t max)
{
    size_t n = 0;
#if defined(__x86_64__) || defined(__i386__)
    __builtin_cpu_init();
#define FEATURE(name)                                                                              \
    if (n < max && __builtin_cpu_supports(name))                                                   \
    names[n++] = name
    FEATURE("avx2");
    FEATURE("fma");
    FEATURE("avx512f");
    FEATURE("avx512bw");
    FEATURE("avx512dq");
    FEATURE("avx512vl");
#undef FEATURE
#else
    (void)names;
    (void)max;
#endif
    return n;
}

static phial_status show_json(const char *const *features, size_t n, phial_error *err)
{
    ph_json *root = ph_json_object_new();
    ph_json *list = ph_json_array_new();
    for (size_t i = 0; i < n; i++)
        ph_json_push(list, ph_json_str_new(ph_str_from(features[i])));
    ph_json_set(root, "version", ph_json_str_new(ph_str_from(PH_BUILD_VERSION)));
    ph_json_set(root, "commit", ph_json_str_new(ph_str_from(PH_BUILD_COMMIT)));
    ph_json_set(root, "compiler", ph_json_str_new(ph_str_from(PH_BUILD_COMPILER)));
    ph_json_set(root, "cpu_features", list);
    return ph_out_json(root, err);
}

static phial_status run(const ph_args *args, phial_error *err)
{
    const char *features[16];
    size_t n = cpu_features(features, 16);
    if (ph_args_flag(args, "json"))
        return show_json(features, n, err);
    ph_outf("phial %s (commit %s)\ncompiler: %s\nCPU features:", PH_BUILD_VERSION, PH_BUILD_COMMIT,
            PH_BUILD_COMPILER);
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
    {"phial version --json", "the same for programs"},
    {0},
};

const ph_cmd ph_cmd_version = {
    .opts = opts,
    .examples = examples,
    .run = run,
};
