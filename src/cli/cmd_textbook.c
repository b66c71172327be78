/* phial textbook: training examples, written by a program. */
#include <string.h>

#include "base/mem.h"
#include "cli/args.h"
#include "cli/cli_io.h"
#include "train/textbook.h"

typedef struct output {
    uint64_t max_examples, max_bytes; /* UINT64_MAX: no limit */
    bool facts, tokenizer;
    uint64_t n_examples, n_bytes;
    uint64_t of_kind[PH_TEXTBOOK_N_KINDS], kind_bytes[PH_TEXTBOOK_N_KINDS];
} output;

/* "story,haiku=3": only these kinds, as often as the table or the number says. */
static phial_status read_kinds(ph_textbook_options *o, const char *list, phial_error *err)
{
    memset(o->weights, 0, sizeof o->weights);
    for (const char *p = list; *p;) {
        size_t n = strcspn(p, ","), n_name = strcspn(p, ",=");
        ph_str name = {p, n_name}, number = {p + n_name + 1, n > n_name ? n - n_name - 1 : 0};
        const ph_textbook_kind_info *kind;
        size_t i = 0;
        while ((kind = ph_textbook_kind_at(i)) != NULL && !ph_str_eq_c(name, kind->name))
            i++;
        if (!kind) {
            ph_nearest near = {.name = name};
            for (size_t k = 0; ph_textbook_kind_at(k); k++)
                ph_nearest_try(&near, ph_textbook_kind_at(k)->name);
            return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                              "option --kinds: there is no kind '%.*s'%s%s%s; --list shows all",
                              PH_STR_ARG(name), near.best ? " (did you mean " : "",
                              near.best ? near.best : "", near.best ? "?)" : "");
        }
        uint64_t weight = kind->weight > 0 ? kind->weight : 1;
        if (n > n_name && (!ph_str_parse_u64(number, &weight) || weight > PH_TEXTBOOK_WEIGHT_MAX))
            return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                              "option --kinds: '%.*s' is no weight from 0 to %u",
                              PH_STR_ARG(number), PH_TEXTBOOK_WEIGHT_MAX);
        o->weights[i] = (uint32_t)weight;
        p += n + (p[n] == ',');
    }
    return PHIAL_OK;
}

static phial_status list_kinds(void)
{
    for (size_t i = 0; ph_textbook_kind_at(i); i++) {
        const ph_textbook_kind_info *k = ph_textbook_kind_at(i);
        ph_outf("%-10s %5u  %s\n", k->name, k->weight, k->summary);
    }
    return PHIAL_OK;
}

/* Without digits: a tokenizer trained on it never joins any, so that numbers are read digit by
 * digit, which is how sums are learned. */
static void add_plain(ph_buf *line, const ph_textbook_example *ex)
{
    const ph_buf *parts[] = {&ex->prompt, &ex->completion, &ex->dialog};
    for (size_t k = 0; k < 3; k++) {
        for (size_t i = 0; i < parts[k]->len; i++) {
            char c = parts[k]->data[i];
            if (c < '0' || c > '9')
                ph_buf_add_byte(line, c ? (uint8_t)c : '\n');
        }
    }
    ph_buf_add_str(line, "\n");
}

static phial_status write_all(ph_textbook *book, output *out, phial_error *err)
{
    ph_buf line = {0};
    phial_status st = PHIAL_OK;
    ph_progress progress;
    ph_progress_start(&progress, "writing");
    ph_interrupt_watch();
    while (st == PHIAL_OK && out->n_examples < out->max_examples) {
        const ph_textbook_example *ex = NULL;
        ph_buf_clear(&line);
        st = ph_textbook_next(book, &ex, err);
        if (st == PHIAL_OK && out->tokenizer)
            add_plain(&line, ex);
        else if (st == PHIAL_OK)
            st = ph_textbook_add_json(&line, ex, out->facts, err);
        if (st == PHIAL_OK)
            st = ph_buf_status(&line, err);
        if (st != PHIAL_OK || line.len > out->max_bytes - out->n_bytes)
            break;
        if (!ph_out_bytes(line.data, line.len))
            break;
        out->n_examples++;
        out->n_bytes += line.len;
        out->of_kind[ex->kind]++;
        out->kind_bytes[ex->kind] += line.len;
        if (out->n_examples % 256 == 0) {
            ph_progress_step(&progress,
                             out->max_bytes < UINT64_MAX ? out->n_bytes : out->n_examples,
                             out->max_bytes < UINT64_MAX ? out->max_bytes : out->max_examples);
            if (ph_interrupted())
                st = ph_err_set(err, PHIAL_ERR_CANCELLED, "interrupted");
        }
    }
    ph_progress_end(&progress);
    ph_buf_free(&line);
    return st;
}

