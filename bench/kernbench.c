/* Work and probe take turns in slices of at most about 250 ms. A pair is one slice of work between
 * two of the probe; a pair whose probes differ by more than 5% met another machine state or a
 * neighbour and is dropped and counted; the median of the others' ratios is the figure. The best
 * slice of the work over the best of the probe is printed too: on a machine that is never quiet it
 * says what the code can do. */
#include "kernbench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/dtype.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/thread.h"
#include "kern/attn.h"
#include "kern/bf16_matmul.h"
#include "kern/fast_matmul.h"
#include "kern/matmul.h"
#include "kern/probe.h"
#include "kern/rows.h"

#define EMBED      2560 /* Phi-2's shape */
#define INNER      10240
#define VOCAB      51200
#define HEADS      32
#define HEAD_DIM   80
#define BATCH      512
#define MAX_PAIRS  1000
#define DROP_ABOVE 0.05
#define PROBE_MS   50.0

#define ATTN_LAYERS 8
#define ATTN_PAGES  32

typedef struct bench {
    ph_kern kern;
    ph_pool *pool;
    ph_work work;
    ph_probe probe;
    ph_dtype type;
    int n_threads, n_pairs, n_layers;
    bool fast;
    unsigned char *weights; /* n_layers layers and a head */
    size_t weight_bytes, layer_bytes;
    float *x, *y, *z;
    size_t layer; /* of attention: the next slice takes another, so that no cache holds it */
} bench;

typedef struct slice {
    double amount; /* what the work does, in the probe's unit x ns */
    void (*work)(bench *b, const struct slice *s);
    size_t m, n, k;
    size_t n_keys;
    unsigned char *pages[ATTN_PAGES];
    ph_kv_shape shape;
} slice;

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double probe_once(bench *b, ph_probe_kind what)
{
    return what == PH_PROBE_READ ? ph_probe_read(&b->probe, b->weights, b->weight_bytes)
                                 : ph_probe_ops(&b->probe, what, PROBE_MS);
}

/* Of products with the weights. */
static ph_probe_kind arithmetic(const bench *b)
{
    return ph_fast_applies(&b->work, b->type)   ? PH_PROBE_INT8
           : ph_bf16_applies(&b->work, b->type) ? PH_PROBE_BF16
                                                : PH_PROBE_FMA;
}

static void measure(bench *b, const char *name, const slice *s, ph_probe_kind what)
{
    static double ratios[MAX_PAIRS], speeds[MAX_PAIRS], probes[MAX_PAIRS];
    int n = 0, dropped = 0;
    s->work(b, s);
    double before = probe_once(b, what);
    double best = 0, best_limit = before;
    for (int i = 0; i < b->n_pairs; i++) {
        uint64_t begin = ph_clock_ns();
        s->work(b, s);
        double speed = s->amount / (double)(ph_clock_ns() - begin);
        double after = probe_once(b, what);
        double mean = (before + after) / 2;
        best = speed > best ? speed : best;
        best_limit = after > best_limit ? after : best_limit;
        if (fabs(before - after) > DROP_ABOVE * mean) {
            dropped++;
        } else {
            ratios[n] = speed / mean;
            speeds[n] = speed;
            probes[n++] = mean;
        }
        before = after;
    }
    if (n == 0) {
        printf("%-34s no quiet pair of %d; best work / best probe %.3f\n", name, b->n_pairs,
               best / best_limit);
        return;
    }
    qsort(ratios, (size_t)n, sizeof *ratios, by_value);
    qsort(speeds, (size_t)n, sizeof *speeds, by_value);
    qsort(probes, (size_t)n, sizeof *probes, by_value);
    printf("%-34s %7.3f   quartiles %.3f %.3f   %8.1f of %8.1f %s   %d pairs, %d dropped; best / "
           "best %.3f\n",
           name, ratios[n / 2], ratios[n / 4], ratios[3 * n / 4], speeds[n / 2], probes[n / 2],
           ph_probe_unit(what), n, dropped, best / best_limit);
    fflush(stdout);
}

