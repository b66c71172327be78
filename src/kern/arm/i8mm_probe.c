/* The probe's loop with SMMLA, 32 products in 4 sums. Contract: kern/probe.def. */
#include "kern/arm/arm_probe.h"

#define SMMLA(sum) "smmla v" sum ".4s, v0.16b, v1.16b\n\t"
PROBE_LOOP(int8_i8mm, PROBE_SUMS_24(SMMLA))
