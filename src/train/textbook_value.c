/* What slots are filled with: words and phrases of the tables, invented names, numbers. */
#include <string.h>

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

/* A word of the table's kind that nobody knows: it begins with a capital if the others do, and a
 * verb has its three forms, the regular ones. */
static ph_str make_strange(ph_tb *t, ph_str like, char out[PH_TB_INVENTED])
{
    bool proper = like.n > 0 && like.p[0] >= 'A' && like.p[0] <= 'Z';
    ph_str base = ph_tb_invent(t, out, ph_tb_invent_length(t), proper, false);
    if (!memchr(like.p, '/', like.n))
        return base;
    char last = base.p[base.n - 1];
    ph_str stem = {base.p, base.n - (last == 'y')};
    const char *end = last == 'e' ? "d" : last == 'y' ? "ied" : "ed";
    size_t n = base.n;
    for (int form = 0; form < 2; form++) {
        out[n++] = '/';
        memcpy(out + n, stem.p, stem.n);
        memcpy(out + n + stem.n, end, strlen(end));
        n += stem.n + strlen(end);
    }
    return (ph_str){out, n};
}

/* One of table i. Borrowed from the table or from `room`. */
static ph_str draw_of(ph_tb *t, size_t i, char room[PH_TB_INVENTED])
{
    ph_str word = draw_word(t, &t->tables[i]);
    bool strange = tables[i].open && t->strange > 0 && ph_tb_chance(t, t->strange);
    return strange ? make_strange(t, word, room) : word;
}

static bool draw_table(ph_tb *t, ph_str type, char room[PH_TB_INVENTED], ph_str *out)
{
    for (size_t i = 0; i < N_TABLES; i++) {
        if (ph_str_eq_c(type, tables[i].type)) {
            *out = draw_of(t, i, room);
            return true;
        }
    }
    return false;
}

/* --- invented words --- */

static bool draw_odd(ph_tb *t, ph_tb_slot *slot)
{
    char word[PH_TB_INVENTED];
    return put(slot, ph_tb_invent(t, word, ph_tb_invent_length(t), false, false));
}

static bool draw_proper(ph_tb *t, ph_tb_slot *slot)
{
    char word[PH_TB_INVENTED];
    return put(slot, ph_tb_invent(t, word, ph_tb_invent_length(t), true, false));
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
    char one[PH_TB_INVENTED], two[PH_TB_INVENTED];
    ph_str first, last;
    slot->female = ph_tb_chance(t, 50);
    slot->brief[0] = 0;
    if (ph_tb_chance(t, 60))
        draw_table(t, ph_str_from(slot->female ? "girl" : "boy"), one, &first);
    else
        first = ph_tb_invent(t, one, ph_tb_invent_length(t), true, false);
    if (!ph_tb_chance(t, 35))
        return put(slot, first);
    if (ph_tb_chance(t, 55))
        draw_table(t, ph_str_from("surname"), two, &last);
    else
        last = ph_tb_invent(t, two, 2 + ph_tb_below(t, 2), true, false);
    if (ph_tb_chance(t, 25))
        return join(slot, ph_str_from(PH_TB_ANY(t, titles)[slot->female]), last);
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
    char word[PH_TB_INVENTED];
    ph_str city;
    if (ph_tb_chance(t, 45))
        return draw_table(t, ph_str_from("city"), word, &city) && put(slot, city);
    ph_str made = ph_tb_invent(t, word, 1 + ph_tb_below(t, 2), true, ph_tb_chance(t, 70));
    return ph_tb_chance(t, 12) ? join(slot, ph_str_from(PH_TB_ANY(t, before)), made)
                               : put(slot, made);
}

static bool draw_pet(ph_tb *t, ph_tb_slot *slot)
{
    char word[PH_TB_INVENTED];
    ph_str name;
    if (ph_tb_chance(t, 40))
        return draw_table(t, ph_str_from(ph_tb_chance(t, 50) ? "girl" : "boy"), word, &name) &&
               put(slot, name);
    return put(slot, ph_tb_invent(t, word, 1 + ph_tb_below(t, 2), true, false));
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
    return put_number(slot, "", 1 + ph_rng_below(&t->rng, 12), PH_TB_ANY(t, minutes));
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
    char room[PH_TB_INVENTED];
    ph_str rest = draw_of(t, ph_tb_below(t, N_TABLES), room), word;
    return ph_tb_split(&rest, '/', &word) && put(slot, word); /* of a verb its base form */
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
    char room[PH_TB_INVENTED];
    ph_str word;
    if (may_be_odd(type) && ph_tb_chance(t, 10))
        return draw_odd(t, slot);
    return draw_table(t, type, room, &word) && put(slot, word);
}
