/* Contract in chat_input.h. */
#include "cli/chat_input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/answer_view.h"
#include "cli/cli_io.h"
#include "cli/conversation.h"
#include "cli/line_edit.h"

#define QUOTES "\"\"\""

struct ph_chat_input {
    ph_line_edit *edit; /* NULL: plain reading */
    ph_buf line;
};

static phial_status make_folders(const char *path, phial_error *err)
{
    char *copy = ph_strdup(path, err);
    phial_status st = copy ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
    for (char *p = copy; p && *p && st == PHIAL_OK; p++) {
        if (*p == '/' && p > copy) {
            *p = 0;
            if (ph_file_kind_of(copy) == PH_FILE_MISSING)
                st = ph_dir_make(copy, err);
            *p = '/';
        }
    }
    ph_free(copy);
    return st;
}

/* *out is owned, NULL if there is no place for it. */
static phial_status history_path(char **out, phial_error *err)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    ph_buf path;
    ph_buf_init(&path, 0);
    *out = NULL;
    if (state && state[0] == '/')
        ph_buf_addf(&path, "%s/phial/history", state);
    else if (home && home[0] == '/')
        ph_buf_addf(&path, "%s/.local/state/phial/history", home);
    else
        return PHIAL_OK;
    phial_status st = ph_buf_status(&path, err);
    if (st == PHIAL_OK)
        st = make_folders(path.data, err);
    if (st == PHIAL_OK) {
        *out = ph_strdup(path.data, err);
        st = *out ? PHIAL_OK : PHIAL_ERR_NO_MEMORY;
    }
    ph_buf_free(&path);
    return st;
}

static phial_status open_editor(ph_chat_input *input, bool with_history, phial_error *err)
{
    phial_error notice = {0};
    char *path = NULL;
    if (with_history && history_path(&path, &notice) != PHIAL_OK)
        ph_tell("(no history is kept: %s)", notice.message);
    notice = (phial_error){0};
    phial_status st = ph_line_open(&input->edit, path, &notice, err);
    if (st == PHIAL_OK && notice.message[0])
        ph_tell("(%s)", notice.message);
    ph_free(path);
    return st;
}

phial_status ph_chat_input_open(ph_chat_input **out, bool interactive, bool with_history,
                                phial_error *err)
{
    ph_chat_input *input = ph_alloc(1, sizeof *input, err);
    if (!input)
        return PHIAL_ERR_NO_MEMORY;
    ph_buf_init(&input->line, PH_MESSAGE_BYTES);
    phial_status st = interactive ? open_editor(input, with_history, err) : PHIAL_OK;
    if (st != PHIAL_OK) {
        ph_chat_input_close(input);
        return st;
    }
    *out = input;
    return PHIAL_OK;
}

void ph_chat_input_close(ph_chat_input *input)
{
    if (!input)
        return;
    ph_line_close(input->edit);
    ph_buf_free(&input->line);
    ph_free(input);
}

/* A line from a pipe, any bytes but newline. */
static phial_status read_plain(ph_chat_input *input, bool *end, phial_error *err)
{
    int c = 0;
    ph_buf_clear(&input->line);
    while ((c = getc(stdin)) != EOF && c != '\n') {
        /* A line beyond the limit may have no end at all. */
        if (!ph_buf_add_byte(&input->line, (uint8_t)c))
            return ph_buf_status(&input->line, err);
    }
    if (c == EOF && ferror(stdin))
        return ph_err_errno(err, errno, "standard input");
    *end = c == EOF && input->line.len == 0;
    return ph_buf_status(&input->line, err);
}

