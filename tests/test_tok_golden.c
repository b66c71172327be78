/* The tokenizer against the official one: every line of the golden vectors, from each kind of file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "testdata.h"
#include "tok_util.h"

#define PHI2 "golden/tokenizer/phi-2"

typedef struct source {
    const char *name;
    phial_tokenizer *tokenizer;
    phial_encoder *encoder;
} source;

static source sources[3] = {{.name = "tokenizer.json"}, {.name = "vocab.json"}, {.name = "GGUF"}};
static bool have_data;

static void open_source(source *s, const char *path)
{
    phial_error err = {0};
    if (phial_tokenizer_open(&s->tokenizer, path, &err) != PHIAL_OK ||
        phial_encoder_new(&s->encoder, s->tokenizer, &err) != PHIAL_OK)
        fail_msg("%s", err.message);
}

static void close_source(source *s)
{
    phial_encoder_free(s->encoder);
    phial_tokenizer_close(s->tokenizer);
    s->encoder = NULL;
    s->tokenizer = NULL;
}

/* A folder with links to the files but without tokenizer.json. */
static void link_old_files(const char *folder)
{
    static const char *const names[] = {"vocab.json", "merges.txt", "added_tokens.json"};
    assert_int_equal(ph_dir_make(folder, NULL), PHIAL_OK);
    for (size_t i = 0; i < 3; i++) {
        char from[4300], to[4300];
        snprintf(from, sizeof from, "%s/%s", ph_testdata(PHI2), names[i]);
        snprintf(to, sizeof to, "%s/%s", folder, names[i]);
        char *absolute = realpath(from, NULL);
        assert_non_null(absolute);
        unlink(to);
        assert_int_equal(symlink(absolute, to), 0);
        free(absolute);
    }
}

static int open_all(void **state)
{
    (void)state;
    have_data = ph_testdata(PHI2 "/tokenizer.json") != NULL;
    if (!have_data)
        return 0;
    link_old_files(PHIAL_BUILD_DIR "/tok_old_files");
    open_source(&sources[0], ph_testdata(PHI2));
    open_source(&sources[1], PHIAL_BUILD_DIR "/tok_old_files");
    open_source(&sources[2], ph_testdata(PHI2 "/ggml-vocab-phi-2.gguf"));
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++)
        close_source(&sources[i]);
    return 0;
}

static void skip_without_data(void)
{
    if (!have_data) {
        print_message("skipped: no golden data\n");
        skip();
    }
}

/* Calls fn on each line of a JSONL file; returns the number of lines. */
static size_t each_line(const char *path, void (*fn)(const ph_json *line, size_t number))
{
    phial_error err = {0};
    ph_buf text;
    ph_buf_init(&text, 0);
    if (ph_file_read(&text, path, 64u << 20, &err) != PHIAL_OK)
        fail_msg("%s", err.message);
    size_t count = 0;
    for (size_t i = 0; i < text.len;) {
        size_t n = strcspn(text.data + i, "\n");
        if (n > 0) {
            ph_json *line = ph_json_parse(text.data + i, n, &err);
            if (!line)
                fail_msg("%s:%zu: %s", path, count + 1, err.message);
            fn(line, ++count);
            ph_json_free(line);
        }
        i += n + 1;
    }
    ph_buf_free(&text);
    return count;
}

static size_t ids_of(uint32_t *out, size_t max, const ph_json *line)
{
    const ph_json *list = ph_json_get(line, "ids");
    size_t n = ph_json_count(list);
    assert_true(n <= max);
    for (size_t i = 0; i < n; i++) {
        int64_t id;
        assert_true(ph_json_int(ph_json_at(list, i), &id));
        out[i] = (uint32_t)id;
    }
    return n;
}

static void bytes_of(ph_buf *out, const ph_json *line)
{
    ph_str hex;
    assert_true(ph_json_str(ph_json_get(line, "hex"), &hex));
    ph_buf_clear(out);
    add_hex(out, hex.p, hex.n);
}

