/* phial eval squad2: answers, abstentions and citations on SQuAD v2. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/cli_io.h"
#include "cli/engine_opts.h"
#include "cli/nano.h"
#include "cli/squad_run.h"

static const char *const PASSAGE[] = {"given", "retrieved", NULL};
static const char *const ANSWERS[] = {"model", "marked", NULL};
static const char *const KV_TYPES[] = PH_KV_TYPE_NAMES;

typedef struct job {
    const ph_args *args;
    ph_buf file;
    ph_squad squad;
    ph_squad_run run;
    ph_gen gen;
    ph_gen_config config;
    phial_preset *preset;
    phial_collection *collection;
    char folder[64]; /* of the collection; empty: none */
    ph_progress progress;
} job;

static phial_status read_file(job *j, phial_error *err)
{
    const char *path = ph_args_positional(j->args, 0);
    phial_status st = ph_file_read(&j->file, path, PH_SQUAD_FILE_BYTES, err);
    if (st == PHIAL_OK)
        st = ph_squad_parse(&j->squad, j->file.data ? j->file.data : "", j->file.len, err);
    if (st != PHIAL_OK)
        return ph_err_context(err, st, "%s", path);
    size_t most = (size_t)ph_args_int(j->args, "limit");
    j->run.squad = &j->squad;
    j->run.n = most > 0 && most < j->squad.n_items ? most : j->squad.n_items;
    return PHIAL_OK;
}

static phial_status open_model(job *j, phial_error *err)
{
    const char *path = ph_args_str(j->args, "model");
    if (!path)
        path = ph_nano_model();
    if (!path)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "no model; name one by --model or in the environment variable "
                          "PHIAL_MODEL, or hold the marked answers against the passages by "
                          "--answers marked");
    j->config = (ph_gen_config){.n_new = (size_t)ph_args_int(j->args, "tokens"),
                                .max_length = SIZE_MAX,
                                .n_seq = 1,
                                .n_ctx = (uint32_t)ph_args_int(j->args, "ctx")};
    ph_gen_config_plain(&j->config);
    phial_status st = ph_gen_open(&j->gen, path, j->args, &j->config, err);
    if (st == PHIAL_OK)
        j->run.gen = &j->gen;
    j->run.config = &j->config;
    return st;
}

/* --- a collection of the paragraphs --- */

static phial_status write_records(const job *j, const char *path, phial_error *err)
{
    ph_writer *w = NULL;
    phial_status st = ph_writer_open(&w, path, err);
    for (size_t i = 0; i < j->squad.n_paragraphs && st == PHIAL_OK; i++) {
        const ph_squad_paragraph *p = &j->squad.paragraphs[i];
        char name[64];
        ph_buf line;
        ph_buf_init(&line, 0);
        snprintf(name, sizeof name, "%zu/%zu", p->article, i);
        ph_json *record = ph_json_object_new();
        ph_json_set(record, "_id", ph_json_str_new(ph_str_from(name)));
        ph_json_set(record, "title", ph_json_str_new(j->squad.titles[p->article]));
        st = ph_json_set(record, "text", ph_json_str_new(p->context)) ? PHIAL_OK
                                                                      : PHIAL_ERR_NO_MEMORY;
        if (st == PHIAL_OK)
            st = ph_json_write(&line, record, 0, err);
        ph_buf_add_byte(&line, '\n');
        if (st == PHIAL_OK)
            st = ph_buf_status(&line, err);
        if (st == PHIAL_OK)
            st = ph_writer_write(w, line.data, line.len, err);
        ph_json_free(record);
        ph_buf_free(&line);
    }
    if (st == PHIAL_OK)
        st = ph_writer_commit(w, err);
    ph_writer_close(w);
    return st;
}

static phial_status index_records(job *j, const char *records, const char *path, phial_error *err)
{
    phial_index_options o;
    phial_index_result r = {.size = sizeof r};
    phial_index_options_default(&o);
    o.jsonl = records;
    o.tokenizer = j->gen.tokenizer;
    phial_status st = phial_collection_open(&j->collection, path, PHIAL_COLLECTION_CREATE, err);
    if (st == PHIAL_OK)
        st = phial_collection_index(j->collection, &o, &r, err);
    if (st == PHIAL_OK && r.n_indexed != j->squad.n_paragraphs)
        st = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%llu of %zu paragraphs could be indexed",
                        (unsigned long long)r.n_indexed, j->squad.n_paragraphs);
    return st;
}

