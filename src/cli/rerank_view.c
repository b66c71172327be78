/* Contract in rerank_view.h. */
#include "cli/rerank_view.h"

#include "base/mem.h"
#include "cli/cli_io.h"
#include "cli/nano.h"
#include "phial/model.h"

#define CONTEXT 2048

struct ph_reranker {
    phial_model *model;
    phial_tokenizer *tokenizer;
    phial_engine *engine;
    phial_session *session;
    size_t n;
    bool told, many;
};

static phial_status open_parts(ph_reranker *r, const char *path, phial_error *err)
{
    phial_model_info info = {.size = sizeof info};
    phial_status st = phial_model_open(&r->model, path, NULL, err);
    if (st == PHIAL_OK)
        st = phial_tokenizer_open(&r->tokenizer, path, err);
    if (st == PHIAL_OK)
        st = phial_engine_new(&r->engine, r->model, NULL, err);
    if (st == PHIAL_OK)
        st = phial_model_get_info(r->model, &info, err);
    uint32_t n_ctx = info.n_ctx_max < CONTEXT ? info.n_ctx_max : CONTEXT;
    return st == PHIAL_OK ? phial_session_new(&r->session, r->engine, n_ctx, err) : st;
}

phial_status ph_reranker_open(ph_reranker **out, const ph_args *args, phial_error *err)
{
    const char *path = ph_args_str(args, "model");
    *out = NULL;
    if (!path && !(path = ph_nano_model()))
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "--rerank needs a model: -m MODEL");
    ph_reranker *r = ph_alloc(1, sizeof *r, err);
    if (!r)
        return PHIAL_ERR_NO_MEMORY;
    r->n = (size_t)ph_args_int(args, "rerank");
    r->many = ph_args_str(args, "queries") != NULL;
    phial_status st = open_parts(r, path, err);
    if (st == PHIAL_OK)
        *out = r;
    else
        ph_reranker_close(r);
    return st;
}

void ph_reranker_close(ph_reranker *r)
{
    if (!r)
        return;
    phial_session_free(r->session);
    phial_engine_free(r->engine);
    phial_tokenizer_close(r->tokenizer);
    phial_model_close(r->model);
    ph_free(r);
}

static bool tell(void *user, const phial_rerank_cost *cost)
{
    ph_reranker *r = user;
    if (!r->told)
        ph_say("re-ranking %zu passages: %zu tokens to read, about %.1f s%s", cost->n_hits,
               cost->n_tokens, cost->est_seconds, r->many ? " for a query" : "");
    r->told = true;
    return !ph_interrupted();
}

phial_status ph_reranker_run(ph_reranker *r, phial_hits *hits, phial_text query, phial_error *err)
{
    phial_rerank_options o;
    phial_rerank_options_default(&o);
    o.n = r->n;
    o.session = r->session;
    o.tokenizer = r->tokenizer;
    o.cost = tell;
    o.user = r;
    return phial_hits_rerank(hits, query, &o, err);
}
