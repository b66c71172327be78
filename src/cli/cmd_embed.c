/* phial embed: texts to vectors. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/args.h"
#include "cli/cli_io.h"
#include "cli/engine_opts.h"
#include "phial/embed.h"
#include "phial/tokenizer.h"

#define READ_BYTES (64u << 10)
#define WAVE       128 /* lines that are embedded together; between waves Ctrl-C is seen */
#define SPLITS_MAX 10  /* split lines that are told one by one */

typedef struct job {
    phial_embedder *embedder;
    phial_embed_as as;
    size_t dim;
    ph_buf text; /* what was read and not yet embedded */
    float *wave; /* owned [WAVE][dim] */
    size_t n_done, n_split;
} job;

static phial_status open_embedder(job *j, const ph_args *args, phial_error *err)
{
    phial_embedder_options o;
    phial_embedder_options_default(&o);
    const char *prefix = ph_args_str(args, "prefix");
    if (ph_args_has(args, "pooling")) {
        o.pooling = (phial_pooling)ph_args_choice(args, "pooling");
    }
    if (ph_args_flag(args, "normalize") && ph_args_flag(args, "no-normalize")) {
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "--normalize or --no-normalize, not both");
    }
    o.normalize = ph_args_flag(args, "normalize")      ? PHIAL_NORMALIZE_YES
                  : ph_args_flag(args, "no-normalize") ? PHIAL_NORMALIZE_NO
                                                       : PHIAL_NORMALIZE_AUTO;
    if (ph_args_has(args, "math")) {
        o.math = ph_args_choice(args, "math") == 1 ? PHIAL_MATH_FAST : PHIAL_MATH_EXACT;
    }
    o.n_threads = (int)ph_args_int(args, "threads");
    o.n_ctx = (uint32_t)ph_args_int(args, "ctx");
    if (prefix != NULL && strcmp(prefix, "query") == 0) {
        j->as = PHIAL_EMBED_QUERY;
    } else if (prefix != NULL) {
        j->as = PHIAL_EMBED_PASSAGE;
        o.passage = strcmp(prefix, "passage") == 0 ? NULL : prefix;
    }
    phial_status status = phial_embedder_open(&j->embedder, ph_args_str(args, "model"), &o, err);
    if (status == PHIAL_OK) {
        j->dim = phial_embedder_dim(j->embedder);
        j->wave = ph_alloc(WAVE * j->dim, sizeof *j->wave, err);
        status = j->wave == NULL ? PHIAL_ERR_NO_MEMORY : PHIAL_OK;
    }
    return status;
}

static void show(const float *v, size_t n)
{
    char number[40];
    ph_out_str("[");
    for (size_t i = 0; i < n; i++) {
        int len = snprintf(number, sizeof number, "%s%.9g", i > 0 ? "," : "", (double)v[i]);
        ph_out_bytes(number, (size_t)len);
    }
    ph_out_str("]\n");
}

static void tell_splits(job *j, const uint32_t *n_parts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (n_parts[i] > 1 && j->n_split++ < SPLITS_MAX) {
            ph_say("line %zu is longer than %u tokens: the mean of its %u parts", j->n_done + i + 1,
                   (unsigned)phial_embedder_n_ctx(j->embedder), (unsigned)n_parts[i]);
        }
    }
}

static phial_status embed_wave(job *j, const phial_text *lines, size_t n, phial_error *err)
{
    uint32_t n_parts[WAVE];
    if (ph_interrupted()) {
        return ph_err_set(err, PHIAL_ERR_CANCELLED, "interrupted");
    }
    phial_status status = phial_embed(j->embedder, j->wave, n_parts, lines, n, j->as, NULL, err);
    if (status != PHIAL_OK) {
        return ph_err_context(err, status, "standard input, from line %zu on", j->n_done + 1);
    }
    tell_splits(j, n_parts, n);
    for (size_t i = 0; i < n; i++) {
        show(j->wave + i * j->dim, j->dim);
    }
    j->n_done += n;
    return PHIAL_OK;
}

