/* A conversation about one passage: several questions, each with its answer or without one. The
 * passage is read once for all of them, which makes the most of every token. */
#include "train/textbook_ask.h"
#include "train/textbook_kinds.h"
#include "train/textbook_passage.h"

/* A sentence is good for two or three questions; more would be asked again in other words. */
#define PER_SENTENCE 3
#define QUESTIONS 16

/* True if somebody said so before. */
static bool was_said(const ph_buf *dialog, const ph_buf *text)
{
    return dialog->len > 0 && memmem(dialog->data, dialog->len, text->data, text->len) != NULL;
}

static void say(ph_buf *dialog, const ph_buf *text)
{
    ph_buf_add(dialog, text->data, text->len);
    ph_buf_add_byte(dialog, 0);
}

bool ph_textbook_write_dialog(ph_tb *t)
{
    ph_textbook_example *ex = t->ex;
    size_t n = 0, sentences = 1 + ph_tb_passage_length(t);
    size_t want = sentences + ph_tb_below(t, (PER_SENTENCE - 1) * sentences + 1);
    ph_tb_passage_clear(t->passage);
    if (!ph_tb_passage_add(t, &ex->passage, sentences))
        return false;
    for (size_t tries = 0; tries < 3 * want && n < want && n < QUESTIONS; tries++) {
        bool absent = ph_tb_chance(t, t->options->absent);
        if (!ph_tb_draw_question(t, absent, &ex->question, &ex->answer) ||
            was_said(&ex->dialog, &ex->question))
            continue;
        if (n == 0) {
            ph_tb_add_layout(t, &ex->dialog, &ex->passage, &ex->question);
            ph_buf_add_byte(&ex->dialog, 0);
        } else {
            say(&ex->dialog, &ex->question);
        }
        say(&ex->dialog, &ex->answer);
        n++;
    }
    ph_buf_clear(&ex->question);
    ph_buf_clear(&ex->answer);
    return n > 1;
}
