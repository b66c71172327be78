/* The GGUF reader on files made by hand, most of them hostile, and the writer read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fmt/gguf_codec.h"
#include "fmt/gguf_write.h"
#include "testdata.h"

typedef ph_buf bytes;

static void head(bytes *b, uint32_t version, uint64_t n_tensors, uint64_t n_kv)
{
    ph_buf_init(b, 0);
    ph_buf_add(b, "GGUF", 4);
    ph_buf_add_u32(b, version);
    ph_buf_add_u64(b, n_tensors);
    ph_buf_add_u64(b, n_kv);
}

static void str(bytes *b, const char *s)
{
    ph_buf_add_u64(b, strlen(s));
    ph_buf_add_str(b, s);
}

static void key(bytes *b, const char *name, uint32_t type)
{
    str(b, name);
    ph_buf_add_u32(b, type);
}

static void array(bytes *b, uint32_t elem, uint64_t count)
{
    ph_buf_add_u32(b, elem);
    ph_buf_add_u64(b, count);
}

static void tensor2(bytes *b, const char *name, uint64_t d0, uint64_t d1, uint32_t type,
                    uint64_t offset)
{
    str(b, name);
    ph_buf_add_u32(b, 2);
    ph_buf_add_u64(b, d0);
    ph_buf_add_u64(b, d1);
    ph_buf_add_u32(b, type);
    ph_buf_add_u64(b, offset);
}

static void data(bytes *b, size_t align, size_t n)
{
    ph_buf_add_zeros(b, ph_align_up(b->len, align) - b->len + n);
}

/* Parses an exact copy, so that the sanitizer sees a read one byte behind it. */
static phial_status parse(const char *p, size_t n, phial_error *err)
{
    uint8_t *copy = malloc(n ? n : 1);
    ph_gguf *g = NULL;
    memcpy(copy, p, n);
    *err = (phial_error){0};
    phial_status status = ph_gguf_parse(&g, copy, n, err);
    assert_true((status == PHIAL_OK) == (g != NULL));
    ph_gguf_close(g);
    free(copy);
    return status;
}

/* Frees b. */
static void refused(bytes *b, const char *because)
{
    phial_error err;
    assert_false(b->failed);
    phial_status status = parse(b->data, b->len, &err);
    if (status != PHIAL_ERR_BAD_INPUT || !strstr(err.message, because))
        fail_msg("status %d, '%s' instead of '%s'", status, err.message, because);
    ph_buf_free(b);
}

static void accepted(bytes *b)
{
    phial_error err;
    if (parse(b->data, b->len, &err) != PHIAL_OK)
        fail_msg("%s", err.message);
    ph_buf_free(b);
}

static void preambles(void **state)
{
    (void)state;
    bytes b;
    ph_buf_init(&b, 0);
    ph_buf_add_str(&b, "GGU");
    refused(&b, "too short");
    ph_buf_init(&b, 0);
    ph_buf_add_str(&b, "GGML and so on, and so on");
    refused(&b, "not a GGUF file");
    head(&b, 1, 0, 0);
    refused(&b, "version 1");
    head(&b, 4, 0, 0);
    refused(&b, "unknown GGUF version 4");
    head(&b, 0, 0, 0);
    refused(&b, "unknown GGUF version 0");
    head(&b, 0x03000000, 0, 0);
    refused(&b, "big-endian");
    head(&b, 2, 0, 0);
    accepted(&b);
    head(&b, 3, 0, 0);
    accepted(&b);
}

static void counts_beyond_the_file(void **state)
{
    (void)state;
    static const uint64_t counts[] = {1, 1ull << 40, 1ull << 61, UINT64_MAX, INT64_MAX};
    bytes b;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        head(&b, 3, 0, counts[i]);
        refused(&b, "metadata keys");
        head(&b, 3, counts[i], 0);
        refused(&b, "tensors");
    }
    head(&b, 3, 0, PH_GGUF_MAX_KEYS + 1);
    ph_buf_add_zeros(&b, (PH_GGUF_MAX_KEYS + 1) * 14);
    refused(&b, "limit");
}

