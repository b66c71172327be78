/* Training a tokenizer: the merges and ids of Hugging Face's trainer on a committed text
 * (tests/golden/make_bpe_merges.py), the same on any number of threads, memory that is bounded, and
 * texts that are none.
 *
 * wrap: calloc realloc aligned_alloc
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/rng.h"
#include "cli_run.h"
#include "phial/train.h"
#include "tok/bpe_train.h"
#include "tok_util.h"
#include "torture.h"

#define DATA PHIAL_SOURCE_DIR "/tests/data/bpe/"

static char folder[] = "/tmp/phial-bpe-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char line[64];
    snprintf(line, sizeof line, "rm -rf %s", folder);
    return cli_run(line)->code;
}

static void load(ph_vocab *v, const char *path)
{
    phial_error err = {0};
    ph_vocab_init(v);
    if (ph_vocab_open(v, path, &err) != PHIAL_OK)
        fail_msg("%s", err.message);
}

static void assert_same(const ph_vocab *a, const ph_vocab *b)
{
    assert_int_equal(a->n_tokens, b->n_tokens);
    assert_int_equal(a->n_merges, b->n_merges);
    for (uint32_t i = 0; i < a->n_tokens; i++) {
        if (!ph_str_eq(a->tokens[i].text, b->tokens[i].text))
            fail_msg("token %u: '%.*s' and '%.*s'", i, PH_STR_ARG(a->tokens[i].text),
                     PH_STR_ARG(b->tokens[i].text));
        assert_int_equal(a->tokens[i].type, b->tokens[i].type);
        assert_int_equal(a->tokens[i].in_model, b->tokens[i].in_model);
    }
    assert_memory_equal(a->merges, b->merges, a->n_merges * sizeof *a->merges);
}

static void train_file(const char *path, const phial_tokenizer_train_options *o)
{
    phial_error err = {0};
    phial_tokenizer_train_result r;
    if (phial_tokenizer_train(folder, &path, 1, o, &r, &err) != PHIAL_OK)
        fail_msg("%s", err.message);
    assert_int_equal(r.n_skipped, 0);
    assert_int_equal(r.n_dropped, 0);
}

static void check_golden(const char *name, phial_tokenizer_train_options *o)
{
    ph_vocab want, got;
    load(&want, name);
    for (int threads = 1; threads <= 3; threads++) {
        o->n_threads = threads;
        train_file(DATA "text.txt", o);
        load(&got, folder);
        assert_same(&want, &got);
        assert_int_equal(got.eos, 0);
        ph_vocab_free(&got);
    }
    phial_tokenizer *t = NULL;
    assert_int_equal(phial_tokenizer_open(&t, folder, NULL), PHIAL_OK);
    phial_tokenizer_close(t);
    ph_vocab_free(&want);
}

static void test_golden(void **state)
{
    (void)state;
    phial_tokenizer_train_options o;
    phial_tokenizer_train_options_default(&o);
    o.n_vocab = 700;
    check_golden(DATA "lines.json", &o);
    o.n_vocab = 5000;
    o.whole_files = true;
    check_golden(DATA "whole.json", &o);
    const phial_text specials[] = {{"<|end|>", 7}, {"an", 2}};
    o.whole_files = false;
    o.min_frequency = 5;
    o.specials = specials;
    o.n_specials = 2;
    check_golden(DATA "rare.json", &o);
}

/* vocab.json and merges.txt alone give the same tokenizer. */
static void test_three_files(void **state)
{
    (void)state;
    phial_tokenizer_train_options o;
    phial_tokenizer_train_options_default(&o);
    o.n_vocab = 500;
    train_file(DATA "text.txt", &o);
    ph_vocab a, b;
    load(&a, folder);
    char line[256];
    snprintf(line, sizeof line, "mv %s/tokenizer.json %s/away", folder, folder);
    assert_int_equal(cli_run(line)->code, 0);
    load(&b, folder);
    assert_int_equal(a.n_merges, b.n_merges);
    assert_memory_equal(a.merges, b.merges, a.n_merges * sizeof *a.merges);
    for (uint32_t i = 0; i < a.n_tokens; i++)
        assert_true(ph_str_eq(a.tokens[i].text, b.tokens[i].text));
    assert_int_equal(b.eos, 0);
    ph_vocab_free(&a);
    ph_vocab_free(&b);
}

