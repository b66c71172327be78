/* Images of the vector index: told apart when they are missing, foreign, stale or damaged; every
 * flipped byte is noticed; a builder that is killed leaves the old one; bad rows are refused by
 * name; every allocation may fail.
 * wrap: calloc realloc aligned_alloc
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "rag/vindex_kind.h"
#include "sparse.h"
#include "torture.h"
#include "vindex_util.h"

static ph_vindex_options options(const char *kind, size_t dim)
{
    ph_vindex_options o;
    ph_vindex_options_default(&o);
    o.kind = kind;
    o.dim = (uint32_t)dim;
    o.segment_rows = 256;
    o.source = (ph_hash128){17, 4};
    return o;
}

static ph_vindex_state state_of(const char *path, const ph_vindex_expect *e)
{
    ph_vindex *index = NULL;
    ph_vindex_state state = PH_VINDEX_UNKNOWN;
    phial_error err = {0};
    phial_status st = ph_vindex_open(&index, path, e, &state, &err);
    assert_int_equal(st == PHIAL_OK, state == PH_VINDEX_FRESH);
    assert_true(st == PHIAL_OK || strstr(err.message, path) != NULL);
    if (st == PHIAL_OK) {
        ph_vindex_close(index);
    }
    return state;
}

static void write_bytes(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void states_are_told_apart(void **state)
{
    (void)state;
    vset v = vset_new(VSET_RANDOM, 300, 1, 8, 1);
    const char *path = vset_path("states");
    assert_int_equal(state_of(path, NULL), PH_VINDEX_MISSING);
    write_bytes(path, "", 0);
    assert_int_equal(state_of(path, NULL), PH_VINDEX_FOREIGN);
    write_bytes(path,
                "GGUF and other things of any length, longer than a header of an image, so "
                "that it is not its length that gives it away",
                100);
    assert_int_equal(state_of(path, NULL), PH_VINDEX_FOREIGN);
    ph_vindex_options o = options("bits", 8);
    assert_int_equal(vset_build(&v, path, &o, NULL), PHIAL_OK);
    assert_int_equal(state_of(path, NULL), PH_VINDEX_FRESH);
    ph_vindex_metric l2 = PH_VINDEX_L2, ip = PH_VINDEX_IP;
    ph_hash128 own = {17, 4}, other = {17, 5};
    ph_vindex_expect e = {"bits", &l2, 8, &own}, wrong = e;
    assert_int_equal(state_of(path, &e), PH_VINDEX_FRESH);
    wrong.kind = "int8";
    assert_int_equal(state_of(path, &wrong), PH_VINDEX_STALE);
    wrong = e;
    wrong.metric = &ip;
    assert_int_equal(state_of(path, &wrong), PH_VINDEX_STALE);
    wrong = e;
    wrong.dim = 9;
    assert_int_equal(state_of(path, &wrong), PH_VINDEX_STALE);
    wrong = e;
    wrong.source = &other;
    assert_int_equal(state_of(path, &wrong), PH_VINDEX_STALE);
    unlink(path);
    vset_free(&v);
}

static void contents_come_back(void **state)
{
    (void)state;
    for (size_t kind = 0; ph_vindex_kind_name(kind) != NULL; kind++) {
        vset v = vset_new(VSET_CLUSTERED, 1300, 1, 33, 1);
        ph_vindex *index = vset_index(&v, ph_vindex_kind_name(kind), PH_VINDEX_L2, true);
        ph_vindex_info info = ph_vindex_describe(index);
        assert_string_equal(info.kind, ph_vindex_kind_name(kind));
        assert_non_null(ph_vindex_kind_about(kind));
        assert_true(info.n_rows == 1300 && info.dim == 33 && info.has_rows);
        for (size_t i = 0; i < v.n; i++) {
            uint64_t row;
            assert_int_equal(ph_vindex_id(index, i), v.ids[i]);
            assert_true(ph_vindex_find(index, v.ids[i], &row) && row == i);
            assert_false(ph_vindex_find(index, v.ids[i] + 1, &row));
            assert_memory_equal(ph_vindex_row(index, i), v.rows + i * 33, 33 * sizeof(float));
        }
        ph_vindex_close(index);
        vset_free(&v);
    }
}

/* Every byte of a small image, and sizes that are wrong. */
static void flips_are_noticed(void **state)
{
    (void)state;
    vset v = vset_new(VSET_CLUSTERED, 290, 1, 8, 1);
    for (size_t kind = 0; ph_vindex_kind_name(kind) != NULL; kind++) {
        const char *path = vset_path("flips");
        ph_vindex_options o = options(ph_vindex_kind_name(kind), 8);
        ph_rng rng;
        ph_rng_seed(&rng, 1, kind);
        assert_int_equal(vset_build(&v, path, &o, NULL), PHIAL_OK);
        size_t size = (size_t)ph_file_bytes(path);
        int fd = open(path, O_RDWR);
        assert_true(fd >= 0);
        for (size_t i = 0; i < size; i += kind == 0 ? 1 : 1 + ph_rng_below(&rng, 30)) {
            unsigned char was, now;
            assert_int_equal(pread(fd, &was, 1, (off_t)i), 1);
            now = (unsigned char)(was ^ 1u << ph_rng_below(&rng, 8));
            assert_int_equal(pwrite(fd, &now, 1, (off_t)i), 1);
            ph_vindex_state st = state_of(path, NULL);
            assert_int_equal(st, i < 16 ? PH_VINDEX_FOREIGN : PH_VINDEX_DAMAGED);
            assert_int_equal(pwrite(fd, &was, 1, (off_t)i), 1);
        }
        assert_int_equal(state_of(path, NULL), PH_VINDEX_FRESH);
        assert_int_equal(pwrite(fd, "x", 1, (off_t)size), 1);
        assert_int_equal(state_of(path, NULL), PH_VINDEX_DAMAGED);
        for (size_t cut = size; cut > 0; cut -= cut < 700 ? cut : 700) {
            assert_int_equal(ftruncate(fd, (off_t)(cut - 1)), 0);
            assert_int_equal(state_of(path, NULL),
                             cut - 1 < sizeof(ph_vheader) ? PH_VINDEX_FOREIGN : PH_VINDEX_DAMAGED);
        }
        close(fd);
        unlink(path);
    }
    vset_free(&v);
}

