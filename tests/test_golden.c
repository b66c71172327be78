/* Logits, hidden states, every layer's tensors and greedy text against Hugging Face's own
 * PhiForCausalLM, at the tolerances of the golden data's README. Prints the table.
 * labels: slow
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
#include "base/utf8.h"
#include "fmt/safetensors.h"
#include "phial/session.h"
#include "phial/tokenizer.h"
#include "testdata.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

typedef struct golden {
    const char *model; /* below the golden data, or below tests/data if `ours` */
    const char *refs;  /* .safetensors of references */
    const char *facts; /* .json with _greedy, or NULL */
    bool ours;         /* in the repository, so never skipped */
    double tolerance;
    double tolerance_long; /* of sequences over 1,000 tokens */
} golden;

static const golden GOLDEN[] = {
    {"tiny-phi", "tiny-phi/refs.safetensors", "tiny-phi/refs.json", true, 5e-5, 5e-5},
    {"tiny-phi-a", "tiny-phi-a/refs.safetensors", "tiny-phi-a/refs.json", false, 5e-5, 5e-5},
    {"tiny-phi-a-sharded", "tiny-phi-a-sharded/refs.safetensors", "tiny-phi-a-sharded/refs.json",
     false, 5e-5, 5e-5},
    {"tiny-phi-gqa", "tiny-phi-gqa/refs.safetensors", "tiny-phi-gqa/refs.json", false, 5e-5, 5e-5},
    {"tiny-phi-gqa-noqkln", "tiny-phi-gqa-noqkln/refs.safetensors", "tiny-phi-gqa-noqkln/refs.json",
     false, 5e-5, 5e-5},
    {"tiny-phi-bf16", "tiny-phi-bf16/refs.safetensors", "tiny-phi-bf16/refs.json", false, 5e-5,
     5e-5},
    {"tiny-phi-overflow", "tiny-phi-overflow/refs.safetensors", "tiny-phi-overflow/refs.json",
     false, 5e-2, 5e-2},
    {"phi-mini", "phi-mini/refs.safetensors", "phi-mini/refs.json", false, 2e-4, 5e-4},
    {"gguf/tiny-phi-a-f32.gguf", "gguf/tiny-phi-a-f32.refs.safetensors", NULL, false, 5e-5, 5e-5},
    {"gguf/tiny-phi-a-f16.gguf", "gguf/tiny-phi-a-f16.refs.safetensors", NULL, false, 5e-5, 5e-5},
    {"gguf/tiny-phi-a-q8_0.gguf", "gguf/tiny-phi-a-q8_0.refs.safetensors", NULL, false, 5e-5, 5e-5},
};

/* One sequence under test: what is compared, and the largest difference so far. */
typedef struct watch {
    const ph_safetensors *refs;
    const char *name; /* of the sequence */
    size_t n;
    size_t n_vocab, n_embd;
    double logits, hidden, layers; /* largest differences */
    size_t n_compared;
    double *mean_logits; /* [n_vocab] sums */
    double *mean_hidden; /* [n_embd] sums */
} watch;

static const char *golden_path(const golden *g, const char *relative)
{
    static char ours[2][512];
    static int turn;
    char path[512];
    if (g->ours) {
        char *own = ours[turn++ % 2];
        snprintf(own, sizeof ours[0], PHIAL_SOURCE_DIR "/tests/data/%s", relative);
        return own;
    }
    snprintf(path, sizeof path, "golden/%s", relative);
    return ph_testdata(path);
}

/* Largest |a - b|; NaN counts as infinite. */
static double distance(const float *a, const uint8_t *b, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        float want;
        memcpy(&want, b + 4 * i, 4);
        double d = fabs((double)a[i] - want);
        if (!(d <= most)) {
            most = isnan(d) ? INFINITY : d;
        }
    }
    return most;
}

static const ph_st_tensor *reference(const watch *w, const char *fmt, ...) PH_PRINTF(2, 3);

