/* Int8 products with weights packed once: every instruction set gives the bits of kern/int8.h's
 * definition, also with the largest sums that packing allows. */
#include "checkkern.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kern/int8.h"

/* Ordinary numbers; or, in places, runs of one sign and size, which make sums of 16 bits large. */
static void fill_weights(ph_rng *rng, float *w, size_t n)
{
    check_fill(rng, w, n);
    for (size_t i = 0; i + 16 <= n; i += 16) {
        if (ph_rng_below(rng, 3) == 0) {
            float v = ph_rng_below(rng, 2) == 0 ? 2.0f : -2.0f;
            for (size_t p = i; p < i + 16; p++) {
                w[p] = v;
            }
        }
    }
}

static int whole(const ph_kern *kern, const ph_i8_mat *mat, size_t j, size_t p)
{
    size_t w = kern->i8_n;
    return mat->w[j / w * w * ph_i8_padded(mat->k) + (p / 4 * w + j % w) * 4 + p % 4];
}

/* What a 16-bit sum of a column reaches, and how far the whole numbers are from the weights. */
static void check_packed(const ph_kern *kern, const ph_i8_mat *mat, size_t j, const float *row)
{
    for (size_t p = 0; p < mat->k; p++) {
        float off = fabsf((float)whole(kern, mat, j, p) * mat->d[j] - row[p]);
        assert_true(off <= 0.5001f * mat->d[j]);
    }
    for (size_t i = 0; i < ph_i8_padded(mat->k); i += PH_I8_UNIT) {
        for (size_t lane = 0; lane < 2; lane++) {
            int up = 0, down = 0;
            for (size_t p = 0; p < 2 * PH_I8_FOLD; p++) {
                int w = whole(kern, mat, j, i + p / 2 * 4 + lane * 2 + p % 2);
                up += w > 0 ? w : 0;
                down += w < 0 ? -w : 0;
            }
            assert_true(up <= PH_I8_REACH && down <= PH_I8_REACH);
        }
    }
}

static void check_product(const ph_kern *kern, ph_rng *rng, size_t m, size_t n, size_t k)
{
    size_t ldx = k + 3, ldy = n + 2, bytes = ph_i8_bytes(kern, n, k), ldq = ph_i8_padded(k);
    size_t groups = ph_i8_groups(k), ld_f = groups + 1;
    float *w = malloc(n * k * sizeof *w), *x = malloc(m * ldx * sizeof *x);
    float *bias = malloc(n * sizeof *bias), *from = malloc(m * ldy * sizeof *from);
    float *factors = malloc(2 * m * ld_f * sizeof *factors);
    void *packed = aligned_alloc(64, (bytes + 63) / 64 * 64);
    uint8_t *q = malloc(m * ldq);
    check_guarded guard;
    float *y = check_guarded_new(&guard, m * ldy * sizeof *y, 4 * (k % 5));
    assert_true(w && x && bias && from && factors && packed && q && bytes > 0);
    fill_weights(rng, w, n * k);
    check_fill(rng, x, m * ldx);
    check_fill(rng, bias, n);
    check_fill(rng, from, m * ldy);
    memset(packed, 0, bytes);
    ph_i8_mat mat = ph_i8_lay_out(kern, packed, n, k, k % 2 == 0 ? bias : NULL);
    for (size_t j = 0; j < n; j++) {
        ph_i8_pack_row(kern, &mat, j, w + j * k);
        check_packed(kern, &mat, j, w + j * k);
    }
    const ph_i8_rows rows = {
        .q = q, .scale = factors, .offset = factors + m * ld_f, .ld = ldq, .ld_f = ld_f};
    ph_i8_quantize(kern, &rows, x, ldx, m, k);
    for (size_t i = 0; i < m && k % 3 == 0; i++) { /* as large as they may be */
        memset(q + i * ldq, PH_I8_MAX, k);
    }
    ph_i8_product p = {.mat = &mat, .x = &rows, .y = y, .ldy = ldy, .ld_from = ldy, .m = m};
    p.from = n % 2 == 0 ? from : NULL;
    for (size_t i = 0; i < m; i++) {
        y[i * ldy + n] = 7;
    }
    ph_i8_multiply(kern, &p);
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            float sum = 0;
            for (size_t g = 0; g < groups; g++) {
                int32_t isum = 0, wsum = 0;
                for (size_t d = g * PH_I8_GROUP; d < k && d < (g + 1) * PH_I8_GROUP; d++) {
                    isum += q[i * ldq + d] * whole(kern, &mat, j, d);
                    wsum += whole(kern, &mat, j, d);
                }
                sum = fmaf(rows.offset[i * ld_f + g], (float)wsum, sum);
                sum = fmaf((float)isum, rows.scale[i * ld_f + g], sum);
            }
            float want = fmaf(sum, mat.d[j], mat.bias[j]);
            want = p.from != NULL ? want + from[i * ldy + j] : want;
            assert_int_equal(check_bits(y[i * ldy + j]), check_bits(want));
        }
        assert_true(y[i * ldy + n] == 7);
    }
    check_guarded_free(&guard);
    free(w), free(x), free(bias), free(from), free(factors), free(packed), free(q);
}

