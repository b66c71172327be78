/* The command-line parser and the tables of the commands.
 * wrap: calloc realloc aligned_alloc
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/str.h"
#include "cli/args.h"
#include "cli/cli_io.h"
#include "cli/usage.h"
#include "torture.h"

static const char *const maths[] = {"exact", "fast", NULL};

static const ph_opt opts[] = {
    {.name = "model",
     .letter = 'm',
     .kind = PH_OPT_STRING,
     .arg = "MODEL",
     .help = "the model",
     .env = "PHIAL_TEST_MODEL",
     .required = true},
    {.name = "all", .letter = 'a', .kind = PH_OPT_FLAG, .help = "everything"},
    {.name = "json", .letter = 'j', .kind = PH_OPT_FLAG, .help = "one JSON document"},
    {.name = "stop", .kind = PH_OPT_STRINGS, .arg = "STR", .help = "stop there"},
    {.name = "threads",
     .letter = 't',
     .kind = PH_OPT_INT,
     .arg = "N",
     .help = "threads",
     .fallback = "4",
     .min_int = 1,
     .max_int = 512},
    {.name = "offset", .kind = PH_OPT_INT, .arg = "N", .help = "any number"},
    {.name = "step",
     .kind = PH_OPT_INT,
     .arg = "N",
     .help = "step",
     .min_int = 1,
     .max_int = INT64_MAX},
    {.name = "seed", .kind = PH_OPT_U64, .arg = "N", .help = "seed"},
    {.name = "temp", .kind = PH_OPT_DOUBLE, .arg = "T", .help = "temperature", .max_double = 2},
    {.name = "math",
     .kind = PH_OPT_CHOICE,
     .arg = "MODE",
     .help = "arithmetic",
     .fallback = "exact",
     .choices = maths},
    {.name = "ids", .kind = PH_OPT_LIST, .arg = "LIST", .help = "token ids", .max_int = INT32_MAX},
    {0},
};

static const ph_positional positionals[] = {
    {.name = "SRC", .help = "what to read"},
    {.name = "REST", .help = "the rest", .optional = true, .many = true},
    {0},
};

static const ph_cmd cmd = {.opts = opts, .positionals = positionals};
static const ph_cmd_row row = {"probe", "Probe the parser", &cmd};

/* Splits a line at blanks ("_" stands for an empty word) and parses it. */
static phial_status parse(ph_args *args, const char *line, phial_error *err)
{
    static char text[1024];
    static char *argv[64];
    int argc = 0;
    snprintf(text, sizeof text, "%s", line);
    for (char *p = text; *p;) {
        argv[argc++] = p;
        p += strcspn(p, " ");
        if (*p)
            *p++ = 0;
        if (strcmp(argv[argc - 1], "_") == 0)
            argv[argc - 1][0] = 0;
    }
    return ph_args_parse(args, &row, argc, argv, err);
}

static void test_all_kinds(void **state)
{
    (void)state;
    ph_args args;
    size_t n;
    phial_error err = {0};
    assert_int_equal(parse(&args,
                           "-m a.gguf src --stop x -t8 --stop=y=z --seed 18446744073709551615 one "
                           "--temp=0.5 --math fast --ids 1,2,30 --offset -7 -aj - -- --two",
                           &err),
                     PHIAL_OK);
    assert_string_equal(ph_args_str(&args, "model"), "a.gguf");
    assert_true(ph_args_flag(&args, "all") && ph_args_flag(&args, "json"));
    assert_string_equal(ph_args_nth(&args, "stop", 0), "x");
    assert_string_equal(ph_args_nth(&args, "stop", 1), "y=z");
    assert_null(ph_args_nth(&args, "stop", 2));
    assert_int_equal(ph_args_int(&args, "threads"), 8);
    assert_true(ph_args_given(&args, "threads"));
    assert_true(ph_args_int(&args, "offset") == -7);
    assert_true(ph_args_u64(&args, "seed") == UINT64_MAX);
    assert_true(ph_args_double(&args, "temp") == 0.5);
    assert_int_equal(ph_args_choice(&args, "math"), 1);
    const int64_t *ids = ph_args_list(&args, "ids", &n);
    assert_int_equal(n, 3);
    assert_true(ids[0] == 1 && ids[1] == 2 && ids[2] == 30);
    assert_int_equal(args.n_positionals, 4);
    assert_string_equal(ph_args_positional(&args, 0), "src");
    assert_string_equal(ph_args_positional(&args, 1), "one");
    assert_string_equal(ph_args_positional(&args, 2), "-");
    assert_string_equal(ph_args_positional(&args, 3), "--two");
    assert_null(ph_args_positional(&args, 4));
    ph_args_free(&args);
    ph_args_free(&args);
}

