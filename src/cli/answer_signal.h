/* Ctrl-C while an answer is written: the answer ends, not the program.
 *
 * Between ph_answer_begin() and ph_answer_end() SIGINT (and, if asked for, SIGTERM) cancels the
 * sessions that are registered and sets a flag; a second one during the same answer has its old
 * meaning, which usually is the end of the program.
 */
#ifndef PH_CLI_ANSWER_SIGNAL_H
#define PH_CLI_ANSWER_SIGNAL_H

#include <stdbool.h>

#include "phial/session.h"

void ph_answer_begin(bool term_too);
void ph_answer_end(void);
bool ph_answer_interrupted(void);

/* At most PH_ANSWER_SESSIONS at a time; more are not cancelled in mid-step, but by the flag. Take a
 * session out before it is freed. */
#define PH_ANSWER_SESSIONS 1024
void ph_answer_add(phial_session *session);
void ph_answer_remove(phial_session *session);

#endif
