/* Contract in line_edit.h.
 *
 * Characters are read by a function of ours, because libedit's own loses a signal that comes
 * between two reads, and leaves the terminal cooked behind one. A signal writes a byte into a pipe
 * (it may be delivered to any thread), and reading waits for the keyboard and the pipe. SIGINT
 * belongs to this file as long as an editor is open, because Ctrl-C is a signal until the terminal
 * is raw.
 *
 * libedit asks the C library what the terminal's characters are. The program never calls
 * setlocale(), so that numbers are written in one way only; instead this thread has a locale of its
 * own for character types while a line is edited, and it is always a UTF-8 one.
 * Bracketed paste: xterm's control sequences, "Bracketed Paste Mode".
 */
#include "cli/line_edit.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/cli_io.h"
#include "base/str.h"
#include "base/utf8.h"

#define HISTORY_LINES 1000
/* Characters of one paste; a longer one is left out as a whole, and said so. */
#define PASTE_MAX     ((size_t)1 << 20)

struct ph_line_edit {
    EditLine *el;
    History *history;
    char *history_path; /* owned; NULL: not kept */
    const char *prompt;
    locale_t locale;
    bool pastes; /* the terminal knows bracketed paste */
    bool interrupted, had_text;
    struct sigaction old_int;
};

enum { N_SIGNALS = 3 };
static const int SIGNALS[N_SIGNALS] = {SIGWINCH, SIGTSTP, SIGTERM};
static volatile sig_atomic_t got_int, got_winch, got_tstp, got_term;
static int wake[2] = {-1, -1}; /* read end, write end */

static void on_signal(int sig)
{
    if (sig == SIGINT)
        got_int = 1;
    else if (sig == SIGWINCH)
        got_winch = 1;
    else if (sig == SIGTSTP)
        got_tstp = 1;
    else
        got_term = 1;
    /* A full pipe wakes as well as one byte more would. */
    int keep = errno;
    ssize_t n = write(wake[1], "", 1);
    (void)n;
    errno = keep;
}

/* Raw, and Ctrl-C a key like others: as a signal it would also throw away what was typed ahead. */
static void make_raw(EditLine *el)
{
    struct termios mode;
    el_set(el, EL_PREP_TERM, 1);
    if (tcgetattr(STDIN_FILENO, &mode) == 0) {
        mode.c_cc[VINTR] = _POSIX_VDISABLE;
        tcsetattr(STDIN_FILENO, TCSADRAIN, &mode);
    }
}

static void switch_paste(const ph_line_edit *self, bool on)
{
    if (self->pastes) {
        fputs(on ? "\033[?2004h" : "\033[?2004l", stdout);
        fflush(stdout);
    }
}

/* Ctrl-Z: the shell gets the terminal as it was, and we take it back afterwards. */
static void suspend(ph_line_edit *self)
{
    struct sigaction usual = {.sa_handler = SIG_DFL}, ours;
    switch_paste(self, false);
    el_set(self->el, EL_PREP_TERM, 0);
    sigaction(SIGTSTP, &usual, &ours);
    raise(SIGTSTP); /* here we stand still */
    sigaction(SIGTSTP, &ours, NULL);
    make_raw(self->el);
    switch_paste(self, true);
    el_resize(self->el);
    el_set(self->el, EL_REFRESH);
}

static ph_line_edit *self_of(EditLine *el)
{
    void *self = NULL;
    el_get(el, EL_CLIENTDATA, &self);
    return self;
}

/* Waits for a key or a signal. 1: there is a key, 0: look at the signals, -1: trouble. */
static int wait_for_key(void)
{
    char drain[64];
    struct pollfd in[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                           {.fd = wake[0], .events = POLLIN}};
    if (poll(in, 2, -1) < 0)
        return errno == EINTR ? 0 : -1;
    if (in[1].revents) {
        while (read(wake[0], drain, sizeof drain) > 0)
            ;
        return 0;
    }
    return 1;
}