static void test_defaults(void **state)
{
    (void)state;
    ph_args args;
    size_t n;
    phial_error err = {0};
    assert_int_equal(parse(&args, "-m a s", &err), PHIAL_OK);
    assert_int_equal(ph_args_int(&args, "threads"), 4);
    assert_false(ph_args_given(&args, "threads"));
    assert_true(ph_args_has(&args, "threads"));
    assert_string_equal(ph_args_str(&args, "math"), "exact");
    assert_false(ph_args_has(&args, "temp") || ph_args_flag(&args, "all"));
    assert_true(ph_args_double(&args, "temp") == 0 && ph_args_u64(&args, "seed") == 0);
    assert_null(ph_args_list(&args, "ids", &n));
    assert_int_equal(n, 0);
    ph_args_free(&args);
    setenv("PHIAL_TEST_MODEL", "from-env", 1);
    assert_int_equal(parse(&args, "s", &err), PHIAL_OK);
    assert_string_equal(ph_args_str(&args, "model"), "from-env");
    assert_false(ph_args_given(&args, "model"));
    ph_args_free(&args);
    assert_int_equal(parse(&args, "s -m given", &err), PHIAL_OK);
    assert_string_equal(ph_args_str(&args, "model"), "given");
    ph_args_free(&args);
    assert_int_equal(parse(&args, "s --math FAST", &err), PHIAL_OK); /* any case will do */
    assert_int_equal(ph_args_choice(&args, "math"), 1);
    assert_string_equal(ph_args_str(&args, "math"), "fast");
    ph_args_free(&args);
    unsetenv("PHIAL_TEST_MODEL");
}

static void test_help_wins(void **state)
{
    (void)state;
    static const char *const lines[] = {"--help", "-h", "-ah", "x --help --nonsense", "-m a -h"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        ph_args args;
        assert_int_equal(parse(&args, lines[i], NULL), PHIAL_OK);
        assert_true(args.help);
        ph_args_free(&args);
    }
}

