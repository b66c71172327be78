/* The part of cmocka's interface used by the tests that are cross-compiled, so that their build
 * needs a C library for the other CPU and nothing else. What they print is what cmocka prints. */
#ifndef PH_TESTS_CROSS_CMOCKA_H
#define PH_TESTS_CROSS_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

typedef void (*CMUnitTestFunction)(void **state);
typedef int (*CMFixtureFunction)(void **state);

struct CMUnitTest {
    const char *name;
    CMUnitTestFunction test_func;
    CMFixtureFunction setup_func, teardown_func;
    void *initial_state;
};

#define cmocka_unit_test(f)                                                                        \
    {                                                                                              \
#f, f, NULL, NULL, NULL                                                                    \
    }

int _cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t n,
                            CMFixtureFunction setup, CMFixtureFunction teardown);
#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    _cmocka_run_group_tests(#tests, tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)

void print_message(const char *format, ...) __attribute__((format(printf, 1, 2)));
void print_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void cross_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
_Noreturn void cross_skip(void);
void cross_assert_string(const char *a, const char *b, const char *file, int line);
void cross_assert_memory(const void *a, const void *b, size_t n, const char *file, int line);

#define skip()        cross_skip()
#define fail_msg(...) cross_fail(__FILE__, __LINE__, __VA_ARGS__)
#define assert_true(c)                                                                             \
    do {                                                                                           \
        if (!(c)) {                                                                                \
            cross_fail(__FILE__, __LINE__, "%s", #c);                                              \
        }                                                                                          \
    } while (0)
#define assert_non_null(p) assert_true((p) != NULL)
#define assert_null(p)     assert_true((p) == NULL)
#define assert_int_equal(a, b)                                                                     \
    do {                                                                                           \
        long long left_ = (long long)(a), right_ = (long long)(b);                                 \
        if (left_ != right_) {                                                                     \
            cross_fail(__FILE__, __LINE__, "%lld (%s), expected %lld (%s)", left_, #a, right_,     \
                       #b);                                                                        \
        }                                                                                          \
    } while (0)
#define assert_int_not_equal(a, b)     assert_true((long long)(a) != (long long)(b))
#define assert_ptr_equal(a, b)         assert_true((const void *)(a) == (const void *)(b))
#define assert_string_equal(a, b)      cross_assert_string(a, b, __FILE__, __LINE__)
#define assert_memory_equal(a, b, len) cross_assert_memory(a, b, len, __FILE__, __LINE__)

#endif
