/* Templates: choosing among alternatives, filling slots, English endings. */
#include "train/textbook_grammar.h"

#include <string.h>

#include "base/hash.h"

#define HELD_ONE_IN 5
#define WORD_SEED   0x776f7264u
#define GROUP_SEED  0x67726f75u

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool ph_tb_word_held(const char *word, size_t n)
{
    char small[64];
    n = n < sizeof small ? n : sizeof small;
    for (size_t i = 0; i < n; i++)
        small[i] = lower(word[i]);
    return ph_hash64(small, n, WORD_SEED) % HELD_ONE_IN == 0;
}

/* The held out ones of n lie next to each other, from `*first` on, round the end. */
static size_t held_range(ph_str group, size_t n, size_t *first)
{
    uint64_t h = ph_hash64(group.p, group.n, GROUP_SEED);
    *first = (size_t)(h / HELD_ONE_IN % n);
    return n < 3 ? 0 : (n + (size_t)(h % HELD_ONE_IN)) / HELD_ONE_IN;
}

size_t ph_tb_pick_index(ph_tb *t, ph_str group, size_t n)
{
    size_t first, n_held = held_range(group, n, &first), at;
    if (t->options->split == PH_TEXTBOOK_TEST && n_held > 0)
        at = ph_tb_below(t, n_held);
    else
        at = n_held + ph_tb_below(t, n - n_held);
    at = (first + at) % n;
    if (t->options->on_pick)
        t->options->on_pick(t->options->user, group.p, at);
    return at;
}

bool ph_tb_split(ph_str *rest, char separator, ph_str *out)
{
    if (!rest->p)
        return false;
    const char *end = memchr(rest->p, separator, rest->n);
    *out = (ph_str){rest->p, end ? (size_t)(end - rest->p) : rest->n};
    *rest = end ? (ph_str){end + 1, rest->n - out->n - 1} : (ph_str){NULL, 0};
    return true;
}

ph_str ph_tb_pick_part(ph_tb *t, ph_str group, char separator)
{
    size_t n = 1;
    for (size_t i = 0; i < group.n; i++)
        n += group.p[i] == separator;
    ph_str rest = group, part = group;
    for (size_t at = ph_tb_pick_index(t, group, n) + 1; at > 0; at--)
        ph_tb_split(&rest, separator, &part);
    return part;
}

ph_str ph_tb_pick(ph_tb *t, const char *group, char separator)
{
    return ph_tb_pick_part(t, ph_str_from(group), separator);
}

ph_tb_slot *ph_tb_slot_find(ph_tb_env *env, const char *name)
{
    for (; env; env = env->outer) {
        for (size_t i = 0; i < env->n_slots; i++) {
            if (strcmp(env->slots[i].name, name) == 0)
                return &env->slots[i];
        }
    }
    return NULL;
}

static ph_tb_slot *slot_new(ph_tb_env *env, const char *name)
{
    if (env->n_slots == PH_TB_SLOTS)
        return NULL;
    ph_tb_slot *slot = &env->slots[env->n_slots];
    *slot = (ph_tb_slot){{0}, {0}, {0}, false, false};
    memcpy(slot->name, name, strlen(name) + 1);
    return slot;
}

ph_tb_slot *ph_tb_slot_set(ph_tb_env *env, const char *name, const char *value)
{
    ph_tb_slot *slot = slot_new(env, name);
    size_t n = strlen(value);
    if (!slot || n >= PH_TB_VALUE_BYTES)
        return NULL;
    memcpy(slot->value, value, n + 1);
    env->n_slots++;
    return slot;
}

/* The type of slot "town2" is "town". */
static ph_str type_of(const char *name)
{
    ph_str type = ph_str_from(name);
    while (type.n > 0 && type.p[type.n - 1] >= '0' && type.p[type.n - 1] <= '9')
        type.n--;
    return type;
}

static bool remember(ph_tb *t, const char *value)
{
    uint64_t h = ph_hash64(value, strlen(value), 0);
    for (size_t i = 0; i < t->n_used; i++) {
        if (t->used[i] == h)
            return false;
    }
    if (t->n_used < PH_TB_USED)
        t->used[t->n_used++] = h;
    return true;
}

