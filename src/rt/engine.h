/* Inside of engines and sessions; contract in include/phial/session.h. */
#ifndef PH_RT_ENGINE_H
#define PH_RT_ENGINE_H

#include <stdatomic.h>

#include "model/model_struct.h"
#include "rt/kvcache.h"

#define PH_CHUNK_MAX 4096
#define PH_SEQ_MAX   1024

struct phial_engine {
    const phial_model *model;
    ph_kern kern;
    ph_pool *pool;
    ph_workspace *ws;
    ph_kv_layout layout;
    ph_dtype weight_type;  /* of most weights */
    phial_math math;       /* EXACT or FAST */
    phial_kv_type kv_type; /* never AUTO */
    size_t n_chunk;
    size_t n_parts;          /* most parts of a batch */
    ph_part *parts;          /* [n_parts] */
    phial_session **part_of; /* [n_parts] the session of each part */
};

struct phial_session {
    phial_engine *engine;
    ph_kvcache kv;
    uint32_t *ids; /* [n_ctx] tokens held */
    size_t n_held; /* whose keys and values are in the cache */
    size_t n_reused;
    float *logits;   /* [n_vocab] */
    bool has_logits; /* logits are those behind ids[n_held - 1] */
    atomic_bool cancel;
    phial_logits_fn on_logits;
    void *logits_user;
    phial_tap_fn tap;
    uint32_t taps; /* set of activations tap wants; 0: off */
    void *tap_user;
    phial_tokens target; /* during a sync: the list to reach */
    bool in_call;
};

#endif