static ph_matmul job(bench *b, const unsigned char *w, size_t n, float *y)
{
    return (ph_matmul){.weight = w, .type = b->type, .n = n, .bias = b->z, .y = y, .ldy = n};
}

/* The weights of one token: per layer q, k, v and fc1 together, then dense and fc2; the head. */
static void decode_work(bench *b, const slice *s)
{
    size_t square = EMBED * ph_dtype_row_bytes(b->type, EMBED);
    size_t inner = INNER * ph_dtype_row_bytes(b->type, EMBED);
    for (int l = 0; l < b->n_layers; l++) {
        const unsigned char *w = b->weights + (size_t)l * b->layer_bytes;
        ph_matmul same_x[4] = {job(b, w, EMBED, b->y),
                               job(b, w + square, EMBED, b->y + s->m * EMBED),
                               job(b, w + 2 * square, EMBED, b->y + 2 * s->m * EMBED),
                               job(b, w + 3 * square, INNER, b->y + 3 * s->m * EMBED)};
        ph_matmul_run(&b->work, same_x, 4, b->x, EMBED, s->m, EMBED);
        w += 3 * square + inner;
        ph_matmul dense = job(b, w, EMBED, b->y);
        ph_matmul_run(&b->work, &dense, 1, b->x, EMBED, s->m, EMBED);
        ph_matmul fc2 = job(b, w + square, EMBED, b->y);
        ph_matmul_run(&b->work, &fc2, 1, b->x, INNER, s->m, INNER);
    }
    ph_matmul head = job(b, b->weights + (size_t)b->n_layers * b->layer_bytes, VOCAB, b->y);
    ph_matmul_run(&b->work, &head, 1, b->x, EMBED, s->m, EMBED);
}

static void gemm_work(bench *b, const slice *s)
{
    ph_matmul product = job(b, b->weights, s->n, b->y);
    ph_matmul_run(&b->work, &product, 1, b->x, s->k, s->m, s->k);
}

static void attn_work(bench *b, const slice *s)
{
    b->layer = (b->layer + 1) % ATTN_LAYERS;
    ph_attn_job attn = {.pages = s->pages,
                        .layer_offset = b->layer * ph_kv_layer_bytes(&s->shape),
                        .pos0 = s->n_keys - s->n,
                        .n = s->n,
                        .q = b->x,
                        .out = b->y,
                        .ld_q = HEADS * HEAD_DIM,
                        .ld_out = HEADS * HEAD_DIM};
    ph_attn_run(&b->work, &s->shape, &attn, 1, 0.1118f);
}

/* Random finite numbers of the type: rows quantized once, then copied all over the memory, which
 * the kernels cannot tell from different ones. */
static bool fill_weights(bench *b)
{
    enum { COUNT = 1 << 20 };
    ph_rng rng;
    const ph_quant *quant = ph_quant_find(b->type);
    float *numbers = malloc(COUNT * sizeof *numbers);
    size_t bytes = ph_dtype_row_bytes(b->type, COUNT);
    unsigned char *rows = malloc(bytes);
    ph_rng_seed(&rng, 7, 0);
    if (numbers != NULL && rows != NULL) {
        for (size_t i = 0; i < COUNT; i++) {
            numbers[i] = (float)(ph_rng_f64(&rng) - 0.5) * 0.04f;
        }
        quant->quantize(rows, numbers, COUNT);
        for (size_t at = 0; at < b->weight_bytes; at += bytes) {
            size_t n = b->weight_bytes - at < bytes ? b->weight_bytes - at : bytes;
            memcpy(b->weights + at, rows, n);
        }
    }
    bool ok = numbers != NULL && rows != NULL;
    free(numbers);
    free(rows);
    return ok;
}

static const char *math_of(const bench *b)
{
    return b->fast ? "fast" : "exact";
}

