/* The prompt of a question over passages: numbered passages that fit, the thread, the question; and
 * how text of documents is kept from being read as a part of the prompt.
 */
#ifndef PH_RAG_ANSWER_PROMPT_H
#define PH_RAG_ANSWER_PROMPT_H

#include "base/buf.h"
#include "base/str.h"
#include "phial/answer.h"

/* Questions with their answers that are kept of a thread, and bytes of such an answer. */
#define PH_THREAD_TURNS 3
#define PH_THREAD_BYTES 2000

typedef struct ph_thread_turn {
    ph_buf question, answer;
} ph_thread_turn;

typedef struct ph_ask_prompt {
    const phial_preset *preset;
    const phial_prompt_options *options; /* may be NULL */
    const phial_tokenizer *tokenizer;
    phial_encoder *encoder;
    const ph_thread_turn *thread; /* oldest first */
    size_t n_thread;
    ph_str question;
    size_t room; /* tokens */
} ph_ask_prompt;

/* Appends s as one line that is no part of a prompt's form:
 * - line breaks, other control characters and U+2028, U+2029 become blanks, runs of blanks one;
 * - "[12]" becomes "(12)";
 * - "<|" becomes "< |";
 * - words that mark turns ("Output:", "Question:", the preset's own) get a blank inside: "Output
 * :".
 */
phial_status ph_answer_escape(ph_buf *out, ph_str s, const phial_preset *preset, phial_error *err);

/* The prompt with these passages (escaped here), as tokens: *ids is owned. */
phial_status ph_ask_prompt_encode(uint32_t **ids, size_t *n, const ph_ask_prompt *p,
                                  const ph_str *passages, size_t n_passages, phial_error *err);

/* Tokens of one passage's line in the prompt. */
phial_status ph_ask_prompt_passage_tokens(size_t *n, const ph_ask_prompt *p, ph_str passage,
                                          phial_error *err);

#endif
