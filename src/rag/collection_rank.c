/* ph_lex_search(): from the terms of a query to the best chunks; see lex_score.h.
 *
 * Term after term, in order of their bytes, and segment after segment, scores are added up in one
 * array for chunks and one for sections. Numbers of documents and lengths are those of what lives,
 * so the ranking does not depend on how the collection came to be what it is.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "rag/collection_rank.h"
#include "rag/lex_score.h"

void ph_lex_params_default(ph_lex_params *p)
{
    *p = (ph_lex_params){.k1 = 1.2,
                         .b = 0.75,
                         .head_weight = 3.0,
                         .section = 0.5,
                         .section_k1 = 1.2,
                         .section_b = 0.75};
}

/* --- the query --- */

static bool take_term(void *user, const ph_lex_token *t)
{
    ph_lex_query *q = user;
    size_t at = 0;
    for (; at < q->n; at++) {
        ph_str have = {q->terms[at].text, q->terms[at].n};
        int order = memcmp(have.p, t->term.p, have.n < t->term.n ? have.n : t->term.n);
        order = order ? order : (have.n > t->term.n) - (have.n < t->term.n);
        if (order == 0) {
            q->terms[at].times++;
            return true;
        }
        if (order > 0)
            break;
    }
    if (q->n == PH_QUERY_TERMS_MAX)
        return true;
    memmove(&q->terms[at + 1], &q->terms[at], (q->n - at) * sizeof q->terms[0]);
    q->terms[at] = (ph_lex_term){.n = (uint8_t)t->term.n, .stop = t->stop, .times = 1};
    memcpy(q->terms[at].text, t->term.p, t->term.n);
    q->n++;
    return true;
}

void ph_lex_query_make(ph_lex_query *q, ph_str text)
{
    size_t kept = 0;
    q->n = 0;
    ph_lex_analyze(text, take_term, q);
    for (size_t i = 0; i < q->n; i++) {
        if (!q->terms[i].stop)
            q->terms[kept++] = q->terms[i];
    }
    q->n = kept > 0 ? kept : q->n;
}

/* --- scores --- */

typedef struct found {
    ph_lex_posting *list; /* owned, of what lives */
    size_t n, cap;
} found;

typedef struct ranking {
    phial_collection *c;
    const ph_lex_view *view;
    const ph_lex_params *params;
    double **chunks, **sections; /* [n_segments][...] */
    found *postings;             /* [n_segments], of the term at hand */
    ph_buf block;
} ranking;

static phial_status gather(ranking *r, size_t i, ph_str term, phial_error *err)
{
    const ph_lex_segment *s = &r->view->segments[i];
    found *f = &r->postings[i];
    ph_lex_entry entry;
    ph_lex_cursor cursor;
    bool there;
    int got = 0;
    f->n = 0;
    phial_status st = ph_lex_find(r->c, s, term, &r->block, &entry, &there, err);
    if (st != PHIAL_OK || !there || entry.n_postings == 0)
        return st;
    if (entry.n_postings > s->n)
        return ph_damaged(r->c, "postings of the full-text index", err);
    if (entry.n_postings > f->cap) {
        ph_lex_posting *more = ph_realloc(f->list, (size_t)entry.n_postings, sizeof *more, err);
        if (!more)
            return PHIAL_ERR_NO_MEMORY;
        f->list = more;
        f->cap = (size_t)entry.n_postings;
    }
    ph_lex_cursor_init(&cursor, &entry, s->n);
    while ((got = ph_lex_cursor_next(&cursor, &f->list[f->n < f->cap ? f->n : f->cap - 1])) > 0) {
        if (!s->dead || !s->dead[f->list[f->n].chunk])
            f->n++;
        if (f->n == f->cap)
            break;
    }
    return got >= 0 ? PHIAL_OK : ph_damaged(r->c, "postings of the full-text index", err);
}

/* Robertson's weight, kept above 0 for terms that nearly all have. */
static double idf_of(uint64_t n, uint64_t with)
{
    return log(1.0 + ((double)n - (double)with + 0.5) / ((double)with + 0.5));
}

static uint64_t count_sections(const ranking *r)
{
    uint64_t n = 0;
    for (size_t i = 0; i < r->view->n_segments; i++) {
        const ph_lex_segment *s = &r->view->segments[i];
        uint32_t last = UINT32_MAX;
        for (size_t k = 0; k < r->postings[i].n; k++) {
            uint32_t section = s->section[r->postings[i].list[k].chunk];
            n += section != last;
            last = section;
        }
    }
    return n;
}

