/* The loops of kern/probe.def, which are in a file for each instruction set. */
#ifndef PH_KERN_PROBE_LOOPS_H
#define PH_KERN_PROBE_LOOPS_H

#include <stddef.h>

#define PH_PROBE_STEP 512 /* bytes of one round of the reading loops */

#define PH_OPS_LOOP(function, name, kind, ops, isa) void ph_probe_##function(size_t rounds);
#define PH_READ_LOOP(function, name, isa)                                                          \
    void ph_probe_##function(const unsigned char *p, size_t rounds);
#include "kern/probe.def"

#endif
