/* The scalar reference kernels. Contracts: the entries of ph_kern in kern/kern.h. */
#ifndef PH_KERN_REF_REF_H
#define PH_KERN_REF_REF_H

#include "kern/kern.h"

#define PH_REF_GEMM_M 4
#define PH_REF_GEMM_N 8
#define PH_REF_I8_N   8

void ph_ref_tile(const ph_tile *t);
void ph_ref_layernorm(float *y, const float *x, const float *weight, const float *bias, size_t n,
                      float eps);
void ph_ref_gelu(float *y, const float *x, size_t n);
void ph_ref_gelu_erf(float *y, const float *x, size_t n);
void ph_ref_add3(float *y, const float *a, const float *b, const float *c, size_t n);
void ph_ref_rope(float *x, const float *cos, const float *sin, size_t half);
void ph_ref_softmax(float *x, size_t n);
void ph_ref_attn(const ph_attn_tile *t);
void ph_ref_divide(float *y, const float *x, float by, size_t n);
void ph_ref_scale_lanes_i8(float *dst, const int8_t *src, const float *scale, size_t rows);
void ph_ref_scale_rows_i8(float *dst, size_t ld_dst, const int8_t *src, const float *scale,
                          size_t rows, size_t n);

void ph_ref_quantize_x(int16_t *q, int8_t *q8, float *scale, int16_t *sums, const float *x,
                       size_t n, size_t group);
void ph_ref_few(const ph_few *f);

void ph_ref_i8(const ph_i8_tile *t);
void ph_ref_i8_quantize(uint8_t *q, float *scale, float *offset, const float *x, size_t n);

void ph_ref_gemm(const ph_gemm_tile *t);
void ph_ref_gemm_panels(const ph_gemm_tile *t);
void ph_ref_gemm_rows(const ph_gemm_tile *t);
void ph_ref_add_rows(float *sums, const float *src, size_t ld, size_t n, size_t k);
void ph_ref_gelu_grad(float *d, float *x, size_t n);
void ph_ref_layernorm_grad(const ph_layernorm_grad *g);
float ph_ref_softmax_lse(float *x, size_t n, float scale);
float ph_ref_attn_probs(const ph_score_row *r);
void ph_ref_attn_grad(const ph_score_row *r);

/* Sum of PH_DOT_LANES numbers by halving; destroys them. */
float ph_ref_halve(float lanes[PH_DOT_LANES]);

#endif
