/* Embeddings: BERT against transformers' own on small random models, WordPiece against the official
 * tokenizers and llama.cpp's vectors, Phi's pooled states against the golden ones, the same bits
 * whatever the threads and neighbours, and bad input.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "fmt/safetensors.h"
#include "phial/tokenizer.h"
#include "rt/embedder.h"
#include "testdata.h"

#define DATA PHIAL_SOURCE_DIR "/tests/data/"

static phial_embedder *open_with(const char *path, const phial_embedder_options *o)
{
    phial_error err = {0};
    phial_embedder *e = NULL;
    if (phial_embedder_open(&e, path, o, &err) != PHIAL_OK) {
        fail_msg("%s", err.message);
    }
    return e;
}

static phial_embedder_options options(phial_pooling pooling, phial_normalize normalize, int threads)
{
    phial_embedder_options o;
    phial_embedder_options_default(&o);
    o.pooling = pooling;
    o.normalize = normalize;
    o.n_threads = threads;
    return o;
}

static void embed_ok(phial_embedder *e, float *out, const phial_text *texts, size_t n)
{
    phial_error err = {0};
    if (phial_embed(e, out, NULL, texts, n, PHIAL_EMBED_PLAIN, NULL, &err) != PHIAL_OK) {
        fail_msg("%s", err.message);
    }
}

static phial_text text_of(const char *s)
{
    return (phial_text){s, strlen(s)};
}

static double distance(const float *a, const float *b, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - b[i]);
        most = d <= most ? most : isnan(d) ? INFINITY : d;
    }
    return most;
}

/* --- WordPiece -------------------------------------------------------------------------------- */

static void check_ids(const char *name, size_t i, phial_encoder *enc, ph_str text,
                      const ph_json *want)
{
    size_t n;
    assert_int_equal(phial_encoder_run(enc, text.p, text.n, 0, NULL), PHIAL_OK);
    const uint32_t *ids = phial_encoder_ids(enc, &n);
    const size_t *offsets = phial_encoder_offsets(enc, NULL);
    if (n != ph_json_count(want)) {
        fail_msg("%s: text %zu: %zu ids, not %zu", name, i, n, ph_json_count(want));
    }
    assert_int_equal(offsets[n], text.n);
    for (size_t k = 0; k < n; k++) {
        int64_t id = -1;
        ph_json_int(ph_json_at(want, k), &id);
        if ((int64_t)ids[k] != id) {
            fail_msg("%s: text %zu: id %zu is %u, not %lld", name, i, k, ids[k], (long long)id);
        }
        assert_true(offsets[k] <= offsets[k + 1]);
    }
}

