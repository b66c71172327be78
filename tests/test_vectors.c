/* Collections with vectors: made, resumed, refused, searched beside brute force; images that are
 * not right; vectors that lie.
 * labels: slow
 */
#include "vectors_util.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/hash.h"
#include "fmt/npy.h"
#include "rag/collection_fusion.h"

/* --- brute force --- */

typedef struct exported {
    ph_npy v;
    int64_t *chunks;
    char (*docs)[16];
} exported;

static exported take_out(const char *collection, bool whitened)
{
    exported x;
    char line[400];
    phial_collection *c = open_as(collection, PHIAL_COLLECTION_READ);
    const char *npy = in_folder("x.npy"), *ids = in_folder("x.jsonl");
    ok(phial_collection_export_vectors(c, npy, ids, whitened, &err));
    phial_collection_close(c);
    ok(ph_npy_read(&x.v, npy, &err));
    x.chunks = calloc(x.v.rows, sizeof *x.chunks);
    x.docs = calloc(x.v.rows, sizeof *x.docs);
    assert_true(x.chunks && x.docs);
    FILE *f = fopen(ids, "r");
    assert_non_null(f);
    for (size_t i = 0; i < x.v.rows; i++) {
        assert_non_null(fgets(line, sizeof line, f));
        const char *chunk = strstr(line, "\"chunk\":"), *doc = strstr(line, "\"doc\":\"");
        assert_true(chunk && doc);
        x.chunks[i] = strtoll(chunk + 8, NULL, 10);
        assert_int_equal(sscanf(doc + 7, "%15[^\"]", x.docs[i]), 1);
    }
    fclose(f);
    return x;
}

static void put_away(exported *x)
{
    ph_npy_free(&x->v);
    free(x->chunks);
    free(x->docs);
}

static double score_of(const float *a, const float *b, size_t dim, phial_metric metric)
{
    double ab = 0, aa = 0, bb = 0, d = 0;
    for (size_t i = 0; i < dim; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
        d += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    }
    return metric == PHIAL_METRIC_L2 ? -d : metric == PHIAL_METRIC_IP ? ab : ab / sqrt(aa * bb);
}

/* The hits are the best of those that the pattern allows, in order, up to what f32 rounds away. */
static void compare_with_all(const exported *x, const float *query, phial_metric metric,
                             const char *prefix, const phial_hits *hits, size_t k)
{
    size_t n_allowed = 0;
    for (size_t i = 0; i < x->v.rows; i++)
        n_allowed += strncmp(x->docs[i], prefix, strlen(prefix)) == 0;
    assert_int_equal(phial_hits_count(hits), k < n_allowed ? k : n_allowed);
    double last = INFINITY;
    for (size_t h = 0; h < phial_hits_count(hits); h++) {
        const phial_hit *hit = phial_hits_at(hits, h);
        size_t better = 0, at = SIZE_MAX;
        for (size_t i = 0; i < x->v.rows; i++)
            at = x->chunks[i] == hit->chunk ? i : at;
        assert_true(at < x->v.rows);
        assert_int_equal(strncmp(x->docs[at], prefix, strlen(prefix)), 0);
        double mine = score_of(query, x->v.data + at * x->v.cols, x->v.cols, metric);
        assert_true(fabs(mine - hit->score) <= 2e-5 * (1 + fabs(mine)));
        for (size_t i = 0; i < x->v.rows; i++)
            better += strncmp(x->docs[i], prefix, strlen(prefix)) == 0 &&
                      score_of(query, x->v.data + i * x->v.cols, x->v.cols, metric) >
                          mine + 1e-5 * (1 + fabs(mine));
        assert_true(better <= h);
        assert_true(hit->score <= last);
        last = hit->score;
    }
}

static void test_beside_brute_force(void **state)
{
    (void)state;
    static const char query[] = "people find oil in the water";
    phial_embedder *e = open_embedder(BERT, PHIAL_POOL_AUTO, false);
    float v[24], plain[24];
    put_records("b.jsonl", 0, 120, 2);
    index_texts("b.phial", "b.jsonl", 0);
    const phial_text text = {query, sizeof query - 1};
    ok(phial_embed(e, plain, NULL, &text, 1, PHIAL_EMBED_QUERY, NULL, &err));
    for (int whiten = PHIAL_WHITEN_NONE; whiten <= PHIAL_WHITEN_ALL; whiten++) {
        embed_all("b.phial", e, (phial_whiten)whiten);
        exported x = take_out("b.phial", true), raw = take_out("b.phial", false);
        assert_int_equal(x.v.rows, 120);
        /* The whitening is affine: what it does to the query follows from what it does to rows. */
        memcpy(v, plain, sizeof v);
        if (whiten == PHIAL_WHITEN_MEAN) {
            for (int d = 0; d < 24; d++)
                v[d] += x.v.data[d] - raw.v.data[d];
        }
        phial_collection *c = open_as("b.phial", PHIAL_COLLECTION_READ);
        assert_int_equal(info_of(c).whiten, whiten);
        for (int i = 0; i < 12 && whiten != PHIAL_WHITEN_ALL; i++) {
            phial_search_options o;
            phial_hits *hits = NULL;
            phial_search_options_default(&o);
            o.mode = PHIAL_SEARCH_DENSE;
            o.embedder = e;
            o.metric = (phial_metric)(i % 3);
            o.exact = i % 2;
            o.k = i < 6 ? 7 : 200;
            o.doc_glob = i % 4 > 1 ? "d1*" : NULL;
            o.by_doc = i > 8;
            ok(search_for(c, &hits, query, &o));
            assert_int_equal(phial_hits_mode(hits), PHIAL_SEARCH_DENSE);
            compare_with_all(&x, v, o.metric, o.doc_glob ? "d1" : "d", hits, o.k);
            phial_hits_free(hits);
        }
        phial_collection_close(c);
        if (whiten > PHIAL_WHITEN_NONE) { /* the mean is gone */
            for (int d = 0; d < 24; d++) {
                double sum = 0;
                for (size_t i = 0; i < 120; i++)
                    sum += x.v.data[i * 24 + (size_t)d];
                assert_true(fabs(sum / 120) < 1e-4);
            }
        }
        put_away(&x);
        put_away(&raw);
    }
    phial_embedder_close(e);
}

