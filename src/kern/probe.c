/* The probes' loops. Contract: probe.h. */
#include "kern/probe.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "kern/kern.h"

#define READ_STEP 512 /* bytes of one round of the reading loops */

typedef struct fma_loop {
    const char *name;
    double flops; /* of one round */
    bool (*usable)(void);
    void (*run)(size_t rounds);
} fma_loop;

typedef struct read_loop {
    const char *name;
    bool (*usable)(void);
    void (*run)(const unsigned char *p, size_t rounds); /* READ_STEP bytes each */
} read_loop;

static float portable_sink(const float *x)
{
    float sum = 0;
    for (int i = 0; i < 16; i++) {
        sum += x[i];
    }
    return sum;
}

static void fma_portable(size_t rounds)
{
    float x[16] = {0};
    for (size_t r = 0; r < rounds; r++) {
        for (int i = 0; i < 16; i++) {
            x[i] = x[i] * 0.5f + 1.0f;
        }
    }
    volatile float keep = portable_sink(x);
    (void)keep;
}

static void read_portable(const unsigned char *p, size_t rounds)
{
    uint64_t sums[8] = {0};
    for (size_t i = 0; i < rounds * READ_STEP; i += 64) {
        uint64_t words[8];
        memcpy(words, p + i, 64);
        for (int j = 0; j < 8; j++) {
            sums[j] += words[j];
        }
    }
    volatile uint64_t keep =
        sums[0] ^ sums[1] ^ sums[2] ^ sums[3] ^ sums[4] ^ sums[5] ^ sums[6] ^ sums[7];
    (void)keep;
}

#if defined(__x86_64__)
#define FMA(width, target) "vfmadd231ps %%" width "mm0, %%" width "mm1, %%" width "mm" target "\n\t"
#define CLEAR(target)      "vxorps %%ymm" target ", %%ymm" target ", %%ymm" target "\n\t"

