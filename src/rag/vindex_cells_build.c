/* Making cells; contract in vindex_cells.h. All that decides is integer products of codes
 * (ph_vscan.codes) and sums in double in a fixed order: images do not depend on the instruction
 * set.
 */
#include "rag/vindex_cells.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define SAMPLE     16 /* rows of a cell, on average, that its mean is made of at first */
#define ROUNDS     4
#define QUERIES    96 /* rows of a segment that gains are measured with */
#define NEIGHBOURS 3  /* of each: the nearest of all rows may be the first few of this segment */

/* A mean as whole numbers. */
typedef struct mean16 {
    double step, half_sum, half_square;
} mean16;

typedef struct maker {
    ph_vcell_job *job;
    size_t p, n, n_cells;
    /* What follows lies in the same memory. */
    double *sums;      /* [cells][p] */
    size_t *counts;    /* [cells] */
    mean16 *shape;     /* [cells] */
    int16_t *q16;      /* [cells][p] */
    float *means;      /* [cells][p] */
    double *norms;     /* [cells] */
    uint32_t *cell_of; /* [n] */
    uint32_t *order;   /* [n] rows by cell */
    float *y;          /* [PH_VSCAN_ROWS][p] */
    float *direct, *z; /* of a query */
    int16_t *query16;  /* [p] */
    double *gains;     /* [QUERIES * NEIGHBOURS] */
    size_t n_gains;
} maker;

static const unsigned char *code_of(const maker *m, size_t row)
{
    return m->job->codes + row * ph_vcode_row_bytes(m->p);
}

static float by_code_of(const unsigned char *code)
{
    float f;
    memcpy(&f, code, sizeof f);
    return f;
}

/* Adds what a row's code says of it. */
static void add_row(const maker *m, double *sum, size_t row)
{
    const unsigned char *code = code_of(m, row);
    const int8_t *c = (const int8_t *)code + PH_VCODE_BYTES_HEAD;
    double by = by_code_of(code);
    for (size_t d = 0; d < m->p; d++) {
        sum[d] += by * (c[d] + 0.5);
    }
}

/* Takes the mean of a cell's sum, if it has rows, as whole numbers. */
static void set_mean(maker *m, size_t cell)
{
    double *sum = m->sums + cell * m->p, largest = 0;
    double most = fmin(32767, floor(2147483647.0 / (128.0 * (double)m->p)));
    mean16 *shape = &m->shape[cell];
    if (m->counts[cell] == 0) {
        return;
    }
    for (size_t d = 0; d < m->p; d++) {
        sum[d] /= (double)m->counts[cell];
        largest = fmax(largest, fabs(sum[d]));
    }
    *shape = (mean16){.step = largest > 1e-33 ? largest / most : 1};
    for (size_t d = 0; d < m->p; d++) {
        long q = lrint(sum[d] / shape->step);
        m->q16[cell * m->p + d] = (int16_t)q;
        shape->half_sum += 0.5 * (double)q;
        shape->half_square += 0.5 * (double)q * (double)q * shape->step * shape->step;
    }
}

static size_t nearest(const maker *m, size_t row)
{
    const unsigned char *code = code_of(m, row);
    const int8_t *c = (const int8_t *)code + PH_VCODE_BYTES_HEAD;
    double by = by_code_of(code), best = -INFINITY;
    size_t cell = 0;
    for (size_t i = 0; i < m->n_cells; i++) {
        int32_t dot = m->job->kernels->codes(c, m->q16 + i * m->p, m->p);
        double near =
            by * m->shape[i].step * (dot + m->shape[i].half_sum) - m->shape[i].half_square;
        if (near > best) {
            best = near;
            cell = i;
        }
    }
    return cell;
}

static void clear_sums(maker *m)
{
    memset(m->sums, 0, m->n_cells * m->p * sizeof *m->sums);
    memset(m->counts, 0, m->n_cells * sizeof *m->counts);
}

static bool cancelled(const maker *m)
{
    return m->job->cancel != NULL && atomic_load(m->job->cancel);
}

