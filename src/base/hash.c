/* XXH3; contract in hash.h. */
#include "base/hash.h"

#include <stdio.h>
#include <xxhash.h>

#include "base/mem.h"

struct ph_hasher {
    XXH3_state_t *state;
};

uint64_t ph_hash64(const void *bytes, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, n, seed);
}

static ph_hash128 from_xxh(XXH128_hash_t h)
{
    return (ph_hash128){h.low64, h.high64};
}

ph_hash128 ph_hash128_of(const void *bytes, size_t n)
{
    return from_xxh(XXH3_128bits(bytes, n));
}

phial_status ph_hasher_new(ph_hasher **out, phial_error *err)
{
    ph_hasher *h = ph_alloc(1, sizeof *h, err);
    if (h == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    h->state = XXH3_createState();
    if (h->state == NULL) {
        ph_free(h);
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (hash state)");
    }
    XXH3_128bits_reset(h->state);
    *out = h;
    return PHIAL_OK;
}

void ph_hasher_free(ph_hasher *h)
{
    if (h != NULL) {
        XXH3_freeState(h->state);
        ph_free(h);
    }
}

void ph_hasher_add(ph_hasher *h, const void *bytes, size_t n)
{
    XXH3_128bits_update(h->state, bytes, n);
}

ph_hash128 ph_hasher_end(const ph_hasher *h)
{
    return from_xxh(XXH3_128bits_digest(h->state));
}

void ph_hash128_hex(ph_hash128 h, char out[33])
{
    snprintf(out, 33, "%016llx%016llx", (unsigned long long)h.hi, (unsigned long long)h.lo);
}