static void bench_decode(bench *b)
{
    static const size_t sequences[] = {1, 2, 4, 8, 16};
    for (size_t i = 0; i < (b->fast ? 5 : 1); i++) {
        char name[64];
        slice s = {.amount = (double)b->weight_bytes, .work = decode_work, .m = sequences[i]};
        bool many = sequences[i] >= 8;
        if (many) {
            s.amount *= 2.0 * (double)s.m * 256 / (double)ph_dtype_row_bytes(b->type, 256);
        }
        snprintf(name, sizeof name, "%s decode %s, %zu sequences", math_of(b),
                 ph_dtype_name(b->type), s.m);
        measure(b, name, &s, many ? arithmetic(b) : PH_PROBE_READ);
    }
}

static void bench_gemm(bench *b)
{
    static const size_t shapes[][2] = {{2560, 2560}, {5120, 2560}, {1280, 10240}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        char name[64];
        slice s = {.work = gemm_work, .m = BATCH, .n = shapes[i][0], .k = shapes[i][1]};
        s.amount = 2.0 * BATCH * (double)s.n * (double)s.k;
        snprintf(name, sizeof name, "%s %s %dx%zux%zu", math_of(b), ph_dtype_name(b->type), BATCH,
                 s.n, s.k);
        measure(b, name, &s, arithmetic(b));
    }
}

static void bench_attn(bench *b)
{
    static const char *const names[] = {"f32", "f16", "q8"};
    for (int type = 0; type < 3; type++) {
        slice s = {.work = attn_work, .shape = {(ph_kv_type)type, HEADS, HEADS, HEAD_DIM}};
        size_t page_bytes = ph_kv_layer_bytes(&s.shape);
        for (size_t p = 0; p < ATTN_PAGES; p++) {
            s.pages[p] = ph_alloc_aligned(ATTN_LAYERS, page_bytes, PH_CACHE_LINE, NULL);
            if (s.pages[p] == NULL) {
                printf("no memory\n");
                return;
            }
            ph_attn_job tokens = {.pages = &s.pages[p],
                                  .n = PH_KV_PAGE,
                                  .k = b->x,
                                  .v = b->x,
                                  .ld_kv = HEADS * HEAD_DIM};
            for (size_t l = 0; l < ATTN_LAYERS; l++) {
                tokens.layer_offset = l * page_bytes;
                ph_kv_store(&b->work, &s.shape, &tokens, 1);
            }
        }
        char name[64];
        s.n_keys = s.n = BATCH;
        s.amount = 4.0 * HEADS * HEAD_DIM * BATCH * (BATCH + 1) / 2;
        snprintf(name, sizeof name, "attention %s, prompt of %d", names[type], BATCH);
        measure(b, name, &s, PH_PROBE_FMA);
        s.n_keys = ATTN_PAGES * PH_KV_PAGE;
        s.n = 1;
        s.amount = ATTN_PAGES * (double)page_bytes;
        snprintf(name, sizeof name, "attention %s, depth %zu", names[type], s.n_keys);
        measure(b, name, &s, PH_PROBE_READ);
        for (size_t p = 0; p < ATTN_PAGES; p++) {
            ph_free(s.pages[p]);
        }
    }
}

static int fail(const char *what)
{
    fprintf(stderr, "kernbench: %s\n", what);
    return 1;
}

