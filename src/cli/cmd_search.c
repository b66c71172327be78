/* phial search: passages of a collection, for one query or for a file of them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/cli_io.h"
#include "cli/collection_view.h"
#include "cli/rerank_view.h"
#include "cli/vector_opts.h"
#include "rag/ingest_jsonl.h"

/* Searches, and lets the model look at the first hits. */
static phial_status find(phial_collection *c, phial_hits **hits, phial_text query,
                         const phial_search_options *o, ph_reranker *reranker, phial_error *err)
{
    phial_status st = phial_collection_search(c, hits, query, o, err);
    return st == PHIAL_OK && reranker ? ph_reranker_run(reranker, *hits, query, err) : st;
}

static size_t n_shown(const phial_hits *hits, const ph_args *args)
{
    size_t n = phial_hits_count(hits), k = (size_t)ph_args_int(args, "k");
    return n < k ? n : k;
}

static phial_status search_one(phial_collection *c, const ph_args *args,
                               const phial_search_options *o, ph_reranker *reranker,
                               phial_error *err)
{
    const char *query = ph_args_positional(args, 1);
    phial_hits *hits = NULL;
    if (!query)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "what to search for is missing");
    phial_status st = find(c, &hits, (phial_text){query, strlen(query)}, o, reranker, err);
    if (st != PHIAL_OK) {
        phial_hits_free(hits);
        return st;
    }
    ph_json *list = ph_json_array_new();
    for (size_t i = 0; i < n_shown(hits, args); i++) {
        if (ph_args_flag(args, "json"))
            ph_json_push(list, ph_collection_json_hit(phial_hits_at(hits, i), i + 1));
        else
            ph_collection_show_hit(phial_hits_at(hits, i), i + 1);
    }
    if (ph_args_flag(args, "json")) {
        ph_json *root = ph_json_object_new();
        ph_json_set(root, "results", list);
        list = NULL;
        st = ph_out_json(root, err);
    } else if (phial_hits_count(hits) == 0) {
        ph_say("nothing found");
    }
    ph_json_free(list);
    phial_hits_free(hits);
    return st;
}

/* --- a file of queries --- */

typedef struct times {
    double *ms; /* owned */
    size_t n, cap;
} times;

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static phial_status note_time(times *t, uint64_t ns, phial_error *err)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 256;
        double *more = ph_realloc(t->ms, cap, sizeof *more, err);
        if (!more)
            return PHIAL_ERR_NO_MEMORY;
        t->ms = more;
        t->cap = cap;
    }
    t->ms[t->n++] = (double)ns * 1e-6;
    return PHIAL_OK;
}

/* Columns of a run are apart by blanks, so a blank in a name becomes %20. */
static void add_name(ph_buf *out, phial_text name)
{
    for (size_t i = 0; i < name.n; i++) {
        uint8_t byte = (uint8_t)name.p[i];
        if (byte <= ' ')
            ph_buf_addf(out, "%%%02x", byte);
        else
            ph_buf_add_byte(out, byte);
    }
}

static phial_status write_hits(ph_writer *w, phial_text id, const phial_hits *hits, size_t n,
                               ph_buf *line, phial_error *err)
{
    ph_buf_clear(line);
    for (size_t i = 0; i < n; i++) {
        const phial_hit *h = phial_hits_at(hits, i);
        add_name(line, id);
        ph_buf_add_str(line, " Q0 ");
        add_name(line, h->doc);
        ph_buf_addf(line, " %zu %.6f phial\n", i + 1, h->score);
    }
    phial_status st = ph_buf_status(line, err);
    return st == PHIAL_OK ? ph_writer_write(w, line->data, line->len, err) : st;
}

