/* Loading: every malformed tokenizer file ends in one sentence that says what is wrong, and files
 * that are right give the same tokenizer after being written and read again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "testdata.h"
#include "tok_util.h"

/* The JSON text of the tiny tokenizer, and pieces of it that tests replace. */
static char *tiny_json(void)
{
    phial_error err = {0};
    ph_vocab v;
    ph_buf text;
    ph_buf_init(&text, 0);
    if (tiny_vocab(&v, &err) != PHIAL_OK || ph_vocab_write_json(&text, &v, &err) != PHIAL_OK)
        fail_msg("%s", err.message);
    ph_vocab_free(&v);
    return text.data;
}

/* Copy of text with the first `from` replaced; owned. */
static char *replaced(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    if (!at)
        fail_msg("'%s' is not in the text", from);
    ph_buf out;
    ph_buf_init(&out, 0);
    ph_buf_add(&out, text, (size_t)(at - text));
    ph_buf_add_str(&out, to);
    ph_buf_add_str(&out, at + strlen(from));
    return out.data;
}

static void refuse_json(const char *text, phial_status status, const char *word)
{
    phial_error err = {0};
    phial_tokenizer *t = NULL;
    phial_status st = ph_tokenizer_from_json(&t, text, strlen(text), "a.json", &err);
    if (st != status || t || strncmp(err.message, "a.json: ", 8) != 0 || !strstr(err.message, word))
        fail_msg("status %d, '%s'; wanted %d and '%s'", st, err.message, status, word);
    assert_int_equal(ph_tokenizer_from_json(&t, text, strlen(text), "a.json", NULL), status);
}

static void tiny_json_loads(void **state)
{
    (void)state;
    phial_error err = {0};
    char *text = tiny_json();
    phial_tokenizer *t = NULL;
    assert_int_equal(ph_tokenizer_from_json(&t, text, strlen(text), "a.json", &err), PHIAL_OK);
    assert_int_equal(phial_tokenizer_n_vocab(t), 256 + N_TINY_MERGES + 4);
    assert_int_equal(phial_tokenizer_n_text(t), 256 + N_TINY_MERGES + 3);
    assert_int_equal(phial_tokenizer_eos(t), PHIAL_TOKEN_NONE);
    phial_tokenizer_close(t);
    ph_free(text);
}

