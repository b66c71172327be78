/* Number formats against other programs: decoding bit for bit, plain rounding byte for byte, and
 * searched quantization by its error, beside llama.cpp's on the same rows. The vectors are made by
 * tests/golden/make_quant_vectors.py.
 */
#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "fmt/gguf.h"
#include "kern/kern.h"
#include "kern/quant.h"
#include "kern/search.h"
#include "sparse.h"

#define ROW 512

static ph_gguf *vectors;

static int open_vectors(void **state)
{
    (void)state;
    phial_error err = {0};
    if (ph_gguf_open(&vectors, PHIAL_SOURCE_DIR "/tests/data/quant/vectors.gguf", &err)) {
        print_error("%s\n", err.message);
        return -1;
    }
    return 0;
}

static int close_vectors(void **state)
{
    (void)state;
    ph_gguf_close(vectors);
    return 0;
}

static const ph_gguf_tensor *find(ph_dtype type, const char *what)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%s", ph_dtype_name(type), what);
    for (char *p = name; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return ph_gguf_tensor_find(vectors, name);
}

static void decoding(void **state)
{
    (void)state;
    size_t n_types = 0;
    for (int i = 0; i < PH_N_QUANT; i++) {
        const ph_quant *q = ph_quant_at((ph_quant_index)i);
        const ph_gguf_tensor *blocks = find(q->type, "blocks"), *want = find(q->type, "decoded");
        if (ph_dtype_find(q->type)->block == 1)
            continue;
        assert_non_null(blocks);
        assert_int_equal(blocks->type->id, q->type);
        assert_int_equal(blocks->n_elements, want->n_elements);
        float *got = ph_alloc(blocks->n_elements, sizeof *got, NULL);
        assert_non_null(got);
        q->dequantize(got, blocks->data, blocks->n_elements);
        assert_memory_equal(got, want->data, want->data_bytes);
        /* and from an odd address */
        uint8_t *odd = ph_alloc(blocks->data_bytes + 1, 1, NULL);
        assert_non_null(odd);
        memcpy(odd + 1, blocks->data, blocks->data_bytes);
        q->dequantize(got, odd + 1, blocks->n_elements);
        assert_memory_equal(got, want->data, want->data_bytes);
        ph_free(odd);
        ph_free(got);
        n_types++;
    }
    assert_int_equal(n_types, 12);
}

/* ggml's reference rounding needs no search. */
static void plain_rounding(void **state)
{
    (void)state;
    static const ph_dtype types[] = {PH_DTYPE_Q8_0, PH_DTYPE_Q4_0, PH_DTYPE_Q4_1, PH_DTYPE_Q5_0,
                                     PH_DTYPE_Q5_1};
    const ph_gguf_tensor *input = ph_gguf_tensor_find(vectors, "input");
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        const ph_gguf_tensor *want = find(types[t], "encoded");
        uint8_t *got = ph_alloc(want->data_bytes, 1, NULL);
        assert_non_null(got);
        ph_quant_find(types[t])->quantize(got, (const void *)input->data, input->n_elements);
        assert_memory_equal(got, want->data, want->data_bytes);
        ph_free(got);
    }
}

typedef struct errors {
    double plain, weighted; /* the second with the weights llama.cpp searches with */
} errors;

static double weight(ph_dtype type, const float *x, size_t i)
{
    double sum = 0;
    for (size_t k = i / 32 * 32; k < i / 32 * 32 + 32; k++)
        sum += (double)x[k] * (double)x[k];
    double a = fabs((double)x[i]);
    switch (type) {
    case PH_DTYPE_Q2_K:
        return a;
    case PH_DTYPE_Q4_K:
    case PH_DTYPE_Q5_K:
        return a + sqrt(sum / 32);
    default:
        return a * a;
    }
}

static errors errors_of(const ph_quant *q, const float *x, const void *bytes)
{
    float back[ROW];
    errors e = {0, 0};
    q->dequantize(back, bytes, ROW);
    for (size_t i = 0; i < ROW; i++) {
        double d = (double)x[i] - (double)back[i];
        e.plain += d * d;
        e.weighted += weight(q->type, x, i) * d * d;
    }
    return e;
}

