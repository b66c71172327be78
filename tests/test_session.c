/* Sessions: the same bits whatever the threads, the batch, the split and the cache; snapshots;
 * cancellation; errors. On the small model of the repository.
 * labels: slow
 */
#include <math.h>
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
#include "base/hash.h"
#include "phial/session.h"

#define TINY PHIAL_SOURCE_DIR "/tests/data/tiny-phi"

enum { N_IDS = 200, N_VOCAB = 320 };

static uint32_t IDS[N_IDS];
static phial_model *model;

static int open_model(void **state)
{
    (void)state;
    for (int i = 0; i < N_IDS; i++) {
        IDS[i] = (uint32_t)(i * 7919 + 13) % N_VOCAB;
    }
    phial_error err = {0};
    if (phial_model_open(&model, TINY, NULL, &err) != PHIAL_OK) {
        printf("%s\n", err.message);
        return -1;
    }
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    phial_model_close(model);
    return 0;
}

static phial_engine *engine_with(int threads, phial_kv_type kv, uint32_t chunk)
{
    phial_engine_options o;
    phial_engine_options_default(&o);
    o.n_threads = threads;
    o.kv_type = kv;
    o.n_chunk = chunk;
    phial_engine *e = NULL;
    phial_error err = {0};
    if (phial_engine_new(&e, model, &o, &err) != PHIAL_OK) {
        fail_msg("%s", err.message);
    }
    return e;
}

static phial_session *session_of(phial_engine *e)
{
    phial_session *s = NULL;
    assert_int_equal(phial_session_new(&s, e, 0, NULL), PHIAL_OK);
    return s;
}

static void sync_to(phial_session *s, size_t n)
{
    phial_error err = {0};
    if (phial_session_sync(s, IDS, n, &err) != PHIAL_OK) {
        fail_msg("%s", err.message);
    }
}

static void same_logits(const phial_session *s, const float *want)
{
    assert_non_null(phial_session_logits(s));
    assert_memory_equal(phial_session_logits(s), want, N_VOCAB * sizeof(float));
}

/* Neighbours of a batch: other lengths, other tokens. */
static void sync_in_company(phial_session *s, phial_session *other, phial_session *third, size_t n)
{
    phial_session *sessions[] = {other, s, third};
    const phial_tokens lists[] = {{IDS + 50, 37}, {IDS, n}, {IDS + 3, 1}};
    assert_int_equal(phial_session_sync_batch(sessions, lists, 3, NULL), PHIAL_OK);
}

static void bits_do_not_depend_on_anything(void **state)
{
    (void)state;
    static float want[N_VOCAB];
    const int threads[] = {1, 2, 3, 7};
    const uint32_t chunks[] = {512, 1, 5, 64, 65};
    for (int kv = PHIAL_KV_F32; kv <= PHIAL_KV_Q8; kv++) {
        phial_engine *e = engine_with(1, (phial_kv_type)kv, 512);
        phial_session *s = session_of(e);
        sync_to(s, N_IDS);
        memcpy(want, phial_session_logits(s), sizeof want);
        phial_session_free(s);
        phial_engine_free(e);
        for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
            for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++) {
                e = engine_with(threads[t], (phial_kv_type)kv, chunks[c]);
                s = session_of(e);
                phial_session *other = session_of(e), *third = session_of(e);
                sync_to(s, N_IDS); /* alone */
                same_logits(s, want);
                phial_session_truncate(s, 131); /* from the cache */
                sync_to(s, N_IDS);
                assert_int_equal(phial_session_n_reused(s), 131);
                same_logits(s, want);
                phial_session_truncate(s, 70);
                sync_to(s, 71); /* in calls of uneven length */
                sync_to(s, 129);
                sync_in_company(s, other, third, N_IDS);
                same_logits(s, want);
                phial_session_truncate(s, 0);
                sync_in_company(s, third, other, N_IDS); /* in a batch from the start */
                same_logits(s, want);
                phial_session_free(third);
                phial_session_free(other);
                phial_session_free(s);
                phial_engine_free(e);
            }
        }
    }
}

