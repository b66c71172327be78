/* Vectors as a user has them: index --embedder, search, ask, reembed, export, check.
 */
#include "vectors_util.h"

#include "base/json.h"
#include "fmt/npy.h"

static ph_json *json_of(const cli_result *r)
{
    phial_error why = {0};
    ph_json *root = ph_json_parse(r->out, r->out_len, &why);
    if (!root)
        fail_msg("exit %d: %s\n%s%s", r->code, why.message, r->out, r->err);
    return root;
}

static int64_t number(const ph_json *o, const char *key)
{
    int64_t v = -1;
    assert_true(ph_json_int(ph_json_get(o, key), &v));
    return v;
}

static const cli_result *expect(int code, const char *line)
{
    const cli_result *r = cli_run_in(folder, line);
    if (r->code != code)
        fail_msg("%s: exit %d\n%s%s", line, r->code, r->out, r->err);
    return r;
}

static void make_notes(void)
{
    expect(0, "rm -f notes.phial; rm -rf bert texts; cp -r " BERT " bert; mkdir -p texts; "
              "printf 'The oil is found in the water.' >texts/oil.txt; "
              "printf 'A boy and the first light of day.' >texts/boy.txt; "
              "$PHIAL index notes.phial texts --embedder bert --pooling cls");
}

static void test_index(void **state)
{
    (void)state;
    make_notes();
    expect(0, "printf 'More people follow the word.' >texts/people.txt");
    ph_json *o = json_of(expect(0, "$PHIAL index notes.phial texts --json"));
    assert_int_equal(number(o, "indexed"), 1);
    assert_int_equal(number(o, "skipped"), 2);
    assert_int_equal(number(o, "embedded"), 1); /* the embedder is remembered */
    assert_int_equal(number(o, "split"), 0);
    assert_int_equal(number(o, "without_vector"), 0);
    ph_json_free(o);
    expect(0, "printf 'Later.' >texts/later.txt; $PHIAL index notes.phial texts --no-vectors");
    const cli_result *r = expect(0, "$PHIAL search notes.phial oil");
    assert_non_null(strstr(r->err, "1 passages have no vectors yet"));
    r = expect(0, "$PHIAL index notes.phial texts");
    assert_non_null(strstr(r->out, "1 passages embedded"));
    r = expect(2, "$PHIAL index notes.phial texts --pooling mean");
    assert_non_null(strstr(r->err, "pooling is mean, not cls"));
    r = expect(2, "$PHIAL index other.phial texts --whiten full");
    assert_non_null(strstr(r->err, "--embedder"));
    expect(2, "$PHIAL index notes.phial texts --embedder bert --no-vectors");
    r = expect(0, "$PHIAL collection check notes.phial");
    assert_non_null(strstr(r->out, "4 vectors, 0 damaged"));
    /* A text that is too long for the model is told. */
    expect(0, "for i in $(seq 30); do printf 'The time has come and people look for the light. '; "
              "done >texts/long.txt");
    r = expect(0, "$PHIAL index notes.phial texts");
    assert_non_null(strstr(r->out, "longer than 64 tokens"));
    expect(0, "rm texts/long.txt");
}

static void test_no_tokenizer(void **state)
{
    (void)state;
    make_notes();
    expect(0, "rm -rf bare; mkdir bare; cp bert/config.json bert/model.safetensors bare");
    const cli_result *r = cli_run_in(folder, "$PHIAL index t.phial texts --embedder bare");
    assert_true(r->code == 1 || r->code == 3);
    assert_non_null(strstr(r->err, "tokenizer"));
}

static void test_search(void **state)
{
    (void)state;
    static const char *const modes[] = {"",
                                        "--mode dense",
                                        "--mode dense --metric l2 --exact",
                                        "--mode dense --metric ip",
                                        "--exact",
                                        "--diversity .3",
                                        "--dense-share 1",
                                        "--filter 'doc=*o*'",
                                        "--mode lexical"};
    make_notes();
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        char line[300];
        snprintf(line, sizeof line,
                 "$PHIAL search notes.phial 'The oil is found in the water.' %s --json", modes[i]);
        ph_json *o = json_of(expect(0, line));
        const ph_json *list = ph_json_get(o, "results");
        assert_true(ph_json_count(list) >= 1);
        const ph_json *first = ph_json_at(list, 0);
        assert_int_equal(number(first, "rank"), 1);
        assert_int_equal(number(first, "end"), 30);
        assert_non_null(ph_json_get(first, "score"));
        ph_json_free(o);
    }
    expect(0, "printf '{\"_id\":\"q\",\"text\":\"oil\"}\\n' >q.jsonl; "
              "$PHIAL search notes.phial --queries q.jsonl --run r.run -k 5");
    assert_int_equal(cli_run_in(folder, "wc -l <r.run")->out[0], '2');
    const cli_result *r =
        expect(0, "$PHIAL search notes.phial 'boy light' --rerank 2 -m " PHI " -k 1 --json");
    assert_non_null(strstr(r->err, "re-ranking 2 passages: "));
    assert_non_null(strstr(r->err, " tokens to read, about "));
    ph_json *o = json_of(r);
    assert_int_equal(ph_json_count(ph_json_get(o, "results")), 1);
    ph_json_free(o);
}

