/* Scanning vectors: what a search over many rows computes, one table for each instruction set.
 *
 * Coded rows lie in blocks of PH_VSCAN_ROWS, lanes are rows: no sum goes across lanes. A block is
 *   f32 by_code[32], by_error[32], norm[32]    factors of each row (rag/vindex_code.h)
 *   codes of p dimensions, p a multiple of 32, in groups of 8 dimensions:
 *     bits     32 bytes a group. Row r is byte 2 r, or, from r = 16 on, byte 2 (r - 16) + 1; bit b
 *              of it is dimension b of the group.
 *     nibbles  32 x 4 bytes a group. Byte b of a row has dimension b of the group in its low four
 *              bits and dimension 4 + b in its high ones.
 * and its score for a query
 *   ((((by_code * q.by_code) * (sum + q.offset)) + by_error * q.by_error) + norm * q.by_norm)
 *     + (norm * norm) * q.by_square + q.constant
 * each operation rounded on its own, sum the exact integer described at the kernel: every
 * instruction set gives the same bits.
 *
 * dot and l2 are f32 sums in the order of additions of kern.h (PH_DOT_BLOCK); vector kernels fuse.
 *
 * Threads: tables are constant.
 */
#ifndef PH_KERN_VSCAN_H
#define PH_KERN_VSCAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PH_VSCAN_ROWS     32
#define PH_VSCAN_FACTORS  ((size_t)3 * PH_VSCAN_ROWS * sizeof(float)) /* bytes before the codes */
#define PH_VSCAN_TOGETHER 8 /* queries a kernel takes at once */

#define PH_VSCAN_BIT_DEPTH    4096 /* dimensions summed in 16 bits */
#define PH_VSCAN_NIBBLE_DEPTH 512

/* Numbers of a query in bits: q[d] in -15 .. 15; of nibbles: -127 .. 127, and in each depth block
 * the root of the sum of squares over the even (d % 4 < 2) and over the odd dimensions, times that
 * of the rows' codes less 7.5, is below PH_VSCAN_NIBBLE_ROOM. */
#define PH_VSCAN_BIT_Q       15
#define PH_VSCAN_NIBBLE_Q    127
#define PH_VSCAN_NIBBLE_ROOM 32000

/* For each group 2 x 16 bytes: entry m of table h is the sum of q over the dimensions 4 h + b whose
 * bit b is set in m, less the smallest such sum. */
static inline size_t ph_vscan_bit_table_bytes(size_t p)
{
    return p / 8 * 32;
}

/* nibbles: int8 q[p], then for each depth block two int32: minus 7.5 x the sum of q over its even
 * and over its odd dimensions, rounded. */
static inline size_t ph_vscan_nibble_table_bytes(size_t p)
{
    return p + (p + PH_VSCAN_NIBBLE_DEPTH - 1) / PH_VSCAN_NIBBLE_DEPTH * 8;
}

/* Sum of these numbers. */
static inline int32_t ph_vscan_nibble_start(const unsigned char *table, size_t p)
{
    int32_t sum = 0, one;
    for (size_t at = p; at < ph_vscan_nibble_table_bytes(p); at += sizeof one) {
        memcpy(&one, table + at, sizeof one);
        sum += one;
    }
    return sum;
}

typedef struct ph_vscan_query {
    const unsigned char *table; /* aligned to 4 */
    float offset, by_code, by_error, by_norm, by_square, constant;
    float *score; /* [n_blocks][PH_VSCAN_ROWS] */
    float *best;  /* [n_blocks], the largest score of each block */
} ph_vscan_query;

/* Blocks lie back to back; n_q <= PH_VSCAN_TOGETHER. */
typedef void (*ph_vscan_fn)(const ph_vscan_query *q, size_t n_q, const unsigned char *blocks,
                            size_t n_blocks, size_t p);

typedef struct ph_vscan {
    /* sum: over all groups and both tables, the entry of the row's bits. */
    ph_vscan_fn bits;
    /* sum: of q * code over all dimensions, plus the table's numbers. PH_VSCAN_NIBBLE_ROOM keeps
     * each half of a depth block, with its number, within 16 bits: a kernel may add them up modulo
     * 2^16. */
    ph_vscan_fn nibbles;
    /* Sum of codes[d] * q[d], d < p, p a multiple of 32. The caller keeps p * 128 * |q| below 2^31.
     */
    int32_t (*codes)(const int8_t *codes, const int16_t *q, size_t p);
    /* y[i] = sum of q[d] * rows[i][d], or of (rows[i][d] - q[d])^2, i < n, d < dim. */
    void (*dot)(float *y, const float *q, const float *rows, size_t n, size_t dim);
    void (*l2)(float *y, const float *q, const float *rows, size_t n, size_t dim);
} ph_vscan;

extern const ph_vscan ph_vscan_ref;
#if defined(__x86_64__)
extern const ph_vscan ph_vscan_avx2;
extern const ph_vscan ph_vscan_avx512;
extern const ph_vscan ph_vscan_avx512vnni;
#endif

/* For the instruction set of a kernel table (kern/kern.h). */
const ph_vscan *ph_vscan_for(const char *isa);

#endif