static bool setup(bench *b, phial_error *err)
{
    size_t layer = 4 * (size_t)EMBED * EMBED + 2 * (size_t)EMBED * INNER;
    b->layer_bytes = ph_dtype_row_bytes(b->type, layer);
    b->weight_bytes =
        (size_t)b->n_layers * b->layer_bytes + ph_dtype_row_bytes(b->type, (size_t)VOCAB * EMBED);
    if (ph_kern_init(&b->kern, NULL, err) != PHIAL_OK ||
        ph_pool_new(&b->pool, b->n_threads, err) != PHIAL_OK ||
        ph_work_open(&b->work, &b->kern, b->pool, err) != PHIAL_OK) {
        return false;
    }
    b->weights = ph_alloc_aligned(1, b->weight_bytes, 4096, err);
    b->x = ph_alloc(BATCH, INNER * sizeof(float), err);
    b->y = ph_alloc(BATCH, VOCAB / 4 * sizeof(float), err);
    b->z = ph_alloc(VOCAB, sizeof(float), err);
    if (b->fast && ph_work_make_fast(&b->work, BATCH, INNER, err) != PHIAL_OK) {
        return false;
    }
    if (b->weights == NULL || b->x == NULL || b->y == NULL || b->z == NULL || !fill_weights(b)) {
        return false;
    }
    for (size_t i = 0; i < (size_t)BATCH * INNER; i++) {
        b->x[i] = (float)(i % 251) * 0.01f - 1;
    }
    ph_probe_init(&b->probe, b->pool, b->weights, b->weight_bytes);
    printf("%s, %d threads, %s weights of %.2f GB; probes: FMA %s, int8 %s, "
           "bf16 %s, read %s\n",
           b->kern.isa, ph_pool_threads(b->pool), ph_dtype_name(b->type),
           (double)b->weight_bytes / 1e9, ph_probe_name(&b->probe, PH_PROBE_FMA),
           ph_probe_name(&b->probe, PH_PROBE_INT8), ph_probe_name(&b->probe, PH_PROBE_BF16),
           ph_probe_name(&b->probe, PH_PROBE_READ));
    return true;
}

int ph_kernbench(int argc, char **argv)
{
    bench b = {.type = PH_DTYPE_F16, .n_threads = ph_cpu_count(), .n_pairs = 40, .n_layers = 10};
    bool decode = false, gemm = false, attn = false;
    phial_error err = {0};
    for (int i = 1; i < argc; i++) {
        int *number = strcmp(argv[i], "-t") == 0   ? &b.n_threads
                      : strcmp(argv[i], "-n") == 0 ? &b.n_pairs
                      : strcmp(argv[i], "-l") == 0 ? &b.n_layers
                                                   : NULL;
        uint64_t value;
        if (number != NULL && i + 1 < argc && ph_str_parse_u64(ph_str_from(argv[i + 1]), &value) &&
            value >= 1 && value <= MAX_PAIRS) {
            *number = (int)value;
            i++;
        } else if (strcmp(argv[i], "--type") == 0 && i + 1 < argc) {
            const ph_dtype_info *type = ph_dtype_by_name(ph_str_from(argv[++i]));
            if (type == NULL || ph_quant_find(type->id) == NULL) {
                return fail("--type: not a type that can be computed");
            }
            b.type = type->id;
        } else if (strcmp(argv[i], "fast") == 0) {
            b.fast = true;
        } else if (strcmp(argv[i], "decode") == 0) {
            decode = true;
        } else if (strcmp(argv[i], "gemm") == 0) {
            gemm = true;
        } else if (strcmp(argv[i], "attn") == 0) {
            attn = true;
        } else if (strcmp(argv[i], "--bench") != 0) {
            return fail("usage: [fast] [decode] [gemm] [attn] [-t THREADS] [-n PAIRS] [-l LAYERS] "
                        "[--type NAME]");
        }
    }
    bool all = !decode && !gemm && !attn;
    bool ok = setup(&b, &err);
    if (ok) {
        if (decode || all) {
            bench_decode(&b);
        }
        if (gemm || all) {
            bench_gemm(&b);
        }
        if (attn || all) {
            bench_attn(&b);
        }
    }
    ph_free(b.weights);
    ph_free(b.x);
    ph_free(b.y);
    ph_free(b.z);
    ph_work_close(&b.work);
    ph_pool_free(b.pool);
    return ok ? 0 : fail(err.message[0] != '\0' ? err.message : "out of memory");
}
