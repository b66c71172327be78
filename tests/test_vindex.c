/* The vector index: flat against double precision, int8 and bits against flat to the last bit, for
 * vectors of all kinds; recall where it is asked for; filters, threads, batches, fetched rows.
 */
#include "base/pool.h"
#include "sparse.h"
#include "vindex_util.h"

static const ph_vindex_metric metrics[] = {PH_VINDEX_L2, PH_VINDEX_IP, PH_VINDEX_COSINE};

static double true_score(const vset *v, ph_vindex_metric metric, size_t row, size_t query,
                         double *size)
{
    const float *x = v->rows + row * v->dim, *q = v->queries + query * v->dim;
    double dot = 0, l2 = 0, xx = 0, qq = 0, sum = 0;
    for (size_t d = 0; d < v->dim; d++) {
        dot += (double)x[d] * q[d];
        sum += fabs((double)x[d] * q[d]);
        xx += (double)x[d] * x[d];
        qq += (double)q[d] * q[d];
        l2 += ((double)x[d] - q[d]) * ((double)x[d] - q[d]);
    }
    double lengths = sqrt(xx * qq);
    *size = metric == PH_VINDEX_L2 ? l2 : metric == PH_VINDEX_IP ? sum : 1;
    return metric == PH_VINDEX_L2   ? l2
           : metric == PH_VINDEX_IP ? dot
           : lengths > 0            ? dot / lengths
                                    : 0;
}

/* Scores are right, in order, equal ones in order of ids; and nothing better was left out. */
static void check_flat(const vset *v, ph_vindex_metric metric, const vfound *f)
{
    double sign = metric == PH_VINDEX_L2 ? 1 : -1;
    for (size_t i = 0; i < f->n; i++) {
        size_t n = v->n < f->k ? v->n : f->k;
        assert_int_equal(f->found[i], n);
        for (size_t j = 0; j < n; j++) {
            double size, slack;
            int64_t id = f->ids[i * f->k + j];
            double want = true_score(v, metric, (size_t)(id + 1000) / 3, i, &size);
            slack = size * 1e-5 + 1e-37;
            if (fabs(f->scores[i * f->k + j] - want) > slack) {
                fail_msg("score %g, in truth %g", (double)f->scores[i * f->k + j], want);
            }
            if (j > 0) {
                double step =
                    sign * ((double)f->scores[i * f->k + j] - f->scores[i * f->k + j - 1]);
                assert_true(step > 0 || (step == 0 && id > f->ids[i * f->k + j - 1]));
            }
        }
        for (size_t row = 0; row < v->n; row++) {
            double size, score = true_score(v, metric, row, i, &size);
            bool in = false;
            for (size_t j = 0; j < n; j++) {
                in = in || f->ids[i * f->k + j] == v->ids[row];
            }
            double last = f->scores[i * f->k + n - 1];
            assert_true(in || sign * (score - last) >= -(size * 1e-5 + 1e-37));
        }
    }
}

static void check_set(vset_kind kind, size_t n, size_t dim, size_t k)
{
    vset v = vset_new(kind, n, 5, dim, 1);
    for (size_t m = 0; m < 3; m++) {
        ph_vindex *flat = vset_index(&v, "flat", metrics[m], true);
        vfound truth = vset_search(&v, flat, k, 0, NULL, NULL);
        check_flat(&v, metrics[m], &truth);
        for (size_t i = 1; ph_vindex_kind_name(i) != NULL; i++) {
            const char *name = ph_vindex_kind_name(i);
            ph_vindex *index = vset_index(&v, name, metrics[m], true);
            vfound f = vset_search(&v, index, k, 1, NULL, NULL);
            if (!vfound_same(&truth, &f)) {
                fail_msg("%s differs: set %d, %zu x %zu, k %zu, %s", name, kind, n, dim, k,
                         ph_vindex_metric_name(metrics[m]));
            }
            vfound_free(&f);
            ph_vindex_close(index);
        }
        vfound_free(&truth);
        ph_vindex_close(flat);
    }
    vset_free(&v);
}

static void structures_agree(void **state)
{
    (void)state;
    static const size_t dims[] = {1, 3, 31, 32, 33, 100, 384, 520};
    for (int kind = 0; kind < VSET_N; kind++) {
        for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i += CHECK_STEP(3)) {
            check_set((vset_kind)kind, 700, dims[i], 10);
        }
    }
}

