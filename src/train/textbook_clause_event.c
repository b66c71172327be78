/* Events: who does what, with what goes with it. */
#include "train/textbook_clause_event.h"

#include <string.h>

typedef struct does {
    const char *forms, *subjects, *objects, *complements;
} does;

static const does verbs[] = {
#define PH_DOES(forms, subjects, objects, complements) {forms, subjects, objects, complements},
#include "train/textbook_clause.def"
#undef PH_DOES
};

#define N_VERBS (sizeof verbs / sizeof verbs[0])

/* --- parts ------------------------------------------------------------------------------------ */

static void set(char part[PH_TB_PART], const char *before, ph_str text)
{
    size_t n = strlen(before);
    size_t fits = text.n < PH_TB_PART - n - 1 ? text.n : PH_TB_PART - n - 1;
    memcpy(part, before, n);
    memcpy(part + n, text.p, fits);
    part[n + fits] = 0;
}

static void set_text(char part[PH_TB_PART], const char *text)
{
    set(part, "", ph_str_from(text));
}

/* "{thing}" with an article: that of a slot is left to the slot. */
static void set_one(char part[PH_TB_PART], ph_str noun)
{
    if (noun.p[0] == '{' && (noun.n < 3 || noun.p[2] != ':'))
        set(part, "{a:", (ph_str){noun.p + 1, noun.n - 1});
    else
        set(part, strchr("aeiou", noun.p[0]) ? "an " : "a ", noun);
}

/* A noun of the table with its sign. Several may be counted: then *count has the number. */
static void set_noun(ph_tb *t, ph_str noun, char told[PH_TB_PART], char definite[PH_TB_PART],
                     char bare[PH_TB_PART], char count[PH_TB_PART], bool *many)
{
    ph_str rest = {noun.p + 1, noun.n - 1};
    *many = noun.p[0] == '#';
    set(bare, "", rest);
    set(definite, noun.p[0] == '=' ? "" : "the ", rest);
    set(told, "", rest);
    if (noun.p[0] == '@' && ph_tb_chance(t, 30)) {
        set(told, "the ", rest);
    } else if (noun.p[0] == '@') {
        set_one(told, rest);
    } else if (*many && ph_tb_chance(t, 60)) {
        set_text(count, "{several3}");
        set(told, "{several3} ", rest);
    } else if (noun.p[0] == '~' && ph_tb_chance(t, 30)) {
        set(told, "some ", rest);
    }
}

static bool is_plural(const char *noun)
{
    return strstr(noun, " and ") || strncmp(noun, "two ", 4) == 0;
}

static void set_forms(ph_tb_event *e, const char *forms)
{
    ph_str rest = ph_str_from(forms), part;
    e->passive = forms[0] != '-';
    rest = e->passive ? rest : (ph_str){rest.p + 1, rest.n - 1};
    char *parts[] = {e->base, e->past, e->participle, e->third};
    for (size_t i = 0; i < 4 && ph_tb_split(&rest, '/', &part); i++)
        set(parts[i], "", part);
    if (e->third[0])
        return;
    /* "digs up": the ending goes to the first word. */
    char word[PH_TB_PART], ended[PH_TB_PART];
    size_t n = strcspn(e->base, " ");
    set(word, "", (ph_str){e->base, n});
    bool hisses =
        n > 1 && (strchr("sxz", word[n - 1]) || (word[n - 1] == 'h' && strchr("cs", word[n - 2])));
    bool consonant_y = n > 1 && word[n - 1] == 'y' && !strchr("aeiou", word[n - 2]);
    set(ended, "", (ph_str){word, n - consonant_y});
    const char *ending = consonant_y ? "ies" : hisses ? "es" : "s";
    memcpy(ended + n - consonant_y, ending, strlen(ending) + 1);
    set(e->third, ended, ph_str_from(e->base + n));
}

/* --- who -------------------------------------------------------------------------------------- */