/* A collection that seems large is searched over bits, or exactly, and rows are fetched from it. */
static void test_large(void **state)
{
    (void)state;
    static const char query[] = "people find oil in the water";
    phial_embedder *e = open_embedder(BERT, PHIAL_POOL_AUTO, false);
    float v[24];
    put_records("g.jsonl", 0, 400, 1);
    index_texts("g.phial", "g.jsonl", 0);
    embed_all("g.phial", e, PHIAL_WHITEN_NONE);
    sql("g.phial", "UPDATE settings SET value=5000000 WHERE name='next_chunk'");
    const phial_text text = {query, sizeof query - 1};
    ok(phial_embed(e, v, NULL, &text, 1, PHIAL_EMBED_QUERY, NULL, &err));
    exported x = take_out("g.phial", false);
    phial_collection *c = open_as("g.phial", PHIAL_COLLECTION_READ);
    for (int i = 0; i < 6; i++) {
        phial_search_options o;
        phial_hits *exact = NULL, *hits = NULL;
        size_t found = 0;
        phial_search_options_default(&o);
        o.mode = PHIAL_SEARCH_DENSE;
        o.embedder = e;
        o.metric = (phial_metric)(i % 3);
        o.k = 20;
        o.doc_glob = i < 3 ? NULL : "d1*";
        o.exact = true;
        ok(search_for(c, &exact, query, &o));
        compare_with_all(&x, v, o.metric, o.doc_glob ? "d1" : "d", exact, o.k);
        o.exact = false;
        ok(search_for(c, &hits, query, &o));
        assert_int_equal(phial_hits_count(hits), 20);
        for (size_t h = 0; h < 400; h++)
            found += phial_hits_at(hits, h / 20)->chunk == phial_hits_at(exact, h % 20)->chunk;
        assert_true(found >= 17);
        phial_hits_free(exact);
        phial_hits_free(hits);
    }
    phial_collection_close(c);
    put_away(&x);
    phial_embedder_close(e);
}

/* A whitened search of a passage's own text finds the passage. */
static void test_own_text(void **state)
{
    (void)state;
    put_records("o.jsonl", 0, 60, 1);
    index_texts("o.phial", "o.jsonl", 0);
    for (int whiten = PHIAL_WHITEN_NONE; whiten <= PHIAL_WHITEN_ALL; whiten++) {
        phial_search_options o;
        phial_hits *hits = NULL;
        phial_embedder *e = open_embedder(BERT, PHIAL_POOL_AUTO, false);
        embed_all("o.phial", e, (phial_whiten)whiten);
        phial_search_options_default(&o);
        o.mode = PHIAL_SEARCH_DENSE;
        o.embedder = e;
        phial_collection *c = open_as("o.phial", PHIAL_COLLECTION_READ);
        ok(search_for(c, &hits,
                      "word\nThe word has come down to the water in the word of word and they find "
                      "15. ",
                      &o));
        const phial_hit *h = phial_hits_at(hits, 0);
        assert_int_equal(strncmp(h->doc.p, "d15", 3), 0);
        assert_true(h->score > 0.9999);
        phial_hits_free(hits);
        phial_collection_close(c);
        phial_embedder_close(e);
    }
}

/* --- hybrid --- */

/* How words and vectors are fused is measured once the vectors are there; whoever has the
 * collection open, the one who measured included, goes by it. */
static void test_fusion_is_seen(void **state)
{
    (void)state;
    phial_embedder *e = open_embedder(BERT, PHIAL_POOL_AUTO, false);
    put_records("seen.jsonl", 0, 60, 12);
    index_texts("seen.phial", "seen.jsonl", 64);
    phial_collection *other = open_as("seen.phial", PHIAL_COLLECTION_READ);
    phial_collection *c = open_as("seen.phial", PHIAL_COLLECTION_WRITE);
    assert_false(info_of(other).present);
    ok(phial_collection_embed(c, e, NULL, NULL, &err));
    phial_vectors_info own = info_of(c), seen = info_of(other);
    phial_collection_close(other);
    other = open_as("seen.phial", PHIAL_COLLECTION_READ);
    phial_vectors_info fresh = info_of(other);
    assert_true(fresh.fusion_measured);
    assert_true(own.fusion_measured && seen.fusion_measured);
    assert_true(own.dense_share == fresh.dense_share && seen.dense_share == fresh.dense_share);
    assert_int_equal(own.fusion_by_ranks, fresh.fusion_by_ranks);
    phial_collection_close(other);
    phial_collection_close(c);
    phial_embedder_close(e);
}