static void sizes_at_the_edges(void **state)
{
    (void)state;
    static const size_t ns[] = {0, 1, 2, 31, 32, 33, 255, 256, 257, 513};
    for (size_t i = 0; i < sizeof ns / sizeof ns[0]; i++) {
        check_set(VSET_CLUSTERED, ns[i], 48, 1);
        check_set(VSET_DUPLICATE, ns[i], 48, 40);
    }
    check_set(VSET_CLUSTERED, 300, 2560, 7);
    check_set(VSET_RANDOM, 100, 4500, 7);
}

static void check_recall(const char *kind)
{
    static const double wanted[] = {0.5, 0.8, 0.95, 0.99};
    vset v = vset_new(VSET_CLUSTERED, 6000, 200, 96, 3);
    vset r = vset_new(VSET_RANDOM, 6000, 200, 96, 3);
    const vset *sets[] = {&v, &r};
    for (int s = 0; s < 2; s++) {
        for (size_t m = 0; m < 3; m++) {
            ph_vindex *flat = vset_index(sets[s], "flat", metrics[m], true);
            ph_vindex *bits = vset_index(sets[s], kind, metrics[m], true);
            vfound truth = vset_search(sets[s], flat, 10, 0, NULL, NULL);
            for (size_t w = 0; w < sizeof wanted / sizeof wanted[0]; w++) {
                vfound f = vset_search(sets[s], bits, 10, wanted[w], NULL, NULL);
                size_t hits = 0;
                for (size_t i = 0; i < f.n * 10; i++) {
                    for (size_t j = i / 10 * 10; j < i / 10 * 10 + 10; j++) {
                        hits += f.ids[i] == truth.ids[j];
                    }
                }
                double recall = (double)hits / (double)(f.n * 10);
                print_message("%s, %s, %s, wanted %.2f: recall %.4f\n", kind,
                              s ? "random" : "clustered", ph_vindex_metric_name(metrics[m]),
                              wanted[w], recall);
                assert_true(recall >= wanted[w]);
                vfound_free(&f);
            }
            vfound_free(&truth);
            ph_vindex_close(flat);
            ph_vindex_close(bits);
        }
    }
    vset_free(&v);
    vset_free(&r);
}

static void recall_is_reached(void **state)
{
    (void)state;
    check_recall("bits");
    check_recall("cells");
}

/* Filters: what is found under a mask is what flat finds among the rows that are left. */
static void masks_are_exact(void **state)
{
    (void)state;
    static const double shares[] = {0, 0.003, 0.1, 0.5, 0.97, 1};
    vset v = vset_new(VSET_CLUSTERED, 3000, 7, 64, 9);
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        ph_rng rng;
        vset left = vset_new(VSET_CLUSTERED, 3000, 7, 64, 9);
        bool *allowed = calloc(v.n, sizeof *allowed);
        assert_non_null(allowed);
        ph_rng_seed(&rng, 5, i);
        left.n = 0;
        for (size_t r = 0; r < v.n; r++) {
            allowed[r] = ph_rng_f64(&rng) < shares[i];
            if (allowed[r]) {
                left.ids[left.n] = v.ids[r];
                memmove(left.rows + left.n++ * v.dim, v.rows + r * v.dim, v.dim * sizeof(float));
            }
        }
        ph_vindex *few = vset_index(&left, "flat", PH_VINDEX_L2, true);
        vfound truth = vset_search(&left, few, 12, 0, NULL, NULL);
        for (size_t kind = 0; ph_vindex_kind_name(kind) != NULL; kind++) {
            ph_vindex *index = vset_index(&v, ph_vindex_kind_name(kind), PH_VINDEX_L2, true);
            ph_vindex_mask *mask = NULL;
            bool all = i % 2 == 0;
            assert_int_equal(ph_vindex_mask_new(&mask, index, all, NULL), PHIAL_OK);
            for (size_t r = 0; r < v.n; r++) {
                if (allowed[r] != all) {
                    assert_true(ph_vindex_mask_set(mask, v.ids[r], allowed[r]));
                    assert_true(ph_vindex_mask_set(mask, v.ids[r], allowed[r]));
                }
            }
            assert_false(ph_vindex_mask_set(mask, v.ids[0] + 1, true));
            assert_int_equal(ph_vindex_mask_count(mask), left.n);
            vfound f = vset_search(&v, index, 12, 1, mask, NULL);
            assert_true(vfound_same(&truth, &f));
            vfound_free(&f);
            ph_vindex_mask_free(mask);
            ph_vindex_close(index);
        }
        vfound_free(&truth);
        ph_vindex_close(few);
        vset_free(&left);
        free(allowed);
    }
    vset_free(&v);
}

