/* Contract in retrieval_metrics.h. Both files become rows sorted by query and document; queries are
 * then walked in step. */
#include "rag/retrieval_metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

typedef struct row {
    ph_str query, doc; /* borrowed from the file's text */
    float score;       /* of a run */
    int64_t relevance; /* of a judgement; in a run what was judged, 0 otherwise */
    size_t line;
} row;

typedef struct rows {
    row *list;
    size_t n, cap;
} rows;

static int order_of(ph_str a, ph_str b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

static int by_query_doc(const void *a, const void *b)
{
    const row *x = a, *y = b;
    int order = order_of(x->query, y->query);
    order = order ? order : order_of(x->doc, y->doc);
    return order ? order : (x->line > y->line) - (x->line < y->line);
}

static int by_rank(const void *a, const void *b)
{
    const row *x = a, *y = b;
    int order = order_of(x->query, y->query);
    if (order)
        return order;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return -order_of(x->doc, y->doc);
}

static phial_status push(rows *r, const row *one, phial_error *err)
{
    if (r->n == PH_METRICS_ROWS_MAX)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "more than %zu lines", PH_METRICS_ROWS_MAX);
    if (r->n == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 1024;
        row *more = ph_realloc(r->list, cap, sizeof *more, err);
        if (!more)
            return PHIAL_ERR_NO_MEMORY;
        r->list = more;
        r->cap = cap;
    }
    r->list[r->n++] = *one;
    return PHIAL_OK;
}

/* Words of a line, apart by blanks or tabs. Returns how many; at most 8 are kept. */
static size_t split(ph_str line, ph_str words[8])
{
    size_t n = 0;
    for (size_t i = 0; i < line.n;) {
        while (i < line.n && (line.p[i] == ' ' || line.p[i] == '\t' || line.p[i] == '\r'))
            i++;
        size_t from = i;
        while (i < line.n && line.p[i] != ' ' && line.p[i] != '\t' && line.p[i] != '\r')
            i++;
        if (i > from) {
            if (n < 8)
                words[n] = (ph_str){line.p + from, i - from};
            n++;
        }
    }
    return n;
}

static phial_status bad_line(const char *name, size_t line, const char *what, phial_error *err)
{
    return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s:%zu: %s", name, line, what);
}

static phial_status parse_run_line(ph_str line, const char *name, row *out, phial_error *err)
{
    ph_str words[8];
    double score;
    if (split(line, words) != 6)
        return bad_line(name, out->line, "is not 'query Q0 document rank score tag'", err);
    if (!ph_str_parse_f64(words[4], &score))
        return bad_line(name, out->line, "its fifth word is not a number", err);
    out->query = words[0];
    out->doc = words[2];
    out->score = (float)score;
    return PHIAL_OK;
}

static phial_status parse_qrels_line(ph_str line, const char *name, row *out, bool *skip,
                                     phial_error *err)
{
    ph_str words[8];
    size_t n = split(line, words);
    if (n != 3 && n != 4)
        return bad_line(name, out->line,
                        "is neither 'query 0 document relevance' nor 'query document score'", err);
    if (ph_str_parse_i64(words[n - 1], &out->relevance)) {
        out->query = words[0];
        out->doc = words[n - 2];
        return PHIAL_OK;
    }
    *skip = out->line == 1 && n == 3;
    return *skip ? PHIAL_OK : bad_line(name, out->line, "its last word is not a number", err);
}

static phial_status parse(rows *out, ph_str text, const char *name, bool is_run, phial_error *err)
{
    phial_status st = PHIAL_OK;
    size_t number = 0;
    for (size_t at = 0; st == PHIAL_OK && at < text.n;) {
        const char *end = memchr(text.p + at, '\n', text.n - at);
        ph_str line = {text.p + at, end ? (size_t)(end - text.p) - at : text.n - at}, word[8];
        row r = {.line = ++number};
        bool skip = split(line, word) == 0;
        at += line.n + 1;
        if (!skip)
            st = is_run ? parse_run_line(line, name, &r, err)
                        : parse_qrels_line(line, name, &r, &skip, err);
        if (st == PHIAL_OK && !skip)
            st = push(out, &r, err);
    }
    return st;
}

/* Sorted, and of each document of a query only the first line. */
static void sort_rows(rows *r)
{
    size_t kept = 0;
    if (r->n > 0)
        qsort(r->list, r->n, sizeof *r->list, by_query_doc);
    for (size_t i = 0; i < r->n; i++) {
        if (kept == 0 || order_of(r->list[kept - 1].query, r->list[i].query) != 0 ||
            order_of(r->list[kept - 1].doc, r->list[i].doc) != 0)
            r->list[kept++] = r->list[i];
    }
    r->n = kept;
}

static size_t query_end(const rows *r, size_t from)
{
    size_t to = from;
    while (to < r->n && order_of(r->list[to].query, r->list[from].query) == 0)
        to++;
    return to;
}

