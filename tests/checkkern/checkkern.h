/* checkkern: every instruction set's kernels against the scalar truth.
 *
 * Integer parts and orders of additions that are promised are compared bit for bit; float results
 * against double precision within bounds derived from the operands. */
#ifndef PH_TESTS_CHECKKERN_H
#define PH_TESTS_CHECKKERN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../sparse.h"
#include "base/rng.h"
#include "kern/kern.h"

/* The tables that can run here: those of the CPU, and AVX-512 emulated where it was built. */
typedef struct check_isa {
    const char *label; /* "avx512 (emulated)" */
    ph_kern kern;
} check_isa;

#define CHECK_ISAS_MAX 8

size_t check_isas(check_isa isas[CHECK_ISAS_MAX]);
/* Only tables that differ from weaker ones in their entries first .. end - 1: members of ph_kern,
 * by offsetof(). */
size_t check_isas_by(check_isa isas[CHECK_ISAS_MAX], size_t first, size_t end);

/* Numbers of ordinary size; and hostile ones: infinities, NaN, subnormals, -0, the largest. */
float check_random(ph_rng *rng);
float check_hostile(ph_rng *rng);
void check_fill(ph_rng *rng, float *x, size_t n);

bool check_same_bits(const float *a, const float *b, size_t n); /* any NaN equals any NaN */
uint32_t check_bits(float f);

/* n bytes between guards of 64 bytes, starting `skew` bytes behind an aligned address. */
typedef struct check_guarded {
    unsigned char *base;
    size_t n, skew;
} check_guarded;

void *check_guarded_new(check_guarded *g, size_t n, size_t skew);
void check_guarded_free(check_guarded *g); /* fails the test if a guard byte changed */

#define CHECK_EPS 0x1p-24 /* half an ulp of 1.0f: error of one rounding */

extern const struct CMUnitTest check_type_tests[];
extern const size_t check_n_type_tests;
extern const struct CMUnitTest check_row_tests[];
extern const size_t check_n_row_tests;
extern const struct CMUnitTest check_matmul_tests[];
extern const size_t check_n_matmul_tests;
extern const struct CMUnitTest check_fast_tests[];
extern const size_t check_n_fast_tests;
extern const struct CMUnitTest check_bf16_tests[];
extern const size_t check_n_bf16_tests;
extern const struct CMUnitTest check_int8_tests[];
extern const size_t check_n_int8_tests;
extern const struct CMUnitTest check_probe_tests[];
extern const size_t check_n_probe_tests;
extern const struct CMUnitTest check_attn_tests[];
extern const size_t check_n_attn_tests;
extern const struct CMUnitTest check_train_tests[];
extern const size_t check_n_train_tests;
extern const struct CMUnitTest check_vscan_tests[];
extern const size_t check_n_vscan_tests;

#endif
