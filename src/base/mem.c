/* Allocation and arenas; contract in mem.h. */
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

bool ph_mul_size(size_t *out, size_t a, size_t b)
{
    size_t r;
    if (__builtin_mul_overflow(a, b, &r)) {
        return false;
    }
    *out = r;
    return true;
}

bool ph_add_size(size_t *out, size_t a, size_t b)
{
    size_t r;
    if (__builtin_add_overflow(a, b, &r)) {
        return false;
    }
    *out = r;
    return true;
}

bool ph_mul_u64(uint64_t *out, uint64_t a, uint64_t b)
{
    uint64_t r;
    if (__builtin_mul_overflow(a, b, &r)) {
        return false;
    }
    *out = r;
    return true;
}

bool ph_add_u64(uint64_t *out, uint64_t a, uint64_t b)
{
    uint64_t r;
    if (__builtin_add_overflow(a, b, &r)) {
        return false;
    }
    *out = r;
    return true;
}

static void *no_memory(phial_error *err, size_t n, size_t size)
{
    ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (%zu x %zu bytes wanted)", n, size);
    return NULL;
}

/* The product, at least 1; 0 when it cannot be allocated at all. */
static size_t checked_bytes(size_t n, size_t size)
{
    size_t bytes;
    if (!ph_mul_size(&bytes, n, size) || bytes > SIZE_MAX / 2) {
        return 0;
    }
    return bytes == 0 ? 1 : bytes;
}

void *ph_alloc(size_t n, size_t size, phial_error *err)
{
    size_t bytes = checked_bytes(n, size);
    void *p = bytes == 0 ? NULL : calloc(1, bytes);
    return p != NULL ? p : no_memory(err, n, size);
}

void *ph_alloc_aligned(size_t n, size_t size, size_t align, phial_error *err)
{
    size_t bytes = checked_bytes(n, size);
    void *p = bytes == 0 ? NULL : aligned_alloc(align, ph_align_up(bytes, align));
    return p != NULL ? p : no_memory(err, n, size);
}

void *ph_alloc_large(size_t n, size_t size, phial_error *err)
{
    size_t bytes = checked_bytes(n, size);
    if (bytes < PH_HUGE_PAGE) {
        return ph_alloc_aligned(n, size, PH_CACHE_LINE, err);
    }
    void *p = ph_alloc_aligned(n, size, PH_HUGE_PAGE, err);
    if (p != NULL) {
        /* A hint: without huge pages everything works, slower. */
        (void)madvise(p, ph_align_up(bytes, PH_HUGE_PAGE), MADV_HUGEPAGE);
    }
    return p;
}

void *ph_realloc(void *p, size_t n, size_t size, phial_error *err)
{
    size_t bytes = checked_bytes(n, size);
    void *grown = bytes == 0 ? NULL : realloc(p, bytes);
    return grown != NULL ? grown : no_memory(err, n, size);
}

void ph_free(void *p)
{
    free(p);
}

struct ph_arena_block {
    struct ph_arena_block *next;
    size_t used, cap;
    _Alignas(16) uint8_t bytes[];
};

#define ARENA_BLOCK_BYTES (64u << 10)

void ph_arena_init(ph_arena *arena, size_t limit_bytes)
{
    arena->head = NULL;
    arena->used_bytes = 0;
    arena->limit_bytes = limit_bytes;
}

void *ph_arena_alloc(ph_arena *arena, size_t n, size_t size, phial_error *err)
{
    size_t bytes = checked_bytes(n, size);
    if (bytes == 0) {
        return no_memory(err, n, size);
    }
    bytes = ph_align_up(bytes, 16);
    if (arena->limit_bytes != 0 && bytes > arena->limit_bytes - arena->used_bytes) {
        ph_err_set(err, PHIAL_ERR_LIMIT, "more than %zu bytes of small objects",
                   arena->limit_bytes);
        return NULL;
    }
    struct ph_arena_block *block = arena->head;
    if (block == NULL || block->cap - block->used < bytes) {
        size_t cap = bytes > ARENA_BLOCK_BYTES ? bytes : ARENA_BLOCK_BYTES;
        block = ph_alloc(1, sizeof *block + cap, err);
        if (block == NULL) {
            return NULL;
        }
        block->cap = cap;
        block->next = arena->head;
        arena->head = block;
    }
    void *p = block->bytes + block->used;
    block->used += bytes;
    arena->used_bytes += bytes;
    return p;
}

char *ph_arena_strndup(ph_arena *arena, const char *s, size_t n, phial_error *err)
{
    char *copy = n == SIZE_MAX ? no_memory(err, n, 1) : ph_arena_alloc(arena, n + 1, 1, err);
    if (copy != NULL && n > 0) {
        memcpy(copy, s, n);
    }
    return copy;
}

void ph_arena_free(ph_arena *arena)
{
    struct ph_arena_block *block = arena->head;
    while (block != NULL) {
        struct ph_arena_block *next = block->next;
        ph_free(block);
        block = next;
    }
    ph_arena_init(arena, arena->limit_bytes);
}
