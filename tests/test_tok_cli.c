/* phial tokenize and phial detokenize, as scripts call them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "cli_run.h"

#define TINY   PHIAL_SOURCE_DIR "/tests/data/tiny-phi"
#define ON     " -m " TINY " "
#define SAMPLE "printf 'The  cat\\r\\n\\t\\t\\t  \\0\\377\\303 \\360\\237\\220\\274 x<|endoftext|>'"

static void plain_and_json_agree(void **state)
{
    (void)state;
    char plain[1024];
    const cli_result *r = cli_run(SAMPLE " | $PHIAL tokenize" ON);
    assert_int_equal(r->code, 0);
    assert_string_equal(r->err, "");
    assert_true(r->out_len > 1 && r->out_len < sizeof plain && r->out[r->out_len - 1] == '\n');
    memcpy(plain, r->out, r->out_len + 1);

    r = cli_run(SAMPLE " | $PHIAL tokenize --json" ON);
    assert_int_equal(r->code, 0);
    ph_json *root = ph_json_parse(r->out, r->out_len, NULL);
    const ph_json *ids = ph_json_get(root, "ids");
    const ph_json *offsets = ph_json_get(root, "offsets");
    char again[1024];
    size_t n = 0;
    int64_t at = 0;
    assert_true(ph_json_count(ids) > 5 && ph_json_count(ids) == ph_json_count(offsets));
    for (size_t i = 0; i < ph_json_count(ids); i++) {
        int64_t id, begin, end;
        assert_true(ph_json_int(ph_json_at(ids, i), &id));
        assert_true(ph_json_int(ph_json_at(ph_json_at(offsets, i), 0), &begin));
        assert_true(ph_json_int(ph_json_at(ph_json_at(offsets, i), 1), &end));
        assert_true(begin == at && end > begin);
        at = end;
        n += (size_t)snprintf(again + n, sizeof again - n, "%s%lld", i ? " " : "", (long long)id);
    }
    assert_int_equal(at, 38);
    snprintf(again + n, sizeof again - n, "\n");
    assert_string_equal(again, plain);
    ph_json_free(root);
}

static void bytes_come_back(void **state)
{
    (void)state;
    const cli_result *r =
        cli_run(SAMPLE " | $PHIAL tokenize" ON "| $PHIAL detokenize" ON "| od -An -c > "
                       "$PHIAL.od; " SAMPLE " | od -An -c | cmp - $PHIAL.od && rm $PHIAL.od");
    assert_int_equal(r->code, 0);
    r = cli_run("$PHIAL detokenize" ON "$($PHIAL tokenize" ON "'a b')");
    assert_int_equal(r->code, 0);
    assert_string_equal(r->out, "a b");
    r = cli_run("$PHIAL detokenize" ON "$($PHIAL tokenize" ON "'a b' | tr ' ' ',')");
    assert_string_equal(r->out, "a b");
    r = cli_run("$PHIAL detokenize" ON "1000000");
    assert_int_equal(r->code, 0);
    assert_int_equal(r->out_len, 0);
}

static void empty_text(void **state)
{
    (void)state;
    const cli_result *r = cli_run("$PHIAL tokenize" ON "''");
    assert_int_equal(r->code, 0);
    assert_string_equal(r->out, "\n");
    r = cli_run("$PHIAL tokenize --json" ON "</dev/null");
    assert_string_equal(r->out, "{\"ids\":[],\"offsets\":[]}\n");
    r = cli_run("$PHIAL detokenize" ON "</dev/null");
    assert_int_equal(r->code, 0);
    assert_int_equal(r->out_len, 0);
}

static void special_tokens(void **state)
{
    (void)state;
    const cli_result *r = cli_run("$PHIAL tokenize" ON "'<|endoftext|>' | wc -w");
    assert_string_equal(r->out, "1\n");
    r = cli_run("$PHIAL tokenize --no-special" ON "'<|endoftext|>' | wc -w");
    assert_string_not_equal(r->out, "1\n");
    r = cli_run("$PHIAL tokenize --no-special" ON "'<|endoftext|>' | $PHIAL detokenize" ON);
    assert_string_equal(r->out, "<|endoftext|>");
}

static void failures(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int code;
        const char *word;
    } cases[] = {
        {CLI_WITHOUT_NANO("tokenize x"), 2, "model"},
        {"$PHIAL tokenize" ON "a b", 2, "b"},
        {"$PHIAL detokenize" ON "12 x", 3, "'x' is no token id"},
        {"$PHIAL detokenize" ON "-- -1", 3, "'-1' is no token id"},
        {"$PHIAL detokenize" ON "4294967296", 3, "4294967296"},
        {"$PHIAL tokenize -m /no/such x", 1, "/no/such: "},
        {"$PHIAL tokenize -m " PHIAL_SOURCE_DIR "/LICENSE x", 3, "LICENSE: "},
        {"$PHIAL tokenize -m " PHIAL_SOURCE_DIR "/src x", 3, "neither tokenizer.json"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const cli_result *r = cli_run(cases[i].line);
        if (r->code != cases[i].code || !strstr(r->err, cases[i].word) || r->out_len > 0)
            fail_msg("%s: code %d, '%s'", cases[i].line, r->code, r->err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_and_json_agree),
        cmocka_unit_test(bytes_come_back),
        cmocka_unit_test(empty_text),
        cmocka_unit_test(special_tokens),
        cmocka_unit_test(failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
