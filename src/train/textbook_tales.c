/* What stories, haiku and jokes share: topics, requests, syllables. */
#include "train/textbook_tales.h"

#include <string.h>

#define UNKNOWN_TOPICS 50 /* percent */

bool ph_tb_set_topic(ph_tb *t, const char *type)
{
    ph_tb_slot *slot = ph_tb_slot_set(&t->env, "topic", "");
    /* A topic that nobody knows can only be taken from the request. */
    bool unknown = t->options->split != PH_TEXTBOOK_TEST && ph_tb_chance(t, UNKNOWN_TOPICS);
    if (!slot || !ph_tb_draw(t, slot, ph_str_from(unknown ? "odd" : type)))
        return false;
    ph_buf_add_str(&t->ex->topic, slot->value);
    return true;
}

bool ph_tb_request(ph_tb *t, const char *group)
{
    if (!ph_tb_say(t, &t->ex->question, group))
        return false;
    ph_tb_add_request(&t->ex->prompt, ph_tb_pick_form(t),
                      (ph_str){t->ex->question.data, t->ex->question.len});
    return true;
}

typedef struct exception {
    const char *word;
    size_t n;
} exception;

/* Words whose vowels do not tell. */
static const exception exceptions[] = {
    {"evening", 2},  {"every", 2},      {"quiet", 2},      {"being", 2},      {"ocean", 2},
    {"poem", 2},     {"lion", 2},       {"violin", 3},     {"piano", 3},      {"fire", 1},
    {"firefly", 3},  {"giant", 2},      {"peony", 3},      {"iris", 2},       {"geranium", 4},
    {"petunia", 3},  {"dahlia", 2},     {"beneath", 2},    {"something", 2},  {"somewhere", 2},
    {"lonely", 2},   {"friendship", 2}, {"flower", 2},     {"create", 2},     {"area", 3},
    {"idea", 3},     {"diary", 3},      {"radio", 3},      {"scissors", 2},   {"moonlight", 2},
    {"homeless", 2}, {"careful", 2},    {"grateful", 2},   {"peaceful", 2},   {"hopeful", 2},
    {"timeless", 2}, {"silence", 2},    {"sometimes", 2},  {"snowflake", 2},  {"wildlife", 2},
    {"lakeside", 2}, {"hedgehog", 2},   {"spaceship", 2},  {"eagle", 2},      {"people", 2},
    {"camera", 3},   {"chocolate", 3},  {"violet", 3},     {"carriage", 2},   {"scented", 2},
    {"buried", 2},   {"does", 1},       {"goes", 1},       {"shoes", 1},      {"tortoise", 2},
    {"movement", 2}, {"yew", 1},        {"eye", 1},        {"eyes", 1},       {"statue", 2},
    {"koala", 3},    {"hippo", 2},      {"chameleon", 4},  {"lavender", 3},   {"marigold", 3},
    {"primrose", 2}, {"foxglove", 2},   {"telescope", 3},  {"armchair", 2},   {"bracelet", 2},
    {"suitcase", 2}, {"notebook", 2},   {"lighthouse", 2}, {"paintbrush", 2}, {"dreaming", 2},
    {"seeing", 2},   {"forever", 3},    {"everything", 3}, {"wander", 2},     {"whispered", 2},
    {"colour", 2},   {"rhythm", 2},     {"beehive", 2}};

static bool is_vowel(char c)
{
    return c && strchr("aeiouy", c) != NULL;
}

static size_t word_syllables(const char *w, size_t n)
{
    for (size_t i = 0; i < sizeof exceptions / sizeof exceptions[0]; i++) {
        if (ph_str_eq_c((ph_str){w, n}, exceptions[i].word))
            return exceptions[i].n;
    }
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += is_vowel(w[i]) && (i == 0 || !is_vowel(w[i - 1]));
    char last = n > 0 ? w[n - 1] : 0, before = n > 1 ? w[n - 2] : 0, third = n > 2 ? w[n - 3] : 0;
    /* The silent e of "lake", "lakes" and "baked", not that of "candle", "wishes" and "wanted". */
    if (last == 'e' && !is_vowel(before) && !(before == 'l' && !is_vowel(third)))
        count--;
    else if (last == 's' && before == 'e' && third && !is_vowel(third) &&
             !strchr("sxzhcg", third) && !(third == 'l' && n > 3 && !is_vowel(w[n - 4])))
        count--;
    else if (last == 'd' && before == 'e' && third && !is_vowel(third) && !strchr("td", third) &&
             !(third == 'l' && n > 3 && !is_vowel(w[n - 4])))
        count--;
    return count > 0 ? count : 1;
}

size_t ph_tb_syllables(ph_str text)
{
    char word[32];
    size_t n = 0, count = 0;
    for (size_t i = 0; i <= text.n; i++) {
        char c = i < text.n ? text.p[i] : ' ';
        char small = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        if (small >= 'a' && small <= 'z' && n < sizeof word) {
            word[n++] = small;
        } else if (n > 0 && c != '\'') {
            count += word_syllables(word, n);
            n = 0;
        }
    }
    return count;
}
