/* Scans of vectors: every instruction set's codes and scores are the reference's to the last bit,
 * its f32 sums within a bound of their operands; nothing is written beside the results. */
#include "checkkern.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kern/vscan.h"

#define TABLES_MAX CHECK_ISAS_MAX

typedef struct table {
    const char *label;
    const ph_vscan *scan;
} table;

static size_t tables(table t[TABLES_MAX])
{
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = check_isas(isas), n = 0;
    for (size_t i = 0; i < n_isas; i++) {
        const ph_vscan *scan = ph_vscan_for(isas[i].kern.isa);
        size_t j = 0;
        while (j < n && t[j].scan != scan) {
            j++;
        }
        if (j == n) {
            t[n++] = (table){isas[i].label, scan};
        }
    }
    return n;
}

static void fill_bytes(ph_rng *rng, unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        p[i] = (unsigned char)ph_rng_u64(rng);
    }
}

/* Blocks of any codes; factors ordinary, or some of them hostile. */
static void fill_blocks(ph_rng *rng, unsigned char *blocks, size_t n, size_t bytes, bool hostile)
{
    fill_bytes(rng, blocks, n * bytes);
    for (size_t b = 0; b < n; b++) {
        for (size_t i = 0; i < PH_VSCAN_FACTORS / sizeof(float); i++) {
            float f = hostile && ph_rng_below(rng, 8) == 0 ? check_hostile(rng) : check_random(rng);
            memcpy(blocks + b * bytes + i * sizeof f, &f, sizeof f);
        }
    }
}

static void set_query(ph_rng *rng, ph_vscan_query *q, const unsigned char *entries)
{
    *q = (ph_vscan_query){entries,
                          (float)ph_rng_below(rng, 1000) * 0.5f - 250,
                          check_random(rng),
                          check_random(rng),
                          check_random(rng),
                          check_random(rng),
                          check_random(rng),
                          NULL,
                          NULL};
}

/* Entries as large as they may be, so that sums reach what 16 bits hold. */
static void fill_bit_table(ph_rng *rng, unsigned char *t, size_t p, bool full)
{
    for (size_t i = 0; i < ph_vscan_bit_table_bytes(p); i++) {
        t[i] = (unsigned char)(full ? 60 : ph_rng_below(rng, 61));
    }
}

/* Numbers up to 16: half a depth block of them keeps PH_VSCAN_NIBBLE_ROOM with any codes. Or, few
 * times, of full size. */
static void fill_nibble_table(ph_rng *rng, unsigned char *t, size_t p, bool full)
{
    int32_t sums[2] = {0};
    size_t n_large[2] = {0};
    for (size_t d = 0, at = p; d < p; d++) {
        size_t half = d % 4 / 2;
        int v = full ? 16 - 32 * (int)ph_rng_below(rng, 2) : (int)ph_rng_below(rng, 33) - 16;
        if (!full && n_large[half] < 20 && ph_rng_below(rng, 8) == 0) {
            v = 254 * (int)ph_rng_below(rng, 2) - 127;
            n_large[half]++;
        } else if (!full) {
            v = v * 4 / 16;
        }
        t[d] = (unsigned char)(int8_t)v;
        sums[half] += v;
        if ((d + 1) % PH_VSCAN_NIBBLE_DEPTH == 0 || d + 1 == p) {
            for (size_t l = 0; l < 2; l++, at += sizeof(int32_t)) {
                int32_t start = (int32_t)lrint(-7.5 * sums[l]);
                memcpy(t + at, &start, sizeof start);
                sums[l] = 0;
                n_large[l] = 0;
            }
        }
    }
}

typedef struct scan_case {
    size_t p, n_blocks, n_q;
    bool nibbles, hostile, full;
} scan_case;

static void check_scan(ph_rng *rng, const table *t, size_t n_tables, const scan_case *c)
{
    size_t bytes = PH_VSCAN_FACTORS + c->p / (c->nibbles ? 2 : 8) * PH_VSCAN_ROWS;
    size_t table_bytes =
        c->nibbles ? ph_vscan_nibble_table_bytes(c->p) : ph_vscan_bit_table_bytes(c->p);
    unsigned char *blocks = malloc(c->n_blocks * bytes + 1),
                  *queries = malloc(PH_VSCAN_TOGETHER * table_bytes);
    size_t n = c->n_blocks * PH_VSCAN_ROWS;
    float *want = calloc(PH_VSCAN_TOGETHER * n + 1, 4),
          *want_best = calloc(PH_VSCAN_TOGETHER * c->n_blocks + 1, 4);
    ph_vscan_query q[PH_VSCAN_TOGETHER];
    assert_true(blocks && queries && want && want_best);
    fill_blocks(rng, blocks, c->n_blocks, bytes, c->hostile);
    for (size_t j = 0; j < c->n_q; j++) {
        unsigned char *at = queries + j * table_bytes;
        if (c->nibbles) {
            fill_nibble_table(rng, at, c->p, c->full);
        } else {
            fill_bit_table(rng, at, c->p, c->full);
        }
        set_query(rng, &q[j], at);
    }
    for (size_t i = 0; i < n_tables; i++) {
        check_guarded scores, bests;
        float *score = check_guarded_new(&scores, c->n_q * n * 4, 4);
        float *best = check_guarded_new(&bests, c->n_q * c->n_blocks * 4, 4);
        for (size_t j = 0; j < c->n_q; j++) {
            q[j].score = i == 0 ? want + j * n : score + j * n;
            q[j].best = i == 0 ? want_best + j * c->n_blocks : best + j * c->n_blocks;
        }
        (c->nibbles ? t[i].scan->nibbles : t[i].scan->bits)(q, c->n_q, blocks, c->n_blocks, c->p);
        if (i > 0) {
            assert_true(check_same_bits(score, want, c->n_q * n));
            assert_true(c->hostile || check_same_bits(best, want_best, c->n_q * c->n_blocks));
        }
        check_guarded_free(&scores);
        check_guarded_free(&bests);
    }
    free(blocks);
    free(queries);
    free(want);
    free(want_best);
}

