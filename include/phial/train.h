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

/* --- models ----------------------------------------------------------------------------------- */

/* A run has a folder:
 *   run.json            its options
 *   state.safetensors   the last checkpoint: weights, moments, position in the data, the log
 *   log.csv, loss.svg   the log up to there, for people
 *   model/              the best model so far, in Hugging Face's form, ready to be used
 *   model.gguf          the same at the end, if wanted
 * A process that dies at any moment loses what was done since the last checkpoint and nothing else;
 * going on from there gives the same bits as never having stopped, on any number of threads. */

typedef enum phial_train_format {
    PHIAL_TRAIN_FORMAT_AUTO = 0, /* JSONL if the name ends in .jsonl or .ndjson */
    PHIAL_TRAIN_FORMAT_TEXT = 1,
    PHIAL_TRAIN_FORMAT_JSONL = 2
} phial_train_format;

typedef enum phial_train_type {
    PHIAL_TRAIN_TYPE_F16 = 0,
    PHIAL_TRAIN_TYPE_BF16 = 1,
    PHIAL_TRAIN_TYPE_F32 = 2
} phial_train_type;

typedef struct phial_training_options {
    size_t size;     /* set by phial_training_options_default() */
    const char *dir; /* of the run; made if it is not there */
    bool resume;     /* go on with the run in dir: but for n_threads and the callbacks, all that
                        follows comes from its run.json */
    bool overwrite;  /* begin anew although there is a run in dir */
    /* What to learn from; borrowed, like all texts here, until open returns. */
    const char *const *paths;
    size_t n_paths;
    const char *const *held_out_paths; /* examples that are only looked at; may be none */
    size_t n_held_out_paths;
    double held_out;       /* part of the examples of paths that is only looked at; 0.02 */
    const char *from;      /* a model to begin with; NULL (default): from nothing */
    const char *tokenizer; /* NULL: from's own */
    const char *preset;    /* how messages are written down; "instruct" */
    phial_train_format format;
    bool strict;        /* bad lines and examples that are too long are errors */
    bool parse_special; /* special tokens in texts are meant; the end of text cuts them */
    bool learn_prompts; /* prompts and questions are learnt too, not only completions and answers */
    /* Shape of a model from nothing; the default is nano's: 256, 6, 4, 1024, 32. */
    uint32_t n_embd, n_layer, n_head, n_ff, n_rot;
    uint32_t n_ctx;        /* longest example, 1024; at most what the model takes */
    uint64_t n_steps;      /* of the optimizer; 0 (default): n_epochs times all examples */
    uint64_t n_epochs;     /* 1 */
    uint32_t batch_tokens; /* of one forward pass, at least n_ctx; 4096 */
    uint32_t accumulate;   /* batches of one step; 1 */
    double lr, lr_end;     /* 1e-3; at the end of the cosine, 1e-4 */
    uint64_t n_warmup;     /* steps in which the rate rises; UINT64_MAX (default): a 20th of all,
                              at most 500 */
    double beta1, beta2, eps, weight_decay, clip_norm; /* 0.9, 0.95, 1e-8, 0.1, 1 (0: never) */
    uint64_t eval_every;   /* steps between two looks at the held-out part; 0 (default): a 20th of
                              all */
    uint64_t eval_tokens;  /* of the held-out part that are looked at; 0: all; 65536 */
    uint64_t save_every;   /* steps between two checkpoints; 0 (default): as eval_every */
    uint64_t patience;     /* looks without an improvement before the run ends; 0: never */
    uint64_t seed;         /* of weights and order; 1 */
    bool bf16;             /* products with operands rounded to bf16 */
    bool recompute;        /* less memory, a third more time, the same bits */
    phial_train_type type; /* of the model that is written */
    bool gguf;             /* write model.gguf at the end */
    int n_threads;         /* 0 (default): one for each CPU */
    phial_train_progress_fn progress; /* while reading the examples; may be NULL, like log */
    void *progress_user;
    phial_train_log_fn log;
    void *log_user;
} phial_training_options;

PHIAL_API void phial_training_options_default(phial_training_options *options);

typedef struct phial_training phial_training;

/* What there is to learn, and from how much; for people. */
typedef struct phial_training_info {
    size_t size; /* sizeof(phial_training_info), set by the caller */
    uint64_t n_weights, memory_bytes;
    bool ended;                   /* nothing is left to do but phial_training_finish() */
    uint64_t n_steps, first_step; /* first_step: 0, or where the run goes on */
    uint64_t n_examples, n_tokens, n_targets; /* of the training part; targets have a loss */
    uint64_t n_held_out, n_held_out_targets;
    double best_loss; /* of the held-out part so far; NaN: not looked yet */
    uint64_t best_step;
    uint64_t n_empty, n_malformed;           /* lines skipped */
    uint64_t n_too_long, n_cut, n_shortened; /* examples left out, texts cut into several,
                                                conversations whose last turns were left out */
} phial_training_info;

typedef enum phial_training_end {
    PHIAL_TRAINING_GOES_ON = 0,
    PHIAL_TRAINING_STEPS_DONE = 1,
    PHIAL_TRAINING_NO_BETTER = 2 /* stopped early, for lack of improvement */
} phial_training_end;

typedef struct phial_training_report {
    size_t size;            /* sizeof(phial_training_report), set by the caller */
    uint64_t step, n_steps; /* done so far, including this one */
    double epoch;           /* how often the examples have been seen */
    uint64_t n_tokens;      /* seen so far */
    double loss;            /* mean over the step's targets */
    double lr, grad_norm;
    double tok_s;      /* lately */
    double left_s;     /* what the rest will take at this pace */
    bool has_held_out; /* this step was followed by a look at the held-out part */
    double held_out_loss;
    double best_loss; /* of all looks; NaN before the first */
    uint64_t best_step;
    bool saved; /* a checkpoint was written behind this step */
    phial_training_end end;
} phial_training_report;

/* Reads the examples and makes the model, or loads the last checkpoint. *out is owned. Errors: IO
 * (also: another process is at work in dir); ARGUMENT; BAD_INPUT (no examples; a checkpoint of
 * another shape or of other examples); LIMIT; NO_MEMORY; CANCELLED. */
PHIAL_API phial_status phial_training_open(phial_training **out,
                                           const phial_training_options *options, phial_error *err);
PHIAL_API void phial_training_close(phial_training *t);

PHIAL_API phial_status phial_training_get_info(const phial_training *t, phial_training_info *info,
                                               phial_error *err);

/* One step of the optimizer, then whatever is due behind it. Errors: NUMERIC (the loss or a
 * gradient is no number: the sentence names the examples; nothing more can be done with t, and the
 * last checkpoint is as it was); IO (a checkpoint could not be written; the one before it is
 * whole); ARGUMENT (the run has ended). */
PHIAL_API phial_status phial_training_step(phial_training *t, phial_training_report *report,
                                           phial_error *err);

/* A checkpoint now. */
PHIAL_API phial_status phial_training_save(phial_training *t, phial_error *err);

/* The best model as the files that the options ask for, once the run has ended (or before). */
PHIAL_API phial_status phial_training_finish(phial_training *t, phial_error *err);

#ifdef __cplusplus
}
#endif

#endif