static void test_errors(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"s", "missing option -m, --model MODEL (the model); or set the environment variable "
              "PHIAL_TEST_MODEL"},
        {"-m a", "missing argument SRC (what to read)"},
        {"-m a s --thread 2", "unknown option --thread; did you mean --threads?"},
        {"-m a s --jsno", "unknown option --jsno; did you mean --json?"},
        {"-m a s --nonsense",
         "unknown option --nonsense; 'phial probe --help' lists what there is"},
        {"-m a s -x", "unknown option -x; 'phial probe --help' lists what there is"},
        {"-m a s --threads 0",
         "option --threads: '0' will not do, it takes a whole number from 1 to 512"},
        {"-m a s --threads 2x",
         "option --threads: '2x' will not do, it takes a whole number from 1 to 512"},
        {"-m a s --threads _",
         "option --threads: '' will not do, it takes a whole number from 1 to 512"},
        {"-m a s --threads", "option --threads needs a value N: a whole number from 1 to 512"},
        {"-m a s -t", "option --threads needs a value N: a whole number from 1 to 512"},
        {"-m a s --offset 1.5", "option --offset: '1.5' will not do, it takes a whole number"},
        {"-m a s --seed -1", "option --seed: '-1' will not do, it takes a whole number from 0 to "
                             "18446744073709551615"},
        {"-m a s --temp nan", "option --temp: 'nan' will not do, it takes a number from 0 to 2"},
        {"-m a s --temp inf", "option --temp: 'inf' will not do, it takes a number from 0 to 2"},
        {"-m a s --temp 2.01", "option --temp: '2.01' will not do, it takes a number from 0 to 2"},
        {"-m a s --math slow", "option --math: 'slow' will not do, it takes exact or fast"},
        {"-m a s --ids 1,,2",
         "option --ids: '' will not do, it takes whole numbers separated by commas, each from 0 "
         "to 2147483647"},
        {"-m a s --ids 1,-2",
         "option --ids: '-2' will not do, it takes whole numbers separated by commas, each from "
         "0 to 2147483647"},
        {"-m a s --step 0",
         "option --step: '0' will not do, it takes a whole number of at least 1"},
        {"-m a s --step 9223372036854775808",
         "option --step: '9223372036854775808' will not do, it takes a whole number up to "
         "9223372036854775807"},
        {"-m a s -m b", "option --model is given twice"},
        {"-m a s -aa", "option --all is given twice"},
        {"-m a s --all=yes", "option --all takes no value"},
        {"-m a s --math \x1b[0m", "option --math: '\\x1b[0m' will not do, it takes exact or fast"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ph_args args;
        phial_error err = {0};
        assert_int_equal(parse(&args, cases[i][0], &err), PHIAL_ERR_ARGUMENT);
        assert_string_equal(err.message, cases[i][1]);
        ph_args_free(&args);
    }
    setenv("PHIAL_TEST_MODEL", "", 1); /* empty is not set */
    ph_args args;
    assert_int_equal(parse(&args, "s", NULL), PHIAL_ERR_ARGUMENT);
    unsetenv("PHIAL_TEST_MODEL");
}

static void test_too_many_positionals(void **state)
{
    (void)state;
    static const ph_positional one[] = {{.name = "FILE", .help = "f"}, {0}};
    static const ph_cmd one_cmd = {.positionals = one};
    static const ph_cmd_row one_row = {"one", "One", &one_cmd};
    char a[] = "a", b[] = "b";
    char *argv[] = {a, b};
    ph_args args;
    phial_error err = {0};
    assert_int_equal(ph_args_parse(&args, &one_row, 2, argv, &err), PHIAL_ERR_ARGUMENT);
    assert_string_equal(err.message, "unexpected argument 'b'");
    assert_int_equal(ph_args_parse(&args, &one_row, 1, argv, &err), PHIAL_OK);
    ph_args_free(&args);
}

static bool parse_once(void *arg)
{
    (void)arg;
    ph_args args;
    phial_error err = {0};
    phial_status st = parse(&args, "-m a s --ids 1,2", &err);
    assert_true(st == PHIAL_OK || st == PHIAL_ERR_NO_MEMORY);
    ph_args_free(&args);
    return st == PHIAL_OK;
}

static void test_failing_allocations(void **state)
{
    (void)state;
    assert_in_range(torture_run(parse_once, NULL, 50), 2, 10);
}

static void test_exit_codes(void **state)
{
    (void)state;
    assert_int_equal(ph_exit_code(PHIAL_OK), 0);
    assert_int_equal(ph_exit_code(PHIAL_ERR_IO), 1);
    assert_int_equal(ph_exit_code(PHIAL_ERR_ARGUMENT), 2);
    assert_int_equal(ph_exit_code(PHIAL_ERR_BAD_INPUT), 3);
    assert_int_equal(ph_exit_code(PHIAL_ERR_UNSUPPORTED), 3);
    assert_int_equal(ph_exit_code(PHIAL_ERR_NO_MEMORY), 4);
    assert_int_equal(ph_exit_code(PHIAL_ERR_CONTEXT_FULL), 4);
    assert_int_equal(ph_exit_code(PHIAL_ERR_CANCELLED), 130);
}

