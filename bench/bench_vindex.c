/* Searching vectors: queries per second of CPU time for each structure, with recall beside flat.
 *
 *   bench_vindex [-n ROWS] [-d DIM] [-c CLUSTERS] [-s SPREAD] [-q QUERIES] [-k K] [-r RECALL,...]
 *                [-m l2|ip|cosine] [-w FOLDER] [--no-rows] [--write PREFIX] [--only KIND,...]
 *                [--batch N]
 *
 * Rows are random centres of normal distribution plus SPREAD times noise, of length 1; queries are
 * drawn the same way. --write leaves them in PREFIX.rows.f32 and PREFIX.queries.f32 and the true
 * ids in PREFIX.truth.i64, for others to search (bench/vector_compare.py). Times are this thread's
 * CPU time, structures take turns, and the best and the median of the rounds are shown; bandwidth
 * is bytes scanned over that time, beside what reading alone reaches.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "kern/probe.h"
#include "rag/vindex.h"

#define ROUNDS      5
#define RECALLS_MAX 8
#define KINDS_MAX   8
#define PROBE_BYTES ((size_t)256 << 20)

typedef struct setup {
    size_t n, dim, clusters, n_queries, k;
    double spread, recalls[RECALLS_MAX];
    size_t n_recalls;
    ph_vindex_metric metric;
    const char *folder, *write, *only;
    size_t batch;
    bool no_rows;
    uint64_t seed;
} setup;

typedef struct world {
    setup s;
    float *centres, *queries;
    int64_t *truth;
    ph_pool *pool;
    ph_probe probe;
    unsigned char *bytes;
} world;

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static void check(phial_status status, const phial_error *err)
{
    if (status != PHIAL_OK) {
        fprintf(stderr, "bench_vindex: %s\n", err->message);
        exit(1);
    }
}

static void *room(size_t n, size_t size)
{
    phial_error err;
    void *p = ph_alloc_large(n, size, &err);
    if (p == NULL) {
        check(PHIAL_ERR_NO_MEMORY, &err);
    }
    return p;
}

static float normal(ph_rng *rng)
{
    double u = 1 - ph_rng_f64(rng);
    return (float)(sqrt(-2 * log(u)) * cos(6.283185307179586 * ph_rng_f64(rng)));
}

/* Row i of a stream; the same whenever it is asked for. */
static void make_row(const world *w, uint64_t stream, size_t i, float *x)
{
    ph_rng rng;
    double sum = 0;
    ph_rng_seed(&rng, w->s.seed + stream, i);
    const float *centre = w->centres + ph_rng_below(&rng, w->s.clusters) * w->s.dim;
    for (size_t d = 0; d < w->s.dim; d++) {
        x[d] = centre[d] + (float)w->s.spread * normal(&rng);
        sum += (double)x[d] * x[d];
    }
    for (size_t d = 0; d < w->s.dim; d++) {
        x[d] = (float)(x[d] / sqrt(sum));
    }
}

static void make_world(world *w)
{
    ph_rng rng;
    phial_error err;
    ph_rng_seed(&rng, w->s.seed, 1000);
    w->centres = room(w->s.clusters * w->s.dim, sizeof(float));
    for (size_t i = 0; i < w->s.clusters * w->s.dim; i++) {
        w->centres[i] = normal(&rng);
    }
    w->queries = room(w->s.n_queries * w->s.dim, sizeof(float));
    for (size_t i = 0; i < w->s.n_queries; i++) {
        make_row(w, 2, i, w->queries + i * w->s.dim);
    }
    check(ph_pool_new(&w->pool, 1, &err), &err);
    w->bytes = room(PROBE_BYTES, 1);
    memset(w->bytes, 1, PROBE_BYTES);
    ph_probe_init(&w->probe, w->pool, w->bytes, PROBE_BYTES);
}

static void keep(const char *prefix, const char *what, const void *bytes, size_t n)
{
    char path[4096];
    phial_error err;
    ph_writer *f = NULL;
    snprintf(path, sizeof path, "%s.%s", prefix, what);
    check(ph_writer_open(&f, path, &err), &err);
    check(ph_writer_write(f, bytes, n, &err), &err);
    check(ph_writer_commit(f, &err), &err);
    ph_writer_close(f);
}