static phial_status make_collection(job *j, phial_error *err)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(j->folder, sizeof j->folder, "%.40s/phial-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
    if (!mkdtemp(j->folder)) {
        j->folder[0] = 0;
        return ph_err_set(err, PHIAL_ERR_IO, "no folder for a collection can be made in %s",
                          tmp && tmp[0] ? tmp : "/tmp");
    }
    char *records = ph_path_join(j->folder, "paragraphs.jsonl", err);
    char *path = ph_path_join(j->folder, "paragraphs.phial", err);
    phial_status st = records && path ? write_records(j, records, err) : PHIAL_ERR_NO_MEMORY;
    if (st == PHIAL_OK)
        st = index_records(j, records, path, err);
    j->run.collection = j->collection;
    j->run.k = (uint32_t)ph_args_int(j->args, "k");
    ph_free(records);
    ph_free(path);
    return st;
}

static void remove_collection(job *j)
{
    static const char *const names[] = {"paragraphs.jsonl", "paragraphs.phial",
                                        "paragraphs.phial-wal", "paragraphs.phial-shm"};
    phial_collection_close(j->collection);
    for (size_t i = 0; j->folder[0] && i < sizeof names / sizeof names[0]; i++) {
        char *path = ph_path_join(j->folder, names[i], NULL);
        if (path)
            ph_file_remove(path, NULL);
        ph_free(path);
    }
    if (j->folder[0])
        rmdir(j->folder);
}

/* --- results --- */

static ph_json *number(double v)
{
    return ph_json_f64_new(ph_f32_decimal((float)v));
}

static ph_json *figures_json(const ph_squad_figures *f)
{
    ph_json *o = ph_json_object_new();
    ph_json_set(o, "n", ph_json_int_new((int64_t)f->n));
    ph_json_set(o, "n_answerable", ph_json_int_new((int64_t)f->n_possible));
    ph_json_set(o, "em", number(f->exact));
    ph_json_set(o, "f1", number(f->f1));
    ph_json_set(o, "em_answerable", number(f->exact_possible));
    ph_json_set(o, "f1_answerable", number(f->f1_possible));
    ph_json_set(o, "wrong_answers", number(f->wrong_answers));
    ph_json_set(o, "wrong_abstentions", number(f->wrong_abstentions));
    ph_json_set(o, "citation_precision", number(f->citation_precision));
    ph_json_set(o, "citation_recall", number(f->citation_recall));
    ph_json_set(o, "swapped_supported", number(f->swapped));
    if (!ph_json_set(o, "swapped_near_supported", number(f->swapped_near))) {
        ph_json_free(o);
        return NULL;
    }
    return o;
}

static ph_json *thresholds_json(const ph_squad_thresholds *t)
{
    ph_json *o = ph_json_object_new();
    ph_json_set(o, "min_about", number(t->min_about));
    ph_json_set(o, "max_not_told", number(t->max_not_told));
    ph_json_set(o, "min_support", number(t->min_support));
    return o;
}

/* The lines of the report: a threshold's source and the half of the articles it is applied to. */
typedef struct report {
    ph_squad_thresholds open, chosen, ours;
    ph_squad_figures all_open, calibration, report, report_ours;
} report;

static phial_status print_json(const job *j, const report *r, phial_error *err)
{
    ph_json *root = ph_json_object_new();
    ph_json_set(root, "passage", ph_json_str_new(ph_str_from(ph_args_str(j->args, "passage"))));
    ph_json_set(root, "answers", ph_json_str_new(ph_str_from(ph_args_str(j->args, "answers"))));
    ph_json_set(root, "thresholds", thresholds_json(&r->chosen));
    ph_json_set(root, "open", figures_json(&r->all_open));
    ph_json_set(root, "calibration", figures_json(&r->calibration));
    ph_json_set(root, "report", figures_json(&r->report));
    ph_json_set(root, "default_thresholds", thresholds_json(&r->ours));
    if (!ph_json_set(root, "report_default", figures_json(&r->report_ours))) {
        ph_json_free(root);
        root = NULL;
    }
    return ph_out_json(root, err);
}

static void print_row(const char *what, const ph_squad_figures *f)
{
    ph_outf("%-24s %6zu %6.1f %6.1f %6.1f %6.1f %8.1f %8.1f %8.1f %8.1f %8.1f %8.1f\n", what, f->n,
            f->exact, f->f1, f->exact_possible, f->f1_possible, f->wrong_answers,
            f->wrong_abstentions, f->citation_precision, f->citation_recall, f->swapped,
            f->swapped_near);
}

