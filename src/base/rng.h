/* xoshiro256** (Blackman and Vigna), seeded through splitmix64. The same seed gives the same
 * numbers on every machine. Not for secrets. */
#ifndef PH_BASE_RNG_H
#define PH_BASE_RNG_H

#include <stdint.h>

typedef struct ph_rng {
    uint64_t s[4];
} ph_rng;

void ph_rng_seed(ph_rng *rng, uint64_t seed, uint64_t stream);
uint64_t ph_rng_u64(ph_rng *rng);
double ph_rng_f64(ph_rng *rng);                 /* [0, 1) with 53 bits */
uint64_t ph_rng_below(ph_rng *rng, uint64_t n); /* uniform in 0 .. n-1, n >= 1, unbiased */

#endif
