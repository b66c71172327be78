/* A tokenizer from files of text; contract in phial/train.h. Counting is tok/bpe_words.c, merging
 * tok/bpe_train.c; here files are read and the result is written. */
#include <inttypes.h>

#include "base/file.h"
#include "phial/train.h"
#include "tok/bpe_train.h"
#include "tok/tok.h"
#include "train/records.h"

typedef struct reader {
    const phial_tokenizer_train_options *options;
    ph_words *words;
    uint64_t done_bytes, total_bytes;
    bool by_lines; /* of the file that is being read */
} reader;

void phial_tokenizer_train_options_default(phial_tokenizer_train_options *options)
{
    static const phial_text end = {"<|endoftext|>", 13};
    *options = (phial_tokenizer_train_options){
        .size = sizeof *options, .n_vocab = 4096, .specials = &end, .n_specials = 1};
}

static bool go_on(const reader *r)
{
    const phial_tokenizer_train_options *o = r->options;
    return !o->progress ||
           o->progress(o->progress_user, "counting words", r->done_bytes, r->total_bytes);
}

static phial_status take(void *user, const ph_record *record, phial_error *err)
{
    reader *r = user;
    phial_status st = PHIAL_OK;
    ph_buf joined;
    switch (record->kind) {
    case PH_RECORD_TEXT:
        r->done_bytes += record->text.n;
        if (record->line > 0)
            st = ph_words_add(r->words, record->text.p, record->text.n, true, err);
        else if (r->by_lines)
            st = ph_words_add_lines(r->words, record->text.p, record->text.n, err);
        else
            st = ph_words_add(r->words, record->text.p, record->text.n, false, err);
        /* The text of a part of a file is kept no longer than the part. */
        if (st == PHIAL_OK && record->line == 0)
            st = ph_words_finish(r->words, err);
        break;
    case PH_RECORD_COMPLETION:
        ph_buf_init(&joined, 0);
        ph_buf_add(&joined, record->prompt.p, record->prompt.n);
        ph_buf_add(&joined, record->completion.p, record->completion.n);
        st = ph_buf_status(&joined, err);
        if (st == PHIAL_OK)
            st = ph_words_add(r->words, joined.data, joined.len, true, err);
        r->done_bytes += joined.len;
        ph_buf_free(&joined);
        break;
    case PH_RECORD_MESSAGES:
        for (size_t i = 0; i < record->n_turns && st == PHIAL_OK; i++) {
            const phial_text *text = &record->turns[i].text;
            st = ph_words_add(r->words, text->p, text->n, true, err);
            r->done_bytes += text->n;
        }
        break;
    }
    if (st == PHIAL_OK && !go_on(r))
        st = ph_err_set(err, PHIAL_ERR_CANCELLED, "interrupted");
    return st;
}

static phial_status read_all(reader *r, const char *const *paths, size_t n_paths,
                             ph_records_stats *stats, phial_error *err)
{
    const phial_tokenizer_train_options *o = r->options;
    const ph_records_options ro = {.strict = o->strict, .log = {o->log, o->log_user}};
    phial_status st = PHIAL_OK;
    for (size_t i = 0; i < n_paths; i++)
        r->total_bytes += ph_file_bytes(paths[i]);
    for (size_t i = 0; i < n_paths && st == PHIAL_OK; i++) {
        r->by_lines = !o->whole_files;
        st = ph_records_read(paths[i], &ro, stats, take, r, err);
    }
    return st == PHIAL_OK ? ph_words_finish(r->words, err) : st;
}

