/* Codes and queries; contract and derivation in vindex_code.h.
 *
 * Rows below SMALLEST in length are coded as zeros: what that changes of a key is within the
 * constant TINY adds, and factors of others are ordinary floats.
 */
#include "rag/vindex_code.h"

#include <math.h>
#include <string.h>

#define SMALLEST 1e-33
#define TINY     (4 * SMALLEST)

/* Steps of a code of 16 levels for which a normal distribution of deviation 1 is met best (Max,
 * "Quantizing for minimum distortion", 1960). */
#define NIBBLE_STEP 0.335

/* From the products of y (of length norm) and its code's v. */
static ph_vcode_factors factors_of(double norm, double yv, double vv)
{
    if (norm < SMALLEST || !(yv > 0)) {
        return (ph_vcode_factors){0};
    }
    double cosine = yv / (norm * sqrt(vv)), square = 1 - cosine * cosine;
    double off = square > 0 ? sqrt(square) / cosine : 0;
    return (ph_vcode_factors){(float)(norm * norm / yv), (float)(norm * off), (float)norm};
}

static void put_factors(unsigned char *block, size_t row, ph_vcode_factors f)
{
    const float values[3] = {f.by_code, f.by_error, f.norm};
    for (size_t i = 0; i < 3; i++) {
        memcpy(block + (i * PH_VSCAN_ROWS + row) * sizeof(float), &values[i], sizeof(float));
    }
}

void ph_vcode_bits(unsigned char *block, const ph_vrows *rows, size_t first)
{
    unsigned char *codes = block + PH_VSCAN_FACTORS;
    memset(block, 0, PH_VSCAN_FACTORS + first / 8 * PH_VSCAN_ROWS);
    for (size_t r = 0; r < rows->n; r++) {
        const float *y = rows->y + r * rows->p;
        size_t at = r < 16 ? 2 * r : 2 * (r - 16) + 1;
        double sum = 0;
        for (size_t g = 0; g < first / 8; g++) {
            unsigned byte = 0;
            for (unsigned b = 0; b < 8; b++) {
                byte |= (unsigned)(y[g * 8 + b] >= 0) << b;
                sum += fabs((double)y[g * 8 + b]);
            }
            codes[g * PH_VSCAN_ROWS + at] = (unsigned char)byte;
        }
        put_factors(block, r, factors_of(rows->norms[r], sum, (double)first));
    }
}

static float largest_of(const float *y, size_t p)
{
    float most = 0;
    for (size_t d = 0; d < p; d++) {
        float a = fabsf(y[d]);
        most = a > most ? a : most;
    }
    return most;
}

double ph_vcode_nibbles(unsigned char *block, const ph_vrows *rows)
{
    const double *norms = rows->norms;
    const float *y = rows->y;
    size_t n = rows->n, p = rows->p;
    unsigned char *codes = block + PH_VSCAN_FACTORS;
    double root = 0;
    memset(block, 0, PH_VSCAN_FACTORS + p / 2 * PH_VSCAN_ROWS);
    for (size_t r = 0; r < n; r++, y += p) {
        double step = fmin(largest_of(y, p) / 7.5, NIBBLE_STEP * norms[r] / sqrt((double)p));
        float by = norms[r] < SMALLEST ? 0 : (float)(1 / step);
        double yv = 0, vv = 0, lane[2] = {0};
        for (size_t d = 0; d < p; d++) {
            float f = y[d] * by + 8;
            unsigned c = f < 0 ? 0 : f > 15 ? 15 : (unsigned)f;
            double v = (double)c - 7.5;
            size_t at = (d / 8 * PH_VSCAN_ROWS + r) * 4 + d % 4;
            codes[at] = (unsigned char)(codes[at] | c << (d % 8 < 4 ? 0 : 4));
            yv += y[d] * v;
            vv += v * v;
            lane[d % 4 / 2] += v * v;
            if ((d + 1) % PH_VSCAN_NIBBLE_DEPTH == 0 || d + 1 == p) {
                root = fmax(root, sqrt(fmax(lane[0], lane[1])));
                lane[0] = lane[1] = 0;
            }
        }
        put_factors(block, r, factors_of(norms[r], yv, vv));
    }
    return root;
}

void ph_vcode_bytes(unsigned char *row, const float *y, double norm, size_t p)
{
    float most = largest_of(y, p), by = norm < SMALLEST ? 0 : (float)(127.5 / most);
    double yv = 0, vv = 0;
    for (size_t d = 0; d < p; d++) {
        float f = y[d] * by + 128;
        int c = f < 0 ? -128 : f > 255 ? 127 : (int)f - 128;
        double v = c + 0.5;
        row[PH_VCODE_BYTES_HEAD + d] = (unsigned char)(int8_t)c;
        yv += y[d] * v;
        vv += v * v;
    }
    ph_vcode_factors f = factors_of(norm, yv, vv);
    const float head[3] = {f.by_code, f.by_error, f.norm};
    memcpy(row, head, sizeof head);
}

