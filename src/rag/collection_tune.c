/* ph_fusion_choose(): how words and vectors are fused, measured on the collection itself.
 *
 * Nobody has judged what answers what here, but a document's chunks are about one thing: a sentence
 * of one chunk is asked, and the others of its document should be found. The chunk itself is left
 * out of both rankings, and words are ranked without the share of the section, through which the
 * sentence would find its own neighbours by its own words. The fusion whose first right chunk
 * stands highest is kept; nearly equal ones go to the most even.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/model_struct.h"
#include "rag/collection_fusion.h"
#include "rag/collection_rank.h"
#include "rag/sentence.h"

#define QUERIES_MOST  200
#define QUERIES_LEAST 20
#define WORDS_LEAST   6
#define QUERY_BYTES   400
#define STRETCH       150 /* bytes of words where there is no sentence */
#define RANKS_SEEN    100
#define NEARLY        0.004 /* of a query's gain; 200 queries hardly tell less apart */

/* Without a measurement. */
#define SHARE_EMBEDDING 0.5
#define SHARE_LANGUAGE  0.2

#define N_CHOICES 12
static const ph_fusion choices[N_CHOICES] = {
    {false, 0},  {false, .1}, {false, .2}, {false, .3}, {false, .4}, {false, .5},
    {false, .6}, {false, .7}, {false, .8}, {false, .9}, {false, 1},  {true, .5},
};

typedef struct doc {
    int64_t first, n;
} doc;

typedef struct tuner {
    phial_collection *c;
    phial_embedder *e;
    ph_rng rng;
    doc docs[QUERIES_MOST];
    size_t n_docs; /* sampled */
    uint64_t n_seen;
    ph_lex_query query;
    ph_buf text;
    double gains[N_CHOICES];
    size_t n_asked;
} tuner;

/* Documents of several chunks, each as likely as the others. */
static phial_status sample_docs(tuner *t, phial_error *err)
{
    sqlite3_stmt *s;
    bool row = true;
    phial_status st = ph_sql_get(t->c, PH_SQL_DOC_RANGES, &s, err);
    while (st == PHIAL_OK && (st = ph_sql_step(t->c, s, &row, err)) == PHIAL_OK && row) {
        doc d = {sqlite3_column_int64(s, 2), sqlite3_column_int64(s, 3)};
        if (d.n < 2 || d.first < 1 || d.first > PH_CHUNK_ID_MAX || d.n > PH_CHUNK_ID_MAX)
            continue;
        uint64_t at = t->n_seen++ < QUERIES_MOST ? t->n_docs++ : ph_rng_below(&t->rng, t->n_seen);
        if (at < QUERIES_MOST)
            t->docs[at] = d;
    }
    return st;
}

static size_t count_words(ph_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] != ' ' && s.p[i] != '\n' && (i == 0 || s.p[i - 1] == ' ' || s.p[i - 1] == '\n');
    return n;
}

/* Words in a row from anywhere, where no sentence is of a question's length. */
static ph_str pick_words(tuner *t, ph_str text)
{
    size_t from = text.n > STRETCH ? (size_t)ph_rng_below(&t->rng, text.n - STRETCH) : 0;
    while (from > 0 && from < text.n && text.p[from - 1] != ' ' && text.p[from - 1] != '\n')
        from++;
    size_t to = text.n - from > STRETCH ? from + STRETCH : text.n;
    while (to < text.n && to > from && text.p[to] != ' ' && text.p[to] != '\n')
        to--;
    ph_str words = {text.p + from, to - from};
    return count_words(words) >= WORDS_LEAST ? words : (ph_str){"", 0};
}

/* A sentence of the chunk that is as long as a question; empty: there is nothing to ask. */
static ph_str pick_sentence(tuner *t, ph_str text)
{
    ph_str found[64];
    size_t n = 0;
    for (size_t from = 0; from < text.n && n < 64;) {
        size_t to = ph_sentence_end(text, from, PH_SENTENCE_WRAPPED | PH_SENTENCE_ABBREVIATIONS);
        ph_str one = {text.p + from, to - from};
        if (one.n <= QUERY_BYTES && count_words(one) >= WORDS_LEAST)
            found[n++] = one;
        from = to;
    }
    return n > 0 ? found[ph_rng_below(&t->rng, n)] : pick_words(t, text);
}

static void leave_out(ph_scored *list, size_t *n, int64_t chunk)
{
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++) {
        if (list[i].chunk != chunk)
            list[kept++] = list[i];
    }
    *n = kept;
}

static double gain_of(const ph_scored *list, size_t n, const doc *d)
{
    for (size_t i = 0; i < n && i < RANKS_SEEN; i++) {
        if (list[i].chunk >= d->first && list[i].chunk - d->first < d->n)
            return 1 / log2((double)i + 2);
    }
    return 0;
}