static bool stop_behind_waves(void *user, const phial_vectors_progress *p)
{
    int *n = user;
    return p->done < p->total || ++*n < 3;
}

/* An interrupt is seen while the fusion is measured, too; the vectors stay. */
static void test_interrupted_fusion(void **state)
{
    (void)state;
    int n = 0;
    phial_vectors_options o;
    phial_vectors_result result = {.size = sizeof result};
    phial_embedder *e = open_embedder(BERT, PHIAL_POOL_AUTO, false);
    put_records("stop.jsonl", 0, 60, 12);
    index_texts("stop.phial", "stop.jsonl", 64);
    phial_vectors_options_default(&o);
    o.progress = stop_behind_waves;
    o.user = &n;
    phial_collection *c = open_as("stop.phial", PHIAL_COLLECTION_WRITE);
    assert_int_equal(phial_collection_embed(c, e, &o, &result, &err), PHIAL_ERR_CANCELLED);
    phial_vectors_info info = info_of(c);
    assert_true(info.present && info.n_waiting == 0 && !info.fusion_measured);
    ok(phial_collection_embed(c, e, NULL, &result, &err));
    assert_int_equal(result.n_embedded, 0);
    assert_true(info_of(c).fusion_measured);
    phial_collection_close(c);
    phial_embedder_close(e);
}

static void test_hybrid(void **state)
{
    (void)state;
    phial_search_options o;
    phial_hits *hits = NULL;
    phial_embedder *e = open_embedder(BERT, PHIAL_POOL_AUTO, false);
    put_records("h.jsonl", 0, 60, 12);
    index_texts("h.phial", "h.jsonl", 64);
    phial_search_options_default(&o);
    o.embedder = e;
    phial_collection *c = open_as("h.phial", PHIAL_COLLECTION_READ);
    ok(search_for(c, &hits, "people find oil", &o)); /* no vectors: by words */
    assert_int_equal(phial_hits_mode(hits), PHIAL_SEARCH_LEXICAL);
    phial_hits_free(hits);
    o.mode = PHIAL_SEARCH_DENSE;
    assert_int_equal(search_for(c, &hits, "oil", &o), PHIAL_ERR_ARGUMENT);
    phial_collection_close(c);

    embed_all("h.phial", e, PHIAL_WHITEN_AS_IT_WAS);
    c = open_as("h.phial", PHIAL_COLLECTION_READ);
    phial_vectors_info info = info_of(c);
    assert_true(info.present && info.fusion_measured);
    assert_true(info.dense_share >= 0 && info.dense_share <= 1);
    assert_int_equal(info.dim, 24);
    assert_int_equal(info.n_waiting, 0);
    o.mode = PHIAL_SEARCH_HYBRID;
    ok(search_for(c, &hits, "people find oil", &o));
    assert_int_equal(phial_hits_mode(hits), PHIAL_SEARCH_HYBRID);
    phial_hits_free(hits);
    /* All weight on one side gives that side's order. */
    for (int dense = 0; dense < 2; dense++) {
        phial_hits *one = NULL;
        o.mode = PHIAL_SEARCH_HYBRID;
        o.dense_share = dense;
        o.k = 5;
        ok(search_for(c, &hits, "people find oil", &o));
        o.mode = dense ? PHIAL_SEARCH_DENSE : PHIAL_SEARCH_LEXICAL;
        ok(search_for(c, &one, "people find oil", &o));
        for (size_t i = 0; i < 5; i++)
            assert_int_equal(phial_hits_at(hits, i)->chunk, phial_hits_at(one, i)->chunk);
        phial_hits_free(hits);
        phial_hits_free(one);
    }
    /* More hits begin with the same ones, and nothing is found for nothing. */
    phial_hits *few = NULL;
    o.mode = PHIAL_SEARCH_HYBRID;
    o.dense_share = -1;
    ok(search_for(c, &few, "light of day", &o));
    o.k = 50;
    ok(search_for(c, &hits, "light of day", &o));
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(phial_hits_at(hits, i)->chunk, phial_hits_at(few, i)->chunk);
        assert_true(phial_hits_at(hits, i)->score == phial_hits_at(few, i)->score);
    }
    phial_hits_free(hits);
    phial_hits_free(few);
    ok(search_for(c, &hits, "  \n", &o));
    assert_int_equal(phial_hits_count(hits), 0);
    phial_hits_free(hits);
    o.dense_share = 1.5;
    assert_int_equal(search_for(c, &hits, "x", &o), PHIAL_ERR_ARGUMENT);
    phial_collection_close(c);
    phial_embedder_close(e);
}

