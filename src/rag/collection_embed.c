/* Chunks get their vectors: phial_collection_embed(); contract in phial/vectors.h.
 *
 * Chunks are taken in order of their ids, which only grow, in waves of a few seconds: read,
 * embedded with no transaction open, written in one with the mark up to where everything is done.
 * What a killed process had not written, the next call finds behind the mark.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "rag/collection_dense.h"
#include "rag/collection_fusion.h"
#include "rag/collection_rank.h"

#define WAVE_FIRST  16
#define WAVE_MOST   512
#define WAVE_BYTES  ((size_t)4 << 20)
#define WAVE_QUICK  1500000000u /* ns: the next wave is larger */
#define WAVE_SLOW   6000000000u /* smaller */
#define FIT_FLOATS  ((size_t)64 << 20)
#define FIT_VECTORS 10000

typedef struct embed_run {
    phial_collection *c;
    phial_embedder *e;
    const phial_vectors_options *o;
    phial_vectors_result *result;
    int64_t id; /* of the set that is being filled */
    bool next;  /* it is to take the place of another */
    uint32_t dim;
    phial_vectors_progress progress;
    size_t n_wave; /* chunks to take */
    /* the wave */
    int64_t chunks[WAVE_MOST];
    size_t starts[WAVE_MOST + 1]; /* of their texts */
    phial_text texts[WAVE_MOST];
    uint32_t n_parts[WAVE_MOST];
    bool failed[WAVE_MOST];
    size_t n;
    ph_buf text, scratch;
    float *vectors; /* owned [WAVE_MOST][dim] */
} embed_run;

void phial_vectors_options_default(phial_vectors_options *o)
{
    *o = (phial_vectors_options){.size = sizeof *o};
}

static const char *through_name(const embed_run *r)
{
    return r->next ? "vectors_through_next" : "vectors_through";
}

/* --- which set --- */

static phial_status begin(phial_collection *c, phial_error *err)
{
    int64_t known = 0;
    phial_status st = ph_collection_begin_writing(c, err);
    if (st == PHIAL_OK)
        st = ph_tx_begin(c, true, err);
    if (st == PHIAL_OK)
        st = ph_schema_upgrade(c, err);
    if (st == PHIAL_OK)
        st = ph_setting_get(c, "collection", &known, 0, err);
    if (st == PHIAL_OK && known == 0)
        st = ph_setting_put(c, "collection", ph_vector_random(), err);
    return st;
}

static phial_status end(phial_collection *c, phial_status st, phial_error *err)
{
    if (st == PHIAL_OK)
        st = ph_tx_commit(c, err);
    if (st != PHIAL_OK)
        ph_tx_rollback(c);
    return st;
}

static phial_status add_set(embed_run *r, phial_whiten whiten, phial_error *err)
{
    phial_status st = ph_vector_set_add(
        r->c, r->e, whiten == PHIAL_WHITEN_AS_IT_WAS ? PHIAL_WHITEN_NONE : whiten, &r->id, err);
    if (st == PHIAL_OK)
        st = ph_setting_put(r->c, r->next ? "embedder_next" : "embedder", r->id, err);
    if (st == PHIAL_OK)
        st = ph_setting_put(r->c, through_name(r), 0, err);
    return st == PHIAL_OK ? ph_vectors_changed(r->c, err) : st;
}

static phial_status change_whitening(phial_collection *c, const ph_vector_set *set,
                                     phial_whiten whiten, phial_error *err)
{
    if (whiten == PHIAL_WHITEN_AS_IT_WAS || whiten == set->whiten)
        return PHIAL_OK;
    const char digit[2] = {(char)('0' + whiten), 0};
    phial_status st = ph_fact_put(c, set->id, "whiten", ph_str_from(digit), err);
    if (st == PHIAL_OK)
        st = ph_fact_put(c, set->id, "whitening", (ph_str){"", 0}, err);
    if (st == PHIAL_OK)
        st = ph_fact_put(c, set->id, "fusion", (ph_str){"", 0}, err);
    return st == PHIAL_OK ? ph_vectors_changed(c, err) : st;
}

/* The set that was begun to take the other's place, if it is of this embedder; otherwise it goes,
 * and a new one is begun. */
