/* safetensors: headers made by hand, most of them hostile, sets of shards, the writer read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fmt/safetensors.h"
#include "testdata.h"

static char dir[] = "/tmp/phial-test-st-XXXXXX";

static void build(ph_buf *b, const char *header, size_t data_bytes)
{
    ph_buf_init(b, 0);
    ph_buf_add_u64(b, strlen(header));
    ph_buf_add_str(b, header);
    ph_buf_add_zeros(b, data_bytes);
}

/* Parses an exact copy, so that the sanitizer sees a read one byte behind it. */
static phial_status parse(const char *p, size_t n, phial_error *err)
{
    uint8_t *copy = malloc(n ? n : 1);
    ph_safetensors *st = NULL;
    memcpy(copy, p, n);
    *err = (phial_error){0};
    phial_status status = ph_safetensors_parse(&st, copy, n, err);
    assert_true((status == PHIAL_OK) == (st != NULL));
    ph_safetensors_close(st);
    free(copy);
    return status;
}

static void expect(const char *header, size_t data_bytes, const char *because)
{
    ph_buf b;
    phial_error err;
    build(&b, header, data_bytes);
    phial_status status = parse(b.data, b.len, &err);
    if (because ? status != PHIAL_ERR_BAD_INPUT || !strstr(err.message, because)
                : status != PHIAL_OK)
        fail_msg("%s: status %d, '%s' instead of '%s'", header, status, err.message,
                 because ? because : "success");
    ph_buf_free(&b);
}

#define T(dtype, shape, offsets)                                                                   \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void lengths(void **state)
{
    (void)state;
    static const uint64_t wrong[] = {100, 1ull << 32, UINT64_MAX, UINT64_MAX - 7};
    phial_error err;
    ph_buf b;
    for (size_t i = 0; i < 4; i++) {
        ph_buf_init(&b, 0);
        ph_buf_add_u64(&b, wrong[i]);
        ph_buf_add_str(&b, "{}");
        assert_int_equal(parse(b.data, b.len, &err), PHIAL_ERR_BAD_INPUT);
        assert_non_null(strstr(err.message, "exceeds the file"));
        ph_buf_free(&b);
    }
    ph_buf_init(&b, 0);
    ph_buf_add_u64(&b, PH_ST_MAX_HEADER + 1);
    ph_buf_add_zeros(&b, PH_ST_MAX_HEADER + 1);
    assert_int_equal(parse(b.data, b.len, &err), PHIAL_ERR_BAD_INPUT);
    assert_non_null(strstr(err.message, "the limit is"));
    ph_buf_free(&b);
    expect("", 0, "does not begin");
    expect("[]", 0, "does not begin");
    expect("{}", 0, NULL);
    expect("{}      ", 0, NULL);
    expect("{} {}", 0, "header");
    expect("{}", 1, "belong to none");
}

static void brackets(void **state)
{
    (void)state;
    enum { N = 100000 };
    char *text = malloc(N + 8);
    phial_error err;
    ph_buf b;
    memcpy(text, "{\"a\":", 5);
    memset(text + 5, '[', N);
    text[N + 5] = '\0';
    build(&b, text, 0);
    assert_int_equal(parse(b.data, b.len, &err), PHIAL_ERR_BAD_INPUT);
    ph_buf_free(&b);
    assert_int_equal(ph_safetensors_index_check(text, N + 5, &err), PHIAL_ERR_BAD_INPUT);
    free(text);
}

