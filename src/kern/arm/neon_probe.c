/* The probes' loops for NEON. Contract: kern/probe.def. */
#include "kern/arm/arm_probe.h"

#define FMLA(sum) "fmla v" sum ".4s, v0.4s, v1.4s\n\t"
PROBE_LOOP(fma_neon, PROBE_SUMS_24(FMLA))

/* 16 products of bytes, in pairs in 16 bits, and their sums. */
#define SMULL(sum, tmp)                                                                            \
    "smull v" tmp ".8h, v0.8b, v1.8b\n\tsmlal2 v" tmp ".8h, v0.16b, v1.16b\n\tsadalp v" sum        \
    ".4s, v" tmp ".8h\n\t"
PROBE_LOOP(int8_neon, SMULL("8", "16") SMULL("9", "17") SMULL("10", "18") SMULL("11", "19")
                          SMULL("12", "20") SMULL("13", "21") SMULL("14", "22") SMULL("15", "23"))

#define LINE(hint, at) hint(at) "ldp q0, q1, [%0, #" #at "]\n\tldp q2, q3, [%0, #" #at "+32]\n\t"
#define LINES(hint)                                                                                \
    LINE(hint, 0)                                                                                  \
    LINE(hint, 64)                                                                                 \
    LINE(hint, 128)                                                                                \
    LINE(hint, 192) LINE(hint, 256) LINE(hint, 320) LINE(hint, 384) LINE(hint, 448)
#define NO_HINT(at) ""
#define HINT_1K(at) "prfm pldl1keep, [%0, #" #at "+1024]\n\t"
#define HINT_4K(at) "prfm pldl1keep, [%0, #" #at "+4096]\n\t"
#define READ_LOOP(name, hint)                                                                      \
    void ph_probe_##name(const unsigned char *p, size_t rounds)                                    \
    {                                                                                              \
        __asm__ volatile("1:\n\t" LINES(hint) "add %0, %0, #512\n\tsubs %1, %1, #1\n\tb.ne 1b"     \
                         : "+r"(p), "+r"(rounds)                                                   \
                         :                                                                         \
                         : "cc", "memory", "v0", "v1", "v2", "v3");                                \
    }
READ_LOOP(read_neon, NO_HINT)
READ_LOOP(read_neon_1k, HINT_1K)
READ_LOOP(read_neon_4k, HINT_4K)
