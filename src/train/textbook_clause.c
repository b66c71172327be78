/* Sentences of one or two clauses, and what may be asked about them. */
#include "train/textbook_clause.h"

#include <string.h>

#include "train/textbook_clause_event.h"

#define TEXT_BYTES 4096

static bool reserve(ph_buf *b)
{
    ph_buf_init(b, TEXT_BYTES);
    return ph_buf_reserve(b, TEXT_BYTES);
}

bool ph_tb_clause_init(ph_tb_clause *c)
{
    bool ok = reserve(&c->sentences);
    ok = reserve(&c->questions) && ok;
    return reserve(&c->absent) && ok;
}

void ph_tb_clause_free(ph_tb_clause *c)
{
    ph_buf_free(&c->sentences);
    ph_buf_free(&c->questions);
    ph_buf_free(&c->absent);
}

/* --- questions -------------------------------------------------------------------------------- */

/* "question=>answers", one of the wordings; both are shapes of ph_tb_event_say(). */
static void ask(ph_tb *t, ph_tb_clause *c, const ph_tb_event *e, const char *wordings,
                const char *answers, char about)
{
    if (c->questions.len > 0)
        ph_buf_add_byte(&c->questions, '|');
    ph_tb_event_say(t, e, &c->questions, ph_tb_pick(t, wordings, '|'), about);
    ph_buf_add_str(&c->questions, "=>");
    ph_tb_event_say(t, e, &c->questions, ph_str_from(answers), about);
}

static bool is_person(const char *noun)
{
    return strstr(noun, "{name") || strstr(noun, "job}") || strstr(noun, "job7}");
}

static void ask_who(ph_tb *t, ph_tb_clause *c, const ph_tb_event *e)
{
    const char *answers = e->many_subjects ? "%s~%S" : "%S~%s";
    if (e->passive && ph_tb_chance(t, 25)) {
        ask(t, c, e,
            e->doer == PH_TB_PERSON
                ? "By whom %P %O %N %x?|Who %P %O %N by?|Whom %P %O %N by?|By which person %P %O "
                  "%N?"
                : "By what %P %O %N %x?|What %P %O %N by?|What was it that %g %q?",
            answers, 's');
        return;
    }
    if (e->doer == PH_TB_PERSON)
        ask(t, c, e,
            "Who %g %q %x?|Who %g %q %x?|Who %g %q?|Who was it that %g %q %x?|Which person %g %q "
            "%x?|Can you say who %g %q %x?|Name the one who %g %q %x.|Tell me who %g %q.",
            answers, 's');
    else if (e->doer == PH_TB_ANIMAL)
        ask(t, c, e,
            "Which animal %g %q %x?|What %g %q %x?|Who %g %q %x?|Which animal was it that %g %q?|"
            "What animal %g %q %x?",
            answers, 's');
    else
        ask(t, c, e,
            "What %g %q %x?|What %g %q?|What was it that %g %q %x?|Say what %g %q.|Which thing %g "
            "%q %x?",
            answers, 's');
    if (e->how_many[0]) {
        ph_buf_addf(&c->questions, "|How many %s ", e->how_many);
        ph_tb_event_say(t, e, &c->questions, ph_str_from("%f %q %x?=>"), 's');
        ph_buf_add_str(&c->questions, e->subject_count);
    }
    if (e->called[0]) {
        ph_str wording = ph_tb_pick(
            t, "What was @ called?|What was the name of @?|What was @'s name?|Who was @?", '|');
        ph_buf_add_byte(&c->questions, '|');
        for (size_t i = 0; i < wording.n; i++) {
            if (wording.p[i] == '@')
                ph_buf_add_str(&c->questions, e->called);
            else
                ph_buf_add_byte(&c->questions, (uint8_t)wording.p[i]);
        }
        ph_buf_addf(&c->questions, "=>%s", e->subject);
    }
}