/* Merging by counting everything anew each time. */
static void check_naive(const char *const *words, const uint64_t *counts, size_t n)
{
    enum { N = 24 };
    ph_pool *pool = NULL;
    ph_words *w = NULL;
    ph_vocab v;
    ph_vocab_init(&v);
    assert_int_equal(ph_pool_new(&pool, 1, NULL), PHIAL_OK);
    assert_int_equal(ph_words_new(&w, pool, 0, NULL), PHIAL_OK);
    for (size_t i = 0; i < n; i++) {
        for (uint64_t k = 0; k < counts[i]; k++)
            assert_int_equal(ph_words_add(w, words[i], strlen(words[i]), true, NULL), PHIAL_OK);
    }
    assert_int_equal(ph_words_finish(w, NULL), PHIAL_OK);
    const ph_bpe_train_options o = {.n_vocab = 256 + N};
    assert_int_equal(ph_bpe_train(&v, ph_words_counts(w), &o, NULL), PHIAL_OK);

    uint32_t symbols[64][64], length[64];
    for (size_t i = 0; i < n; i++) {
        length[i] = (uint32_t)strlen(words[i]);
        for (uint32_t k = 0; k < length[i]; k++)
            symbols[i][k] = ph_vocab_find(&v, (ph_str){&words[i][k], 1});
    }
    for (uint32_t m = 0; m < v.n_merges; m++) {
        uint64_t best = 0;
        uint32_t left = 0, right = 0;
        for (uint32_t a = 0; a < 256 + m; a++) {
            for (uint32_t b = 0; b < 256 + m; b++) {
                uint64_t count = 0;
                for (size_t i = 0; i < n; i++) {
                    for (uint32_t k = 0; k + 1 < length[i]; k++)
                        count += symbols[i][k] == a && symbols[i][k + 1] == b ? counts[i] : 0;
                }
                if (count > best) {
                    best = count;
                    left = a;
                    right = b;
                }
            }
        }
        assert_int_equal(v.merges[m].left, left);
        assert_int_equal(v.merges[m].right, right);
        for (size_t i = 0; i < n; i++) {
            uint32_t to = 0;
            for (uint32_t k = 0; k < length[i]; k++) {
                bool pair =
                    k + 1 < length[i] && symbols[i][k] == left && symbols[i][k + 1] == right;
                symbols[i][to++] = pair ? 256 + m : symbols[i][k];
                k += pair;
            }
            length[i] = to;
        }
    }
    assert_true(v.n_merges > 0);
    ph_vocab_free(&v);
    ph_words_free(w);
    ph_pool_free(pool);
}

static void test_naive(void **state)
{
    (void)state;
    ph_rng rng;
    for (uint64_t seed = 0; seed < 12; seed++) {
        char text[20][16];
        const char *words[20];
        uint64_t counts[20];
        ph_rng_seed(&rng, seed, 0);
        for (size_t i = 0; i < 20; i++) {
            size_t n = 2 + ph_rng_below(&rng, 12);
            for (size_t k = 0; k < n; k++)
                text[i][k] = (char)('a' + ph_rng_below(&rng, 1 + seed % 4));
            text[i][n] = 0;
            words[i] = text[i];
            counts[i] = 1 + ph_rng_below(&rng, 5);
        }
        check_naive(words, counts, 20);
    }
}

/* More different words than fit: the rarest go, the same ones on any number of threads. */
static void test_limit(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "%s/many.txt", folder);
    FILE *f = fopen(path, "wb");
    ph_rng rng;
    ph_rng_seed(&rng, 1, 1);
    for (int i = 0; i < 400000; i++)
        fprintf(f, "%s w%lx\n", i % 3 ? "common" : "word",
                (unsigned long)ph_rng_below(&rng, 1 << 30));
    fclose(f);
    ph_vocab first, v;
    for (int threads = 1; threads <= 3; threads++) {
        phial_tokenizer_train_options o;
        phial_tokenizer_train_result r;
        phial_error err = {0};
        const char *paths[] = {path};
        phial_tokenizer_train_options_default(&o);
        o.n_vocab = 300;
        o.n_threads = threads;
        o.words_bytes = 1 << 20;
        assert_int_equal(phial_tokenizer_train(folder, paths, 1, &o, &r, &err), PHIAL_OK);
        assert_true(r.n_dropped > 10000);
        assert_true(r.n_words < 100000);
        load(threads == 1 ? &first : &v, folder);
        if (threads > 1) {
            assert_same(&first, &v);
            ph_vocab_free(&v);
        }
    }
    assert_true(ph_vocab_find(&first, ph_str_from("common")) != PHIAL_TOKEN_NONE);
    ph_vocab_free(&first);
}