static void scans_are_exact(void **state)
{
    (void)state;
    table t[TABLES_MAX];
    size_t n_tables = tables(t);
    ph_rng rng;
    ph_rng_seed(&rng, 11, 0);
    static const size_t ps[] = {32, 64, 96, 384, 480, 512, 544, 1024, 4096, 4128, 9216};
    for (size_t i = 0; i < sizeof ps / sizeof ps[0]; i += CHECK_STEP(3)) {
        for (size_t n_q = 1; n_q <= PH_VSCAN_TOGETHER; n_q++) {
            for (int kind = 0; kind < 6; kind++) {
                scan_case c = {ps[i],     ps[i] > 1000 ? 1 : ph_rng_below(&rng, 4),
                               n_q,       kind % 2 != 0,
                               kind >= 4, kind >= 2};
                check_scan(&rng, t, n_tables, &c);
            }
        }
    }
}

static void codes_are_exact(void **state)
{
    (void)state;
    table t[TABLES_MAX];
    size_t n_tables = tables(t);
    ph_rng rng;
    ph_rng_seed(&rng, 12, 0);
    for (size_t p = 32; p <= 2048; p += 32 * CHECK_STEP(5)) {
        int8_t *codes = malloc(p);
        int16_t *q = malloc(p * sizeof *q);
        int most = (int)fmin(32767, floor(2147483647.0 / (128.0 * (double)p)));
        assert_true(codes && q);
        for (int extreme = 0; extreme < 2; extreme++) {
            for (size_t d = 0; d < p; d++) {
                codes[d] = extreme ? -128 : (int8_t)ph_rng_u64(&rng);
                q[d] = (int16_t)(extreme ? most
                                         : (int)ph_rng_below(&rng, (uint64_t)(2 * most)) - most);
            }
            int32_t want = ph_vscan_ref.codes(codes, q, p);
            for (size_t i = 0; i < n_tables; i++) {
                assert_int_equal(t[i].scan->codes(codes, q, p), want);
            }
        }
        free(codes);
        free(q);
    }
}

static void check_sums(ph_rng *rng, const table *t, size_t n_tables, size_t dim, size_t n)
{
    float *q = malloc(dim * 4), *rows = malloc(n * dim * 4);
    assert_true(q && rows);
    check_fill(rng, q, dim);
    check_fill(rng, rows, n * dim);
    for (size_t i = 0; i < n_tables; i++) {
        for (int l2 = 0; l2 < 2; l2++) {
            check_guarded g;
            float *y = check_guarded_new(&g, n * 4, 4), one;
            (l2 ? t[i].scan->l2 : t[i].scan->dot)(y, q, rows, n, dim);
            for (size_t r = 0; r < n; r++) {
                double want = 0, size = 0;
                for (size_t d = 0; d < dim; d++) {
                    double x = rows[r * dim + d], away = x - q[d];
                    want += l2 ? away * away : x * q[d];
                    size += l2 ? away * away : fabs(x * q[d]);
                }
                double adds = 40 + (double)dim / PH_DOT_BLOCK;
                assert_true(fabs(y[r] - want) <= adds * CHECK_EPS * size);
                (l2 ? t[i].scan->l2 : t[i].scan->dot)(&one, q, rows + r * dim, 1, dim);
                assert_true(check_same_bits(&one, y + r, 1)); /* whatever its neighbours */
            }
            check_guarded_free(&g);
        }
    }
    free(q);
    free(rows);
}

static void sums_are_accurate(void **state)
{
    (void)state;
    table t[TABLES_MAX];
    size_t n_tables = tables(t);
    ph_rng rng;
    ph_rng_seed(&rng, 13, 0);
    for (size_t dim = 1; dim <= 130; dim++) {
        check_sums(&rng, t, n_tables, dim, dim % 5);
    }
    static const size_t dims[] = {384, 511, 512, 513, 1000, 1024, 2560};
    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
        check_sums(&rng, t, n_tables, dims[i], 7);
    }
}

const struct CMUnitTest check_vscan_tests[] = {
    cmocka_unit_test(scans_are_exact),
    cmocka_unit_test(codes_are_exact),
    cmocka_unit_test(sums_are_accurate),
};
const size_t check_n_vscan_tests = sizeof check_vscan_tests / sizeof check_vscan_tests[0];
