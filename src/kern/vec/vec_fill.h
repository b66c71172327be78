/* The kernels of kern/vec, compiled for the vectors of the file that includes this, into the
 * table. */
#ifndef PH_KERN_VEC_VEC_FILL_H
#define PH_KERN_VEC_VEC_FILL_H

#include "kern/vec/vec_attn.h"
#include "kern/vec/vec_dot.h"
#include "kern/vec/vec_rows.h"
#include "kern/vec/vec_train.h"
#include "kern/vec/vec_wide.h"

static void vec_fill(ph_kern *kern, const char *isa, size_t tile_stride)
{
    kern->isa = isa;
    kern->quantize[PH_QUANT_F16] = vec_encode_f16;
    kern->dequantize[PH_QUANT_F16] = vec_decode_f16;
    kern->dequantize[PH_QUANT_BF16] = vec_decode_bf16;
    kern->dequantize[PH_QUANT_Q8_0] = vec_decode_q8_0;
    kern->gemv[PH_QUANT_F32] = vec_gemv_f32;
    kern->gemv[PH_QUANT_F16] = vec_gemv_f16;
    kern->gemv[PH_QUANT_BF16] = vec_gemv_bf16;
    kern->gemv[PH_QUANT_Q8_0] = vec_gemv_q8_0;
    kern->tile = vec_tile;
    kern->tile_stride = tile_stride;
    kern->wide = vec_wide;
    kern->wide_pack = vec_wide_pack;
    kern->wide_columns = WIDE_COLUMNS;
    kern->wide_rows = WIDE_ROWS;
    kern->layernorm = vec_layernorm;
    kern->gelu = vec_gelu;
    kern->add3 = vec_add3;
    kern->rope = vec_rope;
    kern->softmax = vec_softmax;
    kern->attn = vec_attn;
    kern->attn_row[PH_KV_F32] = vec_attn_row_f32;
    kern->attn_row[PH_KV_F16] = vec_attn_row_f16;
    kern->attn_row[PH_KV_Q8] = vec_attn_row_q8;
    kern->divide = vec_divide;
    kern->scale_lanes_i8 = vec_scale_lanes_i8;
    kern->scale_rows_i8 = vec_scale_rows_i8;
    vec_fill_train(kern);
}

#endif
