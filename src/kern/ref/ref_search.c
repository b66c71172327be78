/* The search for scales (kern/vec/vec_search.h) over a vector made of plain floats: the truth for
 * the other instruction sets, and what runs where there are none. */
#define VL 8

typedef struct vf {
    float a[VL];
} vf;

typedef struct vm {
    _Bool a[VL];
} vm;

#define LANES(result, value)                                                                       \
    result r;                                                                                      \
    for (int i = 0; i < VL; i++) {                                                                 \
        r.a[i] = value;                                                                            \
    }                                                                                              \
    return r

static inline vf vf_set1(float x)
{
    LANES(vf, x);
}

static inline vf vf_zero(void)
{
    return vf_set1(0);
}

static inline vf vf_load(const float *p)
{
    LANES(vf, p[i]);
}

static inline void vf_store(float *p, vf a)
{
    for (int i = 0; i < VL; i++) {
        p[i] = a.a[i];
    }
}

static inline vf vf_add(vf a, vf b)
{
    LANES(vf, a.a[i] + b.a[i]);
}

static inline vf vf_sub(vf a, vf b)
{
    LANES(vf, a.a[i] - b.a[i]);
}

static inline vf vf_mul(vf a, vf b)
{
    LANES(vf, a.a[i] * b.a[i]);
}

static inline vf vf_div(vf a, vf b)
{
    LANES(vf, a.a[i] / b.a[i]);
}

static inline vf vf_min(vf a, vf b)
{
    LANES(vf, a.a[i] < b.a[i] ? a.a[i] : b.a[i]);
}

static inline vf vf_max(vf a, vf b)
{
    LANES(vf, a.a[i] > b.a[i] ? a.a[i] : b.a[i]);
}

static inline vm vf_above(vf a, vf b)
{
    LANES(vm, a.a[i] > b.a[i]);
}

static inline vf vf_pick(vm m, vf a, vf b)
{
    LANES(vf, m.a[i] ? a.a[i] : b.a[i]);
}

#include "kern/vec/vec_search.h"

const ph_search ph_search_ref = {vec_search_affine, vec_search_linear, vec_search_measure,
                                 vec_search_step};