static void test_join(void **state)
{
    (void)state;
    const ph_scored words[] = {{1, 9, 0}, {2, 5, 0}, {3, 1, 0}},
                    vectors[] = {{3, .9, 0}, {2, .8, 0}, {4, .1, 0}};
    ph_scored *list = NULL;
    size_t n = 0;
    ok(ph_fusion_join(&(ph_fusion){false, .5}, words, 3, vectors, 3, &list, &n, &err));
    assert_int_equal(n, 4);
    assert_int_equal(list[0].chunk, 2); /* .25 + .4375, before .5 + 0 of 1 and 0 + .5 of 3 */
    assert_true(fabs(list[0].score - .6875) < 1e-9);
    assert_int_equal(list[3].chunk, 4);
    free(list);
    ok(ph_fusion_join(&(ph_fusion){true, .5}, words, 3, vectors, 3, &list, &n, &err));
    assert_int_equal(list[0].chunk, 3); /* 1/63 + 1/61 against 2/62 */
    free(list);
    ok(ph_fusion_join(&(ph_fusion){false, 1}, NULL, 0, NULL, 0, &list, &n, &err));
    assert_int_equal(n, 0);
    free(list);
}

static void test_thinning(void **state)
{
    (void)state;
    phial_search_options o;
    phial_hits *hits = NULL;
    phial_embedder *e = open_embedder(BERT, PHIAL_POOL_AUTO, false);
    FILE *f = fopen(in_folder("t.jsonl"), "wb");
    assert_non_null(f);
    for (int i = 0; i < 4; i++) /* the same text four times */
        fprintf(f, "{\"_id\":\"same%d\",\"text\":\"people find oil in the water\"}\n", i);
    fprintf(f, "{\"_id\":\"other\",\"text\":\"the boy and the first light of day\"}\n");
    fclose(f);
    index_texts("t.phial", "t.jsonl", 0);
    phial_search_options_default(&o);
    o.embedder = e;
    o.diversity = .5;
    phial_collection *c = open_as("t.phial", PHIAL_COLLECTION_READ);
    assert_int_equal(search_for(c, &hits, "oil", &o), PHIAL_ERR_ARGUMENT); /* needs vectors */
    phial_collection_close(c);
    embed_all("t.phial", e, PHIAL_WHITEN_MEAN);
    c = open_as("t.phial", PHIAL_COLLECTION_READ);
    for (int by_doc = 0; by_doc < 2; by_doc++) {
        o.by_doc = by_doc;
        o.mode = PHIAL_SEARCH_DENSE;
        o.k = 2;
        ok(search_for(c, &hits, "people find oil in the water", &o));
        assert_int_equal(phial_hits_count(hits), 2);
        assert_int_equal(phial_hits_at(hits, 0)->doc.n, 5);
        assert_int_equal(strncmp(phial_hits_at(hits, 0)->doc.p, "same", 4), 0);
        assert_int_equal(strncmp(phial_hits_at(hits, 1)->doc.p, "other", 5), 0);
        assert_true(phial_hits_at(hits, 1)->score <= phial_hits_at(hits, 0)->score);
        phial_hits_free(hits);
    }
    o.diversity = 0;
    ok(search_for(c, &hits, "people find oil in the water", &o));
    assert_int_equal(strncmp(phial_hits_at(hits, 1)->doc.p, "same", 4), 0);
    phial_hits_free(hits);
    phial_collection_close(c);
    phial_embedder_close(e);
}

/* --- making vectors --- */

static bool stop_after(void *user, const phial_vectors_progress *p)
{
    uint64_t *most = user;
    return p->done < *most;
}

static void assert_same_vectors(const char *a, const char *b)
{
    exported x = take_out(a, false), y = take_out(b, false);
    assert_int_equal(x.v.rows, y.v.rows);
    assert_int_equal(x.v.cols, y.v.cols);
    assert_memory_equal(x.v.data, y.v.data, x.v.rows * x.v.cols * sizeof(float));
    assert_memory_equal(x.chunks, y.chunks, x.v.rows * sizeof *x.chunks);
    put_away(&x);
    put_away(&y);
}

static phial_check_result check(const char *collection, char doc[64])
{
    phial_check_result r = {.size = sizeof r};
    char line[200];
    snprintf(line, sizeof line, "$PHIAL collection check %s 2>&1 >/dev/null | head -1",
             in_folder(collection));
    snprintf(doc, 64, "%.63s", cli_run(line)->out);
    phial_collection *c = open_as(collection, PHIAL_COLLECTION_READ);
    ok(phial_collection_check(c, false, NULL, NULL, &r, &err));
    phial_collection_close(c);
    return r;
}