static void wrong_json(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        phial_status status;
        const char *word;
    } cases[] = {
        {"{", "[", PHIAL_ERR_BAD_INPUT, "line"},
        {"\"model\": {", "\"model\": 1, \"x\": {", PHIAL_ERR_BAD_INPUT, "\"model\""},
        {"\"model\": {", "\"x\": {", PHIAL_ERR_BAD_INPUT,
         "\"model\" must be an object, not nothing"},
        {"\"BPE\"", "\"Unigram\"", PHIAL_ERR_UNSUPPORTED, "'Unigram'"},
        {"\"BPE\"", "7", PHIAL_ERR_UNSUPPORTED, "without a type"},
        {"\"dropout\": null", "\"dropout\": 0.1", PHIAL_ERR_UNSUPPORTED, "dropout"},
        {"\"fuse_unk\"", "\"byte_fallback\": true, \"fuse_unk\"", PHIAL_ERR_UNSUPPORTED,
         "byte_fallback"},
        {"\"fuse_unk\"", "\"ignore_merges\": true, \"fuse_unk\"", PHIAL_ERR_UNSUPPORTED,
         "ignore_merges"},
        {"\"end_of_word_suffix\": \"\"", "\"end_of_word_suffix\": \"</w>\"", PHIAL_ERR_UNSUPPORTED,
         "end_of_word_suffix"},
        {"\"continuing_subword_prefix\": \"\"", "\"continuing_subword_prefix\": \"##\"",
         PHIAL_ERR_UNSUPPORTED, "continuing_subword_prefix"},
        {"\"normalizer\": null", "\"normalizer\": {\"type\": \"NFC\"}", PHIAL_ERR_UNSUPPORTED,
         "normalizer 'NFC'"},
        {"\"pre_tokenizer\": {", "\"pre_tokenizer\": null, \"x\": {", PHIAL_ERR_UNSUPPORTED,
         "pre_tokenizer"},
        {"\"pre_tokenizer\": {", "\"pre_tokenizer\": {\"type\": \"Split\"}, \"x\": {",
         PHIAL_ERR_UNSUPPORTED, "'Split'"},
        {"\"add_prefix_space\": false", "\"add_prefix_space\": true", PHIAL_ERR_UNSUPPORTED,
         "add_prefix_space"},
        {"\"add_prefix_space\": false", "\"add_prefix_space\": 0", PHIAL_ERR_BAD_INPUT,
         "add_prefix_space"},
        {"\"use_regex\": true", "\"use_regex\": false", PHIAL_ERR_UNSUPPORTED, "use_regex"},
        {"\"post_processor\": {",
         "\"post_processor\": {\"type\": \"TemplateProcessing\"}, \"x\": {", PHIAL_ERR_UNSUPPORTED,
         "'TemplateProcessing'"},
        {"\"decoder\": {", "\"decoder\": {\"type\": \"Metaspace\"}, \"x\": {",
         PHIAL_ERR_UNSUPPORTED, "'Metaspace'"},
        {"\"vocab\": {", "\"vocab\": 3, \"x\": {", PHIAL_ERR_BAD_INPUT, "model.vocab"},
        {"\"merges\": [", "\"merges\": {}, \"x\": [", PHIAL_ERR_BAD_INPUT, "model.merges"},
        {"\"merges\": [", "\"merges\": [1, ", PHIAL_ERR_BAD_INPUT, "merge 0"},
        {"\"merges\": [", "\"merges\": [[\"t\"], ", PHIAL_ERR_BAD_INPUT, "merge 0"},
        {"\"merges\": [", "\"merges\": [\"th\", ", PHIAL_ERR_BAD_INPUT, "merge 0 'th'"},
        {"\"merges\": [", "\"merges\": [\"t h e\", ", PHIAL_ERR_BAD_INPUT, "merge 0 't h e'"},
        {"\"merges\": [", "\"merges\": [\"t \", ", PHIAL_ERR_BAD_INPUT, "merge 0 't '"},
        {"\"merges\": [", "\"merges\": [\"zz h\", ", PHIAL_ERR_BAD_INPUT, "names 'zz'"},
        {"\"merges\": [", "\"merges\": [\"h zz\", ", PHIAL_ERR_BAD_INPUT, "names 'zz'"},
        {"\"merges\": [", "\"merges\": [[\"\", \"h\"], ", PHIAL_ERR_BAD_INPUT, "names ''"},
        {"\"merges\": [", "\"merges\": [\"z z\", ", PHIAL_ERR_BAD_INPUT, "makes 'zz'"},
        {"\"!\": 33", "\"!\": -1", PHIAL_ERR_BAD_INPUT, "negative"},
        {"\"!\": 33", "\"!\": 34", PHIAL_ERR_BAD_INPUT, "id 34 stands twice"},
        {"\"!\": 33", "\"!\": 1048576", PHIAL_ERR_BAD_INPUT, "1048576"},
        {"\"!\": 33", "\"!\": 9223372036854775807", PHIAL_ERR_BAD_INPUT, "9223372036854775807"},
        {"\"!\": 33", "\"!\": \"33\"", PHIAL_ERR_BAD_INPUT, "string, no integer"},
        {"\"!\": 33", "\"!\": 33.5", PHIAL_ERR_BAD_INPUT, "no integer"},
        {"\"!\": 33", "\"!\": 33, \"!\": 33", PHIAL_ERR_BAD_INPUT, "line"},
        {"\"!\": 33", "\"\": 33", PHIAL_ERR_BAD_INPUT, "empty"},
        {"\"!\": 33", "\"! \": 33", PHIAL_ERR_BAD_INPUT, "byte alphabet"},
        {"\"!\": 33", "\"\xE2\x82\xAC\": 33", PHIAL_ERR_BAD_INPUT, "byte alphabet"},
        {"\"!\": 33", "\"!!\": 33", PHIAL_ERR_BAD_INPUT, "0x21"},
        {"\"!\": 33", "\"<0x-1>\": 33", PHIAL_ERR_BAD_INPUT, "0x21"},
        {"\"added_tokens\": [", "\"added_tokens\": 5, \"x\": [", PHIAL_ERR_BAD_INPUT,
         "added_tokens"},
        {"\"added_tokens\": [", "\"added_tokens\": [5, ", PHIAL_ERR_BAD_INPUT, "added_tokens[]"},
        {"\"content\": \"<|end|>\"", "\"content\": 3", PHIAL_ERR_BAD_INPUT, "\"content\""},
        {"\"content\": \"<|end|>\"", "\"content\": \"\"", PHIAL_ERR_BAD_INPUT, "empty"},
        {"\"content\": \"<|end|>\"", "\"content\": \"   \"", PHIAL_ERR_BAD_INPUT, "are the same"},
        {"\"id\": 270", "\"id\": 33", PHIAL_ERR_BAD_INPUT, "another token's"},
        {"\"id\": 270", "\"id\": 272", PHIAL_ERR_BAD_INPUT, "added twice"},
        {"\"id\": 270", "\"id\": -5", PHIAL_ERR_BAD_INPUT, "no valid id"},
        {"\"id\": 270", "\"id\": 4294967566", PHIAL_ERR_BAD_INPUT, "4294967566"},
        {"\"id\": 270", "\"id\": null", PHIAL_ERR_BAD_INPUT, "no valid id"},
        {"\"lstrip\": false", "\"lstrip\": true", PHIAL_ERR_UNSUPPORTED, "lstrip"},
        {"\"rstrip\": false", "\"rstrip\": 1", PHIAL_ERR_BAD_INPUT, "rstrip"},
        {"\"single_word\": false", "\"single_word\": true", PHIAL_ERR_UNSUPPORTED, "single_word"},
        {"\"special\": true", "\"special\": \"yes\"", PHIAL_ERR_BAD_INPUT, "special"},
    };
    char *text = tiny_json();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *wrong = replaced(text, cases[i].from, cases[i].to);
        refuse_json(wrong, cases[i].status, cases[i].word);
        ph_free(wrong);
    }
    ph_free(text);
    refuse_json("", PHIAL_ERR_BAD_INPUT, "JSON");
    refuse_json("[]", PHIAL_ERR_BAD_INPUT, "object");
    refuse_json("{}", PHIAL_ERR_BAD_INPUT, "\"model\"");
}