/* Sentences about what was seen on the way. */
static phial_status tell(const reader *r, const ph_records_stats *records, phial_error *err)
{
    const ph_words_stats *s = ph_words_get_stats(r->words);
    ph_log log = {r->options->log, r->options->log_user};
    if (s->n_invalid > 0 && r->options->strict)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "%" PRIu64 " bytes of the text are no UTF-8",
                          s->n_invalid);
    if (s->n_invalid > 0)
        ph_log_write(&log, PH_LOG_WARN,
                     "%" PRIu64 " bytes of the text are no UTF-8; each counts as a character of "
                     "its own",
                     s->n_invalid);
    if (s->n_too_long > 0)
        ph_log_write(&log, PH_LOG_WARN, "%" PRIu64 " words longer than a megabyte are left out",
                     s->n_too_long);
    if (s->n_dropped > 0)
        ph_log_write(&log, PH_LOG_WARN,
                     "%" PRIu64 " rare words (%" PRIu64 " occurrences of %" PRIu64
                     ") are left out, to stay within the memory allowed",
                     s->n_dropped, s->n_occurrences, s->n_pieces);
    if (s->n_pieces == 0)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "there is no text to learn from (%" PRIu64 " lines were skipped)",
                          records->n_empty + records->n_malformed);
    return PHIAL_OK;
}

static bool merge_progress(void *user, uint64_t done, uint64_t total)
{
    const phial_tokenizer_train_options *o = user;
    return !o->progress || o->progress(o->progress_user, "merging", done, total);
}

static phial_status train(reader *r, ph_vocab *vocab, phial_error *err)
{
    const phial_tokenizer_train_options *o = r->options;
    ph_str *specials = ph_alloc(o->n_specials, sizeof *specials, err);
    if (!specials)
        return PHIAL_ERR_NO_MEMORY;
    for (size_t i = 0; i < o->n_specials; i++)
        specials[i] = (ph_str){o->specials[i].p, o->specials[i].n};
    const ph_bpe_train_options bo = {
        .n_vocab = o->n_vocab,
        .min_frequency = o->min_frequency,
        .specials = specials,
        .n_specials = o->n_specials,
        .progress = merge_progress,
        .progress_user = (void *)(uintptr_t)o,
    };
    phial_status st = ph_bpe_train(vocab, ph_words_counts(r->words), &bo, err);
    ph_free(specials);
    return st;
}

phial_status phial_tokenizer_train(const char *dir, const char *const *paths, size_t n_paths,
                                   const phial_tokenizer_train_options *options,
                                   phial_tokenizer_train_result *result, phial_error *err)
{
    phial_tokenizer_train_options o;
    phial_tokenizer_train_options_default(&o);
    if (options)
        o = *options;
    if (o.size != sizeof o || n_paths == 0 || (o.n_specials > 0 && !o.specials))
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "options are not of this version, or there is no file");
    reader r = {.options = &o};
    ph_vocab vocab;
    ph_records_stats records = {0};
    ph_pool *pool = NULL;
    ph_vocab_init(&vocab);
    phial_status st = ph_pool_new(&pool, o.n_threads, err);
    if (st == PHIAL_OK)
        st = ph_words_new(&r.words, pool, (size_t)o.words_bytes, err);
    if (st == PHIAL_OK)
        st = read_all(&r, paths, n_paths, &records, err);
    if (st == PHIAL_OK)
        st = tell(&r, &records, err);
    if (st == PHIAL_OK)
        st = train(&r, &vocab, err);
    if (st == PHIAL_OK)
        st = ph_vocab_save(&vocab, dir, err);
    if (st == PHIAL_OK && result)
        *result = (phial_tokenizer_train_result){
            .n_tokens = vocab.n_tokens,
            .n_merges = vocab.n_merges,
            .n_bytes = ph_words_get_stats(r.words)->n_bytes,
            .n_words = ph_words_counts(r.words)->n_used,
            .n_invalid = ph_words_get_stats(r.words)->n_invalid,
            .n_dropped = ph_words_get_stats(r.words)->n_dropped,
            .n_skipped = records.n_empty + records.n_malformed,
        };
    ph_words_free(r.words);
    ph_pool_free(pool);
    ph_vocab_free(&vocab);
    return st;
}