static void test_resume(void **state)
{
    (void)state;
    phial_vectors_options o;
    phial_vectors_result r = {.size = sizeof r};
    uint64_t most = 1, done = 0;
    char doc[64];
    phial_embedder *e = open_embedder(BERT, PHIAL_POOL_MEAN, true);
    put_records("r.jsonl", 0, 150, 1);
    index_texts("r.phial", "r.jsonl", 0);
    copy_file("r.phial", "r2.phial");
    assert_int_equal(embed_all("r.phial", e, PHIAL_WHITEN_NONE).n_embedded, 150);
    assert_int_equal(embed_all("r.phial", e, PHIAL_WHITEN_NONE).n_embedded, 0);

    phial_vectors_options_default(&o);
    o.progress = stop_after;
    o.user = &most;
    for (int run = 0; done < 150; run++) {
        assert_true(run < 20);
        phial_collection *c = open_as("r2.phial", PHIAL_COLLECTION_WRITE);
        phial_status st = phial_collection_embed(c, e, &o, &r, &err);
        assert_true(st == PHIAL_OK || st == PHIAL_ERR_CANCELLED);
        done += r.n_embedded;
        phial_vectors_info info = info_of(c);
        assert_int_equal(info.n_vectors, done);
        assert_int_equal(info.n_waiting, 150 - done);
        phial_collection_close(c);
    }
    most = UINT64_MAX;
    embed_all("r2.phial", e, PHIAL_WHITEN_NONE);
    assert_same_vectors("r.phial", "r2.phial");

    /* New, changed and removed documents. */
    put_records("r.jsonl", 140, 20, 2);
    index_texts("r.phial", "r.jsonl", 0);
    assert_int_equal(embed_all("r.phial", e, PHIAL_WHITEN_NONE).n_embedded, 20);
    phial_collection *c = open_as("r.phial", PHIAL_COLLECTION_WRITE);
    ok(phial_collection_remove(c, (phial_text){"d7", 2}, &err));
    assert_int_equal(info_of(c).n_vectors, 159);
    phial_collection_close(c);
    phial_check_result k = check("r.phial", doc);
    assert_int_equal(k.n_vectors, 159);
    assert_int_equal(k.n_bad_vectors, 0);
    phial_embedder_close(e);
}

static void embed_in_child(const char *collection)
{
    phial_collection *c = NULL;
    phial_embedder *e = open_embedder(BERT, PHIAL_POOL_MEAN, true);
    phial_status st =
        phial_collection_open(&c, in_folder(collection), PHIAL_COLLECTION_WRITE, NULL);
    if (st == PHIAL_OK)
        st = phial_collection_embed(c, e, NULL, NULL, NULL);
    phial_collection_close(c);
    _exit(st == PHIAL_OK ? 0 : 1);
}

/* PHIAL_KILLS in the environment: how many. */
static void test_kill(void **state)
{
    (void)state;
    const char *asked = getenv("PHIAL_KILLS");
    long kills = asked ? strtol(asked, NULL, 10) : 12;
    uint64_t last = 0;
    char doc[64];
    uint32_t seed = (uint32_t)getpid();
    phial_embedder *e = open_embedder(BERT, PHIAL_POOL_MEAN, true);
    put_records("k.jsonl", 0, 700, 1);
    index_texts("k0.phial", "k.jsonl", 0);
    copy_file("k0.phial", "k.phial");
    copy_file("k0.phial", "k2.phial");
    for (long i = 0; i < kills; i++) {
        seed = seed * 1664525u + 1013904223u;
        if (last == 700) {
            copy_file("k0.phial", "k.phial");
            last = 0;
        }
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            embed_in_child("k.phial");
        usleep(5000 + (seed >> 8) % 120000);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        phial_check_result k = check("k.phial", doc);
        assert_int_equal(k.n_damaged + k.n_bad_vectors, 0);
        assert_true(k.n_vectors >= last);
        last = k.n_vectors;
        phial_collection *c = open_as("k.phial", PHIAL_COLLECTION_READ);
        phial_vectors_info info = info_of(c);
        assert_true(!info.present || info.n_vectors + info.n_waiting == 700);
        phial_collection_close(c);
    }
    embed_all("k.phial", e, PHIAL_WHITEN_AS_IT_WAS);
    embed_all("k2.phial", e, PHIAL_WHITEN_AS_IT_WAS);
    assert_same_vectors("k.phial", "k2.phial");
    phial_embedder_close(e);
}

static void assert_refused(const char *collection, phial_embedder *e, const char *why)
{
    phial_search_options o;
    phial_hits *hits = NULL;
    phial_collection *c = open_as(collection, PHIAL_COLLECTION_WRITE);
    memset(&err, 0, sizeof err);
    assert_int_equal(phial_collection_embed(c, e, NULL, NULL, &err), PHIAL_ERR_ARGUMENT);
    if (!strstr(err.message, why))
        fail_msg("not about '%s': %s", why, err.message);
    phial_search_options_default(&o);
    o.embedder = e;
    assert_int_equal(search_for(c, &hits, "oil", &o), PHIAL_ERR_ARGUMENT);
    assert_null(hits);
    phial_collection_close(c);
}

