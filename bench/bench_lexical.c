/* Lexical search with other numbers than the usual: which ones are worth it?
 *
 *   bench_lexical COLLECTION QUERIES.jsonl QRELS < LINES
 *
 * A line holds k1 b head section section_k1 section_b; for each it prints
 * nDCG@10 of the queries at odd places, at even places and of all, Recall@100 of all, and the
 * median and 99th percentile of the time in milliseconds. Numbers are chosen on the odd ones.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "rag/collection_rank.h"
#include "rag/ingest_jsonl.h"
#include "rag/retrieval_metrics.h"

enum { DOCS = 100, CHUNKS = 400, QUERIES_MAX = 20000 };

typedef struct query {
    char *id, *text;
} query;

static query queries[QUERIES_MAX];
static size_t n_queries;
static char **doc_of; /* by chunk id */
static size_t n_doc_of;

static void die(const phial_error *err)
{
    fprintf(stderr, "bench_lexical: %s\n", err->message);
    exit(1);
}

static const char *name_of(phial_collection *c, int64_t chunk)
{
    phial_error err = {0};
    phial_hits *hits;
    if ((size_t)chunk >= n_doc_of) {
        size_t n = (size_t)chunk * 2 + 1024;
        doc_of = ph_realloc(doc_of, n, sizeof *doc_of, NULL);
        memset(doc_of + n_doc_of, 0, (n - n_doc_of) * sizeof *doc_of);
        n_doc_of = n;
    }
    if (!doc_of[chunk]) {
        if (phial_collection_chunks(c, &hits, &chunk, 1, &err) != PHIAL_OK)
            die(&err);
        const phial_hit *h = phial_hits_at(hits, 0);
        doc_of[chunk] = ph_strndup(h->doc.p, h->doc.n, NULL);
        phial_hits_free(hits);
    }
    return doc_of[chunk];
}

static double run_one(phial_collection *c, const query *q, const ph_lex_params *params, ph_buf *run)
{
    static ph_lex_query terms;
    phial_error err = {0};
    ph_scored *list;
    size_t n, docs = 0;
    const char *seen[DOCS];
    ph_chunk_ranges all = {.all = true};
    uint64_t before = ph_clock_ns();
    if (ph_tx_begin(c, false, &err) != PHIAL_OK)
        die(&err);
    ph_lex_query_make(&terms, ph_str_from(q->text));
    if (ph_lex_rank(c, &terms, params, &all, CHUNKS, &list, &n, &err) != PHIAL_OK)
        die(&err);
    ph_tx_rollback(c);
    double ms = (double)(ph_clock_ns() - before) * 1e-6;
    for (size_t i = 0; i < n && docs < DOCS; i++) {
        const char *name = name_of(c, list[i].chunk);
        size_t k = 0;
        while (k < docs && strcmp(seen[k], name) != 0)
            k++;
        if (k < docs)
            continue;
        seen[docs++] = name;
        ph_buf_addf(run, "%s Q0 %s %zu %.6f x\n", q->id, name, docs, list[i].score);
    }
    ph_free(list);
    return ms;
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void run_all(phial_collection *c, const ph_lex_params *params, const ph_buf *qrels)
{
    static double ms[QUERIES_MAX];
    phial_error err = {0};
    ph_retrieval_result r[3];
    ph_buf run[3];
    for (int k = 0; k < 3; k++)
        ph_buf_init(&run[k], 0);
    for (size_t i = 0; i < n_queries; i++) {
        size_t from = run[2].len;
        ms[i] = run_one(c, &queries[i], params, &run[2]);
        ph_buf_add(&run[i % 2], run[2].data + from, run[2].len - from);
    }
    for (int k = 0; k < 3; k++) {
        if (ph_retrieval_evaluate((ph_str){run[k].data, run[k].len}, "run",
                                  (ph_str){qrels->data, qrels->len}, "qrels", false, NULL, NULL,
                                  &r[k], &err) != PHIAL_OK)
            die(&err);
        ph_buf_free(&run[k]);
    }
    qsort(ms, n_queries, sizeof *ms, rising);
    printf("%.4f %.4f %.4f  %.4f  %.2f %.2f\n", r[0].mean.ndcg_10, r[1].mean.ndcg_10,
           r[2].mean.ndcg_10, r[2].mean.recall_100, ms[n_queries / 2], ms[n_queries * 99 / 100]);
    fflush(stdout);
}

static void read_queries(const char *path)
{
    phial_error err = {0};
    ph_jsonl *j;
    ph_jsonl_record record;
    ph_str line;
    uint64_t number;
    bool more = true;
    ph_jsonl_record_init(&record);
    if (ph_jsonl_open(&j, path, &err) != PHIAL_OK)
        die(&err);
    while (n_queries < QUERIES_MAX && ph_jsonl_next(j, &line, &number, &more, &err) == PHIAL_OK &&
           more) {
        if (ph_jsonl_parse(&record, line, &err) != PHIAL_OK)
            die(&err);
        queries[n_queries++] = (query){ph_strdup(record.id.data, NULL),
                                       ph_strdup(record.text.len ? record.text.data : "", NULL)};
    }
    ph_jsonl_record_free(&record);
    ph_jsonl_close(j);
}

int main(int argc, char **argv)
{
    phial_error err = {0};
    phial_collection *c = NULL;
    ph_buf qrels;
    char line[256];
    if (argc != 4) {
        fprintf(stderr, "usage: bench_lexical COLLECTION QUERIES.jsonl QRELS < LINES\n");
        return 2;
    }
    ph_buf_init(&qrels, 0);
    read_queries(argv[2]);
    if (ph_file_read(&qrels, argv[3], 1u << 30, &err) != PHIAL_OK ||
        phial_collection_open(&c, argv[1], PHIAL_COLLECTION_READ, &err) != PHIAL_OK)
        die(&err);
    while (fgets(line, sizeof line, stdin)) {
        ph_lex_params p;
        ph_lex_params_default(&p);
        sscanf(line, "%lf %lf %lf %lf %lf %lf", &p.k1, &p.b, &p.head_weight, &p.section,
               &p.section_k1, &p.section_b);
        printf("%-40.*s ", (int)strcspn(line, "\n"), line);
        run_all(c, &p, &qrels);
    }
    phial_collection_close(c);
    ph_buf_free(&qrels);
    return 0;
}
