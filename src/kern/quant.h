/* Number formats as arithmetic: one row of a tensor to f32 and back.
 *
 * A format is computable when it has a row in quant.def; its file gives the two scalar functions
 * here and with them the format is correct on every instruction set. Faster ones are further,
 * optional entries of the kernel table (kern/kern.h) that must give the same bits.
 * Sources: ggml/docs/gguf.md and ggml-quants.c's reference functions for the block layouts.
 */
#ifndef PH_KERN_QUANT_H
#define PH_KERN_QUANT_H

#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"

/* n is a multiple of the format's block. Source and destination do not overlap. The encoded side
 * has no alignment. Rounding is to nearest, ties to even, in the floating formats; NaN stays NaN.
 */
typedef void (*ph_quantize_fn)(void *dst, const float *src, size_t n);
typedef void (*ph_dequantize_fn)(float *dst, const void *src, size_t n);

struct ph_search;

/* Slower and better: looks for the scales with the least error, each column's counted by its
 * importance (mean squared activation, [n], >= 0; NULL: all columns alike). */
typedef void (*ph_quantize_best_fn)(void *dst, const float *src, const float *importance, size_t n,
                                    const struct ph_search *search);

typedef enum ph_quant_index {
#define PH_QUANT(type, name) PH_QUANT_##type,
#include "kern/quant.def"
#undef PH_QUANT
    PH_N_QUANT
} ph_quant_index;

typedef struct ph_quant {
    ph_dtype type;
    ph_quant_index index; /* place in the kernel table's arrays */
    ph_quantize_fn quantize;
    ph_dequantize_fn dequantize;
    ph_quantize_best_fn quantize_best; /* NULL: there is nothing to look for */
} ph_quant;

#define PH_QUANT(type, name)                                                                       \
    void ph_quantize_##name(void *dst, const float *src, size_t n);                                \
    void ph_dequantize_##name(float *dst, const void *src, size_t n);
#define PH_QUANT_SEARCHED(type, name)                                                              \
    PH_QUANT(type, name)                                                                           \
    void ph_quantize_best_##name(void *dst, const float *src, const float *importance, size_t n,   \
                                 const struct ph_search *search);
#include "kern/quant.def"
#undef PH_QUANT

/* NULL: tensors of this type cannot be computed (yet). */
const ph_quant *ph_quant_find(ph_dtype type);
const ph_quant *ph_quant_at(ph_quant_index index);

/* Single numbers. f32 to f16 and bf16 round to nearest even; NaN keeps its sign and upper payload
 * bits and becomes quiet; what is too large becomes infinity. */
float ph_f16_to_f32(uint16_t h);
float ph_f16_at(const void *p); /* two bytes, little-endian, any alignment */
uint16_t ph_f16_from_f32(float f);
float ph_bf16_to_f32(uint16_t h);
uint16_t ph_bf16_from_f32(float f);

#endif
