/* The probes' loops for x86-64. Contract: kern/probe.def. Registers beyond those that the loops
 * count up are operands, zero: what is multiplied does not matter to the time it takes. */
#include "kern/probe_loops.h"

#define CLEAR(target) "vxorps %%ymm" target ", %%ymm" target ", %%ymm" target "\n\t"
#define CLEAR_ALL                                                                                  \
    CLEAR("0")                                                                                     \
    CLEAR("1")                                                                                     \
    CLEAR("2")                                                                                     \
    CLEAR("3")                                                                                     \
    CLEAR("4")                                                                                     \
    CLEAR("5")                                                                                     \
    CLEAR("6")                                                                                     \
    CLEAR("7")                                                                                     \
    CLEAR("8") CLEAR("9") CLEAR("10") CLEAR("11") CLEAR("12") CLEAR("13")
#define OPS_LOOP(name, body)                                                                       \
    void ph_probe_##name(size_t rounds)                                                            \
    {                                                                                              \
        __asm__ volatile(CLEAR_ALL ".p2align 5\n1:\n\t" body "dec %0\n\tjnz 1b\n\tvzeroupper"      \
                         : "+r"(rounds)                                                            \
                         :                                                                         \
                         : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",   \
                           "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13");                    \
    }
#define SUMS_11(op)                                                                                \
    op("2") op("3") op("4") op("5") op("6") op("7") op("8") op("9") op("10") op("11") op("12")

/* Sums that all 32 registers allow: two operations a cycle of six cycles each want twelve. Code for
 * the whole file knows 16 registers, so the others need no mention. */
#define SUMS_24(op)                                                                                \
    SUMS_11(op)                                                                                    \
    op("13") op("14") op("15") op("16") op("17") op("18") op("19") op("20") op("21") op("22")      \
        op("23") op("24") op("25")
#define CLEAR_ZMM(target) "vpxorq %%zmm" target ", %%zmm" target ", %%zmm" target "\n\t"
#define ZMM_LOOP(name, op)                                                                         \
    void ph_probe_##name(size_t rounds)                                                            \
    {                                                                                              \
        __asm__ volatile(CLEAR_ALL SUMS_24(CLEAR_ZMM) ".p2align 6\n1:\n\t" SUMS_24(               \
                             op) "dec %0\n\tjnz 1b\n\tvzeroupper"                                 \
                         : "+r"(rounds)                                                            \
                         :                                                                         \
                         : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",   \
                           "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");  \
    }

#define FMA_YMM(sum) "vfmadd231ps %%ymm0, %%ymm1, %%ymm" sum "\n\t"
#define FMA_ZMM(sum) "vfmadd231ps %%zmm0, %%zmm1, %%zmm" sum "\n\t"
OPS_LOOP(fma_ymm, SUMS_11(FMA_YMM) FMA_YMM("13"))
OPS_LOOP(fma_zmm, SUMS_11(FMA_ZMM) FMA_ZMM("13"))
ZMM_LOOP(fma_zmm_24, FMA_ZMM)

/* 32 products of bytes in pairs, pairs of those, and their sum. */
#define MADD_8(sum, tmp)                                                                           \
    "vpmaddubsw %%ymm1, %%ymm0, %%ymm" tmp "\n\tvpmaddwd %%ymm2, %%ymm" tmp ", %%ymm" tmp          \
    "\n\tvpaddd %%ymm" tmp ", %%ymm" sum ", %%ymm" sum "\n\t"
/* 16 products as 16-bit numbers. */
#define MADD_16(sum, tmp)                                                                          \
    "vpmaddwd %%ymm1, %%ymm0, %%ymm" tmp "\n\tvpaddd %%ymm" tmp ", %%ymm" sum ", %%ymm" sum "\n\t"
OPS_LOOP(int8_ymm_8,
         MADD_8("3", "8") MADD_8("4", "9") MADD_8("5", "10") MADD_8("6", "11") MADD_8("7", "12"))
OPS_LOOP(int8_ymm_16, MADD_16("3", "8") MADD_16("4", "9") MADD_16("5", "10") MADD_16("6", "11")
                          MADD_16("7", "12"))

/* 64 products and 16 sums of them; 32 of bf16. */
#define DPBUSD(sum) "vpdpbusd %%zmm1, %%zmm0, %%zmm" sum "\n\t"
#define DPBF16(sum) "vdpbf16ps %%zmm1, %%zmm0, %%zmm" sum "\n\t"
OPS_LOOP(int8_zmm_vnni, SUMS_11(DPBUSD))
OPS_LOOP(bf16_zmm, SUMS_11(DPBF16))
ZMM_LOOP(int8_zmm_vnni_24, DPBUSD)
ZMM_LOOP(bf16_zmm_24, DPBF16)

/* Eight lines; `hint` is put before each line's loads. */
#define LINE(hint, at) hint(at) "vmovups " #at "(%0), %%ymm0\n\tvmovups 32+" #at "(%0), %%ymm1\n\t"
#define LINE_ZMM(hint, at) hint(at) "vmovups " #at "(%0), %%zmm0\n\t"
#define LINES(line, hint)                                                                          \
    line(hint, 0)                                                                                  \
    line(hint, 64)                                                                                 \
    line(hint, 128)                                                                                \
    line(hint, 192) line(hint, 256) line(hint, 320) line(hint, 384) line(hint, 448)
#define NO_HINT(at)  ""
#define HINT_1K(at)  "prefetcht0 1024+" #at "(%0)\n\t"
#define HINT_4K(at)  "prefetcht0 4096+" #at "(%0)\n\t"
#define HINT_NTA(at) "prefetchnta 2048+" #at "(%0)\n\t"
#define READ_LOOP(name, line, hint)                                                                \
    void ph_probe_##name(const unsigned char *p, size_t rounds)                                    \
    {                                                                                              \
        __asm__ volatile("1:\n\t" LINES(line, hint) "add $512, %0\n\tdec %1\n\t"                   \
                                                    "jnz 1b\n\tvzeroupper"                         \
                         : "+r"(p), "+r"(rounds)                                                   \
                         :                                                                         \
                         : "cc", "memory", "xmm0", "xmm1");                                        \
    }
READ_LOOP(read_plain, LINE, NO_HINT)
READ_LOOP(read_1k, LINE, HINT_1K)
READ_LOOP(read_4k, LINE, HINT_4K)
READ_LOOP(read_nta, LINE, HINT_NTA)
READ_LOOP(read_zmm, LINE_ZMM, NO_HINT)
READ_LOOP(read_zmm_1k, LINE_ZMM, HINT_1K)
READ_LOOP(read_zmm_nta, LINE_ZMM, HINT_NTA)