/* does: nothing else is told of the subject. */
static void ask_what(ph_tb *t, ph_tb_clause *c, const ph_tb_event *e, bool does)
{
    if (is_person(e->object)) {
        ask(t, c, e,
            "Whom %d %S %b %x?|Who %d %S %b %x?|Which person %d %S %b?|Who was it that %S %f %x?",
            "%t~%O", 'o');
    } else {
        ask(t, c, e,
            e->passive && ph_tb_chance(t, 20)
                ? "What %P %N by %S %x?|What %P %N by %S?|Which thing %P %N by %S %x?"
                : "What %d %S %b %x?|What %d %S %b?|What was it that %S %f %x?|Say what %S %f %x.|"
                  "Which thing %d %S %b %x?|What exactly %d %S %b?|%S %f something; what was it?",
            "%t~%O", 'o');
    }
    if (e->object_count[0]) {
        ph_buf_addf(&c->questions, "|How many %s ", e->bare);
        ph_tb_event_say(t, e, &c->questions,
                        e->passive && ph_tb_chance(t, 25) ? ph_str_from("%P %N by %S?=>")
                                                          : ph_str_from("%d %S %b %x?=>"),
                        'o');
        ph_buf_add_str(&c->questions, e->object_count);
    }
    static const char colour[] = "{colour} ";
    if (strncmp(e->bare, colour, sizeof colour - 1) == 0) {
        ph_buf_addf(&c->questions, "|%s the %s that ",
                    ph_tb_chance(t, 50) ? "What colour was" : "Which colour had",
                    e->bare + sizeof colour - 1);
        ph_tb_event_say(t, e, &c->questions, ph_str_from("%S %f?=>{colour}"), 'o');
    }
    if (does && (e->tense == PH_TB_PAST || e->tense == PH_TB_PRESENT))
        ask(t, c, e, "What %d %S do %x?|What was it that %S did?|What %d %S do?", "%f %t %c~%f %t",
            'd');
}

static void ask_complement(ph_tb *t, ph_tb_clause *c, const ph_tb_event *e)
{
    switch (e->asked_by) {
    case 'l':
        ask(t, c, e,
            e->passive && ph_tb_chance(t, 30)
                ? "Where %P %O %N?|Where was it that %O %P %N?|At which place %P %O %N?"
                : "Where %d %S %b %q %x?|Where %d %S %b %q?|Whereabouts %d %S %b %q?|Where was it "
                  "that %S %f %q?|Say where %S %f %q.",
            "%c~%k", 'l');
        break;
    case 'd':
        ask(t, c, e, "How long %d %S %b %q?|For how long %d %S %b %q?|How much time %d %S %b %q?",
            "%k", 'd');
        break;
    case 'h':
        ask(t, c, e, "How %d %S %b %q?|In what way %d %S %b %q?|How was it that %S %f %q?", "%c~%k",
            'h');
        break;
    default:
        if (e->asked_by == 'f' && !is_person(e->complement))
            ask(t, c, e,
                "Where %d %S %b %q from?|From where %d %S %b %q?|From which place %d %S %b %q?",
                "%k~%c", 'f');
        else if (is_person(e->complement))
            ask(t, c, e, "%R whom %d %S %b %q?|Who %d %S %b %q %r?|Whom %d %S %b %q %r?", "%k~%c",
                e->asked_by);
        else
            ask(t, c, e, "What %d %S %b %q %r?|%R what %d %S %b %q?|What was it that %S %f %q %r?",
                "%k~%c", e->asked_by);
    }
}

