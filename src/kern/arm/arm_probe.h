/* A loop of 24 sums for the probes on 64-bit ARM. Contract: kern/probe.def. */
#ifndef PH_KERN_ARM_ARM_PROBE_H
#define PH_KERN_ARM_ARM_PROBE_H

#include "kern/probe_loops.h"

#define PROBE_SUMS_24(op)                                                                          \
    op("8") op("9") op("10") op("11") op("12") op("13") op("14") op("15") op("16") op("17")        \
        op("18") op("19") op("20") op("21") op("22") op("23") op("24") op("25") op("26") op("27")  \
            op("28") op("29") op("30") op("31")
#define PROBE_CLEAR(v) "movi v" v ".16b, #0\n\t"
#define PROBE_LOOP(name, body)                                                                     \
    void ph_probe_##name(size_t rounds)                                                            \
    {                                                                                              \
        __asm__ volatile(                                                                          \
            PROBE_CLEAR("0") PROBE_CLEAR("1")                                                      \
                PROBE_SUMS_24(PROBE_CLEAR) ".p2align 5\n1:\n\t" body "subs %0, %0, #1\n\tb.ne 1b"  \
            : "+r"(rounds)                                                                         \
            :                                                                                      \
            : "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11",      \
              "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23",  \
              "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31");                             \
    }

#endif
