/* convert and synth: there and back, byte for byte.
 *
 * What a clone carries is enough for most of it: synth makes the models. With the test data, every
 * golden model makes the trip too, and the vocabulary is compared with the one that llama.cpp's
 * converter wrote. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fmt/gguf_write.h"
#include "fmt/hfconfig.h"
#include "fmt/safetensors.h"
#include "model/convert.h"
#include "model/convert_dir.h"
#include "model/convert_plan.h"
#include "model/synth.h"
#include "phial/phial.h"
#include "testdata.h"

static char dir[] = "/tmp/phial-test-convert-XXXXXX";
static char notices[4096];

static const char *at(const char *name)
{
    static char paths[8][512];
    static int turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static void note(void *user, int level, const char *line)
{
    (void)user;
    (void)level;
    size_t n = strlen(notices);
    snprintf(notices + n, sizeof notices - n, "%s\n", line);
}

static void convert(const char *src, const char *dst)
{
    ph_convert_options o = {.overwrite = true, .log = {.fn = note}};
    phial_error err = {0};
    notices[0] = '\0';
    if (ph_convert(src, dst, &o, &err) != PHIAL_OK)
        fail_msg("%s", err.message);
}

static void convert_as(const char *src, const char *dst, ph_dtype type)
{
    ph_convert_options o = {.overwrite = true, .has_type = true, .type = type};
    phial_error err = {0};
    if (ph_convert(src, dst, &o, &err) != PHIAL_OK)
        fail_msg("%s", err.message);
}

static void synth(const char *name, ph_dtype type, uint64_t seed, int n_threads)
{
    ph_synth_options o = {
        .like = "tiny", .type = type, .seed = seed, .n_threads = n_threads, .overwrite = true};
    phial_error err = {0};
    if (ph_synth(at(name), &o, &err) != PHIAL_OK)
        fail_msg("%s", err.message);
}

static ph_safetensors *open_st(const char *path)
{
    ph_safetensors *st;
    phial_error err = {0};
    if (ph_safetensors_open(&st, path, &err) != PHIAL_OK)
        fail_msg("%s", err.message);
    return st;
}

/* Names, dtypes, shapes and bytes, each way round by count. */
static void assert_same_tensors(const char *path_a, const char *path_b)
{
    ph_safetensors *a = open_st(path_a), *b = open_st(path_b);
    char name[PH_ST_MAX_NAME + 1];
    assert_int_equal(ph_safetensors_n_tensors(a), ph_safetensors_n_tensors(b));
    for (size_t i = 0; i < ph_safetensors_n_tensors(a); i++) {
        const ph_st_tensor *x = ph_safetensors_tensor_at(a, i);
        memcpy(name, x->name.p, x->name.n);
        name[x->name.n] = '\0';
        const ph_st_tensor *y = ph_safetensors_tensor_find(b, name);
        if (!y || strcmp(x->dtype, y->dtype) != 0 || x->n_dims != y->n_dims ||
            memcmp(x->shape, y->shape, sizeof x->shape) != 0 ||
            memcmp(x->data, y->data, (size_t)x->data_bytes) != 0)
            fail_msg("'%s' did not come back as it was", name);
    }
    ph_safetensors_close(a);
    ph_safetensors_close(b);
}

static void assert_same_file(const char *path_a, const char *path_b, bool same)
{
    ph_buf a, b;
    ph_buf_init(&a, 0);
    ph_buf_init(&b, 0);
    assert_int_equal(ph_file_read(&a, path_a, SIZE_MAX / 2, NULL), PHIAL_OK);
    assert_int_equal(ph_file_read(&b, path_b, SIZE_MAX / 2, NULL), PHIAL_OK);
    assert_int_equal(a.len == b.len && memcmp(a.data, b.data, a.len) == 0, same);
    ph_buf_free(&a);
    ph_buf_free(&b);
}

static void synth_does_not_depend_on_threads(void **state)
{
    (void)state;
    static const ph_dtype types[] = {PH_DTYPE_F32, PH_DTYPE_F16, PH_DTYPE_BF16, PH_DTYPE_Q8_0};
    for (size_t i = 0; i < 4; i++) {
        synth("one.gguf", types[i], 1, 1);
        synth("three.gguf", types[i], 1, 3);
        synth("other.gguf", types[i], 2, 2);
        assert_same_file(at("one.gguf"), at("three.gguf"), true);
        assert_same_file(at("one.gguf"), at("other.gguf"), false);
    }
}

