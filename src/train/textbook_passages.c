/* A question over numbered passages, in the form that questions over documents have. */
#include "tok/passages.h"
#include "train/textbook_kinds.h"
#include "train/textbook_passage.h"

#define PASSAGES 4

bool ph_textbook_write_passages(ph_tb *t)
{
    ph_textbook_example *ex = t->ex;
    size_t n = 1 + ph_tb_below(t, PASSAGES), ends[PASSAGES] = {0};
    ph_str passages[PASSAGES];
    ph_tb_passage_clear(t->passage);
    for (size_t i = 0; i < n; i++) {
        ph_buf *one = &t->room->request;
        ph_buf_clear(one);
        if (!ph_tb_passage_add(t, one, 1 + ph_tb_below(t, 3)))
            return false;
        if (i > 0)
            ph_buf_add_byte(&ex->passage, '\n');
        ph_buf_add(&ex->passage, one->data, one->len);
        ends[i] = ex->passage.len;
    }
    bool absent = ph_tb_chance(t, 30);
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
