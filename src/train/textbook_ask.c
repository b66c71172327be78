/* A passage and a question as a prompt. */
#include "train/textbook_ask.h"

#include "tok/passages.h"
#include "train/textbook_passage.h"

/* %p is the passage, %q the question. The plainest two are what people type; they come often. */
static const char plain_layouts[] = "%p\n%q|%p %q";
static const char layouts[] =
    "Read the passage and answer the question.\n%p\nQuestion: %q|"
    "Passage: %p\nQuestion: %q|%q\n%p|Read this: %p\n%q|%p\n\n%q|Text: %p\nQuestion: %q|"
    "Answer the question from the text.\n%p\n%q|%p\nQuestion: %q|Here is a text. %p\n%q|"
    "Use the passage to answer.\n\n%p\n\n%q|Question: %q\nPassage: %p|"
    "Read the text.\n%p\nNow answer: %q|%p Now tell me: %q|I read this: %p %q|"
    "Context: %p\n\nQuestion: %q|Look at the passage. %p %q|Text:\n%p\n\n%q";

size_t ph_tb_passage_length(ph_tb *t)
{
    static const size_t lengths[] = {1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6, 7};
    return lengths[ph_tb_below(t, sizeof lengths / sizeof lengths[0])];
}

void ph_tb_fill_layout(ph_buf *out, ph_str layout, const ph_buf *passage, const ph_buf *question)
{
    for (size_t i = 0; i < layout.n; i++) {
        if (layout.p[i] != '%') {
            ph_buf_add_byte(out, (uint8_t)layout.p[i]);
            continue;
        }
        const ph_buf *part = layout.p[++i] == 'p' ? passage : question;
        ph_buf_add(out, part->data, part->len);
    }
}

void ph_tb_add_layout(ph_tb *t, ph_buf *out, const ph_buf *passage, const ph_buf *question)
{
    ph_tb_fill_layout(out, ph_tb_pick(t, ph_tb_chance(t, 60) ? plain_layouts : layouts, '|'),
                      passage, question);
}

bool ph_tb_draw_question(ph_tb *t, bool absent, ph_buf *question, ph_buf *answer)
{
    if (!absent)
        return ph_tb_passage_ask(t, question, answer);
    ph_buf_clear(answer);
    ph_buf_add_str(answer, PH_PASSAGES_NOT_TOLD);
    return ph_tb_passage_ask_absent(t, question);
}

/* An earlier question about the passage with its answer, as turns that came before. */
static bool add_earlier(ph_tb *t, ph_tb_form form, ph_buf *question, ph_buf *answer)
{
    ph_textbook_example *ex = t->ex;
    if (!ph_tb_draw_question(t, ph_tb_chance(t, t->options->absent), question, answer))
        return false;
    ph_buf *request = &t->room->request;
    ph_buf_clear(request);
    ph_tb_fill_layout(request, ph_tb_pick(t, plain_layouts, '|'), &ex->passage, question);
    ph_tb_add_request(&ex->prompt, form, (ph_str){request->data, request->len});
    ph_buf_addf(&ex->prompt, " %s\n", answer->data);
    return true;
}

static bool same(const ph_buf *a, const ph_buf *b)
{
    return ph_str_eq((ph_str){a->data, a->len}, (ph_str){b->data, b->len});
}

bool ph_tb_ask_passage(ph_tb *t, bool absent)
{
    ph_textbook_example *ex = t->ex;
    ph_buf *earlier = &t->room->earlier, *request = &t->room->request;
    ph_tb_passage_clear(t->passage);
    if (!ph_tb_passage_add(t, &ex->passage, ph_tb_passage_length(t)))
        return false;
    ph_tb_form form = ph_tb_pick_form(t);
    bool second = ph_tb_chance(t, 12);
    if (second && !add_earlier(t, form, earlier, &ex->answer))
        return false;
    if (!ph_tb_draw_question(t, absent, &ex->question, &ex->answer) ||
        (second && same(earlier, &ex->question)))
        return false;
    ph_buf_clear(request);
    if (second)
        ph_buf_add(request, ex->question.data, ex->question.len);
    else
        ph_tb_add_layout(t, request, &ex->passage, &ex->question);
    ph_tb_add_request(&ex->prompt, form, (ph_str){request->data, request->len});
    ph_buf_addf(&ex->completion, " %s", ex->answer.data);
    return true;
}

bool ph_tb_ask_numbered(ph_tb *t, size_t most_passages, size_t most_sentences)
{
    ph_textbook_example *ex = t->ex;
    size_t n = 1 + ph_tb_below(t, most_passages), ends[PH_TB_PASSAGES_MAX] = {0};
    ph_str passages[PH_TB_PASSAGES_MAX];
    ph_tb_passage_clear(t->passage);
    for (size_t i = 0; i < n; i++) {
        ph_buf *one = &t->room->request;
        ph_buf_clear(one);
        if (!ph_tb_passage_add(t, one, 1 + ph_tb_below(t, most_sentences)))
            return false;
        if (i > 0)
            ph_buf_add_byte(&ex->passage, '\n');
        ph_buf_add(&ex->passage, one->data, one->len);
        ends[i] = ex->passage.len;
    }
    bool absent = ph_tb_chance(t, t->options->absent);
    if (absent)
        ph_buf_add_str(&ex->answer, PH_PASSAGES_NOT_TOLD);
    if (absent ? !ph_tb_passage_ask_absent(t, &ex->question)
               : !ph_tb_passage_ask(t, &ex->question, &ex->answer))
        return false;
    for (size_t i = 0, from = 0; i < n; i++) {
        passages[i] = (ph_str){ex->passage.data + from, ends[i] - from};
        from = ends[i] + 1;
    }
    ph_buf *request = &t->room->request;
    ph_buf_clear(request);
    ph_passages_add_request(request, passages, n, (ph_str){ex->question.data, ex->question.len});
    ph_tb_add_request(&ex->prompt, ph_tb_chance(t, 80) ? PH_TB_INSTRUCT : PH_TB_CHAT,
                      (ph_str){request->data, request->len});
    ph_buf_addf(&ex->completion, " %s", ex->answer.data);
    return true;
}
