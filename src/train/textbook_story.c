/* Short stories: a beginning, a wish, a trouble, help, an end; about an animal, a thing, a trade or
 * a place, which is named more than once. */
#include "train/textbook_kinds.h"
#include "train/textbook_tales.h"

static const char requests[] =
    "Write a short story about {a:topic}.|Tell me a story about {a:topic}.|Write a story about "
    "{a:topic}.|"
    "Please tell a short story about {a:topic}.|Can you tell me a story about {a:topic}?|"
    "I would like a story about {a:topic}.|Make up a story about {a:topic}.|Write a few sentences "
    "about {a:topic}.|"
    "Tell a bedtime story about {a:topic}.|Write a short tale about {a:topic}.|Give me a story "
    "with {a:topic} in it.|"
    "Story about {a:topic}, please.|Write a children's story about {a:topic}.|Invent a short story "
    "about {a:topic}.";

static const char more_requests[] =
    "Tell me a tale about {a:topic}.|Tell us a story about {a:topic}.|Do you know a story about "
    "{a:topic}?|A story about {a:topic}, please.|A short story about {a:topic}.|"
    "Please write a little story about {a:topic}.|Could you write a story about {a:topic}?|Let me "
    "hear a story about {a:topic}.|Write me a story about {a:topic}.|Story: {a:topic}.|"
    "Please tell me a tale about {a:topic}.|Write down a story about {a:topic}.|Tell a little tale "
    "about {a:topic}.|I want to read a story about {a:topic}.|Write a tale of {a:topic}.|"
    "Give me a short story about {a:topic}.|Think of a story about {a:topic}.|Can I have a story "
    "about {a:topic}?|Now a story about {a:topic}.|Tell me about {a:topic} in a story.";

/* Each part is one sentence or two. */
#define PARTS 6

typedef struct plot {
    const char *topic; /* what kind of thing it is about */
    const char *parts[PARTS];
} plot;