/* Rounds z to whole numbers of at most `most` times the step that is returned; *miss is the length
 * of what is lost. */
static double round_to(int16_t *out, const float *z, size_t p, double step, double *miss)
{
    double lost = 0;
    for (size_t d = 0; d < p; d++) {
        long q = lrint(z[d] / step);
        double away = z[d] - (double)q * step;
        out[d] = (int16_t)q;
        lost += away * away;
    }
    *miss = sqrt(lost);
    return step;
}

static double step_for(const float *z, size_t p, double most)
{
    double step = largest_of(z, p) / most;
    return step > SMALLEST ? step : 1;
}

void ph_vquery_set(ph_vquery *q, const ph_vspace *space, const float *x)
{
    q->metric = space->metric;
    q->twice = space->metric == PH_VINDEX_L2 ? 2 : 1;
    q->centre = space->centre_norm;
    ph_vspace_direct(space, q->direct, x);
    q->reach = ph_vspace_length(q->direct, space->dim);
    q->norm = ph_vspace_turn(space, q->z, q->direct, space->metric == PH_VINDEX_L2);
    q->base = 0;
    for (size_t d = 0; d < space->dim && space->metric != PH_VINDEX_L2; d++) {
        q->base += (double)q->direct[d] * space->centre[d];
    }
    double most = fmin(32767, floor(2147483647.0 / (128.0 * (double)space->p)));
    q->step16 = round_to(q->q16, q->z, space->p, step_for(q->z, space->p, most), &q->miss16);
    double sum = 0;
    for (size_t d = 0; d < space->p; d++) {
        sum += q->q16[d];
    }
    q->half_sum16 = 0.5 * sum;
}

/* The terms that do not depend on the kind of code. */
static void set_terms(const ph_vquery *q, ph_vscan_query *s, double by_code, double by_error,
                      double by_norm)
{
    double slack = PH_VCODE_SLACK, tiny = TINY * (q->norm + q->reach) + 1e-37;
    s->by_code = (float)(q->twice * by_code);
    s->by_error = (float)(q->twice * by_error);
    s->by_norm = (float)(q->twice * by_norm);
    if (q->metric == PH_VINDEX_L2) {
        s->by_square = (float)(slack - 1);
        s->constant = (float)((slack - 1) * q->norm * q->norm + tiny);
    } else {
        s->by_norm = (float)(by_norm + slack * q->reach);
        s->by_square = 0;
        s->constant = (float)(q->base + slack * q->centre * q->reach + tiny);
    }
    s->table = q->table;
}

void ph_vquery_bits(ph_vquery *q, size_t p, size_t first, double spread)
{
    double miss, step = step_for(q->z, p, PH_VSCAN_BIT_Q), offset = 0;
    int16_t k[8];
    double lost = 0;
    for (size_t g = 0; g < p / 8; g++) {
        round_to(k, q->z + g * 8, 8, step, &miss);
        lost += miss * miss;
        for (size_t h = 0; h < 2; h++) {
            const int16_t *four = k + h * 4;
            int least = 0, sum = 0;
            for (size_t b = 0; b < 4; b++) {
                least += four[b] < 0 ? four[b] : 0;
                sum += four[b];
            }
            unsigned char *entry = q->table + g * 32 + h * 16;
            entry[0] = (unsigned char)-least;
            for (size_t b = 0; b < 4; b++) {
                for (size_t m = 0; m < (size_t)1 << b; m++) {
                    entry[m + ((size_t)1 << b)] = (unsigned char)(entry[m] + four[b]);
                }
            }
            offset += least - 0.5 * sum;
        }
        if ((g + 1) * 8 == first) {
            q->scan.offset = (float)offset;
        }
    }
    miss = sqrt(lost);
    q->sift.offset = (float)offset;
    if (spread > 0) {
        /* The query's rounding adds to the spread: |v| / |y| is about 5 / 4, by_error / |y| 3 / 4.
         */
        double error = spread * sqrt((q->norm * q->norm + 3 * miss * miss) / (double)(p - 1));
        set_terms(q, &q->scan, 2 * step, error, 0);
        set_terms(q, &q->sift, 2 * step, error, 0);
        q->share = q->sift_share = q->scan.by_error;
    } else {
        set_terms(q, &q->scan, 2 * step, q->norm + miss, miss);
        set_terms(q, &q->sift, 2 * step, q->norm + miss, miss);
        q->share = q->sift_share = q->twice * q->norm;
    }
}

