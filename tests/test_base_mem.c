/* base: errors, checked arithmetic, allocation, arenas, buffers.
 * wrap: calloc realloc aligned_alloc
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "torture.h"

static void test_error_sentences(void **state)
{
    (void)state;
    phial_error err = {0};
    assert_int_equal(ph_err_set(&err, PHIAL_ERR_BAD_INPUT, "tensor %d '%s'", 12, "a\nb\xff\x1b[0m"),
                     PHIAL_ERR_BAD_INPUT);
    assert_int_equal(err.status, PHIAL_ERR_BAD_INPUT);
    assert_string_equal(err.message, "tensor 12 'a\\x0ab\\xff\\x1b[0m'");
    assert_int_equal(ph_err_context(&err, PHIAL_ERR_IO, "%s", "x.gguf"), PHIAL_ERR_BAD_INPUT);
    assert_string_equal(err.message, "x.gguf: tensor 12 'a\\x0ab\\xff\\x1b[0m'");
    assert_int_equal(ph_err_set(NULL, PHIAL_ERR_LIMIT, "x"), PHIAL_ERR_LIMIT);
    assert_int_equal(ph_err_context(NULL, PHIAL_ERR_IO, "x"), PHIAL_ERR_IO);
    assert_int_equal(ph_err_errno(&err, ENOMEM, "x"), PHIAL_ERR_NO_MEMORY);
    assert_int_equal(ph_err_errno(&err, ENOENT, "no.gguf"), PHIAL_ERR_IO);
    assert_string_equal(err.message, "no.gguf: No such file or directory");
}

static void test_long_error(void **state)
{
    (void)state;
    char text[3000];
    phial_error err = {0};
    for (size_t i = 0; i + 1 < sizeof text; i++)
        text[i] = "\xc3\xa9"[i % 2];
    text[sizeof text - 1] = 0;
    ph_err_set(&err, PHIAL_ERR_IO, "%s", text);
    size_t n = strlen(err.message);
    assert_true(n < sizeof err.message && n > sizeof err.message - 16);
    assert_string_equal(err.message + n - 3, "...");
    assert_true(ph_utf8_valid((const uint8_t *)err.message, n));
    for (int i = 0; i < 5; i++)
        ph_err_context(&err, PHIAL_ERR_IO, "context %d", i);
    assert_memory_equal(err.message, "context 4: context 3:", 21);
    assert_true(strlen(err.message) < sizeof err.message);
}

static void test_status_names(void **state)
{
    (void)state;
    assert_string_equal(phial_status_name(PHIAL_OK), "ok");
    assert_string_equal(phial_status_name(PHIAL_ERR_BAD_INPUT), "bad input");
    assert_non_null(phial_status_name((phial_status)999));
}

static void test_checked_arithmetic(void **state)
{
    (void)state;
    size_t s = 7;
    uint64_t u = 7;
    assert_true(ph_mul_size(&s, SIZE_MAX, 1) && s == SIZE_MAX);
    assert_false(ph_mul_size(&s, SIZE_MAX / 2 + 1, 2));
    assert_false(ph_add_size(&s, SIZE_MAX, 1));
    assert_true(s == SIZE_MAX);
    assert_true(ph_mul_u64(&u, UINT32_MAX, UINT32_MAX));
    assert_true(u == 0xfffffffe00000001u);
    assert_false(ph_mul_u64(&u, UINT64_MAX / 3 + 1, 3));
    assert_true(ph_add_u64(&u, UINT64_MAX - 1, 1) && u == UINT64_MAX);
    assert_false(ph_add_u64(&u, UINT64_MAX, 1));
    assert_int_equal(ph_align_up(0, 64), 0);
    assert_int_equal(ph_align_up(65, 64), 128);
}

static void test_allocation(void **state)
{
    (void)state;
    phial_error err = {0};
    assert_null(ph_alloc(SIZE_MAX, 2, &err));
    assert_int_equal(err.status, PHIAL_ERR_NO_MEMORY);
    assert_null(ph_alloc(SIZE_MAX, 1, NULL));
    assert_null(ph_alloc_aligned(SIZE_MAX / 2 + 1, 2, 64, NULL));
    assert_null(ph_alloc_large(SIZE_MAX / 2 + 1, 2, NULL));
    for (size_t n = 0; n <= 3 * PH_HUGE_PAGE; n += PH_HUGE_PAGE / 2 + 1) {
        unsigned char *large = ph_alloc_large(n, 1, NULL);
        assert_non_null(large);
        assert_int_equal((uintptr_t)large % (n < PH_HUGE_PAGE ? PH_CACHE_LINE : PH_HUGE_PAGE), 0);
        memset(large, 1, n);
        ph_free(large);
    }
    char *empty = ph_alloc(0, 8, NULL);
    assert_non_null(empty);
    ph_free(empty);
    ph_free(NULL);
    for (size_t align = sizeof(void *); align <= 4096; align *= 2) {
        void *p = ph_alloc_aligned(3, 5, align, NULL);
        assert_int_equal((uintptr_t)p % align, 0);
        memset(p, 1, 15);
        ph_free(p);
    }
    uint32_t *p = ph_alloc(4, sizeof *p, NULL);
    for (int i = 0; i < 4; i++)
        assert_int_equal(p[i], 0);
    p[3] = 42;
    assert_null(ph_realloc(p, SIZE_MAX / 4, 8, &err));
    p = ph_realloc(p, 4000, sizeof *p, NULL);
    assert_int_equal(p[3], 42);
    ph_free(p);
}

static void test_arena(void **state)
{
    (void)state;
    ph_arena arena;
    phial_error err = {0};
    ph_arena_init(&arena, 0);
    char *small[1000];
    for (int i = 0; i < 1000; i++) {
        small[i] = ph_arena_alloc(&arena, (size_t)i, 1, NULL);
        assert_int_equal((uintptr_t)small[i] % 16, 0);
        for (int k = 0; k < i; k++)
            assert_int_equal(small[i][k], 0);
        memset(small[i], i & 255, (size_t)i);
    }
    for (int i = 1; i < 1000; i++)
        assert_true(small[i][0] == (char)i && small[i][i - 1] == (char)i);
    assert_non_null(ph_arena_alloc(&arena, 1u << 20, 1, NULL));
    assert_string_equal(ph_arena_strndup(&arena, "abcdef", 3, NULL), "abc");
    assert_null(ph_arena_alloc(&arena, SIZE_MAX, 2, &err));
    assert_null(ph_arena_strndup(&arena, "", SIZE_MAX, NULL));
    ph_arena_free(&arena);
    ph_arena_init(&arena, 100);
    assert_non_null(ph_arena_alloc(&arena, 96, 1, &err));
    assert_null(ph_arena_alloc(&arena, 1, 1, &err));
    assert_int_equal(err.status, PHIAL_ERR_LIMIT);
    ph_arena_free(&arena);
    ph_arena_free(&arena);
}

static void test_buffer(void **state)
{
    (void)state;
    ph_buf buf;
    phial_error err = {0};
    ph_buf_init(&buf, 0);
    ph_buf_addf(&buf, "%d-%s", 12, "ab");
    ph_buf_add_byte(&buf, 0);
    ph_buf_add_zeros(&buf, 2);
    ph_buf_add_u32(&buf, 0x01020304);
    ph_buf_add_u64(&buf, 0x0102030405060708u);
    const char want[] = "12-ab\0\0\0\4\3\2\1\10\7\6\5\4\3\2\1";
    assert_int_equal(buf.len, sizeof want - 1);
    assert_memory_equal(buf.data, want, sizeof want);
    for (int i = 0; i < 100000; i++)
        ph_buf_add_str(&buf, "xyz");
    assert_int_equal(buf.len, sizeof want - 1 + 300000);
    assert_int_equal(buf.data[buf.len], 0);
    assert_int_equal(ph_buf_status(&buf, &err), PHIAL_OK);
    assert_false(ph_buf_reserve(&buf, SIZE_MAX));
    assert_false(ph_buf_add_byte(&buf, 1)); /* sticky */
    assert_int_equal(ph_buf_status(&buf, &err), PHIAL_ERR_NO_MEMORY);
    ph_buf_clear(&buf);
    assert_true(ph_buf_add_str(&buf, "again"));
    assert_string_equal(buf.data, "again");
    ph_buf_free(&buf);
    ph_buf_init(&buf, 10);
    assert_true(ph_buf_add(&buf, "0123456789", 10));
    assert_false(ph_buf_add_byte(&buf, 'x'));
    assert_int_equal(buf.len, 10);
    assert_int_equal(ph_buf_status(&buf, &err), PHIAL_ERR_LIMIT);
    ph_buf_free(&buf);
}