static void draw_person(ph_tb *t, ph_tb_event *e)
{
    size_t way = ph_tb_below(t, 100);
    e->named = way < 50;
    if (way < 50) {
        set_text(e->told, "{name}");
    } else if (way < 62) {
        set_text(e->told, "the {job4}");
    } else if (way < 69) {
        set_text(e->told, "the {trait4} {job4}");
    } else if (way < 76) {
        set_text(e->told, "{name}'s {relative4}");
    } else if (way < 84) {
        set_text(e->told, ph_tb_chance(t, 50) ? "{a:job4} called {name}" : "{a:job4} named {name}");
        set_text(e->called, "the {job4}");
        set_text(e->subject, "{name}");
        return;
    } else if (way < 90) {
        set_text(e->told, "{name} and {name5}");
        e->many_subjects = true;
    } else {
        set_text(e->told, way < 96 ? "{several4} {s:job4}" : "the {s:job4}");
        set_text(e->how_many, way < 96 ? "{s:job4}" : "");
        set_text(e->subject_count, "{several4}");
        set_text(e->subject, "the {s:job4}");
        e->many_subjects = true;
        return;
    }
    set_text(e->subject, e->told);
}

static void draw_animal(ph_tb *t, ph_tb_event *e)
{
    size_t way = ph_tb_below(t, 100);
    set_text(e->subject, way < 55 ? "the {animal4}" : "the {look4} {animal4}");
    if (way < 40) {
        set_text(e->told, "the {animal4}");
    } else if (way < 55) {
        set_text(e->told, "{a:animal4}");
    } else if (way < 65) {
        set_text(e->told, "the {look4} {animal4}");
    } else if (way < 72) {
        set_text(e->told, "{a:look4} {animal4}");
    } else if (way < 86) {
        set_text(e->told, "{name5}'s {animal4}");
        set_text(e->subject, e->told);
    } else if (way < 93) {
        set_text(e->told, "{a:animal4} called {pet4}");
        set_text(e->called, "the {animal4}");
        set_text(e->subject, "{pet4}");
    } else {
        set_text(e->told, "{several4} {s:animal4}");
        set_text(e->how_many, "{s:animal4}");
        set_text(e->subject_count, "{several4}");
        set_text(e->subject, "the {s:animal4}");
        e->many_subjects = true;
    }
}

static void draw_subject(ph_tb *t, ph_tb_event *e, const char *subjects)
{
    if (strcmp(subjects, "P") == 0) {
        e->doer = PH_TB_PERSON;
        draw_person(t, e);
    } else if (strcmp(subjects, "A") == 0) {
        e->doer = PH_TB_ANIMAL;
        draw_animal(t, e);
    } else {
        char bare[PH_TB_PART], count[PH_TB_PART] = "";
        e->doer = PH_TB_THING;
        set_noun(t, ph_tb_pick(t, subjects, '|'), e->told, e->subject, bare, count,
                 &e->many_subjects);
        e->many_subjects = e->many_subjects || is_plural(bare);
    }
}

/* --- what goes with it ------------------------------------------------------------------------ */

static void add_adjunct(ph_tb_event *e, char kind, const char *text)
{
    bool why = kind == 'b' || kind == 'p';
    if (e->n_adjuncts == PH_TB_ADJUNCTS || ph_tb_event_has(e, kind) ||
        (why && (ph_tb_event_has(e, 'b') || ph_tb_event_has(e, 'p'))))
        return;
    ph_tb_adjunct *a = &e->adjuncts[e->n_adjuncts++];
    a->kind = kind;
    set_text(a->text, text);
}

static void draw_adjunct(ph_tb *t, ph_tb_event *e)
{
    static const char *const times[] = {"{past}", "{often}", "{later}", ""};
    size_t way = ph_tb_below(t, 100);
    if (way < 40 && times[e->tense][0])
        add_adjunct(e, e->tense == PH_TB_PRESENT ? 'o' : 't', times[e->tense]);
    else if (way < 72 && e->asked_by != 'l')
        add_adjunct(e, 'w', "{where}");
    else if (way < 80 && e->doer == PH_TB_PERSON && e->asked_by == 0)
        add_adjunct(e, 'c', "with {name3}");
    else if (way < 92 && e->doer == PH_TB_PERSON)
        add_adjunct(e, 'p', "{purpose}");
    else if (e->tense == PH_TB_PAST)
        add_adjunct(e, 'b', "because {reason}");
}

/* The first row of the verb. */
static size_t verb_of(const char *base)
{
    size_t n = strlen(base), i = 0;
    for (;; i++) {
        const char *forms = verbs[i].forms + (verbs[i].forms[0] == '-');
        if (strncmp(forms, base, n) == 0 && forms[n] == '/')
            return i;
    }
}

