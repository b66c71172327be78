/* The search for scales (kern/vec/vec_search.h) for NEON: 8 lanes are two vectors. */
#include <arm_neon.h>

#define VL 8

typedef struct vf {
    float32x4_t lo, hi;
} vf;

typedef struct vm {
    uint32x4_t lo, hi;
} vm;

static inline vf vf_set1(float x)
{
    return (vf){vdupq_n_f32(x), vdupq_n_f32(x)};
}

static inline vf vf_zero(void)
{
    return vf_set1(0);
}

static inline vf vf_load(const float *p)
{
    return (vf){vld1q_f32(p), vld1q_f32(p + 4)};
}

static inline void vf_store(float *p, vf a)
{
    vst1q_f32(p, a.lo);
    vst1q_f32(p + 4, a.hi);
}

static inline vf vf_add(vf a, vf b)
{
    return (vf){vaddq_f32(a.lo, b.lo), vaddq_f32(a.hi, b.hi)};
}

static inline vf vf_sub(vf a, vf b)
{
    return (vf){vsubq_f32(a.lo, b.lo), vsubq_f32(a.hi, b.hi)};
}

static inline vf vf_mul(vf a, vf b)
{
    return (vf){vmulq_f32(a.lo, b.lo), vmulq_f32(a.hi, b.hi)};
}

static inline vf vf_div(vf a, vf b)
{
    return (vf){vdivq_f32(a.lo, b.lo), vdivq_f32(a.hi, b.hi)};
}

static inline vm vf_above(vf a, vf b)
{
    return (vm){vcgtq_f32(a.lo, b.lo), vcgtq_f32(a.hi, b.hi)};
}

static inline vf vf_pick(vm m, vf a, vf b)
{
    return (vf){vbslq_f32(m.lo, a.lo, b.lo), vbslq_f32(m.hi, a.hi, b.hi)};
}

/* b where either is NaN */
static inline vf vf_max(vf a, vf b)
{
    return vf_pick(vf_above(a, b), a, b);
}

static inline vf vf_min(vf a, vf b)
{
    return vf_pick(vf_above(b, a), a, b);
}

#define VF_WHOLE
static inline vf vf_whole(vf a)
{
    return (vf){vrndnq_f32(a.lo), vrndnq_f32(a.hi)};
}

#include "kern/vec/vec_search.h"

const ph_search ph_search_neon = {vec_search_affine, vec_search_linear, vec_search_measure,
                                  vec_search_step};
