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
    const cli_result *r = cli_run(line);
    if (r->code != code || !strstr(r->out, in_out) || !strstr(r->err, in_err))
        fail_msg("%s: exit %d\n--- out:\n%s--- err:\n%s", line, r->code, r->out, r->err);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_usage_errors),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_failing_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