/* A merge before the one that makes its part. */
static void wrong_order(void **state)
{
    (void)state;
    char *text = tiny_json();
    char *without = replaced(text, "\"i n\"", "@@@");
    char *second = replaced(without, "\"in g\"", "\"i n\"");
    char *swapped = replaced(second, "@@@", "\"in g\"");
    refuse_json(swapped, PHIAL_ERR_UNSUPPORTED, "in this order");
    ph_free(swapped);
    ph_free(second);
    ph_free(without);
    ph_free(text);
}

static void deep_json(void **state)
{
    (void)state;
    char *deep = ph_alloc(100001, 1, NULL);
    assert_non_null(deep);
    memset(deep, '[', 100000);
    refuse_json(deep, PHIAL_ERR_BAD_INPUT, "nested");
    ph_free(deep);
}

/* merges as pairs, tokens without "type", ids with holes. */
static void other_spellings(void **state)
{
    (void)state;
    static const char *const changes[][2] = {
        {"\"t h\"", "[\"t\", \"h\"]"},
        {"\"type\": \"BPE\",", ""},
        {"\"id\": 270", "\"id\": 1000"},
        {"\"added_tokens\": [", "\"added_tokens\": null, \"x\": ["},
        {"\"use_regex\": true", "\"y\": 1"},
        {"\"post_processor\": {", "\"post_processor\": null, \"x\": {"},
    };
    char *text = tiny_json();
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        phial_error err = {0};
        phial_tokenizer *t = NULL;
        char *other = replaced(text, changes[i][0], changes[i][1]);
        if (ph_tokenizer_from_json(&t, other, strlen(other), "a.json", &err) != PHIAL_OK)
            fail_msg("%s: %s", changes[i][1], err.message);
        assert_int_equal(phial_tokenizer_find(t, " the", 4), 260);
        assert_false(phial_tokenizer_has_text(t, 999));
        phial_tokenizer_close(t);
        ph_free(other);
    }
    ph_free(text);
}