static void say_counts(const output *out)
{
    for (size_t i = 0; i < PH_TEXTBOOK_N_KINDS; i++) {
        if (out->of_kind[i] > 0)
            ph_say("%-10s %10llu examples %12llu bytes", ph_textbook_kind_at(i)->name,
                   (unsigned long long)out->of_kind[i], (unsigned long long)out->kind_bytes[i]);
    }
    ph_say("%-10s %10llu examples %12llu bytes", "all", (unsigned long long)out->n_examples,
           (unsigned long long)out->n_bytes);
}

static phial_status run(const ph_args *args, phial_error *err)
{
    if (ph_args_flag(args, "list"))
        return list_kinds();
    const char *what = ph_args_positional(args, 0);
    if (!what || strcmp(what, "write") != 0)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "what to do is 'write'%s%s%s",
                          what ? ", not '" : "", what ? what : "", what ? "'" : "");
    if (!ph_args_flag(args, "local"))
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "option --local is needed: examples come from the program's own tables");
    output out = {
        .max_examples = ph_args_has(args, "count") ? ph_args_u64(args, "count") : UINT64_MAX,
        .max_bytes = ph_args_has(args, "bytes") ? ph_args_u64(args, "bytes") : UINT64_MAX,
        .facts = ph_args_flag(args, "facts"),
        .tokenizer = ph_args_flag(args, "tokenizer"),
    };
    if (out.max_examples == UINT64_MAX && out.max_bytes == UINT64_MAX)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "say how much by --count or --bytes");
    ph_textbook_options options;
    ph_textbook_options_default(&options);
    options.seed = ph_args_u64(args, "seed");
    options.split = (ph_textbook_split)ph_args_choice(args, "split");
    options.absent = (uint32_t)ph_args_int(args, "absent");
    ph_textbook *book = NULL;
    phial_status st = PHIAL_OK;
    if (ph_args_given(args, "kinds"))
        st = read_kinds(&options, ph_args_str(args, "kinds"), err);
    if (st == PHIAL_OK)
        st = ph_textbook_new(&book, &options, err);
    if (st == PHIAL_OK) {
        ph_textbook_seek(book, ph_args_u64(args, "skip"));
        st = write_all(book, &out, err);
        if (st == PHIAL_OK && ph_args_flag(args, "stats"))
            say_counts(&out);
    }
    ph_textbook_free(book);
    return st;
}

static const char *const splits[] = {"train", "dev", "test", NULL};

static const ph_opt opts[] = {
    {.name = "local",
     .kind = PH_OPT_FLAG,
     .help = "from the program's own tables, without a model or a network"},
    {.name = "count",
     .letter = 'n',
     .kind = PH_OPT_U64,
     .arg = "N",
     .help = "examples to write at most"},
    {.name = "bytes", .kind = PH_OPT_U64, .arg = "N", .help = "bytes to write at most"},
    {.name = "seed",
     .kind = PH_OPT_U64,
     .arg = "N",
     .fallback = "1",
     .help = "another number gives other examples"},
    {.name = "split",
     .kind = PH_OPT_CHOICE,
     .arg = "NAME",
     .choices = splits,
     .fallback = "train",
     .help = "train; dev: the same with other random numbers; test: words and phrasings that train "
             "never uses"},
    {.name = "kinds",
     .kind = PH_OPT_STRING,
     .arg = "LIST",
     .help = "kinds apart by commas, each with =WEIGHT if wanted; otherwise all, as --list tells"},
    {.name = "absent",
     .kind = PH_OPT_INT,
     .arg = "PERCENT",
     .fallback = "30",
     .max_int = 100,
     .help = "of the questions in kinds that ask both sorts, that the passage does not answer"},
    {.name = "skip",
     .kind = PH_OPT_U64,
     .arg = "N",
     .fallback = "0",
     .help = "begin with example N"},
    {.name = "facts",
     .kind = PH_OPT_FLAG,
     .help = "add to each line its kind, passage, question, answer and topic"},
    {.name = "tokenizer",
     .kind = PH_OPT_FLAG,
     .help = "plain text without digits, to train a tokenizer that reads numbers digit by digit"},
    {.name = "stats", .kind = PH_OPT_FLAG, .help = "tell at the end how much of each kind it was"},
    {.name = "list", .kind = PH_OPT_FLAG, .help = "show the kinds and their weights"},
    {0},
};

static const ph_positional positionals[] = {
    {.name = "WHAT", .help = "write", .optional = true},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial textbook write --local -n 3 --seed 7", "three examples"},
    {"phial textbook write --local -n 2 --kinds haiku,story=10 --split test --facts",
     "of two kinds, for an exam"},
    {"phial textbook --list", "the kinds"},
    {0},
};

const ph_cmd ph_cmd_textbook = {
    .details =
        "Writes JSON lines for phial train: {\"prompt\",\"completion\"}, {\"messages\"} or "
        "{\"text\"}. The same "
        "seed, split and kinds give the same lines.\n"
        "A fifth of the names and words of open classes, of the ways to say a thing and of the "
        "sums is never used by --split train; --split test uses these wherever there is a choice.",
    .opts = opts,
    .positionals = positionals,
    .examples = examples,
    .run = run,
};
