/* Embedding speed: bench_embed MODEL IDS THREADS exact|fast OUT.npy [BATCH]
 *
 * IDS has one text a line, token ids with blanks between. Opens the model, prints "ready", and
 * then, for each line on standard input, embeds all texts, writes the vectors to OUT.npy and prints
 * the seconds it took on the wall and of CPU time (without the writing). embed_compare.py runs it
 * beside other programs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"
#include "fmt/npy.h"
#include "rt/embedder.h"

static void check(phial_status status, const phial_error *err)
{
    if (status != PHIAL_OK) {
        fprintf(stderr, "bench_embed: %s\n", err->message);
        exit(1);
    }
}

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The lists share one array of ids, which is never freed: the program ends with it. */
static size_t read_lists(phial_tokens **out, const char *path)
{
    phial_error err = {0};
    ph_buf text;
    ph_buf_init(&text, 0);
    check(ph_file_read(&text, path, (size_t)1 << 30, &err), &err);
    size_t n_lines = 0, n = 0;
    for (size_t i = 0; i < text.len; i++) {
        n_lines += text.data[i] == '\n';
    }
    phial_tokens *lists = ph_alloc(n_lines + 1, sizeof *lists, &err);
    uint32_t *ids = ph_alloc(text.len + 1, sizeof *ids, &err);
    if (lists == NULL || ids == NULL) {
        check(PHIAL_ERR_NO_MEMORY, &err);
    }
    for (char *p = text.data; p < text.data + text.len; n++) {
        lists[n].ids = ids;
        for (char *end; *p != '\n' && *p != '\0'; p = end + (*end == ' ')) {
            *ids++ = (uint32_t)strtoul(p, &end, 10);
            lists[n].n++;
        }
        p++;
    }
    ph_buf_free(&text);
    *out = lists;
    return n;
}

static void write_vectors(const char *path, const float *v, size_t n, size_t dim)
{
    phial_error err = {0};
    ph_npy_writer *w;
    check(ph_npy_writer_open(&w, path, 2, n, dim, &err), &err);
    check(ph_npy_writer_add(w, v, n * dim, &err), &err);
    check(ph_npy_writer_commit(w, &err), &err);
    ph_npy_writer_close(w);
}

int main(int argc, char **argv)
{
    phial_error err = {0};
    phial_embedder *e = NULL;
    phial_tokens *lists;
    if (argc != 6 && argc != 7) {
        fprintf(stderr, "bench_embed MODEL IDS THREADS exact|fast OUT.npy [BATCH]\n");
        return 2;
    }
    phial_embedder_options o;
    phial_embedder_options_default(&o);
    uint64_t threads = 0;
    if (!ph_str_parse_u64(ph_str_from(argv[3]), &threads) || threads > 512) {
        fprintf(stderr, "bench_embed: '%s' is no number of threads\n", argv[3]);
        return 2;
    }
    uint64_t batch = 0;
    if (argc == 7 && (!ph_str_parse_u64(ph_str_from(argv[6]), &batch) || batch > 65536)) {
        fprintf(stderr, "bench_embed: '%s' is no number of tokens\n", argv[6]);
        return 2;
    }
    o.n_batch = (uint32_t)batch;
    o.n_threads = (int)threads;
    o.math = strcmp(argv[4], "fast") == 0 ? PHIAL_MATH_FAST : PHIAL_MATH_EXACT;
    o.normalize = PHIAL_NORMALIZE_NO;
    o.pooling = PHIAL_POOL_MEAN;
    check(ph_embedder_open_bare(&e, argv[1], &o, &err), &err);
    size_t n = read_lists(&lists, argv[2]), dim = phial_embedder_dim(e);
    float *v = ph_alloc(n * dim, sizeof *v, &err);
    if (v == NULL) {
        check(PHIAL_ERR_NO_MEMORY, &err);
    }
    printf("ready\n");
    fflush(stdout);
    for (char line[64]; fgets(line, sizeof line, stdin) != NULL;) {
        double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
        check(ph_embed_ids(e, v, lists, n, &err), &err);
        wall = seconds(CLOCK_MONOTONIC) - wall;
        cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        write_vectors(argv[5], v, n, dim);
        printf("%.6f %.6f\n", wall, cpu);
        fflush(stdout);
    }
    ph_free(v);
    phial_embedder_close(e);
    return 0;
}
