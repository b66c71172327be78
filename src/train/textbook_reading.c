/* A passage and its questions as one text, like an exercise in a book: everything in it is learned,
 * the passage too, which is where copying is learned first. */
#include "train/textbook_ask.h"
#include "train/textbook_kinds.h"
#include "train/textbook_passage.h"

#define QUESTIONS 5

/* True if the text has the question already. */
static bool has(const ph_buf *text, const ph_buf *question)
{
    return memmem(text->data, text->len, question->data, question->len) != NULL;
}

bool ph_textbook_write_reading(ph_tb *t)
{
    ph_textbook_example *ex = t->ex;
    ph_tb_passage_clear(t->passage);
    if (!ph_tb_passage_add(t, &ex->passage, 1 + ph_tb_passage_length(t)))
        return false;
    ph_buf_add(&ex->completion, ex->passage.data, ex->passage.len);
    size_t n = 0;
    for (int tries = 0; tries < 3 * QUESTIONS && n < QUESTIONS; tries++) {
        bool absent = ph_tb_chance(t, t->options->absent);
        if (!ph_tb_draw_question(t, absent, &ex->question, &ex->answer))
            continue;
        if (has(&ex->completion, &ex->question))
            continue;
        ph_buf_addf(&ex->completion, "\nQuestion: %s\nAnswer: %s", ex->question.data,
                    ex->answer.data);
        n++;
    }
    ph_buf_clear(&ex->question);
    ph_buf_clear(&ex->answer);
    return n > 1;
}