static void tensors(void **state)
{
    (void)state;
    expect("{\"a\":" T("F32", "[2,3]", "[0,24]") "}", 24, NULL);
    expect("{\"a\":" T("F32", "[]", "[0,4]") "}", 4, NULL);
    expect("{\"a\":" T("F32", "[0]", "[0,0]") "}", 0, NULL);
    expect("{\"a\":" T("F8_E4M3", "[3]", "[0,3]") "}", 3, NULL);
    expect("{\"a\":5}", 0, "instead of an object");
    expect("{\"a\":{}}", 0, "'shape' is not an array");
    expect("{\"a\":" T("F31", "[1]", "[0,4]") "}", 4, "unknown dtype 'F31'");
    expect("{\"a\":" T("F32", "[2,3]", "[0,20]") "}", 20, "need 24");
    expect("{\"a\":" T("F32", "[2,3]", "[0,24]") "}", 20, "exceed the file");
    expect("{\"a\":" T("F32", "[1]", "[4,0]") "}", 4, "exceed the file");
    expect("{\"a\":" T("F32", "[1]", "[-4,0]") "}", 4, "pair of whole numbers");
    expect("{\"a\":" T("F32", "[1]", "[0,4,8]") "}", 8, "pair of whole numbers");
    expect("{\"a\":" T("F32", "[1]", "[0.0,4.0]") "}", 4, "pair of whole numbers");
    expect("{\"a\":" T("F32", "[-1]", "[0,4]") "}", 4, "shape[0] is not");
    expect("{\"a\":" T("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "9 dimensions");
    expect("{\"a\":" T("F32", "[4294967296,4294967296]", "[0,4]") "}", 4, "overflows");
    expect("{\"a\":" T("F32", "[4611686018427387904]", "[0,4]") "}", 4, "overflows");
    expect("{\"a\":" T("F32", "[18446744073709551616]", "[0,4]") "}", 4, "header");
    expect("{\"a\":" T("F4", "[3]", "[0,2]") "}", 2, "whole number of bytes");
    expect("{\"a\\u0000\":" T("F32", "[1]", "[0,4]") "}", 4, "");
    expect("{\"a\\n\":" T("F32", "[1]", "[0,4]") "}", 4, "control character");
    expect("{\"\":" T("F32", "[1]", "[0,4]") "}", 4, "is empty");
}

static void coverage(void **state)
{
    (void)state;
    expect("{\"a\":" T("F32", "[1]", "[4,8]") ",\"b\":" T("F32", "[1]", "[0,4]") "}", 8, NULL);
    expect("{\"a\":" T("F32", "[1]", "[0,4]") ",\"b\":" T("F32", "[1]", "[0,4]") "}", 4,
           "overlapping");
    expect("{\"a\":" T("F32", "[1]", "[0,4]") ",\"b\":" T("F32", "[1]", "[8,12]") "}", 12,
           "tensor 'b': begins at byte 8 of the data, leaving a hole");
    expect("{\"a\":" T("F32", "[1]", "[4,8]") "}", 8, "hole");
    expect("{\"a\":" T("F32", "[1]", "[0,4]") "}", 8, "belong to none");
    expect("{\"a\":" T("F32", "[1]", "[0,4]") ",\"a\":" T("F32", "[1]", "[4,8]") "}", 8, "header");
}

static void metadata(void **state)
{
    (void)state;
    expect("{\"__metadata__\":{\"format\":\"pt\"}}", 0, NULL);
    expect("{\"__metadata__\":{\"format\":1}}", 0, "instead of a string");
    expect("{\"__metadata__\":{\"format\":{}}}", 0, "instead of a string");
    expect("{\"__metadata__\":\"pt\"}", 0, "not an object");
}

static void every_prefix_is_refused(void **state)
{
    (void)state;
    phial_error err;
    ph_buf b;
    build(&b,
          "{\"__metadata__\":{\"k\":\"v\"},\"a\":" T("F32", "[2]", "[0,8]") ",\"b\":" T(
              "BF16", "[1,3]", "[8,14]") "}",
          14);
    for (size_t n = 0; n < b.len; n++) {
        if (parse(b.data, n, &err) != PHIAL_ERR_BAD_INPUT || err.message[0] == '\0')
            fail_msg("prefix of %zu bytes: status %d '%s'", n, err.status, err.message);
    }
    assert_int_equal(parse(b.data, b.len, &err), PHIAL_OK);
    for (size_t i = 0; i < b.len - 14; i++) {
        b.data[i] = (char)(b.data[i] ^ 0x15);
        parse(b.data, b.len, &err);
        b.data[i] = (char)(b.data[i] ^ 0x15);
    }
    ph_buf_free(&b);
}

static void put(const char *name, const void *p, size_t n)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    fclose(f);
}

static void put_shard(const char *name, const char *tensor)
{
    char header[256];
    ph_buf b;
    snprintf(header, sizeof header, "{\"%s\":" T("F32", "[1]", "[0,4]") "}", tensor);
    build(&b, header, 4);
    put(name, b.data, b.len);
    ph_buf_free(&b);
}

static void expect_index(const char *index, const char *because)
{
    ph_safetensors *st;
    phial_error err = {0};
    put("model.safetensors.index.json", index, strlen(index));
    phial_status status = ph_safetensors_open(&st, dir, &err);
    ph_safetensors_close(st);
    if (because ? status != PHIAL_ERR_BAD_INPUT || !strstr(err.message, because)
                : status != PHIAL_OK)
        fail_msg("%s: status %d, '%s' instead of '%s'", index, status, err.message,
                 because ? because : "success");
}

#define MAP(entries) "{\"weight_map\":{" entries "}}"

static void shards(void **state)
{
    (void)state;
    put_shard("1.safetensors", "a");
    put_shard("2.safetensors", "b");
    put_shard("again.safetensors", "a");
    expect_index(MAP("\"a\":\"1.safetensors\",\"b\":\"2.safetensors\""), NULL);
    expect_index("{", "index");
    expect_index("[]", "'weight_map' is nothing");
    expect_index("{\"weight_map\":[]}", "'weight_map' is array");
    expect_index(MAP(""), "0 tensors");
    expect_index(MAP("\"a\":1"), "instead of a string");
    expect_index(MAP("\"a\":\"3.safetensors\""), "3.safetensors: missing");
    expect_index(MAP("\"a\":\"../x.safetensors\""), "path separator");
    expect_index(MAP("\"a\":\"/etc/passwd\""), "path separator");
    expect_index(MAP("\"a\":\"x\\\\y.safetensors\""), "path separator");
    expect_index(MAP("\"a\":\"..\""), "begins with a dot");
    expect_index(MAP("\"a\":\"x\\u0000.safetensors\""), "NUL");
    expect_index(MAP("\"a\":\"\""), "is empty");
    expect_index(MAP("\"a\":\"model.safetensors.index.json\""), "does not end in .safetensors");
    expect_index(MAP("\"a\":\"1.safetensors\",\"b\":\"1.safetensors\""), "tensor 'b': not in");
    expect_index(MAP("\"a\":\"2.safetensors\",\"b\":\"1.safetensors\""), "but weight_map names");
    expect_index(MAP("\"a\":\"1.safetensors\",\"c\":\"2.safetensors\""), "not in '2.safetensors'");
    expect_index(MAP("\"a\":\"1.safetensors\",\"x\":\"again.safetensors\""), "and again in");
}

/* A shard that is a link to itself, and one that is the index under another name. */
static void cyclic_shards(void **state)
{
    (void)state;
    char link[256];
    static const char index[] = MAP("\"a\":\"loop.safetensors\"");
    snprintf(link, sizeof link, "%s/loop.safetensors", dir);
    assert_int_equal(symlink("loop.safetensors", link), 0);
    expect_index(index, "missing");
    unlink(link);
    put("loop.safetensors", index, strlen(index));
    expect_index(index, "exceeds the file");
}

static void unlisted_tensor(void **state)
{
    (void)state;
    ph_buf b;
    build(&b, "{\"a\":" T("F32", "[1]", "[0,4]") ",\"b\":" T("F32", "[1]", "[4,8]") "}", 8);
    put("two.safetensors", b.data, b.len);
    ph_buf_free(&b);
    expect_index(MAP("\"a\":\"two.safetensors\""), "'b': in 'two.safetensors', but not in");
}

static void folders_without_weights(void **state)
{
    (void)state;
    char path[256], index[300];
    ph_safetensors *st;
    phial_error err;
    snprintf(index, sizeof index, "%s/model.safetensors.index.json", dir);
    unlink(index);
    assert_int_equal(ph_safetensors_open(&st, dir, &err), PHIAL_ERR_BAD_INPUT);
    put("pytorch_model.bin", "x", 1);
    assert_int_equal(ph_safetensors_open(&st, dir, &err), PHIAL_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "pickle"));
    snprintf(path, sizeof path, "%s/absent.safetensors", dir);
    assert_int_equal(ph_safetensors_open(&st, path, &err), PHIAL_ERR_IO);
}

