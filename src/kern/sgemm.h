/* Matrix products of training: f32 or bf16, any operand transposed, packed.
 *
 * C = A B (+ bias) (+ from), A [m][k], B [k][n]. Copying the operands into panels that the register
 * tile reads in order costs 1/m + 1/n of the work and makes transposed operands free; kern/matmul.h
 * is for weights in a file's format, which are read where they lie.
 *
 * Order of additions: the depth is cut into absolute blocks of PH_GEMM_DEPTH; within one the
 * products are added ascending, beginning with +0 (ph_gemm_tile); the first block sum gets bias and
 * `from`, the others are added to it in turn.
 *
 * In bf16 both operands are rounded while they are packed, products are added in f32. Where the
 * table has gemm_bf16, they are packed as pairs of depths: blocks have 2 PH_GEMM_DEPTH of them,
 * within a pair the second comes first, and numbers below 2^-126 count as zeros. Elsewhere rounded
 * numbers are multiplied in f32 as above.
 *
 * So the bits of an element of C depend on its row of A, its column of B and the instruction set
 * alone. Method: Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008.
 */
#ifndef PH_KERN_SGEMM_H
#define PH_KERN_SGEMM_H

#include "kern/kern.h"

#define PH_GEMM_DEPTH 256

typedef struct ph_sgemm {
    const float *a, *b;
    float *c; /* overlaps neither a nor b; a whole matrix or columns of one */
    size_t m, n, k;
    size_t lda, ldb, ldc;  /* elements */
    const float *b_packed; /* not NULL: B as ph_gemm_pack_row() lays it out; b is not used, and in a
                              bf16 room A alone is rounded */
    bool a_t;              /* a is stored [k][m], not [m][k] */
    bool b_t;              /* b is stored [n][k], not [k][n] */
    const float *bias;     /* [n], or NULL */
    const float *from;     /* [m][ld_from], may be c; NULL: nothing is added */
    size_t ld_from;
    /* [m] or NULL, a_t only: a_sums[i] += sum over the depth of A[i], blocks as above; in f32 even
     * where products are rounded. */
    float *a_sums;
    /* NULL, or applied to the numbers of A as they are read, so that m x k of them need not be
     * stored; !a_t only. y is not x. */
    void (*a_map)(float *y, const float *x, size_t n);
    /* NULL, or called when this block of C is complete, by the thread that computed it. */
    void (*after)(void *user, size_t row, size_t n_rows, size_t col, size_t n_cols);
    void *user;
} ph_sgemm;

/* Room for packed operands. Serves one caller at a time. */
typedef struct ph_gemm_room {
    const ph_kern *kern; /* borrowed */
    ph_pool *pool;       /* borrowed */
    bool bf16;           /* operands are rounded to bf16, to nearest even */
    float *b;            /* owned */
    float *a;            /* owned: for each thread */
    size_t b_floats, a_floats;
} ph_gemm_room;

/* wide_n: products with at most so many columns are not cut along n, so that `after` sees whole
 * rows. */
phial_status ph_gemm_room_open(ph_gemm_room *room, const ph_kern *kern, ph_pool *pool, bool bf16,
                               size_t wide_n, phial_error *err);
void ph_gemm_room_close(ph_gemm_room *room);

/* k = 0 gives bias + from. Cannot fail. */
void ph_sgemm_run(const ph_gemm_room *room, const ph_sgemm *g);

/* B packed once, for products with the same weights again and again: k x n numbers, zeroed first.
 * Column j is row j of weights stored [n][k]. */
size_t ph_gemm_packed_floats(const ph_kern *kern, size_t n, size_t k); /* 0: too many */
void ph_gemm_pack_row(const ph_kern *kern, float *packed, size_t n, size_t k, size_t j,
                      const float *row);

/* --- packing; for attention too ----------------------------------------------------------------
 * Panels of w columns: element (p, j) of k x n goes to dst[j / w * w * k + p * w + j % w]; columns
 * up to the next multiple of w are zeroed. */

/* From rows of columns: element (p, j) is src[j * ld + p]. */
void ph_pack_rows(float *dst, const float *src, size_t ld, size_t n, size_t k, size_t w);
/* From rows of depths: element (p, j) is src[p * ld + j]. */
void ph_pack_cols(float *dst, const float *src, size_t ld, size_t n, size_t k, size_t w);
/* Rows of depths from panels' columns: dst[i * ld + c] (+)= src[c * ld_src + i], i < n, c < d. */
void ph_scatter_cols(float *dst, size_t ld, const float *src, size_t ld_src, size_t n, size_t d,
                     bool add);
/* Numbers to bf16 and back; NaN stays NaN. */
void ph_round_bf16(float *x, size_t n);

#endif
