/* phial logits: the numbers a model computes, as a NumPy file. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/activation_dump.h"
#include "cli/answer_signal.h"
#include "cli/args.h"
#include "cli/cli_io.h"
#include "cli/engine_opts.h"
#include "fmt/npy.h"
#include "phial/session.h"

/* Limits on what is asked at once. */
#define IDS_FILE_BYTES (256u << 20)
#define MAX_SEQUENCES  65536
#define WAVE           64 /* sequences of a batch that run, and hold a cache, together */

/* Sequences of ids, back to back. */
typedef struct id_lists {
    uint32_t *ids;        /* owned */
    phial_tokens *tokens; /* owned, [n] */
    size_t n_ids, n;
    size_t cap_ids, cap;
} id_lists;

static void lists_free(id_lists *l)
{
    ph_free(l->ids);
    ph_free(l->tokens);
    *l = (id_lists){0};
}

static phial_status add_id(id_lists *l, int64_t id, phial_error *err)
{
    if (id < 0 || id > UINT32_MAX) {
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%lld is no token id", (long long)id);
    }
    if (l->n_ids == l->cap_ids) {
        size_t cap = l->cap_ids == 0 ? 256 : l->cap_ids * 2;
        uint32_t *grown = ph_realloc(l->ids, cap, sizeof *grown, err);
        if (grown == NULL) {
            return PHIAL_ERR_NO_MEMORY;
        }
        l->ids = grown;
        l->cap_ids = cap;
    }
    l->ids[l->n_ids++] = (uint32_t)id;
    return PHIAL_OK;
}

/* Closes the sequence that began at id `first`. Pointers are set when everything is read. */
static phial_status end_sequence(id_lists *l, size_t first, phial_error *err)
{
    if (l->n == MAX_SEQUENCES) {
        return ph_err_set(err, PHIAL_ERR_LIMIT, "more than %d sequences", MAX_SEQUENCES);
    }
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 16 : l->cap * 2;
        phial_tokens *grown = ph_realloc(l->tokens, cap, sizeof *grown, err);
        if (grown == NULL) {
            return PHIAL_ERR_NO_MEMORY;
        }
        l->tokens = grown;
        l->cap = cap;
    }
    l->tokens[l->n++] = (phial_tokens){NULL, l->n_ids - first};
    return PHIAL_OK;
}

static bool is_separator(char c)
{
    return c == ' ' || c == ',' || c == '\t' || c == '\r';
}

/* Numbers separated by blanks or commas on one line, into the current sequence. */
static phial_status parse_line(id_lists *l, ph_str line, phial_error *err)
{
    phial_status status = PHIAL_OK;
    for (size_t i = 0; i < line.n && status == PHIAL_OK;) {
        size_t begin = i;
        while (i < line.n && !is_separator(line.p[i])) {
            i++;
        }
        ph_str word = {line.p + begin, i - begin};
        int64_t id;
        if (word.n > 0 && !ph_str_parse_i64(word, &id)) {
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "'%.*s' is no token id", PH_STR_ARG(word));
        }
        if (word.n > 0) {
            status = add_id(l, id, err);
        }
        i++;
    }
    return status;
}

/* batch: one sequence a line, empty lines are skipped; otherwise all lines are one. */
static phial_status parse_ids(id_lists *l, ph_str text, bool batch, phial_error *err)
{
    size_t first = 0, line = 0;
    for (size_t at = 0; at < text.n; line++) {
        const char *end = memchr(text.p + at, '\n', text.n - at);
        size_t n = end != NULL ? (size_t)(end - text.p) - at : text.n - at;
        phial_status status = parse_line(l, (ph_str){text.p + at, n}, err);
        if (status == PHIAL_OK && batch && l->n_ids > first) {
            status = end_sequence(l, first, err);
            first = l->n_ids;
        }
        if (status != PHIAL_OK) {
            return ph_err_context(err, status, "line %zu", line + 1);
        }
        at += n + 1;
    }
    if (!batch && l->n_ids > 0) {
        return end_sequence(l, 0, err);
    }
    return PHIAL_OK;
}

static phial_status read_ids(id_lists *l, const ph_args *args, phial_error *err)
{
    const char *path = ph_args_str(args, "ids-file");
    bool batch = ph_args_flag(args, "batch");
    phial_status status = PHIAL_OK;
    if (ph_args_given(args, "ids") == (path != NULL)) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "give the tokens by --ids or by --ids-file");
    }
    if (path != NULL) {
        ph_buf text;
        ph_buf_init(&text, 0);
        status = ph_file_read(&text, path, IDS_FILE_BYTES, err);
        if (status == PHIAL_OK) {
            status = parse_ids(l, (ph_str){text.data, text.len}, batch, err);
            if (status != PHIAL_OK) {
                ph_err_context(err, status, "%s", path);
            }
        }
        ph_buf_free(&text);
    } else {
        size_t n;
        const int64_t *ids = ph_args_list(args, "ids", &n);
        for (size_t i = 0; i < n && status == PHIAL_OK; i++) {
            status = add_id(l, ids[i], err);
        }
        if (status == PHIAL_OK) {
            status = end_sequence(l, 0, err);
        }
    }
    if (status == PHIAL_OK && l->n == 0) {
        status = ph_err_set(err, PHIAL_ERR_BAD_INPUT, "there are no tokens");
    }
    size_t first = 0;
    for (size_t i = 0; i < l->n && status == PHIAL_OK; i++) {
        l->tokens[i].ids = l->ids + first;
        first += l->tokens[i].n;
    }
    return status;
}