static void print_table(const report *r)
{
    ph_outf("%-24s %6s %6s %6s %6s %6s %8s %8s %8s %8s %8s %8s\n", "per cent", "n", "EM", "F1",
            "EM+", "F1+", "wrong", "wrong", "citation", "citation", "swapped", "swapped");
    ph_outf("%-24s %6s %6s %6s %6s %6s %8s %8s %8s %8s %8s %8s\n", "", "", "", "", "", "",
            "answers", "abstent.", "precis.", "recall", "far", "near");
    print_row("all, no thresholds", &r->all_open);
    print_row("calibration half", &r->calibration);
    print_row("report half", &r->report);
    print_row("report half, defaults", &r->report_ours);
    ph_outf("thresholds: about %.2f, not told %.3f, support %.2f (defaults %.2f, %.3f, %.2f)\n",
            r->chosen.min_about, r->chosen.max_not_told, r->chosen.min_support, r->ours.min_about,
            r->ours.max_not_told, r->ours.min_support);
}

static phial_status add_item_line(ph_buf *out, const job *j, size_t i, const report *rep,
                                  phial_error *err)
{
    const ph_squad_item *item = &j->squad.items[i];
    const ph_squad_result *r = &j->run.results[i];
    bool answered = ph_squad_answered(r, &rep->chosen);
    ph_json *o = ph_json_object_new();
    ph_json_set(o, "id", ph_json_str_new(item->id));
    ph_json_set(o, "article", ph_json_str_new(j->squad.titles[item->article]));
    ph_json_set(o, "question", ph_json_str_new(item->question));
    ph_json_set(o, "answerable", ph_json_bool_new(!item->impossible));
    ph_json_set(o, "said",
                ph_json_str_new((ph_str){r->said.data ? r->said.data : "", r->said.len}));
    ph_json_set(o, "abstained", ph_json_bool_new(!answered));
    ph_json_set(o, "em", number(answered ? r->score.exact : item->impossible));
    ph_json_set(o, "f1", number(answered ? r->score.f1 : item->impossible));
    ph_json_set(o, "about", number(r->about));
    ph_json_set(o, "not_told", number(r->not_told));
    ph_json_set(o, "support", number(r->support));
    ph_json_set(o, "citations", ph_json_int_new(r->n_citations));
    ph_json_set(o, "swapped", number(r->swapped));
    ph_json_set(o, "swapped_near", number(r->swapped_near));
    bool ok = ph_json_set(o, "citations_right", ph_json_int_new(r->n_right));
    phial_status st = ok ? ph_json_write(out, o, 0, err)
                         : ph_err_set(err, PHIAL_ERR_NO_MEMORY, "not enough memory");
    ph_buf_add_byte(out, '\n');
    ph_json_free(o);
    return st == PHIAL_OK ? ph_buf_status(out, err) : st;
}

static phial_status write_items(const job *j, const char *path, const report *rep, phial_error *err)
{
    ph_writer *w = NULL;
    ph_buf out;
    ph_buf_init(&out, 0);
    phial_status st = ph_writer_open(&w, path, err);
    for (size_t i = 0; i < j->run.n && st == PHIAL_OK; i++) {
        ph_buf_clear(&out);
        st = add_item_line(&out, j, i, rep, err);
        if (st == PHIAL_OK)
            st = ph_writer_write(w, out.data, out.len, err);
    }
    if (st == PHIAL_OK)
        st = ph_writer_commit(w, err);
    ph_writer_close(w);
    ph_buf_free(&out);
    return st;
}

static phial_status tell(job *j, phial_error *err)
{
    phial_ask_options defaults;
    phial_ask_options_default(&defaults);
    report r = {.open = {0, 1, 0},
                .ours = {defaults.min_about, defaults.max_not_told, defaults.min_support}};
    ph_squad_calibrate(&r.chosen, &j->run);
    ph_squad_figures_of(&r.all_open, &j->run, &r.open, -1);
    ph_squad_figures_of(&r.calibration, &j->run, &r.chosen, 0);
    ph_squad_figures_of(&r.report, &j->run, &r.chosen, 1);
    ph_squad_figures_of(&r.report_ours, &j->run, &r.ours, 1);
    const char *items = ph_args_str(j->args, "items");
    phial_status st = items ? write_items(j, items, &r, err) : PHIAL_OK;
    if (st != PHIAL_OK)
        return st;
    if (ph_args_flag(j->args, "json"))
        return print_json(j, &r, err);
    print_table(&r);
    return PHIAL_OK;
}

static bool step(void *user, size_t done, size_t n)
{
    ph_progress_step(user, done, n);
    return !ph_interrupted();
}