static void tokenizer_agrees(const char *tokenizer, const char *facts)
{
    phial_tokenizer *t = NULL;
    phial_encoder *enc = NULL;
    phial_error err = {0};
    ph_buf text;
    ph_buf_init(&text, 0);
    if (phial_tokenizer_open(&t, tokenizer, &err) != PHIAL_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(phial_encoder_new(&enc, t, &err), PHIAL_OK);
    assert_int_equal(ph_file_read(&text, facts, 1 << 20, &err), PHIAL_OK);
    ph_json *list = ph_json_parse(text.data, text.len, &err);
    assert_true(ph_json_count(list) >= 9);
    for (size_t i = 0; i < ph_json_count(list); i++) {
        ph_str s;
        assert_true(ph_json_str(ph_json_get(ph_json_at(list, i), "text"), &s));
        check_ids(tokenizer, i, enc, s, ph_json_get(ph_json_at(list, i), "ids"));
    }
    assert_true(phial_tokenizer_adds_bos(t));
    ph_json_free(list);
    ph_buf_free(&text);
    phial_encoder_free(enc);
    phial_tokenizer_close(t);
}

static void wordpiece_as_transformers(void **state)
{
    (void)state;
    tokenizer_agrees(DATA "tiny-bert", DATA "tiny-bert/texts.json");
    tokenizer_agrees(DATA "tiny-bert/tokenizer.json", DATA "tiny-bert/texts.json");
    tokenizer_agrees(DATA "tiny-bert/vocab.txt", DATA "tiny-bert/texts.json");
    tokenizer_agrees(DATA "tiny-bert-odd", DATA "tiny-bert-odd/texts.json");
}

/* Texts between lines that say so; lines of ids. */
static void check_vectors(phial_encoder *enc, const ph_buf *inp, const ph_buf *out)
{
    static const char mark[] = "\n__ggml_vocab_test__\n";
    const char *p = inp->data, *q = out->data;
    size_t n_texts = 0;
    while (q < out->data + out->len) {
        const char *end = strstr(p, mark), *line = strchr(q, '\n');
        size_t n_text = end != NULL ? (size_t)(end - p) : strlen(p), n;
        assert_int_equal(phial_encoder_run(enc, p, n_text, 0, NULL), PHIAL_OK);
        const uint32_t *ids = phial_encoder_ids(enc, &n);
        char want[8192] = "", got[8192] = "";
        size_t at = 0;
        for (size_t i = 0; i < n; i++) {
            at += (size_t)snprintf(got + at, sizeof got - at, " %u", ids[i]);
        }
        snprintf(want, sizeof want, "%.*s", (int)(line - q), q);
        assert_string_equal(got, want);
        n_texts++;
        q = line + 1;
        p = end != NULL ? end + strlen(mark) : p + n_text;
    }
    assert_true(n_texts > 40);
}

static void wordpiece_as_llama(void **state)
{
    (void)state;
    const char *gguf = ph_testdata("models/ggml-vocab-bert-bge.gguf");
    const char *inp = ph_testdata("models/ggml-vocab-bert-bge.gguf.inp");
    const char *out = ph_testdata("models/ggml-vocab-bert-bge.gguf.out");
    const char *peers[] = {gguf, ph_testdata("models/all-MiniLM-L6-v2.tokenizer.json"),
                           ph_testdata("models/all-MiniLM-L6-v2.vocab.txt")};
    ph_buf texts[2];
    if (gguf == NULL || inp == NULL || out == NULL || peers[1] == NULL || peers[2] == NULL) {
        skip();
    }
    for (int i = 0; i < 2; i++) {
        ph_buf_init(&texts[i], 0);
        assert_int_equal(ph_file_read(&texts[i], i == 0 ? inp : out, 1 << 20, NULL), PHIAL_OK);
        assert_true(ph_buf_reserve(&texts[i], 1));
    }
    for (size_t i = 0; i < 3; i++) { /* one vocabulary in three forms */
        phial_tokenizer *t = NULL;
        phial_encoder *enc = NULL;
        phial_error err = {0};
        if (phial_tokenizer_open(&t, peers[i], &err) != PHIAL_OK) {
            fail_msg("%s", err.message);
        }
        assert_int_equal(phial_tokenizer_n_vocab(t), 30522);
        assert_int_equal(phial_tokenizer_bos(t), 101);
        assert_int_equal(phial_tokenizer_eos(t), 102);
        assert_int_equal(phial_encoder_new(&enc, t, NULL), PHIAL_OK);
        check_vectors(enc, &texts[0], &texts[1]);
        phial_encoder_free(enc);
        phial_tokenizer_close(t);
    }
    ph_buf_free(&texts[0]);
    ph_buf_free(&texts[1]);
}

static void wordpiece_edges(void **state)
{
    (void)state;
    phial_tokenizer *t = NULL;
    phial_encoder *enc = NULL;
    size_t n;
    static const char special[] = "a[SEP]a";
    assert_int_equal(phial_tokenizer_open(&t, DATA "tiny-bert", NULL), PHIAL_OK);
    assert_int_equal(phial_encoder_new(&enc, t, NULL), PHIAL_OK);
    uint32_t sep = phial_tokenizer_eos(t), unk = phial_tokenizer_find(t, "[UNK]", 5);
    assert_true(phial_tokenizer_is_special(t, sep));
    assert_int_equal(unk, 1);
    phial_encoder_run(enc, special, sizeof special - 1, PHIAL_ENCODE_SPECIAL, NULL);
    const uint32_t *ids = phial_encoder_ids(enc, &n);
    assert_int_equal(n, 3);
    assert_int_equal(ids[1], sep);
    const size_t *offsets = phial_encoder_offsets(enc, NULL);
    assert_int_equal(offsets[1], 1);
    assert_int_equal(offsets[2], 6);
    char word[101];
    memset(word, 'a', sizeof word);
    phial_encoder_run(enc, word, 100, 0, NULL);
    phial_encoder_ids(enc, &n);
    assert_int_equal(n, 100);
    phial_encoder_run(enc, word, 101, 0, NULL); /* a character too long */
    ids = phial_encoder_ids(enc, &n);
    assert_int_equal(n, 1);
    assert_int_equal(ids[0], unk);
    phial_encoder_run(enc, "\xFF\xFE", 2, 0, NULL); /* no UTF-8: as U+FFFD, which goes */
    phial_encoder_ids(enc, &n);
    assert_int_equal(n, 0);
    phial_encoder_free(enc);
    phial_tokenizer_close(t);
}

/* --- BERT ------------------------------------------------------------------------------------- */

static const ph_st_tensor *ref(const ph_safetensors *refs, size_t i, const char *what)
{
    char name[64];
    snprintf(name, sizeof name, "text%zu.%s", i, what);
    return ph_safetensors_tensor_find(refs, name);
}

/* What the pooling should give, in double from the references' rows. */
static void pooled(float *out, const ph_st_tensor *hidden, phial_pooling pooling)
{
    size_t n = hidden->shape[0], dim = hidden->shape[1];
    for (size_t c = 0; c < dim; c++) {
        double sum = 0, weights = 0;
        for (size_t i = 0; i < n; i++) {
            float x;
            memcpy(&x, hidden->data + 4 * (i * dim + c), 4);
            double w = pooling == PHIAL_POOL_MEAN       ? 1
                       : pooling == PHIAL_POOL_WEIGHTED ? (double)i + 1
                       : pooling == PHIAL_POOL_LAST     ? i + 1 == n
                                                        : i == 0;
            sum += w * x;
            weights += w;
        }
        out[c] = (float)(sum / weights);
    }
}

static void bert_agrees(const char *dir, phial_math math, double tolerance)
{
    static const phial_pooling ways[] = {PHIAL_POOL_MEAN, PHIAL_POOL_CLS, PHIAL_POOL_LAST,
                                         PHIAL_POOL_WEIGHTED};
    char path[512], facts_path[512];
    phial_error err = {0};
    ph_safetensors *refs = NULL;
    ph_buf text;
    snprintf(path, sizeof path, "%s/refs.safetensors", dir);
    snprintf(facts_path, sizeof facts_path, "%s/texts.json", dir);
    ph_buf_init(&text, 0);
    assert_int_equal(ph_safetensors_open(&refs, path, &err), PHIAL_OK);
    assert_int_equal(ph_file_read(&text, facts_path, 1 << 20, &err), PHIAL_OK);
    ph_json *facts = ph_json_parse(text.data, text.len, &err);
    for (size_t p = 0; p < sizeof ways / sizeof *ways; p++) {
        phial_embedder_options o = options(ways[p], PHIAL_NORMALIZE_NO, 2);
        o.math = math;
        phial_embedder *e = open_with(dir, &o);
        double most = 0;
        size_t n_compared = 0;
        for (size_t i = 0; i < ph_json_count(facts); i++) {
            const ph_st_tensor *hidden = ref(refs, i, "hidden");
            ph_str s;
            float got[64], want[64];
            if (hidden == NULL) {
                continue;
            }
            assert_true(ph_json_str(ph_json_get(ph_json_at(facts, i), "text"), &s));
            phial_text one = {s.p, s.n};
            embed_ok(e, got, &one, 1);
            pooled(want, hidden, ways[p]);
            double d = distance(got, want, phial_embedder_dim(e));
            most = d > most ? d : most;
            n_compared++;
        }
        printf("%s %s: %zu texts, %.1e of %.1e\n", strrchr(dir, '/') + 1,
               phial_pooling_name(ways[p]), n_compared, most, tolerance);
        assert_true(n_compared >= 7);
        assert_true(most <= tolerance);
        phial_embedder_close(e);
    }
    ph_json_free(facts);
    ph_buf_free(&text);
    ph_safetensors_close(refs);
}

static void bert_as_transformers(void **state)
{
    (void)state;
    bert_agrees(DATA "tiny-bert", PHIAL_MATH_EXACT, 1e-5);
    bert_agrees(DATA "tiny-bert-odd", PHIAL_MATH_EXACT, 1e-5);
}

/* Int8: rows of these tiny models are a few dozen numbers, which makes rounding larger than in
 * models that are used. */
static void bert_fast_is_near(void **state)
{
    (void)state;
    bert_agrees(DATA "tiny-bert", PHIAL_MATH_FAST, 0.1);
    bert_agrees(DATA "tiny-bert-odd", PHIAL_MATH_FAST, 0.1);
}

static const char *const SENTENCES[] = {
    "the time has come",
    "one two more people follow the water down to the old place and look for oil",
    "a",
    "He said: it is so",
    "many words of the same place, and then some more of them; where would they go?",
    "",
    "find work",
};
#define N_SENTENCES (sizeof SENTENCES / sizeof *SENTENCES)

/* Threads, batches and neighbours change no bit. */
static void check_same_bits(const char *path, phial_math math)
{
    float first[N_SENTENCES * 64], other[N_SENTENCES * 64];
    phial_text texts[N_SENTENCES];
    for (size_t i = 0; i < N_SENTENCES; i++) {
        texts[i] = text_of(SENTENCES[i]);
    }
    phial_embedder_options o = options(PHIAL_POOL_MEAN, PHIAL_NORMALIZE_YES, 1);
    o.math = math;
    phial_embedder *e = open_with(path, &o);
    size_t dim = phial_embedder_dim(e);
    embed_ok(e, first, texts, N_SENTENCES);
    for (size_t i = 0; i < N_SENTENCES; i++) { /* alone, and backwards */
        embed_ok(e, other, &texts[N_SENTENCES - 1 - i], 1);
        assert_memory_equal(other, first + (N_SENTENCES - 1 - i) * dim, dim * sizeof *other);
    }
    phial_embedder_close(e);
    for (int threads = 1; threads <= 4; threads += 3) {
        o.n_threads = threads;
        o.n_batch = threads == 1 ? 64 : 0;
        e = open_with(path, &o);
        embed_ok(e, other, texts, N_SENTENCES);
        assert_memory_equal(other, first, N_SENTENCES * dim * sizeof *other);
        phial_embedder_close(e);
    }
}

static void same_bits(void **state)
{
    (void)state;
    check_same_bits(DATA "tiny-bert", PHIAL_MATH_EXACT);
    check_same_bits(DATA "tiny-bert", PHIAL_MATH_FAST);
    check_same_bits(DATA "tiny-bert-odd", PHIAL_MATH_FAST);
}

/* Unit vectors; a long text is the mean of its parts, by their tokens. */
static void long_texts(void **state)
{
    (void)state;
    phial_embedder_options o = options(PHIAL_POOL_MEAN, PHIAL_NORMALIZE_NO, 2);
    phial_embedder *e = open_with(DATA "tiny-bert", &o);
    o.n_ctx = 8;
    phial_embedder *small = open_with(DATA "tiny-bert", &o);
    assert_int_equal(phial_embedder_n_ctx(small), 8);
    /* Nine words, a token each: in parts of 5 and 4. */
    phial_text whole = text_of("the time come first people follow water down place");
    phial_text parts[] = {text_of("the time come first people"),
                          text_of("follow water down place")};
    float got[64], want[2 * 64];
    uint32_t n_parts = 0;
    phial_embed_stats stats = {.size = sizeof stats};
    assert_int_equal(phial_embed(small, got, &n_parts, &whole, 1, PHIAL_EMBED_PLAIN, &stats, NULL),
                     PHIAL_OK);
    assert_int_equal(n_parts, 2);
    assert_int_equal(stats.n_split, 1);
    assert_int_equal(stats.n_tokens, 13);
    embed_ok(e, want, parts, 2);
    size_t dim = phial_embedder_dim(e);
    for (size_t c = 0; c < dim; c++) {
        want[c] = (5 * want[c] + 4 * want[dim + c]) / 9;
    }
    assert_true(distance(got, want, dim) < 1e-6);
    phial_embedder_close(small);
    phial_embedder_close(e);
}

static void prefixes(void **state)
{
    (void)state;
    phial_embedder_options o = options(PHIAL_POOL_MEAN, PHIAL_NORMALIZE_NO, 1);
    o.query = "find: ";
    phial_embedder *e = open_with(DATA "tiny-bert", &o);
    float got[64], want[64];
    phial_text bare = text_of("water"), with = text_of("find: water");
    assert_string_equal(phial_embedder_prefix(e, PHIAL_EMBED_QUERY), "find: ");
    assert_string_equal(phial_embedder_prefix(e, PHIAL_EMBED_PASSAGE), "");
    assert_int_equal(phial_embed(e, got, NULL, &bare, 1, PHIAL_EMBED_QUERY, NULL, NULL), PHIAL_OK);
    embed_ok(e, want, &with, 1);
    assert_memory_equal(got, want, phial_embedder_dim(e) * sizeof *got);
    char a[PHIAL_FINGERPRINT_BYTES], b[PHIAL_FINGERPRINT_BYTES];
    assert_int_equal(phial_embedder_fingerprint(e, a, NULL), PHIAL_OK);
    phial_embedder_close(e);
    o.query = "seek: ";
    e = open_with(DATA "tiny-bert", &o);
    assert_int_equal(phial_embedder_fingerprint(e, b, NULL), PHIAL_OK);
    assert_string_not_equal(a, b);
    phial_embedder_close(e);
    /* What collections have kept of exact arithmetic since there is a hash. */
    o.query = NULL;
    e = open_with(DATA "tiny-bert", &o);
    assert_int_equal(phial_embedder_fingerprint(e, a, NULL), PHIAL_OK);
    assert_string_equal(a, "34a4a7955976d1bb4f00d3f49c5e075e");
    phial_embedder_close(e);
}

/* --- Phi -------------------------------------------------------------------------------------- */

static void phi_agrees(const char *model, const char *refs_path, double tolerance)
{
    static const char *const names[] = {"mean_hidden", "mean_logits"};
    static const phial_pooling ways[] = {PHIAL_POOL_MEAN, PHIAL_POOL_MEAN_LOGITS};
    phial_error err = {0};
    ph_safetensors *refs = NULL;
    size_t n_compared = 0;
    assert_int_equal(ph_safetensors_open(&refs, refs_path, &err), PHIAL_OK);
    for (int p = 0; p < 2; p++) {
        phial_embedder_options o = options(ways[p], PHIAL_NORMALIZE_NO, 2);
        phial_embedder *e = NULL;
        double most = 0;
        if (ph_embedder_open_bare(&e, model, &o, &err) != PHIAL_OK) {
            fail_msg("%s", err.message);
        }
        float *got = test_malloc(phial_embedder_dim(e) * sizeof *got);
        for (size_t i = 0; i < ph_safetensors_n_tensors(refs); i++) {
            const ph_st_tensor *t = ph_safetensors_tensor_at(refs, i);
            char name[128];
            uint32_t ids[2048];
            if (!ph_str_ends_with(t->name, ".input_ids") || t->n_elements > 300) {
                continue;
            }
            snprintf(name, sizeof name, "%.*s.%s", (int)(t->name.n - strlen(".input_ids")),
                     t->name.p, names[p]);
            const ph_st_tensor *want = ph_safetensors_tensor_find(refs, name);
            if (want == NULL || t->n_elements > phial_embedder_n_ctx(e)) {
                continue;
            }
            memcpy(ids, t->data, t->n_elements * sizeof *ids);
            phial_tokens list = {ids, t->n_elements};
            assert_int_equal(want->n_elements, phial_embedder_dim(e));
            if (ph_embed_ids(e, got, &list, 1, &err) != PHIAL_OK) {
                fail_msg("%s", err.message);
            }
            float *copy = test_malloc(want->n_elements * sizeof *copy);
            memcpy(copy, want->data, want->n_elements * sizeof *copy);
            double d = distance(got, copy, want->n_elements);
            most = d > most ? d : most;
            test_free(copy);
            n_compared++;
        }
        printf("%s %s: %.1e of %.1e\n", model, names[p], most, tolerance);
        assert_true(most <= tolerance);
        test_free(got);
        phial_embedder_close(e);
    }
    assert_true(n_compared >= 2);
    ph_safetensors_close(refs);
}

static void phi_means(void **state)
{
    (void)state;
    static const char *const more[] = {"tiny-phi-a", "tiny-phi-gqa", "phi-mini"};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        char model[128], refs[160];
        snprintf(model, sizeof model, "golden/%s", more[i]);
        snprintf(refs, sizeof refs, "golden/%s/refs.safetensors", more[i]);
        const char *m = ph_testdata(model), *r = ph_testdata(refs);
        if (m == NULL || r == NULL) {
            skip();
        }
        phi_agrees(m, r, strcmp(more[i], "phi-mini") == 0 ? 2e-4 : 5e-5);
    }
}

