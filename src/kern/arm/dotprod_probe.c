/* The probe's loop with SDOT, 16 products in 4 sums. Contract: kern/probe.def. */
#include "kern/arm/arm_probe.h"

#define SDOT(sum) "sdot v" sum ".4s, v0.16b, v1.16b\n\t"
PROBE_LOOP(int8_dotprod, PROBE_SUMS_24(SDOT))