static void test_other_embedder(void **state)
{
    (void)state;
    phial_vectors_options o;
    phial_search_options so;
    phial_hits *hits = NULL;
    char doc[64];
    uint64_t most = 1;
    phial_embedder *bert = open_embedder(BERT, PHIAL_POOL_MEAN, false),
                   *cls = open_embedder(BERT, PHIAL_POOL_CLS, false),
                   *unit = open_embedder(BERT, PHIAL_POOL_MEAN, true),
                   *phi = open_embedder(PHI, PHIAL_POOL_MEAN, false), *found = NULL;
    put_records("e.jsonl", 0, 100, 1);
    index_texts("e.phial", "e.jsonl", 0);
    embed_all("e.phial", bert, PHIAL_WHITEN_NONE);
    assert_refused("e.phial", cls, "pooling is cls, not mean");
    assert_refused("e.phial", unit, "length 1");
    assert_refused("e.phial", phi, "vectors of 32 numbers, not 24");

    phial_collection *c = open_as("e.phial", PHIAL_COLLECTION_WRITE);
    ok(phial_collection_open_embedder(c, &found, NULL, NULL, &err)); /* where it was */
    phial_embedder_close(found);
    assert_int_equal(phial_collection_open_embedder(c, &found, PHI, NULL, &err),
                     PHIAL_ERR_ARGUMENT);
    assert_null(found);

    /* Made anew by another: the old ones serve until it is done. */
    phial_vectors_options_default(&o);
    o.again = true;
    o.progress = stop_after;
    o.user = &most;
    assert_int_equal(phial_collection_embed(c, phi, &o, NULL, &err), PHIAL_ERR_CANCELLED);
    phial_vectors_info info = info_of(c);
    assert_true(info.remaking);
    assert_int_equal(info.dim, 24);
    phial_search_options_default(&so);
    so.mode = PHIAL_SEARCH_DENSE;
    so.embedder = bert;
    so.k = 200;
    ok(search_for(c, &hits, "oil", &so));
    assert_int_equal(phial_hits_count(hits), 100);
    phial_hits_free(hits);
    phial_collection_close(c);
    phial_check_result k = check("e.phial", doc);
    assert_int_equal(k.n_bad_vectors, 0);
    assert_true(k.n_vectors > 100);
    copy_file("e.phial", "e2.phial");

    /* Gone on with. */
    phial_vectors_result r = {.size = sizeof r};
    o.progress = NULL;
    c = open_as("e.phial", PHIAL_COLLECTION_WRITE);
    ok(phial_collection_embed(c, phi, &o, &r, &err));
    assert_true(r.n_embedded < 100);
    info = info_of(c);
    assert_false(info.remaking);
    assert_int_equal(info.dim, 32);
    assert_int_equal(info.n_vectors, 100);
    assert_int_equal(search_for(c, &hits, "oil", &so), PHIAL_ERR_ARGUMENT);
    so.embedder = phi;
    ok(search_for(c, &hits, "oil", &so));
    assert_int_equal(phial_hits_count(hits), 100);
    phial_hits_free(hits);
    phial_collection_close(c);
    assert_int_equal(check("e.phial", doc).n_vectors, 100);

    /* Or begun again by a third. */
    c = open_as("e2.phial", PHIAL_COLLECTION_WRITE);
    ok(phial_collection_embed(c, cls, &o, &r, &err));
    assert_int_equal(r.n_embedded, 100);
    assert_int_equal(info_of(c).pooling, PHIAL_POOL_CLS);
    phial_collection_close(c);
    k = check("e2.phial", doc);
    assert_int_equal(k.n_vectors, 100);
    assert_int_equal(k.n_bad_vectors, 0);
    phial_embedder_close(bert);
    phial_embedder_close(cls);
    phial_embedder_close(unit);
    phial_embedder_close(phi);
}

static void test_long_and_old(void **state)
{
    (void)state;
    phial_embedder *e = open_embedder(BERT, PHIAL_POOL_MEAN, false);
    put_records("l.jsonl", 0, 5, 12); /* a chunk of more than the model's 64 tokens */
    index_texts("l.phial", "l.jsonl", 0);
    sql("l.phial", "DROP TABLE embedder_facts; PRAGMA user_version=1000");
    phial_collection *c = open_as("l.phial", PHIAL_COLLECTION_READ);
    assert_false(info_of(c).present);
    phial_collection_close(c);
    phial_vectors_result r = embed_all("l.phial", e, PHIAL_WHITEN_NONE);
    assert_true(r.n_embedded >= 5);
    assert_int_equal(r.n_split, r.n_embedded);
    assert_true(r.n_tokens > 64 * r.n_embedded);
    c = open_as("l.phial", PHIAL_COLLECTION_READ);
    assert_int_equal(info_of(c).n_vectors, r.n_embedded);
    phial_collection_close(c);
    phial_embedder_close(e);
}

/* --- images --- */

/* The only image there is. */
static const char *image_path(void)
{
    static char path[600];
    const char *dir = in_folder("cache/phial");
    DIR *d = opendir(dir);
    path[0] = 0;
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        if (strstr(e->d_name, ".vindex")) {
            assert_int_equal(path[0], 0);
            snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        }
    }
    if (d)
        closedir(d);
    return path;
}

static void expect_hit(const char *collection, phial_embedder *e, int64_t want[5], bool first)
{
    phial_search_options o;
    phial_hits *hits = NULL;
    phial_search_options_default(&o);
    o.mode = PHIAL_SEARCH_DENSE;
    o.embedder = e;
    o.k = 5;
    phial_collection *c = open_as(collection, PHIAL_COLLECTION_READ);
    ok(search_for(c, &hits, "people find oil", &o));
    for (size_t i = 0; i < 5; i++) {
        if (first)
            want[i] = phial_hits_at(hits, i)->chunk;
        assert_int_equal(phial_hits_at(hits, i)->chunk, want[i]);
    }
    phial_hits_free(hits);
    phial_collection_close(c);
}

static void clear_cache(void)
{
    assert_int_equal(cli_run("rm -rf $D/cache")->code, 0);
}

static void damage(const char *path, long at, bool cut)
{
    if (cut) {
        assert_int_equal(truncate(path, at), 0);
        return;
    }
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    fseek(f, at, SEEK_SET);
    int byte = fgetc(f);
    fseek(f, at, SEEK_SET);
    fputc(byte ^ 0x10, f);
    fclose(f);
}

