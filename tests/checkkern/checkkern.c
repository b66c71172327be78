/* What the groups of checkkern share. */
#include "checkkern.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GUARD      64
#define GUARD_BYTE 0xa5

#if defined(PH_TEST_EMULATED_AVX512)
void ph_kern_fill_avx512_emulated(ph_kern *kern);
void ph_kern_fill_avx512vnni_emulated(ph_kern *kern);
void ph_kern_fill_avx512bf16_emulated(ph_kern *kern);
#endif

size_t check_isas(check_isa isas[CHECK_ISAS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; ph_kern_isa(i) != NULL; i++) {
        if (ph_kern_init(&isas[n].kern, ph_kern_isa(i), NULL) == PHIAL_OK) {
            isas[n++].label = ph_kern_isa(i);
        }
    }
#if defined(PH_TEST_EMULATED_AVX512)
    if (ph_cpu_has_avx2()) {
        isas[n].kern = isas[0].kern;
        ph_kern_fill_avx512_emulated(&isas[n].kern);
        isas[n++].label = "avx512 (emulated)";
        isas[n].kern = isas[n - 1].kern;
        ph_kern_fill_avx512vnni_emulated(&isas[n].kern);
        isas[n++].label = "avx512vnni (emulated)";
        isas[n].kern = isas[n - 1].kern;
        ph_kern_fill_avx512bf16_emulated(&isas[n].kern);
        isas[n++].label = "avx512bf16 (emulated)";
    }
#endif
    return n;
}

size_t check_isas_by(check_isa isas[CHECK_ISAS_MAX], size_t first, size_t end)
{
    size_t n_all = check_isas(isas), n = 0;
    for (size_t i = 0; i < n_all; i++) {
        size_t j = 0;
        while (j < n && memcmp((const char *)&isas[j].kern + first,
                               (const char *)&isas[i].kern + first, end - first) != 0) {
            j++;
        }
        if (j == n) {
            isas[n++] = isas[i];
        }
    }
    return n;
}

float check_random(ph_rng *rng)
{
    return (float)(ph_rng_f64(rng) * 4 - 2);
}

float check_hostile(ph_rng *rng)
{
    static const float values[] = {
        INFINITY, -INFINITY, NAN,   -0.0f,       0.0f,    1e-40f,  -1e-45f,    3.4e38f,
        -3.4e38f, 0x1p-126f, 1.0f,  -1.0f,       65504.f, 65536.f, 0x1.8p-25f, 1e30f,
        -1e30f,   0x1p-14f,  1e-7f, 0x1.fcp-15f, 88.8f,   -104.f,  -0x1.9p6f,  0x1.62e43p6f};
    return values[ph_rng_below(rng, sizeof values / sizeof values[0])];
}

void check_fill(ph_rng *rng, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = check_random(rng);
    }
}

uint32_t check_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

bool check_same_bits(const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (check_bits(a[i]) != check_bits(b[i]) && !(isnan(a[i]) && isnan(b[i]))) {
            print_error("element %zu: %a, expected %a\n", i, (double)a[i], (double)b[i]);
            return false;
        }
    }
    return true;
}

void *check_guarded_new(check_guarded *g, size_t n, size_t skew)
{
    g->n = n;
    g->skew = skew;
    g->base = aligned_alloc(64, (n + skew + 2 * GUARD + 63) / 64 * 64);
    assert_non_null(g->base);
    memset(g->base, GUARD_BYTE, n + skew + 2 * GUARD);
    return g->base + GUARD + skew;
}

void check_guarded_free(check_guarded *g)
{
    for (size_t i = 0; i < GUARD; i++) {
        assert_int_equal(g->base[g->skew + i], GUARD_BYTE);
        assert_int_equal(g->base[GUARD + g->skew + g->n + i], GUARD_BYTE);
    }
    free(g->base);
}