static phial_status run(const ph_args *args, phial_error *err)
{
    job j = {.args = args};
    ph_buf_init(&j.file, PH_SQUAD_FILE_BYTES);
    bool marked = ph_args_choice(args, "answers") == 1;
    bool retrieved = ph_args_choice(args, "passage") == 1;
    phial_status st = PHIAL_OK;
    if (marked && retrieved)
        st = ph_err_set(err, PHIAL_ERR_ARGUMENT,
                        "--answers marked holds answers against the paragraph they were marked in: "
                        "it goes with --passage given");
    if (st == PHIAL_OK)
        st = read_file(&j, err);
    if (st == PHIAL_OK)
        st = phial_preset_open(&j.preset, ph_args_str(args, "preset"), NULL, err);
    j.run.preset = j.preset;
    if (st == PHIAL_OK && !marked)
        st = open_model(&j, err);
    ph_interrupt_watch();
    if (st == PHIAL_OK && retrieved)
        st = make_collection(&j, err);
    if (st == PHIAL_OK) {
        ph_progress_start(&j.progress, "answering");
        j.run.progress = step;
        j.run.user = &j.progress;
        st = ph_squad_run_all(&j.run, err);
        ph_progress_end(&j.progress);
    }
    if (st == PHIAL_OK)
        st = tell(&j, err);
    ph_squad_run_free(&j.run);
    remove_collection(&j);
    ph_gen_close(&j.gen);
    phial_preset_free(j.preset);
    ph_squad_free(&j.squad);
    ph_buf_free(&j.file);
    return st;
}

static const ph_opt opts[] = {
    {.name = "model",
     .letter = 'm',
     .kind = PH_OPT_STRING,
     .arg = "MODEL",
     .help = "a .gguf file or a Hugging Face folder; without it nano, where it is installed",
     .env = "PHIAL_MODEL"},
    {.name = "passage",
     .kind = PH_OPT_CHOICE,
     .arg = "HOW",
     .help = "give each question its own paragraph, or search for it in the article",
     .fallback = "given",
     .choices = PASSAGE},
    {.name = "answers",
     .kind = PH_OPT_CHOICE,
     .arg = "WHOSE",
     .help = "the model's, or those that people marked: how citations do without any model",
     .fallback = "model",
     .choices = ANSWERS},
    {.name = "k",
     .letter = 'k',
     .kind = PH_OPT_INT,
     .arg = "N",
     .help = "with --passage retrieved: passages at most",
     .fallback = "3",
     .min_int = 1,
     .max_int = PHIAL_ANSWER_PASSAGES_MAX},
    {.name = "limit",
     .letter = 'n',
     .kind = PH_OPT_INT,
     .arg = "N",
     .help = "only the first N questions; 0 is all",
     .fallback = "0",
     .max_int = INT32_MAX},
    {.name = "items",
     .kind = PH_OPT_STRING,
     .arg = "FILE.jsonl",
     .help = "write a line for each question"},
    {.name = "tokens",
     .kind = PH_OPT_INT,
     .arg = "N",
     .help = "tokens of an answer at most",
     .fallback = "32",
     .min_int = 1,
     .max_int = INT32_MAX},
    {.name = "ctx",
     .letter = 'c',
     .kind = PH_OPT_INT,
     .arg = "N",
     .help = "tokens the context holds; 0 takes what the model was made for",
     .fallback = "0",
     .max_int = INT32_MAX},
    {.name = "preset",
     .kind = PH_OPT_STRING,
     .arg = "NAME",
     .help = "form of the prompt: instruct, chat, qa, or a file of one's own",
     .fallback = "instruct"},
    PH_OPT_ROW_THREADS,
    {.name = "math",
     .kind = PH_OPT_CHOICE,
     .arg = "MODE",
     .choices = PH_GEN_MATH,
     .help = "arithmetic; without it fast for quantized models, exact for others"},
    PH_OPT_ROW_KV_TYPE,
    {.name = "json", .kind = PH_OPT_FLAG, .help = "print figures and thresholds as JSON"},
    {0},
};

static const ph_positional positionals[] = {
    {.name = "FILE", .help = "SQuAD v2's JSON, such as dev-v2.0.json"},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial eval squad2 squad.json --answers marked", "how well citations find marked answers"},
    {"phial eval squad2 squad.json -m phi-2.gguf -n 2 --passage given --tokens 4",
     "answer the first questions from their paragraphs"},
    {0},
};

const ph_cmd ph_cmd_eval_squad2 = {
    .details =
        "Answers the questions of SQuAD v2, half of which have no answer, and reports exact match "
        "and F1 as the official script does, wrong answers to questions without one, wrong "
        "abstentions, and whether citations cover what people marked. As a control each answer is "
        "held against another question: of another article (far) and of the same paragraph (near); "
        "what is "
        "supported there is supported by chance.\n"
        "Thresholds are chosen on one half of the articles (by a hash of the title) and reported "
        "on "
        "the other. EM+ and F1+ are those of the questions that have an answer.",
    .opts = opts,
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
