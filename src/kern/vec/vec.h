/* Kernels written once over a vector of floats and compiled for each instruction set.
 *
 * A file of an instruction set (kern/x86/avx2_fill.c) includes its vector header, which gives the
 * type vf of VL lanes, the functions vf_*() and the tile sizes VEC_*, then the vec_*.h files here,
 * whose functions are static to it, and puts them into the table. An instruction set that has a
 * better way for one entry replaces that entry.
 */
#ifndef PH_KERN_VEC_VEC_H
#define PH_KERN_VEC_VEC_H

#include <stddef.h>

#include "kern/kern.h"

#define VEC_PARTS (PH_DOT_LANES / VL) /* vectors that make up the lanes of a dot product */

#define VEC_INLINE static inline __attribute__((always_inline))

/* Sums of registers stay in registers only if every index is a constant. */
#if defined(__clang__)
#define VEC_UNROLL      _Pragma("clang loop unroll(full)")
#define VEC_UNROLL_SOME _Pragma("clang loop unroll_count(4)")
#else
#define VEC_UNROLL      _Pragma("GCC unroll 32")
#define VEC_UNROLL_SOME _Pragma("GCC unroll 8")
#endif

/* Lane l + lane l + 8 where a vector holds fewer, and so on, down to one vector. */
VEC_INLINE vf vf_fold(const vf parts[VEC_PARTS])
{
#if VEC_PARTS == 4
    return vf_add(vf_add(parts[0], parts[2]), vf_add(parts[1], parts[3]));
#elif VEC_PARTS == 2
    return vf_add(parts[0], parts[1]);
#else
    return parts[0];
#endif
}

/* How many of n numbers a vector at `at` holds. */
VEC_INLINE size_t vec_left(size_t n, size_t at)
{
    size_t left = n > at ? n - at : 0;
    return left < VL ? left : VL;
}

/* The first n lanes, n <= VL. Masked stores are slow on some CPUs, so whole vectors avoid them. */
VEC_INLINE vf vec_load(const float *p, size_t n)
{
    return n == VL ? vf_load(p) : vf_load_n(p, n);
}

VEC_INLINE void vec_store(float *p, vf a, size_t n)
{
    if (n == VL) {
        vf_store(p, a);
    } else {
        vf_store_n(p, a, n);
    }
}

VEC_INLINE vf vec_keep(vf a, size_t n)
{
    return n == VL ? a : vf_keep(a, n);
}

#endif
