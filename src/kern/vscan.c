/* Which scans go with which instruction set. Contract: kern/vscan.h. */
#include "kern/vscan.h"

#include <string.h>

const ph_vscan *ph_vscan_for(const char *isa)
{
#if defined(__x86_64__)
    if (strcmp(isa, "ref") != 0) {
        return &ph_vscan_avx2;
    }
#endif
    (void)isa;
    return &ph_vscan_ref;
}