/* Ours over llama.cpp's, geometric mean over the rows. A row may be a little worse. */
static void searched_error(void **state)
{
    (void)state;
    const ph_gguf_tensor *input = ph_gguf_tensor_find(vectors, "input");
    size_t n_rows = input->n_elements / ROW;
    print_message("error beside llama.cpp's: type, plain, weighted\n");
    for (int i = 0; i < PH_N_QUANT; i++) {
        const ph_quant *q = ph_quant_at((ph_quant_index)i);
        if (!q->quantize_best || (q->type >= PH_DTYPE_Q4_0 && q->type <= PH_DTYPE_Q5_1))
            continue;
        const ph_gguf_tensor *theirs = find(q->type, "encoded");
        size_t row_bytes = ph_dtype_row_bytes(q->type, ROW);
        double plain = 0, weighted = 0;
        for (size_t r = 0; r < n_rows; r++) {
            uint8_t ours[ROW * 4];
            float x[ROW];
            memcpy(x, input->data + r * sizeof x, sizeof x);
            q->quantize_best(ours, x, NULL, ROW, &ph_search_ref);
            errors a = errors_of(q, x, ours);
            errors b = errors_of(q, x, theirs->data + r * row_bytes);
            assert_true(b.plain > 0 && b.weighted > 0);
            assert_true(a.weighted <= 1.05 * b.weighted);
            plain += log(a.plain / b.plain) / (double)n_rows;
            weighted += log(a.weighted / b.weighted) / (double)n_rows;
        }
        print_message("  %-7s %.4f %.4f\n", ph_dtype_name(q->type), exp(plain), exp(weighted));
        assert_true(plain <= 0.0 && weighted <= 0.0);
    }
}

static void fill(float *x, size_t n, float scale, ph_rng *rng)
{
    for (size_t i = 0; i < n; i++)
        x[i] = scale * (float)(ph_rng_f64(rng) + ph_rng_f64(rng) + ph_rng_f64(rng) - 1.5);
}

/* Every instruction set finds the same bytes, whatever the numbers; and so does a row in pieces. */
static void same_bytes(void **state)
{
    (void)state;
    enum { N = 2048 };
    static const float scales[] = {1e-30f, 1e-7f, 0.02f, 1, 3e4f, 1e18f, 1e38f, NAN, INFINITY};
    static float x[N], importance[N];
    static uint8_t ref[N * 4], got[N * 4];
    ph_rng rng;
    ph_rng_seed(&rng, 7, 7);
    for (size_t i = 0; i < N; i++)
        importance[i] = (float)exp(4 * ph_rng_f64(&rng));
    for (int t = 0; t < PH_N_QUANT; t++) {
        const ph_quant *q = ph_quant_at((ph_quant_index)t);
        for (size_t s = 0; q->quantize_best && s < 2 * sizeof scales / sizeof scales[0];
             s += CHECK_STEP(3)) {
            const float *imp = s % 2 ? importance : NULL;
            size_t bytes = ph_dtype_row_bytes(q->type, N);
            float scale = scales[s / 2];
            fill(x, N, isfinite(scale) ? scale : 1, &rng);
            memset(x + 256, 0, 64 * sizeof *x);
            x[700] = isfinite(scale) ? x[700] : scale;
            q->quantize_best(ref, x, imp, N, &ph_search_ref);
            const ph_search *last = NULL;
            for (size_t k = 0; ph_kern_isa(k) != NULL; k++) {
                const ph_search *search = ph_search_for(ph_kern_isa(k));
                ph_kern kern;
                if (search == last || ph_kern_init(&kern, ph_kern_isa(k), NULL) != PHIAL_OK)
                    continue;
                last = search;
                q->quantize_best(got, x, imp, N, search);
                assert_memory_equal(got, ref, bytes);
            }
            bool by_row = imp && ph_dtype_find(q->type)->block == 32; /* the row's mean square */
            for (size_t at = 0; !by_row && at < N; at += 256)
                q->quantize_best(got + at / 256 * (bytes / (N / 256)), x + at,
                                 imp ? imp + at : NULL, 256, &ph_search_ref);
            assert_memory_equal(got, ref, bytes);
        }
    }
}

/* What importance says matters is kept better. */
static void importance_counts(void **state)
{
    (void)state;
    static float x[ROW], importance[ROW], back[ROW];
    static uint8_t bytes[ROW * 4];
    ph_rng rng;
    ph_rng_seed(&rng, 8, 8);
    fill(x, ROW, 1, &rng);
    for (size_t i = 0; i < ROW; i++)
        importance[i] = i % 8 == 0 ? 100.0f : 1.0f;
    for (int t = 0; t < PH_N_QUANT; t++) {
        const ph_quant *q = ph_quant_at((ph_quant_index)t);
        double error[2] = {0, 0};
        for (int with = 0; with < 2 && q->quantize_best; with++) {
            q->quantize_best(bytes, x, with ? importance : NULL, ROW, &ph_search_ref);
            q->dequantize(back, bytes, ROW);
            for (size_t i = 0; i < ROW; i += 8)
                error[with] += pow((double)x[i] - (double)back[i], 2);
        }
        if (q->quantize_best)
            assert_true(error[1] < 0.9 * error[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoding),          cmocka_unit_test(plain_rounding),
        cmocka_unit_test(searched_error),    cmocka_unit_test(same_bytes),
        cmocka_unit_test(importance_counts),
    };
    return cmocka_run_group_tests(tests, open_vectors, close_vectors);
}
