/* What BERT's basic tokenizer does to single characters: which it drops, which separate words,
 * which are words of their own, and what stripping accents and lower case make of one.
 *
 * Tables by tools/gen_bert_chars.py; Hangul syllables, which come apart into their jamo, by the
 * arithmetic of the Unicode standard (section 3.12). Not done: the canonical order of several
 * combining marks behind one letter; nonspacing ones are stripped, and of the others no vocabulary
 * has a word.
 */
#ifndef PH_TOK_BERT_CHARS_H
#define PH_TOK_BERT_CHARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters one becomes at most, in each of the two steps. */
#define PH_BERT_MANY 4

enum { PH_BERT_CONTROL = 1, PH_BERT_SPACE = 2, PH_BERT_PUNCTUATION = 4, PH_BERT_CJK = 8 };

/* A set of these. cp is below 0x110000. */
unsigned ph_bert_class(uint32_t cp);
/* What cp becomes; the number of characters, 0 .. PH_BERT_MANY. */
size_t ph_bert_strip(uint32_t out[PH_BERT_MANY], uint32_t cp);
size_t ph_bert_lower(uint32_t out[PH_BERT_MANY], uint32_t cp);

/* --- the generated tables, ascending ---------------------------------------------------------- */

typedef struct ph_bert_range {
    uint32_t first, last;
} ph_bert_range;

#define PH_BERT_GONE 255
/* first + i * step, i < count, becomes base + i * base_step; nothing if base_step is
 * PH_BERT_GONE. Runs of step 2 may interlock. */
typedef struct ph_bert_run {
    uint32_t first, base;
    uint16_t count;
    uint8_t step, base_step;
} ph_bert_run;

typedef struct ph_bert_many {
    uint32_t from, n, to[PH_BERT_MANY];
} ph_bert_many;

extern const ph_bert_range ph_bert_control[], ph_bert_space[], ph_bert_punctuation[];
extern const size_t ph_bert_n_control, ph_bert_n_space, ph_bert_n_punctuation;
extern const ph_bert_run ph_bert_strip_runs[], ph_bert_lower_runs[];
extern const size_t ph_bert_strip_n_runs, ph_bert_lower_n_runs;
extern const size_t ph_bert_strip_interlock, ph_bert_lower_interlock;
extern const ph_bert_many ph_bert_strip_many[], ph_bert_lower_many[];
extern const size_t ph_bert_strip_n_many, ph_bert_lower_n_many;

#endif
