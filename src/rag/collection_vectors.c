/* Embedder rows, facts and vector cells; contract in collection_vectors.h. */
#include "rag/collection_vectors.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "model/model_struct.h"
#include "rag/collection_rank.h"
#include "rt/embedder.h"

#define TYPE          "f32"
#define PREFIX_MAX    (64u << 10)
#define WHITENING_MAX ((size_t)80 << 20)

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "vectors are copied as they lie in memory: little-endian machines only"
#endif

const char *phial_whiten_name(phial_whiten whiten)
{
    static const char *const names[] = {NULL, "none", "centre", "full"};
    return (unsigned)whiten < sizeof names / sizeof names[0] ? names[whiten] : NULL;
}

int64_t ph_vector_random(void)
{
    uint64_t bits = 0;
    while (bits == 0) {
        sqlite3_randomness(sizeof bits, &bits);
        bits >>= 1;
    }
    return (int64_t)bits;
}

phial_status ph_vectors_changed(phial_collection *c, phial_error *err)
{
    return ph_setting_put(c, "vector_stamp", ph_vector_random(), err);
}

/* --- facts --- */

phial_status ph_fact_get(phial_collection *c, int64_t embedder, const char *name, ph_buf *out,
                         phial_error *err)
{
    sqlite3_stmt *s;
    bool row = false;
    int64_t version = 0;
    ph_buf_clear(out);
    phial_status st = ph_sql_pragma(c, "PRAGMA user_version", &version, err);
    if (st != PHIAL_OK || version < 1001)
        return st;
    st = ph_sql_get(c, PH_SQL_FACT_GET, &s, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(s, 1, embedder);
    ph_sql_bind_text(s, 2, ph_str_from(name));
    st = ph_sql_step(c, s, &row, err);
    if (st == PHIAL_OK && row) {
        ph_str value = ph_sql_text(s, 0);
        ph_buf_add(out, value.p, value.n);
        st = ph_buf_status(out, err);
    }
    sqlite3_reset(s);
    return st;
}

phial_status ph_fact_put(phial_collection *c, int64_t embedder, const char *name, ph_str value,
                         phial_error *err)
{
    sqlite3_stmt *s;
    phial_status st = ph_sql_get(c, PH_SQL_FACT_PUT, &s, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(s, 1, embedder);
    ph_sql_bind_text(s, 2, ph_str_from(name));
    ph_sql_bind_blob(s, 3, value);
    return ph_sql_run(c, s, err);
}

static phial_status put_number(phial_collection *c, int64_t id, const char *name, uint64_t value,
                               phial_error *err)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return ph_fact_put(c, id, name, ph_str_from(text), err);
}

/* --- sets --- */

phial_status ph_vector_set_id(phial_collection *c, bool next, int64_t *id, phial_error *err)
{
    phial_status st = ph_setting_get(c, next ? "embedder_next" : "embedder", id, 0, err);
    if (st == PHIAL_OK && *id < 0)
        st = ph_damaged(c, "the number of its embedder", err);
    return st;
}

void ph_vector_set_free(ph_vector_set *set)
{
    ph_free(set->name);
    ph_free(set->path);
    ph_free(set->query);
    ph_free(set->passage);
    phial_whitening_free(set->whitening);
    *set = (ph_vector_set){0};
}

static bool find_pooling(phial_pooling *out, ph_str name)
{
    for (int i = PHIAL_POOL_MEAN; phial_pooling_name((phial_pooling)i) != NULL; i++) {
        if (ph_str_eq_c(name, phial_pooling_name((phial_pooling)i))) {
            *out = (phial_pooling)i;
            return true;
        }
    }
    return false;
}

static void put_hex(char out[33], ph_str bytes)
{
    for (size_t i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", (unsigned char)bytes.p[i]);
}

static phial_status read_row(phial_collection *c, sqlite3_stmt *s, ph_vector_set *set,
                             phial_error *err)
{
    ph_str texts[] = {ph_sql_text(s, 0), ph_sql_text(s, 3), ph_sql_text(s, 4)};
    char **const to[] = {&set->name, &set->query, &set->passage};
    ph_str hash = ph_sql_text(s, 1);
    int64_t dim = sqlite3_column_int64(s, 5);
    bool fine = hash.n == 16 && find_pooling(&set->pooling, ph_sql_text(s, 2)) && dim >= 1 &&
                dim <= PH_VECTOR_DIM_MAX && ph_str_eq_c(ph_sql_text(s, 6), TYPE);
    for (size_t i = 0; i < 3; i++)
        fine = fine && texts[i].n <= PREFIX_MAX && !memchr(texts[i].p, 0, texts[i].n) &&
               ph_utf8_valid((const uint8_t *)texts[i].p, texts[i].n);
    if (!fine)
        return ph_damaged(c, "the row of its embedder", err);
    put_hex(set->hash, hash);
    set->dim = (uint32_t)dim;
    set->normalized = sqlite3_column_int64(s, 7) != 0;
    for (size_t i = 0; i < 3; i++) {
        if (!(*to[i] = ph_strndup(texts[i].p, texts[i].n, err)))
            return PHIAL_ERR_NO_MEMORY;
    }
    return PHIAL_OK;
}

static phial_status get_number(phial_collection *c, int64_t id, const char *name, uint64_t *out,
                               uint64_t fallback, ph_buf *scratch, phial_error *err)
{
    phial_status st = ph_fact_get(c, id, name, scratch, err);
    *out = fallback;
    if (st == PHIAL_OK && scratch->len > 0 &&
        !ph_str_parse_u64((ph_str){scratch->data, scratch->len}, out))
        st = ph_damaged(c, "a number of its embedder", err);
    return st;
}

static phial_status read_fusion(phial_collection *c, ph_vector_set *set, ph_buf *b,
                                phial_error *err)
{
    phial_status st = get_number(c, set->id, "fusion_n", &set->fusion_n, 0, b, err);
    if (st == PHIAL_OK)
        st = ph_fact_get(c, set->id, "fusion", b, err);
    set->fusion = PH_FUSION_DEFAULT;
    set->fusion_chosen = false;
    if (st != PHIAL_OK || b->len == 0)
        return st;
    double dense = 0;
    ph_str text = {b->data, b->len};
    set->fusion.rrf = ph_str_starts_with(text, "ranks ");
    bool fine = set->fusion.rrf || ph_str_starts_with(text, "scores ");
    size_t skip = set->fusion.rrf ? 6 : 7;
    fine = fine && ph_str_parse_f64((ph_str){text.p + skip, text.n - skip}, &dense) && dense >= 0 &&
           dense <= 1;
    set->fusion.dense = dense;
    set->fusion_chosen = set->fusion_n > 0;
    return fine ? PHIAL_OK : ph_damaged(c, "the fusion of its embedder", err);
}

phial_status ph_vector_set_read_fusion(phial_collection *c, ph_vector_set *set, phial_error *err)
{
    ph_buf b;
    ph_buf_init(&b, WHITENING_MAX);
    phial_status st = read_fusion(c, set, &b, err);
    ph_buf_free(&b);
    return st;
}

static phial_status read_whitening(phial_collection *c, ph_vector_set *set, ph_buf *b,
                                   phial_error *err)
{
    uint64_t kind;
    phial_status st = get_number(c, set->id, "whiten", &kind, PHIAL_WHITEN_NONE, b, err);
    if (st == PHIAL_OK && (kind < PHIAL_WHITEN_NONE || kind > PHIAL_WHITEN_ALL))
        st = ph_damaged(c, "the whitening of its embedder", err);
    set->whiten = (phial_whiten)kind;
    if (st == PHIAL_OK)
        st = get_number(c, set->id, "whitening_n", &set->whitening_n, 0, b, err);
    if (st == PHIAL_OK)
        st = ph_fact_get(c, set->id, "whitening", b, err);
    if (st != PHIAL_OK || b->len == 0 || kind == PHIAL_WHITEN_NONE)
        return st;
    st = phial_whitening_load(&set->whitening, b->data, b->len, err);
    if (st != PHIAL_OK)
        return ph_err_context(err, st, "%s: the whitening of its vectors", c->path);
    if (phial_whitening_dim(set->whitening) != set->dim)
        return ph_damaged(c, "the whitening of its vectors has other dimensions than they", err);
    set->whitening_sum = ph_hash64(b->data, b->len, 0);
    return PHIAL_OK;
}

static phial_status read_facts(phial_collection *c, ph_vector_set *set, ph_buf *b, phial_error *err)
{
    uint64_t fast, n_ctx, recipe;
    phial_status st = get_number(c, set->id, "fast", &fast, 0, b, err);
    if (st == PHIAL_OK)
        st = get_number(c, set->id, "context", &n_ctx, 0, b, err);
    if (st == PHIAL_OK)
        st = get_number(c, set->id, "recipe", &recipe, 0, b, err);
    if (st == PHIAL_OK && (fast > UINT32_MAX || n_ctx > UINT32_MAX))
        st = ph_damaged(c, "a number of its embedder", err);
    if (st == PHIAL_OK && recipe != PH_VECTOR_RECIPE)
        st = ph_err_set(err, PHIAL_ERR_UNSUPPORTED,
                        "%s: its vectors are of texts that were put together otherwise than this "
                        "Phial does (%llu)",
                        c->path, (unsigned long long)recipe);
    if (st != PHIAL_OK)
        return st;
    set->fast = (uint32_t)fast;
    set->n_ctx = (uint32_t)n_ctx;
    st = ph_fact_get(c, set->id, "path", b, err);
    if (st == PHIAL_OK && (b->len > PH_VECTOR_PATH_MAX || (b->len && memchr(b->data, 0, b->len))))
        st = ph_damaged(c, "the path of its embedder", err);
    if (st == PHIAL_OK && !(set->path = ph_strndup(b->len ? b->data : "", b->len, err)))
        st = PHIAL_ERR_NO_MEMORY;
    if (st == PHIAL_OK)
        st = read_fusion(c, set, b, err);
    return st == PHIAL_OK ? read_whitening(c, set, b, err) : st;
}

phial_status ph_vector_set_read(phial_collection *c, int64_t id, ph_vector_set *set,
                                phial_error *err)
{
    sqlite3_stmt *s;
    bool row = false;
    ph_buf b;
    phial_error why = {0};
    *set = (ph_vector_set){.id = id};
    ph_buf_init(&b, WHITENING_MAX);
    phial_status st = ph_sql_get(c, PH_SQL_EMBEDDER, &s, &why);
    if (st == PHIAL_OK) {
        sqlite3_bind_int64(s, 1, id);
        st = ph_sql_step(c, s, &row, &why);
        if (st == PHIAL_OK)
            st = row ? read_row(c, s, set, &why)
                     : ph_damaged(c, "the row of its embedder is missing", &why);
        sqlite3_reset(s);
    }
    if (st == PHIAL_OK)
        st = read_facts(c, set, &b, &why);
    ph_buf_free(&b);
    if (st != PHIAL_OK)
        ph_vector_set_free(set);
    if (ph_vector_set_lost(st))
        return ph_err_set(err, st, "%s; phial collection reembed --embedder MODEL makes them anew",
                          why.message);
    if (st != PHIAL_OK && err)
        *err = why;
    return st;
}

static unsigned digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static phial_status insert_row(phial_collection *c, phial_embedder *e, int64_t id, ph_str name,
                               phial_error *err)
{
    char hex[PHIAL_FINGERPRINT_BYTES];
    uint8_t hash[16];
    sqlite3_stmt *s;
    phial_status st = phial_embedder_fingerprint(e, hex, err);
    if (st == PHIAL_OK)
        st = ph_sql_get(c, PH_SQL_EMBEDDER_INSERT, &s, err);
    if (st != PHIAL_OK)
        return st;
    for (size_t i = 0; i < 16; i++)
        hash[i] = (uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
    sqlite3_bind_int64(s, 1, id);
    ph_sql_bind_text(s, 2, name);
    ph_sql_bind_blob(s, 3, (ph_str){(const char *)hash, sizeof hash});
    ph_sql_bind_text(s, 4, ph_str_from(phial_pooling_name(phial_embedder_pooling(e))));
    ph_sql_bind_text(s, 5, ph_str_from(phial_embedder_prefix(e, PHIAL_EMBED_QUERY)));
    ph_sql_bind_text(s, 6, ph_str_from(phial_embedder_prefix(e, PHIAL_EMBED_PASSAGE)));
    sqlite3_bind_int64(s, 7, phial_embedder_dim(e));
    ph_sql_bind_text(s, 8, ph_str_from(TYPE));
    sqlite3_bind_int64(s, 9, phial_embedder_normalizes(e));
    return ph_sql_run(c, s, err);
}

/* The last part of a path, as UTF-8. */
static phial_status add_name(ph_buf *out, const char *path, phial_error *err)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    size_t from = n;
    while (from > 0 && path[from - 1] != '/')
        from--;
    ph_str name = {path + from, n - from};
    if (ph_utf8_valid((const uint8_t *)name.p, name.n))
        ph_buf_add(out, name.p, name.n);
    else
        ph_str_escape(out, name, false);
    return ph_buf_status(out, err);
}

phial_status ph_vector_set_add(phial_collection *c, phial_embedder *e, phial_whiten whiten,
                               int64_t *id, phial_error *err)
{
    char real[PATH_MAX];
    const char *path = phial_embedder_model(e)->path;
    ph_buf name;
    ph_buf_init(&name, 0);
    if (phial_embedder_dim(e) > PH_VECTOR_DIM_MAX)
        return ph_err_set(err, PHIAL_ERR_LIMIT, "vectors of %u numbers; collections keep up to %d",
                          (unsigned)phial_embedder_dim(e), PH_VECTOR_DIM_MAX);
    phial_status st = ph_sql_number(c, PH_SQL_EMBEDDER_NEXT_ID, id, 1, err);
    if (st == PHIAL_OK)
        st = add_name(&name, path, err);
    if (st == PHIAL_OK)
        st = insert_row(c, e, *id, (ph_str){name.data ? name.data : "", name.len}, err);
    if (st == PHIAL_OK)
        st = ph_fact_put(c, *id, "path", ph_str_from(realpath(path, real) ? real : path), err);
    if (st == PHIAL_OK)
        st = put_number(c, *id, "fast", ph_embedder_fast_version(e), err);
    if (st == PHIAL_OK)
        st = put_number(c, *id, "context", phial_embedder_n_ctx(e), err);
    if (st == PHIAL_OK)
        st = put_number(c, *id, "recipe", PH_VECTOR_RECIPE, err);
    if (st == PHIAL_OK)
        st = put_number(c, *id, "whiten", whiten, err);
    ph_buf_free(&name);
    return st;
}

phial_status ph_vector_set_drop(phial_collection *c, int64_t id, phial_error *err)
{
    phial_status st = ph_sql_do(c, PH_SQL_VECTORS_DROP, id, 0, err);
    if (st == PHIAL_OK)
        st = ph_sql_do(c, PH_SQL_FACTS_DELETE, id, 0, err);
    return st == PHIAL_OK ? ph_sql_do(c, PH_SQL_EMBEDDER_DELETE, id, 0, err) : st;
}

phial_status ph_vector_set_drop_others(phial_collection *c, int64_t id, phial_error *err)
{
    phial_status st = ph_sql_do(c, PH_SQL_VECTORS_DROP_OTHERS, id, 0, err);
    if (st == PHIAL_OK)
        st = ph_sql_do(c, PH_SQL_FACTS_DELETE_OTHERS, id, 0, err);
    return st == PHIAL_OK ? ph_sql_do(c, PH_SQL_EMBEDDER_DELETE_OTHERS, id, 0, err) : st;
}

/* What differs, in words; false: nothing that can be named. */
static bool tell_difference(char *out, size_t room, const ph_vector_set *set, phial_embedder *e)
{
    const char *query = phial_embedder_prefix(e, PHIAL_EMBED_QUERY),
               *passage = phial_embedder_prefix(e, PHIAL_EMBED_PASSAGE);
    uint32_t fast = ph_embedder_fast_version(e);
    if (phial_embedder_dim(e) != set->dim)
        snprintf(out, room, "it gives vectors of %u numbers, not %u",
                 (unsigned)phial_embedder_dim(e), (unsigned)set->dim);
    else if (phial_embedder_pooling(e) != set->pooling)
        snprintf(out, room, "its pooling is %s, not %s",
                 phial_pooling_name(phial_embedder_pooling(e)), phial_pooling_name(set->pooling));
    else if (phial_embedder_normalizes(e) != set->normalized)
        snprintf(out, room, "its vectors are%s made to length 1",
                 phial_embedder_normalizes(e) ? "" : " not");
    else if (strcmp(query, set->query) != 0 || strcmp(passage, set->passage) != 0)
        snprintf(out, room, "it puts other words before queries or passages");
    else if (phial_embedder_n_ctx(e) != set->n_ctx)
        snprintf(out, room, "it takes texts of %u tokens, not %u",
                 (unsigned)phial_embedder_n_ctx(e), (unsigned)set->n_ctx);
    else if ((fast == 0) != (set->fast == 0))
        snprintf(out, room, "its arithmetic is %s, not %s", fast ? "fast" : "exact",
                 set->fast ? "fast" : "exact");
    else if (fast != set->fast)
        snprintf(out, room,
                 "they were made by another version of fast arithmetic (%u, now it is %u)",
                 (unsigned)set->fast, (unsigned)fast);
    else
        return false;
    return true;
}

phial_status ph_vector_set_same(phial_collection *c, const ph_vector_set *set, phial_embedder *e,
                                phial_error *err)
{
    char hash[PHIAL_FINGERPRINT_BYTES], difference[160];
    phial_status st = phial_embedder_fingerprint(e, hash, err);
    if (st != PHIAL_OK || strcmp(hash, set->hash) == 0)
        return st;
    if (!tell_difference(difference, sizeof difference, set, e))
        snprintf(difference, sizeof difference, "its weights are others");
    return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                      "%s: %s is not the embedder that its vectors were made by (%s): %s; phial "
                      "collection reembed makes them anew",
                      c->path, phial_embedder_model(e)->path, set->name, difference);
}

/* --- cells --- */

static uint64_t cell_sum(int64_t chunk, const char *bytes, size_t n)
{
    return ph_hash64(bytes, n, (uint64_t)chunk);
}

const char *ph_vector_fault(int64_t chunk, ph_str cell, uint32_t dim)
{
    size_t n = (size_t)dim * sizeof(float);
    uint64_t sum;
    if (cell.n != n + PH_VECTOR_SUM)
        return "its vector has another length than those of the embedder";
    memcpy(&sum, cell.p + n, sizeof sum);
    if (sum != cell_sum(chunk, cell.p, n))
        return "the checksum of its vector is not right";
    for (size_t i = 0; i < dim; i++) {
        float x;
        memcpy(&x, cell.p + i * sizeof x, sizeof x);
        if (!isfinite(x))
            return "its vector holds NaN or infinity";
    }
    return NULL;
}

phial_status ph_vector_decode(phial_collection *c, int64_t chunk, ph_str cell, float *out,
                              uint32_t dim, phial_error *err)
{
    const char *fault = ph_vector_fault(chunk, cell, dim);
    if (fault)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "%s: the collection is damaged: chunk %lld: %s; phial collection reembed "
                          "makes all vectors anew",
                          c->path, (long long)chunk, fault);
    memcpy(out, cell.p, (size_t)dim * sizeof *out);
    return PHIAL_OK;
}