/* For EL_GETCFN: 1 and a character, 0 at the end, -1 for an error. */
static int read_char(EditLine *el, wchar_t *c)
{
    ph_line_edit *self = self_of(el);
    uint8_t bytes[4];
    size_t n = 0, len;
    for (;;) {
        if (got_term)
            return 0;
        if (got_int) {
            got_int = 0;
            *c = 3;
            return 1;
        }
        if (got_winch) {
            got_winch = 0;
            el_resize(el);
            el_set(el, EL_REFRESH);
        }
        if (got_tstp) {
            got_tstp = 0;
            suspend(self);
        }
        int ready = wait_for_key();
        if (ready < 0)
            return -1;
        if (ready == 0)
            continue;
        ssize_t got = read(STDIN_FILENO, bytes + n, 1);
        if (got <= 0)
            return got == 0 ? 0 : -1;
        n++;
        if (n < sizeof bytes && ph_utf8_incomplete_tail(bytes, n) == n)
            continue;
        uint32_t cp = ph_utf8_decode(bytes, n, &len);
        *c = cp == PH_UTF8_INVALID || len != n ? (wchar_t)0xfffd : (wchar_t)cp;
        return 1;
    }
}

static char *give_prompt(EditLine *el)
{
    return (char *)self_of(el)->prompt;
}

static unsigned char on_interrupt(EditLine *el, int key)
{
    (void)key;
    ph_line_edit *self = self_of(el);
    const LineInfo *line = el_line(el);
    self->interrupted = true;
    self->had_text = line->lastchar > line->buffer;
    return CC_EOF;
}

/* Collects what comes until ESC [ 2 0 1 ~. Returns the characters without that end. */
static size_t read_paste(EditLine *el, wchar_t *text, size_t cap, bool *too_long)
{
    static const wchar_t END[] = L"\033[201~";
    const size_t n_end = sizeof END / sizeof END[0] - 1;
    size_t n = 0;
    wchar_t c;
    while (el_wgetc(el, &c) == 1) {
        if (n == cap) { /* read on, to see the end */
            n = cap - n_end;
            *too_long = true;
        }
        text[n++] = c;
        if (n >= n_end && wmemcmp(text + n - n_end, END, n_end) == 0)
            return n - n_end;
    }
    return n;
}

static unsigned char on_paste(EditLine *el, int key)
{
    (void)key;
    wchar_t *text = ph_alloc(PASTE_MAX + 1, sizeof *text, NULL);
    if (!text)
        return CC_ERROR;
    bool too_long = false;
    size_t n = read_paste(el, text, PASTE_MAX, &too_long), kept = 0;
    if (too_long) {
        ph_free(text);
        ph_say("a paste of more than %zu characters is left out", PASTE_MAX);
        return CC_REDISPLAY;
    }
    for (size_t i = 0; i < n; i++) {
        wchar_t c = text[i] == L'\r' ? L'\n' : text[i];
        if (c == L'\n' || c == L'\t' || (c >= 0x20 && c != 0x7f))
            text[kept++] = c;
    }
    while (kept > 0 && text[kept - 1] == L'\n')
        kept--;
    text[kept] = 0;
    int failed = kept > 0 ? el_winsertstr(el, text) : 0;
    ph_free(text);
    return failed ? CC_ERROR : CC_REFRESH;
}

static void load_history(ph_line_edit *self, const char *path, phial_error *notice)
{
    HistEvent event;
    history(self->history, &event, H_SETSIZE, HISTORY_LINES);
    history(self->history, &event, H_SETUNIQUE, 1);
    if (!path)
        return;
    ph_file_kind kind = ph_file_kind_of(path);
    if (kind == PH_FILE_REGULAR && history(self->history, &event, H_LOAD, path) < 0)
        ph_err_set(notice, PHIAL_ERR_IO, "the history %s cannot be read; it is left as it is",
                   path);
    else if (kind != PH_FILE_REGULAR && kind != PH_FILE_MISSING)
        ph_err_set(notice, PHIAL_ERR_IO, "the history %s is no file; it is left as it is", path);
    else
        self->history_path = ph_strdup(path, NULL);
}

static void save_history(ph_line_edit *self)
{
    HistEvent event;
    if (!self->history_path)
        return;
    /* What people ask is nobody else's business. */
    mode_t old = umask(077);
    history(self->history, &event, H_SAVE, self->history_path);
    umask(old);
}