static void products_are_defined(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = check_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 41, 0);
    for (size_t i = 0; i < n_isas; i++) {
        const ph_kern *kern = &isas[i].kern;
        if (kern->i8 == NULL) {
            continue;
        }
        for (size_t m = 1; m <= 10; m++) {
            check_product(kern, &rng, m, 1 + m * 13 % (2 * kern->i8_n + 3), 1 + m * 37 % 70);
        }
        check_product(kern, &rng, 3, kern->i8_n, 16);
        check_product(kern, &rng, 4, 2 * kern->i8_n, 1536); /* in several parts of the depth */
        check_product(kern, &rng, 67, kern->i8_n + 1, 561); /* and of the rows */
    }
}

/* Rows are rounded as defined, to the bit, whatever is in them. */
static void activations_are_defined(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = check_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 42, 0);
    for (size_t i = 0; i < n_isas; i++) {
        const ph_kern *kern = &isas[i].kern;
        for (size_t n = 1; n <= 140 && kern->i8 != NULL; n++) {
            float x[140], scale, offset;
            check_guarded guard;
            uint8_t *q = check_guarded_new(&guard, n, n % 5);
            check_fill(&rng, x, n);
            if (n % 3 == 0) {
                x[n / 2] = check_hostile(&rng);
            } else if (n % 7 == 0) {
                memset(x, 0, sizeof x);
            }
            kern->i8_quantize(q, &scale, &offset, x, n);
            float least = x[0], most = x[0];
            bool finite = true;
            for (size_t j = 0; j < n; j++) {
                least = x[j] < least ? x[j] : least;
                most = x[j] > most ? x[j] : most;
                finite = finite && isfinite(x[j]);
            }
            float range = most - least, inverse = range > 1e-30f ? 127 / range : 0;
            assert_true(finite || isnan(scale));
            for (size_t j = 0; j < n; j++) {
                assert_true(q[j] <= 127);
                assert_true(!finite || q[j] == (int)rintf((x[j] - least) * inverse));
            }
            assert_true(!finite || (scale == range / 127 && offset == least));
            check_guarded_free(&guard);
        }
    }
}

static void strange_weights(void **state)
{
    (void)state;
    ph_kern kern;
    assert_int_equal(ph_kern_init(&kern, "ref", NULL), PHIAL_OK);
    _Alignas(64) unsigned char packed[4096] = {0};
    assert_true(ph_i8_bytes(&kern, 3, 8) <= sizeof packed);
    ph_i8_mat mat = ph_i8_lay_out(&kern, packed, 3, 8, NULL);
    const float rows[3][8] = {{0}, {1, NAN}, {INFINITY, 1}};
    for (size_t j = 0; j < 3; j++) {
        ph_i8_pack_row(&kern, &mat, j, rows[j]);
    }
    assert_true(mat.d[0] == 0 && mat.sums[0] == 0);
    assert_true(isnan(mat.d[1]) && isnan(mat.d[2]));
    assert_int_equal(ph_i8_bytes(&kern, 3, PH_I8_DEPTH_MAX + 1), 0);
    assert_int_equal(ph_i8_bytes(&kern, SIZE_MAX / 2, 8), 0);
}

const struct CMUnitTest check_int8_tests[] = {cmocka_unit_test(products_are_defined),
                                              cmocka_unit_test(activations_are_defined),
                                              cmocka_unit_test(strange_weights)};
const size_t check_n_int8_tests = sizeof check_int8_tests / sizeof check_int8_tests[0];