static phial_status run_queries(phial_collection *c, ph_jsonl *queries, ph_writer *w,
                                const ph_args *args, const phial_search_options *o,
                                ph_reranker *reranker, times *t, phial_error *err)
{
    ph_jsonl_record record;
    ph_buf line;
    bool more = true;
    phial_status st = PHIAL_OK;
    ph_jsonl_record_init(&record);
    ph_buf_init(&line, 0);
    while (st == PHIAL_OK && !ph_interrupted()) {
        ph_str text;
        uint64_t number;
        phial_hits *hits = NULL;
        st = ph_jsonl_next(queries, &text, &number, &more, err);
        if (st != PHIAL_OK || !more)
            break;
        st = ph_jsonl_parse(&record, text, err);
        if (st != PHIAL_OK) {
            ph_err_context(err, st, "query %" PRIu64, number);
            break;
        }
        uint64_t before = ph_clock_ns();
        st = find(c, &hits, (phial_text){record.text.data, record.text.len}, o, reranker, err);
        if (st == PHIAL_OK)
            st = note_time(t, ph_clock_ns() - before, err);
        if (st == PHIAL_OK)
            st = write_hits(w, (phial_text){record.id.data, record.id.len}, hits,
                            n_shown(hits, args), &line, err);
        phial_hits_free(hits);
    }
    if (st == PHIAL_OK && ph_interrupted())
        st = ph_err_set(err, PHIAL_ERR_CANCELLED, "interrupted");
    ph_jsonl_record_free(&record);
    ph_buf_free(&line);
    return st;
}

static phial_status search_many(phial_collection *c, const ph_args *args, phial_search_options *o,
                                ph_reranker *reranker, phial_error *err)
{
    const char *path = ph_args_str(args, "run");
    ph_jsonl *queries = NULL;
    ph_writer *w = NULL;
    times t = {0};
    if (!path)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "--queries needs --run, where results go");
    if (ph_args_positional(args, 1))
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "a query and --queries do not go together");
    o->by_doc = true;
    phial_status st = ph_jsonl_open(&queries, ph_args_str(args, "queries"), err);
    if (st == PHIAL_OK)
        st = ph_writer_open(&w, path, err);
    ph_interrupt_watch();
    if (st == PHIAL_OK)
        st = run_queries(c, queries, w, args, o, reranker, &t, err);
    if (st == PHIAL_OK)
        st = ph_writer_commit(w, err);
    if (st == PHIAL_OK && t.n > 0) {
        qsort(t.ms, t.n, sizeof *t.ms, rising);
        ph_say("%zu queries; median %.2f ms, 99th of a hundred %.2f ms", t.n, t.ms[t.n / 2],
               t.ms[t.n * 99 / 100]);
    }
    ph_writer_close(w);
    ph_jsonl_close(queries);
    ph_free(t.ms);
    return st;
}

static phial_status run(const ph_args *args, phial_error *err)
{
    static const phial_search_mode modes[] = {PHIAL_SEARCH_HYBRID, PHIAL_SEARCH_LEXICAL,
                                              PHIAL_SEARCH_DENSE};
    phial_collection *c = NULL;
    phial_search_options o;
    phial_embedder *embedder = NULL;
    ph_reranker *reranker = NULL;
    const char *filter = ph_args_str(args, "filter");
    phial_search_options_default(&o);
    o.k = (uint32_t)ph_args_int(args, "k");
    o.mode = modes[ph_args_choice(args, "mode")];
    if (filter && strncmp(filter, "doc=", 4) != 0)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "option --filter: it can be doc=GLOB");
    o.doc_glob = filter ? filter + 4 : NULL;
    o.metric = (phial_metric)ph_args_choice(args, "metric");
    o.exact = ph_args_flag(args, "exact");
    o.diversity = ph_args_double(args, "diversity");
    if (ph_args_has(args, "dense-share"))
        o.dense_share = ph_args_double(args, "dense-share");
    phial_status st =
        phial_collection_open(&c, ph_args_positional(args, 0), PHIAL_COLLECTION_READ, err);
    if (st == PHIAL_OK)
        st = ph_vectors_open_asker(&embedder, c, ph_args_str(args, "embedder"), o.mode,
                                   ph_args_given(args, "mode"), err);
    o.embedder = embedder;
    if (st == PHIAL_OK && ph_args_has(args, "rerank"))
        st = ph_reranker_open(&reranker, args, err);
    if (reranker && o.k < ph_args_int(args, "rerank"))
        o.k = (uint32_t)ph_args_int(args, "rerank");
    if (st == PHIAL_OK)
        st = ph_args_str(args, "queries") ? search_many(c, args, &o, reranker, err)
                                          : search_one(c, args, &o, reranker, err);
    ph_reranker_close(reranker);
    phial_embedder_close(embedder);
    phial_collection_close(c);
    return st;
}