static void refuse_files(const ph_vocab_files *f, const char *word)
{
    phial_error err = {0};
    ph_vocab v;
    ph_vocab_init(&v);
    phial_status st = ph_vocab_read_files(&v, f, "dir", &err);
    if (st != PHIAL_ERR_BAD_INPUT || strncmp(err.message, "dir: ", 5) != 0 ||
        !strstr(err.message, word))
        fail_msg("status %d, '%s'; wanted '%s'", st, err.message, word);
    ph_vocab_free(&v);
}

static void wrong_files(void **state)
{
    (void)state;
    const ph_str vocab = ph_str_from("{\"a\": 0, \"b\": 1, \"ab\": 2}");
    const ph_str merges = ph_str_from("#version: 0.2\na b\n");
    static const struct {
        const char *vocab, *merges, *added, *config, *special, *word;
    } cases[] = {
        {"[]", NULL, NULL, NULL, NULL, "vocab.json: must be an object, not array"},
        {"{\"a\":", NULL, NULL, NULL, NULL, "vocab.json: JSON, line 1"},
        {"{\"a\": []}", NULL, NULL, NULL, NULL, "vocab.json: the id of token 'a' is array"},
        {NULL, "a b\n\na b", NULL, NULL, NULL, "merges.txt: line 2"},
        {NULL, "a b\nab", NULL, NULL, NULL, "merges.txt: line 2: merge 1 'ab'"},
        {NULL, "a c", NULL, NULL, NULL, "merges.txt: line 1: merge 0 names 'c'"},
        {NULL, "b a", NULL, NULL, NULL, "merges.txt: line 1: merge 0 makes 'ba'"},
        {NULL, "a b\n#version: 0.2", NULL, NULL, NULL, "merges.txt: line 2"},
        {NULL, NULL, "{\"x\": -1}", NULL, NULL, "added_tokens.json: token 'x'"},
        {NULL, NULL, "{\"x\": 1}", NULL, NULL, "added_tokens.json: added token 'x' has id 1"},
        {NULL, NULL, "{\"x\": 1e9}", NULL, NULL, "added_tokens.json"},
        {NULL, NULL, NULL, "{\"added_tokens_decoder\": 1}", NULL, "tokenizer_config.json"},
        {NULL, NULL, NULL, "{\"added_tokens_decoder\": {\"x\": {}}}", NULL, "'x'"},
        {NULL, NULL, NULL, "{\"added_tokens_decoder\": {\"9\": {}}}", NULL, "content"},
        {NULL, NULL, NULL, NULL, "7", "special_tokens_map.json"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ph_vocab_files f = {vocab, merges, {NULL, 0}, {NULL, 0}, {NULL, 0}};
        if (cases[i].vocab)
            f.vocab = ph_str_from(cases[i].vocab);
        if (cases[i].merges)
            f.merges = ph_str_from(cases[i].merges);
        if (cases[i].added)
            f.added = ph_str_from(cases[i].added);
        if (cases[i].config)
            f.config = ph_str_from(cases[i].config);
        if (cases[i].special)
            f.special = ph_str_from(cases[i].special);
        refuse_files(&f, cases[i].word);
    }
}

static void files_say_what_is_special(void **state)
{
    (void)state;
    ph_vocab v;
    ph_vocab_init(&v);
    const ph_vocab_files f = {
        ph_str_from("{\"a\": 0, \"b\": 1, \"ab\": 2, \"<s>\": 3, \"<|endoftext|>\": 4}"),
        ph_str_from("a b\r\n"),
        ph_str_from("{\"<x>\": 5, \"  \": 6, \"<pad>\": 9}"),
        ph_str_from(
            "{\"bos_token\": {\"content\": \"<s>\"}, \"add_bos_token\": true, "
            "\"added_tokens_decoder\": {\"5\": {\"content\": \"<x>\", \"special\": true}}}"),
        ph_str_from("{\"eos_token\": \"<|endoftext|>\", \"pad_token\": \"<pad>\"}"),
    };
    assert_int_equal(ph_vocab_read_files(&v, &f, "dir", NULL), PHIAL_OK);
    assert_int_equal(ph_vocab_read_roles(&v, f.config, f.special, "dir", NULL), PHIAL_OK);
    static const uint8_t types[] = {
        PH_TOKEN_NORMAL,  PH_TOKEN_NORMAL, PH_TOKEN_NORMAL, PH_TOKEN_CONTROL, PH_TOKEN_CONTROL,
        PH_TOKEN_CONTROL, PH_TOKEN_USER,   PH_TOKEN_UNUSED, PH_TOKEN_UNUSED,  PH_TOKEN_CONTROL};
    assert_int_equal(v.n_tokens, 10);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(v.tokens[i].type, types[i]);
    assert_int_equal(v.bos, 3);
    assert_int_equal(v.eos, 4);
    assert_true(v.add_bos);
    assert_int_equal(v.n_merges, 1);
    ph_vocab_free(&v);
}

/* A GGUF file in memory with one array of tokens and one of merges. */
static void add_string(ph_buf *b, const char *s)
{
    ph_buf_add_u64(b, strlen(s));
    ph_buf_add_str(b, s);
}

static void add_strings(ph_buf *b, const char *key, const char *const *list, size_t n)
{
    add_string(b, key);
    ph_buf_add_u32(b, PH_GGUF_ARRAY);
    ph_buf_add_u32(b, PH_GGUF_STRING);
    ph_buf_add_u64(b, n);
    for (size_t i = 0; i < n; i++)
        add_string(b, list[i]);
}

typedef struct gguf_case {
    const char *model, *pre;
    const char *tokens[4];
    size_t n_tokens;
    int32_t types[4];
    size_t n_types; /* 0: no array of types */
    const char *merges[2];
    size_t n_merges;
    int64_t eos; /* -1: none */
    phial_status status;
    const char *word;
} gguf_case;

static void write_gguf(ph_buf *b, const gguf_case *c)
{
    ph_buf_add_str(b, "GGUF");
    ph_buf_add_u32(b, 3);
    ph_buf_add_u64(b, 0);
    ph_buf_add_u64(b, 3u + (c->pre != NULL) + (c->n_types > 0) + (c->eos >= 0));
    add_string(b, "tokenizer.ggml.model");
    ph_buf_add_u32(b, PH_GGUF_STRING);
    add_string(b, c->model);
    if (c->pre) {
        add_string(b, "tokenizer.ggml.pre");
        ph_buf_add_u32(b, PH_GGUF_STRING);
        add_string(b, c->pre);
    }
    add_strings(b, "tokenizer.ggml.tokens", c->tokens, c->n_tokens);
    add_strings(b, "tokenizer.ggml.merges", c->merges, c->n_merges);
    if (c->n_types > 0) {
        add_string(b, "tokenizer.ggml.token_type");
        ph_buf_add_u32(b, PH_GGUF_ARRAY);
        ph_buf_add_u32(b, PH_GGUF_I32);
        ph_buf_add_u64(b, c->n_types);
        for (size_t i = 0; i < c->n_types; i++)
            ph_buf_add_u32(b, (uint32_t)c->types[i]);
    }
    if (c->eos >= 0) {
        add_string(b, "tokenizer.ggml.eos_token_id");
        ph_buf_add_u32(b, PH_GGUF_U32);
        ph_buf_add_u32(b, (uint32_t)c->eos);
    }
    while (b->len % 32 != 0)
        ph_buf_add_byte(b, 0);
}

static void wrong_gguf(void **state)
{
    (void)state;
    static const gguf_case cases[] = {
        {"gpt2", NULL, {"a", "b", "ab"}, 3, {1, 1, 1}, 3, {"a b"}, 1, 2, PHIAL_OK, ""},
        {"gpt2", "phi-2", {"a", "[PAD1]"}, 2, {1, 4}, 2, {NULL}, 0, -1, PHIAL_OK, ""},
        {"llama", NULL, {"a"}, 1, {1}, 1, {NULL}, 0, -1, PHIAL_ERR_UNSUPPORTED, "'llama'"},
        {"gpt2", "llama-bpe", {"a"}, 1, {1}, 1, {NULL}, 0, -1, PHIAL_ERR_UNSUPPORTED, "llama-bpe"},
        {"gpt2", NULL, {"<0x-1>"}, 1, {6}, 1, {NULL}, 0, -1, PHIAL_ERR_UNSUPPORTED, "'<0x-1>'"},
        {"gpt2", NULL, {"a b"}, 1, {1}, 1, {NULL}, 0, -1, PHIAL_ERR_BAD_INPUT, "byte alphabet"},
        {"gpt2", NULL, {"a", "a"}, 2, {1, 1}, 2, {NULL}, 0, -1, PHIAL_ERR_BAD_INPUT, "the same"},
        {"gpt2", NULL, {"a", "b"}, 2, {1}, 1, {NULL}, 0, -1, PHIAL_ERR_BAD_INPUT, "token_type"},
        {"gpt2", NULL, {"a"}, 1, {1}, 1, {"a x"}, 1, -1, PHIAL_ERR_BAD_INPUT, "names 'x'"},
        {"gpt2", NULL, {"a"}, 1, {1}, 1, {"ax"}, 1, -1, PHIAL_ERR_BAD_INPUT, "merge 0 'ax'"},
        {"gpt2", NULL, {"a"}, 1, {1}, 1, {NULL}, 0, 1, PHIAL_ERR_BAD_INPUT, "eos_token_id"},
        {"gpt2", NULL, {""}, 1, {1}, 1, {NULL}, 0, -1, PHIAL_ERR_BAD_INPUT, "empty"},
        {"gpt2", NULL, {"a", "<e>"}, 2, {0}, 0, {NULL}, 0, 1, PHIAL_OK, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        phial_error err = {0};
        ph_gguf *g = NULL;
        ph_buf bytes;
        ph_vocab v;
        ph_vocab_init(&v);
        ph_buf_init(&bytes, 0);
        write_gguf(&bytes, &cases[i]);
        if (ph_gguf_parse(&g, (const uint8_t *)bytes.data, bytes.len, &err) != PHIAL_OK)
            fail_msg("case %zu: %s", i, err.message);
        phial_status st = ph_vocab_read_gguf(&v, g, "a.gguf", &err);
        if (st != cases[i].status || (st != PHIAL_OK && (strncmp(err.message, "a.gguf: ", 8) != 0 ||
                                                         !strstr(err.message, cases[i].word))))
            fail_msg("case %zu: status %d, '%s'; wanted '%s'", i, st, err.message, cases[i].word);
        if (i == 1)
            assert_int_equal(v.tokens[1].type, PH_TOKEN_UNUSED);
        if (i == 12)
            assert_int_equal(v.tokens[1].type, PH_TOKEN_CONTROL);
        ph_vocab_free(&v);
        ph_gguf_close(g);
        ph_buf_free(&bytes);
    }
}

static void wrong_paths(void **state)
{
    (void)state;
    phial_error err = {0};
    phial_tokenizer *t = NULL;
    assert_int_equal(phial_tokenizer_open(&t, PHIAL_BUILD_DIR "/no/such", &err), PHIAL_ERR_IO);
    assert_int_equal(phial_tokenizer_open(&t, PHIAL_SOURCE_DIR "/src", &err), PHIAL_ERR_BAD_INPUT);
    assert_non_null(strstr(err.message, "neither tokenizer.json nor vocab.json"));
    assert_int_equal(phial_tokenizer_open(&t, PHIAL_SOURCE_DIR "/LICENSE", &err),
                     PHIAL_ERR_BAD_INPUT);
    assert_int_equal(phial_tokenizer_open(&t, "/dev/null", &err), PHIAL_ERR_IO);
    assert_null(t);
}

static void same_vocab(const ph_vocab *a, const ph_vocab *b)
{
    assert_int_equal(a->n_tokens, b->n_tokens);
    assert_int_equal(a->n_merges, b->n_merges);
    for (uint32_t i = 0; i < a->n_tokens; i++) {
        assert_int_equal(a->tokens[i].type, b->tokens[i].type);
        assert_true(ph_str_eq(a->tokens[i].text, b->tokens[i].text));
    }
    if (a->n_merges > 0)
        assert_memory_equal(a->merges, b->merges, a->n_merges * sizeof *a->merges);
}

/* tokenizer.json and GGUF hold the same facts, and what is written reads back the same. */
static void written_and_read(void **state)
{
    (void)state;
    const char *folder = ph_testdata("golden/tokenizer/phi-2");
    if (!folder) {
        print_message("skipped: no golden data\n");
        skip();
    }
    phial_error err = {0};
    ph_vocab json, gguf, again;
    ph_buf text;
    ph_buf_init(&text, 0);
    ph_vocab_init(&json);
    ph_vocab_init(&gguf);
    ph_vocab_init(&again);
    assert_int_equal(ph_vocab_open(&json, folder, &err), PHIAL_OK);
    assert_int_equal(
        ph_vocab_open(&gguf, ph_testdata("golden/tokenizer/phi-2/ggml-vocab-phi-2.gguf"), &err),
        PHIAL_OK);
    assert_int_equal(ph_vocab_extend(&json, gguf.n_tokens, &err), PHIAL_OK);
    same_vocab(&json, &gguf);
    assert_int_equal(ph_vocab_write_json(&text, &gguf, &err), PHIAL_OK);
    assert_int_equal(ph_vocab_read_json(&again, text.data, text.len, "again", &err), PHIAL_OK);
    assert_int_equal(ph_vocab_extend(&again, gguf.n_tokens, &err), PHIAL_OK);
    same_vocab(&again, &gguf);

    static const struct {
        uint32_t id;
        const char *spelling;
    } spellings[] = {{262, "\xC4\xA0the"},
                     {50256, "<|endoftext|>"},
                     {50286, "  "},
                     {50295, "[PAD50295]"},
                     {60000, "[PAD60000]"}};
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        ph_buf_clear(&text);
        assert_true(ph_vocab_spell_token(&text, &gguf, spellings[i].id));
        assert_string_equal(text.data, spellings[i].spelling);
    }
    ph_buf_clear(&text);
    assert_true(ph_vocab_spell_merge(&text, &gguf, 0));
    assert_string_equal(text.data, "\xC4\xA0 t");
    ph_vocab_free(&again);
    ph_vocab_free(&gguf);
    ph_vocab_free(&json);
    ph_buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiny_json_loads),
        cmocka_unit_test(wrong_json),
        cmocka_unit_test(wrong_order),
        cmocka_unit_test(deep_json),
        cmocka_unit_test(other_spellings),
        cmocka_unit_test(wrong_files),
        cmocka_unit_test(files_say_what_is_special),
        cmocka_unit_test(wrong_gguf),
        cmocka_unit_test(wrong_paths),
        cmocka_unit_test(written_and_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
