/* Vectors while memory runs out: the n-th allocation fails, for n = 1, 2, 3, ... until everything
 * passes. Each time there is a status, a sentence, no leak, and a collection that is whole.
 *
 * labels: slow
 * wrap: calloc realloc aligned_alloc
 */
#include "vectors_util.h"

#include "torture.h"

typedef struct scenario {
    phial_embedder *embedder;
    phial_session *session;
    phial_tokenizer *tokenizer;
    const char *collection;
} scenario;

static bool embed(phial_collection *c, const scenario *s, phial_error *why, phial_status *st)
{
    phial_vectors_options o;
    phial_vectors_info info = {.size = sizeof info};
    phial_vectors_options_default(&o);
    o.whiten = PHIAL_WHITEN_MEAN;
    *st = phial_collection_embed(c, s->embedder, &o, NULL, why);
    if (*st == PHIAL_OK)
        *st = phial_collection_get_vectors(c, &info, why);
    return *st == PHIAL_OK;
}

static bool use(void *arg)
{
    const scenario *s = arg;
    static const phial_text query = {"people find oil", 15};
    phial_error why = {0};
    phial_collection *c = NULL;
    phial_hits *hits = NULL;
    phial_search_options o;
    phial_rerank_options ro;
    phial_search_options_default(&o);
    o.embedder = s->embedder;
    o.diversity = 0.3;
    o.doc_glob = "d*";
    phial_rerank_options_default(&ro);
    ro.session = s->session;
    ro.tokenizer = s->tokenizer;
    phial_status st = phial_collection_open(&c, s->collection, PHIAL_COLLECTION_WRITE, &why);
    if (st == PHIAL_OK && embed(c, s, &why, &st))
        st = phial_collection_search(c, &hits, query, &o, &why);
    if (st == PHIAL_OK)
        st = phial_hits_rerank(hits, query, &ro, &why);
    if (st == PHIAL_OK)
        st = phial_collection_export_vectors(c, in_folder("t.npy"), in_folder("t.ids"), true, &why);
    if (st == PHIAL_OK)
        st = phial_collection_check(c, false, NULL, NULL, NULL, &why);
    if (st != PHIAL_OK) {
        /* A buffer with a limit does not tell the two apart. */
        if (st != PHIAL_ERR_NO_MEMORY &&
            (st != PHIAL_ERR_LIMIT || !strstr(why.message, "out of memory")))
            fail_msg("%s", why.message);
        assert_true(why.message[0] != '\0');
    }
    phial_hits_free(hits);
    phial_collection_close(c);
    return st == PHIAL_OK;
}

static void test_no_memory(void **state)
{
    (void)state;
    scenario s = {.embedder = open_embedder(BERT, PHIAL_POOL_MEAN, false)};
    phial_model *model = NULL;
    phial_engine *engine = NULL;
    phial_engine_options eo;
    phial_engine_options_default(&eo);
    eo.n_threads = 1;
    ok(phial_model_open(&model, PHI, NULL, &err));
    ok(phial_tokenizer_open(&s.tokenizer, PHI, &err));
    ok(phial_engine_new(&engine, model, &eo, &err));
    ok(phial_session_new(&s.session, engine, 128, &err));
    put_records("t.jsonl", 0, 25, 6);
    index_texts("t.phial", "t.jsonl", 32);
    s.collection = in_folder("t.phial");
    char path[256];
    snprintf(path, sizeof path, "%s", s.collection);
    s.collection = path;
    long failed = torture_run(use, &s, 20000);
    assert_true(failed > 30);
    phial_check_result r = {.size = sizeof r};
    phial_collection *c = open_as("t.phial", PHIAL_COLLECTION_READ);
    ok(phial_collection_check(c, false, NULL, NULL, &r, &err));
    assert_int_equal(r.n_bad_vectors + r.n_damaged, 0);
    assert_int_equal(r.n_vectors, info_of(c).n_vectors);
    phial_collection_close(c);
    phial_session_free(s.session);
    phial_engine_free(engine);
    phial_tokenizer_close(s.tokenizer);
    phial_model_close(model);
    phial_embedder_close(s.embedder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_memory)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