static void synth_is_what_it_says(void **state)
{
    (void)state;
    ph_gguf *g;
    double sum = 0, square = 0;
    synth("s.gguf", PH_DTYPE_F32, 5, 2);
    assert_int_equal(ph_gguf_open(&g, at("s.gguf"), NULL), PHIAL_OK);
    assert_int_equal(ph_gguf_n_tensors(g), 33);
    const ph_gguf_tensor *t = ph_gguf_tensor_find(g, "blk.1.ffn_up.weight");
    assert_int_equal(t->dims[0], 64);
    assert_int_equal(t->dims[1], 256);
    for (uint64_t i = 0; i < t->n_elements; i++) {
        float v;
        memcpy(&v, t->data + 4 * i, sizeof v);
        sum += (double)v;
        square += (double)v * (double)v;
    }
    double n = (double)t->n_elements, variance = square / n;
    assert_true(sum / n < 0.001 && sum / n > -0.001);
    assert_true(variance > 0.00036 && variance < 0.00044); /* 0.02^2 */
    ph_gguf_close(g);
}

/* A folder with its tensors under the names of an older layout, q, k and v in one. */
static void make_fused(const char *src, const char *dst, ph_phi_layout layout)
{
    ph_safetensors *st = open_st(src);
    const ph_st_tensor *embd = ph_safetensors_tensor_find(st, "model.embed_tokens.weight");
    uint64_t n_blocks = 2, hidden = embd->shape[1];
    ph_st_writer *w;
    char path[600], name[PH_PHI_NAME_BYTES];
    assert_int_equal(ph_dir_make(dst, NULL), PHIAL_OK);
    assert_int_equal(ph_st_writer_new(&w, NULL), PHIAL_OK);
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t b = 0; b < n_blocks; b++) {
            for (int i = 0; i < PH_PHI_N_TENSORS * 2; i++) {
                ph_phi_ref ref = {(ph_phi_tensor)(i / 2), (ph_phi_part)(i % 2), b};
                if ((b > 0 && !ph_phi_per_block(ref.tensor)) ||
                    !ph_phi_name(name, layout, ref, n_blocks))
                    continue;
                uint64_t shape[2] = {3 * hidden, hidden};
                uint32_t n_dims = ref.part == PH_PHI_WEIGHT ? 2 : 1;
                int n_parts = ref.tensor == PH_PHI_ATTN_QKV ? 3 : 1;
                for (int part = 0; part < n_parts; part++) {
                    ph_phi_ref old = ref;
                    char old_name[PH_PHI_NAME_BYTES];
                    if (n_parts == 3)
                        old.tensor = (ph_phi_tensor)(PH_PHI_ATTN_Q + part);
                    assert_true(ph_phi_name(old_name, PH_PHI_LAYOUT_HF, old, n_blocks));
                    const ph_st_tensor *t = ph_safetensors_tensor_find(st, old_name);
                    if (pass == 1) {
                        assert_int_equal(ph_st_writer_data(w, t->data, t->data_bytes, NULL), 0);
                        continue;
                    }
                    const uint64_t *dims = n_parts == 3 ? shape : t->shape;
                    n_dims = n_parts == 3 ? n_dims : t->n_dims;
                    if (part == 0)
                        assert_int_equal(
                            ph_st_writer_tensor(w, ph_str_from(name), t->dtype, n_dims, dims, NULL),
                            PHIAL_OK);
                }
            }
        }
        snprintf(path, sizeof path, "%s/model.safetensors", dst);
        if (pass == 0)
            assert_int_equal(ph_st_writer_begin(w, path, NULL), PHIAL_OK);
    }
    assert_int_equal(ph_st_writer_commit(w, NULL), PHIAL_OK);
    ph_st_writer_free(w);
    ph_safetensors_close(st);
    snprintf(path, sizeof path, "cp %s/config.json %s/", src, dst);
    assert_int_equal(system(path), 0);
}