static void test_embedder_gone(void **state)
{
    (void)state;
    make_notes();
    expect(0, "mv bert moved");
    const cli_result *r = expect(0, "$PHIAL search notes.phial oil");
    assert_non_null(strstr(r->err, "no longer at"));
    assert_non_null(strstr(r->err, "searching by words alone"));
    assert_non_null(strstr(r->out, "oil.txt"));
    assert_null(strchr(strchr(r->err, '\n') + 1, '\n')); /* one line */
    r = expect(2, "$PHIAL search notes.phial oil --mode dense");
    assert_non_null(strstr(r->err, "name it with --embedder"));
    expect(2, "$PHIAL search notes.phial oil --mode hybrid");
    expect(2, "$PHIAL index notes.phial texts");
    expect(0, "$PHIAL index notes.phial texts --no-vectors");
    expect(0, "$PHIAL search notes.phial oil --mode dense --embedder moved");
    expect(0, "$PHIAL index notes.phial texts --embedder moved");
    r = expect(2, "$PHIAL search notes.phial oil --embedder " PHI);
    assert_non_null(strstr(r->err, "not the embedder"));
    /* By its name, beside the collection. */
    expect(0, "mkdir -p sub; mv moved sub/bert; mv notes.phial sub");
    r = expect(0, "$PHIAL search sub/notes.phial oil --mode dense");
    assert_int_equal(r->err[0], 0);
    expect(0, "rm -r sub");
}

static void test_reembed_and_export(void **state)
{
    (void)state;
    make_notes();
    expect(0, "$PHIAL collection reembed notes.phial");
    ph_json *o = json_of(expect(0, "$PHIAL collection reembed notes.phial --embedder " PHI
                                   " --pooling last --normalize --whiten centre --json"));
    assert_true(number(o, "embedded") >= 2);
    ph_json_free(o);
    expect(0, "$PHIAL collection export notes.phial --npy v.npy --ids v.jsonl");
    expect(0, "$PHIAL collection export notes.phial copy.phial --npy w.npy --whitened");
    expect(0, "$PHIAL search copy.phial oil --mode dense");
    ph_npy v, w;
    ok(ph_npy_read(&v, in_folder("v.npy"), &err));
    ok(ph_npy_read(&w, in_folder("w.npy"), &err));
    assert_int_equal(v.cols, 32);
    double length = 0, mean = 0;
    for (size_t i = 0; i < 32; i++) {
        length += (double)v.data[i] * v.data[i];
        mean += w.data[i] + w.data[32 + i];
    }
    assert_true(length > 0.99999 && length < 1.00001);
    assert_true(v.rows > 2 || (mean > -1e-4 && mean < 1e-4));
    ph_npy_free(&v);
    ph_npy_free(&w);
    const cli_result *r = expect(2, "$PHIAL collection export notes.phial --ids v.jsonl");
    assert_non_null(strstr(r->err, "FILE"));
    expect(0, "rm -f plain.phial; $PHIAL index plain.phial texts");
    r = expect(2, "$PHIAL collection export plain.phial --npy v.npy");
    assert_non_null(strstr(r->err, "has no vectors"));
    expect(2, "$PHIAL collection reembed plain.phial");
    expect(0, "$PHIAL collection reembed plain.phial --embedder bert");
    sql("plain.phial", "UPDATE vectors SET vector=zeroblob(104) WHERE chunk=1");
    r = expect(3, "$PHIAL collection check plain.phial --json");
    o = json_of(r);
    assert_int_equal(number(o, "damaged_vectors"), 1);
    ph_json_free(o);
    assert_non_null(strstr(r->err, "reembed"));
    expect(3, "$PHIAL search plain.phial oil --mode dense");
    expect(0, "$PHIAL collection reembed plain.phial && $PHIAL collection check plain.phial");
    /* What it says of its embedder cannot be used: only another naming of it helps. */
    sql("plain.phial", "UPDATE embedder_facts SET value=x'37' WHERE name='recipe'");
    r = expect(3, "$PHIAL search plain.phial oil");
    assert_non_null(strstr(r->err, "phial collection reembed --embedder MODEL"));
    expect(3, "$PHIAL collection reembed plain.phial");
    expect(0, "$PHIAL collection reembed plain.phial --embedder bert");
    expect(0, "$PHIAL search plain.phial oil && $PHIAL collection check plain.phial");
}