static const char *const metric_names[] = {"cosine", "l2", "ip", NULL};
static const char *const mode_names[] = {"hybrid", "lexical", "dense", NULL};

static const ph_opt opts[] = {
    {.name = "k",
     .letter = 'k',
     .kind = PH_OPT_INT,
     .arg = "N",
     .min_int = 1,
     .max_int = 10000,
     .fallback = "3",
     .help = "results at most"},
    {.name = "mode",
     .kind = PH_OPT_CHOICE,
     .arg = "MODE",
     .choices = mode_names,
     .fallback = "hybrid",
     .help = "by words, by vectors, or both; both is by words where a collection has no vectors"},
    {.name = "metric",
     .kind = PH_OPT_CHOICE,
     .arg = "METRIC",
     .choices = metric_names,
     .fallback = "cosine",
     .help = "how vectors are compared; l2 shows minus the squared distance"},
    {.name = "exact",
     .kind = PH_OPT_FLAG,
     .help = "the nearest vectors for certain; otherwise of more than 300,000 passages 95 of 100"},
    {.name = "dense-share",
     .kind = PH_OPT_DOUBLE,
     .arg = "W",
     .max_double = 1,
     .help = "hybrid: weight of vectors beside words; otherwise as measured on this collection"},
    {.name = "diversity",
     .kind = PH_OPT_DOUBLE,
     .arg = "D",
     .fallback = "0",
     .max_double = 1,
     .help = "how much a passage loses for being like one before it"},
    PH_OPT_ROWS_RERANK,
    PH_OPT_ROW_EMBEDDER(" of this collection, if it is no longer where it was"),
    {.name = "filter",
     .kind = PH_OPT_STRING,
     .arg = "doc=GLOB",
     .help = "only documents whose name matches: * any bytes, ? one, [a-z] one of these"},
    {.name = "queries",
     .kind = PH_OPT_STRING,
     .arg = "FILE",
     .help = "queries {\"_id\",\"text\"}, one a line"},
    {.name = "run",
     .kind = PH_OPT_STRING,
     .arg = "FILE",
     .help = "where results of --queries go, as a TREC run of documents"},
    {.name = "json", .kind = PH_OPT_FLAG, .help = "print one JSON document"},
    {0},
};

static const ph_positional positionals[] = {
    {.name = "COLLECTION", .help = "a file that phial index made"},
    {.name = "QUERY", .help = "words", .optional = true},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial search notes.phial 'two notes'", "the three best passages"},
    {"phial search notes.phial 'two notes' --mode dense --metric l2 --exact",
     "by vectors alone (phial index --embedder makes them), as FAISS's flat index does"},
    {"phial search notes.phial notes -k 1 --filter 'doc=*.txt' --json", "one, from text files"},
    {0},
};

const ph_cmd ph_cmd_search = {
    .details = "Words are found whatever their case, accents and English endings. A passage's "
               "offsets are bytes in the page that phial collection show --page N --text prints.\n"
               "Where a collection has vectors, passages are found by words and by vectors, and "
               "both rankings become one. What is scanned of the vectors is kept in the cache "
               "folder ($XDG_CACHE_HOME/phial or ~/.cache/phial) and made again when it is not "
               "that of the collection.",
    .opts = opts,
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
