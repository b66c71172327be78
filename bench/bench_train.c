/* Training speed: bench_train MODEL BATCH THREADS [bf16]
 *
 * MODEL is a Phi; BATCH is one example a line: numbers of its tokens, each the target of the one
 * before it, of which the last is a target only. For every line of standard input that says "step"
 * one step of training on the whole batch (backward, AdamW); for "loss" a forward pass alone; for
 * "probe" the speed of fused multiply-adds. Each is answered by one line of JSON: mean loss,
 * tokens, seconds on the wall and of CPU time; or GFLOP/s. So whoever compares programs lets them
 * take turns (train_compare.py).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "kern/probe.h"
#include "train/trainee.h"

#define TOKENS_MAX 65536
#define PROBE_MS   30

typedef struct bench {
    ph_trainee *t;
    ph_pool *pool;
    ph_probe probe;
    uint32_t *ids, *targets, *starts; /* [TOKENS_MAX] */
    ph_train_batch batch;
} bench;

static void check(phial_status status, const phial_error *err)
{
    if (status != PHIAL_OK) {
        fprintf(stderr, "bench_train: %s\n", err->message);
        exit(1);
    }
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One example: its tokens but the last, and their followers as targets. */
static void add_example(bench *b, const char *line)
{
    uint32_t before = 0;
    bool first = true;
    size_t begin = b->batch.n;
    while (*(line += strspn(line, " \t\r")) != '\0') {
        size_t length = strcspn(line, " \t\r");
        uint64_t id;
        if (!ph_str_parse_u64((ph_str){line, length}, &id) || id >= UINT32_MAX ||
            b->batch.n == TOKENS_MAX) {
            fprintf(stderr, "bench_train: '%.20s' is no token, or too many tokens\n", line);
            exit(1);
        }
        if (!first) {
            b->ids[b->batch.n] = before;
            b->targets[b->batch.n++] = (uint32_t)id;
        }
        before = (uint32_t)id;
        first = false;
        line += length;
    }
    if (b->batch.n > begin) {
        b->starts[b->batch.n_examples++] = (uint32_t)begin;
    }
}

static void read_batch(bench *b, const char *path)
{
    phial_error err = {0};
    ph_buf text;
    ph_buf_init(&text, (size_t)16 << 20);
    check(ph_file_read(&text, path, (size_t)16 << 20, &err), &err);
    for (char *line = text.data; line != NULL && *line != '\0';) {
        char *end = strchr(line, '\n');
        if (end != NULL) {
            *end++ = '\0';
        }
        add_example(b, line);
        line = end;
    }
    ph_buf_free(&text);
    b->batch.ids = b->ids;
    b->batch.targets = b->targets;
    b->batch.starts = b->starts;
}

static void step(bench *b, bool update)
{
    phial_error err = {0};
    ph_train_loss loss;
    double cpu = cpu_seconds();
    uint64_t begin = ph_clock_ns();
    if (update) {
        check(ph_trainee_backward(b->t, &b->batch, &loss, &err), &err);
        ph_adamw adamw;
        ph_adamw_default(&adamw);
        adamw.divisor = (double)loss.n_targets;
        check(ph_trainee_update(b->t, &adamw, NULL, &err), &err);
    } else {
        check(ph_trainee_loss(b->t, &b->batch, &loss, &err), &err);
    }
    double wall = 1e-9 * (double)(ph_clock_ns() - begin);
    printf("{\"loss\":%.9g,\"tokens\":%zu,\"wall_s\":%.6f,\"cpu_s\":%.6f}\n",
           loss.sum / (double)loss.n_targets, b->batch.n, wall, cpu_seconds() - cpu);
}

int main(int argc, char **argv)
{
    static unsigned char bytes[1 << 20];
    bench b = {0};
    phial_error err = {0};
    phial_model *model;
    ph_trainee_options o;
    uint64_t threads = 0;
    if (argc < 4 || !ph_str_parse_u64(ph_str_from(argv[3]), &threads) || threads > 512) {
        fprintf(stderr, "usage: bench_train MODEL BATCH THREADS [bf16]\n");
        return 2;
    }
    b.ids = ph_alloc(3 * TOKENS_MAX, sizeof *b.ids, &err);
    check(b.ids == NULL ? PHIAL_ERR_NO_MEMORY : PHIAL_OK, &err);
    b.targets = b.ids + TOKENS_MAX;
    b.starts = b.targets + TOKENS_MAX;
    read_batch(&b, argv[2]);
    ph_trainee_options_default(&o);
    o.n_threads = (int)threads;
    o.max_tokens = b.batch.n;
    o.math = argc > 4 && strcmp(argv[4], "bf16") == 0 ? PH_TRAIN_BF16 : PH_TRAIN_F32;
    check(phial_model_open(&model, argv[1], NULL, &err), &err);
    check(ph_trainee_from_model(&b.t, model, &o, &err), &err);
    phial_model_close(model);
    check(ph_pool_new(&b.pool, (int)threads, &err), &err);
    ph_probe_init(&b.probe, b.pool, bytes, sizeof bytes);
    ph_probe_kind kind = o.math == PH_TRAIN_BF16 ? PH_PROBE_BF16 : PH_PROBE_FMA;
    char line[64];
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (strncmp(line, "probe", 5) == 0) {
            printf("{\"gflops\":%.2f}\n", ph_probe_ops(&b.probe, kind, PROBE_MS));
        } else {
            step(&b, strncmp(line, "loss", 4) != 0);
        }
        fflush(stdout);
    }
    ph_pool_free(b.pool);
    ph_trainee_free(b.t);
    ph_free(b.ids);
    return 0;
}