static void strings(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {9, 1ull << 32, UINT64_MAX, UINT64_MAX - 7, INT64_MAX};
    bytes b;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        head(&b, 3, 0, 1);
        ph_buf_add_u64(&b, lengths[i]);
        ph_buf_add_str(&b, "ab123456");
        refused(&b, "exceeds the file");
        head(&b, 3, 0, 1);
        key(&b, "k", PH_GGUF_STRING);
        ph_buf_add_u64(&b, lengths[i]);
        ph_buf_add_str(&b, "12345678");
        refused(&b, "key 0 'k': a string of");
    }
    head(&b, 3, 0, 1);
    key(&b, "", PH_GGUF_U8);
    ph_buf_add_zeros(&b, 20);
    refused(&b, "is empty");
    head(&b, 3, 0, 1);
    key(&b, "a\nb", PH_GGUF_U8);
    ph_buf_add_zeros(&b, 20);
    refused(&b, "control character");
    head(&b, 3, 0, 1);
    key(&b,
        "a\xc2\x9b"
        "b",
        PH_GGUF_U8); /* U+009B begins commands to a terminal */
    ph_buf_add_zeros(&b, 20);
    refused(&b, "control character");
    head(&b, 3, 0, 1);
    ph_buf_add_u64(&b, 3);
    ph_buf_add(&b, "a\0b", 3);
    ph_buf_add_zeros(&b, 20);
    refused(&b, "NUL");
    head(&b, 3, 0, 1);
    key(&b, "a\xff", PH_GGUF_U8);
    ph_buf_add_zeros(&b, 20);
    refused(&b, "UTF-8");
    head(&b, 3, 0, 1);
    ph_buf_add_u64(&b, PH_GGUF_MAX_NAME + 1);
    ph_buf_add_zeros(&b, PH_GGUF_MAX_NAME + 20);
    refused(&b, "the limit is");
}

static void values(void **state)
{
    (void)state;
    bytes b;
    head(&b, 3, 0, 1);
    key(&b, "k", 13);
    ph_buf_add_u64(&b, 0);
    refused(&b, "unknown value type 13");
    head(&b, 3, 0, 1);
    key(&b, "k", PH_GGUF_BOOL);
    ph_buf_add_byte(&b, 2);
    ph_buf_add_zeros(&b, 8);
    refused(&b, "a bool with the value 2");
    head(&b, 3, 0, 2);
    for (int i = 0; i < 2; i++) {
        key(&b, "same", PH_GGUF_U64);
        ph_buf_add_u64(&b, 7);
    }
    refused(&b, "key 1 'same': the same name as key 0");
    head(&b, 3, 0, 1);
    key(&b, "k", PH_GGUF_ARRAY);
    array(&b, 99, 0);
    refused(&b, "array of unknown type 99");
}

static void arrays_beyond_the_file(void **state)
{
    (void)state;
    static const uint32_t elems[] = {PH_GGUF_U8, PH_GGUF_U64, PH_GGUF_STRING, PH_GGUF_ARRAY};
    static const uint64_t counts[] = {1000, 1ull << 40, 1ull << 61, UINT64_MAX};
    bytes b;
    for (size_t e = 0; e < 4; e++) {
        for (size_t i = 0; i < 4; i++) {
            head(&b, 3, 0, 1);
            key(&b, "k", PH_GGUF_ARRAY);
            array(&b, elems[e], counts[i]);
            ph_buf_add_zeros(&b, 100);
            refused(&b, "exceeds the file");
        }
    }
    head(&b, 3, 0, 1);
    key(&b, "k", PH_GGUF_ARRAY);
    array(&b, PH_GGUF_U8, PH_GGUF_MAX_ARRAY + 1);
    ph_buf_add_zeros(&b, PH_GGUF_MAX_ARRAY + 1);
    refused(&b, "the limit is");
}

static void nested(bytes *b, int depth)
{
    head(b, 3, 0, 1);
    key(b, "k", PH_GGUF_ARRAY);
    for (int i = 1; i < depth; i++)
        array(b, PH_GGUF_ARRAY, 1);
    array(b, PH_GGUF_U8, 1);
    ph_buf_add_byte(b, 5);
}

static void arrays_in_arrays(void **state)
{
    (void)state;
    bytes b;
    nested(&b, PH_GGUF_MAX_DEPTH);
    accepted(&b);
    nested(&b, PH_GGUF_MAX_DEPTH + 1);
    refused(&b, "deeper than");
    nested(&b, 100000);
    refused(&b, "deeper than");
}

