/* SQuAD v2: the file, the official comparison of answers, and what `phial eval squad2` makes of
 * them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "cli/squad_run.h"
#include "rag/squad.h"
#include "testdata.h"

static const char small[] =
    "{\"version\":\"v2.0\",\"data\":[{\"title\":\"Caf\xC3\xA9s\",\"paragraphs\":[{\"context\":"
    "\"The caf\xC3\xA9 by the pier opened in 1905. It closed in 1968.\",\"qas\":["
    "{\"id\":\"a\",\"question\":\"When did it open?\",\"is_impossible\":false,\"answers\":["
    "{\"text\":\"1905\",\"answer_start\":31},{\"text\":\"in 1905\",\"answer_start\":28}]},"
    "{\"id\":\"b\",\"question\":\"Who owned it?\",\"is_impossible\":true,\"answers\":[],"
    "\"plausible_answers\":[{\"text\":\"1968\",\"answer_start\":50}]}]}]}]}";

static void test_parse(void **state)
{
    (void)state;
    ph_squad s;
    phial_error err = {0};
    if (ph_squad_parse(&s, small, sizeof small - 1, &err) != PHIAL_OK)
        fail_msg("%s", err.message);
    assert_int_equal(s.n_articles, 1);
    assert_int_equal(s.n_paragraphs, 1);
    assert_int_equal(s.n_items, 2);
    assert_int_equal(s.items[0].n_answers, 2);
    assert_memory_equal(s.paragraphs[0].context.p + s.items[0].answers[0].start, "1905", 4);
    assert_true(s.items[1].impossible && s.items[1].n_answers == 1);
    ph_squad_free(&s);
}

static void test_parse_errors(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "[]",
        "{\"data\":[]}",
        "{\"data\":[{\"title\":1}]}",
        "{\"data\":[{\"title\":\"t\",\"paragraphs\":[{\"qas\":[{}]}]}]}",
        "{\"data\":[{\"title\":\"t\",\"paragraphs\":[{\"context\":\"c\",\"qas\":[{\"id\":\"i\","
        "\"question\":\"q\",\"is_impossible\":false,\"answers\":[]}]}]}]}",
        "{\"data\":[{\"title\":\"t\",\"paragraphs\":[{\"context\":\"c\",\"qas\":[{\"id\":\"i\","
        "\"question\":\"q\",\"answers\":[{\"text\":\"x\",\"answer_start\":0}]}]}]}]}",
        "{\"data\":[{\"title\":\"t\",\"paragraphs\":[{\"context\":\"c\",\"qas\":[{\"id\":\"i\","
        "\"question\":\"q\",\"answers\":[{\"text\":\"c\",\"answer_start\":-1}]}]}]}]}",
        "{\"data\":[{\"title\":\"t\",\"paragraphs\":[{\"context\":\"c\",\"qas\":[{\"id\":\"i\","
        "\"question\":\"q\",\"answers\":[{\"text\":\"c\",\"answer_start\":9}]}]}]}]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ph_squad s;
        phial_error err = {0};
        assert_int_equal(ph_squad_parse(&s, bad[i], strlen(bad[i]), &err), PHIAL_ERR_BAD_INPUT);
        assert_true(err.message[0] != 0);
    }
}

static void test_normalize(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"The Beatles", "beatles"},
        {"  a  cat and an  owl ", "cat and owl"},
        {"in the 10th century.", "in 10th century"},
        {"U.S.A.", "usa"},
        {"A", ""},
        {"theory of an Ant", "theory of ant"},
        {"\"$5,000\"", "5000"},
        {"\xC3\x89mile \xC5\xA0koda", "\xC3\xA9mile \xC5\xA1koda"},
        {"1990\xE2\x80\x93the end", "1990\xE2\x80\x93 end"},
        {"a-b c_d", "ab cd"},
        {"...", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ph_buf out;
        ph_buf_init(&out, 0);
        assert_int_equal(ph_squad_normalize(&out, ph_str_from(cases[i][0]), NULL), PHIAL_OK);
        ph_buf_add(&out, "", 0);
        if (!ph_str_eq_c((ph_str){out.data ? out.data : "", out.len}, cases[i][1]))
            fail_msg("'%s': '%.*s'", cases[i][0], (int)out.len, out.data);
        ph_buf_free(&out);
    }
}

static void test_compare(void **state)
{
    (void)state;
    ph_squad s;
    assert_int_equal(ph_squad_parse(&s, small, sizeof small - 1, NULL), PHIAL_OK);
    static const struct {
        size_t item;
        const char *said;
        double exact, f1;
    } cases[] = {
        {0, "1905.", 1, 1},
        {0, "In 1905", 1, 1},
        {0, "It was 1905", 0, 0.5},
        {0, "in the year 1905", 0, 0.8},
        {0, "1968", 0, 0},
        {0, "", 0, 0},
        {1, "", 1, 1},
        {1, "1968", 0, 0},
        {0, "1905 1905", 0, 2.0 / 3},
        {1, "the", 1, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ph_squad_score score;
        assert_int_equal(
            ph_squad_compare(&score, &s.items[cases[i].item], ph_str_from(cases[i].said), NULL),
            PHIAL_OK);
        if (score.exact != cases[i].exact || score.f1 < cases[i].f1 - 1e-9 ||
            score.f1 > cases[i].f1 + 1e-9)
            fail_msg("'%s': %g %g", cases[i].said, score.exact, score.f1);
    }
    ph_squad_free(&s);
}

static bool go_on(void *user, size_t done, size_t n)
{
    (void)user;
    return done <= n;
}

/* Marked answers are supported where they stand, and not by other articles. */
static void test_marked_answers(void **state)
{
    (void)state;
    const char *path = ph_testdata("eval/squad2/dev-v2.0.json");
    if (!path) {
        print_message("skipped: no golden data (PHIAL_TEST_DATA)\n");
        skip();
    }
    ph_buf file;
    ph_squad s;
    phial_preset *preset = NULL;
    ph_buf_init(&file, 0);
    assert_int_equal(ph_file_read(&file, path, PH_SQUAD_FILE_BYTES, NULL), PHIAL_OK);
    assert_int_equal(ph_squad_parse(&s, file.data, file.len, NULL), PHIAL_OK);
    assert_int_equal(phial_preset_open(&preset, "instruct", "", NULL), PHIAL_OK);
    ph_squad_run run = {.squad = &s, .n = s.n_items, .preset = preset, .progress = go_on};
    assert_int_equal(ph_squad_run_all(&run, NULL), PHIAL_OK);
    phial_ask_options o;
    phial_ask_options_default(&o);
    ph_squad_thresholds t = {0, 1, o.min_support};
    ph_squad_figures f;
    ph_squad_figures_of(&f, &run, &t, -1);
    print_message("supported %.1f%%, citations right %.1f%%, swapped %.1f%%, swapped near %.1f%%\n",
                  100 - f.wrong_abstentions, f.citation_precision, f.swapped, f.swapped_near);
    assert_true(f.n == s.n_items && f.n_possible + f.n_impossible == f.n);
    assert_true(f.wrong_abstentions < 3 && f.citation_precision > 97 && f.citation_recall > 97);
    assert_true(f.swapped < 2 && f.swapped_near < 95);
    /* All abstained: every impossible question is right, no other. */
    t.max_not_told = -1;
    ph_squad_figures_of(&f, &run, &t, -1);
    assert_true(f.wrong_answers == 0 && f.wrong_abstentions == 100 && f.f1_possible == 0);
    /* Halves are apart and together everything. */
    ph_squad_figures half[2];
    t.max_not_told = 1;
    ph_squad_figures_of(&half[0], &run, &t, 0);
    ph_squad_figures_of(&half[1], &run, &t, 1);
    assert_true(half[0].n + half[1].n == s.n_items && half[0].n > 0 && half[1].n > 0);
    ph_squad_run_free(&run);
    phial_preset_free(preset);
    ph_squad_free(&s);
    ph_buf_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),          cmocka_unit_test(test_parse_errors),
        cmocka_unit_test(test_normalize),      cmocka_unit_test(test_compare),
        cmocka_unit_test(test_marked_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