static void ask_adjunct(ph_tb *t, ph_tb_clause *c, const ph_tb_event *e, const ph_tb_adjunct *a)
{
    static const char when[] =
        "When %d %S %b %q %x?|When %d %S %b %q?|At what time %d %S %b %q?|When was it that %S %f "
        "%q?|Say when %S %f %q.|On what day or at what time %d %S %b %q?";
    static const char when_passive[] = "When %P %O %N?|When %P %O %N by %S?|At what time %P %O %N?";
    static const char where[] =
        "Where %d %S %b %q %x?|Where %d %S %b %q?|In what place %d %S %b %q?|Where was it that %S "
        "%f %q?|Say where %S %f %q.|Whereabouts %d %S %b %q?";
    static const char where_passive[] =
        "Where %P %O %N?|Where %P %O %N by %S?|At which place %P %O %N?";
    bool passive = e->passive && ph_tb_chance(t, 30);
    const char *wordings, *answers = a->text;
    switch (a->kind) {
    case 't':
        wordings = passive ? when_passive : when;
        break;
    case 'o':
        wordings = "When %d %S %b %q?|How often %d %S %b %q?|At what times %d %S %b %q?";
        break;
    case 'w':
        wordings = passive ? where_passive : where;
        break;
    case 'c':
        wordings = "With whom %d %S %b %q?|Who %d %S %b %q with?|Who was with %S?";
        answers = strchr(a->text, '{');
        break;
    default:
        wordings = "Why %d %S %b %q?|For what reason %d %S %b %q?|Why was it that %S %f %q?|What "
                   "was the reason that %S %f %q?";
    }
    ask(t, c, e, wordings, answers, a->kind);
}

static void ask_all(ph_tb *t, ph_tb_clause *c, const ph_tb_event *e, bool does)
{
    /* Often the same thing in two ways: a question is drawn from all of them. */
    for (int i = 0; i < 2; i++) {
        ask_who(t, c, e);
        if (e->object[0])
            ask_what(t, c, e, does);
        if (e->complement[0])
            ask_complement(t, c, e);
        for (size_t k = 0; k < e->n_adjuncts; k++)
            ask_adjunct(t, c, e, &e->adjuncts[k]);
    }
}

/* Two questions about what is left out. told: kinds that another clause tells. */
static void ask_unsaid(ph_tb *t, ph_tb_clause *c, const ph_tb_event *e, const char *told)
{
    static const struct {
        const char *kinds, *wordings;
    } unsaid[] = {
        {"to", "When %d %S %b %q?|At what time %d %S %b %q?|In which year %d %S %b %q?"},
        {"w", "Where %d %S %b %q?|In what place %d %S %b %q?|In which town %d %S %b %q?"},
        {"pb", "Why %d %S %b %q?|For what reason %d %S %b %q?|Why was it that %S %f %q?"},
        {"ci", "With whom %d %S %b %q?|Who helped %S?|Who was there with %S?|Who saw %S?"},
        {"d", "How long %d %S %b %q?|How many hours %d %S %b %q?|How long did it take %S?"},
        {"ci", "With what %d %S %b %q?|What did %S use?|What did %S need for it?"},
        {"", "What did %S say?|How old was %S?|How much did it cost?|What did %S do after that?|"
             "Who told %S about it?|What was the weather like?"},
    };
    for (int n = 0; n < 2;) {
        size_t at = ph_tb_below(t, sizeof unsaid / sizeof unsaid[0]);
        bool is_told = false;
        for (const char *k = unsaid[at].kinds; *k; k++)
            is_told = is_told || ph_tb_event_has(e, *k) || strchr(told, *k);
        if (is_told)
            continue;
        if (n++ > 0)
            ph_buf_add_byte(&c->absent, '|');
        ph_tb_event_say(t, e, &c->absent, ph_tb_pick(t, unsaid[at].wordings, '|'), 0);
    }
}

/* --- sentences -------------------------------------------------------------------------------- */

static void say(ph_tb *t, ph_tb_clause *c, const ph_tb_event *e, const char *shapes)
{
    ph_tb_event_say(t, e, &c->sentences, ph_tb_pick(t, shapes, '|'), 0);
}

