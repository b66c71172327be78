/* The request that asks a question over numbered passages, and the answer that says they do not
 * tell. Whatever asks so (documents, exams, the textbook that a small model learns from) must use
 * one form, or the model has never seen the question.
 *
 *   Answer from the passages.
 *   [1] The lighthouse was built in 1871.
 *   [2] A keeper lived there until 1968.
 *   Question: When was the lighthouse built?
 *
 * It is the text of a turn; a preset puts "Instruct: " and "Output:" around it. Instructions stand
 * first and the question last, so that a next question over the same passages shares the prefix.
 */
#ifndef PH_TOK_PASSAGES_H
#define PH_TOK_PASSAGES_H

#include "base/buf.h"
#include "base/str.h"

#define PH_PASSAGES_INSTRUCTION "Answer from the passages."
#define PH_PASSAGES_QUESTION    "Question: "
#define PH_PASSAGES_NOT_TOLD    "The passage does not say."

/* Appends the request. Line breaks inside a passage or the question become blanks, so that neither
 * can begin a line of its own and pass for a part of the form. */
bool ph_passages_add_request(ph_buf *out, const ph_str *passages, size_t n, ph_str question);

#endif
