/* The bound weights of a BERT, between arch_bert.c, which finds them, and bert_run.c. */
#ifndef PH_MODEL_BERT_WEIGHTS_H
#define PH_MODEL_BERT_WEIGHTS_H

#include "model/encode.h"
#include "model/model_struct.h"

typedef struct bert_layer {
    ph_mat q, k, v, out, up, down;
    ph_norm attn_norm, out_norm;
} bert_layer;

typedef struct bert_weights {
    ph_mat tokens, positions, types;
    ph_norm norm;
    bert_layer layers[];
} bert_weights;

extern const ph_encode_ops ph_bert_encode;

#endif
