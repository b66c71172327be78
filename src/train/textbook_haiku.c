/* Haiku: three lines of five, seven and five syllables, the topic in the first or the last. Lines
 * are drawn until the count is right. */
#include <string.h>

#include "train/textbook_kinds.h"
#include "train/textbook_tales.h"

static const char requests[] =
    "Write a haiku about {a:topic}.|Write a haiku about the {topic}.|Compose a haiku about "
    "{a:topic}.|A haiku about the {topic}, please.|"
    "Can you write a haiku about {a:topic}?|Give me a haiku about the {topic}.|Please write a "
    "haiku about {a:topic}.|"
    "Write me a haiku on the {topic}.|Haiku about {a:topic}.|I would like a haiku about the "
    "{topic}.|Make a haiku about {a:topic}.";
/* For what one does not count. */
static const char mass_requests[] =
    "Write a haiku about {topic}.|Write a haiku about the {topic}.|Compose a haiku about "
    "{topic}.|A haiku about {topic}, please.|"
    "Can you write a haiku about {topic}?|Give me a haiku about the {topic}.|Please write a haiku "
    "about {topic}.|"
    "Write me a haiku on {topic}.|Haiku about {topic}.|I would like a haiku about {topic}.";

static const char more_requests[] =
    "Write a short haiku about {a:topic}.|Please compose a haiku about {a:topic}.|A haiku about "
    "{a:topic}.|Could "
    "you write a haiku about {a:topic}?|Tell me a haiku about {a:topic}.|"
    "I want a haiku about {a:topic}.|Make up a haiku about {a:topic}.|Write a haiku on "
    "{a:topic}.|Let me read a "
    "haiku about {a:topic}.|Do you know a haiku about {a:topic}?|"
    "Now a haiku about {a:topic}.|Write me a haiku about {a:topic}.|Haiku: {a:topic}.|Give me a "
    "poem of three "
    "lines about {a:topic}.|Can I have a haiku about {a:topic}?|Think of a haiku about {a:topic}.";
static const char more_mass_requests[] =
    "Write a short haiku about {topic}.|Please compose a haiku about {topic}.|A haiku about "
    "{topic}.|Could "
    "you write a haiku about {topic}?|Tell me a haiku about {topic}.|"
    "I want a haiku about {topic}.|Make up a haiku about {topic}.|Write a haiku on {topic}.|Let me "
    "read a "
    "haiku about {topic}.|Do you know a haiku about {topic}?|"
    "Now a haiku about {topic}.|Write me a haiku about {topic}.|Haiku: {topic}.|Give me a poem of "
    "three "
    "lines about {topic}.|Can I have a haiku about {topic}?|Think of a haiku about {topic}.";

static const char topic_lines[] =
    "the {topic} {hverb}|the {hadj} {topic}|{a:hadj} {topic}|{hadj} {topic} {hverb}|{hadj}, "
    "{hadj2} {topic}|{topic} {hplace}|oh {hadj} {topic}|"
    "the {topic} is {hadj}|{topic} in {htime}|the {topic} {hverb} {hplace}|the {hadj} {topic} "
    "{hverb}|{a:topic} {hverb}|{a:topic} alone|{topic} of {htime}|"
    "look at the {topic}|dear {topic}, {hadj} friend|one {topic} {hplace}|see, the {topic} "
    "{hverb}|{topic} and {hnoun}";
static const char long_lines[] =
    "it {hverb} {hplace}|{hadj} {hnoun} {hverb} {hplace}|while the {hadj} {hnoun} {hverb}|{hadj} "
    "{hnoun} and {hadj2} {hnoun2}|the {hadj} {hnoun} {hverb} again|"
    "{hplace} the {hnoun} {hverb}|and the {hnoun} {hverb} {hplace}|the {hnoun} {hverb}, the "
    "{hnoun2} {hverb2}|in {htime} the {hnoun} {hverb}|"
    "all {htime} long the {hnoun} {hverb}|only the {hadj} {hnoun} {hverb}|I hear the {hnoun} "
    "{hplace}|nobody sees the {hnoun}|the {hnoun} is {hadj} and {hadj2}";
static const char short_lines[] =
    "the {hnoun} {hverb}|{hadj} {hnoun} {hverb}|{htime} is {hadj}|and then the {hnoun}|{hadj} and "
    "{hadj2}|the {hnoun} is {hadj}|only {hadj} {hnoun}|"
    "it {hverb} {hplace}|I think of {htime}|how {hadj} it is|{hnoun} {hplace}|soon {htime} will "
    "come|{htime} comes again|the {hadj} {hnoun}";

#define LINE_TRIES 400

/* A line of n syllables, with a newline before it. */
static bool add_line(ph_tb *t, const char *group, size_t n)
{
    ph_buf *out = &t->ex->completion;
    size_t n_slots = t->env.n_slots, n_used = t->n_used, from = out->len;
    for (int i = 0; i < LINE_TRIES; i++) {
        t->n_used = n_used;
        for (size_t s = 0; s < n_slots; s++)
            t->env.slots[s].told = false;
        ph_tb_env line = {.outer = &t->env};
        if (ph_buf_add_byte(out, '\n') &&
            ph_tb_fill(t, &line, out, ph_tb_pick(t, group, '|'), PH_TB_DRAW) &&
            ph_tb_syllables((ph_str){out->data + from, out->len - from}) == n) {
            char *c = &out->data[from + 1];
            *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
            return true;
        }
        out->len = from;
    }
    return false;
}

bool ph_textbook_write_haiku(ph_tb *t)
{
    static const char *const types[] = {"topic", "topic", "topic", "animal", "flower",
                                        "tree",  "thing", "place", "season"};
    const char *type = types[ph_tb_below(t, sizeof types / sizeof types[0])];
    bool mass = strcmp(type, "topic") == 0 || strcmp(type, "season") == 0;
    bool more = ph_tb_chance(t, 50);
    const char *ask =
        mass ? (more ? more_mass_requests : mass_requests) : (more ? more_requests : requests);
    if (!ph_tb_set_topic(t, type) || !ph_tb_request(t, ask))
        return false;
    bool last = ph_tb_chance(t, 25);
    return add_line(t, last ? short_lines : topic_lines, 5) && add_line(t, long_lines, 7) &&
           add_line(t, last ? topic_lines : short_lines, 5);
}