/* What is open while the command runs. */
typedef struct job {
    phial_model *model;
    phial_engine *engine;
    phial_session *sessions[WAVE]; /* n_sessions of them are open */
    size_t n_sessions;
    ph_npy_writer *npy;
    ph_dump *dump;
    uint32_t n_vocab;
    size_t n_not_finite; /* logits written that are NaN or infinite */
    phial_error write_error;
} job;

static void close_sessions(job *j)
{
    for (size_t i = 0; i < j->n_sessions; i++) {
        ph_answer_remove(j->sessions[i]);
        phial_session_free(j->sessions[i]);
    }
    j->n_sessions = 0;
}

static void job_close(job *j)
{
    close_sessions(j);
    ph_npy_writer_close(j->npy);
    ph_dump_free(j->dump);
    phial_engine_free(j->engine);
    phial_model_close(j->model);
}

static void write_row(void *user, size_t position, const float *logits)
{
    job *j = user;
    (void)position;
    for (uint32_t i = 0; i < j->n_vocab; i++) {
        j->n_not_finite += !isfinite(logits[i]);
    }
    if (j->write_error.status == PHIAL_OK) {
        ph_npy_writer_add(j->npy, logits, j->n_vocab, &j->write_error);
    }
}

static phial_status open_engine(job *j, const ph_args *args, phial_error *err)
{
    phial_status status = phial_model_open(&j->model, ph_args_str(args, "model"), NULL, err);
    if (status != PHIAL_OK) {
        return status;
    }
    phial_model_info info = {.size = sizeof info};
    status = phial_model_get_info(j->model, &info, err);
    j->n_vocab = info.n_vocab;
    phial_engine_options o;
    phial_engine_options_default(&o);
    o.n_threads = (int)ph_args_int(args, "threads");
    o.n_chunk = (uint32_t)ph_args_int(args, "chunk");
    o.math = ph_args_choice(args, "math") == 1 ? PHIAL_MATH_FAST : PHIAL_MATH_EXACT;
    if (ph_args_given(args, "kv-type")) {
        o.kv_type = (phial_kv_type)ph_args_choice(args, "kv-type");
    }
    return status == PHIAL_OK ? phial_engine_new(&j->engine, j->model, &o, err) : status;
}

/* Sessions for n sequences, the first of which is number `first` of all. */
static phial_status open_sessions(job *j, const phial_tokens *tokens, size_t n, size_t first,
                                  bool many, phial_error *err)
{
    phial_model_info info = {.size = sizeof info};
    phial_status status = phial_model_get_info(j->model, &info, err);
    for (size_t i = 0; i < n && status == PHIAL_OK; i++) {
        if (tokens[i].n > info.n_ctx_max) {
            status =
                ph_err_set(err, PHIAL_ERR_CONTEXT_FULL, "%zu tokens do not fit the context of %u",
                           tokens[i].n, (unsigned)info.n_ctx_max);
        } else {
            status = phial_session_new(&j->sessions[i], j->engine, (uint32_t)tokens[i].n, err);
        }
        if (status == PHIAL_OK) {
            ph_answer_add(j->sessions[j->n_sessions++]);
        } else if (many) {
            ph_err_context(err, status, "sequence %zu", first + i + 1);
        }
    }
    return status;
}

/* Some sequences together; their caches are gone before the next wave's are made. */
static phial_status run_wave(job *j, const ph_args *args, const id_lists *l, size_t first,
                             phial_error *err)
{
    const phial_tokens *tokens = l->tokens + first;
    size_t n = l->n - first < WAVE ? l->n - first : WAVE;
    bool all = ph_args_flag(args, "all");
    phial_status status = open_sessions(j, tokens, n, first, l->n > 1, err);
    if (status == PHIAL_OK && j->dump != NULL) {
        status = phial_session_on_activation(j->sessions[0], PH_DUMP_ACTIVATIONS, ph_dump_see,
                                             j->dump, err);
    }
    if (status == PHIAL_OK && all) {
        phial_session_on_logits(j->sessions[0], write_row, j);
    }
    if (status == PHIAL_OK) {
        status = phial_session_sync_batch(j->sessions, tokens, n, err);
    }
    for (size_t i = 0; i < n && status == PHIAL_OK && !all; i++) {
        write_row(j, 0, phial_session_logits(j->sessions[i]));
    }
    if (status == PHIAL_OK && j->write_error.status != PHIAL_OK) {
        status = ph_err_set(err, j->write_error.status, "%s", j->write_error.message);
    }
    close_sessions(j);
    return status;
}