static const ph_st_tensor *reference(const watch *w, const char *fmt, ...)
{
    char name[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(name, sizeof name, fmt, args);
    va_end(args);
    return ph_safetensors_tensor_find(w->refs, name);
}

static void note(watch *w, double *most, double d)
{
    *most = d > *most ? d : *most;
    w->n_compared++;
}

static void see_logits(void *user, size_t position, const float *logits)
{
    watch *w = user;
    const ph_st_tensor *t = reference(w, "%s.logits", w->name);
    if (t != NULL) {
        note(w, &w->logits, distance(logits, t->data + position * w->n_vocab * 4, w->n_vocab));
    }
    t = reference(w, "%s.logits_first4096", w->name);
    if (t != NULL) {
        note(w, &w->logits, distance(logits, t->data + position * 4096 * 4, 4096));
    }
    for (size_t i = 0; i < w->n_vocab; i++) {
        w->mean_logits[i] += logits[i];
    }
}

/* The layouts of the references differ for what Hugging Face keeps by head. */
static double by_head(const phial_activation_event *e, const ph_st_tensor *t)
{
    size_t heads = t->shape[0], rows = e->n, cols = t->n_elements / (heads * rows);
    double most = 0;
    for (size_t i = 0; i < rows; i++) {
        for (size_t h = 0; h < heads; h++) {
            double d = distance(e->data + i * e->n_cols + h * cols,
                                t->data + (h * rows + i) * cols * 4, cols);
            most = d > most ? d : most;
        }
    }
    return most;
}

static void see_activation(void *user, const phial_activation_event *e)
{
    watch *w = user;
    const char *name = phial_activation_name(e->what);
    if (e->what == PHIAL_ACT_FINAL_NORM) {
        const ph_st_tensor *t = reference(w, "%s.final_hidden", w->name);
        for (size_t i = 0; i < e->n; i++) {
            const float *row = e->data + i * w->n_embd;
            size_t position = e->position + i;
            if (t != NULL && t->shape[0] == w->n) {
                note(w, &w->hidden, distance(row, t->data + position * w->n_embd * 4, w->n_embd));
            } else if (t != NULL && position + 1 == w->n) {
                note(w, &w->hidden, distance(row, t->data, w->n_embd));
            }
            for (size_t c = 0; c < w->n_embd; c++) {
                w->mean_hidden[c] += row[c];
            }
        }
    }
    const ph_st_tensor *t = e->layer < 0
                                ? reference(w, "debug.%s.%s", w->name, name)
                                : reference(w, "debug.%s.layer%d.%s", w->name, e->layer, name);
    if (t == NULL) {
        return;
    }
    bool heads = e->what == PHIAL_ACT_K_CACHE || e->what == PHIAL_ACT_V_CACHE ||
                 e->what == PHIAL_ACT_ATTN_PROBS;
    assert_int_equal(t->n_elements, e->n * e->n_cols);
    note(w, &w->layers, heads ? by_head(e, t) : distance(e->data, t->data, t->n_elements));
}

static double mean_distance(const double *sums, size_t n_rows, const ph_st_tensor *t)
{
    double most = 0;
    for (size_t i = 0; i < t->n_elements; i++) {
        float want;
        memcpy(&want, t->data + 4 * i, 4);
        double d = fabs(sums[i] / (double)n_rows - want);
        most = d > most ? d : most;
    }
    return most;
}

static void check_sequence(const golden *g, const phial_model_info *info, phial_engine *engine,
                           const ph_safetensors *refs, const ph_st_tensor *ids_tensor)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)(ids_tensor->name.n - strlen(".input_ids")),
             ids_tensor->name.p);
    watch w = {.refs = refs,
               .name = name,
               .n = ids_tensor->n_elements,
               .n_vocab = info->n_vocab,
               .n_embd = info->n_embd,
               .mean_logits = test_calloc(info->n_vocab, sizeof(double)),
               .mean_hidden = test_calloc(info->n_embd, sizeof(double))};
    uint32_t *ids = test_malloc(w.n * sizeof *ids);
    memcpy(ids, ids_tensor->data, w.n * sizeof *ids);
    phial_error err = {0};
    phial_session *s = NULL;
    assert_int_equal(phial_session_new(&s, engine, 0, &err), PHIAL_OK);
    phial_session_on_logits(s, see_logits, &w);
    /* What has no reference in long sequences is not asked for: it costs more than the rest. */
    uint32_t which = w.n > 100 ? 1u << PHIAL_ACT_FINAL_NORM : PHIAL_ACT_ALL;
    assert_int_equal(phial_session_on_activation(s, which, see_activation, &w, &err), PHIAL_OK);
    if (phial_session_sync(s, ids, w.n, &err) != PHIAL_OK) {
        fail_msg("%s: %s", g->model, err.message);
    }
    const ph_st_tensor *t = reference(&w, "%s.last_logits", name);
    assert_non_null(t);
    note(&w, &w.logits, distance(phial_session_logits(s), t->data, w.n_vocab));
    t = reference(&w, "%s.mean_logits", name);
    if (t != NULL) {
        note(&w, &w.logits, mean_distance(w.mean_logits, w.n, t));
    }
    t = reference(&w, "%s.mean_hidden", name);
    if (t != NULL) {
        note(&w, &w.hidden, mean_distance(w.mean_hidden, w.n, t));
    }
    double tolerance = w.n > 1000 ? g->tolerance_long : g->tolerance;
    printf("%-26s %-8s %5zu %4zu %10.1e %10.1e %10.1e %10.1e\n", g->model, name, w.n, w.n_compared,
           w.logits, w.hidden, w.layers, tolerance);
    assert_true(w.logits <= tolerance);
    assert_true(w.hidden <= tolerance / 3);
    assert_true(w.layers <= tolerance);
    phial_session_free(s);
    test_free(ids);
    test_free(w.mean_logits);
    test_free(w.mean_hidden);
}