static void rehash(unsigned char *page)
{
    uint64_t hash = ph_hash64(page, PH_VIMAGE_PAGE - sizeof hash, PH_VIMAGE_SEED);
    memcpy(page + PH_VIMAGE_PAGE - sizeof hash, &hash, sizeof hash);
}

/* Whole in itself, and impossible. */
static void forged_headers_are_refused(void **state)
{
    (void)state;
    vset v = vset_new(VSET_RANDOM, 300, 1, 8, 1);
    const char *path = vset_path("forged");
    ph_vindex_options o = options("int8", 8);
    assert_int_equal(vset_build(&v, path, &o, NULL), PHIAL_OK);
    ph_buf file;
    ph_buf_init(&file, 0);
    assert_int_equal(ph_file_read(&file, path, 1 << 24, NULL), PHIAL_OK);
    for (int i = 0; i < 16; i++) {
        unsigned char *page = malloc(file.len);
        ph_vheader h;
        assert_non_null(page);
        memcpy(page, file.data, file.len);
        memcpy(&h, page, sizeof h);
        ph_vindex_state want = PH_VINDEX_DAMAGED;
        switch (i) {
        case 0:
            h.dim = 0;
            break;
        case 1:
            h.dim = UINT32_MAX;
            break;
        case 2:
            h.dim = 16;
            break;
        case 3:
            h.segment_rows = 0;
            break;
        case 4:
            h.segment_rows = 300;
            break;
        case 5:
            h.segment_rows = 0x80000000u;
            break;
        case 6:
            h.n_rows = UINT64_MAX;
            break;
        case 7:
            h.n_rows = PH_VINDEX_MAX_ROWS;
            break;
        case 8:
            h.n_rows = 0;
            break;
        case 9:
            h.metric = 3;
            break;
        case 10:
            h.largest_root = NAN;
            break;
        case 11:
            h.largest_root = 1e300;
            break;
        case 12:
            h.has_rows = 0;
            break;
        case 13:
            h.centre_hash++;
            break;
        case 14:
            h.version++;
            want = PH_VINDEX_FOREIGN;
            break;
        default:
            memcpy(h.kind, "sixteen letters.", 16);
            want = PH_VINDEX_FOREIGN;
        }
        memcpy(page, &h, sizeof h);
        rehash(page);
        write_bytes(path, page, file.len);
        assert_int_equal(state_of(path, NULL), want);
        free(page);
    }
    ph_buf_free(&file);
    unlink(path);
    vset_free(&v);
}

