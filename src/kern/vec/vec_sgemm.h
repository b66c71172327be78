/* Register tiles of the matrix products of training. Contracts: the entries gemm, gemm_panels and
 * gemm_rows of kern/kern.h.
 *
 * Twelve sums on 16 registers, 24 on 32: enough independent chains to hide the latency of FMA, and
 * few enough loads for the ports. A sum is added to what is in memory once a call, so that its
 * order of additions is the depth, ascending, cut where the caller cuts it.
 */
#ifndef PH_KERN_VEC_VEC_SGEMM_H
#define PH_KERN_VEC_VEC_SGEMM_H

#include "kern/vec/vec_gemm_parts.h"

/* One step of the depth: column a[0], a[stride], ... times row b. */
VEC_INLINE void gemm_step(vf sums[VEC_GEMM_M][VEC_GEMM_VECS], const float *a, size_t stride,
                          const float *b)
{
    vf row[VEC_GEMM_VECS];
    VEC_UNROLL
    for (int v = 0; v < VEC_GEMM_VECS; v++) {
        row[v] = vf_load(b + v * VL);
    }
    VEC_UNROLL
    for (int r = 0; r < VEC_GEMM_M; r++) {
        vf x = vf_set1(a[(size_t)r * stride]);
        VEC_UNROLL
        for (int v = 0; v < VEC_GEMM_VECS; v++) {
            sums[r][v] = vf_fma(x, row[v], sums[r][v]);
        }
    }
}

static void vec_gemm(const ph_gemm_tile *t)
{
    vf sums[VEC_GEMM_M][VEC_GEMM_VECS];
    const float *a = t->a, *b = t->b;
    gemm_begin(t, sums);
    size_t k = t->k;
    for (; k >= 4; k -= 4) {
        VEC_UNROLL
        for (int i = 0; i < 4; i++) {
            gemm_step(sums, a + i * VEC_GEMM_M, 1, b + i * VEC_GEMM_N);
        }
        a += 4 * VEC_GEMM_M;
        b += 4 * VEC_GEMM_N;
    }
    for (; k > 0; k--) {
        gemm_step(sums, a, 1, b);
        a += VEC_GEMM_M;
        b += VEC_GEMM_N;
    }
    gemm_finish(t, sums);
}

/* sums += number * row, two vectors. As assembly where the compiler, left to order many of them,
 * throws sums into memory and loads rows again and again. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(PH_EMULATE_AVX512)
#define VEC_ROW_FMA(sums, number, row)                                                             \
    do {                                                                                           \
        vf all_;                                                                                   \
        __asm__("vbroadcastss %[n], %[all]\n\t"                                                    \
                "vfmadd231ps %[all], %[b0], %[s0]\n\t"                                             \
                "vfmadd231ps %[all], %[b1], %[s1]"                                                 \
                : [s0] "+v"((sums)[0]), [s1] "+v"((sums)[1]), [all] "=&v"(all_)                    \
                : [n] "m"(number), [b0] "v"((row)[0]), [b1] "v"((row)[1]));                        \
    } while (0)
_Static_assert(VEC_GEMM_VECS == 2, "as many as the assembly has");
#else
#define VEC_ROW_FMA(sums, number, row)                                                             \
    do {                                                                                           \
        vf all_ = vf_set1(number);                                                                 \
        VEC_UNROLL                                                                                 \
        for (int v_ = 0; v_ < VEC_GEMM_VECS; v_++) {                                               \
            (sums)[v_] = vf_fma(all_, (row)[v_], (sums)[v_]);                                      \
        }                                                                                          \
    } while (0)
#endif

/* The same with rows as they lie: each third row has a pointer, the others are reached from it. */
VEC_INLINE void gemm_row_step(vf sums[VEC_GEMM_M][VEC_GEMM_VECS],
                              const float *const a[VEC_GEMM_M / 3], size_t ld, int i,
                              const float *b)
{
    vf row[VEC_GEMM_VECS];
    VEC_UNROLL
    for (int v = 0; v < VEC_GEMM_VECS; v++) {
        row[v] = vf_load(b + v * VL);
    }
    VEC_UNROLL
    for (int r = 0; r < VEC_GEMM_M; r++) {
        VEC_ROW_FMA(sums[r], a[r / 3][(size_t)(r % 3) * ld + (size_t)i], row);
    }
}

/* Asks for the rows behind the tile, which come next: they lie in pieces, which the hardware does
 * not see coming. A line of each in four calls, at depth p. */
VEC_INLINE void gemm_ask_rows(const ph_gemm_tile *t, size_t p)
{
    enum { EACH = (VEC_GEMM_M + 3) / 4, LINE = 16 };
    const char *next = (const char *)(t->a + VEC_GEMM_M * t->panel);
    size_t row = p / 4 % 4 * EACH, at = p / LINE * LINE * sizeof(float);
    VEC_UNROLL
    for (size_t e = 0; e < EACH; e++) {
        __builtin_prefetch(next + (row + e) * t->panel * sizeof(float) + at);
    }
}

static void vec_gemm_rows(const ph_gemm_tile *t)
{
    vf sums[VEC_GEMM_M][VEC_GEMM_VECS];
    const float *a[VEC_GEMM_M / 3], *b = t->b;
    gemm_begin(t, sums);
    VEC_UNROLL
    for (int r = 0; r < VEC_GEMM_M / 3; r++) {
        a[r] = t->a + (size_t)(3 * r) * t->panel;
    }
    size_t k = t->k;
    for (; k >= 4; k -= 4, b += 4 * VEC_GEMM_N) {
        gemm_ask_rows(t, t->k - k);
        VEC_UNROLL
        for (int i = 0; i < 4; i++) {
            gemm_row_step(sums, a, t->panel, i, b + i * VEC_GEMM_N);
        }
        VEC_UNROLL
        for (int r = 0; r < VEC_GEMM_M / 3; r++) {
            a[r] += 4;
        }
    }
    for (size_t i = 0; i < k; i++) {
        gemm_row_step(sums, a, t->panel, (int)i, b + i * VEC_GEMM_N);
    }
    gemm_finish(t, sums);
}

static void vec_gemm_panels(const ph_gemm_tile *t)
{
    vf sums[VEC_GEMM_M][VEC_GEMM_VECS];
    const float *b = t->b;
    gemm_begin(t, sums);
    for (size_t k = 0; k < t->k; k += VEC_GEMM_N) {
        const float *a = t->a + k / VEC_GEMM_N * t->panel;
        for (int i = 0; i < VEC_GEMM_N; i += 4) {
            VEC_UNROLL
            for (int j = 0; j < 4; j++) {
                gemm_step(sums, a + i + j, VEC_GEMM_N, b + j * VEC_GEMM_N);
            }
            b += 4 * VEC_GEMM_N;
        }
    }
    gemm_finish(t, sums);
}

#endif
