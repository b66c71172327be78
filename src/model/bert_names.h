/* Names and shapes of BERT's weights; the table is bert_names.def. */
#ifndef PH_MODEL_BERT_NAMES_H
#define PH_MODEL_BERT_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "model/hparams.h"

typedef enum ph_bert_tensor {
#define PH_BERT_TENSOR(id, rows, columns, hf, gguf) PH_BERT_##id,
#include "model/bert_names.def"
#undef PH_BERT_TENSOR
    PH_BERT_N_TENSORS
} ph_bert_tensor;

typedef struct ph_bert_ref {
    ph_bert_tensor tensor;
    bool bias;
    uint32_t layer; /* 0 where there is only one */
} ph_bert_ref;

#define PH_BERT_NAME_BYTES 128

/* prefix: what stands before transformers' names ("", "bert.", ...). */
void ph_bert_name_hf(char out[PH_BERT_NAME_BYTES], const char *prefix, ph_bert_ref ref);
void ph_bert_name_gguf(char out[PH_BERT_NAME_BYTES], ph_bert_ref ref);
/* The other way round, from transformers' names; false for none of them. */
bool ph_bert_name_find(ph_bert_ref *out, const char *prefix, ph_str name, uint32_t n_layer);

bool ph_bert_per_layer(ph_bert_tensor tensor);
bool ph_bert_has_bias(ph_bert_tensor tensor);
/* cols 0: one dimension. */
void ph_bert_dims(const ph_hparams *hp, ph_bert_ref ref, uint64_t *rows, uint64_t *cols);

/* The prefixes that checkpoints are published with; NULL ends the list. */
extern const char *const ph_bert_prefixes[];

#endif