static bool many_allocations(void *arg)
{
    (void)arg;
    ph_arena arena;
    ph_buf buf;
    phial_error err = {0};
    ph_arena_init(&arena, 0);
    ph_buf_init(&buf, 0);
    char *copy = ph_strdup("text", &err);
    void *aligned = ph_alloc_aligned(1, 100, 64, &err);
    bool ok = copy && aligned && ph_arena_alloc(&arena, 200000, 1, &err) &&
              ph_arena_strndup(&arena, "abc", 3, &err);
    for (int i = 0; i < 50; i++)
        ph_buf_add_str(&buf, "0123456789");
    ok = ok && ph_buf_status(&buf, &err) == PHIAL_OK;
    if (!ok)
        assert_int_equal(err.status, PHIAL_ERR_NO_MEMORY);
    ph_free(copy);
    ph_free(aligned);
    ph_arena_free(&arena);
    ph_buf_free(&buf);
    return ok;
}

static void test_failing_allocations(void **state)
{
    (void)state;
    long n = torture_run(many_allocations, NULL, 1000);
    assert_in_range(n, 5, 100);
}

static void keep_line(void *user, int level, const char *line)
{
    char *kept = user;
    snprintf(kept, 2000, "%d %s", level, line);
}

static void test_log(void **state)
{
    (void)state;
    char kept[2000] = "";
    ph_log silent = {0}, log = {.fn = keep_line, .user = kept};
    ph_log_write(&silent, PH_LOG_WARN, "nobody hears");
    ph_log_write(NULL, PH_LOG_WARN, "nobody hears");
    ph_log_write(&log, PH_LOG_INFO, "%s %d", "layers", 32);
    assert_string_equal(kept, "1 layers 32");
    ph_log_write(&log, PH_LOG_WARN, "%01500d", 7);
    assert_in_range(strlen(kept), 900, 1002);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_sentences),
        cmocka_unit_test(test_long_error),
        cmocka_unit_test(test_status_names),
        cmocka_unit_test(test_checked_arithmetic),
        cmocka_unit_test(test_allocation),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_buffer),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
