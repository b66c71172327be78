/* Contract in vector_opts.h. */
#include "cli/vector_opts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli_io.h"
#include "cli/collection_view.h"

phial_status ph_vectors_open_asker(phial_embedder **out, phial_collection *c, const char *path,
                                   phial_search_mode mode, bool mode_asked, phial_error *err)
{
    phial_vectors_info info = {.size = sizeof info};
    *out = NULL;
    if (mode == PHIAL_SEARCH_LEXICAL)
        return PHIAL_OK;
    phial_status st = phial_collection_get_vectors(c, &info, err);
    if (st != PHIAL_OK || (!info.present && mode == PHIAL_SEARCH_HYBRID))
        return st;
    st = phial_collection_open_embedder(c, out, path, NULL, err);
    bool give_way = !mode_asked && !path && mode == PHIAL_SEARCH_HYBRID;
    if (st != PHIAL_OK && st != PHIAL_ERR_NO_MEMORY && give_way) {
        ph_say("%s; searching by words alone", err->message);
        *err = (phial_error){0};
        return PHIAL_OK;
    }
    if (st == PHIAL_OK && info.n_waiting > 0)
        ph_say("%" PRIu64 " passages have no vectors yet; phial index makes them", info.n_waiting);
    return st;
}

phial_status ph_vectors_open_maker(phial_embedder **out, phial_collection *c, const ph_args *args,
                                   bool again, phial_error *err)
{
    phial_vectors_info info = {.size = sizeof info};
    phial_embedder_options o;
    const char *path = ph_args_str(args, "embedder");
    bool pooling = ph_args_has(args, "pooling"), normalize = ph_args_flag(args, "normalize"),
         math = ph_args_has(args, "math");
    *out = NULL;
    phial_embedder_options_default(&o);
    if (pooling)
        o.pooling = (phial_pooling)ph_args_choice(args, "pooling");
    if (normalize)
        o.normalize = PHIAL_NORMALIZE_YES;
    if (math)
        o.math = ph_args_choice(args, "math") == 1 ? PHIAL_MATH_FAST : PHIAL_MATH_EXACT;
    o.n_threads = (int)ph_args_int(args, "threads");
    /* What the collection says of its embedder may be what is to be mended. */
    if (path && again)
        return phial_embedder_open(out, path, &o, err);
    phial_status st = phial_collection_get_vectors(c, &info, err);
    if (st != PHIAL_OK)
        return st;
    if (path && !info.present)
        return phial_embedder_open(out, path, &o, err);
    if (!info.present && !again) {
        if (pooling || normalize || math || ph_args_has(args, "whiten"))
            return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                              "the collection has no vectors; --embedder names who makes them");
        return PHIAL_OK;
    }
    if (!again)
        return phial_collection_open_embedder(c, out, path, &o, err);
    /* With another pooling everything is as the model wants it, not as the collection has it. */
    if (!pooling && !normalize)
        return phial_collection_open_embedder_anew(c, out, NULL, &o, err);
    char *where = info.path.n > 0 ? ph_strndup(info.path.p, info.path.n, err) : NULL;
    if (!where)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "--embedder is needed: no path is remembered");
    st = phial_embedder_open(out, where, &o, err);
    ph_free(where);
    return st;
}

typedef struct view {
    ph_progress bar;
    bool quiet;
} view;

static void on_event(void *user, const phial_index_event *e)
{
    view *v = user;
    if (v->quiet)
        return;
    ph_progress_end(&v->bar);
    ph_collection_say("", e->path, e->reason);
}

static bool on_progress(void *user, const phial_vectors_progress *p)
{
    view *v = user;
    if (p->total > 0)
        ph_progress_step(&v->bar, p->done < p->total ? p->done : p->total, p->total);
    return !ph_interrupted();
}

static void show(const phial_vectors_result *r, phial_embedder *e, ph_json *json)
{
    if (json) {
        ph_json_set(json, "embedded", ph_json_int_new((int64_t)r->n_embedded));
        ph_json_set(json, "split", ph_json_int_new((int64_t)r->n_split));
        ph_json_set(json, "without_vector", ph_json_int_new((int64_t)r->n_failed));
        return;
    }
    if (r->n_embedded + r->n_failed == 0)
        return;
    ph_outf("%" PRIu64 " passages embedded", r->n_embedded);
    if (r->n_split > 0)
        ph_outf(", %" PRIu64 " of them longer than %u tokens: the mean of their parts", r->n_split,
                (unsigned)phial_embedder_n_ctx(e));
    if (r->n_failed > 0)
        ph_outf("; %" PRIu64 " have no vector", r->n_failed);
    ph_out_str("\n");
}

phial_status ph_vectors_make(phial_collection *c, phial_embedder *e, const ph_args *args,
                             bool again, ph_json *json, phial_error *err)
{
    phial_vectors_options o;
    phial_vectors_result r = {.size = sizeof r};
    view v = {.quiet = json && !isatty(STDERR_FILENO)};
    phial_vectors_options_default(&o);
    o.again = again;
    if (ph_args_has(args, "whiten"))
        o.whiten = (phial_whiten)(PHIAL_WHITEN_NONE + ph_args_choice(args, "whiten"));
    o.event = on_event;
    o.progress = on_progress;
    o.user = &v;
    ph_progress_start(&v.bar, "embedding");
    phial_status st = phial_collection_embed(c, e, &o, &r, err);
    ph_progress_end(&v.bar);
    show(&r, e, json);
    return st;
}