static void test_images(void **state)
{
    (void)state;
    int64_t want[5], other[5];
    phial_embedder *e = open_embedder(BERT, PHIAL_POOL_MEAN, false);
    put_records("i.jsonl", 0, 300, 1);
    index_texts("i.phial", "i.jsonl", 0);
    put_records("j.jsonl", 300, 300, 1);
    index_texts("j.phial", "j.jsonl", 0);
    embed_all("i.phial", e, PHIAL_WHITEN_NONE);
    embed_all("j.phial", e, PHIAL_WHITEN_NONE);
    clear_cache();
    expect_hit("j.phial", e, other, true);
    char foreign[600];
    snprintf(foreign, sizeof foreign, "%s", in_folder("foreign"));
    char line[1400];
    snprintf(line, sizeof line, "mv %s %s", image_path(), foreign);
    assert_int_equal(cli_run(line)->code, 0);

    expect_hit("i.phial", e, want, true); /* missing */
    char path[600];
    snprintf(path, sizeof path, "%s", image_path());
    long bytes = (long)ph_file_bytes(path);
    struct stat before, after;
    assert_int_equal(stat(path, &before), 0);
    expect_hit("i.phial", e, want, false); /* fresh: nothing is made */
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    for (long at = 9; at < bytes; at += bytes / 23) {
        damage(path, at, false);
        expect_hit("i.phial", e, want, false);
        damage(path, at, true);
        expect_hit("i.phial", e, want, false);
        assert_int_equal(ph_file_bytes(path), bytes);
    }
    snprintf(line, sizeof line, "cp %s %s", foreign, path); /* another collection's */
    assert_int_equal(cli_run(line)->code, 0);
    expect_hit("i.phial", e, want, false);
    snprintf(line, sizeof line, "echo nonsense >%s", path);
    assert_int_equal(cli_run(line)->code, 0);
    expect_hit("i.phial", e, want, false);

    /* A copy that went its own way keeps its own, whoever searches last. */
    copy_file("i.phial", "i2.phial");
    phial_collection *c = open_as("i2.phial", PHIAL_COLLECTION_WRITE);
    for (int i = 0; i < 5; i++) {
        phial_hits *hit = NULL;
        ok(phial_collection_chunks(c, &hit, &want[i], 1, &err));
        ok(phial_collection_remove(c, phial_hits_at(hit, 0)->doc, &err));
        phial_hits_free(hit);
    }
    phial_collection_close(c);
    int64_t left[5];
    expect_hit("i2.phial", e, left, true);
    for (int i = 0; i < 25; i++)
        assert_true(left[i / 5] != want[i % 5]);
    expect_hit("i.phial", e, want, false);
    expect_hit("i2.phial", e, left, false);

    /* What is removed is not found, though the image had it. */
    c = open_as("i2.phial", PHIAL_COLLECTION_WRITE);
    phial_hits *gone = NULL;
    ok(phial_collection_chunks(c, &gone, &left[0], 1, &err));
    ok(phial_collection_remove(c, phial_hits_at(gone, 0)->doc, &err));
    phial_hits_free(gone);
    phial_collection_close(c);
    for (int i = 0; i < 4; i++)
        left[i] = left[i + 1];
    int64_t now[5];
    expect_hit("i2.phial", e, now, true);
    assert_memory_equal(now, left, 4 * sizeof *now);

    /* Nowhere to keep one. */
    clear_cache();
    snprintf(line, sizeof line, "echo >%s", in_folder("cache"));
    assert_int_equal(cli_run(line)->code, 0);
    expect_hit("i.phial", e, want, false);
    setenv("TMPDIR", "/nonexistent", 1);
    phial_search_options o;
    phial_hits *hits = NULL;
    phial_search_options_default(&o);
    o.mode = PHIAL_SEARCH_DENSE;
    o.embedder = e;
    c = open_as("i.phial", PHIAL_COLLECTION_READ);
    assert_int_equal(search_for(c, &hits, "oil", &o), PHIAL_ERR_IO);
    phial_collection_close(c);
    unsetenv("TMPDIR");
    clear_cache();
    phial_embedder_close(e);
}

/* --- vectors that lie --- */

/* A cell of these numbers with the right checksum, as SQL. */
static void cell_sql(char *out, size_t room, int64_t chunk, const float *v, size_t dim)
{
    uint64_t sum = ph_hash64(v, dim * sizeof *v, (uint64_t)chunk);
    size_t n = (size_t)snprintf(out, room, "UPDATE vectors SET vector=X'");
    const unsigned char *p = (const unsigned char *)v;
    for (size_t i = 0; i < dim * sizeof *v; i++)
        n += (size_t)snprintf(out + n, room - n, "%02x", p[i]);
    p = (const unsigned char *)&sum;
    for (size_t i = 0; i < sizeof sum; i++)
        n += (size_t)snprintf(out + n, room - n, "%02x", p[i]);
    snprintf(out + n, room - n, "' WHERE chunk=%lld", (long long)chunk);
}