static ph_vindex *make_index(const world *w, const char *kind, bool keep_rows)
{
    char path[4096];
    phial_error err;
    ph_vindex_builder *b = NULL;
    ph_vindex *index = NULL;
    ph_vindex_options o;
    ph_vindex_options_default(&o);
    o.kind = kind;
    o.metric = w->s.metric;
    o.dim = (uint32_t)w->s.dim;
    o.keep_rows = keep_rows;
    snprintf(path, sizeof path, "%s/bench_vindex.%s.image", w->s.folder, kind);
    float *x = room(w->s.dim, sizeof *x);
    check(ph_vindex_builder_open(&b, path, &o, &err), &err);
    double spent = 0;
    for (size_t i = 0; i < w->s.n; i++) {
        int64_t id = (int64_t)i;
        make_row(w, 1, i, x);
        double begin = cpu_ns();
        check(ph_vindex_builder_add(b, &id, x, 1, &err), &err);
        spent += cpu_ns() - begin;
    }
    double begin = cpu_ns();
    check(ph_vindex_builder_commit(b, &err), &err);
    spent += cpu_ns() - begin;
    ph_vindex_builder_close(b);
    begin = cpu_ns();
    check(ph_vindex_open(&index, path, NULL, NULL, &err), &err);
    double opening = cpu_ns() - begin;
    remove(path); /* the mapping holds it */
    ph_vindex_info info = ph_vindex_describe(index);
    printf(
        "%-6s built in %.2f s of CPU, opened and checked in %.3f; %.1f MB, of these %.1f scanned\n",
        kind, spent * 1e-9, opening * 1e-9, (double)info.file_bytes * 1e-6,
        (double)info.scan_bytes * 1e-6);
    fflush(stdout);
    ph_free(x);
    return index;
}

static phial_status fetch(void *user, const int64_t *ids, size_t n, float *rows, phial_error *err)
{
    const world *w = user;
    (void)err;
    for (size_t i = 0; i < n; i++) {
        make_row(w, 1, (size_t)ids[i], rows + i * w->s.dim);
    }
    return PHIAL_OK;
}

typedef struct runner {
    const char *kind;
    ph_vindex *index;
    ph_vsearcher *searcher;
    double recall;      /* asked for */
    size_t batch, most; /* queries at once, and in a round */
    int64_t *ids;
    double ns[ROUNDS]; /* a query */
} runner;

static void run_round(const world *w, runner *r, int round)
{
    size_t k = w->s.k;
    float *scores = room(w->s.n_queries * k, sizeof *scores);
    size_t *found = room(w->s.n_queries, sizeof *found);
    phial_error err;
    double begin = cpu_ns();
    for (size_t i = 0; i < r->most; i += r->batch) {
        size_t n = r->most - i < r->batch ? r->most - i : r->batch;
        ph_vsearch search = {w->queries + i * w->s.dim, n, k, r->recall, NULL};
        check(ph_vsearcher_run(r->searcher, &search, r->ids + i * k, scores, found, &err), &err);
    }
    r->ns[round] = (cpu_ns() - begin) / (double)r->most;
    ph_free(scores);
    ph_free(found);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double recall_of(const world *w, const runner *r)
{
    size_t hits = 0, k = w->s.k;
    if (w->truth == NULL) {
        return NAN;
    }
    for (size_t i = 0; i < r->most * k; i++) {
        for (size_t j = i / k * k; j < i / k * k + k; j++) {
            hits += r->ids[i] == w->truth[j];
        }
    }
    return (double)hits / (double)(r->most * k);
}

static void report(const world *w, runner *r, double read_gb)
{
    ph_vsearch_stats st = ph_vsearcher_stats(r->searcher);
    ph_vindex_info info = ph_vindex_describe(r->index);
    qsort(r->ns, ROUNDS, sizeof r->ns[0], by_value);
    double gb = (double)info.scan_bytes / r->ns[0];
    printf("%-6s wanted %-6g batch %-5zu best %8.1f q/s  median %8.1f  recall@%zu %.4f  scan %5.1f "
           "GB/s (%.2f of reading)  %6.1f rows by code, %5.1f by f32\n",
           r->kind, r->recall, r->batch, 1e9 / r->ns[0], 1e9 / r->ns[ROUNDS / 2], w->s.k,
           recall_of(w, r), gb, gb / read_gb, (double)st.n_coded / (double)st.n_queries,
           (double)st.n_rows / (double)st.n_queries);
}

static runner make_runner(world *w, ph_vindex *index, const char *kind, double recall, size_t batch)
{
    runner r = {.kind = kind, .index = index, .recall = recall, .batch = batch};
    ph_vsearch_options o = {.fetch = fetch, .fetch_user = w};
    phial_error err;
    r.most = strcmp(kind, "flat") == 0 && w->s.n_queries > 100 && batch == 1 ? 100 : w->s.n_queries;
    r.ids = room(w->s.n_queries * w->s.k, sizeof *r.ids);
    check(ph_vsearcher_new(&r.searcher, index, &o, &err), &err);
    return r;
}

static void write_files(const world *w)
{
    float *rows = room(w->s.n * w->s.dim, sizeof *rows);
    for (size_t i = 0; i < w->s.n; i++) {
        make_row(w, 1, i, rows + i * w->s.dim);
    }
    keep(w->s.write, "rows.f32", rows, w->s.n * w->s.dim * sizeof *rows);
    keep(w->s.write, "queries.f32", w->queries, w->s.n_queries * w->s.dim * sizeof *rows);
    keep(w->s.write, "truth.i64", w->truth, w->s.n_queries * w->s.k * sizeof *w->truth);
    ph_free(rows);
}

static bool is_exact(const char *kind)
{
    return strcmp(kind, "flat") == 0 || strcmp(kind, "int8") == 0;
}

static size_t make_runners(world *w, ph_vindex *const *index, runner *runners)
{
    static const double none = 0;
    size_t n = 0, batches[2] = {w->s.batch ? w->s.batch : 1, w->s.n_queries};
    for (size_t i = 0; ph_vindex_kind_name(i) != NULL; i++) {
        const char *kind = ph_vindex_kind_name(i);
        bool bits = !is_exact(kind);
        const double *recalls = bits ? w->s.recalls : &none;
        for (size_t j = 0; index[i] != NULL && j < (bits ? w->s.n_recalls : 1); j++) {
            for (size_t b = 0; b < (w->s.batch ? 1 : 2); b++) {
                runners[n++] = make_runner(w, index[i], kind, recalls[j], batches[b]);
            }
        }
    }
    return n;
}

static void bench(world *w)
{
    ph_vindex *index[KINDS_MAX] = {NULL};
    runner runners[2 * RECALLS_MAX * KINDS_MAX];
    for (size_t i = 0; ph_vindex_kind_name(i) != NULL; i++) {
        const char *kind = ph_vindex_kind_name(i);
        if (w->s.only == NULL || strstr(w->s.only, kind) != NULL) {
            index[i] = make_index(w, kind, !w->s.no_rows);
        }
    }
    size_t n = make_runners(w, index, runners);
    double read_gb = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < n; i++) {
            run_round(w, &runners[i], round);
            double gb = ph_probe_read(&w->probe, w->bytes, PROBE_BYTES);
            read_gb = gb > read_gb ? gb : read_gb;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (runners[i].most == w->s.n_queries && is_exact(runners[i].kind)) {
            w->truth = runners[i].ids; /* of an exact one */
        }
    }
    printf("reading alone: %.1f GB/s (wall clock, best)\n", read_gb);
    for (size_t i = 0; i < n; i++) {
        report(w, &runners[i], read_gb);
    }
    if (w->s.write != NULL && w->truth != NULL) {
        write_files(w);
    }
    for (size_t i = 0; i < n; i++) {
        ph_vsearcher_free(runners[i].searcher);
        ph_free(runners[i].ids);
    }
    for (size_t i = 0; i < KINDS_MAX; i++) {
        ph_vindex_close(index[i]);
    }
}

