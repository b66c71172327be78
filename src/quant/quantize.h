/* A model into smaller number formats: GGUF file or Hugging Face folder in, GGUF file out.
 *
 * Tensors of one dimension stay F32; matrices get the format that their mix (quant/mixes.h) or an
 * override says, with fallbacks for row lengths it cannot take. Rows are worked on by all threads
 * in pieces that do not depend on their number, so the bytes do not either; memory is a few dozen
 * megabytes whatever the size of the model. The file is there whole or not at all.
 */
#ifndef PH_QUANT_QUANTIZE_H
#define PH_QUANT_QUANTIZE_H

#include "base/log.h"
#include "quant/imatrix.h"
#include "quant/mixes.h"
#include "quant/report.h"

typedef struct ph_quant_override {
    const char
        *pattern; /* of GGUF tensor names, with * ? [] as a shell's; the first match counts */
    ph_dtype type;
} ph_quant_override;

typedef struct ph_quantize_options {
    const ph_mix *mix;
    const ph_quant_override *overrides;
    size_t n_overrides;
    const ph_imatrix *imatrix; /* NULL: every column counts alike */
    const char *report_text;   /* file to compare source and result on; NULL: no report */
    int n_threads;             /* 0: as many as make sense */
    bool overwrite;
    bool requantize;      /* take a source that is quantized already */
    bool allow_nonfinite; /* NaN counts as 0, infinity as the largest f16 */
    ph_log log;           /* fallbacks and what else is worth telling */
    /* May be NULL; false cancels (PHIAL_ERR_CANCELLED). stage: "quantizing", "comparing". */
    bool (*progress)(void *user, const char *stage, uint64_t done, uint64_t total);
    void *progress_user;
} ph_quantize_options;

typedef struct ph_quantize_result {
    uint64_t source_bytes, bytes; /* of tensor data */
    uint64_t n_params;
    size_t n_fallbacks;
    double bits_per_weight;
    ph_report report; /* n_tokens 0: none */
} ph_quantize_result;

phial_status ph_quantize(const char *src, const char *dst, const ph_quantize_options *options,
                         ph_quantize_result *result, phial_error *err);

#endif
