/* The small steps of a layer over rows of activations, split over the threads when there is enough
 * to do. Bits never depend on the split. ld is the distance of rows in elements.
 */
#ifndef PH_KERN_ROWS_H
#define PH_KERN_ROWS_H

#include "kern/kern.h"

/* [m][n] rows; y may be x (with the same ld). For qk_layernorm pass m * n_head rows of head_dim,
 * ld = head_dim. */
void ph_layernorm(const ph_work *work, float *y, size_t ldy, const float *x, size_t ldx,
                  const float *weight, const float *bias, size_t m, size_t n, float eps);

/* In place on [m][n]. */
void ph_gelu(const ph_work *work, float *x, size_t ldx, size_t m, size_t n);

/* The same in the form with the error function. */
void ph_gelu_erf(const ph_work *work, float *x, size_t ldx, size_t m, size_t n);

/* y = (in + a) + b over n numbers; y may be any of them. */
void ph_residual(const ph_work *work, float *y, const float *in, const float *a, const float *b,
                 size_t n);

/* Rotary embedding in place on x [m][n_head * head_dim]: the first n_rot numbers of every head
 * (n_rot even, <= head_dim). Row i is at position pos[i]; its cosines and sines are
 * cos[pos[i] * n_rot/2 ...], sin likewise. */
void ph_rope(const ph_work *work, float *x, size_t ldx, size_t m, size_t n_head, size_t head_dim,
             size_t n_rot, const float *cos, const float *sin, const int32_t *pos);

/* dst[i][0..n) = row ids[i] of a table [..][n] of any computable type, as f32 (embedding). */
void ph_rows_get(const ph_work *work, float *dst, size_t ld, const void *table, ph_dtype type,
                 const int32_t *ids, size_t m, size_t n);

#endif