/* The most likely id; HF's generate() takes the first of equal ones. */
static uint32_t argmax(const float *logits, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return (uint32_t)best;
}

static size_t read_ids(uint32_t *ids, size_t max, const ph_json *list)
{
    size_t n = ph_json_count(list);
    assert_true(n <= max);
    for (size_t i = 0; i < n; i++) {
        int64_t id = 0;
        assert_true(ph_json_int(ph_json_at(list, i), &id));
        ids[i] = (uint32_t)id;
    }
    return n;
}

/* Goes on from n ids with the most likely ones, which must be those wanted. */
static void follow(phial_engine *engine, uint32_t n_vocab, uint32_t *ids, size_t n,
                   const uint32_t *want, size_t n_new)
{
    phial_session *s = NULL;
    assert_int_equal(phial_session_new(&s, engine, 0, NULL), PHIAL_OK);
    for (size_t i = 0; i < n_new; i++) {
        assert_int_equal(phial_session_sync(s, ids, n, NULL), PHIAL_OK);
        ids[n] = argmax(phial_session_logits(s), n_vocab);
        assert_int_equal(ids[n++], want[i]);
    }
    phial_session_free(s);
}

static void check_greedy(const golden *g, const phial_model_info *info, phial_engine *engine)
{
    ph_buf text;
    ph_buf_init(&text, 0);
    phial_error err = {0};
    assert_int_equal(ph_file_read(&text, golden_path(g, g->facts), 64 << 20, &err), PHIAL_OK);
    ph_json *facts = ph_json_parse(text.data, text.len, &err);
    const ph_json *list = ph_json_get(facts, "_greedy");
    assert_true(ph_json_count(list) > 0);
    for (size_t p = 0; p < ph_json_count(list); p++) {
        uint32_t ids[512], want[256];
        size_t n = read_ids(ids, 256, ph_json_get(ph_json_at(list, p), "prompt_ids"));
        size_t n_new = read_ids(want, 256, ph_json_get(ph_json_at(list, p), "new_ids"));
        follow(engine, info->n_vocab, ids, n, want, n_new);
    }
    ph_json_free(facts);
    ph_buf_free(&text);
}