static phial_status take_next(embed_run *r, phial_whiten whiten, phial_error *err)
{
    ph_vector_set set = {0};
    phial_status st = ph_vector_set_id(r->c, true, &r->id, err);
    r->next = true;
    if (ph_vector_set_lost(st)) {
        r->id = 0;
        st = PHIAL_OK;
    }
    if (st == PHIAL_OK && r->id > 0) {
        st = ph_vector_set_read(r->c, r->id, &set, err);
        bool same = st == PHIAL_OK && ph_vector_set_same(r->c, &set, r->e, NULL) == PHIAL_OK;
        if (st == PHIAL_OK && same)
            st = change_whitening(r->c, &set, whiten, err);
        else if (st == PHIAL_OK || ph_vector_set_lost(st))
            st = ph_vector_set_drop(r->c, r->id, err);
        r->id = same ? r->id : 0;
        ph_vector_set_free(&set);
    }
    return st == PHIAL_OK && r->id == 0 ? add_set(r, whiten, err) : st;
}

/* To make all anew, only the whitening of the set before counts, if it can be read. */
static phial_status choose_set(embed_run *r, phial_error *err)
{
    ph_vector_set set = {0};
    phial_status st = ph_vector_set_id(r->c, false, &r->id, err);
    if (st == PHIAL_OK && r->id == 0)
        return add_set(r, r->o->whiten, err);
    if (st == PHIAL_OK)
        st = ph_vector_set_read(r->c, r->id, &set, err);
    if (r->o->again && (st == PHIAL_OK || ph_vector_set_lost(st))) {
        st = take_next(r, r->o->whiten ? r->o->whiten : set.whiten, err);
    } else if (st == PHIAL_OK) {
        st = ph_vector_set_same(r->c, &set, r->e, err);
        if (st == PHIAL_OK)
            st = change_whitening(r->c, &set, r->o->whiten, err);
    }
    ph_vector_set_free(&set);
    return st;
}

/* --- a wave --- */

