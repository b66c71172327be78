/* Scans of vectors for AVX-512 with VNNI. */
#define VS_VNNI
#include "kern/x86/avx512_vscan.h"

const ph_vscan ph_vscan_avx512vnni = VS_TABLE;
