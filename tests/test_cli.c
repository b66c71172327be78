/* The program from outside: exit codes, what goes to which stream, what happens when output fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "cli_run.h"

static void expect(const char *line, int code, const char *in_out, const char *in_err)
{
    const cli_result *r = cli_expect(line, code, in_out, in_err);
    /* A usage error says nothing on standard output, success nothing on standard error. */
    if (code == 2)
        assert_string_equal(r->out, "");
    if (code == 0)
        assert_string_equal(r->err, "");
}

static void test_help(void **state)
{
    (void)state;
    expect("$PHIAL", 2, "", "Usage: phial COMMAND");
    expect("$PHIAL --help", 0, "Usage: phial COMMAND", "");
    expect("$PHIAL -h", 0, "Usage: phial COMMAND", "");
    expect("$PHIAL help", 0, "  version ", "");
    expect("$PHIAL help version", 0, "Usage: phial version [options]", "");
    expect("$PHIAL version --help", 0, "Usage: phial version [options]", "");
    expect("$PHIAL help --help", 0, "Usage: phial help [COMMAND]", "");
    expect("$PHIAL help verson", 2, "", "phial: unknown command 'verson'; did you mean 'version'?");
}

static void test_families(void **state)
{
    (void)state;
    expect("$PHIAL help collection", 0, "  list     ", "");
    expect("$PHIAL collection --help", 0, "Usage: phial collection COMMAND", "");
    expect("$PHIAL collection", 2, "", "Usage: phial collection COMMAND");
    expect("$PHIAL collection lits", 2, "", "phial: there is no command 'collection lits'");
    expect("$PHIAL eval squad2 --help", 0, "Usage: phial eval squad2", "");
    expect("$PHIAL help train", 0, "Usage: phial train ", "");
}

static void test_usage_errors(void **state)
{
    (void)state;
    expect("$PHIAL verson", 2, "", "phial: unknown command 'verson'; did you mean 'version'?");
    expect("$PHIAL nonsense", 2, "", "'phial help' lists what there is");
    expect("$PHIAL ''", 2, "", "unknown command ''");
    expect("$PHIAL --nonsense", 2, "", "unknown option '--nonsense'");
    expect("$PHIAL \"$(printf '\\033[31m')\"", 2, "", "unknown command '\\x1b[31m'");
    expect("$PHIAL version --jsn", 2, "", "phial: version: unknown option --jsn; did you mean");
    expect("$PHIAL version more", 2, "", "phial: version: unexpected argument 'more'");
}

static void test_version(void **state)
{
    (void)state;
    expect("$PHIAL --version", 0, "phial 0.", "");
    expect("$PHIAL version", 0, "compiler: ", "");
    expect("PHIAL_CPU=ref $PHIAL version", 0, "kernels: ref\nCPU features: none\n", "");
    expect("PHIAL_CPU=nonsense $PHIAL version", 2, "", "nonsense");
    const cli_result *r = cli_run("PHIAL_CPU=ref $PHIAL version --json");
    phial_error err = {0};
    ph_json *root = ph_json_parse(r->out, r->out_len, &err);
    assert_non_null(root);
    assert_true(ph_json_is_string(ph_json_get(root, "version")));
    assert_true(ph_json_is_string(ph_json_get(root, "commit")));
    assert_true(ph_json_is_string(ph_json_get(root, "compiler")));
    assert_true(ph_json_is_array(ph_json_get(root, "cpu_features")));
    ph_json_free(root);
}

static void test_failing_output(void **state)
{
    (void)state;
    expect("$PHIAL version >/dev/full", 1, "", "standard output: No space left on device");
    expect("$PHIAL version >&-", 1, "", "standard output: Bad file descriptor");
    /* A reader that has gone: exit 1, and not a word. */
    const cli_result *r = cli_run("fifo=$(mktemp -u) && mkfifo $fifo && { : <$fifo & } && "
                                  "exec 4>$fifo; wait; rm $fifo; $PHIAL version >&4");
    assert_int_equal(r->code, 1);
    assert_string_equal(r->err, "");
}

#define TINY PHIAL_SOURCE_DIR "/tests/data/tiny-phi"

/* $d: a model whose configuration holds DEL and a control character of two bytes. */
#define IN_A_STRANGE_FOLDER(command)                                                               \
    "d=$(mktemp -d) && cp " TINY "/* $d && printf '{\"model_type\":\"phi\","                       \
    "\"x\":\"\\177\\302\\233m\"}' >$d/config.json && " command "; rm -r $d"

/* script(1) gives the command a terminal of its own. What a model says is escaped there, and is
 * exact everywhere else. */
static void test_terminal(void **state)
{
    (void)state;
    expect("$PHIAL tokenize -m " TINY " \"$(printf 'a\\033b')\" | xargs $PHIAL detokenize -m " TINY,
           0, "a\033b", "");
    expect("ids=$($PHIAL tokenize -m " TINY " \"$(printf 'a\\033b\\tc')\"); "
           "script -qec \"$PHIAL detokenize -m " TINY " $ids\" /dev/null",
           0, "a\\x1bb\tc", "");
    expect(IN_A_STRANGE_FOLDER("$PHIAL inspect --json $d"), 0, "\"x\":\"\x7f\xc2\x9bm\"", "");
    expect(IN_A_STRANGE_FOLDER("script -qec \"$PHIAL inspect --json $d\" /dev/null"), 0,
           "\"x\":\"\\u007f\\u009bm\"", "");
    expect(IN_A_STRANGE_FOLDER("script -qec \"$PHIAL inspect $d\" /dev/null"), 0,
           "x = \\x7f\\xc2\\x9bm", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help),           cmocka_unit_test(test_families),
        cmocka_unit_test(test_usage_errors),   cmocka_unit_test(test_version),
        cmocka_unit_test(test_failing_output), cmocka_unit_test(test_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