/* The largest root of a sum of squares over the even or odd dimensions of a depth block. */
static double largest_root_of(const unsigned char *table, size_t p)
{
    double root = 0, lane[2] = {0};
    for (size_t d = 0; d < p; d++) {
        double k = (int8_t)table[d];
        lane[d % 4 / 2] += k * k;
        if ((d + 1) % PH_VSCAN_NIBBLE_DEPTH == 0 || d + 1 == p) {
            root = fmax(root, sqrt(fmax(lane[0], lane[1])));
            lane[0] = lane[1] = 0;
        }
    }
    return root;
}

void ph_vquery_nibbles(ph_vquery *q, size_t p, double largest_root)
{
    double step = step_for(q->z, p, PH_VSCAN_NIBBLE_Q), lost, room;
    for (;; step *= fmax(1.02, 1.01 * room / PH_VSCAN_NIBBLE_ROOM)) {
        lost = 0;
        for (size_t d = 0; d < p; d++) {
            long k = lrint(q->z[d] / step);
            double away = q->z[d] - (double)k * step;
            q->table[d] = (unsigned char)(int8_t)k;
            lost += away * away;
        }
        room = largest_root_of(q->table, p) * largest_root;
        if (room <= PH_VSCAN_NIBBLE_ROOM) {
            break;
        }
    }
    double offset = 0;
    int sums[2] = {0};
    for (size_t d = 0, at = p; d < p; d++) {
        sums[d % 4 / 2] += (int8_t)q->table[d];
        if ((d + 1) % PH_VSCAN_NIBBLE_DEPTH == 0 || d + 1 == p) {
            for (size_t l = 0; l < 2; l++, at += sizeof(int32_t)) {
                long whole = lrint(7.5 * sums[l]);
                int32_t init = (int32_t)-whole;
                memcpy(q->table + at, &init, sizeof init);
                offset += (double)whole - 7.5 * sums[l];
                sums[l] = 0;
            }
        }
    }
    q->scan.offset = (float)offset;
    set_terms(q, &q->scan, step, q->norm + sqrt(lost), sqrt(lost));
    q->share = q->twice * q->norm;
}

double ph_vquery_bytes_bound(const ph_vquery *q, const ph_vscan *scan, const unsigned char *row,
                             size_t p)
{
    float head[3];
    memcpy(head, row, sizeof head);
    int32_t dot = scan->codes((const int8_t *)row + PH_VCODE_BYTES_HEAD, q->q16, p);
    double error = head[1] * (q->norm + q->miss16) + head[2] * q->miss16, norm = head[2];
    double est = q->twice * (head[0] * q->step16 * (dot + q->half_sum16) + error);
    double tiny = TINY * (q->norm + q->reach) + 1e-37;
    if (q->metric == PH_VINDEX_L2) {
        return est - (1 - PH_VCODE_SLACK) * (norm * norm + q->norm * q->norm) + tiny;
    }
    return est + q->base + PH_VCODE_SLACK * (norm + q->centre) * q->reach + tiny;
}

bool ph_vquery_may_reach(const ph_vquery *q, double share, const ph_vcode_factors *f, float score,
                         float key)
{
    double norm = f->norm, product, most = norm * q->norm, rest;
    if (q->metric == PH_VINDEX_L2) {
        double squares = norm * norm + q->norm * q->norm;
        product = 0.5 * (key + (1 - PH_VCODE_SLACK) * squares);
    } else {
        product = key - q->base - PH_VCODE_SLACK * (norm + q->centre) * q->reach;
    }
    product -= TINY * (q->norm + q->reach) + 1e-37;
    if (!(product > 0)) {
        return true;
    }
    if (product > most * (1 + PH_VCODE_SLACK)) {
        return false; /* farther than its length reaches */
    }
    rest = 1 - product / most * (product / most);
    return score - share * f->by_error * (1 - sqrt(rest > 0 ? rest : 0)) >= key;
}

void ph_vquery_keys(const ph_vquery *q, const ph_vscan *scan, float *keys, const float *rows,
                    size_t n, size_t dim)
{
    if (q->metric != PH_VINDEX_L2) {
        scan->dot(keys, q->direct, rows, n, dim);
        return;
    }
    scan->l2(keys, q->direct, rows, n, dim);
    for (size_t i = 0; i < n; i++) {
        keys[i] = 0.0f - keys[i];
    }
}
