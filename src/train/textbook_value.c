/* What slots are filled with: words and phrases of the tables, invented names, numbers. */
#include <string.h>
#include <strings.h>

#include "base/hash.h"
#include "base/mem.h"
#include "train/textbook_grammar.h"
#include "train/textbook_value.h"

static const ph_tb_table tables[] = {
#define PH_WORDS(type, open, words) {#type, open, words},
#include "train/textbook_words.def"
#undef PH_WORDS
#define PH_PHRASE(type, alternatives)
#define PH_VERBS(type, words) {#type, true, words},
#define PH_FILLER(alternatives)
#include "train/textbook_phrases.def"
#undef PH_PHRASE
#undef PH_VERBS
#undef PH_FILLER
};

typedef struct phrase {
    const char *type, *alternatives;
} phrase;

static const phrase phrases[] = {
#define PH_PHRASE(type, alternatives) {#type, alternatives},
#define PH_VERBS(type, words)
#define PH_FILLER(alternatives) {"filler", alternatives},
#include "train/textbook_phrases.def"
#undef PH_PHRASE
#undef PH_VERBS
#undef PH_FILLER
};

#define N_TABLES (sizeof tables / sizeof tables[0])

const ph_tb_table *ph_tb_table_at(size_t i)
{
    return i < N_TABLES ? &tables[i] : NULL;
}

size_t ph_tb_table_count(void)
{
    return N_TABLES;
}

const char *ph_tb_phrase(ph_str type)
{
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++) {
        if (ph_str_eq_c(type, phrases[i].type))
            return phrases[i].alternatives;
    }
    return NULL;
}

/* A '+' before a word is not part of it. */
static bool is_held(const ph_tb_table *table, ph_str *word)
{
    bool kept = word->n > 0 && word->p[0] == '+';
    *word = kept ? (ph_str){word->p + 1, word->n - 1} : *word;
    return table->open && !kept && ph_tb_word_held(word->p, word->n);
}

static size_t fill_table(ph_str *out, const ph_tb_table *table, bool held)
{
    ph_str rest = ph_str_from(table->words), word;
    size_t n = 0;
    while (ph_tb_split(&rest, '|', &word)) {
        if (is_held(table, &word) == held)
            out[n++] = word;
    }
    return n;
}

phial_status ph_tb_words_new(ph_tb_words **out, ph_str **words, phial_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < N_TABLES; i++) {
        ph_str rest = ph_str_from(tables[i].words), word;
        while (ph_tb_split(&rest, '|', &word))
            n++;
    }
    *out = ph_alloc(N_TABLES, sizeof **out, err);
    *words = ph_alloc(n, sizeof **words, err);
    if (!*out || !*words) {
        ph_free(*out);
        ph_free(*words);
        *out = NULL;
        *words = NULL;
        return PHIAL_ERR_NO_MEMORY;
    }
    ph_str *at = *words;
    for (size_t i = 0; i < N_TABLES; i++) {
        ph_tb_words *w = &(*out)[i];
        w->words = at;
        w->n_train = fill_table(at, &tables[i], false);
        w->n = w->n_train + fill_table(at + w->n_train, &tables[i], true);
        at += w->n;
    }
    return PHIAL_OK;
}

static bool put(ph_tb_slot *slot, ph_str value)
{
    if (value.n >= sizeof slot->value)
        return false;
    memcpy(slot->value, value.p, value.n);
    slot->value[value.n] = 0;
    return true;
}

