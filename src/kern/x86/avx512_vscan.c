/* Scans of vectors for AVX-512 (F, BW, DQ, VL). */
#include "kern/x86/avx512_vscan.h"

const ph_vscan ph_vscan_avx512 = VS_TABLE;
