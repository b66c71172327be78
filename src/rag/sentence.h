/* Where sentences end: Unicode's rules (UAX #29, sentence boundaries), and a tailoring of them for
 * texts that were extracted from documents.
 *
 * PH_SENTENCE_WRAPPED: one line break is a blank, because lines of a paragraph end where the paper
 * did; two of them (a blank line) end a sentence.
 * PH_SENTENCE_ABBREVIATIONS: a full stop behind a title ("Dr."), an initial ("J. Smith"), a
 * reference in front of its number ("Fig. 3"), or the number of a list's item ("1. First") ends
 * nothing, nor does a mark behind which a small letter goes on ("Stop!" he said). What can also end
 * a sentence ("etc.", "Inc.") is left to Unicode's rules, which go by the letter that follows. The
 * lists are in sentence_words.def.
 *
 * What it does not do: no statistics of the text, no languages told apart, no line breaking.
 * Time is linear in the text, for any bytes; bytes that are no UTF-8 count as symbols.
 */
#ifndef PH_RAG_SENTENCE_H
#define PH_RAG_SENTENCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define PH_SENTENCE_WRAPPED       1u
#define PH_SENTENCE_ABBREVIATIONS 2u

/* Values of the property Sentence_Break, in the order of tools/gen_sentence.py. */
typedef enum ph_sentence_class {
    PH_SB_OTHER,
    PH_SB_CR,
    PH_SB_LF,
    PH_SB_SEP,
    PH_SB_EXTEND,
    PH_SB_FORMAT,
    PH_SB_SP,
    PH_SB_LOWER,
    PH_SB_UPPER,
    PH_SB_OLETTER,
    PH_SB_NUMERIC,
    PH_SB_ATERM,
    PH_SB_SCONTINUE,
    PH_SB_STERM,
    PH_SB_CLOSE
} ph_sentence_class;

extern const uint8_t ph_sentence_index[0x110000 / 256];
extern const uint8_t ph_sentence_classes[][128];

/* cp below 0x110000. */
static inline ph_sentence_class ph_sentence_class_of(uint32_t cp)
{
    const uint8_t *block = ph_sentence_classes[ph_sentence_index[cp >> 8]];
    return (ph_sentence_class)((block[(cp & 255) >> 1] >> (4 * (cp & 1))) & 15u);
}

/* Class of the character at text.p[at] and its length in bytes. */
ph_sentence_class ph_sentence_class_at(ph_str text, size_t at, size_t *len);

static inline bool ph_sentence_is_letter(ph_sentence_class c)
{
    return c == PH_SB_LOWER || c == PH_SB_UPPER || c == PH_SB_OLETTER;
}

static inline bool ph_sentence_is_blank(ph_sentence_class c)
{
    return c == PH_SB_SP || c == PH_SB_CR || c == PH_SB_LF || c == PH_SB_SEP;
}

/* The end of the sentence that begins at `from` (< text.n), with the blanks behind it. */
size_t ph_sentence_end(ph_str text, size_t from, unsigned flags);

#endif