/* Small classes run out of values; after some tries a value may come twice. */
static ph_tb_slot *draw_slot(ph_tb *t, ph_tb_env *env, const char *name)
{
    ph_tb_slot *slot = slot_new(env, name);
    if (!slot)
        return NULL;
    for (int tries = 0; tries < 24; tries++) {
        if (!ph_tb_draw(t, slot, type_of(name)))
            return NULL;
        bool fresh = remember(t, slot->value);
        if (fresh && (slot->brief[0] == 0 || remember(t, slot->brief)))
            break;
    }
    env->n_slots++;
    return slot;
}

static bool is_vowel(char c)
{
    return c && strchr("aeiouAEIOU", c) != NULL;
}

static bool begins(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

void ph_tb_add_article(ph_buf *out, const char *word)
{
    bool an = is_vowel(word[0]) || begins(word, "hour") || begins(word, "honest");
    if (begins(word, "uni") || begins(word, "Uni") || begins(word, "one") ||
        begins(word, "ukulele") || begins(word, "eu") || begins(word, "Eu"))
        an = false;
    ph_buf_add_str(out, an ? "an " : "a ");
}

typedef struct form_pair {
    const char *one, *many;
} form_pair;

static const form_pair irregular[] = {
    {"mouse", "mice"},          {"goose", "geese"},     {"ox", "oxen"},
    {"child", "children"},      {"knife", "knives"},    {"wolf", "wolves"},
    {"shelf", "shelves"},       {"leaf", "leaves"},     {"potato", "potatoes"},
    {"tomato", "tomatoes"},     {"mango", "mangoes"},   {"buffalo", "buffaloes"},
    {"fisherman", "fishermen"}, {"postman", "postmen"},
};
/* Plural and singular alike, or no plural at all. */
static const char *const unchanged[] = {
    "fish",   "sheep",       "deer",        "moose",   "bison",   "salmon",  "trout",     "bacon",
    "bread",  "broccoli",    "butter",      "celery",  "cereal",  "cheese",  "chocolate", "corn",
    "cream",  "curry",       "garlic",      "ginger",  "ham",     "honey",   "jam",       "lettuce",
    "milk",   "mint",        "mustard",     "parsley", "pasta",   "popcorn", "porridge",  "pudding",
    "rice",   "salad",       "salt",        "soup",    "spinach", "stew",    "sugar",     "toast",
    "yogurt", "cauliflower", "coconut milk"};

void ph_tb_add_plural(ph_buf *out, const char *word)
{
    for (size_t i = 0; i < sizeof irregular / sizeof irregular[0]; i++) {
        size_t n = strlen(irregular[i].one), len = strlen(word);
        if (len >= n && strcmp(word + len - n, irregular[i].one) == 0 &&
            (len == n || word[len - n - 1] == ' ')) {
            ph_buf_add(out, word, len - n);
            ph_buf_add_str(out, irregular[i].many);
            return;
        }
    }
    ph_buf_add_str(out, word);
    for (size_t i = 0; i < sizeof unchanged / sizeof unchanged[0]; i++) {
        if (strcmp(word, unchanged[i]) == 0)
            return;
    }
    size_t n = strlen(word);
    if (n == 0 || out->failed)
        return;
    char last = n > 0 ? word[n - 1] : 0, before = n > 1 ? word[n - 2] : 0;
    if (last == 'y' && !is_vowel(before)) {
        out->len--;
        ph_buf_add_str(out, "ies");
    } else if (last == 's' || last == 'x' || last == 'z' ||
               (last == 'h' && (before == 'c' || before == 's'))) {
        ph_buf_add_str(out, "es");
    } else {
        ph_buf_add_str(out, "s");
    }
}

/* "base/past/participle" */
static void add_verb(ph_buf *out, const char *verb, char form)
{
    ph_str rest = ph_str_from(verb), part = rest;
    for (int n = form == 'b' ? 1 : form == 'p' ? 2 : 3; n > 0; n--)
        ph_tb_split(&rest, '/', &part);
    ph_buf_add(out, part.p, part.n);
}

/* The third person: "carries", "digs up". */
static void add_present(ph_buf *out, const char *verb)
{
    char base[32];
    size_t n = strcspn(verb, "/"), n_word = strcspn(verb, "/ ");
    if (n_word >= sizeof base)
        return;
    memcpy(base, verb, n_word);
    base[n_word] = 0;
    ph_tb_add_plural(out, base);
    ph_buf_add(out, verb + n_word, n - n_word);
}

static void add_value(ph_tb *t, ph_buf *out, ph_tb_slot *slot, char form, ph_tb_mode mode)
{
    const char *value = slot->value;
    if (slot->brief[0] && mode != PH_TB_ANSWER) {
        bool may = mode != PH_TB_TELL || slot->told;
        if (may && ph_tb_chance(t, 60))
            value = slot->brief;
        slot->told = slot->told || mode == PH_TB_TELL;
    }
    if (form == 'a')
        ph_tb_add_article(out, value);
    if (form == 's')
        ph_tb_add_plural(out, value);
    else if (form == 'v')
        add_present(out, value);
    else if (form == 'b' || form == 'p' || form == 'n')
        add_verb(out, value, form);
    else
        ph_buf_add_str(out, value);
}

/* "he", "him", "his" with the digits of the name they go with; false if it is none of these. */
static bool add_pronoun(ph_buf *out, ph_tb_env *env, const char *name)
{
    static const char *const pronouns[][2] = {{"he", "she"}, {"him", "her"}, {"his", "her"}};
    ph_str type = type_of(name);
    for (size_t i = 0; i < sizeof pronouns / sizeof pronouns[0]; i++) {
        if (!ph_str_eq_c(type, pronouns[i][0]))
            continue;
        char whose[PH_TB_NAME_BYTES] = "name";
        memcpy(whose + 4, name + type.n, strlen(name) - type.n + 1);
        const ph_tb_slot *slot = ph_tb_slot_find(env, whose);
        ph_buf_add_str(out, pronouns[i][slot && slot->female]);
        return true;
    }
    return false;
}

/* spec: what stands between the braces. */
static bool fill_slot(ph_tb *t, ph_tb_env *env, ph_buf *out, ph_str spec, ph_tb_mode mode)
{
    char form = 0, name[PH_TB_NAME_BYTES];
    if (spec.n > 2 && spec.p[1] == ':') {
        form = spec.p[0];
        spec = (ph_str){spec.p + 2, spec.n - 2};
    }
    if (spec.n == 0 || spec.n >= sizeof name)
        return false;
    memcpy(name, spec.p, spec.n);
    name[spec.n] = 0;
    bool capital = upper(name[0]) == name[0] || form == 'A';
    form = form == 'A' ? 'a' : form;
    name[0] = lower(name[0]);
    size_t from = out->len;
    if (!add_pronoun(out, env, name)) {
        ph_tb_slot *slot = ph_tb_slot_find(env, name);
        if (!slot && (mode == PH_TB_TELL || mode == PH_TB_DRAW))
            slot = draw_slot(t, env, name);
        if (!slot)
            return false;
        add_value(t, out, slot, form, mode);
    }
    if (capital && out->len > from)
        out->data[from] = upper(out->data[from]);
    return true;
}

bool ph_tb_fill(ph_tb *t, ph_tb_env *env, ph_buf *out, ph_str template, ph_tb_mode mode)
{
    size_t from = out->len;
    bool ok = true;
    for (size_t i = 0; i < template.n && ok; i++) {
        const char *end;
        if (template.p[i] != '{') {
            ph_buf_add_byte(out, (uint8_t) template.p[i]);
        } else if ((end = memchr(template.p + i, '}', template.n - i)) == NULL) {
            ok = false;
        } else {
            ph_str spec = {template.p + i + 1, (size_t)(end - template.p) - i - 1};
            ok = fill_slot(t, env, out, spec, mode);
            i = (size_t)(end - template.p);
        }
    }
    if (!ok && out->len > from) {
        out->len = from;
        out->data[from] = 0;
    }
    return ok;
}

bool ph_tb_say(ph_tb *t, ph_buf *out, const char *group)
{
    return ph_tb_fill(t, &t->env, out, ph_tb_pick(t, group, '|'), PH_TB_TELL);
}

ph_tb_form ph_tb_pick_form(ph_tb *t)
{
    return ph_tb_chance(t, 60) ? PH_TB_INSTRUCT : PH_TB_CHAT;
}

void ph_tb_add_request(ph_buf *out, ph_tb_form form, ph_str request)
{
    ph_buf_add_str(out, form == PH_TB_INSTRUCT ? "Instruct: " : "Alice: ");
    ph_buf_add(out, request.p, request.n);
    ph_buf_add_str(out, form == PH_TB_INSTRUCT ? "\nOutput:" : "\nBob:");
}