typedef struct averages {
    double body, section;
} averages;

static void add_sections(ranking *r, size_t i, double idf, const averages *avg,
                         const double *lengths)
{
    const ph_lex_params *p = r->params;
    const ph_lex_segment *s = &r->view->segments[i];
    const found *f = &r->postings[i];
    for (size_t k = 0; k < f->n;) {
        uint32_t section = s->section[f->list[k].chunk], head = 0;
        double body = 0;
        for (; k < f->n && s->section[f->list[k].chunk] == section; k++) {
            body += f->list[k].body;
            head = f->list[k].head > head ? f->list[k].head : head;
        }
        double norm = 1 - p->section_b + p->section_b * lengths[section] / avg->section;
        double tf = (body + p->head_weight * head) / norm;
        r->sections[i][section] += idf * tf * (p->section_k1 + 1) / (tf + p->section_k1);
    }
}

static void add_chunks(ranking *r, size_t i, double idf, const averages *avg)
{
    const ph_lex_params *p = r->params;
    const ph_lex_segment *s = &r->view->segments[i];
    for (size_t k = 0; k < r->postings[i].n; k++) {
        const ph_lex_posting *q = &r->postings[i].list[k];
        double norm = 1 - p->b + p->b * s->chunks[q->chunk].body / avg->body;
        double tf = (q->body + p->head_weight * q->head) / norm;
        r->chunks[i][q->chunk] += idf * tf * (p->k1 + 1) / (tf + p->k1);
    }
}

static phial_status section_lengths(const ranking *r, double **lengths, phial_error *err)
{
    for (size_t i = 0; i < r->view->n_segments; i++) {
        const ph_lex_segment *s = &r->view->segments[i];
        if (!(lengths[i] = ph_alloc(s->n_sections, sizeof **lengths, err)))
            return PHIAL_ERR_NO_MEMORY;
        for (uint32_t k = 0; k < s->n; k++) {
            if (!s->dead || !s->dead[k])
                lengths[i][s->section[k]] += s->chunks[k].body;
        }
    }
    return PHIAL_OK;
}

static phial_status score_all(ranking *r, const ph_lex_query *q, phial_error *err)
{
    const ph_lex_view *v = r->view;
    averages avg = {.body = v->n_chunks ? (double)v->body / (double)v->n_chunks : 1,
                    .section = v->n_sections ? (double)v->body / (double)v->n_sections : 1};
    avg.body = avg.body > 0 ? avg.body : 1;
    avg.section = avg.section > 0 ? avg.section : 1;
    double **lengths = ph_alloc(v->n_segments, sizeof *lengths, err);
    phial_status st = lengths ? section_lengths(r, lengths, err) : PHIAL_ERR_NO_MEMORY;
    for (size_t t = 0; st == PHIAL_OK && t < q->n; t++) {
        uint64_t with = 0;
        for (size_t i = 0; st == PHIAL_OK && i < v->n_segments; i++) {
            st = gather(r, i, (ph_str){q->terms[t].text, q->terms[t].n}, err);
            with += r->postings[i].n;
        }
        double times = q->terms[t].times;
        double idf = idf_of(v->n_chunks, with) * times * (1 - r->params->section);
        double section_idf = idf_of(v->n_sections, count_sections(r)) * times * r->params->section;
        for (size_t i = 0; st == PHIAL_OK && with > 0 && i < v->n_segments; i++) {
            add_chunks(r, i, idf, &avg);
            add_sections(r, i, section_idf, &avg, lengths[i]);
        }
    }
    for (size_t i = 0; lengths && i < v->n_segments; i++)
        ph_free(lengths[i]);
    ph_free(lengths);
    return st;
}

/* --- the best --- */

/* Worse ones come first in the heap: lower score, then higher id. */
static bool worse(const ph_scored *a, const ph_scored *b)
{
    return a->score != b->score ? a->score < b->score : a->chunk > b->chunk;
}

static void heap_down(ph_scored *heap, size_t n)
{
    for (size_t i = 0;;) {
        size_t child = 2 * i + 1;
        if (child >= n)
            return;
        if (child + 1 < n && worse(&heap[child + 1], &heap[child]))
            child++;
        if (!worse(&heap[child], &heap[i]))
            return;
        ph_scored t = heap[i];
        heap[i] = heap[child];
        heap[child] = t;
        i = child;
    }
}

