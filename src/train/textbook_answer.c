/* Questions whose answer stands in the passage. */
#include "train/textbook_ask.h"
#include "train/textbook_kinds.h"

bool ph_textbook_write_answer(ph_tb *t)
{
    return ph_tb_ask_passage(t, false);
}