static void bad_rows_are_refused(void **state)
{
    (void)state;
    static const float values[] = {NAN, INFINITY, -INFINITY, 1.1e15f, -3e38f};
    const char *path = vset_path("bad");
    vset v = vset_new(VSET_RANDOM, 300, 1, 8, 1);
    phial_error err = {0};
    ph_vindex_builder *b = NULL;
    ph_vindex_options o = options("int8", 8);
    assert_int_equal(ph_vindex_builder_open(&b, path, &o, NULL), PHIAL_OK);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        float was = v.rows[2 * 8 + 3];
        size_t before = i == 0 ? 0 : 2; /* two good rows went in before the first bad one */
        v.rows[2 * 8 + 3] = values[i];
        assert_int_equal(ph_vindex_builder_add(b, v.ids + before, v.rows + before * 8, 4, &err),
                         PHIAL_ERR_NUMERIC);
        assert_non_null(strstr(err.message, "element 3 of the vector with id -994 is"));
        v.rows[2 * 8 + 3] = was;
    }
    assert_int_equal(ph_vindex_builder_add(b, v.ids + 1, v.rows, 1, &err), PHIAL_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "id -997 comes behind -997"));
    assert_int_equal(ph_vindex_builder_add(b, v.ids + 2, v.rows + 16, 298, &err), PHIAL_OK);
    assert_int_equal(ph_vindex_builder_commit(b, &err), PHIAL_OK);
    ph_vindex_builder_close(b);
    assert_int_equal(state_of(path, NULL), PH_VINDEX_FRESH);
    static const ph_vindex_options bad[] = {
        {.kind = "pyramid", .dim = 8},
        {.kind = "flat", .dim = 0},
        {.kind = "flat", .dim = PH_VINDEX_FLAT_DIM + 1},
        {.kind = "int8", .dim = PH_VINDEX_MAX_DIM + 1},
        {.kind = "bits", .dim = PH_VINDEX_MAX_DIM + 1},
        {.kind = "flat", .dim = 8, .metric = PH_VINDEX_N_METRICS},
        {.kind = "flat", .dim = 8, .segment_rows = 128},
        {.kind = "flat", .dim = 8, .segment_rows = 300},
        {.kind = "flat", .dim = 8, .segment_rows = 1u << 20},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        err.message[0] = 0;
        assert_int_not_equal(ph_vindex_builder_open(&b, path, &bad[i], &err), PHIAL_OK);
        assert_true(err.message[0] != 0);
    }
    atomic_bool cancel = true;
    o.cancel = &cancel;
    assert_int_equal(vset_build(&v, path, &o, &err), PHIAL_ERR_CANCELLED);
    assert_int_equal(ph_vindex_builder_open(&b, "no/such/folder/x", &o, &err), PHIAL_ERR_IO);
    assert_int_equal(state_of(path, NULL), PH_VINDEX_FRESH);
    unlink(path);
    vset_free(&v);
}

