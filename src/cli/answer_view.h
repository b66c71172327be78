/* An answer as it is shown: streamed, without the blanks around it that belong to the form of the
 * prompt rather than to what was said. */
#ifndef PH_CLI_ANSWER_VIEW_H
#define PH_CLI_ANSWER_VIEW_H

#include "base/buf.h"

typedef struct ph_answer_view {
    bool trim, begun, shown, newline;
    ph_buf held; /* blanks that are shown when something follows them */
} ph_answer_view;

void ph_answer_view_init(ph_answer_view *view, bool trim);
/* For phial_generation_options.on_text; user is the view. False when the user interrupted or the
 * output is gone. */
bool ph_answer_view_add(void *user, const char *text, size_t n);
/* Ends the line, if there is one, and frees. */
void ph_answer_view_end(ph_answer_view *view, bool complete);

/* Bytes without the blanks at the end. */
size_t ph_trimmed_length(const char *text, size_t n);

#endif
