/* The textbook writer: a procedural generator of training examples for a very small model.
 *
 * It writes stories, haiku, jokes, explanations, arithmetic, short functions, and above all
 * questions over a passage whose answer stands in it, or does not. Names, words and ways to say
 * things come from tables, so that a model can only do well by reading what is in front of it.
 *
 * Held out: a fifth of the words of open classes and of invented names, of the ways to say a thing
 * (wherever there are three or more), and of the sums is never used for training; the test split
 * uses nothing else where it has the choice. The dev split is made as the training split is, of
 * other random numbers. Example i of (seed, split, weights) is a function of these alone.
 * Idea: Gunasekar et al., "Textbooks Are All You Need" (2023); Eldan and Li, "TinyStories" (2023).
 *
 * Threads: a writer belongs to one thread at a time.
 */
#ifndef PH_TRAIN_TEXTBOOK_H
#define PH_TRAIN_TEXTBOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

typedef enum ph_textbook_kind {
#define PH_TEXTBOOK(name, weight, summary) PH_TEXTBOOK_##name,
#include "train/textbook.def"
#undef PH_TEXTBOOK
    PH_TEXTBOOK_N_KINDS
} ph_textbook_kind;

typedef enum ph_textbook_split {
    PH_TEXTBOOK_TRAIN,
    PH_TEXTBOOK_DEV,
    PH_TEXTBOOK_TEST
} ph_textbook_split;

#define PH_TEXTBOOK_WEIGHT_MAX 1000000u

/* A choice among alternatives was made: `group` is the table's text, `index` what was chosen. */
typedef void (*ph_textbook_pick_fn)(void *user, const char *group, size_t index);

typedef struct ph_textbook_options {
    uint64_t seed;
    ph_textbook_split split;
    uint32_t weights[PH_TEXTBOOK_N_KINDS]; /* how often a kind is written; 0: never */
    uint32_t absent; /* percent of the questions, where a kind asks both sorts, without an answer */
    ph_textbook_pick_fn on_pick; /* NULL: nobody wants to know */
    void *user;
} ph_textbook_options;

/* Training split, seed 1, the weights of the table, 30% without an answer. */
void ph_textbook_options_default(ph_textbook_options *options);

typedef struct ph_textbook_kind_info {
    const char *name;    /* lower case */
    const char *summary; /* one phrase */
    uint32_t weight;
} ph_textbook_kind_info;

/* NULL behind the last. */
const ph_textbook_kind_info *ph_textbook_kind_at(size_t i);

/* One example. Loss belongs on the completion, or, when there is no prompt, on all of it; the
 * end-of-text token comes behind it. What follows is what it was made from, empty where a kind has
 * no such thing. */
typedef struct ph_textbook_example {
    ph_textbook_kind kind;
    ph_buf prompt; /* empty: the completion is a text of its own */
    ph_buf completion;
    ph_buf
        dialog; /* instead of both: what user and assistant say in turn, each with a NUL behind */
    ph_buf passage;  /* all passages of a question, a newline between them */
    ph_buf question; /* as asked */
    ph_buf answer;   /* of a question or a sum */
    ph_buf topic;    /* what a story, haiku, joke or explanation is about */
    ph_buf check;    /* of a function: a program that ends with 0 if the function is right */
    bool is_c;       /* of a function: C, otherwise Python */
} ph_textbook_example;

typedef struct ph_textbook ph_textbook;

/* ARGUMENT: all weights are 0, one is above PH_TEXTBOOK_WEIGHT_MAX, or absent above 100. *out is
 * owned. */
phial_status ph_textbook_new(ph_textbook **out, const ph_textbook_options *options,
                             phial_error *err);
void ph_textbook_free(ph_textbook *book);

/* The next example, borrowed until the next call or ph_textbook_free(). */
phial_status ph_textbook_next(ph_textbook *book, const ph_textbook_example **out, phial_error *err);

/* Where to go on: the next call writes example `index`. */
void ph_textbook_seek(ph_textbook *book, uint64_t index);

/* Appends {"prompt":...,"completion":...}, {"messages":[...]} or {"text":...} and a newline. With
 * facts, also "kind", and "passage", "question", "answer", "topic" where there are any. */
phial_status ph_textbook_add_json(ph_buf *out, const ph_textbook_example *example, bool facts,
                                  phial_error *err);

#endif