void ph_tb_event_draw(ph_tb *t, ph_tb_event *e, ph_tb_tense tense, bool plain)
{
    memset(e, 0, sizeof *e);
    const does *verb = &verbs[ph_tb_pick_index(t, ph_str_from("verbs of clauses"), N_VERBS)];
    e->tense = tense;
    set_forms(e, verb->forms);
    e->verb = e->base[0] == '{' ? PH_TB_DRAWN_VERB : verb_of(e->base);
    draw_subject(t, e, verb->subjects);
    if (verb->objects[0])
        set_noun(t, ph_tb_pick(t, verb->objects, '|'), e->object, e->definite, e->bare,
                 e->object_count, &e->many_objects);
    e->passive = e->passive && verb->objects[0];
    /* Without an object there would be little to say. */
    if (verb->complements[0] && ph_tb_chance(t, verb->objects[0] ? 45 : 100)) {
        ph_str c = ph_tb_pick(t, verb->complements, '|');
        e->asked_by = c.p[0];
        set(e->complement, "", (ph_str){c.p + 2, c.n - 2});
    }
    size_t n = plain ? 0 : ph_tb_below(t, 3);
    for (size_t i = 0; i < n; i++)
        draw_adjunct(t, e);
    /* What ends a sentence stands last. */
    char first = e->adjuncts[0].kind;
    if (e->n_adjuncts == 2 && (first == 'p' || first == 'b')) {
        ph_tb_adjunct last = e->adjuncts[0];
        e->adjuncts[0] = e->adjuncts[1];
        e->adjuncts[1] = last;
    }
}

bool ph_tb_event_has(const ph_tb_event *e, char kind)
{
    for (size_t i = 0; i < e->n_adjuncts; i++) {
        if (e->adjuncts[i].kind == kind)
            return true;
    }
    return e->asked_by == kind || (kind == 'w' && e->asked_by == 'l');
}

static void renumber(char part[PH_TB_PART])
{
    char old[PH_TB_PART];
    size_t n = 0;
    set_text(old, part);
    for (size_t i = 0; old[i] && n + 2 < PH_TB_PART; i++) {
        if (old[i] == '}')
            part[n++] = '7';
        part[n++] = old[i];
    }
    part[n] = 0;
}

void ph_tb_event_renumber(ph_tb_event *e, bool keep_subject)
{
    char *parts[] = {e->base,     e->past,   e->participle,   e->third,        e->object,
                     e->definite, e->bare,   e->object_count, e->complement,   e->told,
                     e->subject,  e->called, e->how_many,     e->subject_count};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] - (keep_subject ? 5 : 0); i++)
        renumber(parts[i]);
    for (size_t i = 0; i < e->n_adjuncts; i++)
        renumber(e->adjuncts[i].text);
}

/* --- saying it -------------------------------------------------------------------------------- */

static void add_finite(const ph_tb_event *e, ph_buf *out, bool many)
{
    static const char *const before[] = {"", "", "will ", ""};
    ph_buf_add_str(out, before[e->tense]);
    if (e->tense == PH_TB_PERFECT)
        ph_buf_add_str(out, many ? "have " : "has ");
    ph_buf_add_str(out, e->tense == PH_TB_PAST               ? e->past
                        : e->tense == PH_TB_PERFECT          ? e->participle
                        : e->tense == PH_TB_PRESENT && !many ? e->third
                                                             : e->base);
}

static const char *auxiliary(const ph_tb_event *e)
{
    switch (e->tense) {
    case PH_TB_PAST:
        return "did";
    case PH_TB_PRESENT:
        return e->many_subjects ? "do" : "does";
    case PH_TB_FUTURE:
        return "will";
    default:
        return e->many_subjects ? "have" : "has";
    }
}

static const char *passive_auxiliary(const ph_tb_event *e)
{
    bool many = e->many_objects;
    switch (e->tense) {
    case PH_TB_PAST:
        return many ? "were" : "was";
    case PH_TB_PRESENT:
        return many ? "are" : "is";
    case PH_TB_FUTURE:
        return "will";
    default:
        return many ? "have" : "has";
    }
}

static const char *passive_rest(const ph_tb_event *e)
{
    return e->tense == PH_TB_FUTURE ? "be " : e->tense == PH_TB_PERFECT ? "been " : "";
}

