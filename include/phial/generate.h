/* Generation: from a prompt's tokens to an answer's text, a token at a time.
 *
 * A generation is one answer in the making. It ties together a session (which computes), a sampler
 * (which chooses), a tokenizer (which gives the text) and what ends the answer: the end-of-text
 * token, stop strings and the three limits. Any number of them advance together as one batch.
 *
 * The text handed on never holds half a UTF-8 character (bytes that are no UTF-8 whatever follows
 * are handed on as they are), nor any part of a stop string. Special tokens have no text here.
 * The same tokens, options, seed and logits give the same answer, alone or in any batch.
 *
 * What counts: the prompt and the answer together never exceed the session's n_ctx. The token that
 * ends an answer is not part of it; the tokens of a stop string are (in `ids`, not in `text`).
 *
 * Threads: a generation, its session's engine and its sampler belong to one thread at a time; only
 * phial_session_cancel() may be called from any other (or from a signal handler).
 */
#ifndef PHIAL_GENERATE_H
#define PHIAL_GENERATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phial/error.h"
#include "phial/prompt.h"
#include "phial/sampler.h"
#include "phial/session.h"
#include "phial/stop.h"
#include "phial/text.h"
#include "phial/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The tokens of a prompt: special tokens are recognized in the preset's words only. Where the
 * tokenizer's files ask for it, the bos token comes first. Writes at most cap ids to `ids` (may be
 * NULL when cap is 0), and how many there are to *n; call again with more room when that exceeds
 * cap. */
PHIAL_API phial_status phial_prompt_encode(const phial_prompt *prompt, phial_encoder *encoder,
                                           const phial_tokenizer *tokenizer, uint32_t *ids,
                                           size_t cap, size_t *n, phial_error *err);

typedef struct phial_generation phial_generation;

typedef struct phial_generation_options {
    size_t size; /* set by phial_generation_options_default() */

    /* Borrowed until the generation is freed. Session and sampler are needed; the sampler is used
     * as it is and told the prompt first. */
    phial_session *session;
    phial_sampler *sampler;
    const phial_tokenizer *tokenizer; /* NULL: ids only, no text and no end-of-text */

    phial_tokens prompt; /* copied; at least one token */

    size_t n_new;      /* tokens of the answer at most; default SIZE_MAX: no such limit */
    size_t max_length; /* tokens of prompt and answer together at most; default SIZE_MAX */
    bool ignore_eos;   /* the end-of-text token ends nothing (mask it in the sampler to never see
                        * it); default false */
    const phial_text *stop; /* stop strings; copied; default none */
    size_t n_stop;
    const phial_text *stop_tokens; /* texts of tokens that end the answer like end-of-text; those
                                    * the tokenizer does not know are passed over; default none */
    size_t n_stop_tokens;
    phial_clean clean;      /* default PHIAL_CLEAN_NONE; with CODE the end of the code is an end
                             * like a stop string */
    phial_text clean_after; /* what cleaned code goes on from (see phial_code_cleaner_new()) */

    /* New text, never empty; false ends the answer (CANCELLED). May be NULL. */
    bool (*on_text)(void *user, const char *text, size_t n);
    void *user;
} phial_generation_options;

PHIAL_API void phial_generation_options_default(phial_generation_options *options);

/* Errors: ARGUMENT (something that is needed is missing, an empty prompt, a prompt longer than
 * max_length), CONTEXT_FULL (a prompt longer than the context; both numbers are named), what
 * phial_stopper_new() refuses, NO_MEMORY. *out is owned. */
PHIAL_API phial_status phial_generation_new(phial_generation **out,
                                            const phial_generation_options *options,
                                            phial_error *err);
PHIAL_API void phial_generation_free(phial_generation *generation);

PHIAL_API bool phial_generation_done(const phial_generation *generation);

/* Advances those that are not done by one token each, as one batch; the first step reads the
 * prompt. All sessions are of one engine, and n is at most its n_seq. A generation that fails is
 * done, and its result holds the error; the status is that of the first one that failed in this
 * step. NUMERIC: the model gives NaN. */
PHIAL_API phial_status phial_generation_step(phial_generation *const *generations, size_t n,
                                             phial_error *err);

/* Steps until it is done. */
PHIAL_API phial_status phial_generation_run(phial_generation *generation, phial_error *err);

/* How it stands, at any time. Borrowed parts are valid until the next step. */
typedef struct phial_generation_result {
    size_t size; /* sizeof(phial_generation_result), set by the caller */
    phial_finish finish;
    phial_status status; /* PHIAL_OK, or why it failed */
    const char *message; /* the sentence; "" if it did not fail */
    phial_text text;     /* the answer, with a NUL behind */
    phial_tokens ids;    /* the answer's tokens */
    size_t n_prompt;     /* tokens of the prompt */
    size_t n_reused;     /* of these, held by the session already */
    /* Time, batch neighbours' work included: until the first token was chosen; reading the prompt;
     * computing all further tokens, n_decoded of them. */
    double ttft_ms, prefill_ms, decode_ms;
    size_t n_decoded;
} phial_generation_result;

PHIAL_API phial_status phial_generation_get_result(const phial_generation *generation,
                                                   phial_generation_result *result,
                                                   phial_error *err);

#ifdef __cplusplus
}
#endif

#endif