/* Last, weighted and normalized against sums of the same session's rows: many lists at once, more
 * than run together. */
static void phi_batches(void **state)
{
    (void)state;
    enum { N = PH_EMBED_SLOTS + 9 };
    static uint32_t ids[N][7];
    phial_tokens lists[N];
    for (size_t i = 0; i < N; i++) {
        for (size_t k = 0; k < 7; k++) {
            ids[i][k] = (uint32_t)(i * 5 + k * 3) % 50;
        }
        lists[i] = (phial_tokens){ids[i], 1 + i % 7};
    }
    static const phial_pooling ways[] = {PHIAL_POOL_LAST, PHIAL_POOL_WEIGHTED, PHIAL_POOL_MEAN};
    for (size_t p = 0; p < 3; p++) {
        phial_embedder_options o = options(ways[p], PHIAL_NORMALIZE_YES, 2);
        phial_embedder *e = NULL;
        assert_int_equal(ph_embedder_open_bare(&e, DATA "tiny-phi", &o, NULL), PHIAL_OK);
        size_t dim = phial_embedder_dim(e);
        float *all = test_malloc(N * dim * sizeof *all), *one = test_malloc(dim * sizeof *one);
        assert_int_equal(ph_embed_ids(e, all, lists, N, NULL), PHIAL_OK);
        for (size_t i = 0; i < N; i += 11) {
            double sum = 0;
            assert_int_equal(ph_embed_ids(e, one, &lists[i], 1, NULL), PHIAL_OK);
            assert_memory_equal(one, all + i * dim, dim * sizeof *one);
            for (size_t c = 0; c < dim; c++) {
                sum += (double)one[c] * one[c];
            }
            assert_true(fabs(sum - 1) < 1e-6);
        }
        test_free(all);
        test_free(one);
        phial_embedder_close(e);
    }
}

