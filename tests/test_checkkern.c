/* checkkern: the kernels of every instruction set that can run here. --bench measures them,
 * --chosen names the instruction set that is chosen here.
 * labels: slow
 */
#include "checkkern/checkkern.h"

#include <stdio.h>
#include <string.h>

#include "bench/kernbench.h"

static int run(const char *name, const struct CMUnitTest *tests, size_t n)
{
    return _cmocka_run_group_tests(name, tests, n, NULL, NULL);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
        return ph_kernbench(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "--chosen") == 0) {
        ph_kern kern;
        phial_status status = ph_kern_init(&kern, NULL, NULL);
        puts(status == PHIAL_OK ? kern.isa : "none");
        return status != PHIAL_OK;
    }
    check_isa isas[CHECK_ISAS_MAX];
    size_t n = check_isas(isas);
    bool avx512 = false, bf16 = false;
    for (size_t i = 0; i < n; i++) {
        printf("checking %s\n", isas[i].label);
        avx512 = avx512 || strncmp(isas[i].label, "avx512", 6) == 0;
        bf16 = bf16 || isas[i].kern.bf16_round != NULL;
    }
#if defined(__x86_64__)
    if (!avx512) {
        printf("skipped 1: avx512 (no such CPU, and no SIMDe or no AVX2 to emulate it)\n");
    }
    if (!bf16) {
        printf("skipped 1: avx512bf16 (likewise)\n");
    }
#else
    (void)avx512;
    (void)bf16;
#endif
    int failed = run("number formats", check_type_tests, check_n_type_tests);
    failed += run("rows", check_row_tests, check_n_row_tests);
    failed += run("matrix products", check_matmul_tests, check_n_matmul_tests);
    failed += run("fast matrix products", check_fast_tests, check_n_fast_tests);
    failed += run("bf16 matrix products", check_bf16_tests, check_n_bf16_tests);
    failed += run("int8 matrix products", check_int8_tests, check_n_int8_tests);
    failed += run("attention", check_attn_tests, check_n_attn_tests);
    failed += run("training", check_train_tests, check_n_train_tests);
    failed += run("probes", check_probe_tests, check_n_probe_tests);
    failed += run("scans of vectors", check_vscan_tests, check_n_vscan_tests);
    return failed != 0;
}
