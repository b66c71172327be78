/* phial collection check: is it whole? */
#include <inttypes.h>

#include "cli/args.h"
#include "cli/cli_io.h"
#include "cli/collection_view.h"

static void on_event(void *user, const phial_index_event *e)
{
    ph_json *damage = user;
    if (damage) {
        ph_json *o = ph_json_object_new();
        ph_json_set(o, "doc", ph_collection_json_name(e->path));
        ph_json_set(o, "reason", ph_json_str_new((ph_str){e->reason.p, e->reason.n}));
        ph_json_push(damage, o);
    } else {
        ph_collection_say("", e->path, e->reason);
    }
}

static phial_status show(const phial_check_result *r, ph_json *damage, phial_error *err)
{
    if (!damage) {
        ph_outf("%" PRIu64 " documents, %" PRIu64 " damaged; the full-text index is %s",
                r->n_documents, r->n_damaged,
                r->index_rebuilt ? "rebuilt" : (r->index_fine ? "fine" : "not right"));
        if (r->n_vectors + r->n_bad_vectors > 0)
            ph_outf("; %" PRIu64 " vectors, %" PRIu64 " damaged", r->n_vectors, r->n_bad_vectors);
        ph_out_str("\n");
        return PHIAL_OK;
    }
    ph_json *o = ph_json_object_new();
    ph_json_set(o, "documents", ph_json_int_new((int64_t)r->n_documents));
    ph_json_set(o, "damaged", ph_json_int_new((int64_t)r->n_damaged));
    ph_json_set(o, "index_fine", ph_json_bool_new(r->index_fine));
    ph_json_set(o, "index_rebuilt", ph_json_bool_new(r->index_rebuilt));
    ph_json_set(o, "vectors", ph_json_int_new((int64_t)r->n_vectors));
    ph_json_set(o, "damaged_vectors", ph_json_int_new((int64_t)r->n_bad_vectors));
    ph_json_set(o, "damage", damage);
    return ph_out_json(o, err);
}

static phial_status run(const ph_args *args, phial_error *err)
{
    phial_collection *c = NULL;
    phial_check_result result = {.size = sizeof result};
    bool rebuild = ph_args_flag(args, "rebuild");
    ph_json *damage = ph_args_flag(args, "json") ? ph_json_array_new() : NULL;
    phial_status st =
        phial_collection_open(&c, ph_args_positional(args, 0),
                              rebuild ? PHIAL_COLLECTION_WRITE : PHIAL_COLLECTION_READ, err);
    if (st == PHIAL_OK)
        st = phial_collection_check(c, rebuild, on_event, damage, &result, err);
    if (st == PHIAL_OK)
        st = show(&result, damage, err);
    else
        ph_json_free(damage);
    if (st == PHIAL_OK && (result.n_damaged > 0 || !result.index_fine || result.n_bad_vectors > 0))
        st = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%s: is damaged%s", ph_args_positional(args, 0),
                        result.n_damaged > 0 ? ""
                        : !result.index_fine ? "; --rebuild makes the full-text index anew"
                                             : "; phial collection reembed makes the vectors anew");
    phial_collection_close(c);
    return st;
}

static const ph_opt opts[] = {
    {.name = "rebuild", .kind = PH_OPT_FLAG, .help = "make the full-text index anew"},
    {.name = "json", .kind = PH_OPT_FLAG, .help = "print one JSON document"},
    {0},
};

static const ph_positional positionals[] = {
    {.name = "COLLECTION", .help = "a file that phial index made"},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial collection check notes.phial", "reads everything"},
    {0},
};

const ph_cmd ph_cmd_collection_check = {
    .details = "Compares every document and every vector with its checksum and the full-text index "
               "with the texts. "
               "Exit code 3 if something is not right.",
    .opts = opts,
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
