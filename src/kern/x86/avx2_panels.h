/* Panels of 16 rows of weights on x86, and how they are filled from each format's layout (AVX2; the
 * stronger instruction sets multiply the same panels). Bytes are unsigned: the format's numbers
 * with an offset, if they have a sign; neither it nor the scales are multiplied in. */
#ifndef PH_KERN_X86_AVX2_PANELS_H
#define PH_KERN_X86_AVX2_PANELS_H

#include "kern/fast.h"

#define PANEL_ROWS  16 /* two vectors of 8 with AVX2 */
#define PANEL_QUADS (PH_FAST_DEPTH / 4)

/* A vector of four consecutive numbers of each row as bytes. */
typedef struct panel_quads {
    _Alignas(64) unsigned char v[PANEL_QUADS][PANEL_ROWS][4];
} panel_quads;

typedef struct byte_panel {
    panel_quads q;
    int16_t scale[PH_FAST_SUBS][PANEL_ROWS][2];   /* by sub-block, each twice */
    int16_t min[PH_FAST_SUBS / 2][PANEL_ROWS][2]; /* by sub-block; or -offset * scale of each 16 */
    float d[PH_FAST_GROUPS][PANEL_ROWS];
    float dmin[PH_FAST_GROUPS][PANEL_ROWS];
} byte_panel;

/* Numbers times their integer scales. */
typedef struct word_panel {
    _Alignas(64) int16_t w[PH_FAST_DEPTH / 2][PANEL_ROWS][2];
    float d[PH_FAST_GROUPS][PANEL_ROWS];
} word_panel;

_Static_assert(sizeof(byte_panel) <= PANEL_ROWS * PH_PANEL_ROW_BYTES, "a panel fits its room");
_Static_assert(sizeof(word_panel) <= PANEL_ROWS * PH_PANEL_ROW_BYTES, "a panel fits its room");

/* As the entry `pack` of ph_panel_kind. */
typedef void panel_pack(void *panel, const unsigned char *src, size_t row_bytes, size_t n,
                        size_t k);

/* Bytes. Offsets: 8, none, 16, none; sub-blocks of 16, 16, 32, 32, 16 with offsets none, 4, none,
 * none, 32. */
panel_pack ph_avx2_pack_q4_0, ph_avx2_pack_q4_1, ph_avx2_pack_q5_0, ph_avx2_pack_q5_1;
panel_pack ph_avx2_pack_q2_k, ph_avx2_pack_q3_k, ph_avx2_pack_q4_k, ph_avx2_pack_q5_k,
    ph_avx2_pack_q6_k;
/* Bytes with offset 128, which do not fit the sums of AVX2; IQ4_XS in sub-blocks of 32. */
panel_pack ph_avx2_pack_q8_0_bytes, ph_avx2_pack_iq4_nl_bytes, ph_avx2_pack_iq4_xs_bytes;
/* Words. */
panel_pack ph_avx2_pack_q8_0, ph_avx2_pack_iq4_nl, ph_avx2_pack_iq4_xs;

#endif