/* The sequences meant for one batch, run together: each must give the bits of its single run. */
static void check_batch(phial_engine *engine, const ph_safetensors *refs, size_t n_vocab)
{
    phial_session *together[3], *alone = NULL;
    phial_tokens lists[3];
    uint32_t ids[3][64];
    phial_error err = {0};
    for (int i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "batch%d.input_ids", i);
        const ph_st_tensor *t = ph_safetensors_tensor_find(refs, name);
        if (t == NULL) {
            assert_int_equal(i, 0);
            return;
        }
        assert_true(t->n_elements <= 64);
        memcpy(ids[i], t->data, t->n_elements * sizeof ids[i][0]);
        lists[i] = (phial_tokens){ids[i], t->n_elements};
        assert_int_equal(phial_session_new(&together[i], engine, 0, &err), PHIAL_OK);
    }
    assert_int_equal(phial_session_sync_batch(together, lists, 3, &err), PHIAL_OK);
    assert_int_equal(phial_session_new(&alone, engine, 0, &err), PHIAL_OK);
    for (int i = 0; i < 3; i++) {
        phial_session_truncate(alone, 0);
        assert_int_equal(phial_session_sync(alone, lists[i].ids, lists[i].n, &err), PHIAL_OK);
        assert_memory_equal(phial_session_logits(alone), phial_session_logits(together[i]),
                            n_vocab * sizeof(float));
        phial_session_free(together[i]);
    }
    phial_session_free(alone);
}

static void golden_model(void **state)
{
    const golden *g = *state;
    const char *path = golden_path(g, g->model), *refs_path = golden_path(g, g->refs);
    if (path == NULL || refs_path == NULL) {
        skip();
    }
    phial_engine_options exact;
    phial_engine_options_default(&exact);
    exact.math = PHIAL_MATH_EXACT;
    phial_error err = {0};
    phial_model *model = NULL;
    phial_engine *engine = NULL;
    ph_safetensors *refs = NULL;
    if (phial_model_open(&model, path, NULL, &err) != PHIAL_OK ||
        phial_engine_new(&engine, model, &exact, &err) != PHIAL_OK ||
        ph_safetensors_open(&refs, refs_path, &err) != PHIAL_OK) {
        fail_msg("%s", err.message);
    }
    phial_model_info info = {.size = sizeof info};
    assert_int_equal(phial_model_get_info(model, &info, &err), PHIAL_OK);
    size_t n_sequences = 0;
    for (size_t i = 0; i < ph_safetensors_n_tensors(refs); i++) {
        const ph_st_tensor *t = ph_safetensors_tensor_at(refs, i);
        if (SANITIZED && t->n_elements > 1000 && ph_str_ends_with(t->name, ".input_ids")) {
            printf("%-26s %zu tokens: left to the builds without sanitizers\n", g->model,
                   (size_t)t->n_elements);
            n_sequences++;
        } else if (ph_str_ends_with(t->name, ".input_ids")) {
            check_sequence(g, &info, engine, refs, t);
            n_sequences++;
        }
    }
    assert_true(n_sequences >= 3);
    check_batch(engine, refs, info.n_vocab);
    if (g->facts != NULL) {
        check_greedy(g, &info, engine);
    }
    ph_safetensors_close(refs);
    phial_engine_free(engine);
    phial_model_close(model);
}

/* What Hugging Face's lossy decoding makes of bytes: U+FFFD for each maximal broken part. */
static void decode_lossy(ph_buf *out, const phial_tokenizer *tokenizer, const uint32_t *ids,
                         size_t n)
{
    char bytes[4096];
    size_t n_bytes = 0;
    assert_int_equal(
        phial_tokenizer_decode(tokenizer, bytes, sizeof bytes, &n_bytes, ids, n, 0, NULL),
        PHIAL_OK);
    assert_true(n_bytes <= sizeof bytes);
    for (size_t i = 0; i < n_bytes;) {
        const uint8_t *at = (const uint8_t *)bytes + i;
        size_t len;
        if (ph_utf8_decode(at, n_bytes - i, &len) != PH_UTF8_INVALID) {
            ph_buf_add(out, at, len);
        } else {
            size_t longest = 1; /* a beginning that only lacks its end is one broken part */
            for (size_t k = 2; k <= 3 && k <= n_bytes - i; k++) {
                longest = ph_utf8_incomplete_tail(at, k) == k ? k : longest;
            }
            ph_buf_add(out, "\xef\xbf\xbd", 3);
            len = longest;
        }
        i += len;
    }
}