static void kv_types_differ_but_little(void **state)
{
    (void)state;
    static float exact[N_VOCAB];
    const double bound[] = {0, 2e-2, 1.0}; /* f16 about 1e-2 by the golden README; q8 is coarser */
    for (int kv = PHIAL_KV_F32; kv <= PHIAL_KV_Q8; kv++) {
        phial_engine *e = engine_with(2, (phial_kv_type)kv, 512);
        phial_session *s = session_of(e);
        sync_to(s, N_IDS);
        double most = 0;
        for (int i = 0; i < N_VOCAB; i++) {
            float v = phial_session_logits(s)[i];
            exact[i] = kv == PHIAL_KV_F32 ? v : exact[i];
            most = fmax(most, fabs((double)v - exact[i]));
        }
        printf("KV type %d: max |difference| to f32 %.2e\n", kv, most);
        assert_true(most <= bound[kv]);
        assert_true(kv == PHIAL_KV_F32 || most > 0);
        phial_session_free(s);
        phial_engine_free(e);
    }
}

static void common_beginnings_are_reused(void **state)
{
    (void)state;
    phial_engine *e = engine_with(1, PHIAL_KV_F32, 512);
    phial_session *s = session_of(e);
    sync_to(s, 100);
    assert_int_equal(phial_session_n_reused(s), 0);
    sync_to(s, 100); /* nothing to do */
    assert_int_equal(phial_session_n_reused(s), 100);
    sync_to(s, 60); /* a beginning: its last token's logits are computed again */
    assert_int_equal(phial_session_n_reused(s), 59);
    assert_int_equal(phial_session_tokens(s).n, 60);
    uint32_t changed[60];
    memcpy(changed, IDS, sizeof changed);
    changed[30] ^= 1;
    assert_int_equal(phial_session_sync(s, changed, 60, NULL), PHIAL_OK);
    assert_int_equal(phial_session_n_reused(s), 30);
    phial_session_free(s);
    phial_engine_free(e);
}

static void impossible_lists_are_refused(void **state)
{
    (void)state;
    phial_engine *e = engine_with(1, PHIAL_KV_F32, 512);
    phial_session *s = NULL;
    phial_error err = {0};
    assert_int_equal(phial_session_new(&s, e, 257, &err), PHIAL_ERR_ARGUMENT);
    assert_int_equal(phial_session_new(&s, e, 10, &err), PHIAL_OK);
    assert_int_equal(phial_session_sync(s, IDS, 0, &err), PHIAL_ERR_ARGUMENT);
    assert_int_equal(phial_session_sync(s, IDS, 11, &err), PHIAL_ERR_CONTEXT_FULL);
    assert_non_null(strstr(err.message, "11"));
    assert_non_null(strstr(err.message, "10"));
    uint32_t bad[] = {1, N_VOCAB};
    assert_int_equal(phial_session_sync(s, bad, 2, &err), PHIAL_ERR_ARGUMENT);
    bad[1] = UINT32_MAX;
    assert_int_equal(phial_session_sync(s, bad, 2, &err), PHIAL_ERR_ARGUMENT);
    phial_session *twice[] = {s, s};
    const phial_tokens lists[] = {{IDS, 2}, {IDS, 3}};
    assert_int_equal(phial_session_sync_batch(twice, lists, 2, &err), PHIAL_ERR_ARGUMENT);
    assert_int_equal(phial_session_sync(s, IDS, 10, &err), PHIAL_OK); /* none of that hurt it */
    phial_session_free(s);
    phial_engine_free(e);
}

static void cancel_at_layer(void *user, const phial_activation_event *event)
{
    if (event->what == PHIAL_ACT_LN && event->layer == 0 && event->position >= 64) {
        phial_session_cancel(user);
    }
}

