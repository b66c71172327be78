/* Questions that the passage does not answer. */
#include "train/textbook_ask.h"
#include "train/textbook_kinds.h"

bool ph_textbook_write_absent(ph_tb *t)
{
    return ph_tb_ask_passage(t, true);
}
