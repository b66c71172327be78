/* phial_collection_search() and the making of hits. */
#include "rag/collection_search.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "rag/collection_fusion.h"
#include "rag/collection_rank.h"
#include "rag/collection_write.h"

#define QUERY_BYTES_MAX (1u << 20)
#define THIN_LEAST      30 /* hits that are thinned out, at least */

struct phial_hits {
    phial_hit *list;
    size_t n;
    ph_buf texts;
    phial_search_mode mode;
};

void phial_search_options_default(phial_search_options *o)
{
    *o = (phial_search_options){.size = sizeof *o, .k = 3, .dense_share = -1};
}

size_t phial_hits_count(const phial_hits *hits)
{
    return hits->n;
}

phial_search_mode phial_hits_mode(const phial_hits *hits)
{
    return hits->mode;
}

phial_hit *ph_hits_list(phial_hits *hits)
{
    return hits->list;
}

const phial_hit *phial_hits_at(const phial_hits *hits, size_t i)
{
    return i < hits->n ? &hits->list[i] : NULL;
}

void phial_hits_free(phial_hits *hits)
{
    if (!hits)
        return;
    ph_free(hits->list);
    ph_buf_free(&hits->texts);
    ph_free(hits);
}

/* --- from chunks to hits --- */

/* While texts grow, they are known by where they begin. */
typedef struct place {
    ph_chunk_place chunk;
    size_t doc, n_doc, title, n_title;
} place;

