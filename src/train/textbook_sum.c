/* Arithmetic. A fifth of the pairs of numbers, by hash and in either order, is held out.
 *
 * Sums are written as people write them; a tokenizer for them should give each digit a token of its
 * own (phial textbook write --tokenizer leaves digits out of its text for that reason).
 */
#include <stdio.h>

#include "base/hash.h"
#include "train/textbook_kinds.h"

#define PAIR_SEED 0x73756d73u

static const char ask_sum[] =
    "What is {x} + {y}?|What is {x} + {y}?|What is {x} + {y}?|{x} + {y} =|Calculate {x} + {y}.|"
    "What is {x} plus {y}?|Add {x} and {y}.|What is the sum of {x} and {y}?|{x} + {y}|"
    "How much is {x} + {y}?|Please add {x} and {y}.|{x} + {y} = ?|What do {x} and {y} make?|"
    "Compute {x} + {y}.|Tell me what {x} + {y} is.|What does {x} + {y} give?|Find {x} + {y}.|"
    "What is {x}+{y}?|How much is {x} plus {y}?|Work out {x} + {y}.";
static const char ask_difference[] =
    "What is {x} - {y}?|What is {x} - {y}?|{x} - {y} =|What is {x} minus {y}?|"
    "Take {y} away from {x}.|Calculate {x} - {y}.|How much is {x} - {y}?|Subtract {y} from {x}.";
static const char ask_product[] =
    "What is {x} * {y}?|What is {x} times {y}?|{x} * {y} =|Multiply {x} by {y}.|"
    "How much is {x} times {y}?|Calculate {x} * {y}.";
static const char ask_story[] =
    "{name} has {x} {s:thing} and gets {y} more. How many {s:thing} does {he} have now?|"
    "There are {x} {s:animal} and {y} {s:animal2} on a farm. How many animals are there?|"
    "{name} has {x} {s:fruit} and {name2} has {y}. How many do they have together?|"
    "{name} read {x} pages on {day} and {y} pages on {day2}. How many pages is that?|"
    "A shop sold {x} {s:thing} before noon and {y} after noon. How many did it sell?";
static const char ask_larger[] =
    "Which is larger, {x} or {y}?|Which number is bigger, {x} or {y}?|What is more, {x} or {y}?";

static bool is_held(uint64_t a, uint64_t b)
{
    uint64_t pair[2] = {a < b ? a : b, a < b ? b : a};
    return ph_hash64(pair, sizeof pair, PAIR_SEED) % 5 == 0;
}

/* Two numbers below the limits, on this split's side. */
static void draw_pair(ph_tb *t, uint64_t from, uint64_t to, uint64_t *a, uint64_t *b)
{
    bool held = t->options->split == PH_TEXTBOOK_TEST;
    do {
        *a = from + ph_rng_below(&t->rng, to - from);
        *b = from + ph_rng_below(&t->rng, to - from);
    } while (is_held(*a, *b) != held);
}

static void bind(ph_tb *t, uint64_t a, uint64_t b)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)a);
    ph_tb_slot_set(&t->env, "x", text);
    snprintf(text, sizeof text, "%llu", (unsigned long long)b);
    ph_tb_slot_set(&t->env, "y", text);
}

static bool ask(ph_tb *t, const char *group, uint64_t a, uint64_t b, uint64_t result)
{
    ph_textbook_example *ex = t->ex;
    bind(t, a, b);
    if (!ph_tb_say(t, &ex->question, group))
        return false;
    ph_tb_add_request(&ex->prompt, ph_tb_pick_form(t),
                      (ph_str){ex->question.data, ex->question.len});
    ph_buf_addf(&ex->answer, "%llu", (unsigned long long)result);
    ph_buf_addf(&ex->completion, " %s", ex->answer.data);
    return true;
}

/* Many sums as one text. */
static bool write_list(ph_tb *t)
{
    size_t n = 6 + ph_tb_below(t, 10);
    bool small = ph_tb_chance(t, 20);
    for (size_t i = 0; i < n; i++) {
        uint64_t a, b;
        draw_pair(t, small ? 0 : 10, small ? 10 : 100, &a, &b);
        ph_buf_addf(&t->ex->completion, "%s%llu + %llu = %llu", i > 0 ? "\n" : "",
                    (unsigned long long)a, (unsigned long long)b, (unsigned long long)(a + b));
    }
    return true;
}

bool ph_textbook_write_sum(ph_tb *t)
{
    uint64_t a, b;
    unsigned r = (unsigned)ph_tb_below(t, 100);
    if (r < 20)
        return write_list(t);
    if (r < 75) {
        draw_pair(t, 10, 100, &a, &b);
        return ask(t, ask_sum, a, b, a + b);
    }
    if (r < 81) {
        draw_pair(t, 0, 100, &a, &b);
        return ask(t, ask_sum, a, b, a + b);
    }
    if (r < 84) {
        draw_pair(t, 100, 1000, &a, &b);
        return ask(t, ask_sum, a, b, a + b);
    }
    if (r < 88) {
        draw_pair(t, 2, 50, &a, &b);
        return ask(t, ask_story, a, b, a + b);
    }
    if (r < 93) {
        draw_pair(t, 1, 100, &a, &b);
        return ask(t, ask_difference, a > b ? a : b, a > b ? b : a, a > b ? a - b : b - a);
    }
    if (r < 97) {
        draw_pair(t, 0, 13, &a, &b);
        return ask(t, ask_product, a, b, a * b);
    }
    draw_pair(t, 1, 1000, &a, &b);
    return a != b && ask(t, ask_larger, a, b, a > b ? a : b);
}
