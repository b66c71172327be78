/* phial collection list: what is in it. */
#include <inttypes.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli_io.h"
#include "cli/collection_view.h"

typedef struct listing {
    ph_json *list; /* NULL: lines of text */
} listing;

static ph_str str_of(phial_text t)
{
    return (ph_str){t.p ? t.p : "", t.n};
}

static bool on_document(void *user, const phial_document *d)
{
    listing *l = user;
    if (!l->list) {
        ph_outf("%6" PRIu64 " pages %7" PRIu64 " chunks  ", d->n_pages, d->n_chunks);
        ph_out_foreign(str_of(d->name), false);
        if (d->title.n > 0) {
            ph_out_str("  (");
            ph_out_foreign(str_of(d->title), false);
            ph_out_str(")");
        }
        return ph_out_str("\n");
    }
    ph_json *o = ph_json_object_new();
    ph_json_set(o, "doc", ph_collection_json_name(d->name));
    ph_json_set(o, "source", ph_collection_json_name(d->source));
    ph_json_set(o, "format", ph_json_str_new(str_of(d->format)));
    ph_json_set(o, "title", ph_json_str_new(str_of(d->title)));
    ph_json_set(o, "pages", ph_json_int_new((int64_t)d->n_pages));
    ph_json_set(o, "chunks", ph_json_int_new((int64_t)d->n_chunks));
    ph_json_set(o, "tokens", ph_json_int_new((int64_t)d->n_tokens));
    ph_json_set(o, "bytes", ph_json_int_new((int64_t)d->bytes));
    ph_json_set(o, "hash", ph_json_str_new(ph_str_from(d->hash)));
    ph_json_set(o, "notes", ph_json_str_new(str_of(d->notes)));
    return ph_json_push(l->list, o);
}

static phial_status show_info(phial_collection *c, ph_json *documents, phial_error *err)
{
    phial_collection_info info = {.size = sizeof info};
    phial_status st = phial_collection_get_info(c, &info, err);
    if (st != PHIAL_OK) {
        ph_json_free(documents);
        return st;
    }
    if (!documents) {
        ph_outf("%" PRIu64 " documents, %" PRIu64 " pages, %" PRIu64 " chunks of about %" PRIu32
                " tokens, %" PRIu64 " tokens; %.1f MB, %.1f of them full-text index\n",
                info.n_documents, info.n_pages, info.n_chunks, info.chunk_tokens, info.n_tokens,
                (double)info.file_bytes * 1e-6, (double)info.index_bytes * 1e-6);
        return PHIAL_OK;
    }
    ph_json *root = ph_json_object_new();
    ph_json_set(root, "documents", documents);
    ph_json_set(root, "n_documents", ph_json_int_new((int64_t)info.n_documents));
    ph_json_set(root, "n_pages", ph_json_int_new((int64_t)info.n_pages));
    ph_json_set(root, "n_chunks", ph_json_int_new((int64_t)info.n_chunks));
    ph_json_set(root, "n_tokens", ph_json_int_new((int64_t)info.n_tokens));
    ph_json_set(root, "n_vectors", ph_json_int_new((int64_t)info.n_vectors));
    ph_json_set(root, "chunk_tokens", ph_json_int_new(info.chunk_tokens));
    ph_json_set(root, "chunk_overlap", ph_json_int_new(info.chunk_overlap));
    ph_json_set(root, "file_bytes", ph_json_int_new((int64_t)info.file_bytes));
    ph_json_set(root, "index_bytes", ph_json_int_new((int64_t)info.index_bytes));
    ph_json_set(root, "format", ph_json_int_new(info.format));
    return ph_out_json(root, err);
}

static phial_status run(const ph_args *args, phial_error *err)
{
    phial_collection *c = NULL;
    listing l = {.list = NULL};
    phial_status st =
        phial_collection_open(&c, ph_args_positional(args, 0), PHIAL_COLLECTION_READ, err);
    if (st == PHIAL_OK && ph_args_flag(args, "json") && !(l.list = ph_json_array_new()))
        st = ph_err_set(err, PHIAL_ERR_NO_MEMORY, "out of memory (writing JSON)");
    if (st == PHIAL_OK)
        st = phial_collection_documents(c, ph_args_positional(args, 1), on_document, &l, err);
    if (st == PHIAL_OK)
        st = show_info(c, l.list, err);
    else
        ph_json_free(l.list);
    phial_collection_close(c);
    return st;
}

static const ph_opt opts[] = {
    {.name = "json", .kind = PH_OPT_FLAG, .help = "print one JSON document"},
    {0},
};

static const ph_positional positionals[] = {
    {.name = "COLLECTION", .help = "a file that phial index made"},
    {.name = "GLOB", .help = "only documents whose name matches", .optional = true},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial collection list notes.phial", "every document"},
    {"phial collection list notes.phial '*.txt' --json", "some, for a program"},
    {0},
};

const ph_cmd ph_cmd_collection_list = {
    .opts = opts,
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
