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
        for (int i = 0; i < 2; i++) {
            ph_vindex *index = vset_index(&v, i ? "bits" : "int8", metrics[m], true);
            vfound f = vset_search(&v, index, k, 1, NULL, NULL);
            if (!vfound_same(&truth, &f)) {
                fail_msg("%s differs: set %d, %zu x %zu, k %zu, %s", i ? "bits" : "int8", kind, n,
                         dim, k, ph_vindex_metric_name(metrics[m]));
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

static void recall_is_reached(void **state)
{
    (void)state;
    static const double wanted[] = {0.5, 0.8, 0.95, 0.99};
    vset v = vset_new(VSET_CLUSTERED, 6000, 200, 96, 3);
    vset r = vset_new(VSET_RANDOM, 6000, 200, 96, 3);
    const vset *sets[] = {&v, &r};
    for (int s = 0; s < 2; s++) {
        for (size_t m = 0; m < 3; m++) {
            ph_vindex *flat = vset_index(sets[s], "flat", metrics[m], true);
            ph_vindex *bits = vset_index(sets[s], "bits", metrics[m], true);
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
                print_message("%s, %s, wanted %.2f: recall %.4f\n", s ? "random" : "clustered",
                              ph_vindex_metric_name(metrics[m]), wanted[w], recall);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(structures_agree),
        cmocka_unit_test(sizes_at_the_edges),
        cmocka_unit_test(recall_is_reached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
