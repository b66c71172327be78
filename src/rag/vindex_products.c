/* Batches over f32 rows; contract in vindex_products.h.
 *
 * With slack s and the best key so far t, a row can be among the best only if
 *   L2:      <q, x> >= ((1 - s) |x|^2 + (1 - s) |q|^2 + t) / 2
 *   others:  <q, x> >= t - s (|x|^2 + |q|^2) / 2
 * where s covers the errors of the product (dim additions), of both norms and of the key. What
 * depends on the query is the product's bias, what depends on the row is compared with. */
#include "rag/vindex_products.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "kern/sgemm.h"

#define PACKED_BYTES  ((size_t)384 << 10) /* of queries: they stay in the second-level cache */
#define TOGETHER_MOST 256
#define TINY          1e-36f /* squares that underflow */
#define EIGHT         8

size_t ph_vproducts_together(const ph_kern *kern, size_t dim)
{
    size_t n = PACKED_BYTES / sizeof(float) / dim;
    n = n < TOGETHER_MOST ? n : TOGETHER_MOST;
    return n < kern->gemm_n ? kern->gemm_n : n / kern->gemm_n * kern->gemm_n;
}

static void *take(unsigned char *room, size_t *used, size_t bytes)
{
    void *at = room != NULL ? room + *used : NULL;
    *used += ph_align_up(bytes, PH_CACHE_LINE);
    return at;
}

static size_t lay_out(ph_vproducts *p, unsigned char *room, size_t k)
{
    size_t dim = p->index->layout.dim, n = p->together, used = 0;
    size_t m_tile = p->kern->gemm_m, n_tile = p->kern->gemm_n;
    p->queries = take(room, &used, n * dim * sizeof(float));
    p->packed = take(room, &used, n * dim * sizeof(float));
    p->bias = take(room, &used, (n + n_tile) * sizeof(float));
    p->half_norms = take(room, &used, n * sizeof(float));
    p->rows = take(room, &used, m_tile * dim * sizeof(float));
    p->products = take(room, &used, m_tile * n_tile * sizeof(float));
    p->tops = take(room, &used, n * sizeof(ph_vtop));
    ph_vplace *places = take(room, &used, n * k * sizeof(ph_vplace));
    for (size_t j = 0; j < n && room != NULL; j++) {
        p->tops[j] = (ph_vtop){.at = places + j * k};
    }
    return used;
}