/* The same ids and bits whatever the threads and however many queries go together; also where
 * the recall is left to chance. */
static void threads_and_batches_agree(void **state)
{
    (void)state;
    vset v = vset_new(VSET_CLUSTERED, 5000, 37, 64, 4);
    for (size_t kind = 0; ph_vindex_kind_name(kind) != NULL; kind++) {
        ph_vindex *index = vset_index(&v, ph_vindex_kind_name(kind), PH_VINDEX_COSINE, true);
        vfound want = vset_search(&v, index, 20, 0.8, NULL, NULL);
        for (int threads = 1; threads <= 5; threads += 2) {
            ph_vsearch_options o = {0};
            ph_vsearcher *s = NULL;
            assert_int_equal(ph_pool_new(&o.pool, threads, NULL), PHIAL_OK);
            vfound all = vset_search(&v, index, 20, 0.8, NULL, &o), one = vfound_new(37, 20);
            assert_true(vfound_same(&want, &all));
            assert_int_equal(ph_vsearcher_new(&s, index, &o, NULL), PHIAL_OK);
            for (size_t i = 0; i < 37; i += 3) {
                ph_vsearch search = {v.queries + i * 64, i + 3 < 37 ? 3 : 37 - i, 20, 0.8, NULL};
                assert_int_equal(ph_vsearcher_run(s, &search, one.ids + i * 20, one.scores + i * 20,
                                                  one.found + i, NULL),
                                 PHIAL_OK);
            }
            assert_true(vfound_same(&want, &one));
            assert_int_equal(ph_vsearcher_stats(s).n_queries, 37);
            ph_vsearcher_free(s);
            vfound_free(&all);
            vfound_free(&one);
            ph_pool_free(o.pool);
        }
        vfound_free(&want);
        ph_vindex_close(index);
    }
    vset_free(&v);
}

/* Many queries over f32 rows are multiplied together: to the last bit what each finds alone. */
static void check_products(vset_kind kind, ph_vindex_metric metric, size_t dim, size_t k)
{
    vset v = vset_new(kind, 600, 45, dim, 8);
    ph_vindex *flat = vset_index(&v, "flat", metric, true);
    ph_vindex_mask *mask = NULL;
    assert_int_equal(ph_vindex_mask_new(&mask, flat, true, NULL), PHIAL_OK);
    for (size_t i = 0; i < v.n; i += 3) {
        assert_true(ph_vindex_mask_set(mask, v.ids[i], false));
    }
    for (int masked = 0; masked < 2; masked++) {
        const ph_vindex_mask *m = masked ? mask : NULL;
        vfound together = vset_search(&v, flat, k, 0, m, NULL);
        for (size_t i = 0; i < v.n_queries; i++) {
            vset one = v;
            one.queries += i * dim;
            one.n_queries = 1;
            vfound alone = vset_search(&one, flat, k, 0, m, NULL);
            if (alone.found[0] != together.found[i] ||
                memcmp(alone.ids, together.ids + i * k, k * 8) != 0 ||
                memcmp(alone.scores, together.scores + i * k, k * 4) != 0) {
                fail_msg("set %d, %s, dim %zu, query %zu", kind, ph_vindex_metric_name(metric), dim,
                         i);
            }
            vfound_free(&alone);
        }
        vfound_free(&together);
    }
    ph_vindex_mask_free(mask);
    ph_vindex_close(flat);
    vset_free(&v);
}

static void products_change_nothing(void **state)
{
    (void)state;
    static const size_t dims[] = {1, 31, 64, 385};
    for (int kind = 0; kind < VSET_N; kind++) {
        for (size_t m = 0; m < 3; m++) {
            for (size_t d = 0; d < sizeof dims / sizeof dims[0]; d += CHECK_STEP(2)) {
                check_products((vset_kind)kind, metrics[m], dims[d], 9);
            }
        }
    }
    check_products(VSET_CLUSTERED, PH_VINDEX_L2, 64, 1000);
}

