/* Step of long loops over cases: where the CPU is emulated (tests/cross), only some are tried. */
#ifndef PH_TESTS_SPARSE_H
#define PH_TESTS_SPARSE_H

#if defined(CHECK_SPARSE)
#define CHECK_STEP(n) (n)
#else
#define CHECK_STEP(n) 1
#endif

#endif
