/* The search for scales (kern/vec/vec_search.h) for AVX2. */
#include "kern/x86/vec_avx2.h"

typedef __m256 vm;

static inline vm vf_above(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_GT_OQ);
}

static inline vf vf_pick(vm m, vf a, vf b)
{
    return _mm256_blendv_ps(b, a, m);
}

#define VF_WHOLE
static inline vf vf_whole(vf a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

#include "kern/vec/vec_search.h"

const ph_search ph_search_avx2 = {vec_search_affine, vec_search_linear, vec_search_measure,
                                  vec_search_step};