static void write_one(ph_tb *t, ph_tb_clause *c)
{
    static const ph_tb_tense tenses[] = {PH_TB_PAST,    PH_TB_PAST,   PH_TB_PAST,    PH_TB_PAST,
                                         PH_TB_PAST,    PH_TB_PAST,   PH_TB_PRESENT, PH_TB_PRESENT,
                                         PH_TB_PRESENT, PH_TB_FUTURE, PH_TB_PERFECT};
    ph_tb_event e;
    ph_tb_event_draw(t, &e, tenses[ph_tb_below(t, sizeof tenses / sizeof tenses[0])], false);
    bool plain = e.called[0] || e.many_subjects;
    bool head = e.n_adjuncts > 0 && strchr("two", e.adjuncts[0].kind);
    if (e.passive && ph_tb_chance(t, 22))
        say(t, c, &e, "%O %p by %s %c %a.|%O %p %c by %s %a.|%t %p by %s %c %a.");
    else if (!plain && ph_tb_chance(t, 18))
        say(t, c, &e,
            e.doer == PH_TB_PERSON
                ? "It was %s who %f %t %c %a.|The one who %f %t %c %a was %s.|Nobody but %s %f %t "
                  "%c %a.|Only %s %f %t %c %a."
                : "It was %s that %f %t %c %a.|Only %s %f %t %c %a.|There was nothing but %s that "
                  "%f %t %c %a.");
    else if (head && ph_tb_chance(t, 45))
        say(t, c, &e, "%A, %s %f %t %c %B.|%A %s %f %t %c %B.|It was %A that %s %f %t %c %B.");
    else
        say(t, c, &e, "%s %f %t %c %a.|%s %f %t %c %a.|%s %f %t %c %a.");
    ask_all(t, c, &e, true);
    ask_unsaid(t, c, &e, "");
    c->verbs[0] = c->verbs[1] = e.verb;
}

/* %1 and %2: the clauses. told: what the second tells of the first, by kinds of adjuncts. */
static const struct {
    const char *shapes, *kinds, *asks;
} links[] = {
    {"%1 because %2.|Because %2, %1.|%1, because %2.|%1, as %2.", "pb",
     "Why %d %S %b %q?|For what reason %d %S %b %q?|Why was it that %S %f %q?"},
    {"%1, but %2.|%1 and %2.|%1, and %2.|%1; %2.|%1, and then %2.|%1, so %2.|%1, yet %2.|First %1, "
     "then %2.",
     "", ""},
    {"When %2, %1.|%1 when %2.|As soon as %2, %1.|%1 as soon as %2.", "to", ""},
    {"After %2, %1.|%1 after %2.|Before %2, %1.|%1 before %2.|%1 while %2.|While %2, %1.|Until %2, "
     "%1.",
     "to", ""},
    {"Although %2, %1.|%1 although %2.|%1, though %2.", "", ""},
};

static bool same_verb(const ph_tb_event *a, const ph_tb_event *b)
{
    return a->verb == b->verb && a->verb != PH_TB_DRAWN_VERB;
}

/* Two subjects, each with a clause of its own. */
static void write_two(ph_tb *t, ph_tb_clause *c)
{
    static const char bare[] = "%s %f %t %c";
    ph_tb_event first, second;
    ph_tb_event_draw(t, &first, PH_TB_PAST, ph_tb_chance(t, 60));
    do
        ph_tb_event_draw(t, &second, PH_TB_PAST, true);
    while (same_verb(&first, &second));
    ph_tb_event_renumber(&second, false);
    if (ph_tb_event_has(&first, 'b') || ph_tb_event_has(&first, 'p')) /* one reason is enough */
        first.n_adjuncts = 0;
    size_t link = ph_tb_below(t, sizeof links / sizeof links[0]);
    ph_str shape = ph_tb_pick(t, links[link].shapes, '|');
    for (size_t i = 0; i < shape.n; i++) {
        if (shape.p[i] != '%') {
            ph_buf_add_byte(&c->sentences, (uint8_t)shape.p[i]);
            continue;
        }
        bool is_first = shape.p[++i] == '1';
        /* What else is told of the first would seem to be told of the second behind it. */
        ph_tb_event_say(t, is_first ? &first : &second, &c->sentences,
                        ph_str_from(is_first && first.n_adjuncts == 1 ? "%s %f %t %c %a" : bare),
                        0);
    }
    ask_all(t, c, &first, true);
    ask_all(t, c, &second, true);
    for (int i = 0; links[link].asks[0] && i < 2; i++) {
        ph_buf_add_byte(&c->questions, '|');
        ph_tb_event_say(t, &first, &c->questions, ph_tb_pick(t, links[link].asks, '|'), 0);
        ph_buf_add_str(&c->questions, "=>because ");
        ph_tb_event_say(t, &second, &c->questions, ph_str_from(bare), 0);
        ph_buf_add_byte(&c->questions, '~');
        ph_tb_event_say(t, &second, &c->questions, ph_str_from(bare), 0);
    }
    ask_unsaid(t, c, &first, links[link].kinds);
    c->verbs[0] = first.verb;
    c->verbs[1] = second.verb;
}

