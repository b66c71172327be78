/* What kind of answer an English question asks for, by its first words: a time ("When ...", "In
 * which year ..."), an amount ("How many ..."), or neither ("Who ...", "Where ...", "Why ..."). An
 * answer of the wrong kind cannot be the answer, however well it stands in a passage: "1871" to
 * "Who ...". Other questions, and those in other languages, ask for anything.
 *
 * Threads: any.
 */
#ifndef PH_RAG_ANSWER_KIND_H
#define PH_RAG_ANSWER_KIND_H

#include <stdbool.h>

#include "base/str.h"

typedef enum ph_answer_kind {
    PH_ANSWER_ANY,
    PH_ANSWER_TIME,
    PH_ANSWER_AMOUNT,
    PH_ANSWER_NO_NUMBER /* more than numbers and times */
} ph_answer_kind;

ph_answer_kind ph_answer_kind_asked(ph_str question);

/* False only if the answer is certainly of another kind. */
bool ph_answer_kind_fits(ph_answer_kind kind, ph_str answer);

#endif