phial_status ph_vproducts_open(ph_vproducts *p, const ph_kern *kern, const ph_vscan *scan,
                               const ph_vindex *index, size_t k, phial_error *err)
{
    if (p->bytes != NULL && k <= p->k) {
        return PHIAL_OK;
    }
    ph_vproducts_close(p);
    *p = (ph_vproducts){.kern = kern, .scan = scan, .index = index};
    p->together = ph_vproducts_together(kern, index->layout.dim);
    unsigned char *bytes = ph_alloc_large(1, lay_out(p, NULL, k), err);
    if (bytes == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    p->bytes = bytes;
    p->k = k;
    lay_out(p, bytes, k);
    return PHIAL_OK;
}

void ph_vproducts_close(ph_vproducts *p)
{
    ph_free(p->bytes);
    *p = (ph_vproducts){0};
}

/* s of the head comment. */
static float slack_of(size_t dim)
{
    return (float)(2 * PH_VCODE_SLACK + (double)(dim + 16) * 0x1p-23);
}

/* Half of what a row's or query's own length adds to the bound. */
static float half_norm(const ph_vproducts *p, const float *x)
{
    size_t dim = p->index->layout.dim;
    float square, s = slack_of(dim);
    p->scan->dot(&square, x, x, 1, dim);
    return 0.5f * square * (p->index->space.metric == PH_VINDEX_L2 ? 1 - s : -s);
}

static void set_bias(ph_vproducts *p, size_t j)
{
    float key = ph_vtop_key(&p->tops[j]);
    float half = p->index->space.metric == PH_VINDEX_L2 ? 0.5f * key : key;
    p->bias[j] = TINY - (p->half_norms[j] + half);
}

static void set_queries(ph_vproducts *p, const float *queries, size_t n, size_t k)
{
    size_t dim = p->index->layout.dim;
    memset(p->bias, 0, (p->together + p->kern->gemm_n) * sizeof *p->bias);
    for (size_t j = 0; j < n; j++) {
        float *q = p->queries + j * dim;
        ph_vspace_direct(&p->index->space, q, queries + j * dim);
        p->half_norms[j] = half_norm(p, q);
        p->tops[j].n = 0;
        p->tops[j].k = k;
        set_bias(p, j);
    }
    ph_pack_rows(p->packed, p->queries, dim, n, dim, p->kern->gemm_n);
}

static bool allowed(const ph_vindex_mask *mask, uint64_t row)
{
    return mask == NULL || (mask->words[row / PH_VSCAN_ROWS] >> row % PH_VSCAN_ROWS & 1) != 0;
}

static void compare(ph_vproducts *p, size_t j, const float *x, uint64_t row)
{
    size_t dim = p->index->layout.dim;
    const float *q = p->queries + j * dim;
    float key;
    if (p->index->space.metric == PH_VINDEX_L2) {
        p->scan->l2(&key, q, x, 1, dim);
        key = 0.0f - key;
    } else {
        p->scan->dot(&key, q, x, 1, dim);
    }
    ph_vtop_add(&p->tops[j], (ph_vplace){key, (uint32_t)row});
    set_bias(p, j);
}

/* Whether one of eight products may be of a row among the best. */
static bool may_be_in(const float *products, float least)
{
    int any = 0;
    for (int i = 0; i < EIGHT; i++) {
        any |= products[i] >= least;
    }
    return any != 0;
}

/* The products of a row x with n queries from j0 on. */
static void look_at(ph_vproducts *p, const float *products, size_t j0, size_t n, float least,
                    const float *x, uint64_t row)
{
    for (size_t j = 0; j < n; j += EIGHT) {
        size_t end = n - j < EIGHT ? n : j + EIGHT;
        if (end - j == EIGHT && !may_be_in(products + j, least)) {
            continue;
        }
        for (size_t i = j; i < end; i++) {
            if (products[i] >= least) {
                compare(p, j0 + i, x, row);
            }
        }
    }
}

/* Asks for a share of the rows that come next. */
static void ask(const float *x, size_t n, size_t share, size_t n_shares)
{
    const size_t line = PH_CACHE_LINE / sizeof *x;
    for (size_t i = n * share / n_shares; i < n * (share + 1) / n_shares; i += line) {
        __builtin_prefetch(x + i, 0, 2);
    }
}

/* m rows x, the first of them number `row`; n_next behind them will be next. */
static void multiply(ph_vproducts *p, size_t n, const float *x, size_t m, uint64_t row,
                     size_t n_next, const ph_vindex_mask *mask)
{
    size_t dim = p->index->layout.dim, tall = p->kern->gemm_m, wide = p->kern->gemm_n;
    size_t n_panels = (n + wide - 1) / wide;
    float least[PH_GEMM_M_MAX];
    for (size_t i = 0; i < m; i++) {
        least[i] = half_norm(p, x + i * dim);
    }
    ph_pack_rows(p->rows, x, dim, m, dim, tall);
    for (size_t j = 0; j < n_panels; j++) {
        ph_gemm_tile t = {.c = p->products,
                          .a = p->rows,
                          .b = p->packed + j * wide * dim,
                          .bias = p->bias + j * wide,
                          .ldc = wide,
                          .m = tall,
                          .n = wide,
                          .k = dim};
        ask(x + m * dim, n_next * dim, j, n_panels);
        p->kern->gemm(&t);
        size_t some = n - j * wide < wide ? n - j * wide : wide;
        for (size_t i = 0; i < m; i++) {
            if (allowed(mask, row + i)) {
                look_at(p, p->products + i * wide, j * wide, some, least[i], x + i * dim, row + i);
            }
        }
    }
}

bool ph_vproducts_run(ph_vproducts *p, const float *queries, size_t n, size_t k,
                      const ph_vindex_mask *mask, const atomic_bool *cancel)
{
    const ph_vlayout *l = &p->index->layout;
    size_t tall = p->kern->gemm_m;
    set_queries(p, queries, n, k);
    for (uint64_t s = 0; s < l->n_segments; s++) {
        size_t n_rows = (size_t)ph_vlayout_rows_of(l, s), m;
        const float *x = ph_vindex_row(p->index, s * l->segment_rows);
        if (cancel != NULL && atomic_load(cancel)) {
            return false;
        }
        for (size_t i = 0; i < n_rows; i += m) {
            size_t left = n_rows - i;
            m = left < tall ? left : tall;
            multiply(p, n, x + i * l->dim, m, s * l->segment_rows + i,
                     left - m < tall ? left - m : tall, mask);
        }
    }
    return true;
}
