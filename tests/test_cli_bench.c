/* phial bench from outside: its JSON has what the contract says, and its numbers are numbers. How
 * fast the machine is, no test can know.
 * labels: slow
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "cli_run.h"

#define BENCH "$PHIAL bench -m " PHIAL_SOURCE_DIR "/tests/data/tiny-phi "

static double number(const ph_json *o, const char *key)
{
    double v = -1;
    if (!ph_json_f64(ph_json_get(o, key), &v)) {
        fail_msg("%s is no number", key);
    }
    return v;
}

static void check_result(const ph_json *r, const char *kind, int n_prompt, int n_gen, int n_seq,
                         int depth)
{
    ph_str text = {"", 0};
    assert_true(ph_json_str(ph_json_get(r, "kind"), &text));
    assert_true(ph_str_eq_c(text, kind));
    assert_int_equal(number(r, "n_prompt"), n_prompt);
    assert_int_equal(number(r, "n_gen"), n_gen);
    assert_int_equal(number(r, "n_seq"), n_seq);
    assert_int_equal(number(r, "depth"), depth);
    assert_true(number(r, "tok_s") > 0);
    assert_true(number(r, "spread") >= 0);
    assert_non_null(ph_json_get(r, "roofline_ratio"));
    assert_true(number(r, "pairs_kept") + number(r, "pairs_dropped") >= 10);
}

static void json_keeps_its_contract(void **state)
{
    (void)state;
    const cli_result *r = cli_run(BENCH "-p 16 -n 3 -b 2 -d 0,8 -r 1 --json");
    assert_int_equal(r->code, 0);
    ph_json *root = ph_json_parse(r->out, strlen(r->out), NULL);
    assert_non_null(root);
    const ph_json *results = ph_json_get(root, "results");
    assert_int_equal(ph_json_count(results), 4);
    check_result(ph_json_at(results, 0), "prefill", 16, 0, 1, 0);
    check_result(ph_json_at(results, 1), "decode", 0, 3, 2, 0);
    check_result(ph_json_at(results, 2), "prefill", 16, 0, 1, 8);
    check_result(ph_json_at(results, 3), "decode", 0, 3, 2, 8);
    assert_true(number(root, "load_ms") >= 0);
    assert_true(number(root, "peak_rss_bytes") > 1e6);
    ph_json_free(root);
}

static void table_has_a_row_for_each(void **state)
{
    (void)state;
    const cli_result *r = cli_run(BENCH "-p 8 -n 2 -r 1");
    assert_int_equal(r->code, 0);
    assert_non_null(strstr(r->out, "prefill"));
    assert_non_null(strstr(r->out, "decode"));
}

static void impossible_wishes_are_refused(void **state)
{
    (void)state;
    assert_int_equal(cli_run(BENCH "-p 0 -n 0")->code, 2);
    const cli_result *r = cli_run(BENCH "-p 8,300"); /* the context holds 256 */
    assert_int_equal(r->code, 2);
    assert_string_equal(r->out, ""); /* nothing was measured before it was told */
    assert_int_equal(cli_run(BENCH "-b 0")->code, 2);
    assert_int_equal(cli_run("$PHIAL bench -m /nonexistent -p 1")->code, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_keeps_its_contract),
        cmocka_unit_test(table_has_a_row_for_each),
        cmocka_unit_test(impossible_wishes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
