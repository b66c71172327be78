/* Training: a tokenizer from text, a model from examples.
 *
 * Texts come in plain text files or in JSONL, a record a line: {"text"}, {"prompt", "completion"}
 * or {"messages"} (docs/TRAINING.md).
 * Threads: a call uses threads of its own; an object belongs to one thread at a time.
 */
#ifndef PHIAL_TRAIN_H
#define PHIAL_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phial/error.h"
#include "phial/text.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Called between small steps of work; stage is a constant text. False: stop, and the call returns
 * PHIAL_ERR_CANCELLED. */
typedef bool (*phial_train_progress_fn)(void *user, const char *stage, uint64_t done,
                                        uint64_t total);
/* A line about something that was noticed; level as in a log, 1: for information, 2: a warning. */
typedef void (*phial_train_log_fn)(void *user, int level, const char *line);

/* --- tokenizers ------------------------------------------------------------------------------- */

typedef struct phial_tokenizer_train_options {
    size_t size;            /* set by phial_tokenizer_train_options_default() */
    uint32_t n_vocab;       /* tokens in all; default 4096 */
    uint64_t min_frequency; /* a pair that occurs less often is not merged; default 0 */
    /* Tokens that never come from text, with the first ids; the first of them ends a text. Default
     * <|endoftext|>. Borrowed. */
    const phial_text *specials;
    size_t n_specials;
    bool whole_files;     /* a plain text file is one text; default: each line is one */
    bool strict;          /* a line that is no record, or text that is no UTF-8, is an error */
    int n_threads;        /* 0 (default): one for each CPU; the result does not depend on it */
    uint64_t words_bytes; /* memory for words before the rarest are dropped; 0: a gigabyte */
    phial_train_progress_fn progress; /* may be NULL, like log */
    void *progress_user;
    phial_train_log_fn log;
    void *log_user;
} phial_tokenizer_train_options;

typedef struct phial_tokenizer_train_result {
    uint32_t n_tokens, n_merges;
    uint64_t n_bytes;   /* of text */
    uint64_t n_words;   /* different ones that were counted */
    uint64_t n_invalid; /* bytes that are no valid UTF-8 */
    uint64_t n_dropped; /* different rare words that were left out to save memory */
    uint64_t n_skipped; /* lines that were empty or no record */
} phial_tokenizer_train_result;

PHIAL_API void phial_tokenizer_train_options_default(phial_tokenizer_train_options *options);

/* A byte-level BPE from the words of the files, written to a folder that is made if it is not
 * there: tokenizer.json and the files around it, for phial_tokenizer_open() and for other programs.
 * The same merges and ids as the BPE trainer of Hugging Face's `tokenizers`. result may be NULL.
 * Errors: IO; ARGUMENT; BAD_INPUT; CANCELLED; NO_MEMORY. */
PHIAL_API phial_status phial_tokenizer_train(const char *dir, const char *const *paths,
                                             size_t n_paths,
                                             const phial_tokenizer_train_options *options,
                                             phial_tokenizer_train_result *result,
                                             phial_error *err);

#ifdef __cplusplus
}
#endif

#endif