static void synthetic_models_round_trip(void **state)
{
    (void)state;
    static const ph_dtype types[] = {PH_DTYPE_F32, PH_DTYPE_F16, PH_DTYPE_BF16};
    for (size_t i = 0; i < 3; i++) {
        synth("s.gguf", types[i], 7, 2);
        convert(at("s.gguf"), at("hf"));
        convert(at("hf"), at("t.gguf"));
        convert(at("t.gguf"), at("back"));
        assert_string_equal(notices, "");
        assert_same_tensors(at("hf"), at("back"));
        assert_same_file(at("hf/config.json"), at("back/config.json"), true);
    }
}

/* Two models that must compute the same bits. */
static void assert_same_logits(const char *path_a, const char *path_b)
{
    enum { N_IDS = 20 };
    const char *const paths[] = {path_a, path_b};
    uint32_t ids[N_IDS];
    float *first = NULL;
    for (uint32_t i = 0; i < N_IDS; i++)
        ids[i] = i * 37 % 500;
    for (int i = 0; i < 2; i++) {
        phial_model *m = NULL;
        phial_engine *e = NULL;
        phial_session *s = NULL;
        phial_error err = {0};
        phial_model_info info = {.size = sizeof info};
        if (phial_model_open(&m, paths[i], NULL, &err) != PHIAL_OK ||
            phial_model_get_info(m, &info, &err) != PHIAL_OK ||
            phial_engine_new(&e, m, NULL, &err) != PHIAL_OK ||
            phial_session_new(&s, e, N_IDS, &err) != PHIAL_OK ||
            phial_session_sync(s, ids, N_IDS, &err) != PHIAL_OK)
            fail_msg("%s", err.message);
        size_t bytes = info.n_vocab * sizeof(float);
        if (i == 0) {
            first = malloc(bytes);
            assert_non_null(first);
            memcpy(first, phial_session_logits(s), bytes);
        } else {
            assert_memory_equal(first, phial_session_logits(s), bytes);
        }
        phial_session_free(s);
        phial_engine_free(e);
        phial_model_close(m);
    }
    free(first);
}

static void fused_layouts_round_trip(void **state)
{
    (void)state;
    static const ph_phi_layout layouts[] = {PH_PHI_LAYOUT_MSFT, PH_PHI_LAYOUT_MIXFORMER};
    ph_gguf *g;
    synth("s.gguf", PH_DTYPE_BF16, 7, 2);
    convert(at("s.gguf"), at("hf"));
    for (size_t i = 0; i < 2; i++) {
        make_fused(at("hf"), at("fused"), layouts[i]);
        convert(at("fused"), at("f.gguf"));
        convert(at("f.gguf"), at("back"));
        assert_same_tensors(at("fused"), at("back"));
        assert_same_logits(at("hf"), at("fused"));
        assert_same_logits(at("hf"), at("f.gguf"));
        assert_int_equal(ph_gguf_open(&g, at("f.gguf"), NULL), PHIAL_OK);
        assert_non_null(ph_gguf_tensor_find(g, "blk.1.attn_qkv.bias"));
        assert_null(ph_gguf_tensor_find(g, "blk.1.attn_q.bias"));
        ph_gguf_close(g);
    }
}

