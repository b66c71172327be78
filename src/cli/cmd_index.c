/* phial index: files, folders and records come into a collection. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/ask_secret.h"
#include "cli/cli_io.h"
#include "cli/collection_view.h"
#include "cli/vector_opts.h"

#define PASSWORDS_MAX (64u << 10)
#define PASSWORD_MAX  1024u

typedef struct view {
    bool quiet;
    ph_json *failed; /* with --json */
    ph_progress bar;
    bool asks;     /* for passwords */
    ph_buf locked; /* paths of documents that need one, each with a NUL behind */
    size_t n_locked;
    bool missing; /* one of the paths is not there */
} view;

/* The reason without the file's name, which most sentences begin with: the reader has it already.
 */
static phial_text bare_reason(const phial_index_event *e)
{
    phial_text r = e->reason;
    size_t n = e->path.n;
    if (r.n > n + 2 && memcmp(r.p, e->path.p, n) == 0 && memcmp(r.p + n, ": ", 2) == 0)
        r = (phial_text){r.p + n + 2, r.n - n - 2};
    return r;
}

static void on_event(void *user, const phial_index_event *e)
{
    view *v = user;
    v->missing = v->missing || e->missing;
    if (e->outcome != PHIAL_INDEX_FAILED && e->outcome != PHIAL_INDEX_NOTE)
        return;
    if (v->asks && e->locked) {
        ph_buf_add(&v->locked, e->path.p, e->path.n);
        ph_buf_add_byte(&v->locked, 0);
        v->n_locked++;
        return;
    }
    phial_text reason = bare_reason(e);
    if (v->failed && e->outcome == PHIAL_INDEX_FAILED) {
        ph_json *o = ph_json_object_new();
        ph_json_set(o, "path", ph_collection_json_name(e->path));
        ph_json_set(o, "reason", ph_json_str_new((ph_str){reason.p, reason.n}));
        ph_json_push(v->failed, o);
    }
    if (v->quiet)
        return;
    ph_progress_end(&v->bar);
    ph_collection_say(e->outcome == PHIAL_INDEX_FAILED ? "not indexed: " : "", e->path, reason);
}

static bool on_progress(void *user, const phial_index_progress *p)
{
    view *v = user;
    if (p->total_bytes > 0)
        ph_progress_step(&v->bar, p->bytes < p->total_bytes ? p->bytes : p->total_bytes,
                         p->total_bytes);
    return !ph_interrupted();
}

/* --- documents that need a password --- */

static void add_up(phial_index_result *to, const phial_index_result *more)
{
    to->n_indexed += more->n_indexed;
    to->n_skipped += more->n_skipped;
    to->n_replaced += more->n_replaced;
    to->n_failed += more->n_failed;
    to->n_pages += more->n_pages;
    to->n_chunks += more->n_chunks;
    to->n_bytes += more->n_bytes;
}

/* The paths of `locked`, with room for them; owned. */
static const char **list_paths(const ph_buf *locked, size_t n, phial_error *err)
{
    const char **paths = ph_alloc(n, sizeof *paths, err);
    size_t at = 0;
    if (paths && ph_buf_status(locked, err) != PHIAL_OK) {
        ph_free(paths);
        return NULL;
    }
    for (size_t i = 0; paths && i < n; i++) {
        paths[i] = locked->data + at;
        at += strlen(paths[i]) + 1;
    }
    return paths;
}

static phial_status ask_password(ph_buf *password, const char *path, phial_error *err)
{
    ph_buf question;
    ph_buf_init(&question, 0);
    ph_buf_add_str(&question, "Password for ");
    ph_str_escape(&question, ph_str_from(path), false);
    ph_buf_add_str(&question, " (Enter leaves it out): ");
    phial_status st = ph_buf_status(&question, err);
    if (st == PHIAL_OK)
        st = ph_ask_secret(password, question.data, err);
    ph_buf_free(&question);
    return st;
}