/* --- bad input -------------------------------------------------------------------------------- */

static void refused(const char *path, const phial_embedder_options *o, phial_status want,
                    const char *saying)
{
    phial_embedder *e = NULL;
    phial_error err = {0};
    assert_int_equal(phial_embedder_open(&e, path, o, &err), want);
    if (strstr(err.message, saying) == NULL) {
        fail_msg("'%s' does not say '%s'", err.message, saying);
    }
    assert_null(e);
}

static void bad_options(void **state)
{
    (void)state;
    phial_embedder_options o = options(PHIAL_POOL_MEAN_LOGITS, PHIAL_NORMALIZE_AUTO, 1);
    refused(DATA "tiny-bert", &o, PHIAL_ERR_ARGUMENT, "no logits");
    o = options(PHIAL_POOL_CLS, PHIAL_NORMALIZE_AUTO, 1);
    refused(DATA "tiny-phi", &o, PHIAL_ERR_ARGUMENT, "cls");
    o = options(PHIAL_POOL_MEAN, PHIAL_NORMALIZE_AUTO, 1);
    o.n_ctx = 65;
    refused(DATA "tiny-bert", &o, PHIAL_ERR_ARGUMENT, "4 to 64");
    o = options(PHIAL_POOL_MEAN, PHIAL_NORMALIZE_AUTO, 1);
    refused(DATA "nowhere", &o, PHIAL_ERR_IO, "nowhere");
    o.size = 1;
    refused(DATA "tiny-bert", &o, PHIAL_ERR_ARGUMENT, "phial_embedder_options_default");
    /* A language model's engine does not take BERT. */
    phial_model *model = NULL;
    phial_engine *engine = NULL;
    phial_error err = {0};
    assert_int_equal(phial_model_open(&model, DATA "tiny-bert", NULL, &err), PHIAL_OK);
    assert_int_equal(phial_engine_new(&engine, model, NULL, &err), PHIAL_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "makes embeddings"));
    phial_model_close(model);
}

