/* Scans of vectors, scalar: the truth for the other instruction sets. Contract: kern/vscan.h. */
#include "kern/vscan.h"

#include <stdbool.h>
#include <string.h>

#include "kern/ref/ref.h"

static float factor(const unsigned char *block, int which, size_t row)
{
    float f;
    memcpy(&f, block + ((size_t)which * PH_VSCAN_ROWS + row) * sizeof f, sizeof f);
    return f;
}

static void finish(const ph_vscan_query *q, const unsigned char *block, size_t b,
                   const int32_t sums[PH_VSCAN_ROWS])
{
    for (size_t r = 0; r < PH_VSCAN_ROWS; r++) {
        float norm = factor(block, 2, r);
        float s = factor(block, 0, r) * q->by_code;
        s = s * ((float)sums[r] + q->offset);
        s = s + factor(block, 1, r) * q->by_error;
        s = s + norm * q->by_norm;
        s = s + (norm * norm) * q->by_square;
        s = s + q->constant;
        q->score[b * PH_VSCAN_ROWS + r] = s;
        q->best[b] = r == 0 || s > q->best[b] ? s : q->best[b];
    }
}

static void scan_bits(const ph_vscan_query *q, size_t n_q, const unsigned char *blocks,
                      size_t n_blocks, size_t p)
{
    size_t bytes = PH_VSCAN_FACTORS + p / 8 * PH_VSCAN_ROWS;
    for (size_t b = 0; b < n_blocks; b++) {
        const unsigned char *block = blocks + b * bytes, *codes = block + PH_VSCAN_FACTORS;
        for (size_t j = 0; j < n_q; j++) {
            int32_t sums[PH_VSCAN_ROWS] = {0};
            for (size_t g = 0; g < p / 8; g++) {
                for (size_t r = 0; r < PH_VSCAN_ROWS; r++) {
                    unsigned c = codes[g * PH_VSCAN_ROWS + (r < 16 ? 2 * r : 2 * (r - 16) + 1)];
                    sums[r] += q[j].table[g * 32 + (c & 15)];
                    sums[r] += q[j].table[g * 32 + 16 + (c >> 4)];
                }
            }
            finish(&q[j], block, b, sums);
        }
    }
}

static int32_t nibble_sum(const unsigned char *codes, const unsigned char *table, size_t r,
                          size_t p)
{
    int32_t sum = ph_vscan_nibble_start(table, p);
    for (size_t d = 0; d < p; d++) {
        unsigned c = codes[(d / 8 * PH_VSCAN_ROWS + r) * 4 + d % 4];
        sum += (int32_t)(d % 8 < 4 ? c & 15 : c >> 4) * (int8_t)table[d];
    }
    return sum;
}

static void scan_nibbles(const ph_vscan_query *q, size_t n_q, const unsigned char *blocks,
                         size_t n_blocks, size_t p)
{
    size_t bytes = PH_VSCAN_FACTORS + p / 2 * PH_VSCAN_ROWS;
    for (size_t b = 0; b < n_blocks; b++) {
        const unsigned char *block = blocks + b * bytes;
        for (size_t j = 0; j < n_q; j++) {
            int32_t sums[PH_VSCAN_ROWS];
            for (size_t r = 0; r < PH_VSCAN_ROWS; r++) {
                sums[r] = nibble_sum(block + PH_VSCAN_FACTORS, q[j].table, r, p);
            }
            finish(&q[j], block, b, sums);
        }
    }
}

static int32_t sum_codes(const int8_t *codes, const int16_t *q, size_t p)
{
    int32_t sum = 0;
    for (size_t d = 0; d < p; d++) {
        sum += codes[d] * q[d];
    }
    return sum;
}

static void sum_rows(float *y, const float *q, const float *rows, size_t n, size_t dim, bool l2)
{
    for (size_t i = 0; i < n; i++) {
        const float *row = rows + i * dim;
        float sum = 0;
        for (size_t from = 0; from < dim; from += PH_DOT_BLOCK) {
            size_t k = dim - from < PH_DOT_BLOCK ? dim - from : PH_DOT_BLOCK;
            float lanes[PH_DOT_LANES] = {0};
            for (size_t d = 0; d < k; d++) {
                float x = row[from + d], away = x - q[from + d];
                lanes[d % PH_DOT_LANES] += l2 ? away * away : x * q[from + d];
            }
            float s = ph_ref_halve(lanes);
            sum = from == 0 ? s : sum + s;
        }
        y[i] = sum;
    }
}

static void rows_dot(float *y, const float *q, const float *rows, size_t n, size_t dim)
{
    sum_rows(y, q, rows, n, dim, false);
}

static void rows_l2(float *y, const float *q, const float *rows, size_t n, size_t dim)
{
    sum_rows(y, q, rows, n, dim, true);
}

const ph_vscan ph_vscan_ref = {scan_bits, scan_nibbles, sum_codes, rows_dot, rows_l2};
