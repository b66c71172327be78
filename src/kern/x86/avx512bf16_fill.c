/* The kernels that want AVX512_BF16, into the table. */
#include "kern/x86/avx512bf16_gemm.h"
#include "kern/x86/avx512bf16_products.h"

static const ph_bf16_kind of_f16 = {bf_few_f16, bf_pack_f16};
static const ph_bf16_kind of_bf16 = {bf_few_bf16, bf_pack_bf16};

void ph_kern_fill_avx512bf16(ph_kern *kern)
{
    kern->isa = "avx512bf16";
    kern->bf16_round = bf_round_f32;
    kern->bf16_tile = bf_tile;
    kern->gemm_bf16 = bf_gemm;
    kern->gemm_bf16_cols = bf_gemm_cols;
    kern->bf16[PH_QUANT_F16] = &of_f16;
    kern->bf16[PH_QUANT_BF16] = &of_bf16;
}