static locale_t make_locale(void)
{
    locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
    if (locale && strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0)
        return locale;
    if (locale)
        freelocale(locale);
    return newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static void set_up(ph_line_edit *self)
{
    EditLine *el = self->el;
    el_set(el, EL_CLIENTDATA, self);
    el_set(el, EL_PROMPT, give_prompt);
    el_set(el, EL_SIGNAL, 0);
    el_set(el, EL_GETCFN, read_char);
    el_set(el, EL_HIST, history, self->history);
    el_set(el, EL_EDITOR, "emacs");
    el_source(el, NULL);
    /* The narrow el_set() would make copies of these names that nobody frees. */
    el_wset(el, EL_ADDFN, L"ph-interrupt", L"throw the line away", on_interrupt);
    el_wset(el, EL_ADDFN, L"ph-paste", L"take pasted text as it is", on_paste);
    el_set(el, EL_BIND, "^C", "ph-interrupt", NULL);
    el_set(el, EL_BIND, "-a", "^C", "ph-interrupt", NULL);
    if (self->pastes)
        el_set(el, EL_BIND, "\\e[200~", "ph-paste", NULL);
}

phial_status ph_line_open(ph_line_edit **out, const char *history_path, phial_error *notice,
                          phial_error *err)
{
    const char *term = getenv("TERM");
    ph_line_edit *self = ph_alloc(1, sizeof *self, err);
    if (!self)
        return PHIAL_ERR_NO_MEMORY;
    self->pastes = term && term[0] && strcmp(term, "dumb") != 0;
    if (wake[0] < 0 && pipe2(wake, O_NONBLOCK | O_CLOEXEC) != 0) {
        ph_free(self);
        return ph_err_errno(err, errno, "a pipe for signals");
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, &self->old_int);
    self->locale = make_locale();
    locale_t old = self->locale ? uselocale(self->locale) : (locale_t)0;
    self->history = history_init();
    self->el = self->history ? el_init("phial", stdin, stdout, stderr) : NULL;
    if (self->el) {
        load_history(self, history_path, notice);
        set_up(self);
        *out = self;
    }
    if (old)
        uselocale(old);
    if (!self->el) {
        ph_line_close(self);
        return ph_err_set(err, PHIAL_ERR_NO_MEMORY, "the terminal cannot be edited on");
    }
    return PHIAL_OK;
}

void ph_line_close(ph_line_edit *self)
{
    if (!self)
        return;
    save_history(self);
    if (self->el)
        el_end(self->el);
    if (self->history)
        history_end(self->history);
    if (self->locale)
        freelocale(self->locale);
    sigaction(SIGINT, &self->old_int, NULL);
    ph_free(self->history_path);
    ph_free(self);
}

/* libedit's part, with our signals; borrowed until the next. */
static const char *edit_line(ph_line_edit *self, int *n)
{
    struct sigaction action = {.sa_handler = on_signal}, old[N_SIGNALS];
    for (int i = 0; i < N_SIGNALS; i++)
        sigaction(SIGNALS[i], &action, &old[i]);
    /* A Ctrl-C that came just before counts. */
    got_winch = got_tstp = got_term = 0;
    el_resize(self->el);
    /* Raw before the prompt is shown, so that a key pressed at the sight of it means what it does
     * while editing. */
    make_raw(self->el);
    switch_paste(self, true);
    const char *text = el_gets(self->el, n);
    switch_paste(self, false);
    for (int i = 0; i < N_SIGNALS; i++)
        sigaction(SIGNALS[i], &old[i], NULL);
    return text;
}

ph_line_end ph_line_read(ph_line_edit *self, const char *prompt, ph_buf *line, bool *had_text)
{
    int n = 0;
    ph_buf_clear(line);
    self->prompt = prompt;
    self->interrupted = self->had_text = false;
    locale_t old = self->locale ? uselocale(self->locale) : (locale_t)0;
    const char *text = edit_line(self, &n);
    if (text && n > 0)
        ph_buf_add(line, text, (size_t)n - (text[n - 1] == '\n'));
    if (old)
        uselocale(old);
    if (had_text)
        *had_text = self->had_text;
    if (text && n > 0)
        return PH_LINE_TEXT;
    fputc('\n', stdout);
    return self->interrupted ? PH_LINE_INTERRUPT : PH_LINE_CLOSED;
}

void ph_line_remember(ph_line_edit *self, const char *entry)
{
    HistEvent event;
    if (entry[0])
        history(self->history, &event, H_ENTER, entry);
    /* At once, so that it outlives a program that is killed. */
    save_history(self);
}
