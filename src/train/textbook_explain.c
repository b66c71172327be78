/* Explanations: what a thing is, and why things are so. */
#include "train/textbook_kinds.h"
#include "train/textbook_tales.h"

typedef struct thing {
    const char *name, *kind, *purpose, *detail;
} thing;

typedef struct why {
    const char *question, *answer;
} why;

static const thing things[] = {
#define PH_THING(name, kind, purpose, detail) {#name, kind, purpose, detail},
#define PH_WHY(question, answer)
#include "train/textbook_explain.def"
#undef PH_THING
#undef PH_WHY
};

static const why whys[] = {
#define PH_THING(name, kind, purpose, detail)
#define PH_WHY(question, answer) {question, answer},
#include "train/textbook_explain.def"
#undef PH_THING
#undef PH_WHY
};

static const char what[] = "What is {a:topic}?|Explain what {a:topic} is.|What does the word "
                           "{topic} mean?|Tell me what {a:topic} is.|"
                           "Please explain what {a:topic} is.|Can you explain {a:topic}?|Describe "
                           "{a:topic}.|In a few words, what is {a:topic}?|"
                           "What do we call {a:topic}?|Define {topic}.|I do not know what "
                           "{a:topic} is.|Explain {a:topic} to a child.";
static const char answers[] =
    "{A:topic} is {kind} that {purpose}. {detail}|{A:topic} is {kind} that {purpose}.|"
    "{A:topic} is {kind}. It {purpose}. {detail}|We call it {a:topic} when {kind} {purpose}. "
    "{detail}";
static const char use[] =
    "What does {a:topic} do?|What is {a:topic} good for?|What is special about {a:topic}?";
static const char use_answers[] =
    "{A:topic} {purpose}.|It {purpose}. {detail}|{A:topic} is {kind} that {purpose}.";

static bool explain_thing(ph_tb *t)
{
    const thing *x = &things[ph_tb_pick_index(t, ph_str_from("things to explain"),
                                              sizeof things / sizeof things[0])];
    bool about_use = ph_tb_chance(t, 25);
    ph_tb_slot_set(&t->env, "topic", x->name);
    ph_tb_slot_set(&t->env, "kind", x->kind);
    ph_tb_slot_set(&t->env, "purpose", x->purpose);
    ph_tb_slot_set(&t->env, "detail", x->detail);
    ph_buf_add_str(&t->ex->topic, x->name);
    ph_buf_add_byte(&t->ex->completion, ' ');
    return ph_tb_request(t, about_use ? use : what) &&
           ph_tb_say(t, &t->ex->completion, about_use ? use_answers : answers);
}

bool ph_textbook_write_explain(ph_tb *t)
{
    if (ph_tb_chance(t, 70))
        return explain_thing(t);
    const why *y = &whys[ph_tb_pick_index(t, ph_str_from("questions to explain"),
                                          sizeof whys / sizeof whys[0])];
    ph_buf_addf(&t->ex->completion, " %s", y->answer);
    return ph_tb_request(t, y->question);
}