static void add_adjuncts(const ph_tb_event *e, ph_buf *out, size_t from, size_t end)
{
    for (size_t i = from; i < end && i < e->n_adjuncts; i++) {
        if (i > from)
            ph_buf_add_byte(out, ' ');
        ph_buf_add_str(out, e->adjuncts[i].text);
    }
}

/* Something that is told of the event besides subject, verb and object. Reasons and purposes make
 * no question clearer. */
static void add_more(ph_tb *t, const ph_tb_event *e, ph_buf *out, char without)
{
    size_t at = ph_tb_below(t, 2 * (e->n_adjuncts + 1));
    if (at < e->n_adjuncts) {
        const ph_tb_adjunct *a = &e->adjuncts[at];
        if (a->kind != without && a->kind != 'b' && a->kind != 'p' &&
            !(without == 'l' && a->kind == 'w') && !(without == 'o' && a->kind == 't'))
            ph_buf_add_str(out, a->text);
    } else if (at == e->n_adjuncts && e->asked_by != without) {
        ph_buf_add_str(out, e->complement);
    }
}

static void add_part(ph_tb *t, const ph_tb_event *e, ph_buf *out, char mark, char without)
{
    size_t n_word = strcspn(e->complement, " ");
    switch (mark) {
    case 's':
        ph_buf_add_str(out, e->told);
        break;
    case 'S':
        ph_buf_add_str(out, e->subject);
        break;
    case 'f':
        add_finite(e, out, e->many_subjects);
        break;
    case 'g':
        add_finite(e, out, false);
        break;
    case 't':
        ph_buf_add_str(out, e->object);
        break;
    case 'q': /* a number told is not repeated: it may be asked for */
        ph_buf_add_str(out, e->many_objects || ph_tb_chance(t, 70) ? e->definite : e->object);
        break;
    case 'O':
        ph_buf_add_str(out, e->definite);
        break;
    case 'c':
        ph_buf_add_str(out, e->complement);
        break;
    case 'a':
        add_adjuncts(e, out, 0, e->n_adjuncts);
        break;
    case 'A':
        add_adjuncts(e, out, 0, 1);
        break;
    case 'B':
        add_adjuncts(e, out, 1, e->n_adjuncts);
        break;
    case 'd':
        ph_buf_add_str(out, auxiliary(e));
        break;
    case 'b':
        ph_buf_add_str(out, e->tense == PH_TB_PERFECT ? e->participle : e->base);
        break;
    case 'i':
        ph_buf_add_str(out, e->base);
        break;
    case 'p':
        ph_buf_addf(out, "%s %s%s", passive_auxiliary(e), passive_rest(e), e->participle);
        break;
    case 'P':
        ph_buf_add_str(out, passive_auxiliary(e));
        break;
    case 'N':
        ph_buf_addf(out, "%s%s", passive_rest(e), e->participle);
        break;
    case 'r':
    case 'R': {
        size_t from = out->len;
        ph_buf_add(out, e->complement, n_word);
        if (mark == 'R' && out->len > from)
            out->data[from] = (char)(out->data[from] - 'a' + 'A');
        break;
    }
    case 'k':
        if (e->complement[n_word])
            ph_buf_add_str(out, e->complement + n_word + 1);
        break;
    default: /* 'x' */
        add_more(t, e, out, without);
    }
}

void ph_tb_event_tidy(ph_buf *out, size_t from)
{
    if (out->failed || out->len == from)
        return;
    size_t n = from;
    for (size_t i = from; i < out->len; i++) {
        char c = out->data[i];
        if (n > from && out->data[n - 1] == ' ' && (c == ' ' || strchr("?.,~|=;", c)))
            n--;
        out->data[n++] = c;
    }
    out->len = n;
    out->data[n] = 0;
}

void ph_tb_event_say(ph_tb *t, const ph_tb_event *e, ph_buf *out, ph_str shape, char without)
{
    size_t from = out->len;
    for (size_t i = 0; i < shape.n; i++) {
        if (shape.p[i] == '%' && i + 1 < shape.n)
            add_part(t, e, out, shape.p[++i], without);
        else
            ph_buf_add_byte(out, (uint8_t)shape.p[i]);
    }
    ph_tb_event_tidy(out, from);
}