/* A builder that ends without commit, and a process that is killed while it builds. */
static void killed_builders_leave_the_old_one(void **state)
{
    (void)state;
    vset v = vset_new(VSET_RANDOM, 2000, 1, 64, 1);
    char folder[64], path[128]; /* its own, because it is swept */
    snprintf(folder, sizeof folder, "vindex_%ld_kill", (long)getpid());
    snprintf(path, sizeof path, "%s/image", folder);
    assert_int_equal(ph_dir_make(folder, NULL), PHIAL_OK);
    ph_vindex_options o = options("int8", 64);
    ph_hash128 own = {17, 4};
    ph_vindex_expect e = {.source = &own};
    assert_int_equal(vset_build(&v, path, &o, NULL), PHIAL_OK);
    o.source.lo = 18;
    ph_vindex_builder *b = NULL;
    assert_int_equal(ph_vindex_builder_open(&b, path, &o, NULL), PHIAL_OK);
    assert_int_equal(ph_vindex_builder_add(b, v.ids, v.rows, 2000, NULL), PHIAL_OK);
    ph_vindex_builder_close(b);
    assert_int_equal(state_of(path, &e), PH_VINDEX_FRESH);
    for (int i = 0; i < 6; i++) {
        int ready[2];
        char byte;
        assert_int_equal(pipe(ready), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            if (ph_vindex_builder_open(&b, path, &o, NULL) == PHIAL_OK &&
                ph_vindex_builder_add(b, v.ids, v.rows, 300 * (size_t)i, NULL) == PHIAL_OK &&
                write(ready[1], "x", 1) == 1) {
                pause();
            }
            _exit(1);
        }
        close(ready[1]);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(state_of(path, &e), PH_VINDEX_FRESH);
    }
    ph_dir_sweep(folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0); /* nothing else was left */
    vset_free(&v);
}

typedef struct torture {
    vset v;
    const char *path, *kind;
} torture;

static bool scenario(void *arg)
{
    torture *t = arg;
    ph_vindex_options o = options(t->kind, t->v.dim);
    ph_vsearch_options so = {0};
    ph_vindex *index = NULL;
    ph_vindex_mask *mask = NULL;
    ph_vsearcher *s = NULL;
    int64_t ids[6];
    float scores[6];
    size_t found[2];
    ph_vsearch search = {t->v.queries, 2, 3, 0, NULL};
    phial_error err = {0};
    phial_status st = vset_build(&t->v, t->path, &o, &err);
    if (st == PHIAL_OK) {
        st = ph_vindex_open(&index, t->path, NULL, NULL, &err);
    }
    if (st == PHIAL_OK) {
        st = ph_vindex_mask_new(&mask, index, true, &err);
    }
    if (st == PHIAL_OK) {
        st = ph_vsearcher_new(&s, index, &so, &err);
    }
    search.mask = mask;
    if (st == PHIAL_OK) {
        st = ph_vsearcher_run(s, &search, ids, scores, found, &err);
    }
    assert_true(st == PHIAL_OK || (st == PHIAL_ERR_NO_MEMORY && err.message[0] != 0));
    ph_vsearcher_free(s);
    ph_vindex_mask_free(mask);
    if (index != NULL) {
        ph_vindex_close(index);
    }
    return st == PHIAL_OK;
}

static void allocations_may_fail(void **state)
{
    (void)state;
    for (size_t kind = 0; ph_vindex_kind_name(kind) != NULL; kind++) {
        torture t = {vset_new(VSET_RANDOM, 600, 2, 8, 1), vset_path("torture"),
                     ph_vindex_kind_name(kind)};
        long failed = torture_run(scenario, &t, 1000);
        print_message("%s: %ld runs failed\n", t.kind, failed);
        assert_true(failed > 10);
        unlink(t.path);
        vset_free(&t.v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_are_told_apart),
        cmocka_unit_test(contents_come_back),
        cmocka_unit_test(flips_are_noticed),
        cmocka_unit_test(forged_headers_are_refused),
        cmocka_unit_test(bad_rows_are_refused),
        cmocka_unit_test(killed_builders_leave_the_old_one),
        cmocka_unit_test(allocations_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
