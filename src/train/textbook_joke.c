/* Jokes: a question and its answer, or two lines of talk, made of puns that fit a class of
 * topics. */
#include "train/textbook_kinds.h"
#include "train/textbook_tales.h"

static const char requests[] =
    "Tell me a joke about {a:topic}.|Tell a joke about {a:topic}.|Do you know a joke about "
    "{s:topic}?|Write a joke about {a:topic}.|"
    "Make a joke about {a:topic}.|Give me a joke about {s:topic}.|A joke about {a:topic}, "
    "please.|I want to hear a joke about {a:topic}.|"
    "Can you tell me a joke about {a:topic}?|Please tell me a funny joke about {a:topic}.|Say "
    "something funny about {a:topic}.|Joke about {s:topic}.";

static const char more_requests[] =
    "Tell us a joke about {a:topic}.|Do you know any jokes about {s:topic}?|Please tell a joke "
    "about {a:topic}.|Write a funny joke about {a:topic}.|Let me hear a joke about {s:topic}.|"
    "A joke about {s:topic}.|Could you tell a joke about {a:topic}?|Make me laugh about "
    "{s:topic}.|I would like a joke about {a:topic}.|Give me a funny joke about {a:topic}.|"
    "Write something funny about {a:topic}.|Tell something funny about {s:topic}.|Make up a joke "
    "about {a:topic}.|Joke: {a:topic}.|Can I have a joke about {s:topic}?|"
    "Think of a joke about {a:topic}.|Now a joke about {s:topic}.|Please make a joke about "
    "{a:topic}.|Tell me something funny about {a:topic}.|Tell me a funny joke about {a:topic}.";

typedef struct class_jokes {
    const char *topic;
    const char *jokes;
} class_jokes;

static const class_jokes classes[] = {
    {"animal",
     "Why did the {topic} cross the road? Because the chicken was on holiday.|What do you call "
     "{a:topic} in the rain? Wet.|"
     "Why does the {topic} never play cards? Because there are too many cheetahs around.|Where "
     "does {a:topic} go when it loses its tail? To the retail store.|"
     "Why did the {topic} sit on the clock? It wanted to be on time.|What did the {topic} say to "
     "the {animal}? Nothing, animals cannot talk.|"
     "How does {a:topic} like its eggs? On somebody else's plate.|Why did the {topic} bring a "
     "ladder? It wanted to go to high school.|"
     "What do you get if you cross {a:topic} with a computer? A lot of bytes.|Why is the {topic} "
     "so good at its job? It always does its beast.|"
     "What does {a:topic} read in the morning? The newspaper, if it is not too busy with its "
     "tale.|Why was the {topic} late for work? It had to paws for a while.|"
     "What is the favourite day of {a:topic}? Any day that is not a {day}, it has fur-gotten "
     "which.|Why did the {topic} go to the {job}? Because it felt a little hoarse.|"
     "A {topic} walks into a shop and asks for {food}. \"We have none,\" says the {job}. \"Then I "
     "will be back on {day},\" says the {topic}.|"
     "Why did the {topic} look at the {thing}? It wanted to see what all the fuzz was about."},
    {"thing",
     "Why did the {topic} go to school? It wanted to be a little sharper.|Why was the {topic} so "
     "tired? It had been up all night for no reason.|"
     "What did the {topic} say to the {thing}? \"You are always in my space.\"|Why did the {topic} "
     "break up with the {thing}? They had nothing to hold on to.|"
     "What do you call {a:topic} that sings? A broken record.|Why is the {topic} a good friend? It "
     "never talks behind your back.|"
     "How many people does it take to move {a:topic}? Ten: one to move it and nine to give "
     "advice.|Why did {name} put the {topic} in the fridge? To make it look cool.|"
     "Why did the {topic} blush? It saw the {thing} undressed, without its box.|I had a joke about "
     "{a:topic}, but I left it {prep} the {spot}.|"
     "Why did {name} take {a:topic} to bed? To sleep on it.|What is the best thing about "
     "{a:topic}? It never asks for {food}.|"
     "\"Doctor, doctor, I feel like {a:topic}!\" \"Do not worry, I will put you back on the "
     "shelf.\"|Who won the race, the {topic} or the {thing}? Nobody, they both stood still.|"
     "{name} bought {a:topic} for {price}. \"Does it work?\" asked {name2}. \"No,\" said {name}, "
     "\"it is like my {relative}.\""},
    {"food",
     "Why did the {topic} go to the doctor? It did not peel well.|What do you call {a:topic} that "
     "is sad? A blue berry.|"
     "Why did the {topic} stop in the middle of the road? It ran out of juice.|What did the "
     "{topic} say to the {food}? \"Lettuce be friends.\"|"
     "Why was the {topic} so happy? It was on a roll.|How do you mend a broken {topic}? With "
     "tomato paste.|Why did the {topic} cross the kitchen? To ketchup with the {food}.|"
     "\"Waiter, there is a fly in my {topic}!\" \"Do not worry, it will not eat much.\"|Why does "
     "nobody tell secrets to {a:topic}? Because it always spills the beans.|"
     "What is the favourite music of the {topic}? Jam.|Why did {name} stare at the {topic}? "
     "Because the recipe said to look at it for {num} minutes.|"
     "Why did the {topic} win the prize? It was outstanding in its field."},
    {"job",
     "Why did the {topic} bring a pencil to bed? To draw the curtains.|Why was the {topic} always "
     "calm? Because nothing could make {him} lose patients.|"
     "How many {s:topic} does it take to change a light bulb? One, but it takes {him} all day.|Why "
     "did the {topic} take {a:thing} to work? {He} wanted to make a good impression.|"
     "What did the {topic} say at the end of the day? \"That is all for work and no pay.\"|Why did "
     "the {topic} cross the road? To get to the other job.|"
     "A {topic} walks into a shop. \"How are you?\" asks the {job}. \"Busy,\" says the {topic}, "
     "\"I am standing here.\"|Why did the {topic} quit? The work had its ups and downs.|"
     "Why did the {topic} marry the {job}? It was love at first site.|What is the favourite food "
     "of {a:topic}? {Food}, because it comes in breaks.|"
     "Why did the {topic} sleep under the {spot}? {He} wanted to work undercover.|\"My {relative} "
     "is {a:topic},\" says {name}. \"Is it hard?\" \"No, only the chairs are.\""},
};

bool ph_textbook_write_joke(ph_tb *t)
{
    const class_jokes *c = &classes[ph_tb_below(t, sizeof classes / sizeof classes[0])];
    if (!ph_tb_set_topic(t, c->topic) ||
        !ph_tb_request(t, ph_tb_chance(t, 50) ? requests : more_requests))
        return false;
    ph_buf_add_byte(&t->ex->completion, ' ');
    return ph_tb_say(t, &t->ex->completion, c->jokes);
}
