/* `phial ask` and `phial eval squad2` as a user runs them, with the small model of the repository.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "cli_run.h"

#define TINY PHIAL_SOURCE_DIR "/tests/data/tiny-phi"
#define ASK  "$PHIAL ask $D/a.phial -m " TINY " -n 4 "

static char folder[] = "/tmp/phial-ask-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    setenv("D", folder, 1);
    const cli_result *r =
        cli_run("printf '{\"_id\":\"fox\",\"text\":\"Ann saw a red fox in May.\"}\\n"
                "{\"_id\":\"hat\",\"text\":\"Ben had a red hat.\"}\\n' >$D/a.jsonl && "
                "printf '{\"data\":[{\"title\":\"Pier\",\"paragraphs\":[{\"context\":"
                "\"The pier opened in 1905.\",\"qas\":[{\"id\":\"a\",\"question\":\"When did the "
                "pier open?\",\"is_impossible\":false,\"answers\":[{\"text\":\"1905\","
                "\"answer_start\":19}]},{\"id\":\"b\",\"question\":\"Who built it?\","
                "\"is_impossible\":true,\"answers\":[]}]}]}]}' >$D/squad.json && "
                "$PHIAL index $D/a.phial --jsonl $D/a.jsonl");
    if (r->code != 0)
        print_error("%s", r->err);
    return r->code;
}

static int remove_folder(void **state)
{
    (void)state;
    return cli_run("rm -r $D")->code;
}

static ph_json *json_of(const cli_result *r)
{
    phial_error err = {0};
    ph_json *root = ph_json_parse(r->out, r->out_len, &err);
    if (!root)
        fail_msg("exit %d: %s\n%s%s", r->code, err.message, r->out, r->err);
    return root;
}

static void test_json(void **state)
{
    (void)state;
    static const char *const keys[] = {"answer",   "abstained", "sentences",
                                       "passages", "dropped",   "timings"};
    const cli_result *r = cli_run(ASK "'Who saw a red fox?' --json");
    assert_int_equal(r->code, 0);
    ph_json *root = json_of(r);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        assert_non_null(ph_json_get(root, keys[i]));
    const ph_json *passages = ph_json_get(root, "passages");
    assert_int_equal(ph_json_count(passages), 2);
    ph_str doc, text;
    int64_t start, end;
    const ph_json *first = ph_json_at(passages, 0);
    assert_true(ph_json_str(ph_json_get(first, "doc"), &doc) && ph_str_eq_c(doc, "fox"));
    assert_true(ph_json_str(ph_json_get(first, "text"), &text));
    assert_true(ph_json_int(ph_json_get(first, "start"), &start) &&
                ph_json_int(ph_json_get(first, "end"), &end));
    assert_int_equal(end - start, text.n);
    ph_json_free(root);
    /* One document for each question of a pipe. */
    r = cli_run("printf 'Who saw a red fox?\\nAnd when?\\n' | " ASK "--json | wc -l");
    assert_string_equal(r->out, "2\n");
}

static void test_not_found(void **state)
{
    (void)state;
    const cli_result *r = cli_run(ASK "'Who painted the Mona Lisa in Florence?'");
    assert_int_equal(r->code, 0);
    assert_non_null(strstr(r->out, "Not found in these documents."));
    r = cli_run(ASK "'Who saw a red fox?' --filter 'doc=h*' --max-not-told 0");
    assert_non_null(strstr(r->out, "Nearest:\n  hat p. 1 \"Ben had a red hat.\""));
    assert_null(strstr(r->out, "Ann"));
    r = cli_run(ASK "'Who saw a red fox?' --max-not-told 1 --min-support 1 -v --ignore-eos "
                    "--stop 'none of this'");
    assert_non_null(strstr(r->out, "Not found in these documents."));
    assert_non_null(strstr(r->err, "unsupported; the model wrote: "));
}

static void test_usage(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int code;
    } cases[] = {
        {"PHIAL_MODEL= $PHIAL ask", 2},
        {"$PHIAL ask $D/none.phial -m " TINY " 'Who?'", 1},
        {"$PHIAL ask $D/a.jsonl -m " TINY " 'Who?'", 3},
        {ASK "''", 2},
        {ASK "' ' </dev/null", 2},
        {ASK "'Who?' --filter fox", 2},
        {ASK "'Who?' --min-support 2", 2},
        {ASK "'Who?' --preset none-such", 2},
        {ASK "-k 100 'Who?'", 2},
        {ASK "'Who saw a red fox?' --ctx 40", 4},
        {"$PHIAL eval squad2 $D/a.jsonl --answers marked", 3},
        {"$PHIAL eval squad2 $D/squad.json --answers marked --passage retrieved", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const cli_result *r = cli_run(cases[i].line);
        if (r->code != cases[i].code || r->err[0] == 0)
            fail_msg("%s: exit %d, %s", cases[i].line, r->code, r->err);
    }
}

static void test_eval(void **state)
{
    (void)state;
    const cli_result *r = cli_run("$PHIAL eval squad2 $D/squad.json --answers marked --json "
                                  "--items $D/items.jsonl && wc -l <$D/items.jsonl >$D/n");
    assert_int_equal(r->code, 0);
    ph_json *root = json_of(r);
    const ph_json *all = ph_json_get(root, "open");
    double v;
    assert_true(ph_json_f64(ph_json_get(all, "em_answerable"), &v) && v == 100);
    assert_true(ph_json_f64(ph_json_get(all, "citation_recall"), &v) && v == 100);
    ph_json_free(root);
    assert_string_equal(cli_run("cat $D/n")->out, "2\n");
    static const char *const how[] = {"given", "retrieved"};
    for (size_t i = 0; i < 2; i++) {
        char line[512];
        snprintf(line, sizeof line,
                 "$PHIAL eval squad2 $D/squad.json -m " TINY " --tokens 2 --json --passage %s",
                 how[i]);
        r = cli_run(line);
        if (r->code != 0)
            fail_msg("%s: exit %d, %s", line, r->code, r->err);
        root = json_of(r);
        int64_t n;
        assert_true(ph_json_int(ph_json_get(ph_json_get(root, "open"), "n"), &n) && n == 2);
        ph_json_free(root);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_not_found),
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_eval),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