static void alignments(void **state)
{
    (void)state;
    static const uint32_t wrong[] = {0, 1, 4, 12, 33, 1u << 21, 1u << 31, UINT32_MAX};
    bytes b;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        head(&b, 3, 0, 1);
        key(&b, "general.alignment", PH_GGUF_U32);
        ph_buf_add_u32(&b, wrong[i]);
        refused(&b, "not a power of two from 8");
    }
    head(&b, 3, 0, 1);
    key(&b, "general.alignment", PH_GGUF_STRING);
    str(&b, "32");
    refused(&b, "not a number of type u32");
    head(&b, 3, 1, 1);
    key(&b, "general.alignment", PH_GGUF_U32);
    ph_buf_add_u32(&b, 4096);
    tensor2(&b, "t", 4, 4, PH_DTYPE_F32, 0);
    data(&b, 4096, 64);
    accepted(&b);
}

static void dimensions(void **state)
{
    (void)state;
    static const uint64_t pairs[][2] = {{1ull << 32, 1ull << 32},
                                        {UINT64_MAX, 2},
                                        {1ull << 62, 4},
                                        {UINT64_MAX, UINT64_MAX},
                                        {1ull << 63, 1}};
    bytes b;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        head(&b, 3, 1, 0);
        tensor2(&b, "t", pairs[i][0], pairs[i][1], PH_DTYPE_F32, 0);
        data(&b, 32, 64);
        refused(&b, "tensor 0 't': the product of its dimensions overflows");
    }
    head(&b, 3, 1, 0);
    tensor2(&b, "t", 1ull << 62, 1, PH_DTYPE_F64, 0);
    data(&b, 32, 64);
    refused(&b, "size in bytes overflows");
    head(&b, 3, 1, 0);
    tensor2(&b, "t", 0, 4, PH_DTYPE_F32, 0);
    data(&b, 32, 64);
    refused(&b, "dimension 0 is 0");
    head(&b, 3, 1, 0);
    tensor2(&b, "t", 48, 4, PH_DTYPE_Q8_0, 0);
    data(&b, 32, 640);
    refused(&b, "no multiple of Q8_0's block of 32");
    head(&b, 3, 1, 0);
    str(&b, "t");
    ph_buf_add_u32(&b, 5);
    ph_buf_add_zeros(&b, 200);
    refused(&b, "5 dimensions");
    head(&b, 3, 1, 0);
    tensor2(&b, "t", 4, 4, 31, 0);
    data(&b, 32, 640);
    refused(&b, "tensor 0 't': unknown or withdrawn tensor type 31");
}

static void offsets(void **state)
{
    (void)state;
    static const uint64_t beyond[] = {64, 1ull << 40, UINT64_MAX - 31, 1ull << 63};
    bytes b;
    for (size_t i = 0; i < sizeof beyond / sizeof beyond[0]; i++) {
        head(&b, 3, 1, 0);
        tensor2(&b, "t", 4, 4, PH_DTYPE_F32, beyond[i]);
        data(&b, 32, 64);
        refused(&b, "exceed the file");
    }
    head(&b, 3, 1, 0);
    tensor2(&b, "t", 4, 4, PH_DTYPE_F32, 8);
    data(&b, 32, 128);
    refused(&b, "no multiple of the alignment 32");
    head(&b, 3, 2, 0);
    tensor2(&b, "a", 4, 4, PH_DTYPE_F32, 32);
    tensor2(&b, "b", 4, 4, PH_DTYPE_F32, 0);
    data(&b, 32, 128);
    refused(&b, "tensor 0 'a': its data overlaps 'b'");
    head(&b, 3, 2, 0);
    tensor2(&b, "a", 4, 4, PH_DTYPE_F32, 64);
    tensor2(&b, "b", 4, 4, PH_DTYPE_F32, 0);
    data(&b, 32, 128);
    accepted(&b);
    head(&b, 3, 2, 0);
    tensor2(&b, "a", 4, 4, PH_DTYPE_F32, 64);
    tensor2(&b, "a", 4, 4, PH_DTYPE_F32, 0);
    data(&b, 32, 128);
    refused(&b, "tensor 1 'a': the same name as tensor 0");
}