static void test_lies(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "UPDATE vectors SET vector=X'00' WHERE chunk=3",
        "UPDATE vectors SET vector=zeroblob(104) WHERE chunk=3",
        "UPDATE vectors SET vector=(SELECT vector FROM vectors WHERE chunk=4) WHERE chunk=3",
        "UPDATE vectors SET embedder=9 WHERE chunk=3",
        "UPDATE vectors SET chunk=9999 WHERE chunk=3",
        "UPDATE embedders SET dimensions=0",
        "UPDATE embedders SET dimensions=25",
        "UPDATE embedders SET dimensions=70000",
        "UPDATE embedders SET pooling='most'",
        "UPDATE embedders SET hash=X'00'",
        "UPDATE embedders SET type='f16'",
        "UPDATE embedders SET query_prefix=CAST(X'ff' AS TEXT)",
        "DELETE FROM embedders",
        "UPDATE settings SET value=-1 WHERE name='embedder'",
        "UPDATE embedder_facts SET value=CAST('x' AS BLOB) WHERE name='context'",
        "UPDATE embedder_facts SET value=CAST('4294967296' AS BLOB) WHERE name='fast'",
        "UPDATE embedder_facts SET value=CAST('7' AS BLOB) WHERE name='recipe'",
        "UPDATE embedder_facts SET value=CAST('7' AS BLOB) WHERE name='whiten'",
        "UPDATE embedder_facts SET value=zeroblob(200) WHERE name='whitening'",
        "UPDATE embedder_facts SET value=zeroblob(200) WHERE name='path'",
        "UPDATE embedder_facts SET value=CAST('scores 2' AS BLOB) WHERE name='fusion'",
    };
    char doc[64], text[3000];
    float v[24] = {0};
    phial_vectors_options again;
    phial_vectors_options_default(&again);
    again.again = true;
    phial_embedder *e = open_embedder(BERT, PHIAL_POOL_MEAN, false);
    put_records("v.jsonl", 0, 30, 1);
    index_texts("v.phial", "v.jsonl", 0);
    embed_all("v.phial", e, PHIAL_WHITEN_MEAN);
    v[5] = NAN;
    cell_sql(text, sizeof text, 3, v, 24);
    for (size_t i = 0; i <= sizeof changes / sizeof changes[0]; i++) {
        bool nan = i == sizeof changes / sizeof changes[0];
        phial_search_options o;
        phial_hits *hits = NULL;
        copy_file("v.phial", "v2.phial");
        clear_cache();
        sql("v2.phial", nan ? text : changes[i]);
        phial_search_options_default(&o);
        o.mode = PHIAL_SEARCH_DENSE;
        o.embedder = e;
        o.k = 40;
        phial_collection *c = open_as("v2.phial", PHIAL_COLLECTION_READ);
        memset(&err, 0, sizeof err);
        phial_status st = search_for(c, &hits, "people find oil", &o);
        bool moved = !nan && strstr(changes[i], "SET embedder=9") != NULL;
        if (!moved && st != PHIAL_ERR_BAD_INPUT && st != PHIAL_ERR_UNSUPPORTED &&
            st != PHIAL_ERR_ARGUMENT)
            fail_msg("%s: %d", nan ? "NaN" : changes[i], (int)st);
        if (moved)
            assert_int_equal(phial_hits_count(hits), 29);
        else
            assert_null(hits);
        phial_hits_free(hits);
        phial_collection_close(c);
        phial_check_result k = check("v2.phial", doc);
        if (k.n_bad_vectors == 0)
            fail_msg("check finds nothing: %s", nan ? "NaN" : changes[i]);
        if (strstr(changes[nan ? 0 : i], "embedder_facts")) /* no passage is blamed for these */
            assert_int_equal(k.n_bad_vectors, 1);
        if (i < 4 || nan)
            assert_non_null(strstr(doc, "d2"));
        c = open_as("v2.phial", PHIAL_COLLECTION_WRITE);
        ok(phial_collection_embed(c, e, &again, NULL, &err));
        phial_collection_close(c);
        assert_int_equal(check("v2.phial", doc).n_bad_vectors, 0);
        assert_same_vectors("v.phial", "v2.phial");
    }
    /* A vector of zeros is like nothing, and no harm. */
    memset(v, 0, sizeof v);
    cell_sql(text, sizeof text, 3, v, 24);
    copy_file("v.phial", "v2.phial");
    sql("v2.phial", text);
    sql("v2.phial", "UPDATE embedder_facts SET value=CAST('1' AS BLOB) WHERE name='whiten'");
    clear_cache();
    phial_search_options o;
    phial_hits *hits = NULL;
    phial_search_options_default(&o);
    o.mode = PHIAL_SEARCH_DENSE;
    o.embedder = e;
    o.k = 30;
    phial_collection *c = open_as("v2.phial", PHIAL_COLLECTION_READ);
    ok(search_for(c, &hits, "people find oil", &o));
    assert_int_equal(phial_hits_count(hits), 30);
    for (size_t i = 0; i < 30; i++)
        assert_true(phial_hits_at(hits, i)->chunk != 3 || phial_hits_at(hits, i)->score == 0);
    phial_hits_free(hits);
    phial_collection_close(c);
    assert_int_equal(check("v2.phial", doc).n_bad_vectors, 0);
    phial_embedder_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beside_brute_force),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_own_text),
        cmocka_unit_test(test_fusion_is_seen),
        cmocka_unit_test(test_interrupted_fusion),
        cmocka_unit_test(test_hybrid),
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_thinning),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_other_embedder),
        cmocka_unit_test(test_long_and_old),
        cmocka_unit_test(test_images),
        cmocka_unit_test(test_lies),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
