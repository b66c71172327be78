/* An answer from documents as it is shown: for people, and as JSON. */
#ifndef PH_CLI_ASK_VIEW_H
#define PH_CLI_ASK_VIEW_H

#include "cli/cli_io.h"
#include "phial/answer.h"

/* streamed: the answer's text is on the screen already. */
void ph_ask_show(const phial_answer *answer, bool streamed);
/* The passages with where they come from. */
void ph_ask_show_passages(const phial_answer *answer);

/* The object of COMMANDS; NULL when memory is short. */
ph_json *ph_ask_json(const phial_answer *answer);

#endif
