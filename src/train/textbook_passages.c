/* A question over numbered passages, in the form that questions over documents have. */
#include "train/textbook_ask.h"
#include "train/textbook_kinds.h"

bool ph_textbook_write_passages(ph_tb *t)
{
    return ph_tb_ask_numbered(t, 4, 3);
}