static phial_status compare(tuner *t, const doc *d, int64_t chunk, const float *vector,
                            phial_error *err)
{
    const ph_chunk_ranges all = {.all = true};
    const ph_dense_search_for what = {vector, PH_FUSION_DEPTH, PHIAL_METRIC_COSINE, false, &all};
    ph_scored *words = NULL, *vectors = NULL;
    size_t n_words = 0, n_vectors = 0;
    ph_lex_params params;
    ph_lex_params_default(&params);
    params.section = 0;
    phial_status st =
        ph_lex_rank(t->c, &t->query, &params, &all, PH_FUSION_DEPTH, &words, &n_words, err);
    if (st == PHIAL_OK)
        st = ph_dense_search(t->c, &what, &vectors, &n_vectors, err);
    if (st == PHIAL_OK) {
        leave_out(words, &n_words, chunk);
        leave_out(vectors, &n_vectors, chunk);
    }
    for (size_t i = 0; i < N_CHOICES && st == PHIAL_OK; i++) {
        ph_scored *both = NULL;
        size_t n = 0;
        st = ph_fusion_join(&choices[i], words, n_words, vectors, n_vectors, &both, &n, err);
        if (st == PHIAL_OK)
            t->gains[i] += gain_of(both, n, d);
        ph_free(both);
    }
    ph_free(words);
    ph_free(vectors);
    return st;
}

static phial_status ask_one(tuner *t, const doc *d, phial_error *err)
{
    ph_chunk_place place;
    float *vector = NULL;
    int64_t chunk = d->first + (int64_t)ph_rng_below(&t->rng, (uint64_t)d->n);
    ph_buf_clear(&t->text);
    phial_status st = ph_chunk_read(t->c, chunk, false, &t->text, &place, err);
    if (st != PHIAL_OK)
        return st;
    ph_str query = pick_sentence(t, (ph_str){t->text.data + place.text, place.n_text});
    if (query.n == 0)
        return PHIAL_OK;
    ph_lex_query_make(&t->query, query);
    st = ph_dense_query(t->c, t->e, (phial_text){query.p, query.n}, &vector, err);
    if (st == PHIAL_ERR_NUMERIC || st == PHIAL_ERR_BAD_INPUT)
        return PHIAL_OK; /* this one cannot be asked */
    if (st == PHIAL_OK)
        st = compare(t, d, chunk, vector, err);
    t->n_asked += st == PHIAL_OK;
    ph_free(vector);
    return st;
}

static ph_fusion best_of(const tuner *t, bool language_model)
{
    size_t best = 0;
    double most = 0;
    if (t->n_asked < QUERIES_LEAST)
        return (ph_fusion){false, language_model ? SHARE_LANGUAGE : SHARE_EMBEDDING};
    for (size_t i = 0; i < N_CHOICES; i++)
        most = t->gains[i] > most ? t->gains[i] : most;
    for (size_t i = 0; i < N_CHOICES; i++) {
        double less = NEARLY * (double)t->n_asked;
        bool evener = fabs(choices[i].dense - .5) < fabs(choices[best].dense - .5);
        if (t->gains[i] >= most - less && (t->gains[best] < most - less || evener))
            best = i;
    }
    return choices[best];
}

static phial_status keep(phial_collection *c, int64_t id, ph_fusion f, uint64_t n_all,
                         bool measured, phial_error *err)
{
    char text[48], number[32];
    snprintf(text, sizeof text, "%s %.3g", f.rrf ? "ranks" : "scores", f.dense);
    snprintf(number, sizeof number, "%llu", (unsigned long long)(measured ? n_all : 0));
    phial_status st = ph_tx_begin(c, true, err);
    if (st == PHIAL_OK)
        st = ph_fact_put(c, id, "fusion", ph_str_from(text), err);
    if (st == PHIAL_OK)
        st = ph_fact_put(c, id, "fusion_n", ph_str_from(number), err);
    if (st == PHIAL_OK)
        st = ph_tx_commit(c, err);
    if (st != PHIAL_OK)
        ph_tx_rollback(c);
    return st;
}

phial_status ph_fusion_choose(phial_collection *c, const ph_vector_set *set, phial_embedder *e,
                              uint64_t n_all, bool (*going)(void *user), void *user,
                              phial_error *err)
{
    tuner *t = ph_alloc(1, sizeof *t, err);
    if (!t)
        return PHIAL_ERR_NO_MEMORY;
    t->c = c;
    t->e = e;
    ph_buf_init(&t->text, 0);
    ph_rng_seed(&t->rng, 1, 0);
    phial_status st = ph_tx_begin(c, false, err);
    if (st == PHIAL_OK)
        st = sample_docs(t, err);
    for (size_t i = 0; i < t->n_docs && t->n_docs >= QUERIES_LEAST && st == PHIAL_OK; i++)
        st = going(user) ? ask_one(t, &t->docs[i], err)
                         : ph_err_set(err, PHIAL_ERR_CANCELLED, "interrupted");
    ph_tx_rollback(c);
    bool language_model = phial_embedder_model(e)->arch->encode == NULL;
    if (st == PHIAL_OK)
        st = keep(c, set->id, best_of(t, language_model), n_all, t->n_asked >= QUERIES_LEAST, err);
    ph_buf_free(&t->text);
    ph_free(t);
    return st;
}