/* k-means over some of the rows, from some of them; then each row's cell. False: cancelled. */
static bool part_rows(maker *m)
{
    size_t n_some = m->n < SAMPLE * m->n_cells ? m->n : SAMPLE * m->n_cells;
    clear_sums(m);
    for (size_t i = 0; i < m->n_cells; i++) {
        add_row(m, m->sums + i * m->p, i * m->n / m->n_cells);
        m->counts[i] = 1;
        set_mean(m, i);
    }
    for (int round = 0; round < ROUNDS; round++) {
        clear_sums(m);
        if (cancelled(m)) {
            return false;
        }
        for (size_t i = 0; i < n_some; i++) {
            size_t row = i * m->n / n_some, cell = nearest(m, row);
            add_row(m, m->sums + cell * m->p, row);
            m->counts[cell]++;
        }
        for (size_t i = 0; i < m->n_cells; i++) {
            set_mean(m, i);
        }
    }
    memset(m->counts, 0, m->n_cells * sizeof *m->counts);
    for (size_t row = 0; row < m->n; row++) {
        if (row % 4096 == 0 && cancelled(m)) {
            return false;
        }
        m->cell_of[row] = (uint32_t)nearest(m, row);
        m->counts[m->cell_of[row]]++;
    }
    return true;
}

/* The table of cells, and the rows in their order. */
static void lay_cells(maker *m)
{
    uint32_t block = 0, at = 0;
    for (size_t i = 0; i < m->n_cells; i++) {
        ph_vcell cell = {block, (uint32_t)m->counts[i]};
        memcpy(m->job->part + i * sizeof cell, &cell, sizeof cell);
        block += (cell.n + PH_VSCAN_ROWS - 1) / PH_VSCAN_ROWS;
        m->counts[i] = at; /* from here on where its rows begin */
        at += cell.n;
    }
    for (size_t row = 0; row < m->n; row++) {
        m->order[m->counts[m->cell_of[row]]++] = (uint32_t)row;
    }
}

/* The scan's blocks of a cell whose n rows are in order from `from` on; and its mean. */
static void encode_cell(maker *m, size_t cell, size_t from, size_t n, size_t block)
{
    ph_vcell_job *job = m->job;
    size_t p = m->p;
    unsigned char *order = job->part + ph_vcell_order_at(m->n);
    float *mean = m->means + cell * p, share = 1 / (float)n;
    double norms[PH_VSCAN_ROWS];
    for (size_t i = 0; i < n; i += PH_VSCAN_ROWS, block++) {
        size_t some = n - i < PH_VSCAN_ROWS ? n - i : PH_VSCAN_ROWS;
        for (size_t r = 0; r < some; r++) {
            uint32_t row = m->order[from + i + r];
            uint16_t short_row = (uint16_t)row;
            float *y = m->y + r * p;
            norms[r] = ph_vspace_turn(job->space, y, job->rows + row * job->space->dim, true);
            memcpy(order + (block * PH_VSCAN_ROWS + r) * sizeof short_row, &short_row,
                   sizeof short_row);
            for (size_t d = 0; d < p; d++) {
                mean[d] += share * y[d];
            }
        }
        ph_vrows rows = {m->y, norms, some, p};
        job->kind->encode(job->scan + block * job->kind->block_bytes(p), NULL, &rows);
    }
}

static void encode_cells(maker *m)
{
    size_t from = 0;
    memset(m->means, 0, m->n_cells * m->p * sizeof *m->means);
    for (size_t i = 0; i < m->n_cells; i++) {
        ph_vcell cell;
        memcpy(&cell, m->job->part + i * sizeof cell, sizeof cell);
        encode_cell(m, i, from, cell.n, cell.block);
        from += cell.n;
        m->counts[i] = cell.n;
    }
}

static void encode_means(maker *m)
{
    size_t p = m->p;
    unsigned char *blocks = m->job->part + ph_vcell_means_at(m->n);
    for (size_t i = 0; i < m->n_cells; i++) {
        m->norms[i] = ph_vspace_length(m->means + i * p, p);
    }
    for (size_t i = 0; i < m->n_cells; i += PH_VSCAN_ROWS) {
        size_t n = m->n_cells - i < PH_VSCAN_ROWS ? m->n_cells - i : PH_VSCAN_ROWS;
        ph_vrows rows = {m->means + i * p, m->norms + i, n, p};
        double root = ph_vcode_nibbles(blocks + i / PH_VSCAN_ROWS * ph_vcell_mean_bytes(p), &rows);
        m->job->root = fmax(m->job->root, root);
    }
}

/* --- gains ------------------------------------------------------------------------------------ */

/* The key of a cell's mean; of the query's own cell as if the query were no row of it. */
static double promise(const maker *m, const ph_vquery *q, size_t cell, bool own)
{
    const float *mean = m->means + cell * m->p;
    double n = (double)m->counts[cell], dot = 0, away = 0;
    double without = own && n > 1 ? n / (n - 1) : 1;
    for (size_t d = 0; d < m->p; d++) {
        dot += (double)q->z[d] * mean[d];
        away += (double)(q->z[d] - mean[d]) * (q->z[d] - mean[d]);
    }
    if (q->metric == PH_VINDEX_L2) {
        return -away * without * without;
    }
    return q->base + dot; /* one row of a cell changes little */
}