static phial_status read_document(phial_collection *c, ph_buf *texts, place *p, phial_error *err)
{
    sqlite3_stmt *s;
    bool row = false;
    phial_status st = ph_sql_get(c, PH_SQL_DOC_NAMED, &s, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(s, 1, p->chunk.doc);
    st = ph_sql_step(c, s, &row, err);
    if (st == PHIAL_OK && !row)
        st = ph_damaged(c, "the document of a chunk is missing", err);
    if (st == PHIAL_OK) {
        ph_str name = ph_sql_text(s, 0), title = ph_sql_text(s, 1);
        p->doc = texts->len;
        p->n_doc = name.n;
        ph_buf_add(texts, name.p, name.n);
        ph_buf_add_byte(texts, 0);
        p->title = texts->len;
        p->n_title = title.n;
        ph_buf_add(texts, title.p, title.n);
        ph_buf_add_byte(texts, 0);
        st = ph_buf_status(texts, err);
    }
    sqlite3_reset(s);
    return st;
}

static bool valid(const ph_buf *texts, size_t at, size_t n)
{
    return ph_utf8_valid((const uint8_t *)texts->data + at, n);
}

static phial_status make_hits(phial_collection *c, const ph_scored *list, size_t n,
                              phial_hits **out, phial_error *err)
{
    phial_status st = PHIAL_ERR_NO_MEMORY;
    place *places = NULL;
    phial_hits *hits = ph_alloc(1, sizeof *hits, err);
    if (!hits)
        return st;
    ph_buf_init(&hits->texts, 0);
    hits->list = ph_alloc(n, sizeof *hits->list, err);
    places = ph_alloc(n, sizeof *places, err);
    if (hits->list && places)
        st = PHIAL_OK;
    for (size_t i = 0; st == PHIAL_OK && i < n; i++) {
        st = ph_chunk_read(c, list[i].chunk, true, &hits->texts, &places[i].chunk, err);
        if (st == PHIAL_OK)
            st = read_document(c, &hits->texts, &places[i], err);
        const ph_chunk_place *p = &places[i].chunk;
        if (st == PHIAL_OK && (!valid(&hits->texts, p->text, p->n_text) ||
                               !valid(&hits->texts, p->context, p->n_context) ||
                               !valid(&hits->texts, places[i].title, places[i].n_title)))
            st = ph_damaged(c, "the text of a chunk is not UTF-8", err);
    }
    for (size_t i = 0; st == PHIAL_OK && i < n; i++) {
        const place *p = &places[i];
        const char *base = hits->texts.data;
        hits->list[i] = (phial_hit){
            .score = list[i].score,
            .chunk = list[i].chunk,
            .doc = {base + p->doc, p->n_doc},
            .title = {base + p->title, p->n_title},
            .context = {base + p->chunk.context, p->chunk.n_context},
            .page = p->chunk.page,
            .start = p->chunk.start,
            .end = p->chunk.end,
            .text = {base + p->chunk.text, p->chunk.n_text},
        };
    }
    hits->n = n;
    hits->mode = PHIAL_SEARCH_LEXICAL;
    ph_free(places);
    if (st == PHIAL_OK)
        *out = hits;
    else
        phial_hits_free(hits);
    return st;
}

/* --- which chunks --- */

static int by_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static phial_status glob_ranges(phial_collection *c, const char *glob, ph_chunk_ranges *ranges,
                                phial_error *err)
{
    sqlite3_stmt *s = NULL;
    bool row = true;
    size_t cap = 0;
    phial_status st = ph_sql_get(c, PH_SQL_DOC_RANGES, &s, err);
    while (st == PHIAL_OK && (st = ph_sql_step(c, s, &row, err)) == PHIAL_OK && row) {
        int64_t first = sqlite3_column_int64(s, 2), n = sqlite3_column_int64(s, 3);
        if (!ph_glob_match(glob, ph_sql_text(s, 1)))
            continue;
        if (first < 1 || n < 0 || first > PH_CHUNK_ID_MAX || n > PH_CHUNK_ID_MAX) {
            st = ph_damaged(c, "the chunks of a document", err);
            break;
        }
        if (ranges->n == cap) {
            cap = cap ? 2 * cap : 64;
            void *more = ph_realloc(ranges->list, cap, sizeof *ranges->list, err);
            if (!more) {
                st = PHIAL_ERR_NO_MEMORY;
                break;
            }
            ranges->list = more;
        }
        ranges->list[ranges->n].first = first;
        ranges->list[ranges->n++].end = first + n;
    }
    if (s)
        sqlite3_reset(s);
    if (ranges->n > 1)
        qsort(ranges->list, ranges->n, sizeof *ranges->list, by_first);
    return st;
}

/* --- by document --- */

typedef struct doc_seen {
    int64_t *slots; /* document + 1; 0: free */
    size_t cap;
} doc_seen;

static bool seen_before(doc_seen *seen, int64_t doc)
{
    size_t at = ph_hash64(&doc, sizeof doc, 0) & (seen->cap - 1);
    while (seen->slots[at] != 0 && seen->slots[at] != doc + 1)
        at = (at + 1) & (seen->cap - 1);
    bool was = seen->slots[at] != 0;
    seen->slots[at] = doc + 1;
    return was;
}

static phial_status document_of(phial_collection *c, int64_t chunk, int64_t *doc, phial_error *err)
{
    sqlite3_stmt *s;
    bool row = false;
    phial_status st = ph_sql_get(c, PH_SQL_CHUNK_PAGE, &s, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(s, 1, chunk);
    st = ph_sql_step(c, s, &row, err);
    if (st == PHIAL_OK && !row)
        st = ph_damaged(c, "an index names a chunk that is not there", err);
    *doc = st == PHIAL_OK ? sqlite3_column_int64(s, 0) >> PH_PAGES_BITS : 0;
    sqlite3_reset(s);
    return st;
}

/* Keeps the best chunk of each document, at most k. */
static phial_status keep_best(phial_collection *c, ph_scored *list, size_t *n, size_t k,
                              phial_error *err)
{
    doc_seen seen = {.cap = 64};
    size_t kept = 0;
    phial_status st = PHIAL_OK;
    while (seen.cap < 2 * *n)
        seen.cap *= 2;
    seen.slots = ph_alloc(seen.cap, sizeof *seen.slots, err);
    if (!seen.slots)
        return PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; st == PHIAL_OK && i < *n && kept < k; i++) {
        int64_t doc;
        st = document_of(c, list[i].chunk, &doc, err);
        if (st == PHIAL_OK && !seen_before(&seen, doc))
            list[kept++] = list[i];
    }
    ph_free(seen.slots);
    *n = kept;
    return st;
}

/* The k best documents: more and more chunks, until there are enough of them. */
static phial_status search_docs(phial_collection *c, const ph_ranking *ranking, size_t k,
                                ph_scored **list, size_t *n, phial_error *err)
{
    phial_status st = PHIAL_OK;
    size_t asked = 3 * k + 20;
    for (;; asked *= 4) {
        st = ph_ranking_run(ranking, c, asked, list, n, err);
        bool all = *n < asked;
        if (st == PHIAL_OK)
            st = keep_best(c, *list, n, k, err);
        if (st != PHIAL_OK || all || *n == k)
            return st;
        ph_free(*list);
        *list = NULL;
    }
}

/* --- the public functions --- */

static phial_status check_options(phial_text query, const phial_search_options *o, phial_error *err)
{
    if (o->k < 1 || o->k > PH_HITS_MAX)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%u hits: it can be 1 to %d", (unsigned)o->k,
                          PH_HITS_MAX);
    if (query.n > QUERY_BYTES_MAX)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "a query of %zu bytes; %u are possible", query.n,
                          QUERY_BYTES_MAX);
    if (o->mode > PHIAL_SEARCH_DENSE || o->metric > PHIAL_METRIC_IP)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "there is no such search mode or metric");
    if (!(o->dense_share <= 1) || !(o->diversity >= 0 && o->diversity <= 1))
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "the share of vectors and diversity can be 0 to 1");
    return PHIAL_OK;
}