/* Vectors of an earlier fast arithmetic are not mixed with today's; those of exact arithmetic are
 * what they were. */
static void test_arithmetic(void **state)
{
    (void)state;
    make_notes();
    const cli_result *r = expect(2, "$PHIAL index notes.phial texts --math fast");
    assert_non_null(strstr(r->err, "its arithmetic is fast, not exact"));
    r = expect(2, "$PHIAL index other.phial texts --math fast");
    assert_non_null(strstr(r->err, "--embedder"));
    expect(0, "rm -f fast.phial; $PHIAL index fast.phial texts --embedder bert --math fast");
    expect(0, "$PHIAL search fast.phial oil --mode dense");
    sql("fast.phial", "UPDATE embedders SET hash=x'00112233445566778899aabbccddeeff';"
                      "UPDATE embedder_facts SET value=x'31' WHERE name='fast'");
    r = expect(2, "$PHIAL search fast.phial oil --mode dense");
    assert_non_null(strstr(r->err, "another version of fast arithmetic (1, now it is 2)"));
    assert_non_null(strstr(r->err, "phial collection reembed"));
    r = expect(0, "$PHIAL search fast.phial oil"); /* by words */
    assert_non_null(strstr(r->err, "another version of fast arithmetic"));
    expect(2, "printf 'More.' >texts/more.txt; $PHIAL index fast.phial texts");
    /* By the same embedder, from where it was, in the same arithmetic as it is now. */
    expect(0, "$PHIAL collection reembed fast.phial");
    r = expect(0, "$PHIAL search fast.phial oil --mode dense");
    assert_int_equal(r->err[0], 0);
    r = expect(2, "$PHIAL index fast.phial texts --math exact");
    assert_non_null(strstr(r->err, "its arithmetic is exact, not fast"));
    expect(0, "$PHIAL collection reembed fast.phial --math exact");
    expect(0, "$PHIAL index fast.phial texts --math exact; rm texts/more.txt");
    /* Other weights where the old ones were. */
    expect(0, "cp " PHI "/model.safetensors " PHI "/*.json bert/; rm bert/vocab.txt");
    r = expect(2, "$PHIAL search fast.phial oil --mode dense");
    assert_non_null(strstr(r->err, "reembed makes them anew"));
    expect(0, "$PHIAL collection reembed fast.phial --math exact");
    expect(0, "$PHIAL search fast.phial oil --mode dense");
}

static void test_ask(void **state)
{
    (void)state;
    make_notes();
    const cli_result *r =
        expect(0, "$PHIAL ask notes.phial -m " PHI " -n 4 'What is the first of day?' --json");
    assert_int_equal(r->err[0], 0);
    ph_json *o = json_of(r);
    /* By words only one has anything to do with it; by vectors all do. */
    assert_true(ph_json_count(ph_json_get(o, "passages")) >= 2);
    ph_json_free(o);
    o = json_of(expect(0, "$PHIAL ask notes.phial -m " PHI
                          " -n 4 'What is the first of day?' --mode lexical --json"));
    assert_int_equal(ph_json_count(ph_json_get(o, "passages")), 1);
    ph_json_free(o);
    expect(0, "mv bert gone");
    r = expect(0, "$PHIAL ask notes.phial -m " PHI " -n 4 'What is the first of day?'");
    assert_non_null(strstr(r->err, "searching by words alone"));
    expect(0, "rm -r gone");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index),
        cmocka_unit_test(test_no_tokenizer),
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_embedder_gone),
        cmocka_unit_test(test_reembed_and_export),
        cmocka_unit_test(test_arithmetic),
        cmocka_unit_test(test_ask),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
