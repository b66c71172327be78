/* xoshiro256** 1.0 and splitmix64 (prng.di.unimi.it, public domain algorithms). */
#include "base/rng.h"

static uint64_t rotl(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void ph_rng_seed(ph_rng *rng, uint64_t seed, uint64_t stream)
{
    uint64_t state = stream;
    state = seed ^ splitmix(&state);
    for (int i = 0; i < 4; i++) {
        rng->s[i] = splitmix(&state);
    }
}

uint64_t ph_rng_u64(ph_rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

double ph_rng_f64(ph_rng *rng)
{
    return (double)(ph_rng_u64(rng) >> 11) * 0x1p-53;
}

uint64_t ph_rng_below(ph_rng *rng, uint64_t n)
{
    uint64_t floor = (0 - n) % n; /* 2^64 mod n: below it would be too many of the small ones */
    uint64_t v;
    do {
        v = ph_rng_u64(rng);
    } while (v < floor);
    return v % n;
}
