/* Runs groups of tests as cmocka does: one after the other, a failed assertion ends its test. Tells
 * the processor time of each, which emulation makes long. */
#include "cmocka.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define FAILED  1
#define SKIPPED 2

static jmp_buf end_of_test;

void print_message(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    fflush(stdout);
}

void print_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
}

_Noreturn void cross_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    longjmp(end_of_test, FAILED);
}

_Noreturn void cross_skip(void)
{
    longjmp(end_of_test, SKIPPED);
}

void cross_assert_string(const char *a, const char *b, const char *file, int line)
{
    if (strcmp(a, b) != 0) {
        cross_fail(file, line, "\"%s\", expected \"%s\"", a, b);
    }
}

void cross_assert_memory(const void *a, const void *b, size_t n, const char *file, int line)
{
    const unsigned char *left = a, *right = b;
    for (size_t i = 0; i < n; i++) {
        if (left[i] != right[i]) {
            cross_fail(file, line, "byte %zu of %zu: %d, expected %d", i, n, left[i], right[i]);
        }
    }
}

static int run_test(const struct CMUnitTest *test)
{
    void *state = test->initial_state;
    print_message("[ RUN      ] %s\n", test->name);
    switch (setjmp(end_of_test)) {
    case 0:
        break;
    case SKIPPED:
        print_message("[  SKIPPED ] %s\n", test->name);
        return SKIPPED;
    default:
        print_message("[  FAILED  ] %s\n", test->name);
        return FAILED;
    }
    if (test->setup_func != NULL && test->setup_func(&state) != 0) {
        cross_fail(test->name, 0, "its set-up failed");
    }
    test->test_func(&state);
    if (test->teardown_func != NULL && test->teardown_func(&state) != 0) {
        cross_fail(test->name, 0, "its tear-down failed");
    }
    print_message("[       OK ] %s\n", test->name);
    return 0;
}

int _cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t n,
                            CMFixtureFunction setup, CMFixtureFunction teardown)
{
    void *state = NULL;
    int failed = 0, skipped = 0;
    print_message("[==========] %s: Running %zu test(s).\n", name, n);
    if (setup != NULL && setup(&state) != 0) {
        print_error("%s: the group's set-up failed\n", name);
        return (int)n;
    }
    for (size_t i = 0; i < n; i++) {
        clock_t begin = clock();
        int result = run_test(&tests[i]);
        failed += result == FAILED;
        skipped += result == SKIPPED;
        print_message("%s: %.1f s\n", tests[i].name, (double)(clock() - begin) / CLOCKS_PER_SEC);
    }
    if (teardown != NULL && teardown(&state) != 0) {
        print_error("%s: the group's tear-down failed\n", name);
        failed++;
    }
    print_message("[==========] %s: %zu test(s) run.\n[  PASSED  ] %d test(s).\n", name, n,
                  (int)n - failed - skipped);
    if (skipped > 0) {
        print_message("[  SKIPPED ] %d test(s).\n", skipped);
    }
    if (failed > 0) {
        print_message("[  FAILED  ] %d test(s).\n", failed);
    }
    return failed;
}
