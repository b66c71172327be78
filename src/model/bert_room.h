/* What a BERT keeps to run, between bert_room.c, which makes it, and bert_run.c. */
#ifndef PH_MODEL_BERT_ROOM_H
#define PH_MODEL_BERT_ROOM_H

#include "kern/int8.h"
#include "kern/matmul.h"
#include "kern/sgemm.h"
#include "model/bert_weights.h"

/* How products are computed. The numbers are the versions of ph_encode_ops: whoever changes what
 * comes out of a fast form gives it a new one. */
typedef enum ph_bert_math {
    PH_BERT_EXACT = 0, /* f32 panels */
    PH_BERT_AS_IS = 1, /* fast: quantized weights where they lie, others made Q8_0 */
    PH_BERT_INT8 = 2   /* fast: weights that are not quantized, packed as int8 */
} ph_bert_math;

/* The four products of a layer; q, k and v are one, except as they lie. */
typedef enum ph_bert_product {
    PH_BERT_QKV,
    PH_BERT_OUT,
    PH_BERT_UP,
    PH_BERT_DOWN,
    PH_BERT_PRODUCTS
} ph_bert_product;

typedef struct ph_bert_room_layer {
    const float *panels[PH_BERT_PRODUCTS]; /* exact */
    const float *qkv_bias;                 /* exact and int8: [3 * n_embd] */
    ph_i8_mat int8[PH_BERT_PRODUCTS];
    ph_mat q, k, v, out, up, down; /* as they lie */
} ph_bert_room_layer;

/* A thread's own, int8. */
typedef struct ph_bert_bench {
    float *ff;    /* [block][n_ff] */
    ph_i8_rows x; /* [block] */
} ph_bert_bench;

struct ph_encode_room {
    const phial_model *model;
    const ph_kern *kern;
    ph_pool *pool;
    ph_encode_limits limits;
    ph_bert_math math;
    ph_work work;               /* as they lie */
    ph_gemm_room gemm;          /* exact */
    ph_bert_room_layer *layers; /* owned */
    void *weights;              /* owned: packed, or made Q8_0 */
    float *memory;              /* owned; what follows lies in it */
    float *x;                   /* [n_rows][n_embd] */
    float *qkv;                 /* [n_rows + PH_GEMM_M_MAX][3 * n_embd] */
    float *attn;                /* [n_rows][n_embd] */
    float *ff;                  /* [n_rows][n_ff], not int8 */
    float *attn_room;           /* for each thread */
    unsigned char *benches;     /* for each thread */
    size_t attn_stride, bench_stride;
    size_t *starts; /* owned: first row of each text, [n_rows + 1] */
    uint32_t *at;   /* owned: token and position of each row, [n_rows][2] */
};

/* Rows that a thread takes through a layer at once: their activations stay in its second-level
 * cache. */
#define PH_BERT_BLOCK 48

ph_bert_bench ph_bert_bench_of(const ph_encode_room *room, int thread);

phial_status ph_bert_room_new(ph_encode_room **out, const phial_model *model, const ph_kern *kern,
                              ph_pool *pool, const ph_encode_limits *limits, phial_error *err);
void ph_bert_room_free(ph_encode_room *room);

#endif
