/* The scalar reference's entries of the kernel table: the truth the vector kernels are tested
 * against, and what runs where there are none. */
#include "kern/ref/ref.h"

void ph_kern_fill_ref(ph_kern *kern)
{
    kern->isa = "ref";
    for (int i = 0; i < PH_N_QUANT; i++) {
        const ph_quant *quant = ph_quant_at((ph_quant_index)i);
        kern->quantize[i] = quant->quantize;
        kern->dequantize[i] = quant->dequantize;
        kern->gemv[i] = NULL;
        const ph_fast_form *form = ph_fast_form_of((ph_quant_index)i);
        kern->dots[i] = NULL;
        kern->panels[i] = NULL;
        kern->split[i] = form != NULL ? form->split : NULL;
    }
    kern->tile = ph_ref_tile;
    kern->tile_stride = PH_DOT_BLOCK;
    kern->wide = NULL;
    kern->wide_pack = NULL;
    kern->wide_columns = kern->wide_rows = 0;
    kern->quantize_x = ph_ref_quantize_x;
    kern->few = ph_ref_few;
    kern->i8_n = PH_REF_I8_N;
    kern->i8 = ph_ref_i8;
    kern->i8_quantize = ph_ref_i8_quantize;
    kern->layernorm = ph_ref_layernorm;
    kern->gelu = ph_ref_gelu;
    kern->gelu_erf = ph_ref_gelu_erf;
    kern->add3 = ph_ref_add3;
    kern->rope = ph_ref_rope;
    kern->softmax = ph_ref_softmax;
    kern->attn = ph_ref_attn;
    for (int type = PH_KV_F32; type <= PH_KV_Q8; type++) {
        kern->attn_row[type] = NULL;
    }
    kern->divide = ph_ref_divide;
    kern->scale_lanes_i8 = ph_ref_scale_lanes_i8;
    kern->scale_rows_i8 = ph_ref_scale_rows_i8;
    kern->gemm_m = PH_REF_GEMM_M;
    kern->gemm_n = PH_REF_GEMM_N;
    kern->gemm = ph_ref_gemm;
    kern->gemm_panels = ph_ref_gemm_panels;
    kern->gemm_rows = ph_ref_gemm_rows;
    kern->add_rows = ph_ref_add_rows;
    kern->gelu_grad = ph_ref_gelu_grad;
    kern->layernorm_grad = ph_ref_layernorm_grad;
    kern->softmax_lse = ph_ref_softmax_lse;
    kern->attn_probs = ph_ref_attn_probs;
    kern->attn_grad = ph_ref_attn_grad;
}
