/* Mean-centring and whitening; contract in phial/embed.h.
 *
 * FULL multiplies with the inverse of the covariance's Cholesky factor. Any matrix W with
 * W^T W = covariance^-1 gives the same inner products and distances as the one from its
 * eigenvectors, and this one costs dim^3 / 3 steps. Fewer dimensions are not made: that needs the
 * eigenvectors. With fewer vectors than a few times dim the sample's covariance is a poor guess,
 * without an inverse below dim: it is shrunk towards (trace / dim) I (Ledoit and Wolf 2004), by
 * dim / (dim + n) if nothing is said. Source of the use: Su et al. 2021, "Whitening sentence
 * representations for better semantics and faster retrieval". All sums are double.
 */
#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "phial/embed.h"

#define MAGIC         "PHWHITEN"
#define VERSION       1u
#define HEADER_BYTES  24 /* magic, version, kind, dim */
#define CHECKSUM_SEED 0x77686974u

struct phial_whitening {
    phial_whitening_kind kind;
    size_t dim;
    float *mean;   /* owned [dim] */
    float *factor; /* owned: rows of the inverse factor, row i has i + 1 numbers; NULL: CENTRE */
    double *row;   /* owned [dim]: work */
};

static size_t triangle(size_t dim)
{
    return dim * (dim + 1) / 2;
}

static phial_status new_whitening(phial_whitening **out, phial_whitening_kind kind, size_t dim,
                                  phial_error *err)
{
    size_t most = kind == PHIAL_WHITEN_FULL ? PHIAL_WHITENING_DIM_MAX : (size_t)1 << 24;
    if ((kind != PHIAL_WHITEN_FULL && kind != PHIAL_WHITEN_CENTRE) || dim == 0 || dim > most) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "whitening of kind %d over %zu dimensions: 1 to %zu are possible",
                          (int)kind, dim, most);
    }
    phial_whitening *w = ph_alloc(1, sizeof *w, err);
    if (w == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    w->kind = kind;
    w->dim = dim;
    w->mean = ph_alloc(dim, sizeof *w->mean, err);
    bool ok = w->mean != NULL;
    if (ok && kind == PHIAL_WHITEN_FULL) {
        w->factor = ph_alloc(triangle(dim), sizeof *w->factor, err);
        w->row = w->factor == NULL ? NULL : ph_alloc(dim, sizeof *w->row, err);
        ok = w->row != NULL;
    }
    if (!ok) {
        phial_whitening_free(w);
        return PHIAL_ERR_NO_MEMORY;
    }
    *out = w;
    return PHIAL_OK;
}

void phial_whitening_free(phial_whitening *w)
{
    if (w == NULL) {
        return;
    }
    ph_free(w->mean);
    ph_free(w->factor);
    ph_free(w->row);
    ph_free(w);
}

size_t phial_whitening_dim(const phial_whitening *w)
{
    return w->dim;
}

/* --- fitting ---------------------------------------------------------------------------------- */

