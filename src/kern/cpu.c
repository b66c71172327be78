/* Which instruction sets can be used. On x86 what the CPU reports, and whether the system saves the
 * registers (XGETBV), without which the instructions fault or lose state; on ARM what the system
 * says of both (the auxiliary vector). */
#include "kern/kern.h"

#if defined(__x86_64__)
#include <cpuid.h>

#define LEAF1_FMA      (1u << 12)
#define LEAF1_OSXSAVE  (1u << 27)
#define LEAF1_AVX      (1u << 28)
#define LEAF1_F16C     (1u << 29)
#define LEAF7_AVX2     (1u << 5)
#define LEAF7_AVX512F  (1u << 16)
#define LEAF7_AVX512DQ (1u << 17)
#define LEAF7_AVX512BW (1u << 30)
#define LEAF7_AVX512VL (1u << 31)
#define LEAF7C_VNNI    (1u << 11) /* in ECX */
#define LEAF7_1A_BF16  (1u << 5)  /* in EAX of leaf 7, part 1 */
#define XCR0_YMM       0x06u      /* XMM and YMM state */
#define XCR0_ZMM       0xe6u      /* and opmasks and ZMM */

static uint32_t xcr0(void)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    (void)hi;
    return lo;
}

static bool has(uint32_t leaf1, uint32_t leaf7, uint32_t leaf7_c, uint32_t state)
{
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) ||
        (c & (leaf1 | LEAF1_OSXSAVE)) != (leaf1 | LEAF1_OSXSAVE)) {
        return false;
    }
    if ((xcr0() & state) != state) {
        return false;
    }
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & leaf7) == leaf7 &&
           (c & leaf7_c) == leaf7_c;
}

bool ph_cpu_has_avx2(void)
{
    return has(LEAF1_AVX | LEAF1_FMA | LEAF1_F16C, LEAF7_AVX2, 0, XCR0_YMM);
}

static bool has_avx512_and(uint32_t leaf7_c)
{
    return has(LEAF1_AVX | LEAF1_FMA | LEAF1_F16C,
               LEAF7_AVX2 | LEAF7_AVX512F | LEAF7_AVX512DQ | LEAF7_AVX512BW | LEAF7_AVX512VL,
               leaf7_c, XCR0_ZMM);
}

bool ph_cpu_has_avx512(void)
{
    return has_avx512_and(0);
}

bool ph_cpu_has_avx512vnni(void)
{
    return has_avx512_and(LEAF7C_VNNI);
}

bool ph_cpu_has_avx512bf16(void)
{
    uint32_t a, b, c, d;
    return has_avx512_and(0) && __get_cpuid_count(7, 0, &a, &b, &c, &d) && a >= 1 &&
           __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & LEAF7_1A_BF16) != 0;
}

#define LEAF_CACHES     0x4u /* one part for each cache */
#define LEAF_CACHES_AMD 0x8000001du
#define CACHE_TYPE      0x1fu /* in EAX: 0 behind the last, 1 data, 2 instructions, 3 both */
#define CACHE_DATA      1u
#define CACHE_LEVEL(a)  ((a) >> 5 & 7u)

static size_t first_level(uint32_t leaf)
{
    uint32_t a, b, c, d;
    for (uint32_t i = 0; __get_cpuid_count(leaf, i, &a, &b, &c, &d) && (a & CACHE_TYPE) != 0; i++) {
        if ((a & CACHE_TYPE) == CACHE_DATA && CACHE_LEVEL(a) == 1) {
            size_t ways = (b >> 22) + 1, parts = (b >> 12 & 0x3ff) + 1, line = (b & 0xfff) + 1;
            return ways * parts * line * ((size_t)c + 1);
        }
    }
    return 0;
}

size_t ph_cpu_first_level(void)
{
    size_t bytes = first_level(LEAF_CACHES_AMD);
    return bytes != 0 ? bytes : first_level(LEAF_CACHES);
}

#elif defined(__aarch64__)
#include <sys/auxv.h>

/* Bits of the kernel's interface, from its asm/hwcap.h. */
#define HWCAP_BIT_ASIMD   (1ul << 1)
#define HWCAP_BIT_ASIMDDP (1ul << 20)
#define HWCAP2_BIT_I8MM   (1ul << 13)

bool ph_cpu_has_neon(void)
{
    return (getauxval(AT_HWCAP) & HWCAP_BIT_ASIMD) != 0;
}

bool ph_cpu_has_dotprod(void)
{
    return ph_cpu_has_neon() && (getauxval(AT_HWCAP) & HWCAP_BIT_ASIMDDP) != 0;
}

bool ph_cpu_has_i8mm(void)
{
    return ph_cpu_has_dotprod() && (getauxval(AT_HWCAP2) & HWCAP2_BIT_I8MM) != 0;
}
#endif

bool ph_cpu_has_ref(void)
{
    return true;
}
