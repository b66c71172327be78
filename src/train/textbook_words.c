/* Words in no order, half of them invented, and once more. Nothing but looking back helps, so a
 * model from nothing finds out within some hundred steps how that is done, which takes it very long
 * where guessing helps too; and it writes pieces of words that are rare elsewhere. */
#include "train/textbook_ask.h"
#include "train/textbook_kinds.h"
#include "train/textbook_value.h"

#define MIN_WORDS 4
#define MAX_WORDS 28

static const char again[] = "Repeat these words.\n%p|Say again: %p|%p\nOnce more.|Repeat: %p|"
                            "%p\nThe same again.|Words: %p";

static bool add_word(ph_tb *t, ph_buf *out)
{
    char word[PH_TB_INVENTED];
    ph_tb_slot slot = {.name = ""};
    if (ph_tb_chance(t, 50)) {
        ph_str made = ph_tb_invent(t, word, ph_tb_invent_length(t), ph_tb_chance(t, 25), false);
        return ph_buf_add(out, made.p, made.n);
    }
    return ph_tb_draw_any(t, &slot) && ph_buf_add_str(out, slot.value);
}

bool ph_textbook_write_words(ph_tb *t)
{
    ph_textbook_example *ex = t->ex;
    ph_buf *request = &t->room->request;
    size_t n = MIN_WORDS + ph_tb_below(t, MAX_WORDS - MIN_WORDS + 1);
    for (size_t i = 0; i < n; i++) {
        if ((i > 0 && !ph_buf_add_byte(&ex->answer, ' ')) || !add_word(t, &ex->answer))
            return false;
    }
    ph_buf_clear(request);
    ph_tb_fill_layout(request, ph_tb_pick(t, again, '|'), &ex->answer, &ex->answer);
    ph_tb_add_request(&ex->prompt, ph_tb_pick_form(t), (ph_str){request->data, request->len});
    ph_buf_addf(&ex->completion, " %s", ex->answer.data);
    return true;
}