/* A copy of tiny-bert whose file is changed. */
static void copy_file(const char *dir, const char *name, size_t at, const void *bytes, size_t n)
{
    char from[512], to[512];
    ph_buf data;
    ph_buf_init(&data, 0);
    snprintf(from, sizeof from, DATA "tiny-bert/%s", name);
    snprintf(to, sizeof to, "%s/%s", dir, name);
    assert_int_equal(ph_file_read(&data, from, 1 << 24, NULL), PHIAL_OK);
    if (n > 0) {
        memcpy(data.data + data.len - at, bytes, n);
    }
    FILE *f = fopen(to, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data.data, 1, data.len, f), data.len);
    assert_int_equal(fclose(f), 0);
    ph_buf_free(&data);
}

static void nan_is_named(void **state)
{
    (void)state;
    char dir[] = "/tmp/phial-embed-XXXXXX";
    assert_non_null(mkdtemp(dir));
    const float nan = NAN;
    copy_file(dir, "config.json", 0, NULL, 0);
    copy_file(dir, "vocab.txt", 0, NULL, 0);
    copy_file(dir, "model.safetensors", 4, &nan, sizeof nan);
    phial_embedder *e = open_with(dir, NULL);
    phial_text text = text_of("time");
    float v[64];
    phial_error err = {0};
    phial_status status = phial_embed(e, v, NULL, &text, 1, PHIAL_EMBED_PLAIN, NULL, &err);
    /* The last tensor of the file is the pooler's, which plays no part. */
    assert_int_equal(status, PHIAL_OK);
    phial_embedder_close(e);
    ph_safetensors *st = NULL;
    char path[512];
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    assert_int_equal(ph_safetensors_open(&st, path, NULL), PHIAL_OK);
    const ph_st_tensor *t =
        ph_safetensors_tensor_find(st, "encoder.layer.1.intermediate.dense.weight");
    const ph_map *map = ph_safetensors_map(st, 0);
    size_t behind = ph_map_size(map) - (size_t)(t->data - ph_map_data(map));
    ph_safetensors_close(st);
    copy_file(dir, "model.safetensors", behind, &nan, sizeof nan);
    e = open_with(dir, NULL);
    assert_int_equal(phial_embed(e, v, NULL, &text, 1, PHIAL_EMBED_PLAIN, NULL, &err),
                     PHIAL_ERR_NUMERIC);
    assert_non_null(strstr(err.message, "text 1"));
    assert_non_null(strstr(err.message, "'encoder.layer.1.intermediate.dense.weight'"));
    phial_embedder_close(e);
    static const char *const names[] = {"vocab.txt", "config.json", "model.safetensors"};
    for (int i = 0; i < 3; i++) {
        if (i == 1) {
            refused(dir, NULL, PHIAL_ERR_BAD_INPUT, "no tokenizer for embedding");
        }
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        remove(path);
    }
    remove(dir);
}

static void cancelling(void **state)
{
    (void)state;
    phial_embedder *e = open_with(DATA "tiny-bert", NULL);
    phial_text text = text_of("time");
    float v[64];
    phial_embedder_cancel(e);
    assert_int_equal(phial_embed(e, v, NULL, &text, 1, PHIAL_EMBED_PLAIN, NULL, NULL),
                     PHIAL_ERR_CANCELLED);
    embed_ok(e, v, &text, 1); /* only the one call */
    embed_ok(e, v, NULL, 0);
    phial_embedder_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wordpiece_as_transformers),
        cmocka_unit_test(wordpiece_as_llama),
        cmocka_unit_test(wordpiece_edges),
        cmocka_unit_test(bert_as_transformers),
        cmocka_unit_test(bert_fast_is_near),
        cmocka_unit_test(same_bits),
        cmocka_unit_test(long_texts),
        cmocka_unit_test(prefixes),
        cmocka_unit_test(phi_means),
        cmocka_unit_test(phi_batches),
        cmocka_unit_test(bad_options),
        cmocka_unit_test(nan_is_named),
        cmocka_unit_test(cancelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
