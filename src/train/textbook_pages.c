/* The same over passages as long as those of documents: most of what is read does not matter. */
#include "train/textbook_ask.h"
#include "train/textbook_kinds.h"

bool ph_textbook_write_pages(ph_tb *t)
{
    return ph_tb_ask_numbered(t, 5, 14);
}
