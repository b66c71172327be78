/* phial eval retrieval: a TREC run against judgements. */
#include <inttypes.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/args.h"
#include "cli/cli_io.h"
#include "rag/retrieval_metrics.h"

#define FILE_MAX ((size_t)4 << 30)

static void add_scores(ph_json *o, const ph_retrieval_scores *s)
{
    ph_json_set(o, "ndcg@10", ph_json_f64_new(s->ndcg_10));
    ph_json_set(o, "recall@10", ph_json_f64_new(s->recall_10));
    ph_json_set(o, "recall@100", ph_json_f64_new(s->recall_100));
    ph_json_set(o, "mrr", ph_json_f64_new(s->mrr));
    ph_json_set(o, "map", ph_json_f64_new(s->map));
}

typedef struct items {
    ph_writer *w; /* NULL: nobody wants them */
    ph_buf line;
    phial_status status;
    phial_error err;
} items;

static void on_query(void *user, ph_str query, const ph_retrieval_scores *s)
{
    items *it = user;
    if (!it->w || it->status != PHIAL_OK)
        return;
    ph_json *o = ph_json_object_new();
    ph_json_set(o, "_id", ph_json_str_new(query));
    add_scores(o, s);
    ph_buf_clear(&it->line);
    it->status = ph_json_write(&it->line, o, 0, &it->err);
    ph_json_free(o);
    ph_buf_add_str(&it->line, "\n");
    if (it->status == PHIAL_OK)
        it->status = ph_writer_write(it->w, it->line.data, it->line.len, &it->err);
}

static phial_status show(const ph_retrieval_result *r, bool json, phial_error *err)
{
    if (json) {
        ph_json *o = ph_json_object_new();
        add_scores(o, &r->mean);
        ph_json_set(o, "n_queries", ph_json_int_new((int64_t)r->n_queries));
        ph_json_set(o, "n_unjudged", ph_json_int_new((int64_t)r->n_unjudged));
        ph_json_set(o, "n_absent", ph_json_int_new((int64_t)r->n_absent));
        return ph_out_json(o, err);
    }
    ph_outf("nDCG@10     %.4f\nRecall@10   %.4f\nRecall@100  %.4f\nMRR         %.4f\n"
            "MAP         %.4f\n",
            r->mean.ndcg_10, r->mean.recall_10, r->mean.recall_100, r->mean.mrr, r->mean.map);
    ph_outf("%zu queries", r->n_queries);
    if (r->n_unjudged + r->n_absent > 0)
        ph_outf("; %zu without judgements, %zu judged but not in the run", r->n_unjudged,
                r->n_absent);
    ph_out_str("\n");
    return PHIAL_OK;
}

static phial_status run(const ph_args *args, phial_error *err)
{
    ph_buf ranking, qrels;
    ph_retrieval_result result;
    items it = {.status = PHIAL_OK};
    const char *run_path = ph_args_str(args, "run"), *qrels_path = ph_args_str(args, "qrels");
    ph_buf_init(&ranking, 0);
    ph_buf_init(&qrels, 0);
    phial_status st = ph_file_read(&ranking, run_path, FILE_MAX, err);
    if (st == PHIAL_OK)
        st = ph_file_read(&qrels, qrels_path, FILE_MAX, err);
    if (st == PHIAL_OK && ph_args_str(args, "items"))
        st = ph_writer_open(&it.w, ph_args_str(args, "items"), err);
    if (st == PHIAL_OK)
        st = ph_retrieval_evaluate((ph_str){ranking.data, ranking.len}, run_path,
                                   (ph_str){qrels.data, qrels.len}, qrels_path,
                                   ph_args_flag(args, "complete"), on_query, &it, &result, err);
    if (st == PHIAL_OK && it.status != PHIAL_OK) {
        *err = it.err;
        st = it.status;
    }
    if (st == PHIAL_OK && it.w)
        st = ph_writer_commit(it.w, err);
    if (st == PHIAL_OK)
        st = show(&result, ph_args_flag(args, "json"), err);
    ph_writer_close(it.w);
    ph_buf_free(&it.line);
    ph_buf_free(&ranking);
    ph_buf_free(&qrels);
    return st;
}

static const ph_opt opts[] = {
    {.name = "run",
     .kind = PH_OPT_STRING,
     .arg = "FILE",
     .help = "'query Q0 document rank score tag' a line, as phial search --run writes it",
     .required = true},
    {.name = "qrels",
     .kind = PH_OPT_STRING,
     .arg = "FILE",
     .help = "judgements: 'query 0 document relevance', or query, document and score apart by tabs",
     .required = true},
    {.name = "complete",
     .kind = PH_OPT_FLAG,
     .help = "judged queries that the run lacks count 0; otherwise they are left out"},
    {.name = "items", .kind = PH_OPT_STRING, .arg = "FILE", .help = "write each query's scores"},
    {.name = "json", .kind = PH_OPT_FLAG, .help = "print one JSON document"},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial eval retrieval --run ranking.run --qrels judged.tsv", "nDCG@10, recall, MRR, MAP"},
    {0},
};

const ph_cmd ph_cmd_eval_retrieval = {
    .details = "Numbers are those of trec_eval: documents in order of their scores, equal scores "
               "by falling names; what is judged above 0 is relevant.",
    .opts = opts,
    .examples = examples,
    .run = run,
};
