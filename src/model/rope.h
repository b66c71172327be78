/* Tables of rotary position embedding (Su et al., "RoFormer", 2021), as Hugging Face computes them:
 * angles are products of f32 numbers, the sine and cosine of each rounded once. */
#ifndef PH_MODEL_ROPE_H
#define PH_MODEL_ROPE_H

#include "base/mem.h"
#include "model/hparams.h"

/* Two tables [n_ctx_max][n_rot / 2], owned by the arena. Linear scaling divides positions. Dynamic
 * scaling changes nothing up to n_ctx_max positions, and there are no more. */
phial_status ph_rope_tables(const float **cos_table, const float **sin_table, ph_arena *arena,
                            const ph_hparams *hp, phial_error *err);

#endif
