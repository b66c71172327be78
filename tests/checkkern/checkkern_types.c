/* Choosing a table; number formats, bit for bit. */
#include "checkkern.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"

static void selection(void **state)
{
    (void)state;
    ph_kern kern;
    phial_error err = {0};
    assert_int_equal(ph_kern_init(&kern, "ref", &err), PHIAL_OK);
    assert_string_equal(kern.isa, "ref");
    assert_int_equal(ph_kern_init(&kern, "sse9", &err), PHIAL_ERR_ARGUMENT);
    for (size_t i = 0; ph_kern_isa(i) != NULL; i++) {
        assert_non_null(strstr(err.message, ph_kern_isa(i)));
    }
    assert_int_equal(setenv("PHIAL_CPU", "Ref", 1), 0);
    assert_int_equal(ph_kern_init(&kern, NULL, &err), PHIAL_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "PHIAL_CPU"));
    assert_int_equal(setenv("PHIAL_CPU", "ref", 1), 0);
    assert_int_equal(ph_kern_init(&kern, NULL, &err), PHIAL_OK);
    assert_string_equal(kern.isa, "ref");
    assert_int_equal(unsetenv("PHIAL_CPU"), 0);
    assert_int_equal(ph_kern_init(&kern, NULL, &err), PHIAL_OK);
    static bool (*const has[])(void) = {
#define PH_ISA(name) ph_cpu_has_##name,
#include "kern/isa.def"
#undef PH_ISA
    };
    const char *best = NULL;
    for (size_t i = 0; ph_kern_isa(i) != NULL; i++) {
        phial_status status = ph_kern_init(&kern, ph_kern_isa(i), &err);
        assert_int_equal(status, has[i]() ? PHIAL_OK : PHIAL_ERR_UNSUPPORTED);
        best = has[i]() ? ph_kern_isa(i) : best;
    }
    assert_int_equal(ph_kern_init(&kern, NULL, &err), PHIAL_OK);
    assert_string_equal(kern.isa, best);
}

static void table_of_types(void **state)
{
    (void)state;
    assert_non_null(ph_quant_find(PH_DTYPE_F32));
    assert_non_null(ph_quant_find(PH_DTYPE_Q8_0));
    assert_null(ph_quant_find(PH_DTYPE_I32));
    for (int i = 0; i < PH_N_QUANT; i++) {
        const ph_quant *quant = ph_quant_at((ph_quant_index)i);
        assert_int_equal(quant->index, i);
        assert_ptr_equal(ph_quant_find(quant->type), quant);
        /* A depth block is whole blocks of every type. */
        assert_int_not_equal(ph_dtype_row_bytes(quant->type, PH_DOT_BLOCK), 0);
    }
}

/* The value of an f16 or bf16, by the definition of the format. */
static double value_of(uint16_t h, int exponent_bits)
{
    int mantissa_bits = 15 - exponent_bits;
    int exponent = h >> mantissa_bits & ((1 << exponent_bits) - 1);
    int mantissa = h & ((1 << mantissa_bits) - 1);
    int bias = (1 << (exponent_bits - 1)) - 1;
    double sign = h & 0x8000 ? -1 : 1;
    if (exponent == (1 << exponent_bits) - 1) {
        return mantissa ? NAN : sign * INFINITY;
    }
    double v = exponent == 0
                   ? ldexp(mantissa, 1 - bias - mantissa_bits)
                   : ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits);
    return sign * v;
}

static void check_half(int exponent_bits, float (*to)(uint16_t), uint16_t (*from)(float))
{
    uint16_t infinity = exponent_bits == 5 ? 0x7c00 : 0x7f80;
    for (uint32_t h = 0; h <= 0xffff; h++) {
        double v = value_of((uint16_t)h, exponent_bits);
        float f = to((uint16_t)h);
        if (isnan(v)) {
            assert_true(isnan(f) && isnan((double)to(from(f))));
            assert_int_equal(from(f) & 0x8000, h & 0x8000);
            continue;
        }
        assert_true((double)f == v && !signbit(f) == !(h & 0x8000));
        assert_int_equal(from(f), h);
        if ((h & 0x7fff) >= infinity) {
            continue;
        }
        /* The tie to the next number, and its two neighbours. The "next" of the largest number is
         * what the format would hold if its exponent went on. */
        uint16_t up = (uint16_t)(h + 1);
        double next = (up & 0x7fff) == infinity ? 2 * value_of((uint16_t)h, exponent_bits) -
                                                      value_of((uint16_t)(h - 1), exponent_bits)
                                                : value_of(up, exponent_bits);
        float tie = (float)((v + next) / 2);
        assert_int_equal(from(tie), h & 1 ? up : h);
        assert_int_equal(from(nextafterf(tie, to((uint16_t)h))), h);
        assert_int_equal(from(nextafterf(tie, (float)next)), up);
    }
}