static phial_status take_mean(float *mean, const float *vectors, size_t n, size_t dim,
                              phial_error *err)
{
    double *sum = ph_alloc(dim, sizeof *sum, err);
    if (sum == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    phial_status status = PHIAL_OK;
    for (size_t i = 0; i < n && status == PHIAL_OK; i++) {
        for (size_t c = 0; c < dim; c++) {
            float x = vectors[i * dim + c];
            sum[c] += x;
            if (!isfinite(x)) {
                status =
                    ph_err_set(err, PHIAL_ERR_NUMERIC, "vector %zu holds NaN or infinity", i + 1);
                break;
            }
        }
    }
    for (size_t c = 0; c < dim; c++) {
        mean[c] = (float)(sum[c] / (double)n);
    }
    ph_free(sum);
    return status;
}

#define BLOCK 64 /* of the covariance's rows and columns, and of vectors taken together */

/* Lower triangle of the covariance, [dim][dim]; blocks of it stay in the first-level cache. */
static void add_covariance(double *cov, const float *centred, size_t n, size_t dim)
{
    for (size_t i0 = 0; i0 < dim; i0 += BLOCK) {
        for (size_t j0 = 0; j0 <= i0; j0 += BLOCK) {
            size_t i1 = i0 + BLOCK < dim ? i0 + BLOCK : dim;
            for (size_t v = 0; v < n; v++) {
                const float *x = centred + v * dim;
                for (size_t i = i0; i < i1; i++) {
                    size_t j1 = j0 + BLOCK < i + 1 ? j0 + BLOCK : i + 1;
                    double xi = x[i], *row = cov + i * dim;
                    for (size_t j = j0; j < j1; j++) {
                        row[j] += xi * x[j];
                    }
                }
            }
        }
    }
}

static phial_status take_covariance(double *cov, const phial_whitening *w, const float *vectors,
                                    size_t n, double shrink, phial_error *err)
{
    size_t dim = w->dim;
    float *centred = ph_alloc(BLOCK * dim, sizeof *centred, err);
    if (centred == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    for (size_t v = 0; v < n; v += BLOCK) {
        size_t m = n - v < BLOCK ? n - v : BLOCK;
        for (size_t i = 0; i < m * dim; i++) {
            centred[i] = vectors[v * dim + i] - w->mean[i % dim];
        }
        add_covariance(cov, centred, m, dim);
    }
    ph_free(centred);
    double trace = 0;
    for (size_t i = 0; i < dim; i++) {
        trace += cov[i * dim + i] / (double)n;
    }
    for (size_t i = 0; i < dim; i++) {
        for (size_t j = 0; j <= i; j++) {
            cov[i * dim + j] *= (1 - shrink) / (double)n;
        }
        cov[i * dim + i] += shrink * trace / (double)dim;
    }
    return PHIAL_OK;
}

/* L with L L^T = cov, in place; false if there is none. */
static bool cholesky(double *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double *row = a + i * n, largest = row[i];
        for (size_t j = 0; j <= i; j++) {
            const double *other = a + j * n;
            double sum = row[j];
            for (size_t k = 0; k < j; k++) {
                sum -= row[k] * other[k];
            }
            if (j < i) {
                row[j] = sum / other[j];
            } else if (!(sum > largest * 1e-12)) {
                return false;
            } else {
                row[i] = sqrt(sum);
            }
        }
    }
    return true;
}

/* Its inverse, row by row: x_j = (e_j - sum of L x) / L_jj forwards, column by column of L^-1. */
static void invert(float *out, const double *l, size_t n, double *x)
{
    for (size_t j = 0; j < n; j++) { /* column j */
        for (size_t i = j; i < n; i++) {
            double sum = i == j;
            for (size_t k = j; k < i; k++) {
                sum -= l[i * n + k] * x[k];
            }
            x[i] = sum / l[i * n + i];
            out[triangle(i) + j] = (float)x[i];
        }
    }
}

phial_status phial_whitening_fit(phial_whitening **out, phial_whitening_kind kind,
                                 const float *vectors, size_t n, size_t dim, double shrink,
                                 phial_error *err)
{
    phial_whitening *w = NULL;
    double *cov = NULL;
    if (n < 2 || shrink > 1 || isnan(shrink)) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "whitening fitted on %zu vectors with shrinkage %g: two vectors or more, "
                          "and at most 1, are needed",
                          n, shrink);
    }
    phial_status status = new_whitening(&w, kind, dim, err);
    if (status == PHIAL_OK) {
        status = take_mean(w->mean, vectors, n, dim, err);
    }
    if (status == PHIAL_OK && kind == PHIAL_WHITEN_FULL) {
        double by = shrink < 0 ? (double)dim / (double)(dim + n) : shrink;
        cov = ph_alloc(dim * dim, sizeof *cov, err);
        status = cov == NULL ? PHIAL_ERR_NO_MEMORY : take_covariance(cov, w, vectors, n, by, err);
        if (status == PHIAL_OK && !cholesky(cov, dim)) {
            status =
                ph_err_set(err, PHIAL_ERR_NUMERIC,
                           "the covariance of %zu vectors of %zu dimensions, shrunk by %g, has "
                           "no inverse",
                           n, dim, by);
        }
        if (status == PHIAL_OK) {
            invert(w->factor, cov, dim, w->row);
        }
    }
    ph_free(cov);
    if (status == PHIAL_OK) {
        *out = w;
    } else {
        phial_whitening_free(w);
    }
    return status;
}

/* --- using ------------------------------------------------------------------------------------ */

