/* Making the n-th allocation fail. A test program that includes this file has in its head comment
 * " * wrap: calloc realloc aligned_alloc", so that base/mem's calls come here first. What jansson
 * allocates for itself is left alone: its parser (2.14) writes past a buffer that could not grow.
 */
#ifndef PH_TESTS_TORTURE_H
#define PH_TESTS_TORTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

static atomic_long torture_left = -1; /* allocations that still succeed; -1: all */
static atomic_long torture_calls;

void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t bytes);
void *__real_aligned_alloc(size_t align, size_t bytes);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t bytes);
void *__wrap_aligned_alloc(size_t align, size_t bytes);

static inline bool torture_fails(void)
{
    atomic_fetch_add(&torture_calls, 1);
    long left = atomic_load(&torture_left);
    while (left > 0 && !atomic_compare_exchange_weak(&torture_left, &left, left - 1))
        ;
    return left == 0;
}

void *__wrap_calloc(size_t n, size_t size)
{
    return torture_fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t bytes)
{
    return torture_fails() ? NULL : __real_realloc(p, bytes);
}

void *__wrap_aligned_alloc(size_t align, size_t bytes)
{
    return torture_fails() ? NULL : __real_aligned_alloc(align, bytes);
}

/* Calls scenario(arg) with the 1st, 2nd, ... allocation and all behind it failing, until it returns
 * true (done in spite of it). Returns how many runs failed, or -1 after `most` of them. */
static inline long torture_run(bool (*scenario)(void *arg), void *arg, long most)
{
    for (long n = 0; n <= most; n++) {
        atomic_store(&torture_left, n);
        bool done = scenario(arg);
        atomic_store(&torture_left, -1);
        if (done)
            return n;
    }
    return -1;
}

#endif
