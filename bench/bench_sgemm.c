/* The matrix products of training beside the peak of f32 or bf16:
 * bench_sgemm [THREADS] [PAIRS] [bf16]
 *
 * The products of one layer and the head of a small Phi (width 256, 1,024 inside, 4,096 tokens),
 * forwards, to the input and to the weight. Work and probe take turns; a ratio is operations per
 * second of CPU time of one over the mean of its two neighbours of the other, so that waiting for a
 * core does not count. A pair whose probes differ by more than 5% is dropped and counted.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/thread.h"
#include "kern/probe.h"
#include "kern/sgemm.h"

#define LARGEST    ((size_t)4096 * 4096)
#define MAX_PAIRS  1000
#define DROP_ABOVE 0.05
#define PROBE_MS   10

typedef struct shape {
    const char *name;
    size_t m, n, k;
    bool a_t, b_t;
} shape;

static const shape shapes[] = {
    {"q, k, v, fc1", 4096, 1792, 256, false, true},
    {"fc2", 4096, 256, 1024, false, true},
    {"dense", 4096, 256, 256, false, true},
    {"to fc2's input", 4096, 1024, 256, false, false},
    {"to the layer's input", 4096, 256, 1792, false, false},
    {"fc2's weight", 256, 1024, 4096, true, false},
    {"q, k, v, fc1's weight", 1792, 256, 4096, true, false},
    {"head", 1024, 4096, 256, false, true},
    {"to the head's input", 1024, 256, 4096, false, false},
    {"head's weight", 4096, 256, 1024, true, false},
    {"large", 2048, 1024, 1024, false, true},
};

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

/* GFLOP a second of CPU time. */
static double probe(const ph_probe *p, ph_probe_kind kind)
{
    double cpu = cpu_ns();
    uint64_t begin = ph_clock_ns();
    double speed = ph_probe_ops(p, kind, PROBE_MS);
    double amount = speed * (double)(ph_clock_ns() - begin);
    return amount / (cpu_ns() - cpu);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const ph_probe *p, const ph_gemm_room *room, const shape *s, float *memory,
                    int pairs)
{
    static double ratios[MAX_PAIRS];
    ph_sgemm g = {.a = memory,
                  .b = memory + LARGEST,
                  .c = memory + 2 * LARGEST,
                  .m = s->m,
                  .n = s->n,
                  .k = s->k,
                  .lda = s->a_t ? s->m : s->k,
                  .ldb = s->b_t ? s->k : s->n,
                  .ldc = s->n,
                  .a_t = s->a_t,
                  .b_t = s->b_t};
    ph_probe_kind kind = room->bf16 ? PH_PROBE_BF16 : PH_PROBE_FMA;
    double amount = 2.0 * (double)s->m * (double)s->n * (double)s->k, best = 0, limit = 0;
    int n = 0, dropped = 0;
    ph_sgemm_run(room, &g);
    double before = probe(p, kind);
    for (int i = 0; i < pairs; i++) {
        double cpu = cpu_ns();
        ph_sgemm_run(room, &g);
        double speed = amount / (cpu_ns() - cpu), after = probe(p, kind),
               mean = (before + after) / 2;
        best = fmax(best, speed);
        limit = fmax(limit, after);
        if (fabs(before - after) > DROP_ABOVE * mean) {
            dropped++;
        } else {
            ratios[n++] = speed / mean;
        }
        before = after;
    }
    qsort(ratios, (size_t)n, sizeof *ratios, by_value);
    printf("%-22s %4zu x %4zu x %4zu  median %.3f  quartiles %.3f %.3f  %d pairs, %d dropped; best "
           "/ best %.3f\n",
           s->name, s->m, s->n, s->k, n > 0 ? ratios[n / 2] : 0.0, n > 0 ? ratios[n / 4] : 0.0,
           n > 0 ? ratios[3 * n / 4] : 0.0, n, dropped, best / limit);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static unsigned char bytes[1 << 20];
    uint64_t threads = (uint64_t)ph_cpu_count(), pairs = 20;
    ph_kern kern;
    ph_pool *pool = NULL;
    ph_gemm_room room = {0};
    ph_probe p;
    phial_error err = {0};
    bool bf16 = argc > 3 && strcmp(argv[3], "bf16") == 0;
    if ((argc > 3 && !bf16) || (argc > 1 && !ph_str_parse_u64(ph_str_from(argv[1]), &threads)) ||
        (argc > 2 && !ph_str_parse_u64(ph_str_from(argv[2]), &pairs)) || threads > PH_THREADS_MAX ||
        pairs > MAX_PAIRS) {
        fprintf(stderr, "usage: bench_sgemm [THREADS] [PAIRS] [bf16]\n");
        return 2;
    }
    float *memory = ph_alloc_large(3 * LARGEST, sizeof *memory, &err);
    if (memory == NULL || ph_kern_init(&kern, NULL, &err) != PHIAL_OK ||
        ph_pool_new(&pool, (int)threads, &err) != PHIAL_OK ||
        ph_gemm_room_open(&room, &kern, pool, bf16, 1792, &err) != PHIAL_OK) {
        fprintf(stderr, "bench_sgemm: %s\n", err.message);
        return 1;
    }
    for (size_t i = 0; i < 2 * LARGEST; i++) {
        memory[i] = (float)(i % 251) * 0.01f - 1;
    }
    ph_probe_init(&p, pool, bytes, sizeof bytes);
    printf("%s, %d threads\n", kern.isa, ph_pool_threads(pool));
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        measure(&p, &room, &shapes[i], memory, (int)pairs);
    }
    ph_gemm_room_close(&room);
    ph_pool_free(pool);
    ph_free(memory);
    return 0;
}