static void fma_ymm(size_t rounds)
{
    __asm__ volatile(CLEAR("0") CLEAR("1") CLEAR("2") CLEAR("3") CLEAR("4") CLEAR("5") CLEAR("6")
                         CLEAR("7") CLEAR("8") CLEAR("9") CLEAR("10") CLEAR("11") CLEAR("12") CLEAR(
                             "13") ".p2align 5\n"
                                   "1:\n\t" FMA("y", "2") FMA("y", "3") FMA("y", "4") FMA("y", "5")
                                       FMA("y", "6") FMA("y", "7") FMA("y", "8") FMA("y", "9")
                                           FMA("y", "10") FMA("y", "11") FMA("y", "12")
                                               FMA("y", "13") "dec %0\n\tjnz 1b\n\tvzeroupper"
                     : "+r"(rounds)
                     :
                     : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13");
}

static void fma_zmm(size_t rounds)
{
    __asm__ volatile(CLEAR("0") CLEAR("1") CLEAR("2") CLEAR("3") CLEAR("4") CLEAR("5") CLEAR("6")
                         CLEAR("7") CLEAR("8") CLEAR("9") CLEAR("10") CLEAR("11") CLEAR("12") CLEAR(
                             "13") ".p2align 5\n"
                                   "1:\n\t" FMA("z", "2") FMA("z", "3") FMA("z", "4") FMA("z", "5")
                                       FMA("z", "6") FMA("z", "7") FMA("z", "8") FMA("z", "9")
                                           FMA("z", "10") FMA("z", "11") FMA("z", "12")
                                               FMA("z", "13") "dec %0\n\tjnz 1b\n\tvzeroupper"
                     : "+r"(rounds)
                     :
                     : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13");
}

/* Eight lines; `hint` is put before each line's loads. */
#define LINE(hint, at) hint(at) "vmovups " #at "(%0), %%ymm0\n\tvmovups 32+" #at "(%0), %%ymm1\n\t"
#define LINES(hint)                                                                                \
    LINE(hint, 0)                                                                                  \
    LINE(hint, 64)                                                                                 \
    LINE(hint, 128)                                                                                \
    LINE(hint, 192) LINE(hint, 256) LINE(hint, 320) LINE(hint, 384) LINE(hint, 448)
#define NO_HINT(at)  ""
#define HINT_1K(at)  "prefetcht0 1024+" #at "(%0)\n\t"
#define HINT_4K(at)  "prefetcht0 4096+" #at "(%0)\n\t"
#define HINT_NTA(at) "prefetchnta 2048+" #at "(%0)\n\t"
#define READ_LOOP(name, hint)                                                                      \
    static void name(const unsigned char *p, size_t rounds)                                        \
    {                                                                                              \
        __asm__ volatile("1:\n\t" LINES(hint) "add $512, %0\n\tdec %1\n\tjnz 1b\n\tvzeroupper"     \
                         : "+r"(p), "+r"(rounds)                                                   \
                         :                                                                         \
                         : "cc", "memory", "xmm0", "xmm1");                                        \
    }
READ_LOOP(read_plain, NO_HINT)
READ_LOOP(read_1k, HINT_1K)
READ_LOOP(read_4k, HINT_4K)
READ_LOOP(read_nta, HINT_NTA)
#endif

#if defined(__x86_64__)
/* Three registers of products and sums in flight for each of four rounds. MUL is two instructions
 * on AVX2, 32 products: products of bytes in pairs, pairs of those. */
#define MADD_8(sum, tmp)                                                                           \
    "vpmaddubsw %%ymm1, %%ymm0, %%ymm" tmp "\n\tvpmaddwd %%ymm2, %%ymm" tmp ", %%ymm" tmp          \
    "\n\tvpaddd %%ymm" tmp ", %%ymm" sum ", %%ymm" sum "\n\t"
/* 32 products as 16-bit numbers. */
#define MADD_16(sum, tmp)                                                                          \
    "vpmaddwd %%ymm1, %%ymm0, %%ymm" tmp "\n\tvpaddd %%ymm" tmp ", %%ymm" sum ", %%ymm" sum "\n\t"
#define CLEAR_16                                                                                   \
    CLEAR("0")                                                                                     \
    CLEAR("1")                                                                                     \
    CLEAR("2")                                                                                     \
    CLEAR("3")                                                                                     \
    CLEAR("4")                                                                                     \
    CLEAR("5") CLEAR("6") CLEAR("7") CLEAR("8") CLEAR("9") CLEAR("10") CLEAR("11") CLEAR("12")
#define INT8_LOOP(name, body)                                                                      \
    static void name(size_t rounds)                                                                \
    {                                                                                              \
        __asm__ volatile(CLEAR_16 ".p2align 5\n1:\n\t" body "dec %0\n\tjnz 1b\n\tvzeroupper"       \
                         : "+r"(rounds)                                                            \
                         :                                                                         \
                         : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",   \
                           "xmm8", "xmm9", "xmm10", "xmm11", "xmm12");                             \
    }
INT8_LOOP(int8_ymm_8,
          MADD_8("3", "8") MADD_8("4", "9") MADD_8("5", "10") MADD_8("6", "11") MADD_8("7", "12"))
INT8_LOOP(int8_ymm_16, MADD_16("3", "8") MADD_16("4", "9") MADD_16("5", "10") MADD_16("6", "11")
                           MADD_16("7", "12"))

/* 64 products and 16 sums of them. */
#define DPBUSD(sum) "vpdpbusd %%zmm1, %%zmm0, %%zmm" sum "\n\t"
INT8_LOOP(int8_zmm_vnni, DPBUSD("2") DPBUSD("3") DPBUSD("4") DPBUSD("5") DPBUSD("6") DPBUSD("7")
                             DPBUSD("8") DPBUSD("9") DPBUSD("10") DPBUSD("11") DPBUSD("12"))
#endif

static void int8_portable(size_t rounds)
{
    volatile int32_t start = 3;
    int32_t sum[16] = {0}, x = start;
    for (size_t r = 0; r < rounds; r++) {
        for (int i = 0; i < 16; i++) {
            sum[i] += (int8_t)(x + i) * (int8_t)(x - i);
        }
        x += sum[0];
    }
    volatile int32_t keep = sum[0] ^ sum[15];
    (void)keep;
}

static const fma_loop int8_loops[] = {
    {"portable", 32, ph_cpu_has_ref, int8_portable},
#if defined(__x86_64__)
    {"vpmaddubsw", 5 * 64, ph_cpu_has_avx2, int8_ymm_8},
    {"vpmaddwd", 5 * 32, ph_cpu_has_avx2, int8_ymm_16},
    {"vpdpbusd", 11 * 128, ph_cpu_has_avx512vnni, int8_zmm_vnni},
#endif
};

static const fma_loop fma_loops[] = {
    {"portable", 32, ph_cpu_has_ref, fma_portable},
#if defined(__x86_64__)
    {"ymm", 12 * 16, ph_cpu_has_avx2, fma_ymm},
    {"zmm", 12 * 32, ph_cpu_has_avx512, fma_zmm},
#endif
};

static const read_loop read_loops[] = {
    {"portable", ph_cpu_has_ref, read_portable},
#if defined(__x86_64__)
    {"plain", ph_cpu_has_avx2, read_plain},       {"prefetch 1 KiB", ph_cpu_has_avx2, read_1k},
    {"prefetch 4 KiB", ph_cpu_has_avx2, read_4k}, {"prefetchnta 2 KiB", ph_cpu_has_avx2, read_nta},
#endif
};

#define N_FMA  (int)(sizeof fma_loops / sizeof fma_loops[0])
#define N_INT8 (int)(sizeof int8_loops / sizeof int8_loops[0])
#define N_READ (int)(sizeof read_loops / sizeof read_loops[0])

typedef struct probe_run {
    const ph_probe *p;
    const unsigned char *bytes;
    size_t n;
} probe_run;

static void fma_thread(void *arg, int thread, int n_threads)
{
    const probe_run *run = arg;
    (void)thread;
    (void)n_threads;
    fma_loops[run->p->fma_kernel].run(run->n);
}

static void int8_thread(void *arg, int thread, int n_threads)
{
    const probe_run *run = arg;
    (void)thread;
    (void)n_threads;
    int8_loops[run->p->int8_kernel].run(run->n);
}

static void read_thread(void *arg, int thread, int n_threads)
{
    const probe_run *run = arg;
    size_t begin, end;
    ph_pool_split(run->n / READ_STEP, 1, thread, n_threads, &begin, &end);
    if (end > begin) {
        read_loops[run->p->read_kernel].run(run->bytes + begin * READ_STEP, end - begin);
    }
}

double ph_probe_fma(const ph_probe *p, double ms)
{
    double flops = fma_loops[p->fma_kernel].flops;
    probe_run run = {.p = p, .n = (size_t)(ms * 1e6 * 50 / flops) + 1};
    uint64_t begin = ph_clock_ns();
    ph_pool_run(p->pool, fma_thread, &run);
    double ns = (double)(ph_clock_ns() - begin);
    return flops * (double)run.n * ph_pool_threads(p->pool) / ns;
}

double ph_probe_int8(const ph_probe *p, double ms)
{
    double ops = int8_loops[p->int8_kernel].flops;
    probe_run run = {.p = p, .n = (size_t)(ms * 1e6 * 100 / ops) + 1};
    uint64_t begin = ph_clock_ns();
    ph_pool_run(p->pool, int8_thread, &run);
    double ns = (double)(ph_clock_ns() - begin);
    return ops * (double)run.n * ph_pool_threads(p->pool) / ns;
}

double ph_probe_read(const ph_probe *p, const unsigned char *bytes, size_t n)
{
    probe_run run = {.p = p, .bytes = bytes, .n = n};
    uint64_t begin = ph_clock_ns();
    ph_pool_run(p->pool, read_thread, &run);
    return (double)n / (double)(ph_clock_ns() - begin);
}

/* Rounds over all loops in turn; the one with the best single figure. */
void ph_probe_init(ph_probe *p, ph_pool *pool, const unsigned char *bytes, size_t n)
{
    double best_fma = 0, best_int8 = 0, best_read = 0;
    ph_probe try = {.pool = pool};
    *p = try;
    for (int round = 0; round < 12; round++) { /* short ones: some are not interrupted */
        for (try.fma_kernel = 0; try.fma_kernel < N_FMA; try.fma_kernel++) {
            double f = fma_loops[try.fma_kernel].usable() ? ph_probe_fma(&try, 3) : 0;
            if (f > best_fma) {
                best_fma = f;
                p->fma_kernel = try.fma_kernel;
            }
        }
        for (try.int8_kernel = 0; try.int8_kernel < N_INT8; try.int8_kernel++) {
            double f = int8_loops[try.int8_kernel].usable() ? ph_probe_int8(&try, 3) : 0;
            if (f > best_int8) {
                best_int8 = f;
                p->int8_kernel = try.int8_kernel;
            }
        }
        for (try.read_kernel = 0; round < 3 && try.read_kernel < N_READ; try.read_kernel++) {
            double b =
                n > 0 && read_loops[try.read_kernel].usable() ? ph_probe_read(&try, bytes, n) : 0;
            if (b > best_read) {
                best_read = b;
                p->read_kernel = try.read_kernel;
            }
        }
    }
}

const char *ph_probe_fma_name(const ph_probe *p)
{
    return fma_loops[p->fma_kernel].name;
}

const char *ph_probe_int8_name(const ph_probe *p)
{
    return int8_loops[p->int8_kernel].name;
}

const char *ph_probe_read_name(const ph_probe *p)
{
    return read_loops[p->read_kernel].name;
}
