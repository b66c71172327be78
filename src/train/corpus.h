/* A corpus in memory: the tokens of all examples, cut to the context, split in a training and a
 * held-out part.
 *
 * An example is a run of tokens that are seen together; no other example is seen with it. What it
 * teaches is written on its tokens: PH_TOKEN_NEXT, that the following token is to be predicted,
 * PH_TOKEN_END, that the text (or the answer) ends here and the end-of-text token is to be
 * predicted. So a completion is learnt and its prompt is not (unless that is wanted), each answer
 * of a conversation ends by itself although the conversation goes on, and a long text that had to
 * be cut loses no prediction at the cuts.
 *
 *   text        every token but the first is predicted, then the end. Longer than the context: cut
 *               into examples of the context's length; counted
 *   completion  its tokens, then the end. Longer than the context: left out, told and counted
 *   messages    each answer of the assistant, in the form of a preset, exactly as phial run writes
 *               it. Longer than the context: the turns that fit, if there is an answer among them;
 *               counted
 *
 * Held out is what a hash of the tokens says: the same example falls on the same side in every
 * corpus. The pieces of one JSONL text stay together.
 * Threads: one at a time while it is read; immutable afterwards.
 */
#ifndef PH_TRAIN_CORPUS_H
#define PH_TRAIN_CORPUS_H

#include "phial/generate.h"
#include "phial/prompt.h"
#include "phial/tokenizer.h"
#include "train/records.h"

#define PH_CORPUS_MAX_TOKENS ((uint64_t)1 << 33)
#define PH_CORPUS_MAX_FILES  65536

#define PH_TOKEN_NEXT ((uint32_t)1 << 31)
#define PH_TOKEN_END  ((uint32_t)1 << 30)
#define PH_TOKEN_ID   (PH_TOKEN_END - 1)

typedef struct ph_example {
    uint64_t at;   /* first token */
    uint32_t n;    /* tokens, 1 .. n_ctx */
    uint32_t file; /* number of the file it comes from */
    uint64_t line; /* 0: a plain text file */
} ph_example;

typedef struct ph_examples {
    ph_example *list; /* owned */
    size_t n, cap;
    uint64_t n_tokens, n_targets;
} ph_examples;

typedef struct ph_corpus_options {
    const phial_tokenizer *tokenizer; /* borrowed as long as the corpus is read */
    const phial_preset *preset;       /* for messages; the same */
    uint32_t n_ctx;
    ph_records_format format;
    bool strict;        /* bad lines and examples that are too long are errors */
    bool parse_special; /* special tokens in texts are meant; the end-of-text one ends an example */
    bool learn_prompts; /* what stands before a completion or an answer is to be predicted too */
    double held_out;    /* part of the examples, 0 .. 0.5 */
    ph_log log;
} ph_corpus_options;

typedef struct ph_corpus_stats {
    ph_records_stats records;
    uint64_t n_cut;       /* texts that were cut into several examples */
    uint64_t n_too_long;  /* completions that were left out, with their prompts */
    uint64_t n_shortened; /* conversations whose last turns were left out */
} ph_corpus_stats;

typedef struct ph_corpus {
    uint32_t *tokens; /* owned; ids with PH_TOKEN_NEXT and PH_TOKEN_END */
    uint64_t n_tokens, cap_tokens;
    uint32_t end; /* the end-of-text token, or PHIAL_TOKEN_NONE */
    ph_examples train, held;
    char **files; /* owned, each owned */
    size_t n_files;
    ph_corpus_stats stats;
} ph_corpus;

void ph_corpus_init(ph_corpus *c);
void ph_corpus_free(ph_corpus *c);

typedef enum ph_corpus_part { PH_CORPUS_SPLIT, PH_CORPUS_HELD_OUT } ph_corpus_part;
/* Adds a file; HELD_OUT: all of it. May be called again with the same options. */
phial_status ph_corpus_add(ph_corpus *c, const char *path, ph_corpus_part part,
                           const ph_corpus_options *options, phial_error *err);

/* Identity of what would be learnt, in its order. */
uint64_t ph_corpus_hash(const ph_corpus *c);

/* "stories.jsonl:12", for messages; cut to fit. */
void ph_corpus_name(const ph_corpus *c, const ph_example *e, char *out, size_t out_bytes);

#endif