static int falling(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* Gain of the best possible first ten. */
static phial_status ideal_dcg(const row *judged, size_t n, double *out, phial_error *err)
{
    size_t k = 0;
    int64_t *gains = ph_alloc(n, sizeof *gains, err);
    if (!gains)
        return PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        if (judged[i].relevance > 0)
            gains[k++] = judged[i].relevance;
    }
    if (k > 0)
        qsort(gains, k, sizeof *gains, falling);
    *out = 0;
    for (size_t i = 0; i < k && i < 10; i++)
        *out += (double)gains[i] / log2((double)i + 2);
    ph_free(gains);
    return PHIAL_OK;
}

/* run: one query's rows in order of documents, sorted by rank afterwards. */
static phial_status score_query(row *run, size_t n_run, const row *judged, size_t n_judged,
                                ph_retrieval_scores *out, phial_error *err)
{
    double relevant = 0, found = 0, dcg = 0, ideal = 0;
    *out = (ph_retrieval_scores){0};
    for (size_t i = 0, j = 0; i < n_run; i++) {
        while (j < n_judged && order_of(judged[j].doc, run[i].doc) < 0)
            j++;
        if (j < n_judged && order_of(judged[j].doc, run[i].doc) == 0)
            run[i].relevance = judged[j].relevance;
    }
    for (size_t j = 0; j < n_judged; j++)
        relevant += judged[j].relevance > 0;
    if (n_run > 0)
        qsort(run, n_run, sizeof *run, by_rank);
    phial_status st = ideal_dcg(judged, n_judged, &ideal, err);
    if (st != PHIAL_OK || relevant == 0)
        return st;
    for (size_t i = 0; i < n_run; i++) {
        if (run[i].relevance <= 0)
            continue;
        found++;
        out->map += found / (double)(i + 1);
        if (found == 1)
            out->mrr = 1 / (double)(i + 1);
        if (i < 10) {
            dcg += (double)run[i].relevance / log2((double)i + 2);
            out->recall_10 = found;
        }
        if (i < 100)
            out->recall_100 = found;
    }
    out->map /= relevant;
    out->recall_10 /= relevant;
    out->recall_100 /= relevant;
    out->ndcg_10 = dcg / ideal;
    return PHIAL_OK;
}

static void add_scores(ph_retrieval_scores *sum, const ph_retrieval_scores *s)
{
    sum->ndcg_10 += s->ndcg_10;
    sum->recall_10 += s->recall_10;
    sum->recall_100 += s->recall_100;
    sum->mrr += s->mrr;
    sum->map += s->map;
}

static phial_status walk(rows *run, const rows *qrels, bool complete,
                         void (*each)(void *, ph_str, const ph_retrieval_scores *), void *user,
                         ph_retrieval_result *result, phial_error *err)
{
    phial_status st = PHIAL_OK;
    for (size_t i = 0, j = 0; st == PHIAL_OK && (i < run->n || j < qrels->n);) {
        size_t i_end = i < run->n ? query_end(run, i) : i;
        size_t j_end = j < qrels->n ? query_end(qrels, j) : j;
        int order = i == run->n     ? 1
                    : j == qrels->n ? -1
                                    : order_of(run->list[i].query, qrels->list[j].query);
        ph_retrieval_scores s = {0};
        bool counts = order == 0 || (order > 0 && complete);
        if (order == 0)
            st = score_query(run->list + i, i_end - i, qrels->list + j, j_end - j, &s, err);
        if (st == PHIAL_OK && counts) {
            add_scores(&result->mean, &s);
            result->n_queries++;
            if (each)
                each(user, qrels->list[j].query, &s);
        }
        result->n_unjudged += order < 0;
        result->n_absent += order > 0;
        i = order <= 0 ? i_end : i;
        j = order >= 0 ? j_end : j;
    }
    if (result->n_queries > 0) {
        double n = (double)result->n_queries;
        ph_retrieval_scores *m = &result->mean;
        *m = (ph_retrieval_scores){m->ndcg_10 / n, m->recall_10 / n, m->recall_100 / n, m->mrr / n,
                                   m->map / n};
    }
    return st;
}

phial_status ph_retrieval_evaluate(ph_str run, const char *run_name, ph_str qrels,
                                   const char *qrels_name, bool complete,
                                   void (*each)(void *user, ph_str query,
                                                const ph_retrieval_scores *scores),
                                   void *user, ph_retrieval_result *result, phial_error *err)
{
    rows a = {0}, b = {0};
    *result = (ph_retrieval_result){0};
    phial_status st = parse(&a, run, run_name, true, err);
    if (st == PHIAL_OK)
        st = parse(&b, qrels, qrels_name, false, err);
    if (st == PHIAL_OK) {
        sort_rows(&a);
        sort_rows(&b);
        st = walk(&a, &b, complete, each, user, result, err);
    }
    ph_free(a.list);
    ph_free(b.list);
    return st;
}
