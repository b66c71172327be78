/* The model in the box: its shape, and that `phial` finds and uses it when none is named. How good
 * it is measures bench/bench_nano.c; here are only things that it must not lose.
 *
 * labels: slow */
#include "cli_run.h"

#include "base/json.h"

#define MODEL PHIAL_SOURCE_DIR "/models/nano/nano.gguf"

static void test_shape(void **state)
{
    (void)state;
    const cli_result *r = cli_run("$PHIAL inspect " MODEL " --json");
    assert_int_equal(r->code, 0);
    phial_error err = {0};
    ph_json *root = ph_json_parse(r->out, r->out_len, &err);
    assert_non_null(root);
    int64_t n_params = 0;
    ph_json *metadata = (ph_json *)ph_json_get(root, "metadata");
    assert_true(ph_json_int(ph_json_get(root, "n_params"), &n_params));
    assert_in_range(n_params, 5000000, 8000000);
    int64_t n_ctx = 0, width = 0;
    assert_true(ph_json_int(ph_json_get(metadata, "phi2.context_length"), &n_ctx));
    assert_true(ph_json_int(ph_json_get(metadata, "phi2.embedding_length"), &width));
    assert_int_equal(n_ctx, 1024);
    assert_int_equal(width % 256, 0);
    ph_json_free(root);
}

static size_t count_lines(const char *text)
{
    size_t n = 0;
    for (const char *line = text; *line;) {
        size_t length = strcspn(line, "\n");
        n += length > 0;
        line += length + (line[length] == '\n');
    }
    return n;
}

static void test_talks_when_none_is_named(void **state)
{
    (void)state;
    const char *line = "unset PHIAL_MODEL; $PHIAL run 'Write a haiku about winter.' --temp 0";
    const cli_result *r = cli_expect(line, 0, "", "nano, 7M parameters, a demonstration");
    if (count_lines(r->out) != 3)
        fail_msg("no haiku: %s", r->out);
}

/* Whoever typed something wrong is told that, and not which model it would have been. */
static void test_wrong_lines_name_no_model(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"unset PHIAL_MODEL; $PHIAL tokenize a b", "unexpected argument 'b'"},
        {"unset PHIAL_MODEL; $PHIAL logits --ids 1", "missing option -o"},
        {"unset PHIAL_MODEL; $PHIAL imatrix text.txt", "missing argument DST"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const cli_result *r = cli_expect(cases[i][0], 2, "", cases[i][1]);
        assert_null(strstr(r->err, "nano"));
    }
    cli_expect("$PHIAL logits --ids 1 -o x.npy --dump x.npy", 2, "", "are the same file");
}

static void test_says_which_line_is_empty(void **state)
{
    (void)state;
    cli_expect("printf 'a\\n\\n' | $PHIAL embed", 3, "",
               "standard input, from line 1 on: text 2: there are no tokens in it");
}

typedef struct question {
    const char *prompt, *answer;
} question;

static const question questions[] = {
    {"Instruct: Anna lives in Paris. She is a teacher.\\nWhere does Anna live?\\nOutput:", "Paris"},
    {"Alice: The bridge was built in 1894.\\nWhen was the bridge built?\\nBob:", "1894"},
    {"Instruct: Peter is a doctor. Maria is a farmer.\\nWhat is Maria's job?\\nOutput:", "farmer"},
    {"Alice: The box is green. The bag is red.\\nWhat colour is the box?\\nBob:", "green"},
    {"Instruct: The dog is called Bello.\\nWhat is the dog called?\\nOutput:", "Bello"},
    {"Alice: The key is under the chair.\\nWhere is the key?\\nBob:", "under the chair"},
    {"Instruct: Tom plays the piano. Lisa plays the drum.\\nWhat instrument does Lisa play?"
     "\\nOutput:",
     "drum"},
    {"Alice: Ben is twelve years old.\\nHow old is Ben?\\nBob:", "twelve"},
};

#define N_QUESTIONS (sizeof questions / sizeof questions[0])

/* Most of the easiest questions, and an end to each answer. */
static void test_reads(void **state)
{
    (void)state;
    size_t right = 0;
    for (size_t i = 0; i < N_QUESTIONS; i++) {
        char line[1024];
        snprintf(line, sizeof line,
                 "printf '%%b' \"%s\" | $PHIAL generate -m %s --temp 0 -n 40 --json",
                 questions[i].prompt, MODEL);
        const cli_result *r = cli_expect(line, 0, "\"finish_reason\":\"stop\"", "");
        right += strstr(r->out, questions[i].answer) != NULL;
    }
    if (right < N_QUESTIONS * 3 / 4)
        fail_msg("%zu of %zu right", right, N_QUESTIONS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape),
        cmocka_unit_test(test_talks_when_none_is_named),
        cmocka_unit_test(test_wrong_lines_name_no_model),
        cmocka_unit_test(test_says_which_line_is_empty),
        cmocka_unit_test(test_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