/* A GGUF file with attn_qkv that says nothing of its origin: q, k and v must come out apart. */
static void fused_gguf_of_others_is_cut(void **state)
{
    (void)state;
    ph_gguf *g;
    ph_gguf_writer *w;
    synth("s.gguf", PH_DTYPE_F16, 9, 2);
    convert(at("s.gguf"), at("hf"));
    make_fused(at("hf"), at("fused"), PH_PHI_LAYOUT_MSFT);
    convert(at("fused"), at("f.gguf"));
    assert_int_equal(ph_gguf_open(&g, at("f.gguf"), NULL), PHIAL_OK);
    assert_int_equal(ph_gguf_writer_new(&w, NULL), PHIAL_OK);
    for (size_t i = 0; i < ph_gguf_n_kv(g); i++) {
        if (!ph_str_starts_with(ph_gguf_kv_at(g, i)->key, "phial."))
            ph_gguf_put_kv(w, ph_gguf_kv_at(g, i));
    }
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < ph_gguf_n_tensors(g); i++) {
            const ph_gguf_tensor *t = ph_gguf_tensor_at(g, i);
            char name[128];
            snprintf(name, sizeof name, "%.*s", PH_STR_ARG(t->name));
            if (pass == 0)
                assert_int_equal(ph_gguf_put_tensor(w, name, t->type->id, t->n_dims, t->dims, NULL),
                                 PHIAL_OK);
            else
                assert_int_equal(ph_gguf_writer_data(w, t->data, t->data_bytes, NULL), PHIAL_OK);
        }
        if (pass == 0)
            assert_int_equal(ph_gguf_writer_begin(w, at("bare.gguf"), NULL), PHIAL_OK);
    }
    assert_int_equal(ph_gguf_writer_commit(w, NULL), PHIAL_OK);
    ph_gguf_writer_free(w);
    ph_gguf_close(g);
    convert(at("bare.gguf"), at("cut"));
    assert_same_tensors(at("hf"), at("cut"));
}

static phial_status sink_to_buf(void *sink, const void *bytes, size_t n, phial_error *err)
{
    ph_buf_add(sink, bytes, n);
    return ph_buf_status(sink, err);
}

/* All 65,536 numbers of the narrow types as a bias, NaN with every payload among them. */
static void every_half_comes_back(void **state)
{
    (void)state;
    static const char *const dtypes[] = {"F16", "BF16"};
    for (int which = 0; which < 2; which++) {
        static uint16_t values[65536];
        ph_convert_item item = {.rows = 65536,
                                .from = which ? PH_DTYPE_BF16 : PH_DTYPE_F16,
                                .to = PH_DTYPE_F32,
                                .data = (const uint8_t *)values,
                                .data_bytes = sizeof values};
        for (uint32_t i = 0; i < 65536; i++)
            values[i] = (uint16_t)i;
        ph_convert_plan plan = {0};
        ph_convert_options options = {0};
        ph_buf wide, back;
        ph_buf_init(&wide, 0);
        ph_buf_init(&back, 0);
        assert_int_equal(ph_convert_plan_add(&plan, &item, NULL), PHIAL_OK);
        assert_int_equal(ph_convert_plan_run(&plan, &options, sink_to_buf, &wide, NULL), PHIAL_OK);
        assert_int_equal(wide.len, 4 * 65536);
        assert_true(ph_convert_is_exact((const uint8_t *)wide.data, 65536, item.from));
        plan.items[0] = (ph_convert_item){.rows = 65536,
                                          .from = PH_DTYPE_F32,
                                          .to = item.from,
                                          .data = (const uint8_t *)wide.data,
                                          .data_bytes = wide.len};
        assert_int_equal(ph_convert_plan_run(&plan, &options, sink_to_buf, &back, NULL), PHIAL_OK);
        assert_int_equal(back.len, sizeof values);
        if (memcmp(back.data, values, sizeof values) != 0)
            fail_msg("%s: not every value came back", dtypes[which]);
        ph_buf_free(&wide);
        ph_buf_free(&back);
        ph_convert_plan_free(&plan);
    }
}

static void change_of_type(void **state)
{
    (void)state;
    ph_hfconfig c;
    ph_gguf *g;
    synth("s.gguf", PH_DTYPE_F32, 3, 2);
    convert(at("s.gguf"), at("hf"));
    convert_as(at("hf"), at("h.gguf"), PH_DTYPE_BF16);
    assert_int_equal(ph_gguf_open(&g, at("h.gguf"), NULL), PHIAL_OK);
    assert_int_equal(ph_gguf_tensor_find(g, "output.weight")->type->id, PH_DTYPE_BF16);
    assert_int_equal(ph_gguf_tensor_find(g, "output.bias")->type->id, PH_DTYPE_F32);
    ph_gguf_close(g);
    convert_as(at("h.gguf"), at("half"), PH_DTYPE_BF16);
    assert_int_equal(ph_hfconfig_read(&c, at("half/config.json"), NULL), PHIAL_OK);
    assert_int_equal(c.dtype, PH_DTYPE_BF16);
    ph_safetensors *st = open_st(at("half"));
    for (size_t i = 0; i < ph_safetensors_n_tensors(st); i++)
        assert_string_equal(ph_safetensors_tensor_at(st, i)->dtype, "BF16");
    ph_safetensors_close(st);
}