static size_t number(const char *text)
{
    uint64_t v = 0;
    if (!ph_str_parse_u64(ph_str_from(text), &v) || v == 0) {
        fprintf(stderr, "bench_vindex: '%s' is no number from 1 on\n", text);
        exit(2);
    }
    return (size_t)v;
}

static void parse_recalls(setup *s, const char *list)
{
    s->n_recalls = 0;
    while (*list != '\0' && s->n_recalls < RECALLS_MAX) {
        size_t n = strcspn(list, ",");
        if (!ph_str_parse_f64((ph_str){list, n}, &s->recalls[s->n_recalls++])) {
            fprintf(stderr, "bench_vindex: '%s' is no list of recalls\n", list);
            exit(2);
        }
        list += n + (list[n] == ',');
    }
}

static bool take_option(setup *s, const char *name, const char *value)
{
    if (strcmp(name, "-n") == 0) {
        s->n = number(value);
    } else if (strcmp(name, "-d") == 0) {
        s->dim = number(value);
    } else if (strcmp(name, "-c") == 0) {
        s->clusters = number(value);
    } else if (strcmp(name, "-q") == 0) {
        s->n_queries = number(value);
    } else if (strcmp(name, "-k") == 0) {
        s->k = number(value);
    } else if (strcmp(name, "-r") == 0) {
        parse_recalls(s, value);
    } else if (strcmp(name, "-s") == 0) {
        return ph_str_parse_f64(ph_str_from(value), &s->spread);
    } else if (strcmp(name, "-w") == 0) {
        s->folder = value;
    } else if (strcmp(name, "--write") == 0) {
        s->write = value;
    } else if (strcmp(name, "--only") == 0) {
        s->only = value;
    } else if (strcmp(name, "--batch") == 0) {
        s->batch = number(value);
    } else if (strcmp(name, "-m") == 0) {
        int m = 0;
        while (m < PH_VINDEX_N_METRICS &&
               strcmp(value, ph_vindex_metric_name((ph_vindex_metric)m)) != 0) {
            m++;
        }
        s->metric = (ph_vindex_metric)m;
        return m < PH_VINDEX_N_METRICS;
    } else {
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    world w = {.s = {.n = 100000,
                     .dim = 384,
                     .clusters = 1000,
                     .n_queries = 1000,
                     .k = 10,
                     .spread = 0.7,
                     .recalls = {0.8, 0.95, 0.99},
                     .n_recalls = 3,
                     .folder = ".",
                     .seed = 1}};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--no-rows") == 0) {
            w.s.no_rows = true;
        } else if (i + 1 < argc && take_option(&w.s, argv[i], argv[i + 1])) {
            i++;
        } else {
            fprintf(stderr, "bench_vindex: '%s'? See the head of bench/bench_vindex.c\n", argv[i]);
            return 2;
        }
    }
    make_world(&w);
    bench(&w);
    ph_pool_free(w.pool);
    ph_free(w.bytes);
    ph_free(w.centres);
    ph_free(w.queries);
    return 0;
}