/* The first of them stays out; the others stay locked. */
static void leave_out(view *v, const ph_buf *locked, size_t n)
{
    static const char why[] = "needs a password";
    size_t len = strlen(locked->data);
    const phial_index_event e = {.outcome = PHIAL_INDEX_FAILED,
                                 .path = {locked->data, len},
                                 .reason = {why, sizeof why - 1}};
    on_event(v, &e);
    ph_buf_add(&v->locked, locked->data + len + 1, locked->len - len - 1);
    v->n_locked = n - 1;
}

/* Asks for a password to the first of the locked documents and tries it on all of them. */
static phial_status unlock_some(view *v, phial_collection *c, const phial_index_options *like,
                                phial_index_result *result, phial_error *err)
{
    phial_index_options o = *like;
    phial_index_result r = {.size = sizeof r};
    ph_buf locked = v->locked, password;
    size_t n = v->n_locked;
    ph_buf_init(&v->locked, 0);
    v->n_locked = 0;
    ph_buf_init(&password, PASSWORD_MAX);
    const char **paths = list_paths(&locked, n, err);
    phial_status st = paths ? ask_password(&password, paths[0], err) : PHIAL_ERR_NO_MEMORY;
    if (st == PHIAL_OK && password.len == 0) {
        leave_out(v, &locked, n);
    } else if (st == PHIAL_OK) {
        o.jsonl = NULL;
        o.prune = o.count_first = false;
        o.paths = paths;
        o.n_paths = n;
        o.passwords = (const char *const[]){password.data};
        o.n_passwords = 1;
        st = phial_collection_index(c, &o, &r, err);
        result->n_failed -= n;
        add_up(result, &r);
        if (st == PHIAL_OK && v->n_locked == n)
            ph_say("that password fits none of the documents that need one");
    }
    ph_free(paths);
    ph_buf_free(&locked);
    ph_buf_free(&password);
    return st;
}

/* --- results --- */

/* json (NULL: lines of text) gets the numbers. */
static void show(const phial_index_result *r, view *v, ph_json *o)
{
    if (o) {
        ph_json_set(o, "indexed", ph_json_int_new((int64_t)r->n_indexed));
        ph_json_set(o, "skipped", ph_json_int_new((int64_t)r->n_skipped));
        ph_json_set(o, "replaced", ph_json_int_new((int64_t)r->n_replaced));
        ph_json_set(o, "pruned", ph_json_int_new((int64_t)r->n_pruned));
        ph_json_set(o, "failed", v->failed);
        ph_json_set(o, "pages", ph_json_int_new((int64_t)r->n_pages));
        ph_json_set(o, "chunks", ph_json_int_new((int64_t)r->n_chunks));
        v->failed = NULL;
        return;
    }
    ph_outf("%" PRIu64 " indexed, %" PRIu64 " replaced, %" PRIu64 " unchanged, %" PRIu64 " failed",
            r->n_indexed, r->n_replaced, r->n_skipped, r->n_failed);
    if (r->n_pruned > 0)
        ph_outf(", %" PRIu64 " removed", r->n_pruned);
    ph_outf("; %" PRIu64 " pages, %" PRIu64 " chunks\n", r->n_pages, r->n_chunks);
}

/* Each line of the file is one. `lines` is cut up in place and must stay. */
static phial_status read_passwords(ph_buf *lines, const char *path, const char ***out, size_t *n,
                                   phial_error *err)
{
    phial_status st = path ? ph_file_read(lines, path, PASSWORDS_MAX, err) : PHIAL_OK;
    size_t most = 1;
    for (size_t i = 0; i < lines->len; i++)
        most += lines->data[i] == '\n';
    *out = st == PHIAL_OK ? ph_alloc(most, sizeof **out, err) : NULL;
    if (st != PHIAL_OK || !*out)
        return st != PHIAL_OK ? st : PHIAL_ERR_NO_MEMORY;
    for (size_t at = 0; at < lines->len;) {
        size_t len = strcspn(lines->data + at, "\r\n");
        if (len > 0)
            (*out)[(*n)++] = lines->data + at;
        at += len;
        if (at < lines->len)
            lines->data[at++] = 0;
    }
    return st;
}