static void expect_failure(const char *src, const char *dst, bool force, phial_status status,
                           const char *because)
{
    ph_convert_options o = {.overwrite = force};
    phial_error err = {0};
    if (ph_convert(src, dst, &o, &err) != status || !strstr(err.message, because))
        fail_msg("status %d, '%s' instead of '%s'", err.status, err.message, because);
}

static void refusals(void **state)
{
    (void)state;
    char line[1200];
    synth("s.gguf", PH_DTYPE_Q8_0, 3, 2);
    expect_failure(at("s.gguf"), at("q8"), false, PHIAL_ERR_UNSUPPORTED, "name a type");
    assert_int_equal(ph_file_kind_of(at("q8")), PH_FILE_MISSING);
    convert_as(at("s.gguf"), at("q8"), PH_DTYPE_F16);
    expect_failure(at("q8"), at("s.gguf"), false, PHIAL_ERR_ARGUMENT, "is there already");
    convert(at("q8"), at("ok.gguf"));
    expect_failure(at("ok.gguf"), at("q8"), false, PHIAL_ERR_ARGUMENT, "is there already");
    snprintf(line, sizeof line, "sed -i 's/\"hidden_size\": 64/\"hidden_size\": 128/' %s",
             at("q8/config.json"));
    assert_int_equal(system(line), 0);
    expect_failure(at("q8"), at("no.gguf"), false, PHIAL_ERR_BAD_INPUT, "its shape is not");
    snprintf(line, sizeof line,
             "sed -i 's/\"num_hidden_layers\": 2/\"num_hidden_layers\": 3/;"
             "s/\"hidden_size\": 128/\"hidden_size\": 64/' %s",
             at("q8/config.json"));
    assert_int_equal(system(line), 0);
    expect_failure(at("q8"), at("no.gguf"), false, PHIAL_ERR_BAD_INPUT,
                   "'model.layers.2.input_layernorm.weight' is missing");
    snprintf(line, sizeof line, "sed -i 's/\"num_hidden_layers\": 3/\"num_hidden_layers\": 1/' %s",
             at("q8/config.json"));
    assert_int_equal(system(line), 0);
    expect_failure(at("q8"), at("no.gguf"), false, PHIAL_ERR_BAD_INPUT,
                   "not a weight of a Phi with 1 layers");
    assert_int_equal(ph_file_kind_of(at("no.gguf")), PH_FILE_MISSING);
}

/* Keys of ours in a hostile file must not name files outside, nor tensors of nobody. */
static void hostile_records(void **state)
{
    (void)state;
    ph_gguf *g;
    ph_gguf_writer *w;
    synth("s.gguf", PH_DTYPE_F16, 9, 2);
    for (int what = 0; what < 2; what++) {
        assert_int_equal(ph_gguf_open(&g, at("s.gguf"), NULL), PHIAL_OK);
        assert_int_equal(ph_gguf_writer_new(&w, NULL), PHIAL_OK);
        for (size_t i = 0; i < ph_gguf_n_kv(g); i++)
            ph_gguf_put_kv(w, ph_gguf_kv_at(g, i));
        ph_gguf_put_str(w, PH_KEY_LAYOUT, ph_str_from("hf"));
        ph_gguf_put_array(w, PH_KEY_TENSORS, PH_GGUF_STRING, 1);
        ph_gguf_put_elem_str(w, ph_str_from(what == 0 ? "lm_head.weight" : "model.x"));
        ph_gguf_put_array(w, PH_KEY_DTYPES, PH_GGUF_STRING, 1);
        ph_gguf_put_elem_str(w, ph_str_from("F16"));
        ph_gguf_put_array(w, PH_KEY_FILE_NAMES, PH_GGUF_STRING, 1);
        ph_gguf_put_elem_str(w, ph_str_from("../evil"));
        ph_gguf_put_array(w, PH_KEY_FILE_CONTENTS, PH_GGUF_STRING, 1);
        ph_gguf_put_elem_str(w, ph_str_from("text"));
        for (int pass = 0; pass < 2; pass++) {
            for (size_t i = 0; i < ph_gguf_n_tensors(g); i++) {
                const ph_gguf_tensor *t = ph_gguf_tensor_at(g, i);
                char name[128];
                snprintf(name, sizeof name, "%.*s", PH_STR_ARG(t->name));
                assert_int_equal(
                    pass == 0 ? ph_gguf_put_tensor(w, name, t->type->id, t->n_dims, t->dims, NULL)
                              : ph_gguf_writer_data(w, t->data, t->data_bytes, NULL),
                    PHIAL_OK);
            }
            if (pass == 0)
                assert_int_equal(ph_gguf_writer_begin(w, at("evil.gguf"), NULL), PHIAL_OK);
        }
        assert_int_equal(ph_gguf_writer_commit(w, NULL), PHIAL_OK);
        ph_gguf_writer_free(w);
        ph_gguf_close(g);
        expect_failure(at("evil.gguf"), at("evil"), false, PHIAL_ERR_BAD_INPUT,
                       what == 0 ? PH_KEY_FILE_NAMES : "'model.x' is no weight");
        assert_int_equal(ph_file_kind_of(at("evil")), PH_FILE_MISSING);
    }
}

