/* Answers from documents: passages are found, a model answers from them, and every sentence of the
 * answer is held against the passages.
 *
 * A sentence that passages support is cited: document, page, bytes, and a quote that stands there
 * byte for byte, which is looked up in the collection before it is handed out. A sentence that they
 * do not support is marked. When nothing was found, the model says that the passages do not tell,
 * or nothing it says is supported, the answer is that the documents do not say (abstained), with
 * the nearest passages.
 *
 * Text of documents is data: special tokens in it are plain text, its line breaks are blanks, and
 * what looks like a part of the prompt ("Output:", "[3]", "<|im_end|>") is written so that it is
 * none (docs/RAG.md). Quotes cite the original.
 *
 * An asker keeps a thread: a question that goes on from the one before ("And when did he die?") is
 * searched with the thread's words and asked behind it; passages keep their order, so that the
 * session can reuse what it has read.
 *
 * Threads: an asker, its collection and the session belong to one thread at a time.
 */
#ifndef PHIAL_ANSWER_H
#define PHIAL_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phial/collection.h"
#include "phial/error.h"
#include "phial/generate.h"
#include "phial/prompt.h"
#include "phial/text.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What an answer is when the documents do not say. */
#define PHIAL_ANSWER_NOT_FOUND    "Not found in these documents."
/* Limits. */
#define PHIAL_ANSWER_PASSAGES_MAX 64
#define PHIAL_QUESTION_BYTES_MAX  (64u << 10)

typedef enum phial_abstention {
    PHIAL_ABSTAIN_NOT = 0,
    PHIAL_ABSTAIN_NO_PASSAGE = 1,  /* nothing was found */
    PHIAL_ABSTAIN_OFF_TOPIC = 2,   /* what was found has too few of the question's words */
    PHIAL_ABSTAIN_NOT_TOLD = 3,    /* the model says that the passages do not tell */
    PHIAL_ABSTAIN_UNSUPPORTED = 4, /* no sentence of what it wrote is supported */
    PHIAL_ABSTAIN_EMPTY = 5        /* it wrote nothing */
} phial_abstention;

/* "not told", ...; "" for PHIAL_ABSTAIN_NOT. Never NULL. */
PHIAL_API const char *phial_abstention_name(phial_abstention why);

typedef struct phial_ask_options {
    size_t size;                        /* set by phial_ask_options_default() */
    phial_search_options search;        /* default: k = 4 passages at most */
    const phial_preset *preset;         /* how the question is put; borrowed; needed */
    const phial_prompt_options *prompt; /* borrowed; NULL: the preset's own words */
    uint32_t passage_tokens; /* of each passage at most; what is longer is cut to the part that is
                                most about the question. 0: an even share of the context */
    uint32_t answer_tokens;  /* kept free for the answer; 0: what the generation's limits say, at
                                most a quarter of the context */
    /* Thresholds, calibrated on SQuAD v2 (docs/RAG.md). */
    double min_about;    /* share of the question's words that the passages have */
    double max_not_told; /* probability of "The passage does not say." at which nothing is written;
                            1: it is not looked at */
    double min_support;  /* of a sentence, to be cited */
} phial_ask_options;

PHIAL_API void phial_ask_options_default(phial_ask_options *options);

typedef struct phial_passage {
    phial_text doc, title, context;
    uint32_t page;
    uint64_t start, end; /* bytes in the page's text */
    phial_text text;     /* these bytes */
    double score;
    int64_t chunk; /* its id in the collection; negative: none */
    size_t number; /* in the prompt, from 1; 0: it did not fit */
} phial_passage;

typedef struct phial_citation {
    phial_text doc;
    uint32_t page;
    uint64_t start, end; /* bytes in the page's text */
    phial_text quote;    /* these bytes */
    size_t passage;      /* index in the answer's passages */
} phial_citation;

typedef struct phial_cited_sentence {
    phial_text text;
    double support;                  /* 0 .. 1 */
    const phial_citation *citations; /* [n_citations]; 0: it is not supported */
    size_t n_citations;
} phial_cited_sentence;

typedef struct phial_answer {
    phial_text text; /* what the model wrote, or PHIAL_ANSWER_NOT_FOUND */
    phial_text said; /* what the model wrote, also if it is not the answer */
    phial_abstention abstained;
    const phial_cited_sentence *sentences; /* of text; none if abstained */
    size_t n_sentences;
    const phial_passage *passages; /* best first */
    size_t n_passages;
    size_t n_dropped; /* passages that did not fit into the prompt */
    bool follows_up;  /* it was taken as going on from the question before */
    double about;     /* what min_about is compared with */
    double not_told;  /* what max_not_told is compared with; negative: not looked at */
    phial_finish finish;
    phial_tokens prompt; /* the prompt's tokens */
    size_t n_reused, n_generated;
    double search_ms, prefill_ms, first_ms, decode_ms, align_ms;
} phial_answer;

typedef struct phial_asker phial_asker;

/* collection may be NULL if passages are always given; it is borrowed. The options are copied. */
PHIAL_API phial_status phial_asker_new(phial_asker **out, phial_collection *collection,
                                       const phial_ask_options *options, phial_error *err);
PHIAL_API void phial_asker_free(phial_asker *asker);

/* Forgets the thread. */
PHIAL_API void phial_asker_clear(phial_asker *asker);

/* Asks. generation says how to write (session, sampler and tokenizer are needed; its prompt is not
 * used); on_text gets the answer as it is written, which may turn out to be unsupported. *out is
 * borrowed until the next question. Errors: ARGUMENT, CONTEXT_FULL (not even the question fits),
 * what search and generation return. */
PHIAL_API phial_status phial_asker_ask(phial_asker *asker, const phial_answer **out,
                                       phial_text question,
                                       const phial_generation_options *generation,
                                       phial_error *err);
/* The same over passages that the caller has; they are copied. Quotes are looked up in them; those
 * of a chunk that is not negative, if the asker has a collection, also in its pages. */
PHIAL_API phial_status phial_asker_ask_over(phial_asker *asker, const phial_answer **out,
                                            phial_text question, const phial_passage *passages,
                                            size_t n_passages,
                                            const phial_generation_options *generation,
                                            phial_error *err);

/* Holds a text that somebody else wrote against passages, as an answer to the question; nothing is
 * generated. Text and passages may be those of the last answer. */
PHIAL_API phial_status phial_asker_check(phial_asker *asker, const phial_answer **out,
                                         phial_text question, const phial_passage *passages,
                                         size_t n_passages, phial_text text, phial_error *err);

#ifdef __cplusplus
}
#endif

#endif