static void cancelling_keeps_whole_chunks(void **state)
{
    (void)state;
    static float want[N_VOCAB];
    phial_engine *e = engine_with(2, PHIAL_KV_F32, 32);
    phial_session *s = session_of(e);
    sync_to(s, N_IDS);
    memcpy(want, phial_session_logits(s), sizeof want);
    phial_session_truncate(s, 0);
    assert_int_equal(phial_session_on_activation(s, 1u << PHIAL_ACT_LN, cancel_at_layer, s, NULL),
                     PHIAL_OK);
    phial_error err = {0};
    assert_int_equal(phial_session_sync(s, IDS, N_IDS, &err), PHIAL_ERR_CANCELLED);
    assert_int_equal(phial_session_tokens(s).n, 64);
    assert_null(phial_session_logits(s));
    assert_int_equal(phial_session_on_activation(s, 0, NULL, NULL, NULL), PHIAL_OK);
    sync_to(s, N_IDS);
    assert_int_equal(phial_session_n_reused(s), 64);
    same_logits(s, want);
    phial_session_cancel(s); /* nothing runs: the next sync is the one that stops */
    phial_session_truncate(s, 5);
    assert_int_equal(phial_session_sync(s, IDS, N_IDS, &err), PHIAL_ERR_CANCELLED);
    sync_to(s, N_IDS);
    same_logits(s, want);
    phial_session_free(s);
    phial_engine_free(e);
}

static void cancel_another(void *user, const phial_activation_event *event)
{
    (void)event;
    phial_session_cancel(user);
}

/* A session that waits for its turn is heard at once, not when its turn comes. */
static void cancelling_the_waiting(void **state)
{
    (void)state;
    phial_engine *e = engine_with(1, PHIAL_KV_F32, 32);
    phial_session *pair[] = {session_of(e), session_of(e)};
    const phial_tokens lists[] = {{IDS, N_IDS}, {IDS, 3}};
    assert_int_equal(
        phial_session_on_activation(pair[0], 1u << PHIAL_ACT_LN, cancel_another, pair[1], NULL),
        PHIAL_OK);
    phial_error err = {0};
    assert_int_equal(phial_session_sync_batch(pair, lists, 2, &err), PHIAL_ERR_CANCELLED);
    assert_int_equal(phial_session_tokens(pair[0]).n, 0); /* not even the first chunk was ended */
    assert_int_equal(phial_session_on_activation(pair[0], 0, NULL, NULL, NULL), PHIAL_OK);
    assert_int_equal(phial_session_sync_batch(pair, lists, 2, &err), PHIAL_OK);
    phial_session_free(pair[0]);
    phial_session_free(pair[1]);
    phial_engine_free(e);
}

static const char *snapshot_path(void)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/phial-snapshot-%d", (int)getpid());
    return path;
}

static void snapshots_go_on_with_the_same_bits(void **state)
{
    (void)state;
    static float want[N_VOCAB], held[N_VOCAB];
    for (int kv = PHIAL_KV_F32; kv <= PHIAL_KV_Q8; kv++) {
        phial_error err = {0};
        phial_engine *e = engine_with(2, (phial_kv_type)kv, 512);
        phial_session *s = session_of(e);
        sync_to(s, 130);
        memcpy(held, phial_session_logits(s), sizeof held);
        assert_int_equal(phial_session_save(s, snapshot_path(), &err), PHIAL_OK);
        sync_to(s, N_IDS);
        memcpy(want, phial_session_logits(s), sizeof want);
        phial_session_free(s);
        s = session_of(e);
        assert_int_equal(phial_session_load(s, snapshot_path(), &err), PHIAL_OK);
        same_logits(s, held);
        sync_to(s, N_IDS);
        assert_int_equal(phial_session_n_reused(s), 130);
        same_logits(s, want);
        phial_session_free(s);
        phial_engine_free(e);
    }
    unlink(snapshot_path());
}