static phial_status read_options(const ph_args *args, phial_index_options *o, const char **paths,
                                 const char *const *passwords, size_t n_passwords,
                                 phial_tokenizer **tokenizer, phial_error *err)
{
    size_t n = 0;
    for (const char *p; (p = ph_args_positional(args, n + 1)) != NULL; n++)
        paths[n] = p;
    o->paths = paths;
    o->n_paths = n;
    o->jsonl = ph_args_str(args, "jsonl");
    if (n == 0 && !o->jsonl && !ph_args_str(args, "embedder") && !ph_args_has(args, "whiten"))
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "name files or folders, or a --jsonl file");
    o->passwords = passwords;
    o->n_passwords = n_passwords;
    o->prune = ph_args_flag(args, "prune");
    o->quick = ph_args_flag(args, "quick");
    o->n_jobs = (int)ph_args_int(args, "jobs");
    o->chunk_tokens = (uint32_t)ph_args_int(args, "chunk-tokens");
    o->chunk_overlap = (uint32_t)ph_args_int(args, "chunk-overlap");
    o->count_first = isatty(STDERR_FILENO) != 0;
    if (ph_args_str(args, "tokenizer")) {
        phial_status st = phial_tokenizer_open(tokenizer, ph_args_str(args, "tokenizer"), err);
        o->tokenizer = *tokenizer;
        return st;
    }
    return PHIAL_OK;
}

/* A folder may hold what cannot be read; but a run of which nothing came, or a name that is not
 * there, must not look like success to a script. */
static phial_status judge(const phial_index_result *r, const view *v, phial_error *err)
{
    uint64_t good = r->n_indexed + r->n_replaced + r->n_skipped + r->n_pruned;
    if (good == 0 && r->n_failed > 0)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "nothing was indexed");
    if (v->missing)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "not all that was named is there");
    return PHIAL_OK;
}

/* Texts first, then vectors for those that have none: what is interrupted between goes on here. */
static phial_status bring_in(phial_collection *c, const ph_args *args, phial_index_options *o,
                             view *v, phial_index_result *result, ph_json *json, phial_error *err)
{
    phial_embedder *embedder = NULL;
    phial_status st = PHIAL_OK;
    if (!ph_args_flag(args, "no-vectors"))
        st = ph_vectors_open_maker(&embedder, c, args, false, err);
    else if (ph_args_str(args, "embedder"))
        st = ph_err_set(err, PHIAL_ERR_ARGUMENT, "--embedder or --no-vectors, not both");
    if (st == PHIAL_OK) {
        o->event = on_event;
        o->progress = on_progress;
        o->user = v;
        ph_interrupt_watch();
        ph_progress_start(&v->bar, "indexing");
        st = phial_collection_index(c, o, result, err);
        ph_progress_end(&v->bar);
        while (st == PHIAL_OK && v->n_locked > 0)
            st = unlock_some(v, c, o, result, err);
        if (st == PHIAL_OK || st == PHIAL_ERR_CANCELLED)
            show(result, v, json);
    }
    if (st == PHIAL_OK && embedder)
        st = ph_vectors_make(c, embedder, args, false, json, err);
    phial_embedder_close(embedder);
    return st;
}

static phial_status run(const ph_args *args, phial_error *err)
{
    phial_index_options o;
    phial_collection *c = NULL;
    phial_tokenizer *tokenizer = NULL;
    bool json = ph_args_flag(args, "json");
    ph_json *root = json ? ph_json_object_new() : NULL;
    phial_index_result result = {.size = sizeof result};
    const char *password_file = ph_args_str(args, "password-file");
    view v = {.quiet = json && !isatty(STDERR_FILENO),
              .failed = json ? ph_json_array_new() : NULL,
              .asks = ph_can_ask() && !(password_file && strcmp(password_file, "-") == 0)};
    size_t n_passwords = 0;
    ph_buf lines;
    const char **passwords = NULL;
    ph_buf_init(&lines, 0);
    const char **paths = ph_alloc(args->n_positionals + 1, sizeof *paths, err);
    phial_index_options_default(&o);
    phial_status st = paths ? read_passwords(&lines, password_file, &passwords, &n_passwords, err)
                            : PHIAL_ERR_NO_MEMORY;
    if (st == PHIAL_OK)
        st = read_options(args, &o, paths, passwords, n_passwords, &tokenizer, err);
    if (st == PHIAL_OK)
        st = phial_collection_open(&c, ph_args_positional(args, 0), PHIAL_COLLECTION_CREATE, err);
    if (st == PHIAL_OK)
        st = bring_in(c, args, &o, &v, &result, root, err);
    phial_collection_close(c);
    phial_tokenizer_close(tokenizer);
    if (json && (st == PHIAL_OK || st == PHIAL_ERR_CANCELLED)) {
        phial_status shown = ph_out_json(root, st == PHIAL_OK ? err : NULL);
        root = NULL;
        st = st == PHIAL_OK ? shown : st;
    }
    if (st == PHIAL_OK)
        st = judge(&result, &v, err);
    ph_json_free(root);
    ph_json_free(v.failed);
    ph_buf_free(&v.locked);
    ph_free(passwords);
    ph_buf_free(&lines);
    ph_free(paths);
    return st;
}