static void test_usage(void **state)
{
    (void)state;
    ph_buf text;
    ph_buf_init(&text, 0);
    ph_usage_line(&text, &row);
    assert_string_equal(text.data, "phial probe -m MODEL [options] SRC [REST...]");
    ph_buf_clear(&text);
    ph_usage_command(&text, &row);
    assert_non_null(strstr(text.data, "  -t, --threads N         threads: a whole number from 1 to "
                                      "512 (default: 4)\n"));
    assert_non_null(strstr(text.data, "      --stop STR          stop there (may be given again)"));
    assert_non_null(strstr(text.data, "arithmetic: exact or fast (default: exact)"));
    assert_non_null(strstr(text.data, "(or PHIAL_TEST_MODEL in the environment)"));
    for (const char *p = text.data; *p; p += strcspn(p, "\n") + 1)
        assert_true(strcspn(p, "\n") <= 80);
    ph_buf_free(&text);
}

static void check_opts(const ph_cmd_row *r)
{
    for (const ph_opt *opt = r->cmd->opts; opt && opt->name; opt++) {
        assert_non_null(opt->help);
        assert_true((opt->kind == PH_OPT_FLAG) == (opt->arg == NULL));
        assert_true((opt->kind == PH_OPT_CHOICE) == (opt->choices != NULL));
        assert_true(opt->min_int <= opt->max_int && opt->min_double <= opt->max_double);
        assert_true(strcmp(opt->name, "help") != 0 && opt->letter != 'h');
        assert_false(opt->required && opt->fallback);
        for (const ph_opt *other = opt + 1; other->name; other++) {
            assert_string_not_equal(opt->name, other->name);
            assert_true(!opt->letter || opt->letter != other->letter);
        }
    }
    bool optional = false;
    for (const ph_positional *pos = r->cmd->positionals; pos && pos->name; pos++) {
        assert_non_null(pos->help);
        assert_false(optional && !pos->optional);
        assert_false(pos->many && pos[1].name);
        optional = pos->optional;
    }
}

/* Gives every mandatory thing the value "1"; what else fails is a default. */
static void check_defaults(const ph_cmd_row *r)
{
    char word[8][64], *argv[8];
    int argc = 0;
    for (const ph_opt *opt = r->cmd->opts; opt && opt->name; opt++) {
        if (opt->required && argc < 8) {
            snprintf(word[argc], sizeof word[argc], "--%s=%s", opt->name,
                     opt->kind == PH_OPT_CHOICE ? opt->choices[0] : "1");
            argv[argc] = word[argc];
            argc++;
        }
    }
    for (const ph_positional *pos = r->cmd->positionals; pos && pos->name && argc < 8; pos++) {
        snprintf(word[argc], sizeof word[argc], "1");
        argv[argc] = word[argc];
        argc++;
    }
    ph_args args;
    phial_error err = {0};
    if (ph_args_parse(&args, r, argc, argv, &err) != PHIAL_OK)
        fail_msg("%s: %s", r->name, err.message);
    ph_args_free(&args);
}

/* Every real command: its tables are consistent, its defaults parse, its help fits. */
static void test_every_command(void **state)
{
    (void)state;
    assert_true(ph_cmd_count() >= 2);
    for (size_t i = 0; i < ph_cmd_count(); i++) {
        const ph_cmd_row *r = ph_cmd_at(i);
        assert_non_null(r->cmd->run);
        assert_ptr_equal(ph_cmd_find(r->name), r);
        check_opts(r);
        check_defaults(r);
        assert_non_null(r->cmd->examples);
        char word[80];
        snprintf(word, sizeof word, "phial %s", r->name);
        for (const ph_cmd_example *ex = r->cmd->examples; ex->line; ex++) {
            assert_non_null(strstr(ex->line, word));
            assert_non_null(ex->what);
        }
        ph_buf text;
        ph_buf_init(&text, 0);
        ph_usage_command(&text, r);
        assert_int_equal(ph_buf_status(&text, NULL), PHIAL_OK);
        ph_buf_free(&text);
    }
    assert_null(ph_cmd_at(ph_cmd_count()));
    assert_null(ph_cmd_find("nonsense"));
    assert_string_equal(ph_cmd_nearest("verzion")->name, "version");
    assert_null(ph_cmd_nearest("zzzzzzzz"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_kinds),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_help_wins),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_too_many_positionals),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_every_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
