/* Which search goes with which instruction set. Contract: kern/search.h. */
#include "kern/search.h"

#include <string.h>

const ph_search *ph_search_for(const char *isa)
{
#if defined(__x86_64__)
    if (strcmp(isa, "ref") != 0) {
        return &ph_search_avx2;
    }
#elif defined(__aarch64__) && !defined(__AARCH64EB__)
    if (strcmp(isa, "ref") != 0) {
        return &ph_search_neon;
    }
#endif
    (void)isa;
    return &ph_search_ref;
}