/* Whole lines of what was read, and the rest too when there is no more to come. */
static phial_status embed_lines(job *j, bool end, phial_error *err)
{
    phial_text lines[WAVE];
    size_t at = 0, n = 0;
    phial_status status = PHIAL_OK;
    const char *newline;
    while (status == PHIAL_OK && at < j->text.len) {
        newline = memchr(j->text.data + at, '\n', j->text.len - at);
        if (newline == NULL && !end) {
            break;
        }
        size_t len = newline != NULL ? (size_t)(newline - j->text.data) - at : j->text.len - at;
        size_t next = at + len + 1;
        len -= len > 0 && j->text.data[at + len - 1] == '\r';
        lines[n++] = (phial_text){j->text.data + at, len};
        at = next < j->text.len ? next : j->text.len;
        if (n == WAVE) {
            status = embed_wave(j, lines, n, err);
            n = 0;
        }
    }
    if (status == PHIAL_OK && n > 0) {
        status = embed_wave(j, lines, n, err);
    }
    if (at > 0) {
        memmove(j->text.data, j->text.data + at, j->text.len - at);
        j->text.len -= at;
    }
    return status;
}

static phial_status embed_input(job *j, phial_error *err)
{
    phial_status status = PHIAL_OK;
    size_t got = 1;
    while (status == PHIAL_OK && got > 0) {
        if (!ph_buf_reserve(&j->text, READ_BYTES)) {
            return ph_buf_status(&j->text, err);
        }
        got = fread(j->text.data + j->text.len, 1, READ_BYTES, stdin);
        j->text.len += got;
        if (got == 0 && ferror(stdin)) {
            return ph_err_set(err, PHIAL_ERR_IO, "standard input cannot be read");
        }
        status = embed_lines(j, got == 0, err);
        if (!ph_out_flush()) {
            break;
        }
    }
    return status;
}

static phial_status run(const ph_args *args, phial_error *err)
{
    job j = {0};
    ph_buf_init(&j.text, PHIAL_TEXT_MAX);
    phial_status status = open_embedder(&j, args, err);
    if (status == PHIAL_OK) {
        ph_interrupt_watch();
        status = embed_input(&j, err);
    }
    if (status == PHIAL_OK && j.n_split > SPLITS_MAX) {
        ph_say("%zu lines were split in all", j.n_split);
    }
    phial_embedder_close(j.embedder);
    ph_free(j.wave);
    ph_buf_free(&j.text);
    return status;
}

static const char *const MATH[] = {"exact", "fast", NULL};
/* In the order of phial_pooling. */
static const char *const POOLING[] = {"auto",        "mean", "last", "weighted",
                                      "mean-logits", "cls",  NULL};

static const ph_opt opts[] = {
    PH_OPT_ROW_MODEL,
    {.name = "pooling",
     .kind = PH_OPT_CHOICE,
     .arg = "POOLING",
     .help = "how a text's token vectors become one",
     .fallback = "auto",
     .choices = POOLING},
    {.name = "normalize", .kind = PH_OPT_FLAG, .help = "vectors of length 1"},
    {.name = "no-normalize",
     .kind = PH_OPT_FLAG,
     .help = "vectors as they are, also where the model's files ask for length 1"},
    {.name = "prefix",
     .kind = PH_OPT_STRING,
     .arg = "query|passage|TEXT",
     .help = "what stands before each text: what the model wants before queries or passages, or "
             "TEXT"},
    {.name = "ctx",
     .kind = PH_OPT_INT,
     .arg = "N",
     .help = "most tokens of a text; longer ones are split; 0 takes the model's limit",
     .fallback = "0",
     .max_int = 1 << 17},
    PH_OPT_ROW_THREADS,
    {.name = "math",
     .kind = PH_OPT_CHOICE,
     .arg = "MODE",
     .help = "arithmetic; without it fast if the weights are quantized",
     .choices = MATH},
    {0},
};

static const ph_cmd_example examples[] = {
    {"phial embed -m all-MiniLM-L6-v2 < sentences.txt", "a vector for each line"},
    {"phial embed -m e5-small --prefix query < questions.txt", "with 'query: ' before each"},
    {"phial embed -m phi-2.gguf --pooling mean-logits < sentences.txt",
     "by Phi: the mean of its logits"},
    {0},
};

const ph_cmd ph_cmd_embed = {
    .details =
        "Reads one text from each line of standard input and prints its vector as a JSON array on "
        "one line. Pooling: mean, last or weighted (later tokens count more) of the last hidden "
        "states; cls, the first token's, of embedding models; mean-logits of language models, as "
        "wide as the vocabulary. auto takes what the model's files or its name say, otherwise "
        "mean. A text that is too long for the model is split into equal parts, whose vectors are "
        "averaged; standard error tells. A text's vector does not depend on threads or on the "
        "other texts.",
    .opts = opts,
    .examples = examples,
    .run = run,
};