static void check_images(const vset *v, const char *kind)
{
    ph_buf one, other;
    ph_buf_init(&one, 0);
    ph_buf_init(&other, 0);
    ph_vindex_options o;
    ph_vindex_options_default(&o);
    o.kind = kind;
    o.dim = (uint32_t)v->dim;
    o.segment_rows = 512;
    const char *path = vset_path("pool");
    assert_int_equal(vset_build(v, path, &o, NULL), PHIAL_OK);
    assert_int_equal(ph_file_read(&one, path, 64 << 20, NULL), PHIAL_OK);
    for (int ref = 0; ref < 2; ref++) {
        o.isa = ref ? "ref" : NULL;
        assert_int_equal(ph_pool_new(&o.pool, 3, NULL), PHIAL_OK);
        assert_int_equal(vset_build(v, path, &o, NULL), PHIAL_OK);
        assert_int_equal(ph_file_read(&other, path, 64 << 20, NULL), PHIAL_OK);
        assert_true(one.len == other.len && memcmp(one.data, other.data, one.len) == 0);
        other.len = 0;
        ph_pool_free(o.pool);
    }
    ph_buf_free(&one);
    ph_buf_free(&other);
    unlink(path);
}

/* Images do not depend on the threads that make them nor on the instruction set, nor do candidates.
 */
static void instruction_sets_agree(void **state)
{
    (void)state;
    vset v = vset_new(VSET_CLUSTERED, 2000, 20, 100, 6);
    ph_vindex *index = vset_index(&v, "bits", PH_VINDEX_IP, true);
    ph_vsearch_options ref = {.isa = "ref"};
    vfound a = vset_search(&v, index, 10, 0.9, NULL, NULL);
    vfound b = vset_search(&v, index, 10, 0.9, NULL, &ref);
    size_t same = 0;
    for (size_t i = 0; i < 200; i++) {
        same += a.ids[i] == b.ids[i];
        assert_true(fabsf(a.scores[i] - b.scores[i]) <= 1e-5f * fabsf(a.scores[i]));
    }
    assert_true(same >= 198); /* scores that differ in the last bit may change places */
    vfound_free(&a);
    vfound_free(&b);
    ph_vindex_close(index);
    static const char *const kinds[] = {"int8", "bits", "cells"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        check_images(&v, kinds[i]);
    }
    vset_free(&v);
}

typedef struct store {
    const vset *v;
    size_t calls, fail_at;
    float spoil;
} store;

static phial_status fetch(void *user, const int64_t *ids, size_t n, float *rows, phial_error *err)
{
    store *s = user;
    if (++s->calls == s->fail_at) {
        return ph_err_set(err, PHIAL_ERR_IO, "the shop is closed");
    }
    for (size_t i = 0; i < n; i++) {
        assert_true(i == 0 || ids[i] > ids[i - 1]);
        memcpy(rows + i * s->v->dim, s->v->rows + (size_t)(ids[i] + 1000) / 3 * s->v->dim,
               s->v->dim * sizeof *rows);
        rows[i * s->v->dim] += s->spoil;
    }
    return PHIAL_OK;
}

static void rows_can_be_fetched(void **state)
{
    (void)state;
    vset v = vset_new(VSET_CLUSTERED, 2000, 9, 40, 8);
    for (size_t m = 0; m < 3; m++) {
        ph_vindex *flat = vset_index(&v, "flat", metrics[m], false);
        vfound truth = vset_search(&v, flat, 10, 0, NULL, NULL);
        for (int i = 0; i < 2; i++) {
            store s = {.v = &v};
            phial_error err = {0};
            ph_vsearcher *searcher = NULL;
            ph_vsearch_options o = {.fetch = fetch, .fetch_user = &s};
            ph_vindex *index = vset_index(&v, i ? "bits" : "int8", metrics[m], false);
            assert_false(ph_vindex_describe(index).has_rows);
            assert_int_equal(ph_pool_new(&o.pool, 2, NULL), PHIAL_OK);
            vfound f = vset_search(&v, index, 10, 1, NULL, &o);
            assert_true(vfound_same(&truth, &f) && s.calls > 0);
            ph_vsearch search = {v.queries, 9, 10, 0, NULL};
            assert_int_equal(ph_vsearcher_new(&searcher, index, &o, NULL), PHIAL_OK);
            s = (store){.v = &v, .fail_at = 3};
            assert_int_equal(ph_vsearcher_run(searcher, &search, f.ids, f.scores, f.found, &err),
                             PHIAL_ERR_IO);
            assert_string_equal(err.message, "the shop is closed");
            s = (store){.v = &v, .spoil = NAN};
            assert_int_equal(ph_vsearcher_run(searcher, &search, f.ids, f.scores, f.found, &err),
                             PHIAL_ERR_NUMERIC);
            s = (store){.v = &v};
            assert_int_equal(ph_vsearcher_run(searcher, &search, f.ids, f.scores, f.found, &err),
                             PHIAL_OK);
            ph_vsearcher_free(searcher);
            o.fetch = NULL;
            assert_int_equal(ph_vsearcher_new(&searcher, index, &o, &err), PHIAL_ERR_ARGUMENT);
            vfound_free(&f);
            ph_pool_free(o.pool);
            ph_vindex_close(index);
        }
        vfound_free(&truth);
        ph_vindex_close(flat);
    }
    vset_free(&v);
}