static phial_status list_chunks(embed_run *r, phial_error *err)
{
    sqlite3_stmt *s;
    bool row = true;
    int64_t through = 0;
    r->n = 0;
    phial_status st = ph_setting_get(r->c, through_name(r), &through, 0, err);
    if (st == PHIAL_OK)
        st = ph_sql_get(r->c, PH_SQL_CHUNKS_FROM, &s, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(s, 1, through);
    sqlite3_bind_int64(s, 2, (int64_t)r->n_wave);
    while (r->n < r->n_wave && (st = ph_sql_step(r->c, s, &row, err)) == PHIAL_OK && row)
        r->chunks[r->n++] = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return st;
}

static phial_status read_wave(embed_run *r, phial_error *err)
{
    phial_status st = ph_tx_begin(r->c, false, err);
    if (st == PHIAL_OK)
        st = list_chunks(r, err);
    ph_buf_clear(&r->text);
    for (size_t i = 0; i < r->n && st == PHIAL_OK; i++) {
        r->starts[i] = r->text.len;
        st = ph_vector_text(r->c, r->chunks[i], &r->text, err);
        r->starts[i + 1] = r->text.len;
        if (r->text.len > WAVE_BYTES)
            r->n = i + 1;
    }
    ph_tx_rollback(r->c);
    for (size_t i = 0; i < r->n && st == PHIAL_OK; i++)
        r->texts[i] = (phial_text){r->text.data + r->starts[i], r->starts[i + 1] - r->starts[i]};
    return st;
}

/* The fault of a text, not of the embedder or the machine. */
static bool is_texts_fault(phial_status st)
{
    return st == PHIAL_ERR_NUMERIC || st == PHIAL_ERR_BAD_INPUT;
}

static phial_status tell_failure(embed_run *r, size_t i, const char *why, phial_error *err)
{
    ph_chunk_place place;
    ph_buf b;
    ph_buf_init(&b, 0);
    phial_status st = ph_tx_begin(r->c, false, err);
    if (st == PHIAL_OK)
        st = ph_chunk_read(r->c, r->chunks[i], false, &b, &place, err);
    ph_buf_clear(&b);
    if (st == PHIAL_OK)
        st = ph_document_name(r->c, place.doc, &b, err);
    ph_tx_rollback(r->c);
    if (st == PHIAL_OK && r->o->event) {
        phial_index_event e = {.outcome = PHIAL_INDEX_NOTE,
                               .path = {b.data ? b.data : "", b.len},
                               .reason = {why, strlen(why)}};
        r->o->event(r->o->user, &e);
    }
    ph_buf_free(&b);
    return st;
}

/* One by one, those that cannot be embedded are told and left out. */
static phial_status embed_singly(embed_run *r, phial_error *err)
{
    phial_status st = PHIAL_OK;
    size_t n_failed = 0;
    phial_error why = {0};
    for (size_t i = 0; i < r->n && st == PHIAL_OK; i++) {
        phial_embed_stats stats = {.size = sizeof stats};
        st = phial_embed(r->e, r->vectors + i * r->dim, &r->n_parts[i], &r->texts[i], 1,
                         PHIAL_EMBED_PASSAGE, &stats, &why);
        r->result->n_tokens += stats.n_tokens;
        r->failed[i] = is_texts_fault(st);
        n_failed += r->failed[i];
        if (r->failed[i]) {
            char line[400];
            snprintf(line, sizeof line, "a passage has no vector: %.300s",
                     strncmp(why.message, "text 1: ", 8) == 0 ? why.message + 8 : why.message);
            st = tell_failure(r, i, line, err);
        } else if (st != PHIAL_OK && err) {
            *err = why;
        }
    }
    if (st == PHIAL_OK && n_failed == r->n && r->result->n_embedded == 0 &&
        why.status == PHIAL_ERR_NUMERIC)
        return ph_err_set(err, PHIAL_ERR_NUMERIC, "%s: none of %zu passages can be embedded: %s",
                          r->c->path, r->n, why.message);
    return st;
}

static phial_status embed_wave(embed_run *r, phial_error *err)
{
    phial_error why = {0};
    phial_embed_stats stats = {.size = sizeof stats};
    memset(r->failed, 0, sizeof r->failed);
    phial_status st = phial_embed(r->e, r->vectors, r->n_parts, r->texts, r->n, PHIAL_EMBED_PASSAGE,
                                  &stats, &why);
    if (st == PHIAL_OK)
        r->result->n_tokens += stats.n_tokens;
    else if (is_texts_fault(st))
        return embed_singly(r, err);
    else if (err)
        *err = why;
    return st;
}

static phial_status write_wave(embed_run *r, phial_error *err)
{
    int64_t id = 0, through = 0, last = r->chunks[r->n - 1];
    phial_status st = ph_tx_begin(r->c, true, err);
    if (st == PHIAL_OK)
        st = ph_vector_set_id(r->c, r->next, &id, err);
    if (st == PHIAL_OK && id != r->id)
        st = ph_err_set(err, PHIAL_ERR_BUSY,
                        "%s: another program has begun to embed it with another embedder",
                        r->c->path);
    for (size_t i = 0; i < r->n && st == PHIAL_OK; i++) {
        if (!r->failed[i])
            st = ph_vector_put(r->c, r->chunks[i], r->id, r->vectors + i * r->dim, r->dim,
                               &r->scratch, err);
    }
    if (st == PHIAL_OK)
        st = ph_setting_get(r->c, through_name(r), &through, 0, err);
    if (st == PHIAL_OK && through <= last)
        st = ph_setting_put(r->c, through_name(r), last + 1, err);
    if (st == PHIAL_OK && !r->next)
        st = ph_vectors_changed(r->c, err);
    st = end(r->c, st, err);
    for (size_t i = 0; i < r->n && st == PHIAL_OK; i++) {
        r->result->n_embedded += !r->failed[i];
        r->result->n_failed += r->failed[i];
        r->result->n_split += !r->failed[i] && r->n_parts[i] > 1;
    }
    return st;
}

/* Asked before each wave, and in the end before each of the up to 200 sentences of
 * ph_fusion_choose(). */
static bool going(void *user)
{
    const embed_run *r = user;
    return !r->o->progress || r->o->progress(r->o->user, &r->progress);
}

static phial_status run_waves(embed_run *r, phial_error *err)
{
    phial_status st = PHIAL_OK;
    r->n_wave = WAVE_FIRST;
    for (;;) {
        uint64_t began = ph_clock_ns();
        if (!going(r))
            return ph_err_set(err, PHIAL_ERR_CANCELLED, "interrupted");
        st = read_wave(r, err);
        if (st != PHIAL_OK || r->n == 0)
            return st;
        st = embed_wave(r, err);
        if (st == PHIAL_OK)
            st = write_wave(r, err);
        if (st != PHIAL_OK)
            return st;
        uint64_t took = ph_clock_ns() - began;
        r->progress.done += r->n;
        r->progress.n_split = r->result->n_split;
        if (took < WAVE_QUICK && r->n_wave < WAVE_MOST)
            r->n_wave *= 2;
        else if (took > WAVE_SLOW && r->n_wave > 1)
            r->n_wave /= 2;
    }
}

/* --- what is fitted on the collection --- */

/* About m of the set's vectors, evenly over all; *n of them. */
static phial_status sample(phial_collection *c, const ph_vector_set *set, uint64_t n_all, size_t m,
                           float *out, size_t *n, phial_error *err)
{
    sqlite3_stmt *s;
    bool row = true;
    uint64_t at = 0, every = (n_all + m - 1) / m;
    *n = 0;
    phial_status st = ph_sql_get(c, PH_SQL_VECTORS_ALL, &s, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(s, 1, set->id);
    while (*n < m && (st = ph_sql_step(c, s, &row, err)) == PHIAL_OK && row) {
        if (at++ % every != 0)
            continue;
        st = ph_vector_decode(c, sqlite3_column_int64(s, 0), ph_sql_text(s, 1), out + *n * set->dim,
                              set->dim, err);
        if (st != PHIAL_OK)
            break;
        ++*n;
    }
    sqlite3_reset(s);
    return st;
}

static phial_status keep_whitening(phial_collection *c, const ph_vector_set *set,
                                   const phial_whitening *w, uint64_t n_all, phial_error *err)
{
    char number[32];
    size_t bytes = 0;
    phial_whitening_save(w, NULL, 0, &bytes, NULL);
    char *room = ph_alloc(bytes, 1, err);
    phial_status st =
        room ? phial_whitening_save(w, room, bytes, &bytes, err) : PHIAL_ERR_NO_MEMORY;
    snprintf(number, sizeof number, "%llu", (unsigned long long)n_all);
    if (st == PHIAL_OK) {
        st = ph_tx_begin(c, true, err);
        if (st == PHIAL_OK)
            st = ph_fact_put(c, set->id, "whitening", (ph_str){room, bytes}, err);
        if (st == PHIAL_OK)
            st = ph_fact_put(c, set->id, "whitening_n", ph_str_from(number), err);
        if (st == PHIAL_OK)
            st = ph_vectors_changed(c, err);
        st = end(c, st, err);
    }
    ph_free(room);
    return st;
}

static phial_status fit_whitening(phial_collection *c, const ph_vector_set *set, uint64_t n_all,
                                  phial_error *err)
{
    bool full = set->whiten == PHIAL_WHITEN_ALL;
    size_t m = 4 * (size_t)set->dim > FIT_VECTORS ? 4 * (size_t)set->dim : FIT_VECTORS, n = 0;
    m = m * set->dim > FIT_FLOATS ? FIT_FLOATS / set->dim : m;
    m = m > n_all ? (size_t)n_all : m;
    phial_whitening *w = NULL;
    float *vectors = ph_alloc(m * set->dim, sizeof *vectors, err);
    phial_status st = vectors ? ph_tx_begin(c, false, err) : PHIAL_ERR_NO_MEMORY;
    if (st == PHIAL_OK) {
        st = sample(c, set, n_all, m, vectors, &n, err);
        ph_tx_rollback(c);
    }
    if (st == PHIAL_OK)
        st = phial_whitening_fit(&w, full ? PHIAL_WHITEN_FULL : PHIAL_WHITEN_CENTRE, vectors, n,
                                 set->dim, -1, err);
    if (st == PHIAL_OK)
        st = keep_whitening(c, set, w, n_all, err);
    else if (st == PHIAL_ERR_NUMERIC || st == PHIAL_ERR_ARGUMENT)
        st = ph_err_context(err, st, "%s: whitening", c->path);
    phial_whitening_free(w);
    ph_free(vectors);
    return st;
}

static phial_status read_set(phial_collection *c, int64_t id, ph_vector_set *set, int64_t *n_all,
                             phial_error *err)
{
    *set = (ph_vector_set){0};
    phial_status st = ph_tx_begin(c, false, err);
    if (st == PHIAL_OK)
        st = ph_vector_set_read(c, id, set, err);
    if (st == PHIAL_OK)
        st = ph_vectors_count(c, id, n_all, err);
    ph_tx_rollback(c);
    if (st != PHIAL_OK)
        ph_vector_set_free(set);
    return st;
}

/* The set takes the place of the one before. */
static phial_status take_over(embed_run *r, phial_error *err)
{
    int64_t through = 0;
    phial_status st = ph_tx_begin(r->c, true, err);
    if (st == PHIAL_OK)
        st = ph_setting_get(r->c, "vectors_through_next", &through, 0, err);
    if (st == PHIAL_OK)
        st = ph_vector_set_drop_others(r->c, r->id, err);
    if (st == PHIAL_OK)
        st = ph_setting_put(r->c, "embedder", r->id, err);
    if (st == PHIAL_OK)
        st = ph_setting_put(r->c, "embedder_next", 0, err);
    if (st == PHIAL_OK)
        st = ph_setting_put(r->c, "vectors_through", through, err);
    if (st == PHIAL_OK)
        st = ph_vectors_changed(r->c, err);
    r->next = false;
    return end(r->c, st, err);
}

static phial_status settle(embed_run *r, phial_error *err)
{
    ph_vector_set set;
    int64_t n = 0;
    phial_status st = r->next ? take_over(r, err) : PHIAL_OK;
    if (st == PHIAL_OK)
        st = read_set(r->c, r->id, &set, &n, err);
    if (st != PHIAL_OK)
        return st;
    bool fit = set.whiten != PHIAL_WHITEN_NONE && n >= 2 &&
               (!set.whitening || (uint64_t)n >= 2 * set.whitening_n);
    if (fit) {
        st = fit_whitening(r->c, &set, (uint64_t)n, err);
        ph_vector_set_free(&set);
        if (st == PHIAL_OK)
            st = read_set(r->c, r->id, &set, &n, err);
    }
    if (st == PHIAL_OK && n > 0 && (fit || !set.fusion_chosen || (uint64_t)n >= 2 * set.fusion_n))
        st = ph_fusion_choose(r->c, &set, r->e, (uint64_t)n, going, r, err);
    ph_vector_set_free(&set);
    return st;
}

/* --- the run --- */

static phial_status run_all(embed_run *r, phial_error *err)
{
    r->dim = phial_embedder_dim(r->e);
    phial_status st = begin(r->c, err);
    if (st == PHIAL_OK)
        st = choose_set(r, err);
    st = end(r->c, st, err);
    if (st == PHIAL_OK)
        st = ph_vectors_waiting(r->c, through_name(r), &r->progress.total, err);
    if (st == PHIAL_OK && !(r->vectors = ph_alloc((size_t)WAVE_MOST * r->dim, sizeof(float), err)))
        st = PHIAL_ERR_NO_MEMORY;
    if (st == PHIAL_OK)
        st = run_waves(r, err);
    return st == PHIAL_OK ? settle(r, err) : st;
}

phial_status phial_collection_embed(phial_collection *c, phial_embedder *e,
                                    const phial_vectors_options *options,
                                    phial_vectors_result *result, phial_error *err)
{
    phial_vectors_options o;
    phial_vectors_result own = {.size = sizeof own};
    phial_vectors_options_default(&o);
    if (options)
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    if ((unsigned)o.whiten > PHIAL_WHITEN_ALL)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "there is no such whitening");
    if (o.whiten == PHIAL_WHITEN_ALL && phial_embedder_dim(e) > PHIAL_WHITENING_DIM_MAX)
        return ph_err_set(err, PHIAL_ERR_LIMIT,
                          "vectors of %u numbers can be centred; whitening is for at most %d",
                          (unsigned)phial_embedder_dim(e), PHIAL_WHITENING_DIM_MAX);
    embed_run *r = ph_alloc(1, sizeof *r, err);
    if (!r)
        return PHIAL_ERR_NO_MEMORY;
    *r = (embed_run){.c = c, .e = e, .o = &o, .result = &own};
    ph_buf_init(&r->text, 0);
    ph_buf_init(&r->scratch, 0);
    phial_status st = run_all(r, err);
    if (result) {
        own.size = result->size;
        memcpy(result, &own, own.size < sizeof own ? own.size : sizeof own);
    }
    ph_buf_free(&r->text);
    ph_buf_free(&r->scratch);
    ph_free(r->vectors);
    ph_free(r);
    return st;
}
