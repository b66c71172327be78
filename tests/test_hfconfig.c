/* config.json in its variants, and .npy files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fmt/hfconfig.h"
#include "fmt/npy.h"
#include "testdata.h"

static phial_status parse(ph_hfconfig *c, const char *text, phial_error *err)
{
    *err = (phial_error){0};
    return ph_hfconfig_parse(c, text, strlen(text), err);
}

static void expect(const char *text, phial_status status, const char *because)
{
    ph_hfconfig c;
    phial_error err;
    if (parse(&c, text, &err) != status || !strstr(err.message, because))
        fail_msg("%s: status %d, '%s' instead of '%s'", text, err.status, err.message, because);
}

static void defaults_of_the_class(void **state)
{
    (void)state;
    ph_hfconfig c;
    phial_error err;
    assert_int_equal(parse(&c, "{\"model_type\":\"phi\"}", &err), PHIAL_OK);
    assert_int_equal(c.vocab_size, 51200);
    assert_int_equal(c.hidden_size, 2048);
    assert_int_equal(c.n_layers, 24);
    assert_int_equal(c.n_kv_heads, 32);
    assert_int_equal(c.rotary_dim, 32);
    assert_false(c.has_bos || c.has_eos || c.has_dtype || c.tied || c.qk_layernorm);
    assert_int_equal(parse(&c, "{\"architectures\":[\"PhiForCausalLM\"]}", &err), PHIAL_OK);
}

static void earlier_remote_code(void **state)
{
    (void)state;
    ph_hfconfig c;
    phial_error err;
    assert_int_equal(
        parse(&c,
              "{\"model_type\":\"phi-msft\",\"n_embd\":2560,\"n_layer\":32,\"n_head\":32,"
              "\"n_head_kv\":null,\"n_inner\":null,\"rotary_dim\":32,\"n_positions\":2048,"
              "\"layer_norm_epsilon\":1e-05,\"vocab_size\":51200,\"activation_function\":"
              "\"gelu_new\",\"torch_dtype\":\"float16\",\"tie_word_embeddings\":false}",
              &err),
        PHIAL_OK);
    assert_int_equal(c.style, PH_HF_PHI_MSFT);
    assert_int_equal(c.intermediate_size, 10240);
    assert_int_equal(c.head_dim, 80);
    assert_int_equal(c.rotary_dim, 32);
    assert_true(c.has_dtype && c.dtype == PH_DTYPE_F16);
    assert_int_equal(
        parse(&c,
              "{\"model_type\":\"mixformer-sequential\",\"n_embd\":2048,\"n_layer\":24,"
              "\"n_head\":32,\"vocab_size\":50257,\"architecture\":{\"block_cls\":\"parallel\"}}",
              &err),
        PHIAL_OK);
    assert_int_equal(c.style, PH_HF_MIXFORMER);
    assert_int_equal(c.vocab_size, 50304); /* rounded up to a multiple of 64, as the class does */
    assert_int_equal(c.rotary_dim, 32);
    expect("{\"model_type\":\"mixformer-sequential\",\"architecture\":{\"block_cls\":\"serial\"}}",
           PHIAL_ERR_UNSUPPORTED, "block_cls");
}

static void rope_in_both_styles(void **state)
{
    (void)state;
    ph_hfconfig c;
    phial_error err;
    assert_int_equal(parse(&c,
                           "{\"model_type\":\"phi\",\"rope_theta\":5000,\"rope_scaling\":"
                           "{\"type\":\"linear\",\"factor\":2.0}}",
                           &err),
                     PHIAL_OK);
    assert_int_equal(c.rope, PH_HF_ROPE_LINEAR);
    assert_true(c.rope_factor == 2 && c.rope_theta == 5000);
    assert_int_equal(parse(&c,
                           "{\"model_type\":\"phi\",\"rope_parameters\":{\"rope_type\":\"dynamic\","
                           "\"factor\":4,\"rope_theta\":7e3,\"partial_rotary_factor\":0.25}}",
                           &err),
                     PHIAL_OK);
    assert_int_equal(c.rope, PH_HF_ROPE_DYNAMIC);
    assert_true(c.rope_factor == 4 && c.rope_theta == 7000);
    assert_int_equal(c.rotary_dim, 16);
}

#define PHI(rest) "{\"model_type\":\"phi\"," rest "}"