/* One line of e2e.json: the prompt's text gives its ids, the model goes on with the same ids, and
 * they give the same text. */
static void check_line(const ph_json *line, const phial_tokenizer *tokenizer,
                       phial_encoder *encoder, phial_engine *engine, uint32_t n_vocab)
{
    uint32_t ids[512], want[256];
    ph_str text = {"", 0};
    size_t n = read_ids(ids, 256, ph_json_get(line, "prompt_ids"));
    size_t n_new = read_ids(want, 256, ph_json_get(line, "new_ids"));
    if (ph_json_str(ph_json_get(line, "prompt_text"), &text)) {
        size_t n_encoded;
        assert_int_equal(phial_encoder_run(encoder, text.p, text.n, PHIAL_ENCODE_SPECIAL, NULL),
                         PHIAL_OK);
        const uint32_t *encoded = phial_encoder_ids(encoder, &n_encoded);
        assert_int_equal(n_encoded, n);
        assert_memory_equal(encoded, ids, n * sizeof *ids);
    }
    follow(engine, n_vocab, ids, n, want, n_new);
    ph_buf out;
    ph_buf_init(&out, 0);
    decode_lossy(&out, tokenizer, ids + n, n_new);
    assert_true(ph_json_str(ph_json_get(line, "new_text_lossy"), &text));
    assert_int_equal(out.len, text.n);
    assert_memory_equal(out.data, text.p, text.n);
    ph_buf_free(&out);
}

static void text_in_text_out(void **state)
{
    (void)state;
    const char *model_path = ph_testdata("golden/phi-mini");
    const char *lines_path = ph_testdata("golden/phi-mini/e2e.json");
    const char *tokenizer_path = ph_testdata("golden/tokenizer/phi-2");
    if (model_path == NULL || lines_path == NULL || tokenizer_path == NULL) {
        skip();
    }
    phial_error err = {0};
    phial_model *model = NULL;
    phial_engine *engine = NULL;
    phial_tokenizer *tokenizer = NULL;
    phial_encoder *encoder = NULL;
    phial_model_info info = {.size = sizeof info};
    ph_buf text;
    ph_buf_init(&text, 0);
    assert_int_equal(phial_model_open(&model, model_path, NULL, &err), PHIAL_OK);
    assert_int_equal(phial_model_get_info(model, &info, &err), PHIAL_OK);
    assert_int_equal(phial_engine_new(&engine, model, NULL, &err), PHIAL_OK);
    assert_int_equal(phial_tokenizer_open(&tokenizer, tokenizer_path, &err), PHIAL_OK);
    assert_int_equal(phial_encoder_new(&encoder, tokenizer, &err), PHIAL_OK);
    assert_int_equal(ph_file_read(&text, lines_path, 1 << 20, &err), PHIAL_OK);
    ph_json *lines = ph_json_parse(text.data, text.len, &err);
    assert_true(ph_json_count(lines) > 0);
    for (size_t i = 0; i < ph_json_count(lines); i++) {
        check_line(ph_json_at(lines, i), tokenizer, encoder, engine, info.n_vocab);
    }
    ph_json_free(lines);
    ph_buf_free(&text);
    phial_encoder_free(encoder);
    phial_tokenizer_close(tokenizer);
    phial_engine_free(engine);
    phial_model_close(model);
}

int main(void)
{
    enum { N = sizeof GOLDEN / sizeof *GOLDEN };
    struct CMUnitTest tests[N + 1];
    for (size_t i = 0; i < N; i++) {
        union { /* cmocka takes the state as a mutable pointer and hands it on */
            const golden *in;
            void *out;
        } u = {&GOLDEN[i]};
        tests[i] = (struct CMUnitTest){
            .name = GOLDEN[i].model, .test_func = golden_model, .initial_state = u.out};
    }
    tests[N] = (struct CMUnitTest)cmocka_unit_test(text_in_text_out);
    printf("max |difference|:\n%-26s %-8s %5s %4s %10s %10s %10s %10s\n", "model", "sequence", "n",
           "refs", "logits", "hidden", "layers", "tolerance");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
