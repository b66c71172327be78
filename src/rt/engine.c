/* Engines: threads, kernels and working memory for one model; contract in phial/session.h. */
#include "rt/engine.h"

#include "base/mem.h"
#include "base/thread.h"

void phial_engine_options_default(phial_engine_options *options)
{
    *options = (phial_engine_options){
        .size = sizeof *options,
        .n_threads = 0,
        .math = PHIAL_MATH_AUTO,
        .kv_type = PHIAL_KV_AUTO,
        .n_chunk = 512,
        .n_seq = 64,
    };
}

static phial_status check_options(const phial_engine_options *o, phial_error *err)
{
    if (o->size != sizeof *o) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "engine options were not filled by phial_engine_options_default()");
    }
    if (o->n_threads < 0 || o->n_threads > PH_THREADS_MAX) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%d threads: must be between 1 and %d",
                          o->n_threads, PH_THREADS_MAX);
    }
    if (o->n_chunk < 1 || o->n_chunk > PH_CHUNK_MAX) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "a chunk of %u tokens: must be between 1 and %d",
                          (unsigned)o->n_chunk, PH_CHUNK_MAX);
    }
    if (o->n_seq < 1 || o->n_seq > PH_SEQ_MAX) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%u sequences: must be between 1 and %d",
                          (unsigned)o->n_seq, PH_SEQ_MAX);
    }
    if ((int)o->kv_type < PHIAL_KV_F32 || (int)o->kv_type > PHIAL_KV_AUTO) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "unknown KV type %d", (int)o->kv_type);
    }
    if ((int)o->math < PHIAL_MATH_AUTO || (int)o->math > PHIAL_MATH_FAST) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "unknown arithmetic %d", (int)o->math);
    }
    return PHIAL_OK;
}

static phial_status choose_math(phial_engine *e, const phial_engine_options *o, phial_error *err)
{
    phial_model_info info = {.size = sizeof info};
    phial_status status = phial_model_get_info(e->model, &info, err);
    if (status != PHIAL_OK) {
        return status;
    }
    const ph_dtype_info *type = ph_dtype_by_name(ph_str_from(info.weight_type));
    bool quantized = type != NULL && type->block > 1;
    e->weight_type = type != NULL ? type->id : PH_DTYPE_F32;
    e->math = o->math != PHIAL_MATH_AUTO ? o->math : quantized ? PHIAL_MATH_FAST : PHIAL_MATH_EXACT;
    e->kv_type = o->kv_type != PHIAL_KV_AUTO  ? o->kv_type
                 : e->math == PHIAL_MATH_FAST ? PHIAL_KV_F16
                                              : PHIAL_KV_F32;
    return PHIAL_OK;
}

static ph_kv_type kv_type_of(const phial_engine *e)
{
    return e->kv_type == PHIAL_KV_F16  ? PH_KV_F16
           : e->kv_type == PHIAL_KV_Q8 ? PH_KV_Q8
                                       : PH_KV_F32;
}

phial_status phial_engine_new(phial_engine **out, const phial_model *model,
                              const phial_engine_options *options, phial_error *err)
{
    phial_engine_options defaults;
    phial_engine_options_default(&defaults);
    const phial_engine_options *o = options != NULL ? options : &defaults;
    phial_status status = check_options(o, err);
    if (status != PHIAL_OK) {
        return status;
    }
    phial_engine *e = ph_alloc(1, sizeof *e, err);
    if (e == NULL) {
        return PHIAL_ERR_NO_MEMORY;
    }
    e->model = model;
    e->n_chunk = o->n_chunk;
    e->n_parts = o->n_seq < o->n_chunk ? o->n_seq : o->n_chunk;
    status = choose_math(e, o, err);
    if (status == PHIAL_OK) {
        status = ph_kv_layout_init(&e->layout, model, kv_type_of(e), err);
    }
    if (status == PHIAL_OK) {
        status = ph_kern_init(&e->kern, NULL, err);
    }
    if (status != PHIAL_OK) {
        goto done;
    }
    status = ph_pool_new(&e->pool, o->n_threads, err);
    if (status != PHIAL_OK) {
        goto done;
    }
    status = ph_workspace_new(&e->ws, model, &e->kern, e->pool, e->n_chunk, e->n_parts, err);
    if (status != PHIAL_OK) {
        goto done;
    }
    if (e->math == PHIAL_MATH_FAST) {
        status = ph_workspace_make_fast(e->ws, model, err);
        if (status != PHIAL_OK) {
            goto done;
        }
    }
    status = PHIAL_ERR_NO_MEMORY;
    e->parts = ph_alloc(e->n_parts, sizeof *e->parts, err);
    e->part_of = e->parts == NULL ? NULL : ph_alloc(e->n_parts, sizeof(phial_session *), err);
    if (e->part_of != NULL) {
        status = PHIAL_OK;
    }
done:
    if (status == PHIAL_OK) {
        *out = e;
    } else {
        phial_engine_free(e);
    }
    return status;
}

void phial_engine_free(phial_engine *e)
{
    if (e == NULL) {
        return;
    }
    ph_workspace_free(e->ws);
    ph_pool_free(e->pool);
    ph_free(e->parts);
    ph_free(e->part_of);
    ph_free(e);
}

int phial_engine_n_threads(const phial_engine *e)
{
    return ph_pool_threads(e->pool);
}

phial_math phial_engine_math(const phial_engine *e)
{
    return e->math;
}

phial_kv_type phial_engine_kv_type(const phial_engine *e)
{
    return e->kv_type;
}

const char *phial_engine_isa(const phial_engine *e)
{
    return e->kern.isa;
}
