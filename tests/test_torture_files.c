/* Every allocation of the model file readers and of convert fails once: a sentence each time, no
 * leak (under the sanitizer), nothing left behind, and success in the end.
 * wrap: calloc realloc aligned_alloc
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "fmt/gguf.h"
#include "fmt/safetensors.h"
#include "model/convert.h"
#include "model/synth.h"
#include "torture.h"

static char dir[] = "/tmp/phial-torture-XXXXXX";
static char gguf[64], folder[64], out[64], out_folder[64];

static bool settled(phial_status status, const phial_error *err)
{
    if (status != PHIAL_OK && (status != PHIAL_ERR_NO_MEMORY || err->message[0] == '\0'))
        fail_msg("status %d '%s'", status, err->message);
    return status == PHIAL_OK;
}

static bool open_both(void *arg)
{
    ph_gguf *g;
    ph_safetensors *st;
    phial_error err = {0};
    (void)arg;
    phial_status status = ph_gguf_open(&g, gguf, &err);
    if (status != PHIAL_OK)
        return settled(status, &err);
    ph_gguf_close(g);
    status = ph_safetensors_open(&st, folder, &err);
    if (status == PHIAL_OK)
        ph_safetensors_close(st);
    return settled(status, &err);
}

static bool convert_both(void *arg)
{
    ph_convert_options o = {.overwrite = false};
    phial_error err = {0};
    (void)arg;
    phial_status status = ph_convert(folder, out, &o, &err);
    if (status != PHIAL_OK) {
        assert_int_equal(ph_file_kind_of(out), PH_FILE_MISSING);
        return settled(status, &err);
    }
    status = ph_convert(out, out_folder, &o, &err);
    unlink(out);
    if (status != PHIAL_OK)
        assert_int_equal(ph_file_kind_of(out_folder), PH_FILE_MISSING);
    return settled(status, &err);
}

static bool make_one(void *arg)
{
    ph_synth_options o = {.like = "tiny", .type = PH_DTYPE_Q8_0, .n_threads = 2, .overwrite = true};
    phial_error err = {0};
    (void)arg;
    return settled(ph_synth(out, &o, &err), &err);
}

static void readers(void **state)
{
    (void)state;
    assert_true(torture_run(open_both, NULL, 10000) > 5);
}

static void conversion(void **state)
{
    (void)state;
    assert_true(torture_run(convert_both, NULL, 10000) > 20);
}

static void synthesis(void **state)
{
    (void)state;
    assert_true(torture_run(make_one, NULL, 10000) > 5);
}

static int prepare(void **state)
{
    (void)state;
    ph_synth_options s = {.like = "tiny", .type = PH_DTYPE_F16, .n_threads = 2};
    ph_convert_options c = {.overwrite = false};
    if (!mkdtemp(dir))
        return -1;
    snprintf(gguf, sizeof gguf, "%s/a.gguf", dir);
    snprintf(folder, sizeof folder, "%s/hf", dir);
    snprintf(out, sizeof out, "%s/b.gguf", dir);
    snprintf(out_folder, sizeof out_folder, "%s/back", dir);
    return ph_synth(gguf, &s, NULL) == PHIAL_OK && ph_convert(gguf, folder, &c, NULL) == PHIAL_OK
               ? 0
               : -1;
}

/* Whatever a failed run left behind would be in the folder still. */
static int clean_up(void **state)
{
    char line[400];
    (void)state;
    snprintf(line, sizeof line, "rm -r %s %s %s && cd %s && rm -f b.gguf && cd / && rmdir %s", gguf,
             folder, out_folder, dir, dir);
    return system(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers),
        cmocka_unit_test(conversion),
        cmocka_unit_test(synthesis),
    };
    return cmocka_run_group_tests(tests, prepare, clean_up);
}