static double key_of(const maker *m, const ph_vquery *q, size_t row)
{
    const unsigned char *code = code_of(m, row);
    float head[3];
    memcpy(head, code, sizeof head);
    int32_t dot = m->job->kernels->codes((const int8_t *)code + PH_VCODE_BYTES_HEAD, q->q16, m->p);
    double product = head[0] * q->step16 * (dot + q->half_sum16);
    return q->metric == PH_VINDEX_L2 ? 2 * product - (double)head[2] * head[2] - q->norm * q->norm
                                     : q->base + product;
}

static void measure_query(maker *m, size_t query)
{
    ph_vquery q = {.direct = m->direct, .z = m->z, .q16 = m->query16};
    double best[NEIGHBOURS];
    size_t rows[NEIGHBOURS], n = 0;
    ph_vquery_set(&q, m->job->space, m->job->rows + query * m->job->space->dim);
    for (size_t row = 0; row < m->n; row++) {
        double key = row == query ? -INFINITY : key_of(m, &q, row);
        size_t i = n < NEIGHBOURS ? n++ : NEIGHBOURS;
        for (; i > 0 && key > best[i - 1]; i--) {
            if (i < NEIGHBOURS) {
                best[i] = best[i - 1];
                rows[i] = rows[i - 1];
            }
        }
        if (i < NEIGHBOURS) {
            best[i] = key;
            rows[i] = row;
        }
    }
    for (size_t i = 0; i < n && best[i] > -INFINITY && q.norm > 0; i++) {
        size_t cell = m->cell_of[rows[i]];
        m->gains[m->n_gains++] =
            (best[i] - promise(m, &q, cell, cell == m->cell_of[query])) / q.norm;
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Without any gains, as of a single row, everything is scanned. */
static void measure_gains(maker *m)
{
    size_t n_queries = m->n < QUERIES ? m->n : QUERIES;
    for (size_t i = 0; i < n_queries; i++) {
        measure_query(m, i * m->n / n_queries);
    }
    qsort(m->gains, m->n_gains, sizeof *m->gains, by_value);
    for (size_t i = 0; i < PH_VCELL_GAINS; i++) {
        float gain = INFINITY;
        if (m->n_gains > 0) {
            gain = (float)m->gains[i * (m->n_gains - 1) / (PH_VCELL_GAINS - 1)];
        }
        memcpy(m->job->part + ph_vcell_gains_at(m->n, m->p) + i * sizeof gain, &gain, sizeof gain);
    }
}

/* --- all of it -------------------------------------------------------------------------------- */

static void *take(unsigned char *room, size_t *used, size_t n, size_t size)
{
    void *at = room != NULL ? room + *used : NULL;
    *used += ph_align_up(n * size, PH_CACHE_LINE);
    return at;
}

static size_t lay_out(maker *m, unsigned char *room)
{
    size_t used = 0, cells = m->n_cells, p = m->p;
    m->sums = take(room, &used, cells * p, sizeof *m->sums);
    m->counts = take(room, &used, cells, sizeof *m->counts);
    m->shape = take(room, &used, cells, sizeof *m->shape);
    m->q16 = take(room, &used, cells * p, sizeof *m->q16);
    m->means = take(room, &used, cells * p, sizeof *m->means);
    m->norms = take(room, &used, cells, sizeof *m->norms);
    m->cell_of = take(room, &used, m->n, sizeof *m->cell_of);
    m->order = take(room, &used, m->n, sizeof *m->order);
    m->y = take(room, &used, PH_VSCAN_ROWS * p, sizeof *m->y);
    m->direct = take(room, &used, p, sizeof *m->direct);
    m->z = take(room, &used, p, sizeof *m->z);
    m->query16 = take(room, &used, p, sizeof *m->query16);
    m->gains = take(room, &used, (size_t)QUERIES * NEIGHBOURS, sizeof *m->gains);
    return used;
}

phial_status ph_vcell_build(ph_vcell_job *job, phial_error *err)
{
    maker m = {.job = job, .p = job->space->p, .n = job->n, .n_cells = ph_vcell_count(job->n)};
    unsigned char *room = ph_alloc_large(1, lay_out(&m, NULL), err);
    if (room == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    lay_out(&m, room);
    phial_status st = PHIAL_OK;
    if (part_rows(&m)) {
        lay_cells(&m);
        encode_cells(&m);
        encode_means(&m);
        measure_gains(&m);
    } else {
        st = ph_err_set(err, PHIAL_ERR_CANCELLED, "cancelled");
    }
    ph_free(room);
    return st;
}