static bool are_people(const ph_tb_event *a, const ph_tb_event *b)
{
    return a->doer == PH_TB_PERSON && b->doer == PH_TB_PERSON && !same_verb(a, b);
}

/* One subject that does two things. */
static void write_pair(ph_tb *t, ph_tb_clause *c)
{
    ph_tb_event first, second;
    for (int tries = 0; tries < 8; tries++) {
        ph_tb_event_draw(t, &first, PH_TB_PAST, false);
        ph_tb_event_draw(t, &second, PH_TB_PAST, false);
        if (are_people(&first, &second))
            break;
    }
    if (!are_people(&first, &second)) {
        write_one(t, c);
        return;
    }
    ph_tb_event_renumber(&second, true);
    memcpy(second.told, first.told, sizeof second.told);
    memcpy(second.subject, first.subject, sizeof second.subject);
    second.many_subjects = first.many_subjects;
    second.called[0] = second.how_many[0] = 0;
    if (ph_tb_event_has(&first, 'c')) /* "Who was with her?" has one answer */
        second.n_adjuncts = 0;
    unsigned way = (unsigned)ph_tb_below(t, 3);
    if (way == 0 && first.named) {
        say(t, c, &first, "%s %f %t %c %a.|%s %f %t %c %a.|%s %f %t %c.");
        ph_buf_add_str(&c->sentences, " {He} ");
        say(t, c, &second, "%f %t %c %a.|then %f %t %c %a.|also %f %t %c %a.|had %N %t %c %a.");
    } else if (way == 1 && !first.called[0]) {
        ph_buf_add_str(&c->sentences, first.told);
        say(t, c, &second, ", who %f %t %c %a,| (who %f %t %c %a)|, who had %N %t %c %a,");
        ph_buf_add_byte(&c->sentences, ' ');
        say(t, c, &first, "%f %t %c %a.|%f %t %c.|also %f %t %c %a.");
    } else {
        say(t, c, &first, "%s %f %t %c |%s %f %t %c %a |%s first %f %t %c ");
        say(t, c, &second, " and %f %t %c %a.| and then %f %t %c %a.| but %f %t %c %a.");
    }
    ask_all(t, c, &first, false);
    ask_all(t, c, &second, false);
    /* Where and when the first was may hold for the second as well. */
    ask_unsaid(t, c, &second, first.n_adjuncts > 0 || first.asked_by ? "towc" : "");
    c->verbs[0] = first.verb;
    c->verbs[1] = second.verb;
}

void ph_tb_clause_write(ph_tb *t, ph_tb_clause *c)
{
    unsigned way = (unsigned)ph_tb_below(t, 100);
    ph_buf_clear(&c->sentences);
    ph_buf_clear(&c->questions);
    ph_buf_clear(&c->absent);
    if (way < 52)
        write_one(t, c);
    else if (way < 76)
        write_two(t, c);
    else
        write_pair(t, c);
    ph_tb_event_tidy(&c->sentences, 0);
}
