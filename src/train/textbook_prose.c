/* Plain texts: passages and stories without a request. */
#include "train/textbook_ask.h"
#include "train/textbook_kinds.h"
#include "train/textbook_passage.h"

bool ph_textbook_write_prose(ph_tb *t)
{
    ph_textbook_example *ex = t->ex;
    if (ph_tb_chance(t, 50)) {
        bool ok = ph_textbook_write_story(t);
        ph_buf_clear(&ex->prompt);
        return ok;
    }
    ph_tb_passage_clear(t->passage);
    bool ok = ph_tb_passage_add(t, &ex->completion, 2 + ph_tb_passage_length(t));
    ph_buf_add(&ex->passage, ex->completion.data, ex->completion.len);
    return ok;
}