static void written_files_read_back(void **state)
{
    (void)state;
    char path[256];
    ph_st_writer *w;
    ph_safetensors *st;
    ph_str value;
    phial_error err = {0};
    const uint64_t shape[2] = {2, 3};
    uint8_t bytes[12 + 8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    snprintf(path, sizeof path, "%s/out.safetensors", dir);
    assert_int_equal(ph_st_writer_new(&w, &err), PHIAL_OK);
    assert_int_equal(ph_st_writer_meta(w, ph_str_from("format"), ph_str_from("pt"), &err), 0);
    assert_int_equal(ph_st_writer_tensor(w, ph_str_from("h"), "F16", 2, shape, &err), PHIAL_OK);
    assert_int_equal(ph_st_writer_tensor(w, ph_str_from("f"), "F32", 1, shape, &err), PHIAL_OK);
    assert_int_equal(ph_st_writer_tensor(w, ph_str_from("h"), "F32", 1, shape, &err),
                     PHIAL_ERR_ARGUMENT);
    assert_int_equal(ph_st_writer_tensor(w, ph_str_from("x"), "F99", 1, shape, &err),
                     PHIAL_ERR_ARGUMENT);
    assert_int_equal(ph_st_writer_begin(w, path, &err), PHIAL_OK);
    assert_int_equal(ph_st_writer_data(w, bytes, 15, &err), PHIAL_OK);
    assert_int_equal(ph_st_writer_commit(w, &err), PHIAL_ERR_ARGUMENT);
    assert_int_equal(ph_st_writer_data(w, bytes + 15, 6, &err), PHIAL_ERR_ARGUMENT);
    assert_int_equal(ph_st_writer_data(w, bytes + 15, 5, &err), PHIAL_OK);
    assert_int_equal(ph_st_writer_commit(w, &err), PHIAL_OK);
    ph_st_writer_free(w);
    assert_int_equal(ph_safetensors_open(&st, path, &err), PHIAL_OK);
    assert_memory_equal(ph_safetensors_tensor_find(st, "h")->data, bytes, 12);
    assert_memory_equal(ph_safetensors_tensor_find(st, "f")->data, bytes + 12, 8);
    assert_int_equal(ph_safetensors_tensor_find(st, "h")->offset % 8, 0);
    assert_true(ph_json_str(ph_json_get(ph_safetensors_metadata(st, 0), "format"), &value));
    assert_true(ph_str_eq_c(value, "pt"));
    ph_safetensors_close(st);
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    char line[256];
    (void)state;
    snprintf(line, sizeof line, "rm -r %s", dir);
    return system(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths),
        cmocka_unit_test(brackets),
        cmocka_unit_test(tensors),
        cmocka_unit_test(coverage),
        cmocka_unit_test(metadata),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(shards),
        cmocka_unit_test(cyclic_shards),
        cmocka_unit_test(unlisted_tensor),
        cmocka_unit_test(folders_without_weights),
        cmocka_unit_test(written_files_read_back),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
