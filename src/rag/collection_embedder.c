/* What is known of a collection's vectors, and opening the embedder that made them; contract in
 * phial/vectors.h. */
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "rag/collection_dense.h"

phial_status phial_collection_get_vectors(phial_collection *c, phial_vectors_info *info,
                                          phial_error *err)
{
    phial_vectors_info own = {.size = info->size, .count = info->count};
    const ph_vector_set *set = NULL;
    int64_t next = 0, n = 0;
    phial_status st = ph_tx_begin(c, false, err);
    if (st == PHIAL_OK)
        st = ph_dense_set(c, &set, err);
    if (st == PHIAL_OK && set) {
        st = info->count ? ph_vectors_count(c, set->id, &n, err) : PHIAL_OK;
        if (st == PHIAL_OK)
            st = ph_vectors_waiting(c, "vectors_through", &own.n_waiting, err);
        if (st == PHIAL_OK)
            st = ph_vector_set_id(c, true, &next, err);
    }
    ph_tx_rollback(c);
    if (st != PHIAL_OK)
        return st;
    if (set) {
        own.present = true;
        own.name = (phial_text){set->name, strlen(set->name)};
        own.path = (phial_text){set->path, strlen(set->path)};
        own.query = (phial_text){set->query, strlen(set->query)};
        own.passage = (phial_text){set->passage, strlen(set->passage)};
        memcpy(own.hash, set->hash, sizeof own.hash);
        own.pooling = set->pooling;
        own.math = set->fast ? PHIAL_MATH_FAST : PHIAL_MATH_EXACT;
        own.normalized = set->normalized;
        own.dim = set->dim;
        own.n_ctx = set->n_ctx;
        own.whiten = set->whiten;
        own.fusion_by_ranks = set->fusion.rrf;
        own.dense_share = set->fusion.dense;
        own.fusion_measured = set->fusion_chosen;
        own.n_vectors = (uint64_t)n;
        own.remaking = next > 0;
    }
    memcpy(info, &own, info->size < sizeof own ? info->size : sizeof own);
    return PHIAL_OK;
}

static bool is_there(const char *path)
{
    ph_file_kind kind = ph_file_kind_of(path);
    return kind == PH_FILE_REGULAR || kind == PH_FILE_DIRECTORY;
}

/* Where it was, or by its name beside the collection or here; owned. */
static char *find_embedder(phial_collection *c, const ph_vector_set *set, phial_error *err)
{
    if (is_there(set->path))
        return ph_strdup(set->path, err);
    char *folder = ph_strndup(c->path, (size_t)(ph_path_base(c->path) - c->path), err);
    char *beside = folder ? ph_path_join(folder[0] ? folder : ".", set->name, err) : NULL;
    ph_free(folder);
    if (!beside || is_there(beside))
        return beside;
    ph_free(beside);
    if (is_there(set->name))
        return ph_strdup(set->name, err);
    ph_err_set(err, PHIAL_ERR_ARGUMENT,
               "%s: the embedder that its vectors were made by, %s, is no longer at %s; name it "
               "with --embedder",
               c->path, set->name, set->path);
    return NULL;
}

static phial_status open_as_it_was(phial_collection *c, phial_embedder **out, const char *path,
                                   const phial_embedder_options *options, bool same,
                                   phial_error *err)
{
    const ph_vector_set *set = NULL;
    phial_embedder_options o;
    char *found = NULL;
    *out = NULL;
    phial_embedder_options_default(&o);
    if (options)
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    phial_status st = ph_tx_begin(c, false, err);
    if (st == PHIAL_OK)
        st = ph_dense_set(c, &set, err);
    ph_tx_rollback(c);
    if (st == PHIAL_OK && !set)
        st = ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: has no vectors", c->path);
    if (st != PHIAL_OK)
        return st;
    o.pooling = o.pooling ? o.pooling : set->pooling;
    if (o.normalize == PHIAL_NORMALIZE_AUTO)
        o.normalize = set->normalized ? PHIAL_NORMALIZE_YES : PHIAL_NORMALIZE_NO;
    if (o.math == PHIAL_MATH_AUTO)
        o.math = set->fast ? PHIAL_MATH_FAST : PHIAL_MATH_EXACT;
    o.n_ctx = o.n_ctx ? o.n_ctx : set->n_ctx;
    o.query = o.query ? o.query : set->query;
    o.passage = o.passage ? o.passage : set->passage;
    phial_error why = {0};
    if (!path && !(found = find_embedder(c, set, &why))) {
        if (err)
            *err = why;
        return why.status;
    }
    st = phial_embedder_open(out, path ? path : found, &o, err);
    if (st == PHIAL_ERR_ARGUMENT) /* it cannot do what the collection's does */
        ph_err_context(err, st, "%s: not the embedder that its vectors were made by (%s)", c->path,
                       set->name);
    if (st == PHIAL_OK && same)
        st = ph_vector_set_same(c, set, *out, err);
    if (st != PHIAL_OK) {
        phial_embedder_close(*out);
        *out = NULL;
    }
    ph_free(found);
    return st;
}

phial_status phial_collection_open_embedder(phial_collection *c, phial_embedder **out,
                                            const char *path, const phial_embedder_options *options,
                                            phial_error *err)
{
    return open_as_it_was(c, out, path, options, true, err);
}

phial_status phial_collection_open_embedder_anew(phial_collection *c, phial_embedder **out,
                                                 const char *path,
                                                 const phial_embedder_options *options,
                                                 phial_error *err)
{
    return open_as_it_was(c, out, path, options, false, err);
}
