/* Templates of the textbook writer.
 *
 * A template is a text with slots. {town} is filled with a town; {town2} with another one; the same
 * slot in the same environment always with the same. A capital ({Town}) makes the value begin with
 * one. {a:thing} puts "a" or "an" before it, {s:thing} is its plural; {b:verb}, {p:verb}, {n:verb},
 * {v:verb} are the base, past, participle and third person of a verb. {he}, {him}, {his} (also
 * {he2}, ...) go with {name}. What a slot may be is told by textbook_words.def (words),
 * textbook_phrases.def (templates again) and textbook_value.c (names, numbers).
 *
 * All values of one example are different, so that no answer is ambiguous.
 */
#ifndef PH_TRAIN_TEXTBOOK_GRAMMAR_H
#define PH_TRAIN_TEXTBOOK_GRAMMAR_H

#include "base/rng.h"
#include "base/str.h"
#include "train/textbook.h"

#define PH_TB_SLOTS       20  /* of one environment */
#define PH_TB_NAME_BYTES  16  /* of a slot's name, NUL included */
#define PH_TB_VALUE_BYTES 128 /* of a value, NUL included */
#define PH_TB_DEPTH       6   /* phrases in phrases */
#define PH_TB_USED        192 /* values of one example */

typedef struct ph_tb_slot {
    char name[PH_TB_NAME_BYTES];
    char value[PH_TB_VALUE_BYTES];
    char brief[32]; /* what a person may be called from the second time on; "": always the same */
    bool female;    /* {he} is "she" */
    bool told;      /* stood in the passage in full */
} ph_tb_slot;

typedef struct ph_tb_env {
    ph_tb_slot slots[PH_TB_SLOTS];
    size_t n_slots;
    struct ph_tb_env *outer; /* borrowed; looked up first; NULL: none */
} ph_tb_env;

typedef struct ph_tb_words {
    const ph_str *words; /* [n], first the ones for training */
    size_t n, n_train;
} ph_tb_words;

/* Room for texts under way. All of it is there from the start: writing allocates nothing. */
typedef struct ph_tb_room {
    ph_buf request, earlier;
    ph_buf values[PH_TB_DEPTH]; /* of phrases in phrases */
    size_t depth;
} ph_tb_room;

/* One example under way. */
typedef struct ph_tb {
    const ph_textbook_options *options;
    const ph_tb_words *tables; /* by row of textbook_words.def and PH_VERBS */
    struct ph_tb_passage *passage;
    ph_tb_room *room;
    ph_rng rng;
    ph_textbook_example *ex;
    ph_tb_env env;    /* of kinds that need but one */
    unsigned strange; /* percent of the words of open classes that are invented instead */
    uint64_t used[PH_TB_USED];
    size_t n_used;
} ph_tb;

static inline size_t ph_tb_below(ph_tb *t, size_t n)
{
    return (size_t)ph_rng_below(&t->rng, n);
}

/* True in `percent` of 100 cases. */
static inline bool ph_tb_chance(ph_tb *t, unsigned percent)
{
    return ph_rng_below(&t->rng, 100) < percent;
}

/* Held out of training: a fifth of all words, by their letters, small or capital. */
bool ph_tb_word_held(const char *word, size_t n);

/* One of the alternatives of a group that this split may use: a fifth on average is held out, none
 * of fewer than three. Borrowed from the group. */
ph_str ph_tb_pick(ph_tb *t, const char *group, char separator);
/* The same for a part of a table's text. */
ph_str ph_tb_pick_part(ph_tb *t, ph_str group, char separator);
/* Index of one of n things, told apart by `group`. */
size_t ph_tb_pick_index(ph_tb *t, ph_str group, size_t n);
/* Takes the first alternative off *rest; false at the end. */
bool ph_tb_split(ph_str *rest, char separator, ph_str *out);

typedef enum ph_tb_mode {
    PH_TB_TELL,  /* draw what is missing; people are called in full the first time */
    PH_TB_DRAW,  /* draw what is missing; people are called in full or in brief */
    PH_TB_ASK,   /* fail when something is missing; in full or in brief */
    PH_TB_ANSWER /* fail when something is missing; in full */
} ph_tb_mode;

/* Appends the filled template. False: something is missing or too long (out keeps what it had). */
bool ph_tb_fill(ph_tb *t, ph_tb_env *env, ph_buf *out, ph_str template, ph_tb_mode mode);
/* One of a group's alternatives, filled from t->env. */
bool ph_tb_say(ph_tb *t, ph_buf *out, const char *group);

ph_tb_slot *ph_tb_slot_find(ph_tb_env *env, const char *name);
/* Binds a slot to a value; NULL when there is no room. */
ph_tb_slot *ph_tb_slot_set(ph_tb_env *env, const char *name, const char *value);

/* A value for a slot that is called `type` plus digits: textbook_value.c. False for an unknown
 * type. */
bool ph_tb_draw(ph_tb *t, ph_tb_slot *slot, ph_str type);
/* A value of any type. */
bool ph_tb_draw_any(ph_tb *t, ph_tb_slot *slot);
/* A phrase's alternatives (textbook_phrases.def), or NULL. */
const char *ph_tb_phrase(ph_str type);

/* English. Append to out. */
void ph_tb_add_article(ph_buf *out, const char *word); /* "a " or "an " */
void ph_tb_add_plural(ph_buf *out, const char *word);

/* Both forms of Phi-2's prompts. */
typedef enum ph_tb_form { PH_TB_INSTRUCT, PH_TB_CHAT } ph_tb_form;
ph_tb_form ph_tb_pick_form(ph_tb *t);
void ph_tb_add_request(ph_buf *out, ph_tb_form form, ph_str request); /* up to "Output:" */

/* The tables of textbook_words.def, for tests: NULL behind the last. */
typedef struct ph_tb_table {
    const char *type;
    bool open;
    const char *words; /* apart by '|', a '+' before those that are never held out */
} ph_tb_table;
const ph_tb_table *ph_tb_table_at(size_t i);
size_t ph_tb_table_count(void);

#endif