/* A small file with a bit of everything. */
static void small_file(bytes *b)
{
    head(b, 3, 2, 5);
    key(b, "general.architecture", PH_GGUF_STRING);
    str(b, "phi2");
    key(b, "a.list", PH_GGUF_ARRAY);
    array(b, PH_GGUF_STRING, 2);
    str(b, "x");
    str(b, "");
    key(b, "a.deep", PH_GGUF_ARRAY);
    array(b, PH_GGUF_ARRAY, 2);
    array(b, PH_GGUF_I16, 0);
    array(b, PH_GGUF_BOOL, 1);
    ph_buf_add_byte(b, 1);
    key(b, "general.alignment", PH_GGUF_U32);
    ph_buf_add_u32(b, 16);
    key(b, "a.double", PH_GGUF_F64);
    ph_buf_add_u64(b, 0x3ff8000000000000);
    tensor2(b, "first", 32, 2, PH_DTYPE_Q8_0, 0);
    tensor2(b, "second", 3, 1, PH_DTYPE_F16, 80);
    data(b, 16, 86);
}

static void every_prefix_is_refused(void **state)
{
    (void)state;
    bytes b;
    phial_error err;
    small_file(&b);
    for (size_t n = 0; n < b.len; n++) {
        if (parse(b.data, n, &err) != PHIAL_ERR_BAD_INPUT || err.message[0] == '\0')
            fail_msg("prefix of %zu bytes: status %d '%s'", n, err.status, err.message);
    }
    accepted(&b);
}

static void every_damaged_byte_is_survived(void **state)
{
    (void)state;
    static const uint8_t masks[] = {0x01, 0x80, 0xff};
    bytes b;
    phial_error err;
    size_t n_refused = 0;
    small_file(&b);
    for (size_t i = 0; i < b.len; i++) {
        for (size_t m = 0; m < sizeof masks; m++) {
            b.data[i] = (char)((uint8_t)b.data[i] ^ masks[m]);
            n_refused += parse(b.data, b.len, &err) != PHIAL_OK;
            b.data[i] = (char)((uint8_t)b.data[i] ^ masks[m]);
        }
    }
    assert_true(n_refused > 100);
    ph_buf_free(&b);
}

static void scalars_by_type(void **state)
{
    (void)state;
    bytes b;
    ph_gguf *g;
    uint64_t u;
    int64_t i;
    double d;
    bool flag;
    head(&b, 2, 0, 7);
    key(&b, "u8", PH_GGUF_U8);
    ph_buf_add_byte(&b, 200);
    key(&b, "i8", PH_GGUF_I8);
    ph_buf_add_byte(&b, 0xfe);
    key(&b, "i16", PH_GGUF_I16);
    ph_buf_add(&b, "\x00\x80", 2);
    key(&b, "u64", PH_GGUF_U64);
    ph_buf_add_u64(&b, UINT64_MAX);
    key(&b, "f32", PH_GGUF_F32);
    ph_buf_add_u32(&b, 0x3fc00000);
    key(&b, "bool", PH_GGUF_BOOL);
    ph_buf_add_byte(&b, 1);
    key(&b, "i32s", PH_GGUF_ARRAY);
    array(&b, PH_GGUF_I32, 2);
    ph_buf_add_u32(&b, 5);
    ph_buf_add_u32(&b, UINT32_MAX);
    assert_int_equal(ph_gguf_parse(&g, (uint8_t *)b.data, b.len, NULL), PHIAL_OK);
    assert_true(ph_gguf_u64(ph_gguf_find(g, "u8"), &u) && u == 200);
    assert_false(ph_gguf_u64(ph_gguf_find(g, "i8"), &u));
    assert_true(ph_gguf_i64(ph_gguf_find(g, "i8"), &i) && i == -2);
    assert_true(ph_gguf_i64(ph_gguf_find(g, "i16"), &i) && i == -32768);
    assert_true(ph_gguf_u64(ph_gguf_find(g, "u64"), &u) && u == UINT64_MAX);
    assert_false(ph_gguf_i64(ph_gguf_find(g, "u64"), &i));
    assert_true(ph_gguf_f64(ph_gguf_find(g, "f32"), &d) && d == 1.5);
    assert_false(ph_gguf_u64(ph_gguf_find(g, "f32"), &u));
    assert_true(ph_gguf_bool(ph_gguf_find(g, "bool"), &flag) && flag);
    assert_false(ph_gguf_u64(ph_gguf_find(g, "bool"), &u));
    assert_true(ph_gguf_array_i64(ph_gguf_find(g, "i32s"), 1, &i) && i == -1);
    assert_false(ph_gguf_array_i64(ph_gguf_find(g, "i32s"), 2, &i));
    assert_false(ph_gguf_u64(NULL, &u));
    assert_null(ph_gguf_find(g, "absent"));
    ph_gguf_close(g);
    ph_buf_free(&b);
}