static void check_ids(source *s, size_t number, const void *text, size_t n_text,
                      const uint32_t *want, size_t n_want)
{
    phial_error err = {0};
    size_t n;
    if (phial_encoder_run(s->encoder, text, n_text, PHIAL_ENCODE_SPECIAL, &err) != PHIAL_OK)
        fail_msg("%s", err.message);
    const uint32_t *ids = phial_encoder_ids(s->encoder, &n);
    if (n != n_want || (n > 0 && memcmp(ids, want, n * sizeof *ids) != 0))
        fail_msg("%s, line %zu: %zu ids, wanted %zu", s->name, number, n, n_want);
    const size_t *offsets = phial_encoder_offsets(s->encoder, &err);
    assert_non_null(offsets);
    assert_int_equal(offsets[0], 0);
    assert_int_equal(offsets[n], n_text);
    for (size_t i = 0; i < n; i++) {
        size_t len;
        const char *bytes = phial_tokenizer_text(s->tokenizer, ids[i], &len);
        assert_int_equal(offsets[i + 1] - offsets[i], len);
        assert_memory_equal((const char *)text + offsets[i], bytes, len);
    }
}

static void encode_line(const ph_json *line, size_t number)
{
    static uint32_t want[65536];
    ph_buf text;
    ph_buf_init(&text, 0);
    bytes_of(&text, line);
    size_t n = ids_of(want, 65536, line);
    for (size_t i = 0; i < 3; i++)
        check_ids(&sources[i], number, text.len ? text.data : "", text.len, want, n);
    ph_buf_free(&text);
}

static void encode_vectors(void **state)
{
    (void)state;
    skip_without_data();
    assert_int_equal(each_line(ph_testdata(PHI2 "/vectors.jsonl"), encode_line), 536);
}

/* All at once, and streamed. */
static void decode_with(const source *s, const uint32_t *ids, size_t n_ids, const ph_buf *want)
{
    phial_error err = {0};
    ph_buf got;
    ph_buf_init(&got, 0);
    assert_int_equal(decode_all(&got, s->tokenizer, ids, n_ids, &err), PHIAL_OK);
    assert_int_equal(got.len, want->len);
    if (want->len)
        assert_memory_equal(got.data, want->data, want->len);

    phial_decoder *d = NULL;
    const char *text;
    size_t n;
    ph_buf_clear(&got);
    assert_int_equal(phial_decoder_new(&d, s->tokenizer, 0, &err), PHIAL_OK);
    for (size_t i = 0; i < n_ids; i++) {
        assert_int_equal(phial_decoder_push(d, &text, &n, ids[i], &err), PHIAL_OK);
        ph_buf_add(&got, text, n);
    }
    text = phial_decoder_flush(d, &n);
    ph_buf_add(&got, text, n);
    phial_decoder_free(d);
    assert_int_equal(got.len, want->len);
    if (want->len)
        assert_memory_equal(got.data, want->data, want->len);
    ph_buf_free(&got);
}

static void decode_line(const ph_json *line, size_t number)
{
    static uint32_t ids[65536];
    (void)number;
    ph_buf want;
    ph_buf_init(&want, 0);
    bytes_of(&want, line);
    size_t n = ids_of(ids, 65536, line);
    for (size_t i = 0; i < 3; i++)
        decode_with(&sources[i], ids, n, &want);
    ph_buf_free(&want);
}

static void decode_vectors(void **state)
{
    (void)state;
    skip_without_data();
    assert_int_equal(each_line(ph_testdata(PHI2 "/decode.jsonl"), decode_line), 515);
}

static size_t parse_ids(uint32_t *out, const char *p, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n;) {
        size_t len = 0;
        uint64_t id;
        while (i + len < n && p[i + len] != ' ')
            len++;
        if (len > 0) {
            assert_true(ph_str_parse_u64((ph_str){p + i, len}, &id));
            out[count++] = (uint32_t)id;
        }
        i += len + 1;
    }
    return count;
}

/* llama.cpp's test files: texts between separator lines, ids one line each. */
static size_t check_ggml_vectors(source *s, const char *inp_path, const char *out_path)
{
    static const char separator[] = "\n__ggml_vocab_test__\n";
    ph_buf inp, out;
    ph_buf_init(&inp, 0);
    ph_buf_init(&out, 0);
    assert_int_equal(ph_file_read(&inp, inp_path, 1 << 20, NULL), PHIAL_OK);
    assert_int_equal(ph_file_read(&out, out_path, 1 << 20, NULL), PHIAL_OK);
    const char *text = inp.data, *ids = out.data;
    size_t count = 0;
    while (text) {
        uint32_t want[1024];
        const char *next = strstr(text, separator);
        size_t n_text = next ? (size_t)(next - text) : strlen(text);
        size_t n_line = strcspn(ids, "\n");
        if (!next && n_text == 0 && n_line == 0)
            break;
        check_ids(s, ++count, text, n_text, want, parse_ids(want, ids, n_line));
        ids += n_line + 1;
        text = next ? next + sizeof separator - 1 : NULL;
    }
    ph_buf_free(&inp);
    ph_buf_free(&out);
    return count;
}

