/* Which scans go with which instruction set. Contract: kern/vscan.h. */
#include "kern/vscan.h"

#include <string.h>

#include "kern/kern.h"

const ph_vscan *ph_vscan_for(const char *isa)
{
#if defined(__x86_64__)
    /* What a table is named after need not be what this CPU has: tests emulate. */
    bool avx512 = strncmp(isa, "avx512", 6) == 0 && ph_cpu_has_avx512();
    if (avx512 && strcmp(isa, "avx512") != 0 && ph_cpu_has_avx512vnni()) {
        return &ph_vscan_avx512vnni;
    }
    if (avx512) {
        return &ph_vscan_avx512;
    }
    if (strcmp(isa, "ref") != 0) {
        return &ph_vscan_avx2;
    }
#endif
    (void)isa;
    return &ph_vscan_ref;
}
