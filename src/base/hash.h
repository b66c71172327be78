/* Hashing for identity, not for secrets: XXH3, by libxxhash. */
#ifndef PH_BASE_HASH_H
#define PH_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct ph_hash128 {
    uint64_t lo, hi;
} ph_hash128;

uint64_t ph_hash64(const void *bytes, size_t n, uint64_t seed);
ph_hash128 ph_hash128_of(const void *bytes, size_t n);

/* In pieces. */
typedef struct ph_hasher ph_hasher;
phial_status ph_hasher_new(ph_hasher **out, phial_error *err);
void ph_hasher_free(ph_hasher *h);
void ph_hasher_add(ph_hasher *h, const void *bytes, size_t n);
ph_hash128 ph_hasher_end(const ph_hasher *h);

void ph_hash128_hex(ph_hash128 h, char out[33]);

#endif
