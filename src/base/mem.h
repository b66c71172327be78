/* Memory: one door for every allocation, overflow-checked arithmetic, arenas.
 *
 * Every allocation of the library goes through here, so that tests can count allocations and make
 * the n-th one fail (they wrap malloc at link time; the library keeps no state for it).
 * Ownership: what ph_alloc*() returns is owned; ph_free() frees it; ph_free(NULL) is fine.
 * Threads: any.
 */
#ifndef PH_BASE_MEM_H
#define PH_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define PH_CACHE_LINE 64
#define PH_HUGE_PAGE  ((size_t)2 << 20)

/* a * b and a + b; false, with *out unchanged, when the result does not fit. */
bool ph_mul_size(size_t *out, size_t a, size_t b);
bool ph_add_size(size_t *out, size_t a, size_t b);
bool ph_mul_u64(uint64_t *out, uint64_t a, uint64_t b);
bool ph_add_u64(uint64_t *out, uint64_t a, uint64_t b);

/* Rounds up to a multiple of `align` (a power of two). The caller knows it does not overflow. */
static inline size_t ph_align_up(size_t n, size_t align)
{
    return (n + align - 1) & ~(align - 1);
}

/* n x size zeroed bytes, or NULL with PHIAL_ERR_NO_MEMORY in err. n x size == 0 gives a valid
 * pointer. */
void *ph_alloc(size_t n, size_t size, phial_error *err);

/* As ph_alloc(), aligned to `align` (a power of two, at least sizeof(void *)), NOT zeroed. */
void *ph_alloc_aligned(size_t n, size_t size, size_t align, phial_error *err);

/* As ph_alloc_aligned() to PH_CACHE_LINE, NOT zeroed, for blocks of megabytes that are walked in
 * strides: from PH_HUGE_PAGE on, the system is asked to back them with huge pages. */
void *ph_alloc_large(size_t n, size_t size, phial_error *err);

/* Grows or shrinks; new bytes are not zeroed. On failure the old block stays valid. */
void *ph_realloc(void *p, size_t n, size_t size, phial_error *err);

void ph_free(void *p);

/* A bump allocator: many small things freed together. Zeroed memory, aligned to 16. */
typedef struct ph_arena {
    struct ph_arena_block *head;
    size_t used_bytes;  /* handed out so far */
    size_t limit_bytes; /* 0: none; exceeding it is PHIAL_ERR_LIMIT */
} ph_arena;

void ph_arena_init(ph_arena *arena, size_t limit_bytes);
void *ph_arena_alloc(ph_arena *arena, size_t n, size_t size, phial_error *err);
/* Copy of n bytes with a NUL behind. */
char *ph_arena_strndup(ph_arena *arena, const char *s, size_t n, phial_error *err);
void ph_arena_free(ph_arena *arena);

#endif
