/* Embedding while memory runs out: the n-th allocation fails, for n = 1, 2, 3, ... until everything
 * passes. Each time there is a status, a sentence, no leak and no crash.
 *
 * wrap: calloc realloc aligned_alloc
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "phial/embed.h"
#include "torture.h"

#define DATA PHIAL_SOURCE_DIR "/tests/data/"

typedef struct scenario {
    const char *path;
    phial_math math;
} scenario;

static bool embed(void *arg)
{
    const scenario *s = arg;
    phial_embedder *e = NULL;
    phial_error err = {0};
    phial_embedder_options o;
    phial_embedder_options_default(&o);
    o.math = s->math;
    o.n_threads = 2;
    o.n_batch = 64;
    static const char long_text[] =
        "the time has come and more people follow the water down to the "
        "old place and look for oil where the light is not so very new "
        "and all the words are found; what they may say of it, who knows "
        "but the boy and the first of them, in the end of the day";
    const phial_text texts[] = {{"time", 4}, {long_text, sizeof long_text - 1}};
    static float v[2 * 4096];
    phial_status status = phial_embedder_open(&e, s->path, &o, &err);
    if (status == PHIAL_OK && phial_embedder_dim(e) <= 4096) {
        status = phial_embed(e, v, NULL, texts, 2, PHIAL_EMBED_PLAIN, NULL, &err);
    }
    if (status != PHIAL_OK) {
        assert_int_equal(status, PHIAL_ERR_NO_MEMORY);
        assert_int_equal(err.status, PHIAL_ERR_NO_MEMORY);
        assert_true(err.message[0] != '\0');
    }
    phial_embedder_close(e);
    return status == PHIAL_OK;
}

static bool whiten(void *arg)
{
    static float x[40 * 8];
    static unsigned char bytes[1024];
    phial_whitening *w = NULL, *again = NULL;
    phial_error err = {0};
    size_t n = 0;
    (void)arg;
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) {
        x[i] = (float)(i * 7919 % 101);
    }
    phial_status status = phial_whitening_fit(&w, PHIAL_WHITEN_FULL, x, 40, 8, -1, &err);
    if (status == PHIAL_OK) {
        status = phial_whitening_save(w, bytes, sizeof bytes, &n, &err);
    }
    if (status == PHIAL_OK) {
        status = phial_whitening_load(&again, bytes, n, &err);
    }
    if (status != PHIAL_OK) {
        assert_int_equal(status, PHIAL_ERR_NO_MEMORY);
    }
    phial_whitening_free(w);
    phial_whitening_free(again);
    return status == PHIAL_OK;
}

static void memory_runs_out(void **state)
{
    (void)state;
    scenario all[] = {{DATA "tiny-bert", PHIAL_MATH_EXACT},
                      {DATA "tiny-bert-odd", PHIAL_MATH_FAST},
                      {DATA "tiny-phi", PHIAL_MATH_EXACT}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        long failed = torture_run(embed, &all[i], 4000);
        print_message("%s: %ld allocations failed\n", all[i].path, failed);
        assert_true(failed > 20);
    }
    assert_true(torture_run(whiten, NULL, 100) >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_runs_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
