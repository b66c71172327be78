/* Re-ranking: order and scores beside likelihoods that are computed plainly, cost, limits. */
#include "vectors_util.h"

#include <math.h>

#include "rt/score.h"

typedef struct lm {
    phial_model *model;
    phial_engine *engine;
    phial_tokenizer *tokenizer;
    phial_encoder *encoder;
    phial_session *session;
    uint32_t n_vocab;
} lm;

static lm open_lm(uint32_t n_ctx)
{
    lm m = {.model = NULL};
    phial_model_info info = {.size = sizeof info};
    phial_engine_options eo;
    phial_engine_options_default(&eo);
    eo.n_threads = 1;
    eo.math = PHIAL_MATH_EXACT;
    ok(phial_model_open(&m.model, PHI, NULL, &err));
    ok(phial_tokenizer_open(&m.tokenizer, PHI, &err));
    ok(phial_encoder_new(&m.encoder, m.tokenizer, &err));
    ok(phial_engine_new(&m.engine, m.model, &eo, &err));
    ok(phial_session_new(&m.session, m.engine, n_ctx, &err));
    ok(phial_model_get_info(m.model, &info, &err));
    m.n_vocab = info.n_vocab;
    return m;
}

static void close_lm(lm *m)
{
    phial_session_free(m->session);
    phial_engine_free(m->engine);
    phial_encoder_free(m->encoder);
    phial_tokenizer_close(m->tokenizer);
    phial_model_close(m->model);
}

static size_t encode(lm *m, const char *text, size_t n, uint32_t *out)
{
    size_t n_ids = 0;
    ok(phial_encoder_run(m->encoder, text, n, 0, &err));
    const uint32_t *ids = phial_encoder_ids(m->encoder, &n_ids);
    memcpy(out, ids, n_ids * sizeof *ids);
    return n_ids;
}

/* One token at a time. */
static double plain_score(lm *m, const phial_hit *hit, const char *query)
{
    char text[4000];
    uint32_t ids[2000], scratch[200];
    int n = snprintf(text, sizeof text, "Passage: %.*s%s%.*s", (int)hit->title.n, hit->title.p,
                     hit->title.n ? "\n" : "", (int)hit->text.n, hit->text.p);
    size_t at = encode(m, text, (size_t)n, ids), n_before = encode(m, "\nQuestion:", 10, scratch);
    n = snprintf(text, sizeof text, "\nQuestion: %s", query);
    size_t n_query = encode(m, text, (size_t)n, ids + at), first = at + n_before;
    double sum = 0;
    for (size_t i = first; i < at + n_query; i++) {
        ok(phial_session_sync(m->session, ids, i, &err));
        sum += ph_score_log_prob(phial_session_logits(m->session), m->n_vocab, ids[i], NULL);
    }
    return sum / (double)(at + n_query - first);
}

static bool take_cost(void *user, const phial_rerank_cost *cost)
{
    *(phial_rerank_cost *)user = *cost;
    return cost->n_hits != 3;
}

static void test_order(void **state)
{
    (void)state;
    static const char query[] = "where is the oil";
    phial_rerank_options o;
    phial_rerank_cost cost = {0};
    phial_hits *hits = NULL;
    phial_search_options so;
    double want[12], behind[2];
    int64_t chunks[12];
    lm m = open_lm(256);
    put_records("r.jsonl", 0, 40, 1);
    index_texts("r.phial", "r.jsonl", 0);
    phial_search_options_default(&so);
    so.mode = PHIAL_SEARCH_LEXICAL;
    so.k = 10;
    phial_collection *c = open_as("r.phial", PHIAL_COLLECTION_READ);
    ok(search_for(c, &hits, "water oil people", &so));
    assert_int_equal(phial_hits_count(hits), 10);
    for (size_t i = 0; i < 10; i++) {
        want[i] = plain_score(&m, phial_hits_at(hits, i), query);
        chunks[i] = phial_hits_at(hits, i)->chunk;
    }
    behind[0] = phial_hits_at(hits, 8)->score;
    behind[1] = phial_hits_at(hits, 9)->score;
    phial_rerank_options_default(&o);
    o.session = m.session;
    o.tokenizer = m.tokenizer;
    o.cost = take_cost;
    o.user = &cost;
    o.n = 3; /* not wanted: nothing moves */
    assert_int_equal(phial_hits_rerank(hits, (phial_text){query, 16}, &o, &err),
                     PHIAL_ERR_CANCELLED);
    assert_int_equal(phial_hits_at(hits, 2)->chunk, chunks[2]);
    o.n = 8;
    ok(phial_hits_rerank(hits, (phial_text){query, 16}, &o, &err));
    assert_int_equal(cost.n_hits, 8);
    assert_true(cost.n_tokens > 8 * 20 && cost.est_seconds >= 0);
    for (size_t i = 0; i < 8; i++) {
        const phial_hit *h = phial_hits_at(hits, i);
        size_t at = 0;
        while (chunks[at] != h->chunk)
            at++;
        assert_true(at < 8);
        assert_true(fabs(h->score - want[at]) < 1e-9);
        assert_true(i == 0 || h->score <= phial_hits_at(hits, i - 1)->score);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(phial_hits_at(hits, 8 + i)->chunk, chunks[8 + i]);
        assert_true(phial_hits_at(hits, 8 + i)->score == behind[i]);
    }
    assert_int_equal(phial_hits_rerank(hits, (phial_text){"", 0}, &o, &err), PHIAL_ERR_ARGUMENT);
    o.session = NULL;
    assert_int_equal(phial_hits_rerank(hits, (phial_text){query, 16}, &o, &err),
                     PHIAL_ERR_ARGUMENT);
    phial_hits_free(hits);
    phial_collection_close(c);
    close_lm(&m);
}

/* Passages that do not fit are cut; a query that does not fit is an error. */
static void test_small_context(void **state)
{
    (void)state;
    char query[400] = "";
    phial_rerank_options o;
    phial_hits *hits = NULL;
    phial_search_options so;
    lm m = open_lm(48);
    put_records("s.jsonl", 0, 10, 8);
    index_texts("s.phial", "s.jsonl", 0);
    phial_search_options_default(&so);
    phial_collection *c = open_as("s.phial", PHIAL_COLLECTION_READ);
    ok(search_for(c, &hits, "people", &so));
    phial_rerank_options_default(&o);
    o.session = m.session;
    o.tokenizer = m.tokenizer;
    ok(phial_hits_rerank(hits, (phial_text){"the oil", 7}, &o, &err));
    memset(query, 'q', sizeof query - 1);
    assert_int_equal(phial_hits_rerank(hits, (phial_text){query, sizeof query - 1}, &o, &err),
                     PHIAL_ERR_CONTEXT_FULL);
    phial_hits_free(hits);
    phial_collection_close(c);
    close_lm(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order),
                                       cmocka_unit_test(test_small_context)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