static void golden_models_round_trip(void **state)
{
    (void)state;
    static const char *const models[] = {"tiny-phi-a",   "tiny-phi-a-sharded",  "tiny-phi-bf16",
                                         "tiny-phi-gqa", "tiny-phi-gqa-noqkln", "tiny-phi-overflow",
                                         "phi-mini"};
    int skipped = 0;
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        char name[128], config[700];
        snprintf(name, sizeof name, "golden/%s", models[i]);
        const char *src = ph_testdata(name);
        if (!src) {
            skipped++;
            continue;
        }
        convert(src, at("m.gguf"));
        bool gqa = strstr(models[i], "gqa") != NULL;
        assert_int_equal(strstr(notices, "grouped-query attention") != NULL, gqa);
        assert_int_equal(strstr(notices, "qk_layernorm") != NULL, i == 3);
        convert(at("m.gguf"), at("back"));
        assert_same_tensors(src, at("back"));
        snprintf(config, sizeof config, "%s/config.json", src);
        assert_same_file(config, at("back/config.json"), true);
    }
    if (skipped) {
        printf("skipped: %d golden models are absent\n", skipped);
        skip();
    }
}

static void same_array(const ph_gguf *a, const ph_gguf *b, const char *key)
{
    const ph_gguf_kv *x = ph_gguf_find(a, key), *y = ph_gguf_find(b, key);
    if (!x || !y || x->elem_type != y->elem_type || x->raw_bytes != y->raw_bytes ||
        memcmp(x->raw, y->raw, x->raw_bytes) != 0)
        fail_msg("'%s' is not what llama.cpp's converter writes", key);
}

/* From either form of the tokenizer's files. */
static void vocabulary_as_llama_writes_it(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "tokenizer.ggml.model",        "tokenizer.ggml.pre",          "tokenizer.ggml.tokens",
        "tokenizer.ggml.token_type",   "tokenizer.ggml.merges",       "tokenizer.ggml.bos_token_id",
        "tokenizer.ggml.eos_token_id", "tokenizer.ggml.add_bos_token"};
    static const char *const sets[] = {"tokenizer.json", "vocab.json merges.txt added_tokens.json"};
    const char *model = ph_testdata("golden/phi-mini");
    const char *tokenizer = ph_testdata("golden/tokenizer/phi-2");
    const char *vocab = ph_testdata("golden/tokenizer/phi-2/ggml-vocab-phi-2.gguf");
    if (!model || !tokenizer || !vocab) {
        printf("skipped: phi-mini or the phi-2 tokenizer is absent\n");
        skip();
        return;
    }
    for (int i = 0; i < 2; i++) {
        char line[9000];
        ph_gguf *a, *b;
        snprintf(line, sizeof line,
                 "rm -rf %s/m; mkdir %s/m && cp %s/config.json %s/model.safetensors %s/m && cd %s "
                 "&& cp %s %s/m",
                 dir, dir, model, model, dir, tokenizer, sets[i], dir);
        assert_int_equal(system(line), 0);
        convert(at("m"), at("m.gguf"));
        assert_int_equal(ph_gguf_open(&a, at("m.gguf"), NULL), PHIAL_OK);
        assert_int_equal(ph_gguf_open(&b, vocab, NULL), PHIAL_OK);
        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
            same_array(a, b, keys[k]);
        ph_gguf_close(a);
        ph_gguf_close(b);
        convert(at("m.gguf"), at("back"));
        snprintf(line, sizeof line, "cd %s/m && for f in *; do cmp $f ../back/$f || exit 1; done",
                 dir);
        assert_int_equal(system(line), 0);
    }
}