static void half_formats(void **state)
{
    (void)state;
    check_half(5, ph_f16_to_f32, ph_f16_from_f32);
    check_half(8, ph_bf16_to_f32, ph_bf16_from_f32);
    assert_int_equal(ph_f16_from_f32(1e9f), 0x7c00);
    assert_int_equal(ph_f16_from_f32(-1e-30f), 0x8000);
}

/* All numbers of the 16-bit formats, and random bytes for the others, through every table. */
static void rows_agree(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = check_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 1, 1);
    static unsigned char bytes[65536 * 4];
    static float want[65536], got[65536];
    for (int q = 0; q < PH_N_QUANT; q++) {
        ph_dtype type = ph_quant_at((ph_quant_index)q)->type;
        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = (unsigned char)ph_rng_u64(&rng);
        }
        for (uint32_t h = 0; h <= 0xffff && (type == PH_DTYPE_F16 || type == PH_DTYPE_BF16); h++) {
            memcpy(bytes + 2 * h, &(uint16_t){(uint16_t)h}, 2);
        }
        ph_quant_at((ph_quant_index)q)->dequantize(want, bytes, 65536);
        for (size_t i = 0; i < n_isas; i++) {
            isas[i].kern.dequantize[q](got, bytes, 65536);
            assert_memory_equal(got, want, sizeof want);
        }
    }
}

static void rows_of_all_lengths(void **state)
{
    (void)state;
    check_isa isas[CHECK_ISAS_MAX];
    size_t n_isas = check_isas(isas);
    ph_rng rng;
    ph_rng_seed(&rng, 2, 1);
    for (size_t i = 0; i < n_isas; i++) {
        for (int q = 0; q < PH_N_QUANT; q++) {
            const ph_quant *quant = ph_quant_at((ph_quant_index)q);
            for (size_t n = 0; n <= 130; n++) {
                size_t n_bytes = ph_dtype_row_bytes(quant->type, n);
                if (n > 0 && n_bytes == 0) {
                    continue;
                }
                size_t skew = n % 7;
                check_guarded in, out, back;
                float *x = check_guarded_new(&in, n * 4, 4 * (n % 5));
                unsigned char *e = check_guarded_new(&back, n_bytes, skew);
                float *y = check_guarded_new(&out, n * 4, 4 * (n % 3));
                unsigned char want_e[130 * 4];
                float want_y[130];
                for (size_t j = 0; j < n; j++) {
                    x[j] = n % 4 == 3 ? check_hostile(&rng) : check_random(&rng);
                }
                quant->quantize(want_e, x, n);
                isas[i].kern.quantize[q](e, x, n);
                assert_memory_equal(e, want_e, n_bytes);
                quant->dequantize(want_y, want_e, n);
                isas[i].kern.dequantize[q](y, e, n);
                assert_memory_equal(y, want_y, n * 4);
                check_guarded_free(&in);
                check_guarded_free(&back);
                check_guarded_free(&out);
            }
        }
    }
}

/* Half a step of a block's scale, and the scale's own rounding to f16 (2^-11) on top. */
static void q8_0_error(void **state)
{
    (void)state;
    ph_rng rng;
    ph_rng_seed(&rng, 3, 1);
    float x[32], y[32];
    unsigned char block[34];
    for (int round = 0; round < 2000; round++) {
        float largest = 0, size = ldexpf(1, (int)ph_rng_below(&rng, 20) - 8);
        for (int j = 0; j < 32; j++) {
            x[j] = check_random(&rng) * size;
            largest = fmaxf(largest, fabsf(x[j]));
        }
        ph_quantize_q8_0(block, x, 32);
        ph_dequantize_q8_0(y, block, 32);
        float bound = largest / 127 * 0.5001f + largest * 0x1p-11f;
        for (int j = 0; j < 32; j++) {
            assert_true(fabsf(x[j] - y[j]) <= bound);
        }
    }
    /* By hand: the largest, 127, gives scale 1 = 0x3c00; ties go away from zero. */
    for (int j = 0; j < 32; j++) {
        x[j] = (float)j - 16.5f;
    }
    x[31] = -127;
    ph_quantize_q8_0(block, x, 32);
    assert_int_equal(block[0] | block[1] << 8, 0x3c00);
    assert_int_equal((signed char)block[2], -17);
    assert_int_equal((signed char)block[2 + 20], 4);
    assert_int_equal((signed char)block[2 + 31], -127);
}

const struct CMUnitTest check_type_tests[] = {
    cmocka_unit_test(selection),           cmocka_unit_test(table_of_types),
    cmocka_unit_test(half_formats),        cmocka_unit_test(rows_agree),
    cmocka_unit_test(rows_of_all_lengths), cmocka_unit_test(q8_0_error)};
const size_t check_n_type_tests = sizeof check_type_tests / sizeof check_type_tests[0];
