/* Saying again what stands in a text, all of it or what follows some words: reading begins with
 * finding a place by what stands before it, and here nothing else helps. */
#include "train/textbook_ask.h"
#include "train/textbook_kinds.h"
#include "train/textbook_passage.h"

static const char again[] = "Repeat this: %p|Say this again.\n%p|Copy the text.\n%p|"
                            "Repeat after me: %p|%p\nSay it again.|%p\nRepeat the text.|"
                            "Write this down once more: %p";
static const char go_on[] = "%p\nHow does the text go on after \"%q\"?|%p What comes after \"%q\"?|"
                            "What follows \"%q\" in this text?\n%p|Text: %p\nGo on from \"%q\".|"
                            "Read the text.\n%p\nWhat stands behind \"%q\"?|%p\nContinue: %q";

/* The beginning of word number n, or the end. */
static size_t word_at(const ph_buf *text, size_t n)
{
    size_t at = 0;
    for (; at < text->len && n > 0; at++)
        n -= text->data[at] == ' ';
    return at;
}

/* Two to four words that stand there once, and what follows them up to the end of the sentence. */
static bool draw_place(ph_tb *t, const ph_buf *text, ph_buf *words, ph_buf *rest)
{
    size_t n_words = 1;
    for (size_t i = 0; i < text->len; i++)
        n_words += text->data[i] == ' ';
    size_t n = 2 + ph_tb_below(t, 3);
    if (n_words < n + 2)
        return false;
    size_t first = ph_tb_below(t, n_words - n);
    size_t from = word_at(text, first), to = word_at(text, first + n);
    ph_buf_add(words, text->data + from, to - from - 1);
    const char *stop = strstr(text->data + to, ". ");
    size_t end = stop ? (size_t)(stop - text->data) + 1 : text->len;
    ph_buf_add(rest, text->data + to, end - to);
    return strpbrk(words->data, ".?\"") == NULL && rest->len > 0 &&
           strstr(text->data + from + 1, words->data) == NULL &&
           strstr(text->data, words->data) == text->data + from;
}

bool ph_textbook_write_copy(ph_tb *t)
{
    ph_textbook_example *ex = t->ex;
    ph_buf *request = &t->room->request;
    ph_tb_passage_clear(t->passage);
    if (!ph_tb_passage_add(t, &ex->passage, ph_tb_passage_length(t)))
        return false;
    bool whole = ph_tb_chance(t, 50);
    if (whole)
        ph_buf_add(&ex->answer, ex->passage.data, ex->passage.len);
    else if (!draw_place(t, &ex->passage, &ex->question, &ex->answer))
        return false;
    ph_buf_clear(request);
    ph_tb_fill_layout(request, ph_tb_pick(t, whole ? again : go_on, '|'), &ex->passage,
                      &ex->question);
    ph_tb_add_request(&ex->prompt, ph_tb_pick_form(t), (ph_str){request->data, request->len});
    ph_buf_addf(&ex->completion, " %s", ex->answer.data);
    return true;
}