static void expect(const char *line, int code, const char *out, const char *message)
{
    cli_expect_in(folder, line, code, out, message);
}

static void test_bad_input(void **state)
{
    (void)state;
    expect("printf 'caf\\351 caf\\351 \\377\\376 caf\\351\\n' >bad.txt && "
           "$PHIAL train tokenizer bad.txt -o t1 --vocab 260 --json",
           0, "\"n_invalid\":5", "5 bytes of the text are no UTF-8");
    expect("$PHIAL train tokenizer bad.txt -o t2 --vocab 260 --strict", 3, "", "no UTF-8");
    expect("test ! -e t2", 0, "", "");
    expect("printf 'caf\\351' | $PHIAL tokenize -m t1 | $PHIAL detokenize -m t1 | od -An -tx1", 0,
           "63 61 66 e9", "");
    expect(
        "printf '{\"text\":\"a b\"}\\n\\n{\"text\":3}\\n{\"prompt\":\"x\",\"completion\":\"y\"}' "
        ">a.jsonl && $PHIAL train tokenizer a.jsonl -o t3 --json",
        0, "\"n_skipped\":2",
        "a.jsonl: line 2 skipped: it is empty\nphial: a.jsonl: line 3 skipped: \"text\" must be");
    expect("$PHIAL train tokenizer a.jsonl -o t4 --strict", 3, "", "a.jsonl: line 2: it is empty");
    expect(": >none.txt; $PHIAL train tokenizer none.txt -o t5", 3, "", "no text to learn from");
    expect("$PHIAL train tokenizer missing.txt -o t6", 1, "", "missing.txt");
    expect("$PHIAL train tokenizer bad.txt -o t7 --special 'a b'", 2, "", "without blanks");
    expect("$PHIAL train tokenizer bad.txt -o t8 --special xx --special xx", 2, "", "given twice");
    expect("$PHIAL train tokenizer bad.txt -o t9 --vocab 257 --special aa --special bb", 2, "",
           "need at least 258");
    expect("$PHIAL train tokenizer bad.txt -o bad.txt", 1, "", "is in the way");
    expect("$PHIAL train tokenizer a.jsonl -o t3", 2, "", "t3/tokenizer.json: is there already");
    expect("$PHIAL train tokenizer a.jsonl -o t3 --force", 0, "tokens", "");
    expect(": >none.txt; $PHIAL train tokenizer none.txt -o t5 --strict", 3, "",
           "none.txt: line 1: the file is empty");
    expect("$PHIAL help train tokenizer", 0, "Usage: phial train tokenizer -o DIR", "");
}

static bool torture_scenario(void *arg)
{
    (void)arg;
    static const char text[] = "the cat and the hat and the bat sat on the mat, aaaa aaaa 123 123";
    ph_pool *pool = NULL;
    ph_words *w = NULL;
    phial_error err = {0};
    ph_vocab v;
    ph_vocab_init(&v);
    phial_status st = ph_pool_new(&pool, 1, &err);
    if (st == PHIAL_OK)
        st = ph_words_new(&w, pool, 0, &err);
    if (st == PHIAL_OK)
        st = ph_words_add(w, text, sizeof text - 1, true, &err);
    if (st == PHIAL_OK)
        st = ph_words_finish(w, &err);
    const ph_str end = {"<end>", 5};
    const ph_bpe_train_options o = {.n_vocab = 300, .specials = &end, .n_specials = 1};
    if (st == PHIAL_OK)
        st = ph_bpe_train(&v, ph_words_counts(w), &o, &err);
    if (st != PHIAL_OK) {
        assert_int_equal(st, PHIAL_ERR_NO_MEMORY);
        assert_true(err.message[0] != 0);
    }
    ph_vocab_free(&v);
    ph_words_free(w);
    ph_pool_free(pool);
    return st == PHIAL_OK;
}

static void test_torture(void **state)
{
    (void)state;
    assert_true(torture_run(torture_scenario, NULL, 1000) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),    cmocka_unit_test(test_three_files),
        cmocka_unit_test(test_naive),     cmocka_unit_test(test_limit),
        cmocka_unit_test(test_bad_input), cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