static phial_status run_search(phial_collection *c, phial_text query, const phial_search_options *o,
                               phial_hits **out, phial_error *err)
{
    ph_scored *list = NULL;
    size_t n = 0, k = o->k;
    ph_ranking ranking = {.lexical = NULL};
    ph_chunk_ranges ranges = {.all = o->doc_glob == NULL};
    phial_status st = o->doc_glob ? glob_ranges(c, o->doc_glob, &ranges, err) : PHIAL_OK;
    if (o->diversity > 0)
        k = 4 * k > THIN_LEAST ? 4 * k : THIN_LEAST;
    if (st == PHIAL_OK)
        st = ph_ranking_make(&ranking, c, query, o, &ranges, err);
    if (st == PHIAL_OK)
        st = o->by_doc ? search_docs(c, &ranking, k, &list, &n, err)
                       : ph_ranking_run(&ranking, c, k, &list, &n, err);
    if (st == PHIAL_OK && o->diversity > 0)
        st = ph_ranking_thin(c, list, &n, o->k, o->diversity, err);
    if (st == PHIAL_OK)
        st = make_hits(c, list, n, out, err);
    if (st == PHIAL_OK)
        (*out)->mode = ranking.mode;
    ph_ranking_free(&ranking);
    ph_free(list);
    ph_free(ranges.list);
    return st;
}

phial_status phial_collection_search(phial_collection *c, phial_hits **out, phial_text query,
                                     const phial_search_options *options, phial_error *err)
{
    phial_search_options o;
    *out = NULL;
    phial_search_options_default(&o);
    if (options)
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    phial_status st = check_options(query, &o, err);
    if (st == PHIAL_OK)
        st = ph_tx_begin(c, false, err);
    if (st != PHIAL_OK)
        return st;
    st = run_search(c, query, &o, out, err);
    ph_tx_rollback(c);
    return st;
}

phial_status phial_collection_chunks(phial_collection *c, phial_hits **out, const int64_t *ids,
                                     size_t n, phial_error *err)
{
    *out = NULL;
    ph_scored *list = ph_alloc(n, sizeof *list, err);
    phial_status st = list ? ph_tx_begin(c, false, err) : PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; st == PHIAL_OK && i < n; i++) {
        int64_t doc;
        list[i].chunk = ids[i];
        st = document_of(c, ids[i], &doc, err);
        if (st == PHIAL_ERR_BAD_INPUT)
            st = ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: there is no chunk %lld", c->path,
                            (long long)ids[i]);
    }
    if (st == PHIAL_OK)
        st = make_hits(c, list, n, out, err);
    if (list)
        ph_tx_rollback(c);
    ph_free(list);
    return st;
}
