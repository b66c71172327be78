/* Memory that runs out: the n-th allocation fails, for n = 1, 2, 3, ... until everything passes.
 * Each time there is a status, a sentence, no leak (the sanitizers and valgrind look) and no crash.
 *
 * wrap: calloc realloc aligned_alloc
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tok_util.h"
#include "torture.h"

static char sample[5000];

static phial_status use(const phial_tokenizer *t, phial_error *err)
{
    phial_encoder *e = NULL;
    phial_decoder *d = NULL;
    const char *text;
    size_t n;
    phial_status st = phial_encoder_new(&e, t, err);
    if (st == PHIAL_OK)
        st = phial_encoder_run(e, sample, sizeof sample, PHIAL_ENCODE_SPECIAL, err);
    if (st == PHIAL_OK && !phial_encoder_offsets(e, err))
        st = PHIAL_ERR_NO_MEMORY;
    if (st == PHIAL_OK)
        st = phial_decoder_new(&d, t, 0, err);
    if (st == PHIAL_OK)
        st = phial_decoder_push(d, &text, &n, 65, err);
    phial_decoder_free(d);
    phial_encoder_free(e);
    return st;
}

static phial_status build_and_use(phial_error *err)
{
    phial_tokenizer *t = NULL;
    phial_status st = tiny_tokenizer(&t, err);
    if (st == PHIAL_OK)
        st = use(t, err);
    phial_tokenizer_close(t);
    return st;
}

static ph_buf json;

static phial_status read_and_use(phial_error *err)
{
    phial_tokenizer *t = NULL;
    phial_status st = ph_tokenizer_from_json(&t, json.data, json.len, "a.json", err);
    if (st == PHIAL_OK)
        st = use(t, err);
    phial_tokenizer_close(t);
    return st;
}

static phial_status read_files(phial_error *err)
{
    ph_vocab v;
    ph_vocab_init(&v);
    const ph_vocab_files f = {
        ph_str_from("{\"a\": 0, \"b\": 1, \"ab\": 2, \"<|endoftext|>\": 3}"),
        ph_str_from("a b\n"),
        ph_str_from("{\"  \": 6, \"<pad>\": 9}"),
        ph_str_from(
            "{\"added_tokens_decoder\": {\"5\": {\"content\": \"<x>\", \"special\": true}}}"),
        ph_str_from("{\"eos_token\": \"<|endoftext|>\", \"pad_token\": \"<pad>\"}"),
    };
    phial_status st = ph_vocab_read_files(&v, &f, "dir", err);
    if (st == PHIAL_OK)
        st = ph_vocab_read_roles(&v, f.config, f.special, "dir", err);
    ph_vocab_free(&v);
    return st;
}

typedef phial_status (*scenario)(phial_error *err);

/* Both with and without an error object. */
static bool run_scenario(void *arg)
{
    const scenario *fn = arg;
    long left = atomic_load(&torture_left);
    phial_error err = {0};
    phial_status st = (*fn)(&err);
    atomic_store(&torture_left, left);
    assert_int_equal((*fn)(NULL), st);
    if (st == PHIAL_OK)
        return true;
    assert_int_equal(st, PHIAL_ERR_NO_MEMORY);
    assert_true(err.message[0] != '\0');
    return false;
}

static void torture(scenario fn)
{
    long n = torture_run(run_scenario, &fn, 10000);
    print_message("%ld runs out of memory\n", n);
    assert_true(n > 3);
}

static void building(void **state)
{
    (void)state;
    torture(build_and_use);
}

static void reading_json(void **state)
{
    (void)state;
    torture(read_and_use);
}

static void reading_files(void **state)
{
    (void)state;
    torture(read_files);
}

/* An encoder that has grown allocates nothing for a text it has seen, nor for a shorter one; a
 * decoder never does. */
static void used_again_allocates_nothing(void **state)
{
    (void)state;
    phial_tokenizer *t = NULL;
    phial_encoder *e = NULL;
    phial_decoder *d = NULL;
    const char *text;
    size_t n;
    assert_int_equal(tiny_tokenizer(&t, NULL), PHIAL_OK);
    assert_int_equal(phial_encoder_new(&e, t, NULL), PHIAL_OK);
    assert_int_equal(phial_decoder_new(&d, t, 0, NULL), PHIAL_OK);
    assert_int_equal(phial_encoder_run(e, sample, sizeof sample, 0, NULL), PHIAL_OK);
    assert_non_null(phial_encoder_offsets(e, NULL));
    long before = atomic_load(&torture_calls);
    for (size_t len = sizeof sample; len > 0; len -= 100) {
        assert_int_equal(phial_encoder_run(e, sample, len, 0, NULL), PHIAL_OK);
        assert_non_null(phial_encoder_offsets(e, NULL));
        assert_int_equal(phial_decoder_push(d, &text, &n, (uint32_t)len % 300, NULL), PHIAL_OK);
    }
    assert_int_equal(atomic_load(&torture_calls), before);
    phial_decoder_free(d);
    phial_encoder_free(e);
    phial_tokenizer_close(t);
}

static int set_up(void **state)
{
    (void)state;
    ph_vocab v;
    for (size_t i = 0; i < sizeof sample; i++)
        sample[i] = i < 2000 ? 'a' : (char)("the 12<|end|> ab  "[i % 18]);
    ph_buf_init(&json, 0);
    assert_int_equal(tiny_vocab(&v, NULL), PHIAL_OK);
    assert_int_equal(ph_vocab_write_json(&json, &v, NULL), PHIAL_OK);
    ph_vocab_free(&v);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ph_buf_free(&json);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(building),
        cmocka_unit_test(reading_json),
        cmocka_unit_test(reading_files),
        cmocka_unit_test(used_again_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