/* More rows than a window, and a k beyond what its seeds give. */
static void many_rows(void **state)
{
    (void)state;
    vset v = vset_new(VSET_CLUSTERED, 140000, 2, 8, 2);
    ph_vindex *flat = vset_index(&v, "flat", PH_VINDEX_L2, true);
    vfound truth = vset_search(&v, flat, 5000, 0, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        ph_vindex *index = vset_index(&v, i ? "bits" : "int8", PH_VINDEX_L2, true);
        vfound f = vset_search(&v, index, 5000, 1, NULL, NULL);
        assert_true(vfound_same(&truth, &f));
        vfound_free(&f);
        ph_vindex_close(index);
    }
    vfound_free(&truth);
    ph_vindex_close(flat);
    vset_free(&v);
}

static void bad_searches_are_refused(void **state)
{
    (void)state;
    vset v = vset_new(VSET_RANDOM, 300, 3, 8, 8);
    phial_error err = {0};
    ph_vindex *index = vset_index(&v, "int8", PH_VINDEX_L2, true);
    ph_vindex *other = vset_index(&v, "int8", PH_VINDEX_L2, true);
    ph_vindex_mask *mask = NULL;
    ph_vsearcher *s = NULL;
    atomic_bool cancel = true;
    ph_vsearch_options o = {.cancel = &cancel};
    vfound f = vfound_new(3, 5);
    assert_int_equal(ph_vindex_mask_new(&mask, other, true, NULL), PHIAL_OK);
    assert_int_equal(ph_vsearcher_new(&s, index, &o, NULL), PHIAL_OK);
    ph_vsearch good = {v.queries, 3, 5, 0, NULL}, bad = good;
#define REFUSED(status, text)                                                                      \
    do {                                                                                           \
        assert_int_equal(ph_vsearcher_run(s, &bad, f.ids, f.scores, f.found, &err), status);       \
        assert_non_null(strstr(err.message, text));                                                \
        bad = good;                                                                                \
    } while (0)
    REFUSED(PHIAL_ERR_CANCELLED, "cancelled");
    atomic_store(&cancel, false);
    bad.k = 0;
    REFUSED(PHIAL_ERR_ARGUMENT, "k is 0");
    bad.k = PH_VINDEX_MAX_K + 1;
    REFUSED(PHIAL_ERR_ARGUMENT, "k is");
    bad.recall = 1.5;
    REFUSED(PHIAL_ERR_ARGUMENT, "recall");
    bad.recall = NAN;
    REFUSED(PHIAL_ERR_ARGUMENT, "recall");
    bad.mask = mask;
    REFUSED(PHIAL_ERR_ARGUMENT, "another index");
    static const float values[] = {NAN, INFINITY, -INFINITY, 1.1e15f, -3e38f};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        float was = v.queries[13];
        v.queries[13] = values[i];
        REFUSED(PHIAL_ERR_NUMERIC, "element 5 of query 1");
        v.queries[13] = was;
    }
    assert_int_equal(ph_vsearcher_run(s, &good, f.ids, f.scores, f.found, &err), PHIAL_OK);
    o.isa = "abacus";
    ph_vsearcher *none = NULL;
    assert_int_equal(ph_vsearcher_new(&none, index, &o, &err), PHIAL_ERR_ARGUMENT);
    ph_vindex_mask_free(mask);
    ph_vsearcher_free(s);
    vfound_free(&f);
    ph_vindex_close(index);
    ph_vindex_close(other);
    vset_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(structures_agree),
        cmocka_unit_test(sizes_at_the_edges),
        cmocka_unit_test(recall_is_reached),
        cmocka_unit_test(masks_are_exact),
        cmocka_unit_test(threads_and_batches_agree),
        cmocka_unit_test(instruction_sets_agree),
        cmocka_unit_test(products_change_nothing),
        cmocka_unit_test(rows_can_be_fetched),
        cmocka_unit_test(many_rows),
        cmocka_unit_test(bad_searches_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