static void gguf_of_others(void **state)
{
    (void)state;
    const char *f32 = ph_testdata("golden/gguf/tiny-phi-a-f32.gguf");
    const char *q8 = ph_testdata("golden/gguf/tiny-phi-a-q8_0.gguf");
    const char *source = ph_testdata("golden/tiny-phi-a");
    if (!f32 || !q8 || !source) {
        printf("skipped: the golden GGUF files are absent\n");
        skip();
        return;
    }
    convert(f32, at("others"));
    assert_same_tensors(source, at("others"));
    convert_as(q8, at("others"), PH_DTYPE_F32);
    ph_safetensors *st = open_st(at("others"));
    assert_int_equal(ph_safetensors_n_tensors(st), 33);
    ph_safetensors_close(st);
}

/* Folders in which something for at("place") is being written. */
static int n_unfinished(void)
{
    char line[512];
    snprintf(line, sizeof line, "n=$(ls -d %s/place.* 2>/dev/null | wc -l); exit $n", dir);
    return WEXITSTATUS(system(line));
}

static void begin_writing(ph_convert_dir *d)
{
    phial_error err = {0};
    if (ph_convert_dir_open(d, at("place"), false, &err) != PHIAL_OK ||
        ph_convert_dir_write(d, "a file", ph_str_from("text"), &err) != PHIAL_OK)
        fail_msg("%s", err.message);
}

static void dead_writers_leave_nothing(void **state)
{
    (void)state;
    ph_convert_dir first = {0}, second = {0};
    phial_error err = {0};
    pid_t child = fork();
    if (child == 0) {
        begin_writing(&first);
        kill(getpid(), SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && n_unfinished() == 1);
    /* Somebody's own, and of another path. */
    char line[512];
    snprintf(line, sizeof line, "cd %s && mkdir place.backup place2.part-abcdef", dir);
    assert_int_equal(system(line), 0);
    assert_int_equal(n_unfinished(), 2);
    begin_writing(&first);
    assert_int_equal(n_unfinished(), 2); /* the dead one's is gone */
    begin_writing(&second);
    assert_int_equal(n_unfinished(), 3); /* the living one's is not */
    if (ph_convert_dir_commit(&first, &err) != PHIAL_OK)
        fail_msg("%s", err.message);
    ph_convert_dir_close(&first);
    ph_convert_dir_close(&second);
    assert_int_equal(n_unfinished(), 1);
    assert_true(ph_file_bytes(at("place/a file")) == 4);
    assert_int_equal(ph_file_kind_of(at("place2.part-abcdef")), PH_FILE_DIRECTORY);
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    char line[256];
    (void)state;
    snprintf(line, sizeof line, "rm -r %s", dir);
    return system(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(synth_does_not_depend_on_threads),
        cmocka_unit_test(synth_is_what_it_says),
        cmocka_unit_test(synthetic_models_round_trip),
        cmocka_unit_test(fused_layouts_round_trip),
        cmocka_unit_test(fused_gguf_of_others_is_cut),
        cmocka_unit_test(every_half_comes_back),
        cmocka_unit_test(change_of_type),
        cmocka_unit_test(refusals),
        cmocka_unit_test(hostile_records),
        cmocka_unit_test(golden_models_round_trip),
        cmocka_unit_test(vocabulary_as_llama_writes_it),
        cmocka_unit_test(gguf_of_others),
        cmocka_unit_test(dead_writers_leave_nothing),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
