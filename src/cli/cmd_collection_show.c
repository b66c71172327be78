/* phial collection show: a document, or the text of a page byte for byte. */
#include <inttypes.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli_io.h"
#include "cli/collection_view.h"

static ph_str str_of(phial_text t)
{
    return (ph_str){t.p ? t.p : "", t.n};
}

typedef struct wanted {
    phial_text name;
    bool json, found;
    ph_json *shown;
} wanted;

static void show_line(const char *what, phial_text text)
{
    if (text.n == 0)
        return;
    ph_outf("%-9s ", what);
    ph_out_foreign(str_of(text), true);
    ph_out_str("\n");
}

static bool on_document(void *user, const phial_document *d)
{
    wanted *w = user;
    if (!ph_str_eq(str_of(d->name), str_of(w->name)))
        return true;
    w->found = true;
    if (w->json) {
        ph_json *o = w->shown = ph_json_object_new();
        const struct {
            const char *key;
            phial_text text;
        } texts[] = {{"format", d->format},     {"title", d->title}, {"author", d->author},
                     {"language", d->language}, {"notes", d->notes}, {"metadata", d->metadata}};
        ph_json_set(o, "doc", ph_collection_json_name(d->name));
        ph_json_set(o, "source", ph_collection_json_name(d->source));
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
            ph_json_set(o, texts[i].key, ph_json_str_new(str_of(texts[i].text)));
        ph_json_set(o, "pages", ph_json_int_new((int64_t)d->n_pages));
        ph_json_set(o, "chunks", ph_json_int_new((int64_t)d->n_chunks));
        ph_json_set(o, "tokens", ph_json_int_new((int64_t)d->n_tokens));
        ph_json_set(o, "bytes", ph_json_int_new((int64_t)d->bytes));
        ph_json_set(o, "hash", ph_json_str_new(ph_str_from(d->hash)));
        return false;
    }
    show_line("document", d->name);
    show_line("source", d->source);
    show_line("format", d->format);
    show_line("title", d->title);
    show_line("author", d->author);
    show_line("language", d->language);
    ph_outf("%-9s %" PRIu64 " pages, %" PRIu64 " chunks, %" PRIu64 " tokens\n", "size", d->n_pages,
            d->n_chunks, d->n_tokens);
    ph_outf("%-9s %s\n", "hash", d->hash);
    show_line("metadata", d->metadata);
    show_line("notes", d->notes);
    return false;
}

static phial_status show_page(phial_collection *c, const ph_args *args, phial_text doc,
                              phial_error *err)
{
    char *text = NULL;
    size_t n = 0;
    uint32_t page = (uint32_t)ph_args_int(args, "page");
    phial_status st = phial_collection_page(c, doc, page, &text, &n, err);
    if (st != PHIAL_OK)
        return st;
    if (ph_args_flag(args, "json")) {
        ph_json *o = ph_json_object_new();
        ph_json_set(o, "doc", ph_collection_json_name(doc));
        ph_json_set(o, "page", ph_json_int_new(page));
        ph_json_set(o, "text", ph_json_str_new((ph_str){text, n}));
        st = ph_out_json(o, err);
    } else if (ph_args_flag(args, "text")) {
        ph_out_bytes(text, n);
    } else {
        ph_out_foreign((ph_str){text, n}, true);
        ph_out_str(n > 0 && text[n - 1] == '\n' ? "" : "\n");
    }
    phial_text_free(text);
    return st;
}

static phial_status run(const ph_args *args, phial_error *err)
{
    phial_collection *c = NULL;
    const char *name = ph_args_positional(args, 1);
    phial_text doc = {name, strlen(name)};
    if (ph_args_flag(args, "text") && !ph_args_has(args, "page"))
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "--text needs --page");
    phial_status st =
        phial_collection_open(&c, ph_args_positional(args, 0), PHIAL_COLLECTION_READ, err);
    if (st == PHIAL_OK && ph_args_has(args, "page")) {
        st = show_page(c, args, doc, err);
    } else if (st == PHIAL_OK) {
        wanted w = {.name = doc, .json = ph_args_flag(args, "json")};
        st = phial_collection_documents(c, NULL, on_document, &w, err);
        if (st == PHIAL_OK && !w.found)
            st = ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: has no document '%s'",
                            ph_args_positional(args, 0), name);
        else if (st == PHIAL_OK && w.json)
            st = ph_out_json(w.shown, err);
    }
    phial_collection_close(c);
    return st;
}

static const ph_opt opts[] = {
    {.name = "page",
     .kind = PH_OPT_INT,
     .arg = "N",
     .min_int = 1,
     .max_int = 1 << 20,
     .help = "the text of this page"},
    {.name = "text", .kind = PH_OPT_FLAG, .help = "with --page: its bytes and nothing else"},
    {.name = "json", .kind = PH_OPT_FLAG, .help = "print one JSON document"},
    {0},
};

static const ph_positional positionals[] = {
    {.name = "COLLECTION", .help = "a file that phial index made"},
    {.name = "DOCUMENT", .help = "its name, as list and search show it"},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial collection show notes.phial notes.txt", "what is known of it"},
    {"phial collection show notes.phial notes.txt --page 1 --text", "a page"},
    {0},
};

const ph_cmd ph_cmd_collection_show = {
    .opts = opts,
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