static bool put_number(ph_tb_slot *slot, const char *before, uint64_t n, const char *after)
{
    char digits[24], value[64];
    size_t i = sizeof digits, n_before = strlen(before), n_after = strlen(after);
    do {
        digits[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    size_t n_digits = sizeof digits - i;
    memcpy(value, before, n_before);
    memcpy(value + n_before, digits + i, n_digits);
    memcpy(value + n_before + n_digits, after, n_after);
    return put(slot, (ph_str){value, n_before + n_digits + n_after});
}

static ph_str draw_word(ph_tb *t, const ph_tb_words *w)
{
    bool held = t->options->split == PH_TEXTBOOK_TEST && w->n > w->n_train;
    return held ? w->words[w->n_train + ph_tb_below(t, w->n - w->n_train)]
                : w->words[ph_tb_below(t, w->n_train)];
}

static bool draw_table(ph_tb *t, ph_str type, ph_str *out)
{
    for (size_t i = 0; i < N_TABLES; i++) {
        if (ph_str_eq_c(type, tables[i].type)) {
            *out = draw_word(t, &t->tables[i]);
            return true;
        }
    }
    return false;
}

/* --- invented words --- */

/* Simple sounds stand several times: invented words should cost few tokens. */
static const char onsets[][4] = {"b",  "b",  "c",  "d",  "d",  "f",  "g",  "h",  "j",  "k",  "k",
                                 "l",  "l",  "m",  "m",  "n",  "n",  "p",  "p",  "r",  "r",  "s",
                                 "s",  "t",  "t",  "v",  "v",  "w",  "z",  "",   "",   "bl", "br",
                                 "ch", "cl", "cr", "dr", "fl", "fr", "gl", "gr", "pl", "pr", "qu",
                                 "sh", "sk", "sl", "sp", "st", "th", "tr", "y"};
static const char vowels[][3] = {"a", "e", "i", "o", "u", "a",  "e",  "i",  "o",  "a",  "e", "o",
                                 "u", "a", "e", "i", "o", "ai", "ea", "oo", "ou", "ee", "y"};
static const char codas[][4] = {"",  "",  "",   "",   "",   "n",  "n",  "l", "l",
                                "r", "r", "s",  "m",  "t",  "d",  "k",  "x", "n",
                                "l", "r", "nd", "rn", "st", "sh", "ck", "ng"};
static const char town_ends[][8] = {"ton",  "ville", "burg", "ford",    "mouth", "field",  "by",
                                    "ham",  "port",  "dale", "haven",   "stad",  "bridge", "wick",
                                    "mere", "wood",  "more", "minster", "a",     "o"};

#define ANY(t, list) (list)[ph_tb_below(t, sizeof(list) / sizeof((list)[0]))]

static size_t add_piece(char *out, size_t n, const char *piece)
{
    size_t len = strlen(piece);
    memcpy(out + n, piece, len);
    return n + len;
}

/* What nobody wants to read in an invented word. */
static bool is_rude(const char *word, size_t n)
{
    static const char *const parts[] = {"fuck", "fuk",  "shit", "cunt", "dick", "cock",
                                        "nig",  "slut", "rape", "twat", "jew",  "nazi",
                                        "tit",  "cum",  "poo",  "piss", "fag",  "homo"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        for (size_t at = 0; at + strlen(parts[i]) <= n; at++) {
            if (strncasecmp(word + at, parts[i], strlen(parts[i])) == 0)
                return true;
        }
    }
    return false;
}

static size_t add_syllables(ph_tb *t, char *out, size_t n_syllables)
{
    size_t n = 0;
    for (size_t i = 0; i < n_syllables; i++) {
        n = add_piece(out, n, ANY(t, onsets));
        n = add_piece(out, n, ANY(t, vowels));
        if (i + 1 == n_syllables || ph_tb_chance(t, 20))
            n = add_piece(out, n, ANY(t, codas));
    }
    return n;
}

#define SPLICE_PART  7 /* letters of a word at most */
#define SPLICE_TRIES 20

/* A word of the tables that is letters alone, for training; empty if none was found. */
static ph_str draw_letters(ph_tb *t)
{
    for (int i = 0; i < SPLICE_TRIES; i++) {
        const ph_tb_words *w = &t->tables[ph_tb_below(t, N_TABLES)];
        ph_str word = w->n_train > 0 ? w->words[ph_tb_below(t, w->n_train)] : (ph_str){NULL, 0};
        size_t n = 0;
        while (n < word.n &&
               ((word.p[n] >= 'a' && word.p[n] <= 'z') || (word.p[n] >= 'A' && word.p[n] <= 'Z')))
            n++;
        if (n >= 4 && n == word.n)
            return word;
    }
    return (ph_str){NULL, 0};
}

/* The beginning of one word and the end of another: the pieces that real words are made of, in an
 * order that nobody knows by heart. 0: none was found. */
static size_t add_splice(ph_tb *t, char *out)
{
    ph_str a = draw_letters(t), b = draw_letters(t);
    if (a.n == 0 || b.n == 0)
        return 0;
    size_t head = 2 + ph_tb_below(t, a.n - 2), tail = 2 + ph_tb_below(t, b.n - 2);
    head = head < SPLICE_PART ? head : SPLICE_PART;
    tail = tail < SPLICE_PART ? tail : SPLICE_PART;
    memcpy(out, a.p, head);
    memcpy(out + head, b.p + b.n - tail, tail);
    for (size_t i = 0; i < head + tail; i++)
        out[i] = out[i] >= 'A' && out[i] <= 'Z' ? (char)(out[i] - 'A' + 'a') : out[i];
    return head + tail;
}

/* Drawn until it is on this split's side, which takes five tries on average at most. At most 3 x (2
 * + 2 + 2) + 8 bytes. The test split makes none by splicing: that is for learning. */
static ph_str invent(ph_tb *t, char out[64], size_t n_syllables, bool proper, bool town)
{
    bool want = t->options->split == PH_TEXTBOOK_TEST;
    bool splice = !want && ph_tb_chance(t, 50);
    size_t n;
    do {
        n = splice ? add_splice(t, out) : add_syllables(t, out, n_syllables);
        if (town)
            n = add_piece(out, n, ANY(t, town_ends));
        if (proper && out[0] >= 'a' && out[0] <= 'z')
            out[0] = (char)(out[0] - 'a' + 'A');
    } while (n < 3 || ph_tb_word_held(out, n) != want || is_rude(out, n));
    return (ph_str){out, n};
}

/* Short ones are common. */
static size_t draw_length(ph_tb *t)
{
    static const unsigned char lengths[] = {1, 1, 1, 2, 2, 2, 2, 2, 3};
    return lengths[ph_tb_below(t, sizeof lengths)];
}

static bool draw_odd(ph_tb *t, ph_tb_slot *slot)
{
    char word[64];
    return put(slot, invent(t, word, draw_length(t), false, false));
}

static bool draw_proper(ph_tb *t, ph_tb_slot *slot)
{
    char word[64];
    return put(slot, invent(t, word, draw_length(t), true, false));
}

/* --- people and places --- */

static bool join(ph_tb_slot *slot, ph_str a, ph_str b)
{
    char value[PH_TB_VALUE_BYTES];
    if (a.n + b.n + 2 > sizeof value)
        return false;
    memcpy(value, a.p, a.n);
    value[a.n] = ' ';
    memcpy(value + a.n + 1, b.p, b.n);
    return put(slot, (ph_str){value, a.n + 1 + b.n});
}

static bool draw_name(ph_tb *t, ph_tb_slot *slot)
{
    static const char *const titles[][2] = {
        {"Mr", "Mrs"},          {"Doctor", "Doctor"},       {"Uncle", "Aunt"},
        {"Captain", "Captain"}, {"Professor", "Professor"}, {"Sir", "Lady"}};
    char one[64], two[64];
    ph_str first, last;
    slot->female = ph_tb_chance(t, 50);
    slot->brief[0] = 0;
    if (ph_tb_chance(t, 60))
        draw_table(t, ph_str_from(slot->female ? "girl" : "boy"), &first);
    else
        first = invent(t, one, draw_length(t), true, false);
    if (!ph_tb_chance(t, 35))
        return put(slot, first);
    if (ph_tb_chance(t, 55))
        draw_table(t, ph_str_from("surname"), &last);
    else
        last = invent(t, two, 2 + ph_tb_below(t, 2), true, false);
    if (ph_tb_chance(t, 25))
        return join(slot, ph_str_from(ANY(t, titles)[slot->female]), last);
    ph_str brief = ph_tb_chance(t, 50) ? first : last;
    if (brief.n < sizeof slot->brief) {
        memcpy(slot->brief, brief.p, brief.n);
        slot->brief[brief.n] = 0;
    }
    return join(slot, first, last);
}

static bool draw_town(ph_tb *t, ph_tb_slot *slot)
{
    static const char *const before[] = {"Port", "Saint", "New",    "Old",   "Upper",
                                         "Lake", "Fort",  "Little", "Great", "West"};
    char word[64];
    ph_str city;
    if (ph_tb_chance(t, 45))
        return draw_table(t, ph_str_from("city"), &city) && put(slot, city);
    ph_str made = invent(t, word, 1 + ph_tb_below(t, 2), true, ph_tb_chance(t, 70));
    return ph_tb_chance(t, 12) ? join(slot, ph_str_from(ANY(t, before)), made) : put(slot, made);
}

static bool draw_pet(ph_tb *t, ph_tb_slot *slot)
{
    char word[64];
    ph_str name;
    if (ph_tb_chance(t, 40))
        return draw_table(t, ph_str_from(ph_tb_chance(t, 50) ? "girl" : "boy"), &name) &&
               put(slot, name);
    return put(slot, invent(t, word, 1 + ph_tb_below(t, 2), true, false));
}

/* --- numbers --- */

static bool draw_num(ph_tb *t, ph_tb_slot *slot)
{
    unsigned kind = (unsigned)ph_tb_below(t, 10);
    uint64_t n = kind < 6   ? 2 + ph_rng_below(&t->rng, 98)
                 : kind < 9 ? 100 + ph_rng_below(&t->rng, 900)
                            : 1000 + ph_rng_below(&t->rng, 9000);
    return put_number(slot, "", n, "");
}

static bool draw_big(ph_tb *t, ph_tb_slot *slot)
{
    uint64_t n = 1 + ph_rng_below(&t->rng, 99);
    if (ph_tb_chance(t, 50))
        return put_number(slot, "", n, ph_tb_chance(t, 80) ? ",000" : " million");
    return put_number(slot, "", n * 100 + ph_rng_below(&t->rng, 100), "");
}

static bool draw_year(ph_tb *t, ph_tb_slot *slot)
{
    return put_number(slot, "", 1400 + ph_rng_below(&t->rng, 625), "");
}

static bool draw_age(ph_tb *t, ph_tb_slot *slot)
{
    return put_number(slot, "", 3 + ph_rng_below(&t->rng, 95), "");
}

static bool draw_height(ph_tb *t, ph_tb_slot *slot)
{
    return put_number(slot, "", 95 + ph_rng_below(&t->rng, 110), "");
}

static bool draw_dayno(ph_tb *t, ph_tb_slot *slot)
{
    return put_number(slot, "", 1 + ph_rng_below(&t->rng, 28), "");
}

static bool draw_clock(ph_tb *t, ph_tb_slot *slot)
{
    static const char *const minutes[] = {":00", ":15", ":30", ":45", ":10", ":20", ":40"};
    return put_number(slot, "", 1 + ph_rng_below(&t->rng, 12), ANY(t, minutes));
}

typedef struct made {
    const char *type;
    bool (*draw)(ph_tb *t, ph_tb_slot *slot);
} made;

static const made makers[] = {
    {"name", draw_name},     {"town", draw_town},     {"pet", draw_pet},     {"odd", draw_odd},
    {"proper", draw_proper}, {"num", draw_num},       {"big", draw_big},     {"year", draw_year},
    {"age", draw_age},       {"height", draw_height}, {"dayno", draw_dayno}, {"clock", draw_clock},
};

/* Nouns that are now and then an invented word, so that reading helps more than guessing. */
static bool may_be_odd(ph_str type)
{
    static const char *const types[] = {"thing",   "animal", "food",      "flower", "part",
                                        "machine", "hobby",  "substance", "tree",   "instrument"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (ph_str_eq_c(type, types[i]))
            return true;
    }
    return false;
}

bool ph_tb_draw_any(ph_tb *t, ph_tb_slot *slot)
{
    if (ph_tb_chance(t, 25))
        return makers[ph_tb_below(t, sizeof makers / sizeof makers[0])].draw(t, slot);
    return put(slot, draw_word(t, &t->tables[ph_tb_below(t, N_TABLES)]));
}

bool ph_tb_draw(ph_tb *t, ph_tb_slot *slot, ph_str type)
{
    for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++) {
        if (ph_str_eq_c(type, makers[i].type))
            return makers[i].draw(t, slot);
    }
    const char *alternatives = ph_tb_phrase(type);
    if (alternatives) {
        ph_tb_room *room = t->room;
        if (room->depth == PH_TB_DEPTH)
            return false;
        ph_tb_env env = {.n_slots = 0};
        ph_buf *value = &room->values[room->depth++];
        ph_buf_clear(value);
        bool ok = ph_tb_fill(t, &env, value, ph_tb_pick(t, alternatives, '|'), PH_TB_DRAW) &&
                  !value->failed && put(slot, (ph_str){value->data, value->len});
        room->depth--;
        return ok;
    }
    ph_str word;
    if (may_be_odd(type) && ph_tb_chance(t, 10))
        return draw_odd(t, slot);
    return draw_table(t, type, &word) && put(slot, word);
}
