/* Kernels beside what the machine allows: F16 decode beside memory bandwidth, the exact matrix
 * product and attention beside the FMA peak. Shared by `test_checkkern --bench` and bench_kern. */
#ifndef PH_BENCH_KERNBENCH_H
#define PH_BENCH_KERNBENCH_H

/* argv[1..]: what to measure (decode gemm attn; nothing: all), fast for fast
 * arithmetic, -t THREADS, -n PAIRS, -l LAYERS,
 * --type NAME. Prints a table; returns an exit code. */
int ph_kernbench(int argc, char **argv);

#endif
