/* Contract in answer_view.h. */
#include "cli/answer_view.h"

#include <string.h>

#include "cli/answer_signal.h"
#include "cli/cli_io.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

size_t ph_trimmed_length(const char *text, size_t n)
{
    while (n > 0 && is_blank(text[n - 1]))
        n--;
    return n;
}

void ph_answer_view_init(ph_answer_view *view, bool trim)
{
    *view = (ph_answer_view){.trim = trim};
    ph_buf_init(&view->held, 0);
}

static bool show(ph_answer_view *view, const char *text, size_t n)
{
    if (n == 0)
        return true;
    view->newline = text[n - 1] == '\n';
    view->shown = true;
    return ph_out_foreign((ph_str){text, n}, true);
}

bool ph_answer_view_add(void *user, const char *text, size_t n)
{
    ph_answer_view *view = user;
    if (view->trim && !view->begun) {
        size_t skip = 0;
        while (skip < n && is_blank(text[skip]))
            skip++;
        text += skip;
        n -= skip;
        view->begun = n > 0;
    }
    size_t visible = view->trim ? ph_trimmed_length(text, n) : n;
    bool ok = true;
    if (visible > 0) {
        ok = show(view, view->held.data, view->held.len) && show(view, text, visible) &&
             ph_out_flush();
        ph_buf_clear(&view->held);
    }
    ph_buf_add(&view->held, text + visible, n - visible);
    return ok && !ph_answer_interrupted();
}

void ph_answer_view_end(ph_answer_view *view, bool complete)
{
    if (!view->newline && (complete || view->shown))
        ph_out_str("\n");
    ph_out_flush();
    ph_buf_free(&view->held);
}