static void ggml_vectors(void **state)
{
    (void)state;
    skip_without_data();
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(check_ggml_vectors(&sources[i],
                                            ph_testdata(PHI2 "/ggml-vocab-phi-2.gguf.inp"),
                                            ph_testdata(PHI2 "/ggml-vocab-phi-2.gguf.out")),
                         46);
    source gpt2 = {.name = "gpt-2"};
    open_source(&gpt2, ph_testdata("models/ggml-vocab-gpt-2.gguf"));
    assert_int_equal(check_ggml_vectors(&gpt2, ph_testdata("models/ggml-vocab-gpt-2.gguf.inp"),
                                        ph_testdata("models/ggml-vocab-gpt-2.gguf.out")),
                     46);
    close_source(&gpt2);
}

static void same_facts(void **state)
{
    (void)state;
    skip_without_data();
    for (size_t i = 0; i < 3; i++) {
        const phial_tokenizer *t = sources[i].tokenizer;
        assert_int_equal(phial_tokenizer_n_text(t), 50295);
        assert_int_equal(phial_tokenizer_n_vocab(t), i == 2 ? 51200 : 50295);
        assert_int_equal(phial_tokenizer_eos(t), 50256);
        assert_int_equal(phial_tokenizer_bos(t), 50256);
        assert_false(phial_tokenizer_adds_bos(t));
        assert_true(phial_tokenizer_is_special(t, 50256));
        assert_false(phial_tokenizer_is_special(t, 50257));
        assert_false(phial_tokenizer_has_text(t, 50295));
        assert_int_equal(phial_tokenizer_find(t, "<|endoftext|>", 13), 50256);
        assert_int_equal(phial_tokenizer_find(t, "  ", 2), 50286);
        assert_int_equal(phial_tokenizer_find(t, " the", 4), 262);
        assert_int_equal(phial_tokenizer_find(t, "no such token", 13), PHIAL_TOKEN_NONE);
        const uint32_t padded[] = {50295, 51199, 60000};
        size_t n = 1;
        assert_int_equal(phial_tokenizer_decode(t, NULL, 0, &n, padded, 3, 0, NULL), PHIAL_OK);
        assert_int_equal(n, 0);
    }
}

/* Without PHIAL_ENCODE_SPECIAL <|endoftext|> is text; runs of spaces are tokens all the same. */
static void special_as_text(void **state)
{
    (void)state;
    skip_without_data();
    static const char text[] = "<|endoftext|>   x";
    static const uint32_t want[] = {27, 91, 437, 1659, 5239, 91, 29, 50285, 87};
    for (size_t i = 0; i < 3; i++) {
        size_t n;
        assert_int_equal(phial_encoder_run(sources[i].encoder, text, sizeof text - 1, 0, NULL),
                         PHIAL_OK);
        const uint32_t *ids = phial_encoder_ids(sources[i].encoder, &n);
        assert_int_equal(n, 9);
        assert_memory_equal(ids, want, sizeof want);
    }
}

static void others_are_named(void **state)
{
    (void)state;
    skip_without_data();
    static const struct {
        const char *path, *word;
    } cases[] = {
        {"models/ggml-vocab-phi-3.gguf", "'llama'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        phial_error err = {0};
        phial_tokenizer *t = NULL;
        assert_int_equal(phial_tokenizer_open(&t, ph_testdata(cases[i].path), &err),
                         PHIAL_ERR_UNSUPPORTED);
        assert_null(t);
        if (!strstr(err.message, cases[i].word))
            fail_msg("'%s' does not name %s", err.message, cases[i].word);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encode_vectors),  cmocka_unit_test(decode_vectors),
        cmocka_unit_test(ggml_vectors),    cmocka_unit_test(same_facts),
        cmocka_unit_test(special_as_text), cmocka_unit_test(others_are_named),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