/* A line from a person. Ctrl-C throws it away; twice with nothing typed leaves. */
static phial_status read_edited(ph_chat_input *input, const char *prompt, bool *end, bool *thrown,
                                phial_error *err)
{
    bool warned = false;
    for (;;) {
        bool had_text = false;
        ph_line_end how = ph_line_read(input->edit, prompt, &input->line, &had_text);
        if (how == PH_LINE_TEXT)
            return ph_buf_status(&input->line, err);
        *end = how == PH_LINE_CLOSED || (warned && !had_text);
        if (*end)
            return PHIAL_OK;
        if (thrown) {
            *thrown = true;
            return PHIAL_OK;
        }
        warned = !had_text;
        if (warned)
            ph_tell("(Ctrl-C once more, or Ctrl-D, leaves)");
    }
}

static phial_status read_line(ph_chat_input *input, const char *prompt, bool *end, bool *thrown,
                              phial_error *err)
{
    *end = false;
    return input->edit ? read_edited(input, prompt, end, thrown, err) : read_plain(input, end, err);
}

/* Appends the line without the closing quotes, and what stands behind them too, so that nothing
 * typed is lost; true if they were there. */
static bool add_quoted(ph_buf *message, const char *text, size_t n)
{
    const char *close = n >= 3 ? memmem(text, n, QUOTES, 3) : NULL;
    size_t n_before = close ? (size_t)(close - text) : n;
    ph_buf_add(message, text, n_before);
    if (!close)
        return false;
    size_t n_behind = ph_trimmed_length(close + 3, n - n_before - 3);
    ph_buf_add(message, close + 3, n_behind);
    return true;
}

/* The line begins with quotes: collects up to the closing ones. *thrown: Ctrl-C on the way. */
static phial_status read_quoted(ph_chat_input *input, ph_buf *message, bool *thrown,
                                phial_error *err)
{
    bool end = false, closed = add_quoted(message, input->line.data + 3, input->line.len - 3);
    phial_status st = PHIAL_OK;
    while (!closed && !end && !*thrown && st == PHIAL_OK) {
        st = read_line(input, ". ", &end, thrown, err);
        if (st != PHIAL_OK || end || *thrown)
            break;
        if (message->len > 0)
            ph_buf_add_byte(message, '\n');
        closed = add_quoted(message, input->line.data ? input->line.data : "", input->line.len);
    }
    return st == PHIAL_OK ? ph_buf_status(message, err) : st;
}

static bool is_blank(const ph_buf *b)
{
    for (size_t i = 0; i < b->len; i++) {
        if (!strchr(" \t\r\n", b->data[i]) || b->data[i] == 0)
            return false;
    }
    return true;
}

static void take_line(const ph_buf *line, ph_buf *message, ph_message_kind *kind)
{
    bool escaped = line->len >= 2 && line->data[0] == '/' && line->data[1] == '/';
    bool command = line->data[0] == '/' && !escaped && !memchr(line->data, '\n', line->len);
    *kind = command ? PH_MESSAGE_COMMAND : PH_MESSAGE_TEXT;
    size_t n = line->len - (line->data[line->len - 1] == '\r');
    ph_buf_add(message, line->data + escaped, n - escaped);
}

phial_status ph_chat_input_next(ph_chat_input *input, ph_buf *message, ph_message_kind *kind,
                                phial_error *err)
{
    bool end = false;
    ph_buf_clear(message);
    while (is_blank(message)) {
        bool thrown = false;
        ph_buf_clear(message);
        phial_status st = read_line(input, "> ", &end, NULL, err);
        *kind = PH_MESSAGE_END;
        if (st != PHIAL_OK || end)
            return st;
        if (is_blank(&input->line))
            continue;
        *kind = PH_MESSAGE_TEXT;
        if (input->line.len >= 3 && memcmp(input->line.data, QUOTES, 3) == 0)
            st = read_quoted(input, message, &thrown, err);
        else
            take_line(&input->line, message, kind);
        if (st == PHIAL_OK)
            st = ph_buf_status(message, err);
        if (st != PHIAL_OK)
            return st;
        if (thrown)
            ph_buf_clear(message);
    }
    if (input->edit)
        ph_line_remember(input->edit, message->data);
    return PHIAL_OK;
}