phial_status ph_vector_put(phial_collection *c, int64_t chunk, int64_t embedder, const float *v,
                           uint32_t dim, ph_buf *scratch, phial_error *err)
{
    sqlite3_stmt *s;
    size_t n = (size_t)dim * sizeof *v;
    ph_buf_clear(scratch);
    ph_buf_add(scratch, v, n);
    ph_buf_add_u64(scratch, cell_sum(chunk, (const char *)v, n));
    phial_status st = ph_buf_status(scratch, err);
    if (st == PHIAL_OK)
        st = ph_sql_get(c, PH_SQL_VECTOR_PUT, &s, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(s, 1, chunk);
    sqlite3_bind_int64(s, 2, embedder);
    ph_sql_bind_blob(s, 3, (ph_str){scratch->data, scratch->len});
    return ph_sql_run(c, s, err);
}

phial_status ph_vector_get(phial_collection *c, int64_t chunk, const ph_vector_set *set, float *out,
                           bool *there, phial_error *err)
{
    sqlite3_stmt *s;
    *there = false;
    phial_status st = ph_sql_get(c, PH_SQL_VECTOR, &s, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(s, 1, chunk);
    sqlite3_bind_int64(s, 2, set->id);
    st = ph_sql_step(c, s, there, err);
    if (st == PHIAL_OK && *there)
        st = ph_vector_decode(c, chunk, ph_sql_text(s, 0), out, set->dim, err);
    sqlite3_reset(s);
    return st;
}

phial_status ph_vectors_count(phial_collection *c, int64_t embedder, int64_t *n, phial_error *err)
{
    sqlite3_stmt *s;
    bool row = false;
    *n = 0;
    phial_status st = ph_sql_get(c, PH_SQL_VECTORS_COUNT, &s, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(s, 1, embedder);
    st = ph_sql_step(c, s, &row, err);
    if (st == PHIAL_OK && row)
        *n = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return st;
}

phial_status ph_vectors_waiting(phial_collection *c, const char *mark, uint64_t *n,
                                phial_error *err)
{
    sqlite3_stmt *s;
    bool row = false;
    int64_t through = 0;
    phial_status st = ph_setting_get(c, mark, &through, 0, err);
    if (st == PHIAL_OK)
        st = ph_sql_get(c, PH_SQL_CHUNKS_COUNT_FROM, &s, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(s, 1, through);
    st = ph_sql_step(c, s, &row, err);
    *n = st == PHIAL_OK && row ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
    sqlite3_reset(s);
    return st;
}

/* --- texts --- */

static phial_status add_title(phial_collection *c, int64_t doc, ph_buf *out, phial_error *err)
{
    sqlite3_stmt *s;
    bool row = false;
    phial_status st = ph_sql_get(c, PH_SQL_DOC_NAMED, &s, err);
    if (st != PHIAL_OK)
        return st;
    sqlite3_bind_int64(s, 1, doc);
    st = ph_sql_step(c, s, &row, err);
    if (st == PHIAL_OK && !row)
        st = ph_damaged(c, "the document of a chunk is missing", err);
    if (st == PHIAL_OK) {
        ph_str title = ph_sql_text(s, 1);
        ph_buf_add(out, title.p, title.n);
        if (title.n > 0)
            ph_buf_add_byte(out, '\n');
        st = ph_buf_status(out, err);
    }
    sqlite3_reset(s);
    return st;
}

phial_status ph_vector_text(phial_collection *c, int64_t chunk, ph_buf *out, phial_error *err)
{
    ph_chunk_place place;
    ph_buf parts;
    ph_buf_init(&parts, 0);
    phial_status st = ph_chunk_read(c, chunk, true, &parts, &place, err);
    if (st == PHIAL_OK)
        st = add_title(c, place.doc, out, err);
    if (st == PHIAL_OK) {
        ph_buf_add(out, parts.data + place.context, place.n_context);
        if (place.n_context > 0)
            ph_buf_add_byte(out, '\n');
        ph_buf_add(out, parts.data + place.text, place.n_text);
        st = ph_buf_status(out, err);
    }
    ph_buf_free(&parts);
    return st;
}