static const plot plots[] = {
    {"animal",
     {"Once upon a time there was {a:trait} {topic} called {pet}.|Once there lived {a:topic} named "
      "{pet}.|"
      "{pet} was {a:trait} {topic}.|Long ago, {a:trait} {topic} called {pet} lived near "
      "{town}.|There once was {a:look} {topic} whose name was {pet}.|"
      "In {a:place} near {town} lived {a:topic} called {pet}.",
      "The {topic} lived {where} and loved {s:food}.|Every day {pet} played {prep} the {spot}.|The "
      "{topic} wanted to see the {place}.|"
      "{pet} wished for nothing so much as {a:thing}.|The {topic} had {a:colour} {thing} and was "
      "proud of it.|{pet} dreamed of {hobby}.",
      "One {season} day {pet} lost the way.|One day the {topic} found {a:look} {thing}.|One night "
      "there was {weather}, and the {topic} was {mood}.|"
      "But one morning the {spot} was empty.|One day {pet} heard a strange noise behind the "
      "{spot}.|But nobody would play with the {topic}.",
      "{A:animal} came by and said, \"Do not be afraid.\"|Then {pet} met {a:trait} {animal}, and "
      "they became friends.|{name} heard the {topic} and came to help.|"
      "\"I can help you,\" said {a:trait} {animal}.|{name} the {job} stopped and "
      "smiled.|{A:animal} showed {pet} the way to the {place}.",
      "Together they looked {prep} the {spot} and found the {thing2}.|They walked all day until "
      "they saw the {place2}.|They shared the {food} and talked until {at}.|"
      "The {topic} thought for a while and had a good idea.|They built {a:thing2} of {material} "
      "and tried it.|So the {topic} learned something new that day.",
      "From that day on the {topic} was never alone.|In the end {pet} was happy and went home.|And "
      "the {topic} slept well that night.|"
      "After that, everybody in {town} knew the {topic}.|The {topic} was {mood} and thanked "
      "everyone.|And {pet} never forgot it."}},
    {"thing",
     {"{name} found {a:look} {topic} {where}.|One day {name} got {a:topic} as a present.|{name} "
      "had {a:colour} {topic}.|"
      "In a shop in {town} there was {a:look} {topic}.|{name} was {a:job} who owned "
      "{a:topic}.|Nobody knew who had left the {topic} {where}.",
      "The {topic} was old, but {he} liked it very much.|{He} took the {topic} everywhere.|{He} "
      "cleaned the {topic} and put it {prep} the {spot}.|"
      "The {topic} was made of {material}.|{He} showed the {topic} to {name2}.|{He} did not know "
      "that the {topic} could talk.",
      "One {season} morning the {topic} was gone.|Then one day the {topic} broke.|One night {he} "
      "heard a voice, and it was the {topic}.|"
      "But {name2} wanted the {topic} too.|On {day} {he} forgot the {topic} at the {place}.|Then "
      "the {topic} began to shine.",
      "{name} looked {prep} the {spot} and {prep2} the {spot2}.|{name} asked {name2} for "
      "help.|{A:animal} had seen everything.|"
      "{name2} said, \"I know {a:job} who can help.\"|{He} sat down and thought about the "
      "{topic}.|They went to the {place2} together.",
      "There was the {topic}, {prep} the {spot3}.|With {a:thing} they mended the {topic}.|\"Here "
      "it is,\" said {name2} and gave {him} the {topic}.|"
      "It took {few} days, but they did not give up.|At last {he} understood what the {topic} was "
      "for.|A {trait} {animal} brought the {topic} back.",
      "{name} was {mood} and put the {topic} {prep} the {spot4}.|Since then {name} has taken good "
      "care of the {topic}.|That evening they ate {food} and laughed.|"
      "The {topic} still stands there today.|And the {topic} was never lost again.|Everyone in "
      "{town} talks about the {topic}."}},
    {"job",
     {"{name} was {a:topic} in {town}.|Once there was {a:trait} {topic} called {name}.|In {town} "
      "there lived {a:topic} named {name}.|"
      "{name} had always wanted to be {a:topic}.|{A:trait} {topic} came to {town} one "
      "{season}.|Long ago there was {a:topic}, and {his} name was {name}.",
      "The {topic} worked hard every day.|People came to the {topic} from far away.|The {topic} "
      "had only {a:thing} and {a:animal}.|"
      "Every morning the {topic} got up {at}.|{He} was a good {topic}, but {he} was {mood}.|{He} "
      "loved {food} and {hobby}.",
      "One day {name2} came to the {topic} with {a:look} {thing2}.|One {season} the {place} of "
      "{town} burned down.|One day the {topic} had no work.|"
      "Then {weather} came to {town}.|One morning {his} best {thing2} was gone.|One day a letter "
      "came for the {topic}.",
      "The {topic} said, \"I will try.\"|{name2} asked, \"Can you help me?\"|Nobody knew what to "
      "do.|The {topic} took {his} {thing3} and went to work.|"
      "{A:trait} {animal2} followed {him}.|{He} thought about it all night.",
      "After {few} days the work was done.|With {a:thing3} and some {material} the {topic} made it "
      "right.|Soon everyone came to help the {topic}.|"
      "It was not easy, but the {topic} did not stop.|In the end {he} found the answer {prep} the "
      "{spot}.|{name2} brought {food}, and they worked together.",
      "The people of {town} thanked the {topic}.|And so the {topic} became famous.|From that day "
      "on the {topic} was {mood}.|"
      "The {topic} lived in {town} for many years.|{name2} gave {him} {a:thing4}, and the {topic} "
      "smiled.|That is why people still love the {topic}."}},
    {"place",
     {"Near {town} there was {a:look} {topic}.|{name} lived beside {a:topic}.|Nobody went to the "
      "{topic} after dark.|"
      "{name} and {name2} wanted to see the {topic}.|There was once {a:topic} that nobody "
      "knew.|Every {day} {name} walked to the {topic}.",
      "The {topic} was very old.|People said that {a:animal} lived in the {topic}.|The {topic} was "
      "full of {s:thing}.|"
      "In {season} the {topic} was beautiful.|The way to the {topic} was long.|{name} loved the "
      "{topic} more than any other place.",
      "One day {name} went to the {topic} alone.|One {season} evening there was a light in the "
      "{topic}.|Then {weather} came, and the {topic} was closed.|"
      "One day {name} found {a:thing2} at the {topic}.|Suddenly {he} heard a noise.|One morning "
      "the {topic} was empty.",
      "{He} was {mood}, but {he} went on.|{A:trait} {animal2} sat {prep} the {spot}.|There stood "
      "{a:job} with {a:thing3}.|"
      "\"Who are you?\" asked a voice.|{He} looked {prep} the {spot2}.|{name} called, but nobody "
      "answered.",
      "It was only {a:animal3} that had lost its way.|They talked for a long time and ate "
      "{food}.|{He} found {few} {s:thing4} there.|"
      "Together they cleaned the {topic}.|Then the sun came out again.|Now {he} knew the secret of "
      "the {topic}.",
      "After that {name} came to the {topic} every {day2}.|Now the {topic} is open to "
      "everyone.|{name} never forgot that day at the {topic}.|"
      "And the {topic} was never lonely again.|Since then people have loved the {topic}.|That was "
      "the story of the {topic}."}},
};

bool ph_textbook_write_story(ph_tb *t)
{
    static const unsigned char shares[] = {0, 0, 0, 0, 1, 1, 1, 2, 2, 3};
    const plot *p = &plots[shares[ph_tb_below(t, sizeof shares)]];
    ph_buf *out = &t->ex->completion;
    if (!ph_tb_set_topic(t, p->topic) ||
        !ph_tb_request(t, ph_tb_chance(t, 50) ? requests : more_requests))
        return false;
    for (size_t i = 0; i < PARTS; i++) {
        if (i == 4 && ph_tb_chance(t, 15))
            continue;
        ph_buf_add_str(out, " ");
        size_t from = out->len;
        if (!ph_tb_say(t, out, p->parts[i]))
            return false;
        char *c = &out->data[from];
        *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
    }
    return true;
}