static const ph_opt opts[] = {
    {.name = "jsonl",
     .kind = PH_OPT_STRING,
     .arg = "FILE",
     .help = "records {\"_id\",\"title\",\"text\",...}, one a line; - is standard input"},
    {.name = "prune",
     .kind = PH_OPT_FLAG,
     .help = "remove documents whose file below PATH, or whose record, is no more"},
    {.name = "quick",
     .kind = PH_OPT_FLAG,
     .help = "take a file of the same size and time as unchanged, without reading it"},
    {.name = "jobs",
     .letter = 'j',
     .kind = PH_OPT_INT,
     .arg = "N",
     .min_int = 1,
     .max_int = 64,
     .help = "files to read at the same time; otherwise as many as there are CPUs"},
    {.name = "chunk-tokens",
     .kind = PH_OPT_INT,
     .arg = "N",
     .min_int = 16,
     .max_int = 8192,
     .help = "length of a chunk; otherwise as in this collection so far, at first 256"},
    {.name = "chunk-overlap",
     .kind = PH_OPT_INT,
     .arg = "N",
     .min_int = 1,
     .max_int = 4096,
     .help = "tokens that neighbours share; otherwise as so far, at first 32"},
    {.name = "tokenizer",
     .kind = PH_OPT_STRING,
     .arg = "MODEL",
     .help = "count tokens as this model does; otherwise they are estimated from words"},
    PH_OPT_ROW_EMBEDDER("; later runs find it again by themselves"),
    PH_OPT_ROWS_VECTORS,
    {.name = "no-vectors",
     .kind = PH_OPT_FLAG,
     .help = "leave new passages of a collection that has vectors without them until a later run"},
    {.name = "password-file",
     .kind = PH_OPT_STRING,
     .arg = "FILE",
     .help = "passwords to try on encrypted documents, one a line; - is standard input. Those that "
             "fit none are asked for on a terminal"},
    {.name = "json", .kind = PH_OPT_FLAG, .help = "print one JSON document"},
    {0},
};

static const ph_positional positionals[] = {
    {.name = "COLLECTION", .help = "the file, made if it is not there"},
    {.name = "PATH",
     .help = "files, and folders with all that is in them",
     .optional = true,
     .many = true},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial index notes.phial notes.txt", "one file"},
    {"phial index notes.phial papers --prune", "a folder, and forget what is no longer there"},
    {"phial index facts.phial --jsonl facts.jsonl", "records"},
    {"phial index notes.phial notes.txt --embedder all-MiniLM-L6-v2",
     "with vectors, so that other words for the same thing are found too"},
    {0},
};

const ph_cmd ph_cmd_index = {
    .details =
        "A document that is there already is read again only if its bytes have changed; "
        "interrupted, the command goes on where it was when it is called again. In folders, names "
        "that begin with a dot are left out and links to folders are not followed. A file that "
        "cannot be read is told and skipped; the exit code is 3 if a PATH is not there, or if "
        "nothing could be read.\n"
        "With --embedder every passage also gets a vector. The collection remembers the embedder, "
        "finds it again where it was (or by its name, beside the collection) and refuses another; "
        "phial collection reembed changes it. With --embedder or --whiten alone, without paths, "
        "what is there already gets its vectors.",
    .opts = opts,
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