static void nonsense_is_named(void **state)
{
    (void)state;
    expect("", PHIAL_ERR_BAD_INPUT, "");
    expect("[]", PHIAL_ERR_BAD_INPUT, "not a JSON object");
    expect("{}", PHIAL_ERR_BAD_INPUT, "'model_type' is missing");
    expect("{\"model_type\":3}", PHIAL_ERR_BAD_INPUT, "'model_type'");
    expect("{\"model_type\":\"llama\"}", PHIAL_ERR_UNSUPPORTED, "'llama'");
    expect(PHI("\"hidden_size\":\"big\""), PHIAL_ERR_BAD_INPUT, "'hidden_size' is string");
    expect(PHI("\"hidden_size\":2048.0"), PHIAL_ERR_BAD_INPUT, "'hidden_size'");
    expect(PHI("\"hidden_size\":-1"), PHIAL_ERR_BAD_INPUT, "'hidden_size' is -1");
    expect(PHI("\"num_hidden_layers\":2147483648"), PHIAL_ERR_BAD_INPUT, "'num_hidden_layers'");
    expect(PHI("\"num_hidden_layers\":0"), PHIAL_ERR_BAD_INPUT, "'num_hidden_layers'");
    expect(PHI("\"vocab_size\":null"), PHIAL_ERR_BAD_INPUT, "'vocab_size' is null");
    expect(PHI("\"num_attention_heads\":31"), PHIAL_ERR_BAD_INPUT, "no multiple of the number of");
    expect(PHI("\"num_key_value_heads\":5"), PHIAL_ERR_BAD_INPUT, "key-value heads");
    expect(PHI("\"num_key_value_heads\":64"), PHIAL_ERR_BAD_INPUT, "key-value heads");
    expect(PHI("\"layer_norm_eps\":0"), PHIAL_ERR_BAD_INPUT, "'layer_norm_eps'");
    expect(PHI("\"partial_rotary_factor\":1.5"), PHIAL_ERR_BAD_INPUT, "'partial_rotary_factor'");
    expect(PHI("\"partial_rotary_factor\":0"), PHIAL_ERR_BAD_INPUT, "are rotated");
    expect(PHI("\"hidden_act\":\"tanh\""), PHIAL_ERR_UNSUPPORTED, "'hidden_act' is 'tanh'");
    expect(PHI("\"tie_word_embeddings\":1"), PHIAL_ERR_BAD_INPUT, "'tie_word_embeddings'");
    expect(PHI("\"rope_scaling\":\"linear\""), PHIAL_ERR_BAD_INPUT, "'rope_scaling'");
    expect(PHI("\"rope_scaling\":{\"type\":\"yarn\",\"factor\":2}"), PHIAL_ERR_UNSUPPORTED, "yarn");
    expect(PHI("\"rope_scaling\":{\"type\":\"linear\"}"), PHIAL_ERR_BAD_INPUT, "no 'factor'");
    expect(PHI("\"rope_scaling\":{\"type\":\"linear\",\"factor\":0.5}"), PHIAL_ERR_BAD_INPUT,
           "'factor' is 0.5");
    expect(PHI("\"eos_token_id\":51200"), PHIAL_ERR_BAD_INPUT, "'eos_token_id' is 51200");
    expect(PHI("\"bos_token_id\":-1"), PHIAL_ERR_BAD_INPUT, "'bos_token_id'");
    expect(PHI("\"torch_dtype\":\"float8\""), PHIAL_ERR_UNSUPPORTED, "'torch_dtype'");
    expect(PHI("\"head_dim\":128"), PHIAL_ERR_UNSUPPORTED, "'head_dim' is 128");
    expect(PHI("\"quantization_config\":{}"), PHIAL_ERR_UNSUPPORTED, "quantization_config");
}

static void every_prefix_is_refused(void **state)
{
    (void)state;
    static const char text[] = PHI(
        "\"vocab_size\":512,\"eos_token_id\":[5,6],\"rope_scaling\":null,\"dtype\":\"float32\"");
    ph_hfconfig c;
    phial_error err;
    for (size_t n = 0; n < strlen(text); n++) {
        char *copy = malloc(n ? n : 1);
        memcpy(copy, text, n);
        assert_int_equal(ph_hfconfig_parse(&c, copy, n, &err), PHIAL_ERR_BAD_INPUT);
        free(copy);
    }
    assert_int_equal(parse(&c, text, &err), PHIAL_OK);
    assert_true(c.has_eos && c.eos == 5);
}

