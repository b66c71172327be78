/* rag/retrieval_metrics against trec_eval's own results (tests/golden/make_trec_eval.py). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/file.h"
#include "rag/retrieval_metrics.h"

static ph_buf read_data(const char *name)
{
    char path[1000];
    phial_error err = {0};
    ph_buf b;
    ph_buf_init(&b, 0);
    snprintf(path, sizeof path, "%s/tests/data/trec/%s", PHIAL_SOURCE_DIR, name);
    if (ph_file_read(&b, path, 1u << 24, &err) != PHIAL_OK)
        fail_msg("%s", err.message);
    return b;
}

typedef struct comparison {
    const char *expected; /* the rest of the file */
    int n;
} comparison;

static void compare(void *user, ph_str query, const ph_retrieval_scores *s)
{
    comparison *c = user;
    char name[32];
    double v[5];
    int used = 0;
    assert_int_equal(sscanf(c->expected, "%31s %lf %lf %lf %lf %lf%n", name, &v[0], &v[1], &v[2],
                            &v[3], &v[4], &used),
                     6);
    c->expected += used;
    c->n++;
    assert_true(ph_str_eq_c(query, name));
    const double ours[] = {s->ndcg_10, s->recall_10, s->recall_100, s->mrr, s->map};
    for (int i = 0; i < 5; i++) {
        if (fabs(ours[i] - v[i]) > 5e-9)
            fail_msg("%s, number %d: %.9f, trec_eval says %.9f", name, i, ours[i], v[i]);
    }
}

static void test_trec_eval(void **state)
{
    (void)state;
    phial_error err = {0};
    ph_retrieval_result r;
    ph_buf run = read_data("run"), qrels = read_data("qrels"), expected = read_data("expected");
    comparison c = {.expected = expected.data};
    assert_int_equal(ph_retrieval_evaluate((ph_str){run.data, run.len}, "run",
                                           (ph_str){qrels.data, qrels.len}, "qrels", false, compare,
                                           &c, &r, &err),
                     PHIAL_OK);
    assert_int_equal(r.n_queries, c.n);
    assert_int_equal(c.n, 18);
    assert_int_equal(r.n_unjudged, 3);
    assert_int_equal(r.n_absent, 3);
    double mean = r.mean.map;
    assert_int_equal(ph_retrieval_evaluate((ph_str){run.data, run.len}, "run",
                                           (ph_str){qrels.data, qrels.len}, "qrels", true, NULL,
                                           NULL, &r, &err),
                     PHIAL_OK);
    assert_true(fabs(r.mean.map * 21 - mean * 18) < 1e-9);
    ph_buf_free(&run);
    ph_buf_free(&qrels);
    ph_buf_free(&expected);
}

static phial_status evaluate(const char *run, const char *qrels)
{
    phial_error err = {0};
    ph_retrieval_result r;
    return ph_retrieval_evaluate(ph_str_from(run), "run", ph_str_from(qrels), "qrels", false, NULL,
                                 NULL, &r, &err);
}

static void test_malformed(void **state)
{
    (void)state;
    const char *run = "1 Q0 a 1 2.5 x\n", *qrels = "1 0 a 1\n";
    assert_int_equal(evaluate(run, qrels), PHIAL_OK);
    assert_int_equal(evaluate("", ""), PHIAL_OK);
    assert_int_equal(evaluate(run, "query-id\tcorpus-id\tscore\n1\ta\t1\n"), PHIAL_OK);
    assert_int_equal(evaluate("1 Q0 a 1 2.5\n", qrels), PHIAL_ERR_BAD_INPUT);
    assert_int_equal(evaluate("1 Q0 a 1 nan x\n", qrels), PHIAL_ERR_BAD_INPUT);
    assert_int_equal(evaluate(run, "1 0 a much\n"), PHIAL_ERR_BAD_INPUT);
    assert_int_equal(evaluate(run, "1\ta\t1\nquery-id\tcorpus-id\tscore\n"), PHIAL_ERR_BAD_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trec_eval),
        cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