static void written_files_read_back(void **state)
{
    (void)state;
    char path[] = "/tmp/phial-test-gguf-XXXXXX";
    ph_gguf_writer *w;
    ph_gguf *g;
    phial_error err = {0};
    uint64_t dims[2] = {32, 3};
    uint8_t q8[102], f32[12];
    ph_str s;
    size_t cursor = 0;
    memset(q8, 7, sizeof q8);
    memset(f32, 9, sizeof f32);
    close(mkstemp(path));
    assert_int_equal(ph_gguf_writer_new(&w, &err), PHIAL_OK);
    ph_gguf_put_u32(w, "a", 1);
    ph_gguf_put_array(w, "words", PH_GGUF_STRING, 2);
    ph_gguf_put_elem_str(w, ph_str_from("one"));
    ph_gguf_put_elem_str(w, ph_str_from("two"));
    assert_int_equal(ph_gguf_put_tensor(w, "q", PH_DTYPE_Q8_0, 2, dims, &err), PHIAL_OK);
    dims[0] = 3;
    assert_int_equal(ph_gguf_put_tensor(w, "v", PH_DTYPE_F32, 1, dims, &err), PHIAL_OK);
    assert_int_equal(ph_gguf_put_tensor(w, "x", PH_DTYPE_Q8_0, 1, dims, &err), PHIAL_ERR_ARGUMENT);
    assert_int_equal(ph_gguf_writer_begin(w, path, &err), PHIAL_OK);
    assert_int_equal(ph_gguf_writer_data(w, q8, 100, &err), PHIAL_OK);
    assert_int_equal(ph_gguf_writer_data(w, q8, 3, &err), PHIAL_ERR_ARGUMENT);
    assert_int_equal(ph_gguf_writer_commit(w, &err), PHIAL_ERR_ARGUMENT);
    assert_int_equal(ph_gguf_writer_data(w, q8, 2, &err), PHIAL_OK);
    assert_int_equal(ph_gguf_writer_data(w, f32, 12, &err), PHIAL_OK);
    assert_int_equal(ph_gguf_writer_commit(w, &err), PHIAL_OK);
    ph_gguf_writer_free(w);
    assert_int_equal(ph_gguf_open(&g, path, &err), PHIAL_OK);
    const ph_gguf_tensor *t = ph_gguf_tensor_find(g, "v");
    assert_memory_equal(t->data, f32, 12);
    assert_memory_equal(ph_gguf_tensor_find(g, "q")->data, q8, 102);
    assert_true(ph_gguf_array_next_str(ph_gguf_find(g, "words"), &cursor, &s));
    assert_true(ph_gguf_array_next_str(ph_gguf_find(g, "words"), &cursor, &s));
    assert_true(ph_str_eq_c(s, "two"));
    assert_false(ph_gguf_array_next_str(ph_gguf_find(g, "words"), &cursor, &s));
    ph_gguf_close(g);
    unlink(path);
}

static void files_of_others(void **state)
{
    (void)state;
    static const char *const names[] = {
        "golden/gguf/tiny-phi-a-f32.gguf", "golden/gguf/tiny-phi-a-f16.gguf",
        "golden/gguf/tiny-phi-a-q8_0.gguf", "golden/tokenizer/phi-2/ggml-vocab-phi-2.gguf",
        "models/ggml-vocab-phi-3.gguf"};
    int skipped = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *path = ph_testdata(names[i]);
        ph_gguf *g;
        phial_error err;
        if (!path) {
            skipped++;
            continue;
        }
        if (ph_gguf_open(&g, path, &err) != PHIAL_OK)
            fail_msg("%s", err.message);
        assert_int_equal(ph_gguf_n_tensors(g), i < 3 ? 33 : 0);
        ph_gguf_close(g);
    }
    if (skipped) {
        printf("skipped: %d files of the test data are absent\n", skipped);
        skip();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preambles),
        cmocka_unit_test(counts_beyond_the_file),
        cmocka_unit_test(strings),
        cmocka_unit_test(values),
        cmocka_unit_test(arrays_beyond_the_file),
        cmocka_unit_test(arrays_in_arrays),
        cmocka_unit_test(alignments),
        cmocka_unit_test(dimensions),
        cmocka_unit_test(offsets),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(every_damaged_byte_is_survived),
        cmocka_unit_test(scalars_by_type),
        cmocka_unit_test(written_files_read_back),
        cmocka_unit_test(files_of_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