static phial_status compute(job *j, const ph_args *args, const id_lists *l, phial_error *err)
{
    const char *out = ph_args_str(args, "output"), *dump = ph_args_str(args, "dump");
    size_t rows = ph_args_flag(args, "all") ? l->tokens[0].n : l->n;
    phial_status status = ph_npy_writer_open(&j->npy, out, 2, rows, j->n_vocab, err);
    if (status == PHIAL_OK && dump != NULL) {
        status = ph_dump_new(&j->dump, j->model, l->tokens[0].n, err);
    }
    for (size_t first = 0; first < l->n && status == PHIAL_OK; first += WAVE) {
        status = run_wave(j, args, l, first, err);
    }
    if (status == PHIAL_OK && dump != NULL) {
        status = ph_dump_write(j->dump, dump, err);
    }
    if (status == PHIAL_OK && j->n_not_finite > 0) {
        ph_say("%zu of the logits are NaN or infinite", j->n_not_finite);
    }
    return status == PHIAL_OK ? ph_npy_writer_commit(j->npy, err) : status;
}

static phial_status check_args(const ph_args *args, phial_error *err)
{
    bool batch = ph_args_flag(args, "batch");
    if (batch && (ph_args_flag(args, "all") || ph_args_given(args, "dump"))) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "--batch gives the last logits of each sequence; it does not go with "
                          "--all or --dump");
    }
    if (batch && ph_args_str(args, "ids-file") == NULL) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "--batch reads its sequences, one a line, from --ids-file");
    }
    if (ph_args_given(args, "dump") &&
        strcmp(ph_args_str(args, "dump"), ph_args_str(args, "output")) == 0) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "--dump and --output are the same file");
    }
    return PHIAL_OK;
}

static phial_status run(const ph_args *args, phial_error *err)
{
    id_lists lists = {0};
    job j = {0};
    phial_status status = check_args(args, err);
    if (status == PHIAL_OK) {
        status = read_ids(&lists, args, err);
    }
    if (status == PHIAL_OK) {
        status = open_engine(&j, args, err);
    }
    if (status == PHIAL_OK) {
        ph_answer_begin(true);
        status = compute(&j, args, &lists, err);
        ph_answer_end();
    }
    job_close(&j);
    lists_free(&lists);
    return status;
}

static const char *const MATH[] = {"exact", "fast", NULL};
static const char *const KV_TYPES[] = PH_KV_TYPE_NAMES;

static const ph_opt opts[] = {
    PH_OPT_ROW_MODEL,
    {.name = "ids",
     .kind = PH_OPT_LIST,
     .arg = "LIST",
     .help = "token ids, separated by commas",
     .max_int = INT32_MAX},
    {.name = "ids-file",
     .kind = PH_OPT_STRING,
     .arg = "FILE",
     .help = "token ids from a file, separated by blanks, commas or lines; - is standard input"},
    {.name = "output",
     .letter = 'o',
     .kind = PH_OPT_STRING,
     .arg = "OUT.npy",
     .help = "where to write the logits, float32 [1][vocab]",
     .required = true},
    {.name = "all", .kind = PH_OPT_FLAG, .help = "logits of every position, [n][vocab]"},
    {.name = "batch",
     .kind = PH_OPT_FLAG,
     .help = "one sequence a line in --ids-file, run together, [n_seq][vocab]"},
    {.name = "chunk",
     .kind = PH_OPT_INT,
     .arg = "N",
     .help = "tokens run through the model together; 1 is the decode path",
     .fallback = "512",
     .min_int = 1,
     .max_int = 4096},
    PH_OPT_ROW_THREADS,
    {.name = "math",
     .kind = PH_OPT_CHOICE,
     .arg = "MODE",
     .help = "arithmetic",
     .fallback = "exact",
     .choices = MATH},
    PH_OPT_ROW_KV_TYPE,
    {.name = "dump",
     .kind = PH_OPT_STRING,
     .arg = "OUT.safetensors",
     .help = "also write every layer's activations"},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial logits -m phi-2.gguf --ids 15496,995 -o logits.npy", "what comes after two tokens"},
    {"phial logits -m phi-2.gguf --ids 15496,995 --all --dump layers.safetensors -o logits.npy",
     "every position, and every layer"},
    {0},
};

const ph_cmd ph_cmd_logits = {
    .details = "Computes the logits behind a list of tokens and writes them as a NumPy file. The "
               "same bits come out whatever the threads, the chunks and the neighbours in a batch.",
    .opts = opts,
    .examples = examples,
    .run = run,
};