phial_status phial_whitening_apply(const phial_whitening *w, float *vectors, size_t n, size_t dim,
                                   phial_error *err)
{
    if (dim != w->dim) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "vectors of %zu numbers; the whitening was fitted on vectors of %zu", dim,
                          w->dim);
    }
    for (size_t v = 0; v < n; v++) {
        float *x = vectors + v * dim;
        for (size_t c = 0; c < dim; c++) {
            x[c] -= w->mean[c];
        }
        /* From the last row up: a row needs the coordinates before its own. */
        for (size_t i = dim; w->factor != NULL && i-- > 0;) {
            const float *row = w->factor + triangle(i);
            double sum = 0;
            for (size_t k = 0; k <= i; k++) {
                sum += (double)row[k] * x[k];
            }
            x[i] = (float)sum;
        }
    }
    return PHIAL_OK;
}

/* --- as bytes --------------------------------------------------------------------------------- */

static bool add_floats(ph_buf *b, const float *x, size_t n)
{
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        ok = ph_buf_add_u32(b, bits);
    }
    return ok;
}

phial_status phial_whitening_save(const phial_whitening *w, void *bytes, size_t cap,
                                  size_t *n_bytes, phial_error *err)
{
    size_t floats = w->dim + (w->factor != NULL ? triangle(w->dim) : 0);
    *n_bytes = HEADER_BYTES + 4 * floats + 8;
    if (bytes == NULL) {
        return PHIAL_OK;
    }
    if (cap < *n_bytes) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "room for %zu bytes; the whitening has %zu", cap,
                          *n_bytes);
    }
    ph_buf b;
    ph_buf_init(&b, 0);
    ph_buf_add(&b, MAGIC, 8);
    ph_buf_add_u32(&b, VERSION);
    ph_buf_add_u32(&b, (uint32_t)w->kind);
    ph_buf_add_u64(&b, w->dim);
    add_floats(&b, w->mean, w->dim);
    if (w->factor != NULL) {
        add_floats(&b, w->factor, triangle(w->dim));
    }
    ph_buf_add_u64(&b, ph_hash64(b.data != NULL ? b.data : "", b.len, CHECKSUM_SEED));
    phial_status status = ph_buf_status(&b, err);
    if (status == PHIAL_OK) {
        memcpy(bytes, b.data, *n_bytes);
    }
    ph_buf_free(&b);
    return status;
}

static uint64_t number(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

static const uint8_t *take_floats(float *x, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++, p += 4) {
        uint32_t bits = (uint32_t)number(p, 4);
        memcpy(&x[i], &bits, sizeof bits);
    }
    return p;
}

phial_status phial_whitening_load(phial_whitening **out, const void *bytes, size_t n_bytes,
                                  phial_error *err)
{
    const uint8_t *p = bytes;
    if (n_bytes < HEADER_BYTES + 8 || memcmp(p, MAGIC, 8) != 0) {
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "these %zu bytes are no whitening", n_bytes);
    }
    if (number(p + 8, 4) != VERSION) {
        return ph_err_set(err, PHIAL_ERR_UNSUPPORTED, "a whitening of version %u; %u is read",
                          (unsigned)number(p + 8, 4), VERSION);
    }
    uint64_t kind = number(p + 12, 4), dim = number(p + 16, 8);
    phial_whitening *w;
    if (kind > PHIAL_WHITEN_FULL || dim > (uint64_t)1 << 24) {
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "a whitening of kind %u over %llu dimensions",
                          (unsigned)kind, (unsigned long long)dim);
    }
    phial_status status = new_whitening(&w, (phial_whitening_kind)kind, (size_t)dim, err);
    if (status != PHIAL_OK) {
        return status;
    }
    size_t n_factor = w->factor != NULL ? triangle(w->dim) : 0;
    size_t want = HEADER_BYTES + 4 * (w->dim + n_factor) + 8;
    if (n_bytes != want) {
        status = ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                            "a whitening over %zu dimensions has %zu bytes, not %zu", w->dim, want,
                            n_bytes);
    } else if (number(p + want - 8, 8) != ph_hash64(p, want - 8, CHECKSUM_SEED)) {
        status = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "the whitening's checksum does not fit");
    }
    if (status != PHIAL_OK) {
        phial_whitening_free(w);
        return status;
    }
    p = take_floats(w->mean, p + HEADER_BYTES, w->dim);
    take_floats(w->factor, p, n_factor);
    *out = w;
    return PHIAL_OK;
}
