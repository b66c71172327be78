/* The probes. Contract: probe.h. Here are the loops that any compiler makes; those in assembly are
 * in kern/x86 and kern/arm. */
#include "kern/probe.h"

#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "kern/kern.h"
#include "kern/probe_loops.h"

#define ROUNDS      12 /* short ones: some are not interrupted */
#define READ_ROUNDS 3
#define TRY_MS      3.0

static float sum_of(const float *x)
{
    float sum = 0;
    for (int i = 0; i < 16; i++) {
        sum += x[i];
    }
    return sum;
}

void ph_probe_fma_portable(size_t rounds)
{
    float x[16] = {0};
    for (size_t r = 0; r < rounds; r++) {
        for (int i = 0; i < 16; i++) {
            x[i] = x[i] * 0.5f + 1.0f;
        }
    }
    volatile float keep = sum_of(x);
    (void)keep;
}

void ph_probe_int8_portable(size_t rounds)
{
    volatile int32_t start = 3;
    uint32_t sum[16] = {0}, x = (uint32_t)start;
    for (size_t r = 0; r < rounds; r++) {
        for (uint32_t i = 0; i < 16; i++) {
            sum[i] += (uint32_t)((int8_t)(x + i) * (int8_t)(x - i));
        }
        x += sum[0];
    }
    volatile uint32_t keep = sum[0] ^ sum[15];
    (void)keep;
}

void ph_probe_read_portable(const unsigned char *p, size_t rounds)
{
    uint64_t sums[8] = {0};
    for (size_t i = 0; i < rounds * PH_PROBE_STEP; i += 64) {
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

typedef struct loop {
    const char *name;
    ph_probe_kind kind;
    double ops; /* of one round */
    bool (*usable)(void);
    void (*run)(size_t rounds);
    void (*read)(const unsigned char *p, size_t rounds);
} loop;

static const loop loops[] = {
#define PH_OPS_LOOP(function, name, kind, ops, isa)                                                \
    {name, PH_PROBE_##kind, ops, ph_cpu_has_##isa, ph_probe_##function, NULL},
#define PH_READ_LOOP(function, name, isa)                                                          \
    {name, PH_PROBE_READ, 0, ph_cpu_has_##isa, NULL, ph_probe_##function},
#include "kern/probe.def"
};

#define N_LOOPS (sizeof loops / sizeof loops[0])

bool ph_probe_choose(ph_probe *p, ph_probe_kind kind, size_t i, bool *end)
{
    for (size_t l = 0; l < N_LOOPS; l++) {
        if (loops[l].kind == kind && i-- == 0) {
            *end = false;
            p->loop[kind] = l;
            return loops[l].usable();
        }
    }
    *end = true;
    return false;
}

typedef struct probe_run {
    const loop *loop;
    const unsigned char *bytes;
    size_t n; /* rounds */
} probe_run;

static void ops_thread(void *arg, int thread, int n_threads)
{
    const probe_run *run = arg;
    (void)thread;
    (void)n_threads;
    run->loop->run(run->n);
}

static void read_thread(void *arg, int thread, int n_threads)
{
    const probe_run *run = arg;
    size_t begin, end;
    ph_pool_split(run->n, 1, thread, n_threads, &begin, &end);
    if (end > begin) {
        run->loop->read(run->bytes + begin * PH_PROBE_STEP, end - begin);
    }
}

double ph_probe_ops(const ph_probe *p, ph_probe_kind kind, double ms)
{
    /* What a thread of an ordinary machine does in a nanosecond. */
    static const double usual[] = {
        [PH_PROBE_FMA] = 50, [PH_PROBE_INT8] = 100, [PH_PROBE_BF16] = 100};
    const loop *l = &loops[p->loop[kind]];
    probe_run run = {.loop = l, .n = (size_t)(ms * 1e6 * usual[kind] / l->ops) + 1};
    uint64_t begin = ph_clock_ns();
    ph_pool_run(p->pool, ops_thread, &run);
    double ns = (double)(ph_clock_ns() - begin);
    return l->ops * (double)run.n * ph_pool_threads(p->pool) / ns;
}

double ph_probe_read(const ph_probe *p, const unsigned char *bytes, size_t n)
{
    probe_run run = {
        .loop = &loops[p->loop[PH_PROBE_READ]], .bytes = bytes, .n = n / PH_PROBE_STEP};
    uint64_t begin = ph_clock_ns();
    ph_pool_run(p->pool, read_thread, &run);
    return (double)n / (double)(ph_clock_ns() - begin);
}

/* Rounds over all loops in turn; the one with the best single figure. */
void ph_probe_init(ph_probe *p, ph_pool *pool, const unsigned char *bytes, size_t n)
{
    double best[PH_N_PROBES] = {0};
    ph_probe try = {.pool = pool};
    *p = try;
    for (int kind = 0; kind < PH_N_PROBES; kind++) {
        bool end;
        (void)ph_probe_choose(p, (ph_probe_kind)kind, 0, &end);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t l = 0; l < N_LOOPS; l++) {
            ph_probe_kind kind = loops[l].kind;
            bool reads = kind == PH_PROBE_READ;
            if (!loops[l].usable() || (reads && (n == 0 || round >= READ_ROUNDS))) {
                continue;
            }
            try.loop[kind] = l;
            double speed = reads ? ph_probe_read(&try, bytes, n) : ph_probe_ops(&try, kind, TRY_MS);
            if (speed > best[kind]) {
                best[kind] = speed;
                p->loop[kind] = l;
            }
        }
    }
}

const char *ph_probe_name(const ph_probe *p, ph_probe_kind kind)
{
    return loops[p->loop[kind]].name;
}

const char *ph_probe_unit(ph_probe_kind kind)
{
    static const char *const units[PH_N_PROBES] = {[PH_PROBE_FMA] = "GFLOP/s",
                                                   [PH_PROBE_INT8] = "int8 GOP/s",
                                                   [PH_PROBE_BF16] = "bf16 GFLOP/s",
                                                   [PH_PROBE_READ] = "GB/s"};
    return units[kind];
}