static void heap_up(ph_scored *heap, size_t i)
{
    while (i > 0 && worse(&heap[i], &heap[(i - 1) / 2])) {
        ph_scored t = heap[i];
        heap[i] = heap[(i - 1) / 2];
        heap[(i - 1) / 2] = t;
        i = (i - 1) / 2;
    }
}

static bool allowed(const ph_chunk_ranges *ranges, int64_t id)
{
    size_t from = 0, to = ranges->n;
    if (ranges->all)
        return true;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (ranges->list[mid].end <= id)
            from = mid + 1;
        else
            to = mid;
    }
    return from < ranges->n && ranges->list[from].first <= id;
}

static size_t pick(const ranking *r, const ph_chunk_ranges *ranges, ph_scored *heap, size_t k)
{
    size_t n = 0;
    for (size_t i = 0; i < r->view->n_segments; i++) {
        const ph_lex_segment *s = &r->view->segments[i];
        for (uint32_t c = 0; c < s->n; c++) {
            if (r->chunks[i][c] <= 0)
                continue;
            ph_scored x = {.chunk = s->chunks[c].id,
                           .score = r->chunks[i][c] + r->sections[i][s->section[c]]};
            if ((n == k && !worse(&heap[0], &x)) || !allowed(ranges, x.chunk))
                continue;
            if (n < k) {
                heap[n++] = x;
                heap_up(heap, n - 1);
            } else {
                heap[0] = x;
                heap_down(heap, n);
            }
        }
    }
    return n;
}

static int best_first(const void *a, const void *b)
{
    const ph_scored *x = a, *y = b;
    return worse(x, y) ? 1 : worse(y, x) ? -1 : 0;
}

static phial_status make_arrays(ranking *r, phial_error *err)
{
    size_t n = r->view->n_segments;
    r->chunks = ph_alloc(n, sizeof *r->chunks, err);
    r->sections = ph_alloc(n, sizeof *r->sections, err);
    r->postings = ph_alloc(n, sizeof *r->postings, err);
    if (!r->chunks || !r->sections || !r->postings)
        return PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        const ph_lex_segment *s = &r->view->segments[i];
        r->chunks[i] = ph_alloc(s->n, sizeof(double), err);
        r->sections[i] = ph_alloc(s->n_sections, sizeof(double), err);
        if (!r->chunks[i] || !r->sections[i])
            return PHIAL_ERR_NO_MEMORY;
    }
    return PHIAL_OK;
}

static void free_arrays(ranking *r)
{
    for (size_t i = 0; i < r->view->n_segments; i++) {
        if (r->chunks)
            ph_free(r->chunks[i]);
        if (r->sections)
            ph_free(r->sections[i]);
        if (r->postings)
            ph_free(r->postings[i].list);
    }
    ph_free(r->chunks);
    ph_free(r->sections);
    ph_free(r->postings);
    ph_buf_free(&r->block);
}

phial_status ph_lex_rank(phial_collection *c, const ph_lex_query *q, const ph_lex_params *params,
                         const ph_chunk_ranges *ranges, size_t k, ph_scored **out, size_t *n,
                         phial_error *err)
{
    ph_lex_view *view = NULL;
    ph_scored *heap = NULL;
    *n = 0;
    *out = NULL;
    phial_status st = ph_lex_view_get(c, &view, err);
    if (st != PHIAL_OK)
        return st;
    ranking r = {.c = c, .view = view, .params = params};
    ph_buf_init(&r.block, PH_LEX_BLOCK_MAX);
    size_t most = k < view->n_chunks ? k : (size_t)view->n_chunks;
    heap = ph_alloc(most + 1, sizeof *heap, err);
    st = heap ? make_arrays(&r, err) : PHIAL_ERR_NO_MEMORY;
    if (st == PHIAL_OK)
        st = score_all(&r, q, err);
    if (st == PHIAL_OK && most > 0) {
        *n = pick(&r, ranges, heap, most);
        qsort(heap, *n, sizeof *heap, best_first);
    }
    free_arrays(&r);
    if (st == PHIAL_OK) {
        *out = heap;
    } else {
        *n = 0;
        ph_free(heap);
    }
    return st;
}

phial_status ph_lex_search(phial_collection *c, const ph_lex_query *q,
                           const ph_chunk_ranges *ranges, size_t k, ph_scored **out, size_t *n,
                           phial_error *err)
{
    ph_lex_params params;
    ph_lex_params_default(&params);
    return ph_lex_rank(c, q, &params, ranges, k, out, n, err);
}
