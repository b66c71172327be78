/* Opening models whose metadata and tensors disagree: one sentence that names the place, and
 * nothing computed. Every fault is planted in a model that synth made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "model/synth.h"
#include "phial/phial.h"

static char path[] = "/tmp/phial-test-model-XXXXXX";
static ph_buf sound; /* the file without a fault */

static int make_model(void **state)
{
    (void)state;
    phial_error err = {0};
    ph_synth_options o = {
        .like = "tiny", .type = PH_DTYPE_F16, .seed = 3, .n_threads = 1, .overwrite = true};
    ph_buf_init(&sound, 0);
    close(mkstemp(path));
    if (ph_synth(path, &o, &err) != PHIAL_OK ||
        ph_file_read(&sound, path, SIZE_MAX, &err) != PHIAL_OK) {
        printf("%s\n", err.message);
        return -1;
    }
    return 0;
}

static int remove_model(void **state)
{
    (void)state;
    ph_buf_free(&sound);
    return unlink(path);
}

/* The bytes behind a whole name, in a copy of the sound file: it ends where its length says. */
static char *behind(char *bytes, const char *name)
{
    uint64_t n = strlen(name);
    char entry[8 + 128];
    assert_true(n <= 128);
    memcpy(entry, &n, 8);
    memcpy(entry + 8, name, n);
    char *p = memmem(bytes, sound.len, entry, 8 + n);
    assert_non_null(p);
    return p + 8 + n;
}

static void refused(const char *bytes, const char *what)
{
    phial_model *m = NULL;
    phial_error err = {0};
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, sound.len, f), sound.len);
    assert_int_equal(fclose(f), 0);
    phial_status status = phial_model_open(&m, path, NULL, &err);
    phial_model_close(m);
    if (status != PHIAL_ERR_BAD_INPUT || strstr(err.message, path) != err.message ||
        strstr(err.message, what) == NULL) {
        fail_msg("status %d: %s\n(expected: %s)", (int)status, err.message, what);
    }
}

static char *copy_of_sound(void)
{
    char *bytes = malloc(sound.len);
    assert_non_null(bytes);
    return memcpy(bytes, sound.data, sound.len);
}

static void counts_against_tensors(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        uint32_t value;
        const char *sentence;
    } faults[] = {
        {"phi2.block_count", 0, "'phi2.block_count' is 0"},
        {"phi2.block_count", 1, "'blk.1.ffn_up.weight' belongs to a layer behind the last of 1"},
        {"phi2.block_count", 3, "'blk.2.attn_norm.weight' is missing"},
        {"phi2.block_count", 0x80000000u, "'phi2.block_count' is 2147483648"},
        {"phi2.attention.head_count", 3, "3 heads do not divide the width 64"},
        {"phi2.attention.head_count", 0xffffffffu, "'phi2.attention.head_count' is 4294967295"},
        {"phi2.attention.head_count_kv", 1,
         "'blk.0.attn_k.weight' is 64 x 64 (2 dimensions), "
         "expected 16 x 64"},
        {"phi2.attention.head_count_kv", 3, "do not fit together"},
        {"phi2.embedding_length", 0x20000u, "the size of a head is 32768"},
        {"phi2.embedding_length", 32,
         "'token_embd.weight' is 512 x 64 (2 dimensions), expected "
         "512 x 32"},
        {"phi2.feed_forward_length", 128, "'blk.0.ffn_up.weight' is 256 x 64"},
        {"phi2.rope.dimension_count", 7, "7 rotated dimensions do not fit together"},
        {"phi2.rope.dimension_count", 18, "the number of rotated dimensions is 18"},
        {"phi2.context_length", 0, "'phi2.context_length' is 0"},
        {"phi2.context_length", 0xffffffffu, "'phi2.context_length' is 4294967295"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        char *bytes = copy_of_sound();
        memcpy(behind(bytes, faults[i].key) + 4, &faults[i].value, 4); /* behind its type */
        refused(bytes, faults[i].sentence);
        free(bytes);
    }
}

static void missing_tensors(void **state)
{
    (void)state;
    static const char *const names[] = {
        "blk.1.attn_norm.bias",     "blk.0.attn_q.weight",   "blk.1.attn_v.bias",
        "blk.0.attn_output.weight", "blk.1.ffn_down.weight", "blk.0.ffn_up.bias",
        "output_norm.weight",       "output.weight",         "output.bias"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *bytes = copy_of_sound(), sentence[128];
        behind(bytes, names[i])[-1] = '_';
        snprintf(sentence, sizeof sentence, "tensor '%s' is missing", names[i]);
        refused(bytes, sentence);
        free(bytes);
    }
    char *bytes = copy_of_sound();
    behind(bytes, "token_embd.weight")[-1] = '_';
    refused(bytes, "no token embedding under any of its known names");
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_against_tensors),
        cmocka_unit_test(missing_tensors),
    };
    return cmocka_run_group_tests(tests, make_model, remove_model);
}