static void put_file(const void *bytes, size_t n)
{
    FILE *f = fopen(snapshot_path(), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* Every single byte of the small parts, and samples of the rest; with the checksum repaired too. */
static void damaged_snapshots_are_refused(void **state)
{
    (void)state;
    phial_error err = {0};
    phial_engine *e = engine_with(1, PHIAL_KV_F16, 512);
    phial_session *s = session_of(e), *t = session_of(e);
    sync_to(s, 3);
    assert_int_equal(phial_session_save(s, snapshot_path(), &err), PHIAL_OK);
    ph_buf file;
    ph_buf_init(&file, 0);
    assert_int_equal(ph_file_read(&file, snapshot_path(), 1 << 30, &err), PHIAL_OK);
    sync_to(t, 7);
    size_t refused_with_sum = 0;
    for (size_t i = 0; i < file.len; i += i < 200 ? 1 : 4099) {
        for (int repair = 0; repair < 2; repair++) {
            ph_buf bad;
            ph_buf_init(&bad, 0);
            ph_buf_add(&bad, file.data, file.len);
            bad.data[i] ^= 0x41;
            if (repair) {
                ph_hash128 sum = ph_hash128_of(bad.data, bad.len - 16);
                memcpy(bad.data + bad.len - 16, &sum, 16);
            }
            put_file(bad.data, bad.len);
            phial_status status = phial_session_load(t, snapshot_path(), &err);
            if (!repair && i < file.len - 16) {
                assert_int_not_equal(status, PHIAL_OK);
            }
            refused_with_sum += repair && status != PHIAL_OK;
            if (status != PHIAL_OK) {
                assert_int_equal(phial_session_tokens(t).n, 7); /* unchanged */
            } else {
                sync_to(t, 7); /* wrong numbers at worst */
            }
            ph_buf_free(&bad);
        }
    }
    assert_true(refused_with_sum >= 60); /* header, fingerprint, build, sizes */
    for (size_t n = 0; n < file.len; n = n < 300 ? n + 1 : n * 2) { /* and every short file */
        put_file(file.data, n);
        assert_int_equal(phial_session_load(t, snapshot_path(), &err), PHIAL_ERR_BAD_INPUT);
    }
    ph_buf_free(&file);
    phial_session_free(t);
    phial_session_free(s);
    phial_engine_free(e);
    unlink(snapshot_path());
}

static void copy_file(const char *from, const char *to)
{
    ph_buf file;
    ph_buf_init(&file, 0);
    assert_int_equal(ph_file_read(&file, from, 1 << 30, NULL), PHIAL_OK);
    FILE *f = fopen(to, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(file.data, 1, file.len, f), file.len);
    assert_int_equal(fclose(f), 0);
    ph_buf_free(&file);
}

/* A file that shrinks while the model is open ends in a sentence. */
static void shrunken_files_are_noticed(void **state)
{
    (void)state;
    char dir[] = "/tmp/phial-shrunken-XXXXXX", weights[64], config[64];
    assert_non_null(mkdtemp(dir));
    snprintf(weights, sizeof weights, "%s/model.safetensors", dir);
    snprintf(config, sizeof config, "%s/config.json", dir);
    copy_file(TINY "/model.safetensors", weights);
    copy_file(TINY "/config.json", config);
    phial_error err = {0};
    phial_model *own = NULL;
    phial_engine *e = NULL;
    phial_session *s = NULL;
    assert_int_equal(phial_model_open(&own, dir, NULL, &err), PHIAL_OK);
    assert_int_equal(phial_engine_new(&e, own, NULL, &err), PHIAL_OK);
    assert_int_equal(phial_session_new(&s, e, 0, &err), PHIAL_OK);
    assert_int_equal(phial_session_sync(s, IDS, 5, &err), PHIAL_OK);
    assert_int_equal(truncate(weights, 30000), 0);
    assert_int_equal(phial_session_sync(s, IDS, 9, &err), PHIAL_ERR_FILE_CHANGED);
    assert_non_null(strstr(err.message, weights));
    phial_session_free(s);
    phial_engine_free(e);
    phial_model_close(own);
    unlink(weights);
    unlink(config);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_do_not_depend_on_anything),
        cmocka_unit_test(kv_types_differ_but_little),
        cmocka_unit_test(common_beginnings_are_reused),
        cmocka_unit_test(impossible_lists_are_refused),
        cmocka_unit_test(cancelling_keeps_whole_chunks),
        cmocka_unit_test(cancelling_the_waiting),
        cmocka_unit_test(snapshots_go_on_with_the_same_bits),
        cmocka_unit_test(damaged_snapshots_are_refused),
        cmocka_unit_test(shrunken_files_are_noticed),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