static void published_configs(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t hidden, layers, rotary;
        bool has_eos;
        ph_dtype dtype;
    } rows[] = {
        {"phi-1", 2048, 24, 32, false, PH_DTYPE_F32},
        {"phi-1_5", 2048, 24, 32, false, PH_DTYPE_F16},
        {"phi-2", 2560, 32, 32, true, PH_DTYPE_F16},
        {"phi-2-early-null-ids", 2560, 32, 32, false, PH_DTYPE_F16},
        {"phi-2-transformers5-style", 2560, 32, 32, true, PH_DTYPE_F16},
    };
    int skipped = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char name[128];
        ph_hfconfig c;
        phial_error err;
        snprintf(name, sizeof name, "golden/real-phi/configs/%s.json", rows[i].name);
        const char *path = ph_testdata(name);
        if (!path) {
            skipped++;
            continue;
        }
        if (ph_hfconfig_read(&c, path, &err) != PHIAL_OK)
            fail_msg("%s", err.message);
        assert_int_equal(c.hidden_size, rows[i].hidden);
        assert_int_equal(c.n_layers, rows[i].layers);
        assert_int_equal(c.rotary_dim, rows[i].rotary);
        assert_int_equal(c.n_kv_heads, 32);
        assert_int_equal(c.has_eos, rows[i].has_eos);
        assert_true(c.has_dtype && c.dtype == rows[i].dtype);
    }
    if (skipped) {
        printf("skipped: %d configs of the test data are absent\n", skipped);
        skip();
    }
}

static void npy_round_trip(void **state)
{
    (void)state;
    static const float values[6] = {1, -2, 0.5f, 3e38f, 0, 7};
    char path[] = "/tmp/phial-test-npy-XXXXXX";
    ph_npy_writer *w;
    ph_npy npy;
    phial_error err = {0};
    close(mkstemp(path));
    for (int n_dims = 1; n_dims <= 2; n_dims++) {
        uint64_t rows = n_dims == 1 ? 6 : 2;
        assert_int_equal(ph_npy_writer_open(&w, path, n_dims, rows, 3, &err), PHIAL_OK);
        assert_int_equal(ph_npy_writer_add(w, values, 4, &err), PHIAL_OK);
        assert_int_equal(ph_npy_writer_commit(w, &err), PHIAL_ERR_ARGUMENT);
        assert_int_equal(ph_npy_writer_add(w, values + 4, 3, &err), PHIAL_ERR_ARGUMENT);
        assert_int_equal(ph_npy_writer_add(w, values + 4, 2, &err), PHIAL_OK);
        assert_int_equal(ph_npy_writer_commit(w, &err), PHIAL_OK);
        ph_npy_writer_close(w);
        assert_int_equal(ph_npy_read(&npy, path, &err), PHIAL_OK);
        assert_int_equal(npy.n_dims, n_dims);
        assert_int_equal(npy.rows, rows);
        assert_int_equal(npy.cols, n_dims == 1 ? 1 : 3);
        assert_memory_equal(npy.data, values, sizeof values);
        ph_npy_free(&npy);
    }
    unlink(path);
}

static void npy_hostile(void **state)
{
    (void)state;
    static const char *const dicts[] = {
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,2,3), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,",
        "{'descr': '<f4', 'shape': (1,), }",
        "{}",
    };
    for (size_t i = 0; i < sizeof dicts / sizeof dicts[0]; i++) {
        uint8_t file[256] = "\x93NUMPY\x01";
        size_t n = strlen(dicts[i]);
        ph_npy npy;
        phial_error err = {0};
        file[8] = (uint8_t)n;
        memcpy(file + 10, dicts[i], n);
        if (ph_npy_parse(&npy, file, 10 + n + 4, &err) != PHIAL_ERR_BAD_INPUT)
            fail_msg("%s: '%s'", dicts[i], err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_of_the_class),   cmocka_unit_test(earlier_remote_code),
        cmocka_unit_test(rope_in_both_styles),     cmocka_unit_test(nonsense_is_named),
        cmocka_unit_test(every_prefix_is_refused), cmocka_unit_test(published_configs),
        cmocka_unit_test(npy_round_trip),          cmocka_unit_test(npy_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
